"""The first snapshot of a response: the request's options with every default filled in."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Raw

from antiphon.engine.intake import without_credentials
from antiphon.types.kept import Kept
from antiphon.types.responses import (
    ConversationRef,
    CreateResponse,
    JsonSchemaFormat,
    ReasoningEcho,
    ReasoningOptions,
    Response,
    ResponseStatus,
    Text,
    TextEcho,
)
from antiphon.types.tools import FunctionTool, Tool

_encode = msgspec.json.Encoder().encode
_PLAIN_TEXT = TextEcho(format=Raw(b'{"type":"text"}'))
_NO_REASONING = ReasoningEcho()
_NO_TOOLS = Raw(b"[]")
_NULL = Raw(b"null")
_WANTED = ("description", "parameters", "strict")

_FIELDS: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])


def first_snapshot(
    request: CreateResponse,
    *,
    response_id: str,
    created_at: int,
    conversation_id: str | None,
    tools: Sequence[Kept[Tool]],
    status: ResponseStatus = "in_progress",
) -> Response:
    """Return the response as its first event shows it; `model` is echoed as it was asked for."""
    return Response(
        id=response_id,
        created_at=created_at,
        status=status,
        background=bool(request.background),
        instructions=request.instructions,
        max_output_tokens=request.max_output_tokens,
        max_tool_calls=request.max_tool_calls,
        model=request.model,
        parallel_tool_calls=request.parallel_tool_calls is not False,
        previous_response_id=request.previous_response_id,
        conversation=ConversationRef(id=conversation_id) if conversation_id else None,
        prompt_cache_key=request.prompt_cache_key,
        prompt_cache_retention=request.prompt_cache_retention or UNSET,
        reasoning=_reasoning(request.reasoning),
        safety_identifier=request.safety_identifier,
        store=request.store is not False,
        temperature=1.0 if request.temperature is None else request.temperature,
        text=_text(request.text),
        tool_choice=request.tool_choice or "auto",
        tools=Raw(_encode([_tool(tool) for tool in tools])) if tools else _NO_TOOLS,
        top_logprobs=request.top_logprobs or 0,
        top_p=1.0 if request.top_p is None else request.top_p,
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        truncation=request.truncation or "disabled",
        user=request.user,
        metadata=request.metadata or {},
    )


def _reasoning(options: ReasoningOptions | None) -> ReasoningEcho:
    if options is None:
        return _NO_REASONING
    return ReasoningEcho(
        effort=options.effort,
        summary=options.summary or options.generate_summary or None,
        context=options.context or UNSET,
        mode=options.mode or UNSET,
    )


def _text(text: Text | None) -> TextEcho:
    if text is None:
        return _PLAIN_TEXT
    chosen = text.format
    if isinstance(chosen, JsonSchemaFormat) and chosen.strict is None:
        chosen = msgspec.structs.replace(chosen, strict=False)  # Open Responses wants a boolean there
    shown = Raw(_encode(chosen)) if chosen else _PLAIN_TEXT.format
    return TextEcho(format=shown, verbosity=text.verbosity or UNSET)


def _tool(tool: Kept[Tool]) -> Raw | dict[str, Raw]:
    """Return a tool as echoed: a function with the keys that Open Responses wants, an MCP server without secrets."""
    if isinstance(tool.view, FunctionTool):
        fields = _FIELDS.decode(tool.raw)
        return {**fields, **{name: _NULL for name in _WANTED if name not in fields}}
    return without_credentials(tool.raw) if tool.view is None else tool.raw
