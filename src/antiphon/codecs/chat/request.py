"""A turn as the body of `POST /chat/completions`."""

import msgspec
from msgspec import UNSET, Raw, Struct

from antiphon.codecs.chat.messages import Messages, Sent
from antiphon.codecs.demands import check, fitted, hints, wants_logprobs
from antiphon.codecs.lowering import Forced, Function, Toolbox, choose, lower, tool_format
from antiphon.codecs.mending import as_object
from antiphon.codecs.schemas import to_dialect
from antiphon.errors import Unsupported
from antiphon.types.content import JsonObject
from antiphon.types.profiles import Profile
from antiphon.types.responses import (
    CreateResponse,
    Effort,
    JsonObjectFormat,
    JsonSchemaFormat,
    ReasoningOptions,
    Text,
    TextFormat,
)
from antiphon.types.turns import Turn, UpstreamRequest

_encode = msgspec.json.Encoder().encode
_replace = msgspec.structs.replace

PARAMS = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "reasoning": "reasoning",
    "thinking": "reasoning.effort",
    "enable_thinking": "reasoning.effort",
    "chat_template_kwargs": "reasoning.effort",
    "verbosity": "text.verbosity",
    "logprobs": "include",
}
"""Parameters of Chat Completions that the Responses API calls otherwise."""


class _Body(Struct, omit_defaults=True):
    model: str
    messages: list[Sent]
    stream: bool = False
    stream_options: JsonObject | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[JsonObject] | None = None
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    response_format: JsonObject | None = None
    reasoning_effort: str | None = None
    reasoning: JsonObject | None = None
    thinking: JsonObject | None = None
    enable_thinking: bool | None = None
    chat_template_kwargs: JsonObject | None = None
    verbosity: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None


def encode(turn: Turn, profile: Profile) -> UpstreamRequest:
    """Return the request. Raises BadRequest or Unsupported with the path of what can't be said."""
    request = turn.request
    check(request, profile)
    box = lower(turn, profile)
    notes = list(box.notes)
    body = _Body(model=turn.model, messages=Messages(turn, profile, box, notes).all(), stream=turn.stream)
    if turn.stream and profile.stream_usage:
        body.stream_options = {"include_usage": True}
    _sampling(body, request, profile)
    if request.reasoning is not None:
        _reasoning(body, request.reasoning, profile, notes)
    _tools(body, turn, box, profile, notes)
    if request.text is not None:
        _format(body, request.text, profile, notes)
    for hint, value in hints(request, profile, notes).items():
        setattr(body, hint, value)
    summarize = request.reasoning is not None and bool(request.reasoning.summary or request.reasoning.generate_summary)
    encoded = fitted(_encode(body), profile, notes, PARAMS)
    return UpstreamRequest(path="/chat/completions", body=encoded, names=box.names, notes=notes, summarize=summarize)


def _sampling(body: _Body, request: CreateResponse, profile: Profile) -> None:
    setattr(body, profile.max_tokens_field, request.max_output_tokens)
    if profile.temperature:
        body.temperature, body.top_p = request.temperature, request.top_p
    body.presence_penalty, body.frequency_penalty = request.presence_penalty, request.frequency_penalty
    if wants_logprobs(request):
        body.logprobs, body.top_logprobs = True, request.top_logprobs or None


def _reasoning(body: _Body, options: ReasoningOptions, profile: Profile, notes: list[str]) -> None:
    """Tell the effort in the provider's way."""
    effort = options.effort
    match profile.effort:
        case "reasoning_effort":
            body.reasoning_effort = effort
        case "reasoning":
            given = {"effort": effort, "summary": options.summary or options.generate_summary}
            body.reasoning = {name: value for name, value in given.items() if value} or None
        case "thinking" | "enable_thinking" | "template" if effort is not None:
            _switch(body, effort, profile, notes)
        case "adaptive" | "budget" | "level" if effort is not None:
            notes.append("reasoning.effort left out")
        case _:
            pass


def _switch(body: _Body, effort: Effort, profile: Profile, notes: list[str]) -> None:
    """Tell the effort to a model that can be told to think or not; how much goes beside it where levels are known."""
    is_on = effort != "none"
    if profile.effort == "thinking":
        body.thinking = {"type": "enabled" if is_on else "disabled"}
    elif profile.effort == "enable_thinking":
        body.enable_thinking = is_on
    else:
        body.chat_template_kwargs = {"enable_thinking": is_on}
    if not is_on:
        return
    if profile.efforts is None:
        notes.append(f"reasoning.effort: only on and off can be told, not '{effort}'")
    elif len(profile.efforts - {"none"}) > 1:
        body.reasoning_effort = effort


def _format(body: _Body, text: Text, profile: Profile, notes: list[str]) -> None:
    match text.format:
        case JsonSchemaFormat() as chosen if profile.schema_in_object:
            body.response_format = {"type": "json_object", "schema": chosen.schema}
        case JsonSchemaFormat() as chosen:
            told, lost = (
                (chosen.schema, [])
                if _takes_all(profile, chosen.strict)
                else to_dialect(chosen.schema, profile.schema_dialect)
            )
            notes += lost
            schema: JsonObject = {"name": chosen.name, "schema": told}
            if chosen.strict is not None:
                schema["strict"] = chosen.strict
            if chosen.description is not None:
                schema["description"] = chosen.description
            body.response_format = {"type": "json_schema", "json_schema": schema}
        case JsonObjectFormat():
            body.response_format = {"type": "json_object"}
        case TextFormat() | None:
            pass


def _takes_all(profile: Profile, strict: bool | None) -> bool:
    """Say whether a schema goes as it is: OpenAI's dialect is that of strict schemas alone."""
    return profile.schema_dialect == "full" or (profile.schema_dialect == "openai" and not strict)


# -- tools ----------------------------------------------------------------------------------------------------


def _tools(body: _Body, turn: Turn, box: Toolbox, profile: Profile, notes: list[str]) -> None:
    choice = choose(turn, box, profile)
    if not box.functions and not box.custom:
        return
    if not profile.tools:
        raise Unsupported("Tools are not available with this model.", param="tools")
    body.tools = [{"type": "function", "function": _narrowed(function, profile, notes)} for function in box.functions]
    for tool in box.custom:
        custom: JsonObject = {"name": tool.name}
        if tool.description is not None:
            custom["description"] = tool.description
        if tool.format is not UNSET:
            custom["format"] = _custom_format(tool_format(tool))
        body.tools.append({"type": "custom", "custom": custom})
    body.tool_choice = (
        {"type": choice.kind, choice.kind: {"name": choice.name}} if isinstance(choice, Forced) else choice
    )
    if turn.request.parallel_tool_calls is False:
        if profile.parallel_switch:
            body.parallel_tool_calls = False
        else:
            notes.append("parallel_tool_calls left out: this provider can't be told to make one call at a time")


def _narrowed(function: Function, profile: Profile, notes: list[str]) -> Function:
    """Return a function whose schema is in the provider's dialect."""
    if _takes_all(profile, function.strict):
        return function
    schema, lost = to_dialect(as_object(msgspec.json.decode(function.parameters)), profile.schema_dialect, "tools")
    notes += lost
    return _replace(function, parameters=Raw(_encode(schema)))


def _custom_format(given: JsonObject) -> JsonObject:
    """Return a freeform tool's format in chat's nesting: a grammar stands under its own key."""
    if given.get("type") != "grammar":
        return given
    return {"type": "grammar", "grammar": {key: given[key] for key in ("syntax", "definition") if key in given}}
