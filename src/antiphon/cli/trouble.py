"""What a command can't do, told in three lines."""

FAILED = 1
USAGE = 2
UNREACHABLE = 3


class Trouble(Exception):
    """A command failed: what, why, and what to do. `status` is the exit code."""

    def __init__(self, what: str, why: str, remedy: str, *, status: int = FAILED) -> None:
        super().__init__(what)
        self.lines = (what, why, remedy)
        self.status = status
