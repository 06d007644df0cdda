"""One answer of a model, heard to its end before any of it is shown. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import UNSET

from antiphon.types import chunks
from antiphon.types.chunks import Chunk, Stop, Used
from antiphon.types.content import OutputText, ReasoningText, SummaryText
from antiphon.types.items import FunctionCall, Item, Message, Reasoning
from antiphon.types.responses import InputTokensDetails, OutputTokensDetails, Usage

_CALL = (chunks.CallOpened, chunks.CallDelta, chunks.CallClosed)
_ALOUD = (chunks.Text, chunks.Annotated, *_CALL)
_FOR_THE_CLIENT = (chunks.Refused, chunks.CallOpened)


@dataclass(slots=True)
class Heard:
    """What was said. `is_function` says that the arguments of a function were asked for instead of text."""

    is_function: bool
    said: list[Chunk] = field(default_factory=list)
    used: Used | None = None
    stop: Stop = field(default_factory=lambda: Stop("failed"))

    def add(self, said: Sequence[Chunk]) -> None:
        """Hear what came with one read."""
        for chunk in said:
            if isinstance(chunk, Used):
                self.used = chunk
            elif isinstance(chunk, Stop):
                self.stop = chunk
            else:
                self.said.append(chunk)

    @property
    def is_answer(self) -> bool:
        """Whether it is a whole answer: not cut short or refused, no calls that the client has to carry out."""
        return self.stop.status == "completed" and not any(isinstance(chunk, _FOR_THE_CLIENT) for chunk in self.plain)

    @property
    def call(self) -> chunks.CallOpened | None:
        """The first call of the function, whatever the model called it: there is no other."""
        calls = (chunk for chunk in self.said if isinstance(chunk, chunks.CallOpened))
        return next(calls, None) if self.is_function else None

    @property
    def text(self) -> str:
        """What was said aloud, or as arguments of the function."""
        if (call := self.call) is None:
            return "".join(chunk.text for chunk in self.said if isinstance(chunk, chunks.Text))
        deltas = (chunk for chunk in self.said if isinstance(chunk, chunks.CallDelta) and chunk.key == call.key)
        return "".join(chunk.text for chunk in deltas)

    @property
    def plain(self) -> list[Chunk]:
        """What was said as the client may see it: arguments of the function as text, at the end."""
        return self.saying(self.text) if self.call is not None else self.said

    def saying(self, text: str) -> list[Chunk]:
        """Return what was said with `text` for all that was said aloud."""
        kept: list[Chunk] = [chunk for chunk in self.said if not isinstance(chunk, _ALOUD)]
        return [*kept, chunks.Text(text)]

    def items(self) -> list[Item]:
        """Return it as items of the next turn: reasoning with its state, and the text or call in its place."""
        found: list[Item | _Thinking] = []
        spoken = self._spoken()
        for chunk in self.said:
            match chunk:
                case chunks.Thought() | chunks.Summarized() | chunks.ThoughtState():
                    last = found[-1] if found else None
                    if not isinstance(last, _Thinking) or not last.takes(chunk):
                        last = _Thinking()
                        found.append(last)
                    last.add(chunk)
                case chunks.Text() | chunks.CallOpened() if spoken is not None and spoken not in found:
                    found.append(spoken)
                case _:
                    pass
        return [part.item() if isinstance(part, _Thinking) else part for part in found]

    def _spoken(self) -> Item | None:
        if (call := self.call) is not None:
            return FunctionCall(call_id=call.call_id or "call_0", name=call.name, arguments=self.text)
        return Message(role="assistant", content=[OutputText(text=self.text)]) if self.text.strip() else None


@dataclass(slots=True, eq=False)
class _Thinking:
    """A reasoning item that is being put together."""

    content: list[str] = field(default_factory=list)
    summary: dict[int, str] = field(default_factory=dict)
    state: str | None = None

    def takes(self, chunk: Chunk) -> bool:
        """Say whether a chunk still belongs here: what follows the state is a new item."""
        return self.state is None

    def add(self, chunk: chunks.Thought | chunks.Summarized | chunks.ThoughtState) -> None:
        match chunk:
            case chunks.Thought(text):
                self.content.append(text)
            case chunks.Summarized(text, part):
                self.summary[part] = self.summary.get(part, "") + text
            case chunks.ThoughtState(state):
                self.state = state

    def item(self) -> Reasoning:
        return Reasoning(
            summary=[SummaryText(text=text) for text in self.summary.values()],
            content=[ReasoningText(text="".join(self.content))] if self.content else UNSET,
            encrypted_content=UNSET if self.state is None else self.state,
        )


def added(first: Used | None, second: Used | None) -> Used | None:
    """Return the tokens of two answers together."""
    if first is None or second is None:
        return first or second
    one, two = first.usage, second.usage
    return Used(
        Usage(
            input_tokens=one.input_tokens + two.input_tokens,
            input_tokens_details=InputTokensDetails(
                cached_tokens=one.input_tokens_details.cached_tokens + two.input_tokens_details.cached_tokens,
                cache_write_tokens=one.input_tokens_details.cache_write_tokens
                + two.input_tokens_details.cache_write_tokens,
            ),
            output_tokens=one.output_tokens + two.output_tokens,
            output_tokens_details=OutputTokensDetails(
                reasoning_tokens=one.output_tokens_details.reasoning_tokens + two.output_tokens_details.reasoning_tokens
            ),
            total_tokens=one.total_tokens + two.total_tokens,
        ),
        second.service_tier or first.service_tier,
    )
