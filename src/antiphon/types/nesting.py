"""How deeply JSON is nested, told from its bytes.

All of the work is done by a few methods of `bytes`: a value of 1 KB takes about a microsecond when it holds
few brackets, and about ten when its strings have to be cut out first.
"""

from antiphon.errors import BadRequest

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NOT_OPENING = bytes(set(range(256)) - set(b"[{"))


def is_deeper(data: bytes, limit: int) -> bool:
    """Say whether the valid JSON in `data` has more than `limit` levels of arrays and objects."""
    if len(data) <= limit or len(data.translate(None, _NOT_OPENING)) <= limit:
        return False
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    brackets = b"".join(plain.split(b'"')[::2]).translate(None, _NOT_BRACKETS)
    for _ in range(limit):  # each round peels the innermost pairs off: one level
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return False
    return True


def too_deep(limit: int, param: str | None = None) -> BadRequest:
    """Return the error for a value that is nested too deeply."""
    text = f"Invalid JSON: it is nested more than {limit} levels deep."
    return BadRequest(text, code="json_too_deep", param=param)
