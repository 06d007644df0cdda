"""The table: what is measured, and what it may cost. The numbers are the release's promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["server", "floor"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    `must` and `aim` are multiples of the floor's figure in the same run, or plain figures in `unit`
    where `absolute`: times are held against it by their minimum (other work only adds to them), memory by
    its median. `ruler` names the row whose floor figure is 1, where it isn't this row itself.
    """

    name: str
    about: str
    unit: str
    must: float
    aim: float
    absolute: bool = False
    ruler: str = ""


CODECS = tuple(f"{name}-{kind}" for kind in ("delta", "answer") for name in ("responses", "anthropic", "gemini"))
"""The rows of single codecs; chat is their floor."""

ROWS = (
    Row(name="whole", about="whole answer, not stored, 8 connections", unit="µs/request", must=7, aim=5.5),
    Row(
        name="whole-stored",
        about="whole answer, stored, 8 connections",
        unit="µs/request",
        must=12,
        aim=9.5,
        ruler="whole",
    ),
    Row(name="stream", about="stream of 20 deltas in a burst, 8 connections", unit="µs/stream", must=3.2, aim=2.5),
    Row(name="burst-delta", about="one delta more in a burst", unit="µs/delta", must=1.6, aim=1.2),
    Row(name="paced-delta", about="one delta alone, 25 ms apart, 100 streams", unit="µs/delta", must=2, aim=1.6),
    Row(name="held-500", about="memory per open stream, 500 open", unit="KB", must=32, aim=25, absolute=True),
    Row(name="held-2000", about="memory per open stream, 2,000 open", unit="KB", must=28, aim=20, absolute=True),
    Row(name="core", about="330 KB request of 300 items in the core", unit="ms", must=2.5, aim=1.4),
    Row(name="router", about="what the router adds to a request", unit="µs/request", must=10, aim=5, absolute=True),
    Row(name="responses-delta", about="one delta in its codec, against that of chat", unit="µs/delta", must=2, aim=1.5),
    Row(
        name="anthropic-delta", about="one delta in its codec, against that of chat", unit="µs/delta", must=1.5, aim=1.2
    ),
    Row(name="gemini-delta", about="one delta in its codec, against that of chat", unit="µs/delta", must=1.5, aim=1.2),
    Row(
        name="responses-answer",
        about="whole answer in its codec, against that of chat",
        unit="µs/answer",
        must=3,
        aim=2.5,
    ),
    Row(
        name="anthropic-answer",
        about="whole answer in its codec, against that of chat",
        unit="µs/answer",
        must=1.5,
        aim=1.2,
    ),
    Row(
        name="gemini-answer",
        about="whole answer in its codec, against that of chat",
        unit="µs/answer",
        must=1.5,
        aim=1.2,
    ),
    Row(name="memory", about="memory after warm-up", unit="MB", must=55, aim=40, absolute=True),
    Row(name="start", about="from process start to the first /livez", unit="s", must=1, aim=0.5, absolute=True),
)
