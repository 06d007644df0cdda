"""Tools that a request offers, and the choice among them."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

Name = Annotated[str, Meta(min_length=1, max_length=128)]


class FunctionTool(Struct, kw_only=True, frozen=True, tag="function"):
    """A function that the client carries out. `parameters` is a JSON schema or null."""

    type: ClassVar[str] = "function"
    name: Name
    description: str | None = None
    parameters: Raw = Raw(b"null")
    strict: bool | None = None


class FreeFormat(Struct, kw_only=True, frozen=True, tag="text"):
    """Any text."""

    type: ClassVar[str] = "text"


class GrammarFormat(Struct, kw_only=True, frozen=True, tag="grammar"):
    """Text of a grammar."""

    type: ClassVar[str] = "grammar"
    syntax: Literal["lark", "regex"]
    definition: str


class CustomTool(Struct, kw_only=True, frozen=True, tag="custom"):
    """A freeform tool: its input is plain text, maybe of a grammar. `format` is FreeFormat or GrammarFormat."""

    type: ClassVar[str] = "custom"
    name: Name
    description: str | None = None
    format: Raw | UnsetType = UNSET


class NamespaceTool(Struct, kw_only=True, frozen=True, tag="namespace"):
    """A named group of function and custom tools."""

    type: ClassVar[str] = "namespace"
    name: Name
    description: str | None = None
    tools: list[FunctionTool | CustomTool]


Tool: TypeAlias = FunctionTool | CustomTool | NamespaceTool
"""The tools we act on; hosted ones travel as bytes."""

HOSTED = frozenset(
    {
        "file_search",
        "web_search",
        "web_search_2025_08_26",
        "web_search_preview",
        "web_search_preview_2025_03_11",
        "computer",
        "computer_use_preview",
        "mcp",
        "code_interpreter",
        "image_generation",
        "local_shell",
        "shell",
        "apply_patch",
        "tool_search",
        "programmatic_tool_calling",
    }
)
"""Tool types of the API (openai 3.54) that a server carries out or that need a provider of their own."""


class FunctionChoice(Struct, kw_only=True, frozen=True, tag="function"):
    """This function must be called."""

    type: ClassVar[str] = "function"
    name: str


class CustomChoice(Struct, kw_only=True, frozen=True, tag="custom"):
    """This freeform tool must be called."""

    type: ClassVar[str] = "custom"
    name: str


class AllowedTool(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One entry of an allow list."""

    type: str
    name: str | UnsetType = UNSET
    server_label: str | UnsetType = UNSET


class AllowedTools(Struct, kw_only=True, frozen=True, tag="allowed_tools"):
    """Only these tools may be called: a hard constraint."""

    type: ClassVar[str] = "allowed_tools"
    mode: Literal["auto", "required"]
    tools: list[AllowedTool]


class McpChoice(Struct, kw_only=True, frozen=True, tag="mcp"):
    """A tool of this MCP server must be called."""

    type: ClassVar[str] = "mcp"
    server_label: str
    name: str | UnsetType | None = UNSET


class FileSearchChoice(Struct, kw_only=True, frozen=True, tag="file_search"):
    """File search must be used."""

    type: ClassVar[str] = "file_search"


class WebSearchChoice(Struct, kw_only=True, frozen=True, tag="web_search_preview"):
    """Web search must be used."""

    type: ClassVar[str] = "web_search_preview"


class DatedWebSearchChoice(Struct, kw_only=True, frozen=True, tag="web_search_preview_2025_03_11"):
    """Web search must be used, in this version of it."""

    type: ClassVar[str] = "web_search_preview_2025_03_11"


class CodeInterpreterChoice(Struct, kw_only=True, frozen=True, tag="code_interpreter"):
    """The code interpreter must be used."""

    type: ClassVar[str] = "code_interpreter"


class ImageGenerationChoice(Struct, kw_only=True, frozen=True, tag="image_generation"):
    """Image generation must be used."""

    type: ClassVar[str] = "image_generation"


class ComputerChoice(Struct, kw_only=True, frozen=True, tag="computer"):
    """The computer tool must be used."""

    type: ClassVar[str] = "computer"


class ComputerUseChoice(Struct, kw_only=True, frozen=True, tag="computer_use"):
    """The computer tool must be used, by another of its names."""

    type: ClassVar[str] = "computer_use"


class ComputerPreviewChoice(Struct, kw_only=True, frozen=True, tag="computer_use_preview"):
    """The computer tool must be used, by its first name."""

    type: ClassVar[str] = "computer_use_preview"


class ProgrammaticChoice(Struct, kw_only=True, frozen=True, tag="programmatic_tool_calling"):
    """Tools must be called from a program."""

    type: ClassVar[str] = "programmatic_tool_calling"


class ShellChoice(Struct, kw_only=True, frozen=True, tag="shell"):
    """The shell tool must be used."""

    type: ClassVar[str] = "shell"


class ApplyPatchChoice(Struct, kw_only=True, frozen=True, tag="apply_patch"):
    """The patch tool must be used."""

    type: ClassVar[str] = "apply_patch"


ToolMode = Literal["none", "auto", "required"]

ToolChoice: TypeAlias = (
    ToolMode
    | FunctionChoice
    | CustomChoice
    | AllowedTools
    | McpChoice
    | FileSearchChoice
    | WebSearchChoice
    | DatedWebSearchChoice
    | CodeInterpreterChoice
    | ImageGenerationChoice
    | ComputerChoice
    | ComputerUseChoice
    | ComputerPreviewChoice
    | ProgrammaticChoice
    | ShellChoice
    | ApplyPatchChoice
)
