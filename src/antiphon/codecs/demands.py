"""What a request demands of a model, held against the model's profile.

What changes an answer's meaning and can't be had is refused with its `param`; a hint that the provider doesn't
take is left out with a note. A provider that takes what we only pass on (`opaque_items`) judges for itself, except
where its profile says plainly that something is missing.
"""

from antiphon.errors import Unsupported
from antiphon.types.content import InputAudio, InputFile, InputImage, MessagePart, ToolOutputPart
from antiphon.types.profiles import Hint, Profile
from antiphon.types.responses import CreateResponse, JsonObjectFormat, JsonSchemaFormat, ReasoningOptions

_LOGPROBS = "message.output_text.logprobs"
_HAD_ANYWAY = {("service_tier", "auto"), ("service_tier", "default")}


def check(request: CreateResponse, profile: Profile) -> None:
    """Raise Unsupported for the first option that the model doesn't have."""
    if not profile.temperature:
        for param, value in (("temperature", request.temperature), ("top_p", request.top_p)):
            if value not in {None, 1}:  # 1 is the default: asking for it changes nothing
                raise Unsupported(f"'{param}' is not available with this model.", param=param)
    if not profile.logprobs and (wants_logprobs(request) or request.top_logprobs):
        param = "top_logprobs" if request.top_logprobs else "include"
        raise Unsupported("Log probabilities are not available with this model.", param=param)
    chosen = request.text.format if request.text else None
    if isinstance(chosen, JsonSchemaFormat) and not profile.json_schema:
        raise Unsupported("JSON schema output is not available with this model.", param="text.format")
    if isinstance(chosen, JsonObjectFormat) and not profile.json_object:
        raise Unsupported("JSON output is not available with this model.", param="text.format")
    if request.reasoning is not None:
        _check_reasoning(request.reasoning, profile)


def check_part(part: MessagePart | ToolOutputPart, profile: Profile, path: str) -> None:
    """Raise Unsupported for an image, file or sound that the model can't take in."""
    if isinstance(part, InputImage) and not profile.images:
        raise Unsupported("Image input is not available with this model.", param=path)
    if isinstance(part, InputFile) and not (profile.files or profile.opaque_items):
        raise Unsupported("File input is not available with this model.", param=path)
    if isinstance(part, InputAudio) and not (profile.audio or profile.opaque_items):
        raise Unsupported("Audio input is not available with this model.", param=path)


def wants_logprobs(request: CreateResponse) -> bool:
    """Say whether the answer's log probabilities are asked for."""
    return _LOGPROBS in (request.include or ())


def hints(request: CreateResponse, profile: Profile, notes: list[str]) -> dict[Hint, str]:
    """Return the hints that the provider takes; the others go into `notes`."""
    given: dict[Hint, str | None] = {
        "user": request.user,
        "safety_identifier": request.safety_identifier,
        "prompt_cache_key": request.prompt_cache_key,
        "prompt_cache_retention": request.prompt_cache_retention,
        "service_tier": request.service_tier,
        "verbosity": request.text.verbosity if request.text else None,
    }
    asked: dict[Hint, str] = {hint: value for hint, value in given.items() if value is not None}
    if not asked and request.prompt_cache_options is None:
        return asked
    if profile.opaque_items:
        return asked
    taken: dict[Hint, str] = {hint: value for hint, value in asked.items() if hint in profile.hints}
    left = [hint for hint in asked if hint not in taken and (hint, asked[hint]) not in _HAD_ANYWAY]
    notes += [f"{'text.verbosity' if hint == 'verbosity' else hint} left out" for hint in left]
    if request.prompt_cache_options is not None:
        notes.append("prompt_cache_options left out")
    return taken


def _check_reasoning(options: ReasoningOptions, profile: Profile) -> None:
    if profile.effort == "none" and options.effort not in {None, "none"}:
        raise Unsupported("This model knows no reasoning effort.", param="reasoning.effort")
    if profile.opaque_items:
        return
    if options.mode == "pro":
        raise Unsupported("Reasoning mode 'pro' is not available with this provider.", param="reasoning.mode")
    if options.context == "all_turns":
        raise Unsupported("'all_turns' is not available with this provider.", param="reasoning.context")
