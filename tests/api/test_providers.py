"""A provider misbehaves: the caller gets an honest answer in our words, never a false `completed`, never a bare 500."""

import asyncio
import email.utils
import gzip
import json
import time
from typing import Any

import pytest

from antiphon.testing.serving import plain_settings, provider, running
from antiphon.testing.upstream import (
    Answer,
    Fault,
    Said,
    ScriptedUpstream,
    Step,
    chat_call,
    chat_chunk,
    chat_stream,
    chat_whole,
    document,
    refusal,
    responses_object,
    responses_stream,
    responses_whole,
    sse,
)
from tests.api.calling import CHAT, PROVIDER_KEY, RESPONSES, Api, Json, Reply, function, judged, text_of

BOTH = pytest.mark.parametrize("model", [CHAT, RESPONSES])
WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
HASTY = "hasty/m"


async def outcome(api: Api, stream: bool, **fields: Any) -> Json:
    """Create a response that may fail, and return what the caller learns: an error, or a response that is right."""
    reply = await api.try_create(stream=stream, **fields)
    return told(reply)


def told(reply: Reply) -> Json:
    if reply.status != 200:
        return {"status": reply.status, **reply.error(reply.status)}
    if reply.headers["content-type"].startswith("text/event-stream"):
        return judged(reply.body).last
    return reply.json  # type: ignore[no-any-return] # JSON


def broke(result: Json) -> str:
    """Return the message of a failure that is the provider's: 502 before the first event, `failed` after it."""
    if result["status"] == 502:
        assert result["type"] == "server_error"
        return str(result["message"])
    assert result["status"] == "failed", result
    return str(result["error"]["message"])


# -- refusals -------------------------------------------------------------------------------------------------


@BOTH
@WAYS
async def test_a_rate_limit_is_429_with_the_time_to_wait(
    api: Api, upstream: ScriptedUpstream, model: str, stream: bool
) -> None:
    upstream.will(refusal(429, "Slow down.", code="rate_limit_exceeded", retry_after="7"))
    reply = await api.try_create(model=model, stream=stream)
    error = reply.error(429)
    assert (error["message"], error["code"]) == ("Slow down.", "rate_limit_exceeded")
    assert (reply.headers["retry-after"], reply.headers["retry-after-ms"]) == ("7", "7000")
    assert len(upstream.received) == 1


