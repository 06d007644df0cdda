"""The calls of one chat answer as they arrive.

Servers disagree on what tells two calls apart: `index` may be missing or 0 for all, ids may be missing, and one call
may come twice. A new id or another name opens a new call; a call is opened as soon as its name is known, and its
arguments wait until then, or until the end where they hold a freeform tool's input.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from antiphon.codecs.chat.wire import CallPiece
from antiphon.codecs.lowering import freeform_input
from antiphon.types import chunks
from antiphon.types.chunks import Chunk
from antiphon.types.turns import ToolName


@dataclass(slots=True)
class _Call:
    """One call. `said` counts the pieces of its text that were passed on."""

    key: int
    id: str
    name: str = ""
    tool: ToolName | None = None
    twin: "_Call | None" = None
    pieces: list[str] = field(default_factory=list)
    said: int = 0
    is_open: bool = False
    is_held: bool = False  # its text is the input of a freeform tool, which only the whole of it tells
    is_double: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Calls:
    """All calls of one answer; `names` leads from lowered tools back to the request's own."""

    def __init__(self, names: Mapping[str, ToolName]) -> None:
        self._names = names
        self._all: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def take(self, piece: CallPiece, out: list[Chunk]) -> None:
        """Say what a piece completes; a call that it opens comes first."""
        given = piece.function or piece.custom
        name = (given.name if given else None) or ""
        call = self._of(piece, name)
        if not call.name and name:
            call.name = name
        if text := piece.text:
            call.pieces.append(text)
        if not call.is_open:
            if call.twin is not None:
                call = self._untwinned(call, call.twin, piece.index)
            if call.name and not call.is_open and not call.is_double:
                out.append(self._opened(call, native=piece.custom is not None))
        if call.is_open and not call.is_held:
            while call.said < len(call.pieces):
                out.append(chunks.CallDelta(call.key, call.pieces[call.said]))
                call.said += 1

    def end(self, *, is_whole: bool) -> list[Chunk]:
        """Return the rest of all calls. Which one was cut by an early end is not known: `Stop` closes them then."""
        out: list[Chunk] = []
        for call in self._all:
            if not call.is_open:
                continue  # doubles, and arguments that never got a name are nothing that a client could act on
            if call.said < len(call.pieces):
                out.append(chunks.CallDelta(call.key, freeform_input(call.text)))
            if is_whole:
                out.append(chunks.CallClosed(call.key))
        return out

    def _of(self, piece: CallPiece, name: str) -> _Call:
        """Return the call that a piece belongs to: a new id or another name opens a new one."""
        call = self._by_index.get(piece.index) if piece.index is not None else None
        if call is not None and not piece.id and not name:
            return call  # nearly all pieces
        if call is None and piece.index is None:
            call = self._with_id(piece.id) or (self._all[-1] if self._all and not piece.id else None)
        if call is not None:
            other_id = bool(piece.id and call.id and piece.id != call.id)
            other_name = bool(name and call.name and name != call.name)
            if other_id or other_name:
                call = self._with_id(piece.id)
        if call is None:
            call = _Call(len(self._all), piece.id or "", twin=self._with_id(piece.id))
            self._all.append(call)
        call.id = call.id or piece.id or ""
        if piece.index is not None:
            self._by_index[piece.index] = call
        return call

    def _with_id(self, wanted: str | None) -> _Call | None:
        return next((call for call in self._all if call.id == wanted), None) if wanted else None

    def _untwinned(self, call: _Call, twin: _Call, index: int | None) -> _Call:
        """Return what a call is whose id another one has: a call of its own, or that one told again (LocalAI 9722).

        It waits for arguments to tell. Those that the other one never had are the other one's.
        """
        call.is_double = call.name in {"", twin.name} and call.text in {"", twin.text}
        if call.is_double or twin.pieces or call.name not in {"", twin.name}:
            return call
        twin.pieces, call.pieces, call.is_double = call.pieces, [], True
        if index is not None:
            self._by_index[index] = twin
        return twin

    def _opened(self, call: _Call, *, native: bool) -> Chunk:
        """Open a call under the name that the request knows it by."""
        call.tool = known = self._names.get(call.name)
        call.is_open, call.is_held = True, known is not None and known.custom
        if known is None:
            return chunks.CallOpened(call.key, call.id, call.name, custom=native)
        return chunks.CallOpened(call.key, call.id, known.name, custom=known.custom, namespace=known.namespace)
