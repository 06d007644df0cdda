"""Parts of messages and of tools' outputs as content blocks.

A text of nothing but white space is no block: Anthropic refuses it, and with it the conversation for ever after.
"""

import binascii
from collections.abc import Iterable

from antiphon.codecs import media
from antiphon.codecs.demands import check_address, check_part
from antiphon.codecs.media import Media
from antiphon.errors import BadRequest, Unsupported
from antiphon.types.content import (
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    JsonObject,
    MessagePart,
    OutputText,
    PlainText,
    ReasoningText,
    Refusal,
    SummaryText,
    ToolOutputPart,
)
from antiphon.types.profiles import Profile

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_WEB = ("https://", "http://")
_NO_STORE = "This server stores no files yet; send {} instead."


def text_block(text: str) -> JsonObject:
    """Return a block of text."""
    return {"type": "text", "text": text}


def texts(text: str) -> list[JsonObject]:
    """Return the blocks of a plain string: one, or none for white space."""
    return [text_block(text)] if text and not text.isspace() else []


def spoken(content: str | Iterable[MessagePart]) -> list[JsonObject]:
    """Return the blocks of what a model said; reasoning among it is never told as text."""
    if isinstance(content, str):
        return texts(content)
    found: list[JsonObject] = []
    for part in content:
        if isinstance(part, OutputText | InputText | PlainText):
            found += texts(part.text)
        elif isinstance(part, Refusal):
            found += texts(part.refusal)
    return found


def instructing(content: str | Iterable[MessagePart], path: str) -> list[JsonObject]:
    """Return the blocks of a system or developer message. Raises Unsupported for anything but text."""
    if isinstance(content, str):
        return texts(content)
    found: list[JsonObject] = []
    for index, part in enumerate(content):
        if isinstance(part, InputImage | InputFile | InputAudio):
            text = "System and developer messages hold only text with this provider."
            raise Unsupported(text, param=f"{path}[{index}]")
        found += texts(part.refusal if isinstance(part, Refusal) else part.text)
    return found


def blocks(
    content: str | Iterable[MessagePart | ToolOutputPart], path: str, profile: Profile, notes: list[str]
) -> list[JsonObject]:
    """Return the blocks of a user's message or a tool's output.

    Raises BadRequest or Unsupported with the part's path for what can't be read or can't be had.
    """
    if isinstance(content, str):
        return texts(content)
    found: list[JsonObject] = []
    for index, part in enumerate(content):
        if type(part) is InputText:  # nearly all of them
            found += texts(part.text)
            continue
        place = f"{path}[{index}]"
        check_part(part, profile, place)
        check_address(part, profile, place)
        match part:
            case InputImage():
                found.append(_image(part, place, notes))
            case InputFile():
                found.append(_file(part, place, profile))
            case InputAudio():
                raise Unsupported("Audio input is not available with this provider.", param=place)
            case Refusal(refusal=text):
                found += texts(text)
            case InputText() | OutputText() | PlainText() | SummaryText() | ReasoningText():
                found += texts(part.text)
    return found


def _image(part: InputImage, path: str, notes: list[str]) -> JsonObject:
    if part.image_url is None:
        raise Unsupported(_NO_STORE.format("image_url"), param=f"{path}.file_id")
    note = f"{path}.detail left out, this provider has none"
    if part.detail not in {None, "auto"} and note not in notes:  # all of history has the same path
        notes.append(note)
    param = f"{path}.image_url"
    if part.image_url[:8].lower().startswith(_WEB):
        return {"type": "image", "source": {"type": "url", "url": part.image_url}}
    return _picture(media.image(part.image_url, param), param)


def _picture(found: Media, param: str) -> JsonObject:
    kind = "image/jpeg" if found.type == "image/jpg" else found.type
    if kind not in _IMAGES:
        raise Unsupported(f"Images of type '{kind}' are not available with this provider.", param=param)
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": found.data}}


def _file(part: InputFile, path: str, profile: Profile) -> JsonObject:
    if part.file_data is not None:
        found = media.file(part, path)
        if found.type.startswith("image/") and profile.images:
            return _picture(found, f"{path}.file_data")
        return _document(found, part.filename, f"{path}.file_data")
    if part.file_url is None:
        raise Unsupported(_NO_STORE.format("file_data"), param=f"{path}.file_id")
    if not part.file_url.lower().startswith(_WEB):
        raise Unsupported("Only addresses of the web can be fetched.", param=f"{path}.file_url")
    return _titled({"type": "url", "url": part.file_url}, part.filename)


def _document(found: Media, name: str | None, param: str) -> JsonObject:
    if found.type == "application/pdf":
        return _titled({"type": "base64", "media_type": found.type, "data": found.data}, name)
    if not found.type.startswith("text/") and found.type != "application/json":
        raise Unsupported(f"Files of type '{found.type}' are not available with this provider.", param=param)
    try:
        text = binascii.a2b_base64(found.data).decode()
    except UnicodeDecodeError as exc:
        raise BadRequest(f"Invalid '{param}': its text is not UTF-8.", code="invalid_value", param=param) from exc
    return _titled({"type": "text", "media_type": "text/plain", "data": text}, name)


def _titled(source: JsonObject, name: str | None) -> JsonObject:
    document: JsonObject = {"type": "document", "source": source}
    if name:
        document["title"] = name
    return document
