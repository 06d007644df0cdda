"""What works with which provider, found out: one probe a cell, and the table that they make.

    python -m tests.codecs.capabilities        writes the tables into docs/providers.md

A probe asks a provider's codec, with the profile of a typical model, for one thing, and looks at the body that would
be sent; or it gives the codec a golden answer, and looks at what was understood. No provider is asked: what is true of
a body is not yet true of the service that gets it.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from msgspec.structs import replace

from antiphon.errors import Unsupported
from antiphon.ports import Codec
from antiphon.providers.catalog import BASES, Entry, Format, entries, profile_for
from antiphon.providers.fetching import Fetched, Fetcher
from antiphon.providers.materials import materialise
from antiphon.providers.structured.asking import ask, way_for
from antiphon.types.chunks import Annotated, CallOpened, Chunk, Summarized, Text, Thought, ThoughtState, Used
from antiphon.types.profiles import Profile
from antiphon.types.responses import JsonObjectFormat, JsonSchemaFormat
from antiphon.types.turns import Turn, UpstreamRequest
from tests.codecs.cases import CODECS, FOLDER, chunks_of
from tests.codecs.turns import a_freeform, a_function, a_turn, called, gave, said

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
BEGIN, END = "<!-- made by tests: begin -->", "<!-- made by tests: end -->"

Mark = Literal["yes", "here", "noted", "refused", "no"]
"""Taken by the provider; had all the same, by what this server does; left out with a note; refused with 400; not had."""

MODELS: dict[str, str] = {
    "openai": "gpt-5.4",
    "openai-chat": "gpt-5.4",
    "azure": "my-deployment",
    "perplexity": "sonar",
    "anthropic": "claude-sonnet-5",
    "gemini": "gemini-3-flash",
    "mistral": "mistral-medium-2604",
    "groq": "openai/gpt-oss-120b",
    "together": "zai-org/glm-5",
    "fireworks": "accounts/fireworks/models/glm-5",
    "deepseek": "deepseek-v4",
    "xai": "grok-4.3",
    "openrouter": "anthropic/claude-sonnet-5",
    "cerebras": "zai-glm-4.7",
    "cohere": "command-a",
    "bedrock": "openai.gpt-oss-120b",
    "vertex": "google/gemini-3-flash",
    "ollama": "qwen3",
    "lmstudio": "qwen3",
    "vllm": "qwen3",
    "sglang": "qwen3",
    "llama.cpp": "default",
    "localai": "qwen3",
}
"""A typical model of each provider."""

Kind = Literal["whole", "streamed", "calls", "thinking", "state", "citations", "logprobs"]

ANSWERS: dict[Format, dict[Kind, str]] = {
    "chat": {
        "whole": "openai_text.json",
        "streamed": "openai_text.sse",
        "calls": "openai_parallel_calls.sse",
        "thinking": "deepseek_reasoning.sse",
        "state": "deepseek_tool_turn.sse",
        "citations": "openai_text.json",
        "logprobs": "openai_logprobs.sse",
    },
    "responses": {
        "whole": "openai_text.json",
        "streamed": "openai_text.sse",
        "calls": "openai_calls.json",
        "thinking": "openai_reasoning_and_call.sse",
        "state": "openai_reasoning_and_call.sse",
        "citations": "openai_web_search.sse",
        "logprobs": "openai_logprobs.sse",
    },
    "anthropic": {
        "whole": "text.json",
        "streamed": "text.sse",
        "calls": "parallel_calls.sse",
        "thinking": "thinking_and_call.sse",
        "state": "thinking_and_call.sse",
        "citations": "document_citations.sse",
    },
    "gemini": {
        "whole": "text.json",
        "streamed": "text.sse",
        "calls": "parallel_calls.sse",
        "thinking": "thoughts_and_signed_call.sse",
        "state": "thoughts_and_signed_call.sse",
        "citations": "grounding.sse",
        "logprobs": "logprobs.sse",
    },
}
"""The golden answers that show what a format tells."""

OWN_ANSWERS: dict[str, dict[Kind, str]] = {
    "mistral": {"thinking": "mistral_thinking.sse"},
    "openrouter": {"thinking": "openrouter_reasoning.sse", "state": "openrouter_signed_thinking.sse"},
    "vertex": {"thinking": "gemini_compat.sse", "state": "gemini_signed_call.sse"},
}
"""Where a provider tells it in its own way."""

SHAPE = {
    "type": "object",
    "properties": {"ripeness": {"type": "string"}},
    "required": ["ripeness"],
    "additionalProperties": False,
}
PNG, PDF, WAV = (
    base64.b64encode(data).decode() for data in (b"\x89PNG\r\n\x1a\nimage", b"%PDF-1.7 file", b"RIFFsound")
)
IMAGE_URL, FILE_URL = "https://example.com/cat.png", "https://example.com/cat.pdf"


@dataclass(frozen=True)
class Case:
    """A model of a provider, or of any server of a format."""

    name: str
    format: Format
    profile: Profile
    model: str

    @property
    def codec(self) -> Codec:
        return CODECS[self.format]

    @cached_property
    def plain(self) -> bytes:
        """The body of a request that asks for nothing special."""
        return self.sent(a_turn()).body

    def sent(self, turn: Turn) -> UpstreamRequest:
        return self.codec.encode(replace(turn, model=self.model), self.profile)

    def heard(self, kind: Kind) -> list[Chunk]:
        """Return what is understood of a golden answer."""
        file = OWN_ANSWERS.get(self.name, {}).get(kind) or ANSWERS[self.format].get(kind)
        if file is None:
            return []
        parser = self.codec.parser(self.sent(a_turn()), self.profile, streamed=file.endswith(".sse"))
        return chunks_of(parser, [(FOLDER / self.format / file).read_bytes()])

    def asked(self, needle: str, turn: Turn, *, otherwise: Mark = "no") -> Mark:
        """Say what becomes of a wish that stands as `needle` in the body of a provider that takes it."""
        try:
            sent = self.sent(turn)
        except Unsupported:
            return "refused"
        if needle in sent.body.decode():
            return "yes"
        return "noted" if sent.notes else otherwise


Probe = Callable[[Case], Mark]


# -- probes ---------------------------------------------------------------------------------------------------


def text(case: Case) -> Mark:
    return "yes" if any(isinstance(chunk, Text) for chunk in case.heard("whole")) else "no"


def streaming(case: Case) -> Mark:
    return "yes" if sum(isinstance(chunk, Text) for chunk in case.heard("streamed")) > 1 else "no"


def usage(case: Case) -> Mark:
    ways = [case.heard("whole"), case.heard("streamed")]
    are_told = [any(isinstance(chunk, Used) and chunk.usage.output_tokens for chunk in heard) for heard in ways]
    return "yes" if all(are_told) else "no"


def _with_part(part: dict[str, Any]) -> Turn:
    return a_turn(said([{"type": "input_text", "text": "What is it?"}, part]))


def images(case: Case) -> Mark:
    return case.asked(PNG, _with_part({"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}))


def image_urls(case: Case) -> Mark:
    return _named(case, IMAGE_URL, _with_part({"type": "input_image", "image_url": IMAGE_URL}))


def files(case: Case) -> Mark:
    file = {"type": "input_file", "filename": "cat.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
    return case.asked(PDF, _with_part(file))


def file_urls(case: Case) -> Mark:
    return _named(case, FILE_URL, _with_part({"type": "input_file", "file_url": FILE_URL}))


def audio(case: Case) -> Mark:
    return case.asked(WAV, _with_part({"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}))


class _Web:
    """A fetcher for which every URL leads to the image or the file."""

    async def fetch(self, url: str, **_: object) -> Fetched:
        is_image = url == IMAGE_URL
        return Fetched(base64.b64decode(PNG if is_image else PDF), "image/png" if is_image else "application/pdf")


def _named(case: Case, url: str, turn: Turn) -> Mark:
    """Say whether a provider fetches a URL, or gets what was fetched for it."""
    ready = asyncio.run(materialise(turn, case.profile, cast("Fetcher", _Web())))
    mark = case.asked(url, ready)
    is_sent_along = case.asked(PNG if url == IMAGE_URL else PDF, ready) == "yes"
    return "here" if is_sent_along else mark


def tools(case: Case) -> Mark:
    return case.asked('"ripen"', a_turn(tools=[a_function("ripen")]))


def parallel_calls(case: Case) -> Mark:
    if not case.profile.tools:
        return tools(case)
    return "yes" if sum(isinstance(chunk, CallOpened) for chunk in case.heard("calls")) > 1 else "no"


def one_call(case: Case) -> Mark:
    """`parallel_tool_calls: false`."""
    given = [a_function("ripen")]
    try:
        sent, usual = (case.sent(a_turn(tools=given, parallel_tool_calls=several)) for several in (False, True))
    except Unsupported:
        return "refused"
    if sent.one_call:
        return "here"
    return "yes" if sent.body != usual.body else "noted" if sent.notes else "no"


def forced_tool(case: Case) -> Mark:
    given = [a_function("ripen"), a_function("rot")]
    try:
        sent = case.sent(a_turn(tools=given, tool_choice={"type": "function", "name": "ripen"}))
        return "yes" if sent.body != case.sent(a_turn(tools=given)).body else "no"
    except Unsupported:
        return "refused"


def custom_tools(case: Case) -> Mark:
    try:
        body = case.sent(a_turn(tools=[a_freeform("patch")])).body
    except Unsupported:
        return "refused"
    offered = json.loads(body)["tools"]
    return "yes" if offered[0].get("type") == "custom" else "here"


def web_search(case: Case) -> Mark:
    return case.asked('"web_search"', a_turn(tools=[{"type": "web_search"}]))


def hosted_tools(case: Case) -> Mark:
    given = {"type": "code_interpreter", "container": {"type": "auto"}}
    return case.asked('"code_interpreter"', a_turn(tools=[given]))


def _shaped(case: Case, form: dict[str, Any], needle: str) -> Mark:
    turn = a_turn(said("Answer in JSON: is it ripe?"), text={"format": form})
    chosen = turn.request.text.format if turn.request.text else None
    assert isinstance(chosen, JsonSchemaFormat | JsonObjectFormat)
    way = way_for(turn, chosen, case.profile)
    if way is None:
        return case.asked(needle, turn)
    return "here" if case.sent(ask(turn, chosen, way, case.profile)).body != case.plain else "no"


def json_schema(case: Case) -> Mark:
    return _shaped(case, {"type": "json_schema", "name": "fruit", "schema": SHAPE, "strict": True}, '"ripeness"')


def json_object(case: Case) -> Mark:
    return _shaped(case, {"type": "json_object"}, "json")


def effort(case: Case) -> Mark:
    efforts = case.profile.efforts
    level = "high" if efforts is None or "high" in efforts else max(efforts)
    return _changes(case, a_turn(reasoning={"effort": level}))


def _changes(case: Case, turn: Turn) -> Mark:
    """Say what becomes of a wish that shows in the body in whichever way."""
    try:
        sent = case.sent(turn)
    except Unsupported:
        return "refused"
    return "yes" if sent.body != case.plain else "noted" if sent.notes else "no"


def reasoning(case: Case) -> Mark:
    return "yes" if any(isinstance(chunk, Thought | Summarized) for chunk in case.heard("thinking")) else "no"


def state(case: Case) -> Mark:
    """Reasoning state goes back with the results of the calls that followed it."""
    heard = case.heard("state")
    states = [chunk.encrypted_content for chunk in heard if isinstance(chunk, ThoughtState)]
    calls = [chunk for chunk in heard if isinstance(chunk, CallOpened)]
    if not states:
        return "no"

    def body(**kept: str) -> bytes:
        thought = {"type": "reasoning", "id": "rs_1", "summary": [], **kept}
        asked = [called(call.call_id or "call_1", call.name) for call in calls]
        given = [gave(call["call_id"]) for call in asked]
        return case.sent(a_turn(said("Hi"), thought, *asked, *given, tools=[a_function(calls[0].name)])).body

    return "yes" if body(encrypted_content=states[0]) != body() else "no"


def logprobs(case: Case) -> Mark:
    try:
        sent = case.sent(a_turn(include=["message.output_text.logprobs"], top_logprobs=2))
    except Unsupported:
        return "refused"
    are_read = any(isinstance(chunk, Text) and chunk.logprobs for chunk in case.heard("logprobs"))
    return "yes" if are_read and sent.body != case.plain else "no"


def citations(case: Case) -> Mark:
    return "yes" if any(isinstance(chunk, Annotated) for chunk in case.heard("citations")) else "no"


def cache_key(case: Case) -> Mark:
    return _changes(case, a_turn(prompt_cache_key="fruit-7"))


def user(case: Case) -> Mark:
    return case.asked("ada-7", a_turn(safety_identifier="ada-7", user="ada-7"))


def service_tier(case: Case) -> Mark:
    return _changes(case, a_turn(service_tier="flex"))


def temperature(case: Case) -> Mark:
    return case.asked('"temperature"', a_turn(temperature=0.5))


def truncation(case: Case) -> Mark:
    """Old items are dropped here, where the window is known."""
    if b"truncation" in case.sent(a_turn(truncation="auto")).body:
        return "yes"
    return "here" if case.profile.context_window else "noted"


PROBES: dict[str, Probe] = {
    "text": text,
    "streaming": streaming,
    "images, sent along": images,
    "images by URL": image_urls,
    "files, sent along": files,
    "files by URL": file_urls,
    "audio": audio,
    "function tools": tools,
    "several calls in a turn": parallel_calls,
    "one call at a time": one_call,
    "a tool that must be called": forced_tool,
    "custom (freeform) tools": custom_tools,
    "the provider's web search": web_search,
    "the provider's other tools": hosted_tools,
    "JSON that fits a schema": json_schema,
    "any JSON": json_object,
    "reasoning effort": effort,
    "reasoning shown": reasoning,
    "reasoning state goes back": state,
    "log probabilities": logprobs,
    "citations": citations,
    "tokens counted": usage,
    "`prompt_cache_key`": cache_key,
    "`user`, `safety_identifier`": user,
    "`service_tier: flex`": service_tier,
    "`temperature`": temperature,
    "`truncation: auto`": truncation,
}


# -- the page -------------------------------------------------------------------------------------------------


def of_provider(name: str) -> Case:
    entry, model = entries()[name], MODELS[name]
    return Case(name, entry.format, profile_for(entry, model), model)


def of_any(form: Format) -> Case:
    """Return the case of a server that only its format is known of."""
    return Case(f"any `{form}`", form, BASES[form], "model")


def _is_local(entry: Entry) -> bool:
    return (entry.base_url or "").startswith("http://127.0.0.1")


def groups() -> Iterator[tuple[str, Sequence[Case]]]:
    """Give the tables: a heading and its columns."""
    known = entries().values()
    chat = [entry for entry in known if entry.format == "chat"]
    others = [of_provider(entry.name) for entry in known if entry.format != "chat"]
    yield "Responses, Messages, generateContent", [*others, *(of_any(form) for form in BASES if form != "chat")]
    yield "Chat Completions", [*(of_provider(each.name) for each in chat if not _is_local(each)), of_any("chat")]
    yield "Your own machines", [of_provider(entry.name) for entry in chat if _is_local(entry)]


def tables() -> str:
    """Return all tables as Markdown."""
    return "\n".join(_table(heading, cases) for heading, cases in groups())


def _table(heading: str, cases: Sequence[Case]) -> str:
    rows = [["", *(case.name for case in cases)], ["---"] * (len(cases) + 1)]
    rows.append(["*with the model*", *("" if case.name.startswith("any ") else f"`{case.model}`" for case in cases)])
    rows += [[name, *(probe(case) for case in cases)] for name, probe in PROBES.items()]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"### {heading}", "", *lines, ""])


def written(page: str) -> str:
    """Return the page with the tables as they are now."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
