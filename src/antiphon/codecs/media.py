"""Images, files and sounds as base64: data URLs taken apart, and what is in them checked.

A provider's complaint about a file names no place in the request; ours does.
"""

import binascii
import re

from msgspec import Struct

from antiphon.errors import BadRequest
from antiphon.types.content import InputFile

_HEAD = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?:;[^;,]*)*;base64\Z", re.IGNORECASE)
_BY_ENDING = {
    **dict.fromkeys(
        [
            *("txt", "md", "log", "tex", "json", "jsonl", "yaml", "yml", "toml", "ini", "sql", "sh"),
            *("py", "js", "ts", "java", "c", "h", "cpp", "cs", "go", "rs", "rb", "php"),
        ],
        "text/plain",
    ),
    **dict.fromkeys(("html", "htm"), "text/html"),
    **dict.fromkeys(("jpg", "jpeg"), "image/jpeg"),
    "css": "text/css",
    "csv": "text/csv",
    "xml": "text/xml",
    "rtf": "text/rtf",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "webm": "video/webm",
}
_UNTOLD = frozenset({"application/octet-stream", "binary/octet-stream"})


class Media(Struct, frozen=True):
    """Data in base64 and its media type, in lower case."""

    type: str
    data: str


def image(url: str, path: str) -> Media:
    """Return the image of a data URL. Raises BadRequest with `path`."""
    found = _of_data_url(url, path)
    if not found.type.startswith("image/"):
        raise _wrong(path, f"expected an image, got '{found.type}'")
    return found


def file(part: InputFile, path: str) -> Media:
    """Return the file of `file_data`: a data URL, or base64 whose kind the file's name tells.

    Raises BadRequest with the path of what is wrong.
    """
    data, by_name = part.file_data or "", type_by_name(part.filename or "")
    if data[:5].lower() == "data:":
        found = _of_data_url(data, f"{path}.file_data")
        return Media(by_name, found.data) if found.type in _UNTOLD and by_name else found
    if by_name is None:
        text = "its kind can't be told: send a data URL with its media type, or a filename with a known ending"
        raise _wrong(f"{path}.filename", text)
    return Media(by_name, checked(data, f"{path}.file_data"))


def type_by_name(name: str) -> str | None:
    """Return the media type that the ending of a file's name stands for, None for an unknown one."""
    return _BY_ENDING.get(name.rpartition(".")[2].lower())


def checked(data: str, path: str) -> str:
    """Return base64 `data` without white space, its padding whole. Raises BadRequest with `path`."""
    if any(space in data for space in "\n\r \t"):
        data = "".join(data.split())
    data += "=" * (-len(data) % 4)
    try:
        held = binascii.a2b_base64(data, strict_mode=True)
    except ValueError as exc:
        raise _wrong(path, "its data is not valid base64") from exc
    if not held:
        raise _wrong(path, "it is empty")
    return data


def _of_data_url(url: str, path: str) -> Media:
    head, _, data = url.partition(",")
    found = _HEAD.match(head)
    if found is None:
        raise _wrong(path, "expected a data URL like 'data:image/png;base64,aGk='")
    return Media(found["type"].lower(), checked(data, path))


def _wrong(path: str, why: str) -> BadRequest:
    return BadRequest(f"Invalid '{path}': {why}.", code="invalid_value", param=path)
