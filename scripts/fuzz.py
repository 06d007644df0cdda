"""Feed the codecs what no provider should send, guided by coverage, until it is stopped.

Any bytes give chunks and perhaps a ProviderError, never an exception, and the same in any cut. atheris isn't among the
pinned tools, as it has wheels for few Pythons; make an environment for it:

    python3.11 -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install atheris msgspec
    PYTHONPATH=src /tmp/fuzz/bin/python scripts/fuzz.py -max_total_time=60 tests/codecs/golden/anthropic
"""

import sys

import atheris

with atheris.instrument_imports(include=["antiphon"]):
    from antiphon.codecs.formats import CODECS
    from antiphon.types.profiles import Profile
    from antiphon.types.turns import UpstreamRequest

_FORMATS = sorted(CODECS)


def told(name: str, pieces: list[bytes], *, streamed: bool) -> tuple[list[object], str | None]:
    """Return what a codec makes of an answer, and its failure."""
    parser = CODECS[name].parser(UpstreamRequest(path="", body=b""), Profile(), streamed=streamed)
    said: list[object] = []
    for piece in pieces:
        said += parser.feed(piece)
    said += parser.close()
    return said, parser.failure and parser.failure.message


def one_input(data: bytes) -> None:
    """Try one answer on one codec, whole and cut in two."""
    if len(data) < 2:
        return
    body, chosen = data[:-2], data[-1]  # at the end, so that golden files are seeds as they are
    name, streamed = _FORMATS[chosen % len(_FORMATS)], bool(chosen & 64)
    cut = len(body) * data[-2] // 255
    whole = told(name, [body], streamed=streamed)
    assert told(name, [body[:cut], body[cut:]], streamed=streamed) == whole


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
