"""A clock that stands still until a test moves it."""


class Clock:
    """Monotonic seconds; call it for the time."""

    def __init__(self, time: float = 1000.0) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time += seconds
