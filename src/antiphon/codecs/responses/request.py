"""A turn as the body of `POST /responses`, with nothing that the upstream would have to remember.

The whole context goes along in `input`, and what the upstream would look up in its own store is left out: it never
stored our items, and answers `Item with id 'rs_…' not found` to their ids. A model's reasoning travels in
`encrypted_content`; without that it is left out, and so is reasoning that lost the item it led to. Every item is read
and written again from its own bytes, so that fields newer than this release pass, and a key given twice can't be one
thing to us and another to the upstream.
"""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Raw, Struct

from antiphon.codecs.demands import check, check_address, check_part, fitted, hints
from antiphon.codecs.lowering import Forced, Function, Toolbox, choose, freeform_arguments, lower, short_id, tool_format
from antiphon.codecs.mending import as_object
from antiphon.codecs.responses.state import read_kept
from antiphon.codecs.schemas import to_dialect
from antiphon.errors import BadRequest, Unsupported
from antiphon.types.content import JsonObject, MessagePart, ToolOutputPart
from antiphon.types.items import (
    AdditionalTools,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    Item,
    ItemReference,
    Message,
    Reasoning,
)
from antiphon.types.kept import Kept
from antiphon.types.profiles import Profile
from antiphon.types.responses import CreateResponse, JsonObjectFormat, JsonSchemaFormat, ReasoningOptions
from antiphon.types.tools import CustomTool, ToolChoice
from antiphon.types.turns import Turn, UpstreamRequest

_encode = msgspec.json.Encoder().encode
_STATE = "reasoning.encrypted_content"
_NO_BOX = Toolbox((), (), {}, {}, ())

_GOES_WITHOUT_ID = frozenset(
    {
        "additional_tools",
        "apply_patch_call",
        "apply_patch_call_output",
        "compaction",
        "compaction_trigger",
        "computer_call_output",
        "configuration_update",
        "custom_tool_call",
        "custom_tool_call_output",
        "function_call",
        "function_call_output",
        "mcp_approval_response",
        "message",
        "reasoning",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    }
)
"""Item types whose `id` may be missing: those with an optional one in openai 3.54, and message, reasoning and
web_search_call, which Codex sends without. The others keep theirs: an approval names its request by it."""

_ID_LENGTH = 64
"""Characters of a call's id that OpenAI's Responses API takes."""

_OF_CLIENTS = frozenset({"mcp_approval_response", "configuration_update", "compaction_trigger"})


class _Body(Struct, omit_defaults=True):
    model: str
    input: list[JsonObject]
    store: bool
    stream: bool
    include: list[str]
    instructions: str | None = None
    tools: list[JsonObject] | None = None
    tool_choice: ToolChoice | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    text: JsonObject | None = None
    reasoning: JsonObject | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    truncation: str | None = None
    stream_options: JsonObject | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: JsonObject | None = None
    service_tier: str | None = None
    context_management: list[JsonObject] | None = None
    moderation: JsonObject | None = None
    image: JsonObject | None = None
    access_programs: JsonObject | None = None


def encode(turn: Turn, profile: Profile) -> UpstreamRequest:
    """Return the request. Raises BadRequest or Unsupported with the path of what can't be said."""
    request = turn.request
    check(request, profile)
    box = _NO_BOX if profile.opaque_items else lower(turn, profile)
    notes = list(box.notes)
    body = _Body(
        model=turn.model,
        input=_Input(turn, profile, box, notes).all(),
        store=False,
        stream=turn.stream,
        include=list(dict.fromkeys([*(request.include or ()), _STATE])),
        instructions=request.instructions or None,
        max_output_tokens=request.max_output_tokens,
        top_logprobs=request.top_logprobs or None,
        presence_penalty=request.presence_penalty or None,
        frequency_penalty=request.frequency_penalty or None,
        reasoning=_reasoning(request.reasoning, profile),
    )
    if profile.temperature:
        body.temperature, body.top_p = request.temperature, request.top_p
    _tools(body, turn, box, profile, notes)
    _hints(body, request, profile, notes)
    if profile.opaque_items:
        _responses_only(body, request)
    return UpstreamRequest(
        path="/responses", body=fitted(_encode(body), profile, notes, {}), names=box.names, notes=notes
    )


def _responses_only(body: _Body, request: CreateResponse) -> None:
    """Pass what only a server of the whole API can act on; for the others it is done, or refused, before a turn."""
    body.max_tool_calls, body.truncation = request.max_tool_calls, request.truncation
    body.prompt_cache_options, body.context_management = request.prompt_cache_options, request.context_management
    body.moderation, body.image, body.access_programs = request.moderation, request.image, request.access_programs
    if body.stream and request.stream_options and request.stream_options.include_obfuscation is not None:
        body.stream_options = {"include_obfuscation": request.stream_options.include_obfuscation}


