"""The keys of a provider: which one a request goes with, and which ones rest.

A conversation keeps its key, because prompt caches and sealed state belong to an account; the load of a key that
rests is spread over the others, and comes back when it is over. Both follow from rendezvous hashing: of the keys that
may be used, the one with the highest score for the conversation is taken.

A key rests for a model, where its limit is reached (429: providers count each model by itself), or altogether, where
it isn't accepted (401). A 403 may be about the key, the model, or one flagged input (OpenRouter's documentation of
errors, November 2026): so that no single request can stop a key, it takes `STRIKES` of them without a success.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal["limited", "rejected"]

LIMITED = 5.0
"""Seconds that a key rests whose provider names no Retry-After."""

REJECTED = 300.0
LONGEST = 3600.0
"""Seconds that a key rests which was rejected, the first time and at most; doubled each time in between."""

STRIKES = 3
"""Uncertain rejections in a row that count as a certain one."""

_MASK = (1 << 64) - 1
_ODD = 0x9E3779B97F4A7C15
"""2**64 by the golden ratio: multiplying by it carries every bit upwards."""


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """One key: `name` says where it came from ("env:GROQ_KEY") and may be logged, `headers` carry it."""

    name: str
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rest:
    """A key that isn't used until `until` (of the clock), for `model` or, if that is empty, for all of them."""

    credential: Credential
    model: str
    until: float
    reason: Reason


class Credentials:
    """The keys of one provider; one without headers stands for a provider that wants none.

    `clock` gives monotonic seconds.
    """

    __slots__ = ("_all", "_clock", "_first_end", "_only", "_rejections", "_rests", "_seeds", "_strikes")

    def __init__(self, credentials: Sequence[Credential], clock: Callable[[], float]) -> None:
        self._all = tuple(credentials)
        self._only = self._all[0] if len(self._all) == 1 else None
        self._seeds = {each: _seed(each.name) for each in self._all}
        self._clock = clock
        self._rests: dict[tuple[Credential, str], Rest] = {}
        self._first_end = math.inf
        """When the first rest ends, or earlier."""
        self._rejections: dict[Credential, int] = {}
        """How often each was rejected since it was last accepted."""
        self._strikes: dict[Credential, int] = {}

    def choose(self, sticky: int, model: str = "") -> Credential | None:
        """Return the key for a request, the same for the same `sticky`; None when all of them rest.

        A resting key is not asked for all that: it would prolong the provider's limit, or be refused again. The
        request is tried elsewhere, or ends with `retry_in` as its Retry-After.
        """
        if not self._rests:
            return self._only or self._best(self._all, sticky)
        return self._best(self._usable(model), sticky)

    def cool(self, credential: Credential, seconds: float | None, model: str = "") -> None:
        """Let a key rest whose limit is reached, for what Retry-After says; a longer rest stays as it is."""
        self._rest(credential, model, LIMITED if seconds is None or seconds <= 0 else seconds, "limited")

    def reject(self, credential: Credential, *, is_certain: bool = True) -> bool:
        """Let a key rest that the provider doesn't accept. Say whether it does.

        401 is certain. A 403 isn't, and only counts until there are enough of them.
        """
        if not is_certain:
            strikes = self._strikes[credential] = self._strikes.get(credential, 0) + 1
            if strikes < STRIKES:
                return False
        self._strikes.pop(credential, None)
        times = self._rejections[credential] = self._rejections.get(credential, 0) + 1
        self._rest(credential, "", min(REJECTED * 2 ** min(times - 1, 16), LONGEST), "rejected")
        return True

    def accepted(self, credential: Credential) -> None:
        """The provider took the key: rejections are counted anew."""
        if self._strikes or self._rejections:
            self._strikes.pop(credential, None)
            self._rejections.pop(credential, None)

    def healthy(self, model: str = "") -> Sequence[Credential]:
        """Return the keys that may be used, for `model` or, without one, for any."""
        return self._usable(model) if self._rests else self._all

    def resting(self) -> Sequence[Rest]:
        """Return what rests now."""
        self._end_rests()
        return list(self._rests.values())

    def are_rejected(self) -> bool:
        """Say whether every key rests because it isn't accepted, so that waiting for a limit would be in vain."""
        self._end_rests()
        rests = (self._rests.get((each, "")) for each in self._all)
        return all(rest is not None and rest.reason == "rejected" for rest in rests)

    def retry_in(self, model: str = "") -> float:
        """Return the seconds until the first key may be used, 0 when one may be now."""
        return max(min((self._until(each, model) for each in self._all), default=0.0) - self._clock(), 0.0)

    def _usable(self, model: str) -> Sequence[Credential]:
        self._end_rests()
        rests = self._rests
        return [each for each in self._all if (each, "") not in rests and (each, model) not in rests]

    def _until(self, credential: Credential, model: str) -> float:
        """Return when a key may be used again; 0 when it doesn't rest."""
        places = {(credential, ""), (credential, model)}
        return max((self._rests[place].until for place in places if place in self._rests), default=0.0)

    def _end_rests(self) -> None:
        """Forget the rests that are over; nothing is done while none is."""
        now = self._clock()
        if now >= self._first_end:
            self._rests = {place: rest for place, rest in self._rests.items() if rest.until > now}
            self._first_end = min((rest.until for rest in self._rests.values()), default=math.inf)

    def _rest(self, credential: Credential, model: str, seconds: float, reason: Reason) -> None:
        self._end_rests()
        until = self._clock() + seconds
        known = self._rests.get((credential, model))
        if known is None or known.until < until:
            self._rests[credential, model] = Rest(credential, model, until, reason)
            self._first_end = min(self._first_end, until)

    def _best(self, credentials: Sequence[Credential], sticky: int) -> Credential | None:
        best, highest, place = None, -1, _scattered(sticky)
        for credential in credentials:
            score = (self._seeds[credential] ^ place) * _ODD & _MASK
            if score > highest:
                best, highest = credential, score
        return best


def _seed(name: str) -> int:
    """Return 64 bits that stand for a name, the same in every process (unlike `hash`)."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def _scattered(number: int) -> int:
    """Return 64 bits each of which depends on every bit of `number`: the finisher of splitmix64."""
    mixed = number & _MASK
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
    return mixed ^ (mixed >> 31)
