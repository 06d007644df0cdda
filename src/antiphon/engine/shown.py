"""Stored items as the API shows them: what lists add to an item's own bytes, and what they hide."""

from typing import Any

import msgspec
from msgspec import Raw

from antiphon.types.content import JsonObject

_encode = msgspec.json.Encoder().encode
_STATE = "reasoning.encrypted_content"
_WITHOUT_STATUS = frozenset({"reasoning", "item_reference", "additional_tools", "compaction"})


def shown(item_id: str, body: bytes) -> Raw:
    """Return a stored item with what the API always tells: id, type, status, and content as parts.

    The result is valid input again.
    """
    item = msgspec.json.decode(body)
    kind = item.get("type") or ("message" if "role" in item else "item_reference")
    full: JsonObject = {"type": kind, **item, "id": item_id}
    if kind not in _WITHOUT_STATUS and full.get("status") is None:
        full["status"] = "completed"
    if kind == "message":
        full["content"] = _parts(full.get("content"), full.get("role"))
    if isinstance(full.get("output"), dict):
        full["output"] = _encode(full["output"]).decode()
    if isinstance(full.get("output"), list):
        full["output"] = [_part(part) for part in full["output"]]
    return Raw(_encode(full))


def hide(item: Raw, include: frozenset[str]) -> Raw:
    """Return an item without what a request must ask for by `include`; one that has none of it as it is."""
    data = bytes(item)
    hides_state = _STATE not in include and b'"encrypted_content"' in data
    if not hides_state:
        return item
    fields = msgspec.json.decode(data)
    if fields.get("type") == "reasoning":
        fields.pop("encrypted_content", None)
    return Raw(_encode(fields))


def _parts(content: Any, role: Any) -> list[JsonObject]:
    if isinstance(content, str):
        said_by_model = role == "assistant"
        part: JsonObject = {"type": "output_text" if said_by_model else "input_text", "text": content}
        return [{**part, "annotations": []} if said_by_model else part]
    return [_part(part) for part in content]


def _part(part: JsonObject) -> JsonObject:
    """Return a part with the fields that strict clients want."""
    if part.get("type") == "output_text":
        return {"annotations": [], **part}
    if part.get("type") == "input_image" and part.get("detail") is None:
        return {**part, "detail": "auto"}
    return part
