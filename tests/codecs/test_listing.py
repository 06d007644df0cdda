"""The lists of models that OpenAI-like servers send."""

import json
from typing import Any

import pytest

from antiphon.codecs.chat import CHAT
from antiphon.codecs.responses import RESPONSES
from antiphon.errors import ProviderBroke
from antiphon.ports import Codec
from antiphon.types.models import ListedModel

BOTH = pytest.mark.parametrize("codec", [CHAT, RESPONSES], ids=["chat", "responses"])


@BOTH
def test_a_list_names_its_models_in_order(codec: Codec) -> None:
    body = {"object": "list", "data": [{"id": "b", "object": "model", "owned_by": "x"}, {"id": "a"}]}
    assert codec.listing(json.dumps(body).encode()) == [ListedModel("b"), ListedModel("a")]


@BOTH
def test_a_list_may_be_the_whole_document(codec: Codec) -> None:
    """As Together's is."""
    assert codec.listing(b'[{"id": "b", "context_length": 8192}, {"id": "a"}]') == [
        ListedModel("b", {"context_window": 8192}),
        ListedModel("a"),
    ]
    assert codec.listing(b"[]") == []


@pytest.mark.parametrize(
    ("field", "value", "learned"),
    [
        ("context_length", 8192, {"context_window": 8192}),
        ("max_model_len", 4096, {"context_window": 4096}),
        ("max_context_length", 32768, {"context_window": 32768}),
        ("context_window", 131072, {"context_window": 131072}),
        ("context_length", None, {}),
        ("context_length", "many", {}),
        ("max_model_len", 0, {}),
    ],
)
def test_a_context_window_is_learned_where_the_list_tells_one(field: str, value: Any, learned: dict[str, int]) -> None:
    assert CHAT.listing(json.dumps({"data": [{"id": "m", field: value}]}).encode())[0].profile == learned


@BOTH
@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"null", b"<html>", b'{"data": [1]}', b'{"data": [{"id": 1}]}', b"[{}]", b"\xff", b"[" * 9999]
)
def test_what_is_no_list_is_a_broken_provider(codec: Codec, body: bytes) -> None:
    with pytest.raises(ProviderBroke):
        codec.listing(body)
