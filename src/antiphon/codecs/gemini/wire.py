"""The body of generateContent as Structs, in the camelCase of its REST documents."""

from msgspec import Raw, Struct

from antiphon.types.content import JsonObject


class Blob(Struct, rename="camel", gc=False):
    """Data in base64."""

    mime_type: str
    data: str


class FileData(Struct, rename="camel", omit_defaults=True, gc=False):
    """A file by its address."""

    file_uri: str
    mime_type: str | None = None


class Called(Struct, gc=False):
    """A call of the past; `args` is a JSON object."""

    id: str
    name: str
    args: Raw


class MediaPart(Struct, rename="camel", omit_defaults=True, gc=False):
    """An image or file inside a function's response."""

    inline_data: Blob | None = None
    file_data: FileData | None = None


class Responded(Struct, omit_defaults=True, gc=False):
    """The output of a call."""

    id: str
    name: str
    response: JsonObject
    parts: list[MediaPart] | None = None


class Part(Struct, rename="camel", omit_defaults=True, gc=False):
    """One of the things that a content holds; an empty `text` is sent."""

    text: str | None = None
    thought: bool | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: Called | None = None
    function_response: Responded | None = None
    media_resolution: JsonObject | None = None
    thought_signature: str | None = None


class Content(Struct, gc=False):
    """What one side says in a row: `user` or `model`."""

    role: str
    parts: list[Part]


class Instruction(Struct, gc=False):
    """The system's words."""

    parts: list[Part]


class Declaration(Struct, rename="camel", omit_defaults=True, gc=False):
    """A function that is offered."""

    name: str
    description: str | None = None
    parameters_json_schema: JsonObject | None = None


class Body(Struct, rename="camel", omit_defaults=True):
    """The whole request."""

    contents: list[Content]
    system_instruction: Instruction | None = None
    tools: list[JsonObject] | None = None
    tool_config: JsonObject | None = None
    generation_config: JsonObject | None = None
    service_tier: str | None = None
