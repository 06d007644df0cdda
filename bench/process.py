"""Reading what other processes cost: CPU time, memory, and the seconds until they answer."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

CPUCLOCK_SCHED = 2  # linux/posix-timers.h: the clock that counts user and system time of a whole process
MANY_FILES = 16_384  # 2,000 open streams are 4,000 sockets in the server and as many in mock and load together


class NotReady(Exception):
    """A process ended, or didn't answer in time; the message quotes the end of its log."""


def cpu_ns(pid: int) -> int:
    """User and system time of one process, of all its threads, in nanoseconds.

    The same sum as in /proc/<pid>/stat, which is only kept in steps of 10 ms:
    too coarse for a round of half a second.
    """
    return time.clock_gettime_ns((~pid << 3) | CPUCLOCK_SCHED)


def tree_of(pid: int) -> list[int]:
    """`pid` and all processes below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # "pid (name) state parent …"; the name may hold spaces and brackets
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                children.setdefault(int(parent), []).append(int(entry.name))
    tree = [pid]
    for member in tree:
        tree.extend(children.get(member, ()))
    return tree


def tree_cpu_ns(pids: Sequence[int]) -> int:
    """CPU time of all `pids`, as got from `tree_of`."""
    return sum(cpu_ns(pid) for pid in pids)


def memory_kb(pid: int, field: str) -> int:
    """Memory of a process and those below it in KB; `field` is "Pss" or "Rss"."""
    total = 0
    for member in tree_of(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith(field + ":"):
                total += int(line.split()[1])
    return total


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def allow_many_files() -> None:
    """Raise the limit of open files for this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_FILES if hard == resource.RLIM_INFINITY else min(MANY_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def answers(port: int, path: str) -> bool:
    """Whether GET `path` is a 200 right now."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).split(b" ", 2)[1:2] == [b"200"]
    except OSError:
        return False


class Server:
    """A running process that listens on `port`; `seconds_to_ready` is from its start to its first answer."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, seconds_to_ready: float) -> None:
        self.process = process
        self.port = port
        self.seconds_to_ready = seconds_to_ready

    @property
    def pid(self) -> int:
        return self.process.pid


@contextlib.contextmanager
def serving(
    command: Sequence[str],
    port: int,
    *,
    ready: str,
    cwd: Path,
    log: Path,
    env: Mapping[str, str],
    within: float = 15,
) -> Iterator[Server]:
    """Start `command`, wait until GET `ready` on `port` is a 200, and end it after the block.

    Raises NotReady when the process ends first or `within` seconds pass.
    """
    with log.open("ab") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd, env=env)
    try:
        while not answers(port, ready):
            if process.poll() is not None or time.monotonic() - started > within:
                raise NotReady(f"{' '.join(command)} is not ready (exit code {process.poll()}):\n{tail(log)}")
            time.sleep(0.002)
        yield Server(process, port, time.monotonic() - started)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end; after five seconds, end it."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(log: Path, size_bytes: int = 2_000) -> str:
    """The end of a log, for a message."""
    with log.open("rb") as file:
        _to_last(file, size_bytes)
        return file.read().decode(errors="replace")


def _to_last(file: IO[bytes], size_bytes: int) -> None:
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - size_bytes))
