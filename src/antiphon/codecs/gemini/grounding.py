"""Where an answer's words come from: Gemini's grounding and citations as the annotations of a text.

Gemini counts bytes of UTF-8, from the beginning of a part or of the whole text; annotations count characters. The
words themselves, where they are told, decide what was meant.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw, Struct

_encode = msgspec.json.Encoder().encode


class _Source(Struct, rename="camel", gc=False):
    uri: str | None = None
    title: str | None = None
    domain: str | None = None


class _Chunk(Struct, rename="camel", gc=False):
    web: _Source | None = None
    maps: _Source | None = None
    retrieved_context: _Source | None = None


class _Segment(Struct, rename="camel", gc=False):
    start_index: int | None = None
    end_index: int | None = None
    part_index: int | None = None
    text: str | None = None


class _Support(Struct, rename="camel", gc=False):
    segment: _Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class Grounding(Struct, rename="camel", gc=False):
    """What a search found, and which words rest on it."""

    grounding_chunks: list[_Chunk] | None = None
    grounding_supports: list[_Support] | None = None


class _Citation(Struct, rename="camel", gc=False):
    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class Citations(Struct, rename="camel", gc=False):
    """Passages that the model quotes; the two names are those of two versions of the API."""

    citations: list[_Citation] | None = None
    citation_sources: list[_Citation] | None = None


class Citation(Struct, tag="url_citation", frozen=True):
    """An annotation; it ends before the character at `end_index`."""

    start_index: int
    end_index: int
    title: str
    url: str

    def raw(self) -> Raw:
        return Raw(_encode(self))


def grounded(found: Grounding, text: str, starts: Sequence[int]) -> Iterator[Citation]:
    """Yield the citations of a grounding in `text`; `starts` leads from a part's index to its first character."""
    sources = found.grounding_chunks or []
    for support in found.grounding_supports or ():
        span = _span(support.segment or _Segment(), text, starts)
        for index in support.grounding_chunk_indices or ():
            chunk = sources[index] if 0 <= index < len(sources) else _Chunk()
            source = chunk.web or chunk.maps or chunk.retrieved_context
            if source is not None and source.uri:
                yield Citation(*span, source.title or source.domain or source.uri, source.uri)


def quoted(found: Citations, text: str) -> Iterator[Citation]:
    """Yield the citations of quotations in `text`."""
    for citation in found.citations or found.citation_sources or ():
        if citation.uri:
            span = _span(_Segment(citation.start_index, citation.end_index), text, ())
            yield Citation(*span, citation.title or citation.uri, citation.uri)


def _span(segment: _Segment, text: str, starts: Sequence[int]) -> tuple[int, int]:
    """Return first character and end of a segment, inside the text whatever was told."""
    part = segment.part_index or 0
    bases = [0, *starts[part : part + 1]] if part > 0 else [0]  # a stream counts from the beginning of its text
    spans = [_characters(text, base, segment) for base in bases]
    if not segment.text:
        return spans[-1]
    for start, end in spans:
        if text[start:end] == segment.text:
            return start, end
    start = text.find(segment.text)
    return (start, start + len(segment.text)) if start >= 0 else spans[0]


def _characters(text: str, base: int, segment: _Segment) -> tuple[int, int]:
    data = text[base:].encode("utf-8", "replace")
    ends = (segment.start_index or 0, len(data) if segment.end_index is None else segment.end_index)
    first, last = (base + len(data[: max(place, 0)].decode("utf-8", "ignore")) for place in ends)
    return first, max(first, last)
