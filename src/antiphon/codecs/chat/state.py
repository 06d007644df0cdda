"""What a model behind chat wants back of its reasoning, as the text that reasoning items carry for it.

Chat has three places for it: the raw text, told again in the field that the profile names; OpenRouter's
`reasoning_details`, whose signatures hold for the whole block only; and `extra_content` beside a call, where Google's
endpoints put the signature of a thought (https://ai.google.dev/gemini-api/docs/thought-signatures, 2026-11).
"""

import msgspec
from msgspec import Struct

from antiphon.codecs.mending import UNREADABLE
from antiphon.types.content import JsonObject
from antiphon.types.items import Reasoning
from antiphon.types.profiles import Profile

_encode = msgspec.json.Encoder().encode

_BLANK = " "
"""Stands for reasoning that a model wants back and never had: the calls of another model, or a thought of nothing.

Without the field DeepSeek and Kimi refuse the conversation for ever after; Kimi takes "" for a missing one
(earendil-works/pi 4251, openclaw 73417, 2026-05).
"""

_PIECES = ("text", "summary", "data")
"""The fields of a detail that are told piece by piece."""


class State(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The state of one reasoning item. `call` belongs to the call that comes next, word for word."""

    text: str = ""
    details: list[JsonObject] = []
    call: JsonObject | None = None

    def written(self) -> str:
        """Return it as text; "" when it holds nothing."""
        return _encode(self).decode() if self.text or self.details or self.call else ""


_decode = msgspec.json.Decoder(State).decode


def read_state(text: str) -> State | None:
    """Return the state that `text` is, None for anything that we didn't write."""
    if not text.startswith("{"):
        return None  # another's, mostly: an exception costs ten times as much
    try:
        return _decode(text)
    except UNREADABLE:
        return None


class Details:
    """Collects the `reasoning_details` of an answer: of a stream, the pieces of one block become one.

    Pieces belong together by type and `index`, as long as their ids don't differ; sent back apart, a signed block is
    refused ("Invalid `signature` in `thinking` block", agno-agi/agno 8794).
    """

    def __init__(self, *, are_whole: bool = False) -> None:
        self._are_whole = are_whole
        self._all: list[JsonObject] = []

    def __len__(self) -> int:
        return len(self._all)

    def add(self, given: list[JsonObject]) -> None:
        """Take the details of one chunk."""
        if self._are_whole:
            self._all += given
            return
        for piece in given:
            known = next((detail for detail in reversed(self._all) if _is_same(detail, piece)), None)
            if known is None:
                self._all.append(dict(piece))
                continue
            for name, value in piece.items():
                if name in _PIECES and isinstance(value, str) and isinstance(known.get(name), str):
                    known[name] += value
                elif value is not None:
                    known[name] = value

    def take(self) -> list[JsonObject]:
        """Return what was collected, and begin anew."""
        taken, self._all = self._all, []
        return taken


def _is_same(detail: JsonObject, piece: JsonObject) -> bool:
    """Say whether a piece goes on with a detail."""
    if piece.get("index") is None or any(detail.get(name) != piece.get(name) for name in ("type", "index")):
        return False
    return detail.get("id") == piece.get("id") or not (detail.get("id") and piece.get("id"))


class Thoughts:
    """Gathers what the model wants back of its reasoning, for the assistant's message that it led to."""

    def __init__(self, profile: Profile, *, is_off: bool) -> None:
        """`is_off` says that this turn is to be thought about not at all: nothing must stand in then."""
        self._field = profile.replay_reasoning
        self._blank = _BLANK if self._field == "reasoning_content" and not is_off else ""
        self._texts: list[str] = []
        self._details: list[JsonObject] = []
        self.call: JsonObject | None = None
        """What belongs to the call that comes next."""

    def add(self, view: Reasoning) -> bool:
        """Take a reasoning item; False when its state is nothing that we wrote."""
        if self._field == "none" and not view.encrypted_content:
            return True
        state = read_state(view.encrypted_content) if view.encrypted_content else State()
        known = state or State()
        self.call = known.call or self.call
        if self._field == "none":
            return state is not None
        if known.details and self._field == "reasoning_details":
            self._details += known.details
        elif text := known.text or "".join(part.text for part in view.content or view.summary):
            self._texts.append(text)
        return state is not None

    def forget(self) -> None:
        """Drop what led to nothing."""
        self._texts, self._details, self.call = [], [], None

    def told(self) -> dict[str, str | list[JsonObject]]:
        """Return the fields of a message that wants reasoning."""
        text, details = "".join(self._texts), self._details
        self.forget()
        if self._field == "none" or not (text or details or self._blank):
            return {}
        if details:
            return {"reasoning_details": details}
        return {"reasoning" if self._field == "reasoning_details" else self._field: text or self._blank}
