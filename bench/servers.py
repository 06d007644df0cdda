"""Starting what is measured: the mock, the floor and the server, each a process of its own."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.process import Server, free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
KEY = "bench-key-0123456789abcdef0123456789"  # the server wants 24 characters or more
CONFIG = """\
[providers.mock]
format = "chat"
base_url = "http://127.0.0.1:{port}/v1"
models = ["mock-*"]
"""


def environment(logs: Path) -> dict[str, str]:
    """Ours, with compiled modules kept beside the logs: a start that compiles is slow, and leaves memory behind."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(logs / "compiled")}


def mock(logs: Path) -> AbstractContextManager[Server]:
    """The upstream of all others."""
    port = free_port()
    command = [sys.executable, "-m", "bench.mock", str(port)]
    return serving(command, port, ready="/v1/models", cwd=ROOT, log=logs / "mock.log", env=environment(logs))


def floor(upstream: Server, logs: Path) -> AbstractContextManager[Server]:
    """The ruler."""
    port = free_port()
    command = [sys.executable, "-m", "bench.floor", str(port), str(upstream.port), KEY]
    return serving(command, port, ready="/livez", cwd=ROOT, log=logs / "floor.log", env=environment(logs))


@contextmanager
def subject(upstream: Server, logs: Path) -> Iterator[Server]:
    """The server under test as users start it, with one provider and an empty store on disk."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=logs) as folder:
        config = Path(folder) / "antiphon.toml"
        config.write_text(CONFIG.format(port=upstream.port))
        command = [sys.executable, "-m", "antiphon", "serve", "--config", str(config), "--no-detect"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--data", str(Path(folder) / "data")]
        env = environment(logs) | {"ANTIPHON_API_KEY": KEY}
        with serving(command, port, ready="/livez", cwd=Path(folder), log=logs / "server.log", env=env) as server:
            yield server