async def test_a_time_to_wait_may_be_a_date(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(refusal(429, retry_after=email.utils.formatdate(time.time() + 30, usegmt=True)))
    assert 25 <= int((await api.try_create()).headers["retry-after"]) <= 31


@pytest.mark.parametrize("value", ["soon", "-5", "", "1e9", "²", "Thu, 99 Foo 2026", "99999999999999999999"])
async def test_a_time_to_wait_that_is_nonsense_does_no_harm(api: Api, upstream: ScriptedUpstream, value: str) -> None:
    upstream.will(refusal(429, retry_after=value))
    reply = await api.try_create()
    assert reply.status == 429
    assert 0 <= int(reply.headers.get("retry-after", "0")) <= 3600


async def test_an_empty_purse_is_told_by_its_code(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(refusal(429, "You exceeded your quota.", code="insufficient_quota"))
    assert (await api.try_create()).error(429)["code"] == "insufficient_quota"
    assert len(upstream.received) == 1


@BOTH
@WAYS
@pytest.mark.parametrize("statuses", [(500, 502), (502, 502), (504, 502), (503, 503), (529, 503), (599, 502)])
async def test_a_provider_that_fails_is_502_or_503(
    api: Api, upstream: ScriptedUpstream, model: str, stream: bool, statuses: tuple[int, int]
) -> None:
    status, shown = statuses
    upstream.will(refusal(status, "Oops."))
    reply = await api.try_create(model=model, stream=stream)
    assert "Oops." in reply.error(shown)["message"]
    assert ("retry-after" in reply.headers) is (shown == 503)


@WAYS
@pytest.mark.parametrize("status", [500, 502, 429, 404, 200])
async def test_a_page_of_markup_is_never_passed_on(
    api: Api, upstream: ScriptedUpstream, status: int, stream: bool
) -> None:
    page = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
    upstream.will(Answer(steps=[page], status=status, headers={"Content-Type": "text/html"}, framing="length"))
    reply = await api.try_create(stream=stream)
    if reply.status == 200:
        assert stream
        broke(told(reply))
    else:
        assert reply.error({429: 429, 404: 400}.get(status, 502))
    assert b"nginx" not in reply.body
    assert b"<" not in reply.body


@BOTH
@WAYS
async def test_a_request_that_the_provider_blames_is_refused_in_its_words(
    api: Api, upstream: ScriptedUpstream, model: str, stream: bool
) -> None:
    upstream.will(refusal(400, "Your input is too long.", code="context_length_exceeded"))
    reply = await api.try_create(model=model, stream=stream)
    assert reply.refused(400, "context_length_exceeded", None) == "Your input is too long."
    assert len(upstream.received) == 1


async def test_the_provider_s_param_is_told_by_our_name(api: Api, upstream: ScriptedUpstream) -> None:
    for theirs, ours in (
        ("messages", "input"),
        ("max_tokens", "max_output_tokens"),
        ("response_format", "text.format"),
    ):
        upstream.will(refusal(400, "bad", param=theirs))
        assert (await api.try_create()).error(400)["param"] == ours


@pytest.mark.parametrize(("status", "shown"), [(404, 400), (405, 400), (409, 409), (413, 413), (422, 422)])
async def test_other_refusals_never_look_as_if_something_of_ours_were_missing(
    api: Api, upstream: ScriptedUpstream, status: int, shown: int
) -> None:
    upstream.will(refusal(status, "The model does not exist."))
    assert (await api.try_create()).error(shown)["message"] == "The model does not exist."


@WAYS
@pytest.mark.parametrize("status", [401, 403])
async def test_the_provider_s_key_is_never_shown(
    api: Api, upstream: ScriptedUpstream, capsys: pytest.CaptureFixture[str], status: int, stream: bool
) -> None:
    """401 would make clients blame their own key; the words may hold the server's."""
    words = f"Incorrect API key provided: {PROVIDER_KEY}. Authorization: Bearer {PROVIDER_KEY}"
    for model in (CHAT, RESPONSES):
        upstream.will(refusal(status, words, www_authenticate=f'Bearer realm="{PROVIDER_KEY}"'))
        reply = await api.try_create(model=model, stream=stream)
        assert reply.error(502)["code"] == "provider_unauthorized"
        assert upstream.last.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        everything = reply.body.decode() + str(dict(reply.headers)) + "".join(capsys.readouterr())
        assert PROVIDER_KEY not in everything
        assert "provider_unauthorized" in everything


@WAYS
async def test_a_key_in_the_words_of_any_error_is_cut_out(
    api: Api, upstream: ScriptedUpstream, capsys: pytest.CaptureFixture[str], stream: bool
) -> None:
    words = f"No such deployment (key {PROVIDER_KEY})"
    for answer in (
        refusal(400, words),
        refusal(500, words),
        refusal(429, words),
        Answer(steps=[words.encode()], status=500, headers={"Content-Type": "text/plain"}, framing="length"),
        sse(b"data: " + json.dumps({"error": {"message": words}}).encode() + b"\n\n"),
        chat_stream("Hel", b"data: " + json.dumps({"error": {"message": words}}).encode() + b"\n\n", finish=None),
    ):
        upstream.will(answer)
        reply = await api.try_create(stream=stream)
        assert PROVIDER_KEY.encode() not in reply.body
    assert PROVIDER_KEY not in "".join(capsys.readouterr())


async def test_our_caller_s_key_never_reaches_the_provider(api: Api, upstream: ScriptedUpstream) -> None:
    await api.create(model=HASTY)
    sent = upstream.last
    assert api.key not in str(sent.headers) + sent.body.decode()
    assert "authorization" not in sent.headers


async def test_only_a_few_headers_reach_the_provider(api: Api, upstream: ScriptedUpstream) -> None:
    await api.request(
        "POST", "/responses", json={"model": CHAT, "input": "x"}, headers={"Cookie": "a=b", "X-Secret": "s", "X-Codex-Turn": "1"}
    )  # fmt: skip
    assert upstream.last.headers.keys() <= {"host", "authorization", "content-type", "content-length", "user-agent", "accept-encoding", "accept"}  # fmt: skip


# -- nobody there, or nobody in time --------------------------------------------------------------------------


@WAYS
async def test_a_provider_that_can_t_be_reached_is_502(api: Api, stream: bool) -> None:
    error = (await api.try_create(model="refusing/m", stream=stream)).error(502)
    assert (error["code"], error["message"]) == ("provider_unreachable", "The provider can't be reached.")


@WAYS
async def test_a_provider_that_does_not_accept_is_given_up(api: Api, stream: bool) -> None:
    began = time.monotonic()
    error = (await api.try_create(model="hanging/m", stream=stream)).error(502)
    assert error["code"] == "provider_timeout_connect"
    assert time.monotonic() - began < 1.5


@WAYS
async def test_a_provider_that_says_nothing_is_given_up(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    upstream.will(Answer(before=[Fault.HANG]))
    error = (await api.try_create(model=HASTY, stream=stream)).error(502)
    assert error["code"] == "provider_timeout_first_byte"
    await upstream.last.wait_left(within=1.0)
    assert len(upstream.received) == 1


@WAYS
async def test_a_provider_that_falls_silent_is_given_up(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    half = chat_whole("Hello").steps[0]
    assert isinstance(half, bytes)
    cut = Answer(steps=[half[:40], Fault.HANG], headers={"Content-Length": str(len(half))}, framing="length")
    upstream.will(chat_stream("Hel", Fault.HANG) if stream else cut)
    result = await outcome(api, stream, model=HASTY)
    assert "fell silent" in broke(result)
    await upstream.last.wait_left(within=1.0)
    if stream:
        assert text_of(result) == "Hel"
        assert await api.retrieve(result["id"]) == result


async def test_comments_for_ever_do_not_extend_the_total(api: Api, upstream: ScriptedUpstream) -> None:
    steps: list[Step] = [step for _ in range(40) for step in (b": PROCESSING\n\n", 0.1)]
    upstream.will(sse(*steps))
    began = time.monotonic()
    assert "did not finish within 0.8 seconds" in broke(await outcome(api, True, model=HASTY))
    assert time.monotonic() - began < 2
    await upstream.last.wait_left(within=1.0)


async def test_an_endless_answer_ends_with_the_total(api: Api, upstream: ScriptedUpstream) -> None:
    steps: list[Said] = [step for _ in range(40) for step in ("word ", 0.1)]
    upstream.will(chat_stream(*steps))
    result = await outcome(api, True, model=HASTY)
    assert "did not finish" in broke(result)
    assert text_of(result).startswith("word word ")
    await upstream.last.wait_left(within=1.0)


async def test_a_provider_that_takes_its_time_within_the_limits_is_waited_for(
    api: Api, upstream: ScriptedUpstream
) -> None:
    upstream.will(chat_stream(0.15, "Hel", 0.15, "lo", 0.15))
    assert text_of((await api.stream(model=HASTY)).last) == "Hello"


# -- answers that break off -----------------------------------------------------------------------------------

BREAKS: list[tuple[str, list[Said]]] = [
    ("before a word", []),
    ("after the role", [{"role": "assistant", "content": ""}]),
    ("after text", ["Hel"]),
    ("in the middle of a frame", ["Hel", chat_chunk({"content": "lo"})[:40]]),
    ("after reasoning", [{"reasoning_content": "Hm"}]),
    ("after a call's name", [chat_call("weather", "")]),
    ("in a call's arguments", [chat_call("weather", '{"ci')]),
    ("after a whole call", [chat_call("weather", '{"city":"Oslo"}')]),
    ("after usage", ["Hel", chat_chunk(None, usage={"prompt_tokens": 1, "completion_tokens": 1})]),
    ("after DONE without a finish", ["Hel", b"data: [DONE]\n\n"]),
]
ENDS: list[tuple[str, list[Said]]] = [("clean", []), ("fin", [Fault.FIN]), ("rst", [Fault.RST])]


@pytest.mark.parametrize("end", [end for _, end in ENDS], ids=[name for name, _ in ENDS])
@pytest.mark.parametrize("said", [said for _, said in BREAKS], ids=[name.replace(" ", "_") for name, _ in BREAKS])
async def test_an_answer_without_its_end_is_never_completed(
    api: Api, upstream: ScriptedUpstream, said: list[Said], end: list[Said]
) -> None:
    upstream.otherwise = lambda _: chat_stream(*said, *end, finish=None, usage=None, done=False)
    result = await outcome(api, True, tools=[function()])
    broke(result)
    if result["status"] == "failed":
        kept = await api.retrieve(result["id"])
        assert kept == result
        assert all(item.get("status") != "completed" for item in kept["output"] if item["type"] == "message")


@pytest.mark.parametrize("end", [end for _, end in ENDS], ids=[name for name, _ in ENDS])
async def test_a_responses_answer_without_its_end_is_never_completed(
    api: Api, upstream: ScriptedUpstream, end: list[Said]
) -> None:
    asked = {"id": "fc", "type": "function_call", "call_id": "c", "name": "weather", "arguments": "", "status": "in_progress"}  # fmt: skip
    opened = {"type": "response.output_item.added", "output_index": 0, "item": asked}
    piece = {"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "fc", "delta": '{"ci'}
    for said in ([], ["Hel"], [opened], [opened, piece]):
        answer = responses_stream(*said, *end, finish=None)
        upstream.otherwise = lambda _, answer=answer: answer  # type: ignore[misc] # bound here
        broke(await outcome(api, True, model=RESPONSES, tools=[function()]))


@BOTH
@WAYS
async def test_an_answer_cut_at_any_byte_is_never_completed(
    api: Api, upstream: ScriptedUpstream, model: str, stream: bool
) -> None:
    if stream:
        whole = (chat_stream if model == CHAT else responses_stream)("Hel", "lo.").steps
    else:
        whole = (chat_whole if model == CHAT else responses_whole)("Hello.").steps
    raw = b"".join(step for step in whole if isinstance(step, bytes))
    finished = raw.find(b'"finish_reason": "stop"') if model == CHAT else raw.find(b"event: response.completed")
    head = {"Content-Type": "text/event-stream"} if stream else {"Content-Length": str(len(raw))}
    for cut in range(0, len(raw), 37 if stream else 29):
        steps: list[Step] = [raw[:cut], Fault.FIN] if cut else [Fault.FIN]
        answer = Answer(steps=steps, headers=head, framing="chunked" if stream else "length")
        upstream.otherwise = lambda _, answer=answer: answer  # type: ignore[misc] # bound here
        result = await outcome(api, stream, model=model)
        if not stream or cut < finished:
            broke(result)
        else:
            assert result["status"] in {"completed", "failed", 502}
            assert text_of(result) == "Hello." if result["status"] == "completed" else True


@WAYS
async def test_a_connection_closed_instead_of_an_answer_is_502(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    for fault in (Fault.FIN, Fault.RST):
        upstream.otherwise = lambda _, fault=fault: Answer(before=[fault])  # type: ignore[misc] # bound here
        broke(await outcome(api, stream))


# -- answers that are something else --------------------------------------------------------------------------

JUNK: list[tuple[str, Answer]] = [
    ("not JSON", Answer(steps=[b"not json at all"], framing="length")),
    ("cut JSON", Answer(steps=[b'{"choices": [{"message": {"content": "Hel'], framing="length")),
    ("an empty body", Answer(steps=[], framing="length")),
    ("an empty chunked body", Answer(steps=[])),
    ("null", document(None)),
    ("a list", document([])),
    ("a number", document(3)),
    ("an empty object", document({})),
    ("no choices", document({"choices": []})),
    ("a choice without a message", document({"choices": [{"index": 0, "finish_reason": "stop"}]})),
    ("choices that are none", document({"choices": "no"})),
    ("deep JSON", Answer(steps=[b"[" * 100_000], framing="length")),
    ("bytes that are no text", Answer(steps=[b"\xff\xfe\x00\x80" * 10], framing="length")),
    ("an error with status 200", document({"error": {"message": "It broke.", "code": 500}})),
    ("a short body", Answer(steps=[b"{}", Fault.FIN], headers={"Content-Length": "1000"}, framing="length")),
    ("an image", Answer(steps=[b"\x89PNG\r\n"], headers={"Content-Type": "image/png"}, framing="length")),
    ("an empty stream", sse()),
    ("a stream of nothing but comments", sse(b": hi\n\n" * 3)),
    ("a stream of junk", sse(b"data: nonsense\n\n")),
    ("a stream of cut JSON", sse(b'data: {"choices": [{"del\n\n')),
    ("a stream of lists", sse(b"data: []\n\ndata: [1]\n\n")),
    ("only DONE", sse(b"data: [DONE]\n\n")),
    ("gzip", Answer(steps=[gzip.compress(b"{}")], headers={"Content-Encoding": "gzip"}, framing="length")),
    ("gzip that is none", Answer(steps=[b"nope"], headers={"Content-Encoding": "gzip"}, framing="length")),
    ("no HTTP", Answer(steps=[b"SSH-2.0-OpenSSH_9.2\r\n", Fault.FIN], framing="raw")),
    ("half a head", Answer(steps=[b"HTTP/1.1 200 OK\r\nContent-", Fault.FIN], framing="raw")),
    ("a head without end", Answer(steps=[b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"], framing="raw")),
    ("a broken chunk", Answer(steps=[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", Fault.FIN], framing="raw")),
    ("two lengths", Answer(steps=[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}", Fault.FIN], framing="raw")),
    ("no content", Answer(status=204, framing="length")),
    ("not modified", Answer(status=304, framing="length")),
    ("partial content", Answer(steps=[b"{}"], status=206, framing="length")),
]  # fmt: skip


@BOTH
@WAYS
@pytest.mark.parametrize("answer", [answer for _, answer in JUNK], ids=[name.replace(" ", "_") for name, _ in JUNK])
async def test_what_is_no_answer_is_the_provider_s_failure(
    api: Api, upstream: ScriptedUpstream, model: str, stream: bool, answer: Answer
) -> None:
    upstream.otherwise = lambda _: answer
    broke(await outcome(api, stream, model=model))


@BOTH
async def test_a_document_where_a_stream_was_asked_for_is_understood(
    api: Api, upstream: ScriptedUpstream, model: str
) -> None:
    upstream.will(chat_whole("Hello.") if model == CHAT else responses_whole("Hello."))
    stream = await api.stream(model=model)
    assert (stream.last["status"], text_of(stream.last)) == ("completed", "Hello.")
    assert len(stream.of("output_text.delta")) >= 1


@BOTH
async def test_a_stream_where_a_document_was_asked_for_is_understood(
    api: Api, upstream: ScriptedUpstream, model: str
) -> None:
    upstream.will(chat_stream("Hel", "lo.") if model == CHAT else responses_stream("Hel", "lo."))
    response = await api.create(model=model)
    assert (response["status"], text_of(response)) == ("completed", "Hello.")


async def test_a_stream_under_another_content_type_is_understood(api: Api, upstream: ScriptedUpstream) -> None:
    for kind in ("text/plain", "application/octet-stream", "text/event-stream;charset=UTF-8", "TEXT/EVENT-STREAM"):
        upstream.will(Answer(steps=chat_stream("Hel", "lo.").steps, headers={"Content-Type": kind}))
        assert text_of((await api.stream()).last) == "Hello."


async def test_a_redirect_is_not_followed(api: Api, upstream: ScriptedUpstream) -> None:
    for status in (301, 302, 303, 307, 308):
        there = upstream.base_url + "/elsewhere"
        upstream.will(Answer(steps=[b"{}"], status=status, headers={"Location": there}, framing="length"))
        (await api.try_create()).error(502)
    assert len(upstream.received) == 5
    assert not any("elsewhere" in request.path for request in upstream.received)


# -- odd bytes that are fine ----------------------------------------------------------------------------------


def bytes_of(answer: Answer) -> bytes:
    return b"".join(step for step in answer.steps if isinstance(step, bytes))


PLAIN = bytes_of(chat_stream("Hé", "llo 😀", chat_call("weather", '{"city":"Ålesund"}')))
ODD: list[tuple[str, list[Step]]] = [
    ("CRLF", [PLAIN.replace(b"\n", b"\r\n")]),
    ("CR", [PLAIN.replace(b"\n", b"\r")]),
    ("BOM", [b"\xef\xbb\xbf" + PLAIN]),
    ("no space after the colon", [PLAIN.replace(b"data: ", b"data:")]),
    ("comments between", [PLAIN.replace(b"data: ", b": hi\n\n: ho\ndata: ")]),
    ("named events and ids", [PLAIN.replace(b"data: ", b"event: message\nid: 7\nretry: 5\ndata: ")]),
    ("keep-alive data", [b'data: ""\n\ndata:\n\nevent: keepalive\n\n' + PLAIN]),
    ("no blank line at the end", [PLAIN.removesuffix(b"\n\n")]),
    ("no DONE", [PLAIN.replace(b"data: [DONE]\n\n", b"")]),
    ("DONE twice and more", [PLAIN + b"data: [DONE]\n\ndata: trailing\n\n"]),
    ("a byte at a time", [PLAIN[place : place + 1] for place in range(len(PLAIN))]),
    ("the finish twice", [PLAIN.replace(b"data: [DONE]", chat_chunk({}, "stop") + chat_chunk({}, "stop") + b"data: [DONE]")]),
    ("nulls everywhere", [PLAIN.replace(b'"finish_reason": null', b'"finish_reason": null, "logprobs": null, "delta2": null')]),
]  # fmt: skip


@pytest.mark.parametrize("steps", [steps for _, steps in ODD], ids=[name.replace(" ", "_") for name, _ in ODD])
async def test_streams_are_read_as_the_standard_says(api: Api, upstream: ScriptedUpstream, steps: list[Step]) -> None:
    upstream.will(sse(*steps))
    last = (await api.stream(tools=[function()])).last
    assert (last["status"], text_of(last)) == ("completed", "Héllo 😀")
    assert last["output"][1]["arguments"] == '{"city":"Ålesund"}'


async def test_text_that_is_no_unicode_is_mended(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(sse(chat_chunk({"content": "a"}).replace(b'"a"', b'"\\ud83d b"'), chat_chunk({}, "stop")))
    assert text_of((await api.stream()).last) == "\ufffd b"
    upstream.will(sse(chat_chunk({"content": "a"}).replace(b'"a"', b'"\xff b"'), chat_chunk({}, "stop")))
    assert text_of((await api.stream()).last) == "\ufffd b"


async def test_a_null_character_is_kept(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream("a\0b"))
    last = (await api.stream()).last
    assert text_of(last) == "a\0b"
    assert text_of(await api.retrieve(last["id"])) == "a\0b"


async def test_an_event_of_a_few_megabytes_is_taken_and_a_huge_one_is_not(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream("x" * (3 * 1024 * 1024)))
    assert len(text_of((await api.stream()).last)) == 3 * 1024 * 1024
    upstream.will(chat_stream("x" * (9 * 1024 * 1024)))
    assert "too large" in broke(await outcome(api, True))


async def test_a_line_that_never_ends_is_given_up(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(sse(b"data: ", *[b"x" * 1024 * 1024] * 12, Fault.HANG))
    assert "too large" in broke(await outcome(api, True))
    await upstream.last.wait_left(within=1.0)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -5, "completion_tokens": -7},
        {"prompt_tokens": None, "completion_tokens": None},
        {"prompt_tokens": "seven", "completion_tokens": []},
        {"prompt_tokens": 1.5, "completion_tokens": 2.0, "total_tokens": -1},
        {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": -1}},
        {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": "none"},
        {"prompt_tokens": 10**30, "completion_tokens": 1},
        {},
    ],
)
@WAYS
async def test_usage_is_whole_and_not_negative_whatever_the_provider_says(
    api: Api, upstream: ScriptedUpstream, usage: Json, stream: bool
) -> None:
    upstream.will(chat_stream("Hi", usage=usage) if stream else chat_whole("Hi", usage=usage))
    result = await outcome(api, stream)
    assert result["status"] == "completed"
    counted = result["usage"]
    numbers = [counted["input_tokens"], counted["output_tokens"], counted["total_tokens"]]
    numbers += [*counted["input_tokens_details"].values(), *counted["output_tokens_details"].values()]
    assert all(isinstance(number, int) and number >= 0 for number in numbers)
    assert numbers[2] == numbers[0] + numbers[1]


async def test_usage_that_is_no_number_at_all_is_estimated(api: Api, upstream: ScriptedUpstream) -> None:
    nan = chat_chunk(None, usage={"prompt_tokens": "NAN"}).replace(b'"NAN"', b"NaN")
    upstream.will(chat_stream("Hi", nan, usage=None))
    result = await outcome(api, True)
    assert result["status"] in {"completed", "failed"}  # NaN is no JSON: read or refused, never half believed
    if result["status"] == "completed":
        assert result["usage"]["input_tokens"] >= 0


async def test_cut_arguments_are_passed_on_as_they_came(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream(chat_call("weather", '{"city": "Os'), finish="tool_calls"))
    (asked,) = (await api.stream(tools=[function()])).last["output"]
    assert (asked["arguments"], asked["status"]) == ('{"city": "Os', "completed")


@WAYS
async def test_an_unknown_finish_reason_is_no_success(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    finish = "MALFORMED_FUNCTION_CALL"
    upstream.will(chat_stream("Hi", finish=finish) if stream else chat_whole("Hi", finish=finish))
    assert finish in broke(await outcome(api, stream))


# -- asked again ----------------------------------------------------------------------------------------------


@WAYS
async def test_a_connection_that_died_in_the_pool_is_replaced_once(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    await api.create()
    for fault in (Fault.FIN, Fault.RST):
        asked = len(upstream.received)
        upstream.will(Answer(before=[fault]))
        result = await outcome(api, stream)
        assert (result["status"], text_of(result)) == ("completed", "Hello.")
        first, second = upstream.received[asked:]
        assert first.body == second.body
        assert first.connection != second.connection


async def test_a_connection_is_replaced_only_once(api: Api, upstream: ScriptedUpstream) -> None:
    await api.create()
    upstream.otherwise = lambda _: Answer(before=[Fault.FIN])
    broke(await outcome(api, False))
    assert len(upstream.received) == 1 + 2


async def test_a_provider_that_worked_and_then_hung_up_is_not_asked_twice(api: Api, upstream: ScriptedUpstream) -> None:
    """It may have done the work, and be paid for it; a connection that had died in the pool says so at once."""
    await api.create()
    upstream.will(Answer(before=[1.05, Fault.FIN]))
    broke(await outcome(api, False))
    assert len(upstream.received) == 1 + 1


@pytest.mark.parametrize("cut", [12, 60, None], ids=["line", "head", "whole"])
async def test_an_answer_that_nobody_asked_for_is_no_other_caller_s(
    api: Api, upstream: ScriptedUpstream, cut: int | None
) -> None:
    body = chat_whole("SECRET").steps[0]
    asked = chat_whole("Hello.").steps[0]
    assert isinstance(body, bytes)
    assert isinstance(asked, bytes)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    more = (head % len(body) + body)[:cut]
    upstream.will(Answer(steps=[head % len(asked) + asked + more], framing="raw"))
    assert text_of(await api.create()) == "Hello."
    assert text_of(await api.create()) == "Hello."
    first, second = upstream.received
    assert first.connection != second.connection


@BOTH
@WAYS
async def test_an_empty_completion_is_no_answer(api: Api, upstream: ScriptedUpstream, model: str, stream: bool) -> None:
    upstream.will(_empty(model, stream))
    assert "empty" in broke(await outcome(api, stream, model=model))


def _empty(model: str, stream: bool) -> Answer:
    if model == CHAT:
        return chat_stream({"role": "assistant", "content": ""}) if stream else chat_whole("")
    return responses_stream() if stream else document(responses_object())


async def test_nothing_is_asked_twice_where_retries_are_off(api: Api, upstream: ScriptedUpstream) -> None:
    for status in (400, 401, 404, 429, 500, 503):
        before = len(upstream.received)
        upstream.will(refusal(status))
        await api.try_create()
        assert len(upstream.received) == before + 1


# -- the server beside it -------------------------------------------------------------------------------------


async def test_a_provider_s_models_are_listed_and_served(upstream: ScriptedUpstream, api: Api) -> None:
    async with ScriptedUpstream(models=["one", "two"]) as other:
        given = provider("chat", other.base_url)
        listed = plain_settings(providers={"up": type(given)(format="chat", base_url=given.base_url)})
        async with running(listed) as server:
            caller = Api(server, api._session)
            async with asyncio.timeout(2):
                while "up/two" not in (await caller.get("/models")).body.decode():  # noqa: ASYNC110 # as clients do
                    await asyncio.sleep(0.01)
            assert text_of(await caller.create(model="one")) == "Hello."
            assert text_of(await caller.create(model="up/two")) == "Hello."
            assert other.last.json["model"] == "two"


async def test_a_provider_in_trouble_does_not_hold_up_the_others(api: Api, upstream: ScriptedUpstream) -> None:
    gate = asyncio.Event()
    upstream.will(*[Answer(before=[gate], status=500)] * 30)
    hung = [asyncio.create_task(outcome(api, False, model=CHAT)) for _ in range(30)]
    await upstream.wait_received(30)
    await api.create(model="demo-chat")
    assert not any(task.done() for task in hung)
    gate.set()
    assert {result["status"] for result in await asyncio.gather(*hung)} == {502}
