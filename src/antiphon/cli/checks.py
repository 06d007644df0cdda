"""What the doctor says of one thing that it looked at."""

from typing import Literal, TypeAlias

from msgspec import Struct

Verdict: TypeAlias = Literal["ok", "warn", "fail"]


class Check(Struct, frozen=True):
    """One thing that was looked at; `remedy` is there when it isn't ok."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""
