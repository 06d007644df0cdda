"""Raw reasoning as state, for look-alikes that want it back and seal none of their own (vLLM, SGLang, LM Studio).

A client may keep nothing of a reasoning item but its `encrypted_content`; where the upstream leaves that empty, the
text itself stands in it.
"""

import msgspec
from msgspec import Struct

from antiphon.codecs.mending import UNREADABLE


class _Kept(Struct, forbid_unknown_fields=True):
    reasoning_text: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Kept).decode


def kept(text: str) -> str:
    """Return raw reasoning as state."""
    return _encode(_Kept(text)).decode()


def read_kept(state: str) -> str | None:
    """Return the reasoning of a state, None for one that is the upstream's own."""
    if not state.startswith("{"):
        return None
    try:
        return _decode(state).reasoning_text
    except UNREADABLE:
        return None
