"""Citations as annotations of the text that they are for.

A citation belongs to its whole block of text, so its range is that block's. Pages of the web, and search results that
have an address, become `url_citation`; a document becomes `file_citation` where it is a file that has an id. What
cites a document that was sent along names nothing that a client could look up, and is passed over.
"""

import msgspec
from msgspec import Raw

from antiphon.types.content import JsonObject

_encode = msgspec.json.Encoder().encode
_OF_DOCUMENTS = frozenset({"char_location", "page_location", "content_block_location"})


def annotation(citation: JsonObject, start: int, end: int) -> Raw | None:
    """Return the annotation of the characters from `start` to before `end`, None where there is none."""
    match citation.get("type"):
        case "web_search_result_location":
            return _of_page(citation.get("url"), citation.get("title"), start, end)
        case "search_result_location":
            return _of_page(citation.get("source"), citation.get("title"), start, end)
        case str() as kind if kind in _OF_DOCUMENTS:
            return _of_file(citation.get("file_id"), citation.get("document_title"), end)
        case _:
            return None


def _of_page(url: object, title: object, start: int, end: int) -> Raw | None:
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return None
    named = title if isinstance(title, str) else ""
    return Raw(_encode({"type": "url_citation", "start_index": start, "end_index": end, "url": url, "title": named}))


def _of_file(file_id: object, title: object, index: int) -> Raw | None:
    if not isinstance(file_id, str) or not file_id:
        return None
    named = title if isinstance(title, str) else ""
    return Raw(_encode({"type": "file_citation", "file_id": file_id, "filename": named, "index": index}))
