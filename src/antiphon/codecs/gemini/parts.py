"""Parts of messages and outputs as Gemini has them: text, inline data, files by address."""

from antiphon.codecs import media
from antiphon.codecs.demands import check_part
from antiphon.codecs.gemini.wire import Blob, FileData, Part
from antiphon.errors import Unsupported
from antiphon.types.content import (
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    MessagePart,
    OutputText,
    PlainText,
    ReasoningText,
    Refusal,
    SummaryText,
    ToolOutputPart,
)
from antiphon.types.profiles import Profile

_RESOLUTIONS = {
    "low": "MEDIA_RESOLUTION_LOW",
    "high": "MEDIA_RESOLUTION_HIGH",
    "original": "MEDIA_RESOLUTION_ULTRA_HIGH",
}
"""`detail` to the resolution of a part; `auto` is the model's own."""

_SOUNDS = {"mp3": "audio/mp3", "wav": "audio/wav"}


def part_of(part: MessagePart | ToolOutputPart, profile: Profile, path: str, notes: list[str]) -> Part:
    """Return a part. Raises BadRequest or Unsupported with the path of what can't be said."""
    check_part(part, profile, path)
    match part:
        case InputText(text=text) | OutputText(text=text) | PlainText(text=text):
            return Part(text)
        case SummaryText(text=text) | ReasoningText(text=text):
            return Part(text)
        case Refusal(refusal=text):
            return Part(text)
        case InputImage():
            return _image(part, profile, path, notes)
        case InputFile():
            return _file(part, profile, path, notes)
        case InputAudio(input_audio=sound):
            data = media.checked(sound.data, f"{path}.input_audio.data")
            return Part(inline_data=Blob(_SOUNDS[sound.format], data))


def _image(part: InputImage, profile: Profile, path: str, notes: list[str]) -> Part:
    url = part.image_url
    if url is None:
        raise Unsupported("This server stores no files yet; send image_url instead.", param=f"{path}.file_id")
    if _is_address(url):
        if not profile.image_urls:
            raise Unsupported("This provider fetches no images; send a data URL.", param=f"{path}.image_url")
        found = Part(file_data=_by_address(url))
    else:
        image = media.image(url, f"{path}.image_url")
        found = Part(inline_data=Blob(image.type, image.data))
    level = _RESOLUTIONS.get(part.detail or "auto")
    if level and "mediaResolution" in profile.removed:
        notes.append(f"{path}.detail left out")
    elif level:
        found.media_resolution = {"level": level}
    return found


def _file(part: InputFile, profile: Profile, path: str, notes: list[str]) -> Part:
    if part.file_data is None:
        if part.file_url and profile.file_urls:
            return Part(file_data=_by_address(part.file_url))
        field = "file_url" if part.file_url else "file_id"
        raise Unsupported("Only file_data is available with this provider.", param=f"{path}.{field}")
    file = media.file(part, path)
    if part.filename is not None:
        notes.append(f"{path}.filename left out")
    return Part(inline_data=Blob(file.type, file.data))


def _is_address(url: str) -> bool:
    return url[:8].lower().startswith(("http://", "https://", "gs://"))


def _by_address(url: str) -> FileData:
    """Return a file by its address; its kind is told where the address ends in a known way."""
    return FileData(url, media.type_by_name(url.partition("?")[0].partition("#")[0]))
