"""The parts of which messages, tool outputs and reasoning items consist."""

from typing import Any, ClassVar, Literal, TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType

Detail = Literal["low", "high", "auto", "original"]


class InputText(Struct, kw_only=True, frozen=True, tag="input_text", gc=False):
    """Text from the client."""

    type: ClassVar[str] = "input_text"
    text: str


class InputImage(Struct, kw_only=True, frozen=True, tag="input_image", gc=False):
    """An image by URL (also a data URL) or by file id."""

    type: ClassVar[str] = "input_image"
    image_url: str | None = None
    file_id: str | None = None
    detail: Detail | None = "auto"


class InputFile(Struct, kw_only=True, frozen=True, tag="input_file", gc=False):
    """A file as base64 data, by URL or by file id."""

    type: ClassVar[str] = "input_file"
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None


class AudioData(Struct, kw_only=True, frozen=True, gc=False):
    """Base64 audio and its format."""

    data: str
    format: Literal["mp3", "wav"]


class InputAudio(Struct, kw_only=True, frozen=True, tag="input_audio", gc=False):
    """Audio from the client."""

    type: ClassVar[str] = "input_audio"
    input_audio: AudioData


class TopLogprob(Struct, kw_only=True, frozen=True, gc=False):
    """One alternative at a position, natural logarithm."""

    token: str
    logprob: float
    bytes: list[int]


class Logprob(Struct, kw_only=True, frozen=True, gc=False):
    """One sampled token with the alternatives that were asked for."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class OutputText(Struct, kw_only=True, frozen=True, tag="output_text", gc=False):
    """Text from a model. Annotations are kept as they came: new kinds pass through."""

    type: ClassVar[str] = "output_text"
    text: str
    annotations: list[Raw] = []
    logprobs: list[Logprob] | UnsetType | None = UNSET


class Refusal(Struct, kw_only=True, frozen=True, tag="refusal", gc=False):
    """The model's words for declining."""

    type: ClassVar[str] = "refusal"
    refusal: str


class ReasoningText(Struct, kw_only=True, frozen=True, tag="reasoning_text", gc=False):
    """Raw reasoning of a model."""

    type: ClassVar[str] = "reasoning_text"
    text: str


class SummaryText(Struct, kw_only=True, frozen=True, tag="summary_text", gc=False):
    """A summary of a model's reasoning."""

    type: ClassVar[str] = "summary_text"
    text: str


class PlainText(Struct, kw_only=True, frozen=True, tag="text", gc=False):
    """Text of no particular side; seen in stored messages of the API."""

    type: ClassVar[str] = "text"
    text: str


MessagePart: TypeAlias = (
    InputText | InputImage | InputFile | InputAudio | OutputText | Refusal | ReasoningText | SummaryText | PlainText
)
"""What may stand in a message that a client sends."""

OutputPart: TypeAlias = OutputText | Refusal
"""What stands in a message that a model wrote."""

ToolOutputPart: TypeAlias = InputText | InputImage | InputFile | InputAudio | OutputText | PlainText
"""What may stand in a list given as a tool's output."""

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object whose inside is the caller's business (a schema, a tool's own output)."""
