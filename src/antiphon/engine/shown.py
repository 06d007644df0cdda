"""Stored items as the API shows them: what lists add to an item's own bytes, and what they hide.

An item is stored as its sender wrote it. Lists tell more and in one form: an id, a type and a status always,
content as parts. What is shown is valid input again. Values that are not touched keep their very bytes.
"""

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Raw

from antiphon.types.content import InputText

Fields: TypeAlias = dict[str, Raw]

_encode = msgspec.json.Encoder().encode
_FIELDS: msgspec.json.Decoder[Fields] = msgspec.json.Decoder(dict[str, Raw])
_PARTS: msgspec.json.Decoder[list[Fields]] = msgspec.json.Decoder(list[dict[str, Raw]])
_TEXT = msgspec.json.Decoder(str)

_STATE = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"

_NULL = b"null"
_EMPTY = Raw(b"[]")
_NO_TEXT = Raw(b'""')
_COMPLETED = Raw(b'"completed"')

_WITH_STATUS = frozenset(
    {
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "file_search_call",
        "web_search_call",
        "computer_call",
        "computer_call_output",
        "image_generation_call",
        "code_interpreter_call",
        "local_shell_call",
        "local_shell_call_output",
        "shell_call",
        "shell_call_output",
        "apply_patch_call",
        "apply_patch_call_output",
        "mcp_call",
        "tool_search_call",
        "tool_search_output",
        "program_output",
    }
)
"""Item types of the API (openai 3.54) that have a status; a reasoning item's is never filled in."""

_VIEWED = frozenset(
    {
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "reasoning",
        "additional_tools",
        "compaction",
    }
)
"""Types whose fields we know: one that is null there says nothing, and is left out."""

_PLAIN = frozenset({"input_text", "output_text", "text", "reasoning_text", "summary_text"})
"""Parts that are nothing but text, which senders take for one another."""


def shown(item_id: str, body: bytes) -> Raw:
    """Return a stored item under its id, with what the API always tells of its type.

    Of a type that we don't know, nothing is changed but the id.
    """
    given = _FIELDS.decode(body)
    kind = _text(given.get("type")) or ("message" if "role" in given else "item_reference")
    if kind in _VIEWED:
        given = {name: value for name, value in given.items() if bytes(value) != _NULL}
    item: Fields = {"type": _raw(kind), **given, "id": _raw(item_id)}
    if kind in _WITH_STATUS and bytes(item.get("status", _NULL)) == _NULL:
        item["status"] = _COMPLETED
    match kind:
        case "message":
            side: Literal["input_text", "output_text"] = (
                "output_text" if _text(item.get("role")) == "assistant" else "input_text"
            )
            item["content"] = _content(item.get("content", _EMPTY), side)
        case "function_call_output" | "custom_tool_call_output":
            item["output"] = _output(item.get("output", _NO_TEXT))
        case "reasoning":
            item.setdefault("summary", _EMPTY)
        case "additional_tools":
            item.setdefault("role", _raw("developer"))
        case "tool_search_call" | "tool_search_output" if bytes(item.get("execution", _NULL)) == _NULL:
            item["execution"] = _raw("client" if _text(item.get("call_id")) else "server")
        case _:
            pass
    return Raw(_encode(item))


def hide(item: Raw, include: frozenset[str]) -> Raw:
    """Return an item without what a request must ask for by `include`; one that has none of it as it is."""
    data = bytes(item)
    if _STATE not in include and b'"encrypted_content"' in data:
        item = _without_state(item)
    # Our own items always have the key: only a list that isn't empty costs more than these two counts.
    if _LOGPROBS not in include and data.count(b'"logprobs"') != data.count(b'"logprobs":[]'):
        item = _without_logprobs(item)
    return item


def _without_state(item: Raw) -> Raw:
    fields = _FIELDS.decode(item)
    if _text(fields.get("type")) != "reasoning" or fields.pop("encrypted_content", None) is None:
        return item  # a compaction, whose state is all that it has, or a text that holds the word
    return Raw(_encode(fields))


def _without_logprobs(item: Raw) -> Raw:
    fields = _FIELDS.decode(item)
    if _text(fields.get("type")) != "message" or bytes(fields.get("content", _NO_TEXT))[:1] != b"[":
        return item
    parts = _PARTS.decode(fields["content"])
    fields["content"] = _raw([{**part, "logprobs": _EMPTY} if "logprobs" in part else part for part in parts])
    return Raw(_encode(fields))


def _content(content: Raw, side: Literal["input_text", "output_text"]) -> Raw:
    """Return a message's content as parts, its texts as those of its side."""
    if bytes(content)[:1] == b'"':
        return _raw([_part({"type": _raw("text"), "text": content}, side)])
    return _raw([_part(part, side) for part in _PARTS.decode(content)])


def _output(output: Raw) -> Raw:
    """Return a tool's output as text or parts; an object becomes the JSON text that a model is told."""
    match bytes(output)[:1]:
        case b"{":
            return _raw(bytes(output).decode())
        case b"[":
            return _raw([_part(part, InputText.type) for part in _PARTS.decode(output)])
        case _:
            return output


def _part(part: Fields, side: str) -> Fields:
    """Return a part with all the keys that strict clients want."""
    kind = _text(part.get("type"))
    if kind in _PLAIN:
        part = {**part, "type": _raw(side)}
        if side == "output_text":
            part.setdefault("annotations", _EMPTY)
        elif kind == "output_text":
            part = {name: value for name, value in part.items() if name not in {"annotations", "logprobs"}}
    elif kind == "input_image":
        part = {"image_url": Raw(_NULL), **part}
        if bytes(part.get("detail", _NULL)) == _NULL:
            part["detail"] = _raw("auto")
    return part


def _text(value: Raw | None) -> str:
    """Return a JSON string, "" for anything else."""
    return _TEXT.decode(value) if value is not None and bytes(value)[:1] == b'"' else ""


def _raw(value: Any) -> Raw:
    return Raw(_encode(value))
