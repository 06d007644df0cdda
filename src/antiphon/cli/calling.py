"""One call to a provider, made by the doctor: no retries, no queue, and an error that says what to mend."""

import http.client
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from antiphon import __version__
from antiphon.config import Provider, Secret

_EXPIRED = frozenset({9, 10})
"""OpenSSL's codes for a certificate whose time has not come, or has passed."""


class Said(NamedTuple):
    """An answer; `date` is the provider's clock."""

    status: int
    body: bytes
    date: str | None


class Unreachable(Exception):
    """No answer came; `what` is what was found, `remedy` what may help."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def send(
    given: Provider, key: Secret | None, path: str, body: bytes | None = None, *, address: str = "", limit: float
) -> Said:
    """Get a document, or post `body`, within `limit` seconds of silence. Raises Unreachable.

    `address` stands in for the provider's own.
    """
    parts = urlsplit((address or given.address).rstrip("/"))
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {"User-Agent": f"antiphon/{__version__}", "Content-Type": "application/json"}
    connection = kind(parts.hostname or "", parts.port, timeout=limit)
    try:
        connection.request(
            "GET" if body is None else "POST", parts.path + path, body, {**headers, **given.auth_headers(key)}
        )
        answer = connection.getresponse()
        return Said(answer.status, answer.read(), answer.headers.get("Date"))
    except (OSError, UnicodeError, http.client.HTTPException) as exc:
        raise _unreachable(exc, parts.hostname or "", limit) from exc
    finally:
        connection.close()


def _unreachable(error: Exception, host: str, limit: float) -> Unreachable:
    """Return what the error means for an operator; `{place}` in a remedy is the setting of the address."""
    match error:
        case ssl.SSLCertVerificationError(verify_code=code, verify_message=why):
            if code in _EXPIRED:
                return Unreachable(f"its certificate isn't valid now: {why}", "set this machine's clock; is it right?")
            remedy = "name a file with its authority in SSL_CERT_FILE, or mend {place}"
            return Unreachable(f"its certificate isn't accepted: {why}", remedy)
        case ssl.SSLError():
            return Unreachable("it speaks no TLS there", "is it http:// instead of https://? Mend {place}")
        case socket.gaierror() | UnicodeError():
            return Unreachable(f"there is no host {host}", "mend {place}, or this machine's DNS")
        case TimeoutError():
            return Unreachable(f"nothing came for {limit:g} s", "is a firewall between? Mend {place}")
        case http.client.HTTPException() | ConnectionResetError():
            return Unreachable("it gives no answer in HTTP", "is it https:// instead of http://? Mend {place}")
        case _:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return Unreachable(why, "is it running? Mend {place}")
