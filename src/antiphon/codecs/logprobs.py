"""Log probabilities as upstreams tell them: the bytes of a token and its alternatives may be missing."""

from collections.abc import Iterable

from msgspec import Struct

from antiphon.types.content import Logprob, TopLogprob


class TopToken(Struct):
    """One alternative at a position."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class Token(Struct):
    """One sampled token."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TopToken] | None = None


def logprobs(given: Iterable[Token]) -> list[Logprob]:
    """Return them whole."""
    return [
        Logprob(
            token=token.token,
            logprob=token.logprob,
            bytes=_bytes(token),
            top_logprobs=[
                TopLogprob(token=top.token, logprob=top.logprob, bytes=_bytes(top)) for top in token.top_logprobs or ()
            ],
        )
        for token in given
    ]


def _bytes(token: Token | TopToken) -> list[int]:
    return token.bytes if token.bytes is not None else list(token.token.encode())
