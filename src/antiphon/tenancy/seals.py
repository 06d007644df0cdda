"""Seals: providers' reasoning state as text that only its own tenant, provider and models can use.

A sealed state is `ap1.KEYID.DATA`: the version of this form, the id of the key, and in base64url a nonce of 96 random
bits with what AES-256-GCM makes of the binding and the state. Tenant, version and key id are authenticated with it, so
a state moved to another tenant is as good as a broken one. The binding stands inside: that a state is bound elsewhere
is told only to those who could open it.

The first key seals, every key opens. With random nonces a key is good for 2**32 states (NIST SP 800-38D, 8.3).
"""

import base64
import re
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from antiphon.ports import CannotOpen

Randomness = Callable[[int], bytes]
"""Gives that many bytes that nobody can guess: `os.urandom`."""

KEY_BYTES = 32
MAX_STATE = 1024 * 1024
"""Bytes of a state and its binding; what is longer is sealed without the state, so that its return can be noted."""

_VERSION = "ap1"
_OURS = re.compile(r"ap\d{1,3}\.")
"""How sealed states of this server begin, those of later versions too."""

_UTF8 = ("utf-8", "surrogatepass")
"""Any text can be sealed, half a surrogate pair too."""

_NONCE, _TAG = 12, 16
_MAX_SEALED = (MAX_STATE + _NONCE + _TAG) * 4 // 3 + 64
"""Characters of the longest sealed state: base64, and the two words before it."""


class SealingKey(Struct, frozen=True):
    """A key and the name that goes with what it seals."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"SealingKey({self.id!r}, ***)"


class SealRing:
    """Seals with the first of its keys, and opens with all of them; see the port."""

    def __init__(self, keys: Sequence[SealingKey], random: Randomness) -> None:
        """`keys` are newest first, at least one, no id twice."""
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys}
        self._current = keys[0].id
        self._random = random

    def seal(self, tenant: str, bound_to: str, state: str) -> str:
        """Return the state as text that tells nothing but the key's id and a length."""
        plain = _bytes(f"{bound_to}\0{state}")
        if len(plain) > MAX_STATE:
            plain = _bytes(bound_to)
        nonce = self._random(_NONCE)
        data = nonce + self._ciphers[self._current].encrypt(nonce, plain, _outside(self._current, tenant))
        return f"{_VERSION}.{self._current}.{_text(data)}"

    def open(self, tenant: str, bound_to: str, sealed: str) -> str:
        """Return the state. Raises CannotOpen."""
        if not _OURS.match(sealed):
            raise CannotOpen("foreign")
        version, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        if version != _VERSION or not text or len(sealed) > _MAX_SEALED:
            raise CannotOpen("broken")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise CannotOpen("unknown_key")
        data = _data(text)
        try:
            plain = cipher.decrypt(data[:_NONCE], data[_NONCE:], _outside(key_id, tenant)).decode(*_UTF8)
        except (InvalidTag, UnicodeDecodeError) as exc:
            raise CannotOpen("broken") from exc
        binding, is_there, state = plain.partition("\0")
        if binding != bound_to:
            raise CannotOpen("other")
        if not is_there:
            raise CannotOpen("too_large")
        return state


def _bytes(text: str) -> bytes:
    return text.encode(*_UTF8)


def _outside(key_id: str, tenant: str) -> bytes:
    """Return what is authenticated and not inside; no key's id has a zero byte."""
    return _bytes(f"{_VERSION}.{key_id}\0{tenant}")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _data(text: str) -> bytes:
    """Return what a text holds. One that says the same in other letters than ours is broken. Raises CannotOpen."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as exc:
        raise CannotOpen("broken") from exc
    if len(data) < _NONCE + _TAG or _text(data) != text:
        raise CannotOpen("broken")
    return data