def _reasoning(options: ReasoningOptions | None, profile: Profile) -> JsonObject | None:
    if options is None:
        return None
    given = {
        "effort": options.effort if profile.effort != "none" else None,
        "summary": options.summary or options.generate_summary,
        "context": options.context,
        "mode": options.mode,
    }
    return {name: value for name, value in given.items() if value} or None


def _hints(body: _Body, request: CreateResponse, profile: Profile, notes: list[str]) -> None:
    text: JsonObject = {}
    if request.text is not None and isinstance(request.text.format, JsonSchemaFormat | JsonObjectFormat):
        fields: JsonObject = msgspec.to_builtins(request.text.format)
        if isinstance(request.text.format, JsonSchemaFormat):
            fields["schema"] = _told(fields["schema"], request.text.format.strict, profile, notes, "text.format.schema")
        text["format"] = {name: value for name, value in fields.items() if value is not None}
    for hint, value in hints(request, profile, notes).items():
        if hint == "verbosity":
            text["verbosity"] = value
        else:
            setattr(body, hint, value)
    body.text = text or None


# -- tools ----------------------------------------------------------------------------------------------------


def _tools(body: _Body, turn: Turn, box: Toolbox, profile: Profile, notes: list[str]) -> None:
    if profile.opaque_items:
        tools = [_object(tool.raw, f"tools[{index}]") for index, tool in enumerate(turn.tools)]
        tools = [_narrowed(tool, profile, notes) for tool in tools]
        choice: ToolChoice | JsonObject | None = None if turn.tool_choice == "auto" else turn.tool_choice
    else:
        tools = [_narrowed(_function(function), profile, notes) for function in box.functions]
        tools += [_freeform(tool) for tool in box.custom]
        asked = choose(turn, box, profile)
        choice = {"type": asked.kind, "name": asked.name} if isinstance(asked, Forced) else asked
    if not tools and not any(isinstance(item.view, AdditionalTools) for item in turn.items):
        return
    if not profile.tools:
        raise Unsupported("Tools are not available with this model.", param="tools")
    body.tools, body.tool_choice = tools or None, choice
    if turn.request.parallel_tool_calls is False:
        if profile.parallel_switch:
            body.parallel_tool_calls = False
        else:
            notes.append("parallel_tool_calls left out: this provider can't be told to make one call at a time")


def _function(function: Function) -> JsonObject:
    fields = {"type": "function", **msgspec.structs.asdict(function)}
    return {name: value for name, value in fields.items() if value is not None}


def _narrowed(tool: JsonObject, profile: Profile, notes: list[str]) -> JsonObject:
    """Return a tool whose schema is in the provider's dialect."""
    if profile.schema_dialect == "full" or tool.get("type") != "function" or tool.get("parameters") is None:
        return tool
    given = tool["parameters"]
    schema = as_object(msgspec.json.decode(given) if isinstance(given, Raw) else given)
    return {**tool, "parameters": _told(schema, tool.get("strict"), profile, notes, "tools")}


def _told(schema: JsonObject, strict: object, profile: Profile, notes: list[str], param: str) -> JsonObject:
    """Return a schema in the provider's dialect; OpenAI's is that of strict schemas alone."""
    if profile.schema_dialect == "openai" and not strict:
        return schema
    told, lost = to_dialect(schema, profile.schema_dialect, param)
    notes += lost
    return told


def _freeform(tool: CustomTool) -> JsonObject:
    given: JsonObject = {"type": "custom", "name": tool.name}
    if tool.description is not None:
        given["description"] = tool.description
    if tool.format is not UNSET:
        given["format"] = tool_format(tool)
    return given


# -- items ----------------------------------------------------------------------------------------------------


