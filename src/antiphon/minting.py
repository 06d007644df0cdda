"""Fresh ids: the one place where time and randomness make an id."""

import os
import time


def mint(prefix: str) -> str:
    """Return a fresh id with `prefix`, an underscore, eleven hex digits of time and thirty-two of randomness."""
    return f"{prefix}_{time.time_ns() // 1_000_000:011x}{os.urandom(16).hex()}"
