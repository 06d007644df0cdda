"""What an upstream's refusal becomes, by status and by body."""

import json
from typing import Any

import pytest

from antiphon.codecs.chat import CHAT
from antiphon.codecs.refusals import redact, refusal, reported
from antiphon.codecs.responses import RESPONSES
from antiphon.errors import ProviderBroke, ProviderBusy, ProviderError, ProviderRefused


def a_body(message: str = "No.", **fields: Any) -> bytes:
    return json.dumps(
        {"error": {"message": message, "type": "x_error", "param": None, "code": None, **fields}}
    ).encode()


@pytest.mark.parametrize(
    ("status", "kind", "shown", "code", "retryable"),
    [
        (400, ProviderRefused, 400, "x_error", False),
        (401, ProviderBroke, 502, "provider_unauthorized", True),
        (402, ProviderBroke, 502, "provider_error", True),
        (403, ProviderBroke, 502, "provider_unauthorized", True),
        (404, ProviderRefused, 400, "x_error", False),
        (405, ProviderRefused, 400, "x_error", False),
        (408, ProviderBroke, 502, "provider_error", True),
        (409, ProviderRefused, 409, "x_error", False),
        (413, ProviderRefused, 413, "x_error", False),
        (422, ProviderRefused, 422, "x_error", False),
        (429, ProviderBusy, 429, "rate_limit_exceeded", True),
        (500, ProviderBroke, 502, "provider_error", True),
        (502, ProviderBroke, 502, "provider_error", True),
        (503, ProviderBusy, 503, "server_is_overloaded", True),
        (529, ProviderBusy, 503, "server_is_overloaded", True),
        (302, ProviderBroke, 502, "provider_error", True),
    ],
)
def test_the_status_says_who_is_to_blame(
    status: int, kind: type[ProviderError], shown: int, code: str, retryable: bool
) -> None:
    """A2 case 35; reliability 3a."""
    error = refusal(status, a_body(), None)
    assert type(error) is kind
    assert (error.http_status, error.code, error.retryable) == (shown, code, retryable)
    if kind is not ProviderRefused:
        assert error.upstream_status == status


@pytest.mark.parametrize("status", [400, 429, 500, 503, 529])
def test_the_words_of_a_refusal_pass_through(status: int) -> None:
    assert refusal(status, a_body("Too many frogs."), None).message == "Too many frogs."


@pytest.mark.parametrize("status", [401, 403])
def test_the_operator_s_key_is_never_the_client_s_fault(status: int) -> None:
    """SDKs would blame the user's key."""
    error = refusal(status, a_body("Incorrect API key provided: sk-proj-1234567890."), None)
    assert "sk-" not in error.message
    assert "credentials" in error.message


def test_a_limit_says_how_long_to_wait() -> None:
    assert refusal(429, a_body(), 7.5).retry_after == 7.5
    assert refusal(429, a_body(), None).retry_after is None
    assert refusal(503, a_body(), None).retry_after is None
    assert refusal(529, a_body(), 3).retry_after == 3


@pytest.mark.parametrize("code", ["insufficient_quota", "slow_down"])
def test_kinds_of_limits_that_clients_know_keep_their_code(code: str) -> None:
    assert refusal(429, a_body(code=code), None).code == code
    assert reported({"code": code, "message": "No."}).code == code


BODIES = [
    (b'{"error":{"message":"No.","code":"c","param":"p"}}', ("No.", "c", "p")),
    (b'{"error":{"message":"No.","type":"t"}}', ("No.", "t", None)),
    (b'{"error":{"message":"No.","code":5}}', ("No.", "5", None)),
    (b'{"error":"No."}', ("No.", None, None)),
    (b'{"message":"No."}', ("No.", None, None)),
    (b'{"detail":"No."}', ("No.", None, None)),
    (b'{"detail":[{"loc":["body"],"msg":"No.","type":"missing"}]}', ("No.", "missing", None)),
    (b'[{"error":{"message":"No.","code":400}}]', ("No.", "400", None)),
    (b"No.", ("No.", None, None)),
    (b'{"error":{"message":"N\xffo."}}', ("N\ufffdo.", None, None)),
]


