"""What a request demands of a model, held against the model's profile.

What changes an answer's meaning and can't be had is refused with its `param`; a hint that the provider doesn't
take is left out with a note. A provider that takes what we only pass on (`opaque_items`) judges for itself, except
where its profile says plainly that something is missing.
"""

from collections.abc import Mapping
from typing import get_args

import msgspec
from msgspec import Raw

from antiphon.errors import Unsupported
from antiphon.types.content import InputAudio, InputFile, InputImage, MessagePart, ToolOutputPart
from antiphon.types.profiles import Hint, Profile
from antiphon.types.responses import CreateResponse, Effort, JsonObjectFormat, JsonSchemaFormat, ReasoningOptions

_encode = msgspec.json.Encoder().encode
_FIELDS: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])

_LOGPROBS = "message.output_text.logprobs"
_UNASKED = frozenset({"include", "store", "stream_options"})
"""Parameters that are sent whether a request names them or not."""

_HAD_ANYWAY = {("service_tier", "auto"), ("service_tier", "default")}


def check(request: CreateResponse, profile: Profile) -> None:
    """Raise Unsupported for the first option that the model doesn't have."""
    if not profile.temperature:
        for param, value in (("temperature", request.temperature), ("top_p", request.top_p)):
            if value not in {None, 1}:  # 1 is the default: asking for it changes nothing
                raise Unsupported(f"'{param}' is not available with this model.", param=param)
    if request.temperature is not None and request.temperature > profile.max_temperature:
        text = f"'temperature' is at most {profile.max_temperature:g} with this model."
        raise Unsupported(text, param="temperature")
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


def check_address(part: MessagePart | ToolOutputPart, profile: Profile, path: str) -> None:
    """Raise Unsupported for an address that the model can't fetch from; what can be fetched for it was before."""
    if isinstance(part, InputImage) and not profile.image_urls and _is_address(part.image_url):
        raise Unsupported("This model fetches no images; send a data URL.", param=f"{path}.image_url")
    if isinstance(part, InputFile) and not profile.file_urls and part.file_data is None and part.file_url:
        raise Unsupported("This model fetches no files; send file_data.", param=f"{path}.file_url")


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


def fitted(body: bytes, profile: Profile, notes: list[str], params: Mapping[str, str]) -> bytes:
    """Return a body without the parameters that the provider refuses, the others under its own names.

    `params` leads from the wire's names to the request's, which the notes tell; what nobody asked for needs none.
    """
    if not profile.removed and not profile.renamed:
        return body
    fields = _FIELDS.decode(body)
    for name in sorted(profile.removed & fields.keys()):
        del fields[name]
        if name not in _UNASKED:
            notes.append(f"{params.get(name, name)} left out")
    return _encode({profile.renamed.get(name, name): value for name, value in fields.items()})


def _is_address(url: str | None) -> bool:
    return url is not None and url[:5].lower() != "data:"


def _check_reasoning(options: ReasoningOptions, profile: Profile) -> None:
    if profile.effort == "none" and options.effort not in {None, "none"}:
        raise Unsupported("This model knows no reasoning effort.", param="reasoning.effort")
    if profile.efforts is not None and options.effort is not None and options.effort not in profile.efforts:
        known = ", ".join(f"'{effort}'" for effort in get_args(Effort) if effort in profile.efforts)
        text = f"This model takes no reasoning effort '{options.effort}', only {known}."
        raise Unsupported(text, param="reasoning.effort")
    if profile.opaque_items:
        return
    if options.mode == "pro":
        raise Unsupported("Reasoning mode 'pro' is not available with this provider.", param="reasoning.mode")
    if options.context == "all_turns":
        raise Unsupported("'all_turns' is not available with this provider.", param="reasoning.context")
