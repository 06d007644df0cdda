"""How long to wait before the same target is asked again."""

from collections.abc import Callable

FIRST = 0.25
LONGEST = 8.0
"""Seconds that the first wait and any later one may take: between them the limit doubles with each attempt."""

PATIENCE = 10.0
"""The longest Retry-After, in seconds, that is waited for while a client waits for its answer."""


def delay(attempt: int, retry_after: float | None, random: Callable[[], float]) -> float | None:
    """Return the seconds to wait after the `attempt`-th failure (from 1); None when it isn't worth waiting here.

    A Retry-After is kept to exactly. Without one (or with one of 0) the wait is random between 0 and the limit of the
    attempt, "full jitter", so that requests which failed together don't come back together. `random` gives numbers
    from 0 up to 1.
    """
    if retry_after is not None and retry_after > 0:
        return retry_after if retry_after <= PATIENCE else None
    doublings = min(attempt - 1, 16)  # beyond it the limit has long been reached
    return random() * min(FIRST * 2.0**doublings, LONGEST)
