"""A turn as the body of `POST /messages`."""

import msgspec

from antiphon.codecs.anthropic import caching, tools
from antiphon.codecs.anthropic.messages import Conversation, conversation
from antiphon.codecs.anthropic.refusals import PARAMS
from antiphon.codecs.anthropic.thinking import Thinking, thinking
from antiphon.codecs.demands import check, fitted, hints
from antiphon.codecs.lowering import Forced, choose, lower
from antiphon.codecs.schemas import to_dialect
from antiphon.errors import Unsupported
from antiphon.types.content import JsonObject
from antiphon.types.profiles import Hint, Profile
from antiphon.types.responses import CreateResponse, JsonObjectFormat, JsonSchemaFormat
from antiphon.types.turns import Turn, UpstreamRequest

_encode = msgspec.json.Encoder().encode
_LEAST_TOP_P = 0.95
"""With thinking on, Anthropic takes `top_p` from here to 1 and no `temperature`."""

_TIERS = {"auto": "auto", "default": "standard_only"}
"""OpenAI's service tiers to Anthropic's; the others have no counterpart."""


def encode(turn: Turn, profile: Profile) -> UpstreamRequest:
    """Return the request. Raises BadRequest or Unsupported with the path of what can't be said."""
    request = turn.request
    check(request, profile)
    if profile.custom_tools:
        profile = msgspec.structs.replace(profile, custom_tools=False)  # the format has none
    box = lower(turn, profile)
    notes = list(box.notes)
    chosen = choose(turn, box, profile)
    said = conversation(turn, profile, box, notes)
    thought = thinking(
        request,
        profile,
        notes,
        is_forced=bool(box.functions) and (chosen == "required" or isinstance(chosen, Forced)),
        resumes_unthought=said.resumes_unthought,
    )
    body: JsonObject = {"model": turn.model, "max_tokens": thought.max_tokens}
    if box.functions:
        if not profile.tools:
            raise Unsupported("Tools are not available with this model.", param="tools")
        body["tools"] = tools.offered(box, profile, notes)
        parallel = request.parallel_tool_calls
        body["tool_choice"] = tools.choice(chosen, parallel=parallel, profile=profile, notes=notes)
    body["system"] = said.system or None
    body["messages"] = said.messages
    body |= _sampling(request, profile, thought)
    body["thinking"] = thought.config
    body["output_config"] = _output(request, profile, thought, notes)
    _hint(body, said, hints(request, profile, notes), notes)
    body["stream"] = turn.stream or None
    told = _encode({name: value for name, value in body.items() if value is not None})
    return UpstreamRequest(path="/messages", body=fitted(told, profile, notes, PARAMS), names=box.names, notes=notes)


def _sampling(request: CreateResponse, profile: Profile, thought: Thinking) -> JsonObject:
    """Return `temperature` and `top_p`, of which Anthropic takes one. Raises Unsupported for what it doesn't take."""
    for param, value in (
        ("presence_penalty", request.presence_penalty),
        ("frequency_penalty", request.frequency_penalty),
    ):
        if value:
            raise Unsupported(f"'{param}' is not available with this provider.", param=param)
    given = {"temperature": request.temperature, "top_p": request.top_p} if profile.temperature else {}
    told = {name: value for name, value in given.items() if value is not None}
    if thought.is_on:
        told = {name: value for name, value in told.items() if value != 1}
        if "temperature" in told:
            raise Unsupported("'temperature' can't be set while this model reasons.", param="temperature")
        if told.get("top_p", 1) < _LEAST_TOP_P:
            text = f"'top_p' can't be below {_LEAST_TOP_P} while this model reasons."
            raise Unsupported(text, param="top_p")
    elif len(told) > 1:
        told = {name: value for name, value in told.items() if value != 1} or {"temperature": 1}
        if len(told) > 1:
            raise Unsupported("This provider takes either 'temperature' or 'top_p', not both.", param="top_p")
    return dict(told)


def _output(request: CreateResponse, profile: Profile, thought: Thinking, notes: list[str]) -> JsonObject | None:
    """Return `output_config`: the effort, and the format of the answer."""
    config: JsonObject = {}
    if thought.effort is not None:
        config["effort"] = thought.effort
    chosen = request.text.format if request.text is not None else None
    if isinstance(chosen, JsonSchemaFormat):
        schema, lost = to_dialect(chosen.schema, profile.schema_dialect)
        notes += lost
        config["format"] = {"type": "json_schema", "schema": schema}
    elif isinstance(chosen, JsonObjectFormat):
        config["format"] = {"type": "json_object"}  # of look-alikes: Anthropic has none, and its profile says so
    return config or None


def _hint(body: JsonObject, said: Conversation, taken: dict[Hint, str], notes: list[str]) -> None:
    """Add what is only a hint, as far as there are words for it."""
    if user := taken.get("safety_identifier", taken.get("user")):
        body["metadata"] = {"user_id": user}
        if len(taken.keys() & {"safety_identifier", "user"}) > 1:
            notes.append("user left out, safety_identifier is told in its place")
    if tier := taken.get("service_tier"):
        body["service_tier"] = _TIERS.get(tier)
        if body["service_tier"] is None:
            notes.append("service_tier left out")
    if "verbosity" in taken:
        notes.append("text.verbosity left out")
    if taken.keys() & {"prompt_cache_key", "prompt_cache_retention"}:
        caching.mark(said, body.get("tools", ()), taken.get("prompt_cache_retention"), notes)
