"""The log: what becomes of its lines."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from antiphon.telemetry import Level, flush, log


@contextmanager
def read_from() -> Iterator[int]:
    """Give the end of a pipe that the log is written to."""
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w") as stderr, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)  # here and not in a fixture, whose stderr pytest takes back
        yield ours


def test_a_line_of_trouble_is_written_at_once() -> None:
    with read_from() as reader:
        log("trouble", Level.WARNING, model="m")
    line = json.loads(os.read(reader, 4096).splitlines()[-1])
    os.close(reader)

    assert (line["event"], line["level"], line["model"]) == ("trouble", "warning", "m")


def test_a_log_that_nobody_reads_any_more_fails_no_request() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    stderr = os.fdopen(theirs, "w")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)
        log("trouble", Level.WARNING)
        log("trouble", Level.WARNING)
        flush()
    with pytest.raises(BrokenPipeError):
        stderr.close()  # the pipe was broken indeed


def test_a_process_without_stderr_logs_nothing() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", None)
        log("trouble", Level.WARNING)
        flush()