@pytest.mark.parametrize(("body", "expected"), BODIES)
def test_a_body_is_read_in_each_of_its_shapes(body: bytes, expected: tuple[str, str | None, str | None]) -> None:
    error = refusal(400, body, None)
    assert (error.message, error.code, error.param) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Bad</body></html>",
        b"  <!DOCTYPE html>",
        b"\x00\x01",
        b"{}",
        b"[]",
        b"null",
        b'{"error":null}',
        b'{"error":{"message":5}}',
    ],
)
def test_markup_and_bytes_are_never_passed_on(body: bytes) -> None:
    """Reliability 3a: an HTML page of a proxy."""
    assert refusal(400, body, None).message == "The provider refused the request with status 400."
    assert refusal(500, body, None).message == "The provider answered with status 500."
    assert refusal(429, body, None).message == "The provider's rate limit is reached."
    assert refusal(503, body, None).message == "The provider is overloaded."


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("key sk-proj-abc_DEF-123456 is bad", "key [redacted] is bad"),
        ("key sk-ab****wxyz is bad", "key [redacted] is bad"),
        ("gsk_abcdef123 xai-abcdef123 hf_abcdef123", "[redacted] [redacted] [redacted]"),
        ("AIzaSyA1234567890abcdef is bad", "[redacted] is bad"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: [redacted]"),
        ("key_1234567890 is bad", "[redacted] is bad"),
        ("at http://10.0.0.5:8000/v1/chat now", "at [redacted] now"),
        ("at http://vllm-7:8000/v1 now", "at [redacted] now"),
        ("at http://localhost now", "at [redacted] now"),
        ("at https://me:pw@e.org/x now", "at [redacted] now"),
        ("at http://[::1]:80/x now", "at [redacted] now"),
        ("at https://e.org/x?api_key=abc&y=1", "at https://e.org/x?[redacted]&y=1"),
        ("see https://platform.openai.com/docs/x.", "see https://platform.openai.com/docs/x."),
        (
            "a risk_management key-value primary_key req_0123456789",
            "a risk_management key-value primary_key req_0123456789",
        ),
    ],
)
def test_keys_and_inside_addresses_are_redacted_and_request_ids_are_not(words: str, shown: str) -> None:
    """A2 case 36."""
    assert redact(words) == shown
    for status in (400, 429, 500, 503):
        assert refusal(status, a_body(words), None).message == shown
    assert refusal(500, words.encode(), None).message == shown
    assert reported({"message": words}).message == shown


def test_long_words_are_cut() -> None:
    assert len(refusal(400, a_body("x" * 5000), None).message) == 500


def test_a_parameter_is_named_as_our_client_named_it() -> None:
    """Reliability 3a: `param` in our words."""
    named = {
        "messages[1].content": "input",
        "messages": "input",
        "max_completion_tokens": "max_output_tokens",
        "response_format.json_schema": "text.format",
        "reasoning_effort": "reasoning.effort",
        "temperature": "temperature",
    }
    for theirs, ours in named.items():
        assert CHAT.refusal(400, a_body(param=theirs), None).param == ours
    assert RESPONSES.refusal(400, a_body(param="input[1].content"), None).param == "input[1].content"


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        ({"code": "rate_limit_exceeded"}, ProviderBusy, "rate_limit_exceeded"),
        ({"code": 429}, ProviderBusy, "rate_limit_exceeded"),
        ({"type": "rate_limit_error"}, ProviderBusy, "rate_limit_exceeded"),
        ({"type": "overloaded_error"}, ProviderBusy, "server_is_overloaded"),
        ({"code": 529}, ProviderBusy, "server_is_overloaded"),
        ({"code": "context_length_exceeded"}, ProviderRefused, "context_length_exceeded"),
        ({"type": "invalid_request_error", "code": None}, ProviderRefused, "invalid_request_error"),
        ({"code": 400}, ProviderRefused, None),
        ({"code": "image_too_large"}, ProviderRefused, "image_too_large"),
        ({"code": "authentication_error"}, ProviderBroke, "provider_unauthorized"),
        ({"code": 401}, ProviderBroke, "provider_unauthorized"),
        ({"code": "server_error"}, ProviderBroke, "provider_error"),
        ({"code": True}, ProviderBroke, "provider_error"),
        ("No.", ProviderBroke, "provider_error"),
        (None, ProviderBroke, "provider_error"),
        (5, ProviderBroke, "provider_error"),
    ],
)
def test_an_error_told_with_status_200_is_judged_by_its_code(
    error: Any, kind: type[ProviderError], code: str | None
) -> None:
    """A1 case 15."""
    found = reported(error)
    assert type(found) is kind
    assert found.code == code
    assert found.message
