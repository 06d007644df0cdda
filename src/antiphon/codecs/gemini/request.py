"""A turn as the path and body of generateContent."""

from urllib.parse import quote

import msgspec

from antiphon.codecs.demands import check, hints, wants_logprobs
from antiphon.codecs.gemini.contents import Contents
from antiphon.codecs.gemini.tools import box_of, offer
from antiphon.codecs.gemini.wire import Body, Instruction
from antiphon.codecs.schemas import to_dialect
from antiphon.types.content import JsonObject
from antiphon.types.profiles import Profile
from antiphon.types.responses import CreateResponse, Effort, JsonObjectFormat, JsonSchemaFormat, ReasoningOptions
from antiphon.types.turns import Turn, UpstreamRequest

_encode = msgspec.json.Encoder().encode

_LEVELS: dict[Effort, str] = {
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
    "max": "XHIGH",
}
"""Efforts to `thinkingLevel`, as google-genai 3.3 has them; there is none for `none`."""

_BUDGETS: dict[Effort, int] = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}
"""Efforts to tokens, those of Google's own OpenAI-compatible endpoint; more is not taken by every model."""

_TIERS = {"flex": "flex", "priority": "priority", "default": "standard"}


def encode(turn: Turn, profile: Profile) -> UpstreamRequest:
    """Return the request. Raises BadRequest or Unsupported with the path of what can't be said."""
    request = turn.request
    check(request, profile)
    box = box_of(turn, profile)
    notes = list(box.notes)
    contents = Contents(turn, profile, box, notes)
    body = Body(contents=contents.all())
    if contents.instruction:
        body.system_instruction = Instruction(contents.instruction)
    offer(body, turn, box, profile, notes)
    body.generation_config = _generation(request, profile, notes) or None
    _tier(body, request, profile, notes)
    one_call = request.parallel_tool_calls is False and body.tools is not None
    if one_call:
        notes.append("parallel_tool_calls: the first call of an answer is kept, others are not")
    return UpstreamRequest(path=_path(turn), body=_encode(body), names=box.names, notes=notes, one_call=one_call)


def _path(turn: Turn) -> str:
    """Return the path of a model's method; a name with a collection of its own keeps that."""
    collection, _, name = turn.model.partition("/")
    if collection not in {"models", "tunedModels"} or not name:
        collection, name = "models", turn.model
    method = "streamGenerateContent?alt=sse" if turn.stream else "generateContent"
    return f"/{collection}/{quote(name, safe='')}:{method}"


def _generation(request: CreateResponse, profile: Profile, notes: list[str]) -> JsonObject:
    """Return generationConfig under the names that the model has for its fields."""
    given: JsonObject = {
        "maxOutputTokens": request.max_output_tokens,
        "temperature": request.temperature if profile.temperature else None,
        "topP": request.top_p if profile.temperature else None,
        "presencePenalty": request.presence_penalty,
        "frequencyPenalty": request.frequency_penalty,
        "responseLogprobs": wants_logprobs(request) or None,
        "logprobs": (request.top_logprobs or None) if wants_logprobs(request) else None,
        "thinkingConfig": _thinking(request.reasoning, profile, notes) if request.reasoning else None,
        **_format(request, profile, notes),
    }
    asked = {name: value for name, value in given.items() if value is not None}
    notes += [f"{name} left out, this model refuses it" for name in asked if name in profile.removed]
    return {profile.renamed.get(name, name): value for name, value in asked.items() if name not in profile.removed}


def _format(request: CreateResponse, profile: Profile, notes: list[str]) -> JsonObject:
    match request.text.format if request.text else None:
        case JsonSchemaFormat() as chosen:
            schema, lost = to_dialect(chosen.schema, profile.schema_dialect)
            notes += [f"text.format: {loss}" for loss in lost]
            if chosen.description is not None and "description" not in schema:
                schema = {**schema, "description": chosen.description}
            return {"responseMimeType": "application/json", "responseJsonSchema": schema}
        case JsonObjectFormat():
            return {"responseMimeType": "application/json"}
        case _:
            return {}


def _thinking(options: ReasoningOptions, profile: Profile, notes: list[str]) -> JsonObject | None:
    thinking: JsonObject = {} if options.effort is None else _effort(options.effort, profile, notes)
    if options.summary or options.generate_summary:
        if options.effort == "none" or profile.effort == "none":
            notes.append("reasoning.summary left out, nothing is reasoned")  # asking for it then is an error
        else:
            thinking["includeThoughts"] = True
    return thinking or None


def _effort(effort: Effort, profile: Profile, notes: list[str]) -> JsonObject:
    if profile.effort == "budget" or (profile.effort == "level" and effort == "none"):
        if effort in {"xhigh", "max"}:
            notes.append(f"reasoning.effort: '{effort}' told as 'high', the highest")
        return {"thinkingBudget": _BUDGETS[effort]}
    if profile.effort == "level":
        return {"thinkingLevel": _LEVELS[effort]}
    if profile.effort != "none":
        notes.append("reasoning.effort left out")
    return {}


def _tier(body: Body, request: CreateResponse, profile: Profile, notes: list[str]) -> None:
    """Send the one hint that Gemini has; the others are left out with notes."""
    known = msgspec.structs.replace(profile, hints=profile.hints & {"service_tier"}, opaque_items=False)
    tier = hints(request, known, notes).get("service_tier")
    if tier is not None and tier != "auto":
        body.service_tier = _TIERS.get(tier)
        if body.service_tier is None:
            notes.append("service_tier left out")