class _Input:
    """Makes the input of one turn, item by item; what the upstream doesn't know is lowered as the box says."""

    def __init__(self, turn: Turn, profile: Profile, box: Toolbox, notes: list[str]) -> None:
        self.turn = turn
        self.profile = profile
        self.box = box
        self.notes = notes
        self.lowered: set[str] = set()  # ids of freeform calls that are told as functions
        self.is_under_way = False  # something else than a system message was said

    def all(self) -> list[JsonObject]:
        made = (self._item(index, item) for index, item in enumerate(self.turn.items))
        return [fields for fields in made if fields is not None]

    def _item(self, index: int, item: Kept[Item]) -> JsonObject | None:
        view = item.view
        if isinstance(view, ItemReference):
            return None  # its item stands here already
        if isinstance(view, Reasoning) and not self._stays(index, view):
            return None
        fields = _object(item.raw, self.turn.path(index))
        if view is not None:
            fields = {name: value for name, value in fields.items() if value is not None}
        if fields.get("type", "message") in _GOES_WITHOUT_ID:
            fields.pop("id", None)
        if isinstance(fields.get("call_id"), str):
            fields["call_id"] = short_id(fields["call_id"], _ID_LENGTH)
        if isinstance(view, Message):
            fields.setdefault("type", "message")  # not every look-alike takes an item without
        if not self.profile.opaque_items:
            return self._lowered(index, item, fields)
        return self._patched(index, item, fields)

    def _patched(self, index: int, item: Kept[Item], fields: JsonObject) -> JsonObject:
        """Return an item as any Responses server takes it."""
        match item.view:
            case Message(content=content) if not isinstance(content, str):
                self._check_parts(content, f"{self.turn.path(index)}.content")
            case Reasoning() as view:
                fields.setdefault("summary", [])
                self._replayed(view, fields)
            case FunctionCallOutput(output=output) | CustomToolCallOutput(output=output):
                if isinstance(output, dict):
                    fields["output"] = _encode(fields["output"]).decode()
                elif not isinstance(output, str):
                    self._check_parts(output, f"{self.turn.path(index)}.output")
            case _:
                pass
        return fields

    def _check_parts(self, parts: Sequence[MessagePart | ToolOutputPart], path: str) -> None:
        for place, part in enumerate(parts):
            check_part(part, self.profile, f"{path}[{place}]")
            check_address(part, self.profile, f"{path}[{place}]")

    # a server that knows functions and nothing else

    def _lowered(self, index: int, item: Kept[Item], fields: JsonObject) -> JsonObject | None:
        was_under_way, self.is_under_way = self.is_under_way, self.is_under_way or not _is_system(item.view)
        match item.view:
            case Message() as view:
                self._role(view, fields, is_late=was_under_way)
            case FunctionCall() as view:
                fields["name"] = self.box.wire_name(view.name, view.namespace or None)
                fields.pop("namespace", None)
            case CustomToolCall() as view if view.namespace or not self.profile.custom_tools:
                self.lowered.add(view.call_id)
                fields = {
                    "type": "function_call",
                    "call_id": fields["call_id"],
                    "name": self.box.wire_name(view.name, view.namespace or None),
                    "arguments": freeform_arguments(view.input),
                }
            case CustomToolCallOutput() as view if view.call_id in self.lowered:
                fields["type"] = "function_call_output"
            case AdditionalTools():
                return None  # they are in the box
            case None:
                self.notes.append(f"{self.turn.path(index)}: {fields.get('type')} left out, this provider has none")
                return None
            case _:
                pass
        return self._patched(index, item, fields)

    def _role(self, view: Message, fields: JsonObject, *, is_late: bool) -> None:
        if view.role == "developer" and not self.profile.developer_role:
            fields["role"] = "system"
        if is_late and _is_system(view) and not self.profile.mid_system:
            mark, content = f"[{view.role} message]", fields["content"]
            is_text = isinstance(content, str)
            fields["role"] = "user"
            fields["content"] = f"{mark}\n{content}" if is_text else [{"type": "input_text", "text": mark}, *content]

    # reasoning

    def _stays(self, index: int, view: Reasoning) -> bool:
        """Say whether reasoning is told: with state of the upstream's own, and with the item that it led to.

        Raw reasoning is told without state where the profile says that the model wants it back.
        """
        replays = self.profile.replay_reasoning != "none"
        wanted = replays and bool(view.content)
        if not replays and view.encrypted_content and read_kept(view.encrypted_content) is not None:
            self._note("reasoning state that this provider doesn't read left out")
            return False
        if not view.encrypted_content and not wanted:
            self._note("reasoning without encrypted_content left out")
            return False
        if not self._is_followed(index):
            self._note("reasoning that led to nothing left out")
            return False
        return True

    def _replayed(self, view: Reasoning, fields: JsonObject) -> None:
        """Tell raw reasoning where it is wanted: as one part, since vLLM reads no second, and without state.

        vLLM takes no state beside it ("Encrypted content is not supported", vLLM 28248).
        """
        if self.profile.replay_reasoning == "none":
            return
        text = read_kept(view.encrypted_content) if view.encrypted_content else None
        if text is None:
            text = "\n".join(part.text for part in view.content or ())
        if text:
            fields.pop("encrypted_content", None)
            fields["content"] = [{"type": "reasoning_text", "text": text}]

    def _is_followed(self, index: int) -> bool:
        for item in self.turn.items[index + 1 :]:
            match item.view:
                case Reasoning() | ItemReference():
                    continue
                case Message(role=role):
                    return role == "assistant"
                case FunctionCall() | CustomToolCall():
                    return True
                case None:
                    kind = str(_object(item.raw, "input").get("type"))
                    return not kind.endswith("_output") and kind not in _OF_CLIENTS
                case _:
                    return False
        return False

    def _note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)


def _is_system(view: Item | None) -> bool:
    return isinstance(view, Message) and view.role in {"system", "developer"}


def _object(raw: Raw, path: str) -> JsonObject:
    """Return what was received, decoded: a key given twice is the last one from here on."""
    try:
        decoded: JsonObject = msgspec.json.decode(raw, type=JsonObject)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise BadRequest(f"Invalid value at '{path}': it can't be read.", code="invalid_value", param=path) from exc
    return decoded
