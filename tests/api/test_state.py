"""What is remembered between requests: chains of responses, their input, references to items, conversations."""

import asyncio
import dataclasses
import json
from typing import Any

import pytest

from antiphon.engine import runner
from antiphon.testing import judges
from antiphon.testing.serving import plain_settings, running
from antiphon.testing.upstream import (
    Fault,
    ScriptedUpstream,
    chat_call,
    chat_stream,
    chat_whole,
    refusal,
    responses_item,
    responses_stream,
)
from tests.api.calling import CHAT, RESPONSES, Api, Json, call, function, output, text_of, texts, user
from tests.api.conftest import providers

OURS = "conv_" + "0" * 43
"""An id of the shape that only the server makes."""


def say(upstream: ScriptedUpstream, *answers: str) -> None:
    upstream.will(*(chat_whole(answer) for answer in answers))


def told(upstream: ScriptedUpstream) -> list[str]:
    """Return what the model was told, message by message."""
    return [message["content"] for message in upstream.last.json["messages"]]


# -- chains ---------------------------------------------------------------------------------------------------


async def test_a_chain_is_told_oldest_first(api: Api, upstream: ScriptedUpstream) -> None:
    say(upstream, "A", "B", "C")
    first = await api.create(input="a")
    second = await api.create(input="b", previous_response_id=first["id"])
    third = await api.create(input=[user("c"), user("d")], previous_response_id=second["id"])
    assert told(upstream) == ["a", "A", "b", "B", "c", "d"]
    assert texts(await api.input_items(third["id"])) == ["a", "A", "b", "B", "c", "d"]
    assert third["previous_response_id"] == second["id"]
    assert third["conversation"] is None


async def test_what_a_running_response_continues_stays_its_history_when_deleted(
    api: Api, upstream: ScriptedUpstream
) -> None:
    say(upstream, "A")
    first = await api.create(input="a")
    gate = asyncio.Event()
    upstream.will(chat_stream("B", gate), chat_whole("C"))
    running_second = asyncio.create_task(api.stream(input="b", previous_response_id=first["id"]))
    await upstream.wait_received(2)
    assert (await api.delete(f"/responses/{first['id']}")).status == 200
    gate.set()
    second = (await running_second).last
    await api.create(input="c", previous_response_id=second["id"])
    assert told(upstream) == ["a", "A", "b", "B", "c"]


async def test_a_chain_may_fork(api: Api, upstream: ScriptedUpstream) -> None:
    say(upstream, "root", "left", "right", "left end", "right end")
    root = await api.create(input="0")
    left = await api.create(input="l", previous_response_id=root["id"])
    right = await api.create(input="r", previous_response_id=root["id"])
    left_end = await api.create(input="l2", previous_response_id=left["id"])
    right_end = await api.create(input="r2", previous_response_id=right["id"])
    assert texts(await api.input_items(left_end["id"])) == ["0", "root", "l", "left", "l2"]
    assert texts(await api.input_items(right_end["id"])) == ["0", "root", "r", "right", "r2"]


async def test_a_thousand_items_keep_their_order(api: Api, upstream: ScriptedUpstream) -> None:
    first = await api.create(input=[user(str(number)) for number in range(1000)])
    second = await api.create(input="last", previous_response_id=first["id"])
    wanted = [str(number) for number in range(1000)] + ["Hello.", "last"]
    assert told(upstream) == wanted
    found: list[str] = []
    after = ""
    while True:
        reply = await api.get(f"/responses/{second['id']}/input_items?order=asc&limit=100{after}")
        found += texts(reply.json["data"])
        if not reply.json["has_more"]:
            break
        after = f"&after={reply.json['last_id']}"
    assert found == wanted


async def test_a_chain_of_many_turns_is_told_whole(api: Api, upstream: ScriptedUpstream) -> None:
    previous: Any = None
    for number in range(40):
        previous = (await api.create(input=str(number), previous_response_id=previous))["id"]
    assert len(told(upstream)) == 79


async def test_a_streamed_response_can_be_continued_at_once(api: Api, upstream: ScriptedUpstream) -> None:
    previous: Any = None
    for number in range(10):
        async with api.streaming(input=str(number), previous_response_id=previous) as live:
            previous = (await live.until("completed"))["response"]["id"]
    assert len(told(upstream)) == 19


async def test_a_chain_may_go_from_one_provider_to_another(api: Api, upstream: ScriptedUpstream) -> None:
    thought: Json = {"id": "rs_up", "type": "reasoning", "summary": [], "encrypted_content": "SEALED"}
    upstream.will(responses_stream(*responses_item(thought), "from responses"))
    first = (await api.stream(model=RESPONSES, input="a")).last
    second = await api.create(model=CHAT, input="b", previous_response_id=first["id"])
    assert told(upstream) == ["a", "from responses", "b"]
    assert b"SEALED" not in upstream.last.body
    await api.create(model=RESPONSES, input="c", previous_response_id=second["id"])
    assert [item["type"] for item in upstream.last.json["input"]].count("message") == 5


async def test_an_incomplete_response_can_be_continued(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole("Hel", finish="length"))
    first = await api.create(input="a")
    await api.create(input="go on", previous_response_id=first["id"])
    assert told(upstream) == ["a", "Hel", "go on"]


async def test_a_call_that_was_cut_gets_an_output_that_says_so(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole(chat_call("weather", '{"ci', call_id="call_cut"), finish="length"))
    first = await api.create(tools=[function()])
    assert first["output"][0]["status"] == "incomplete"
    await api.create(input="go on", previous_response_id=first["id"])
    roles = [message["role"] for message in upstream.last.json["messages"]]
    assert roles == ["user", "assistant", "tool", "user"]
    assert "interrupted" in upstream.last.json["messages"][2]["content"]


async def test_a_call_of_an_earlier_turn_must_be_answered(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole(chat_call("weather", call_id="call_open"), finish="tool_calls"))
    first = await api.create(tools=[function()])
    reply = await api.try_create(input="never mind", previous_response_id=first["id"])
    assert "No tool output found for function call" in reply.refused(400, None, "input")


# -- input items ----------------------------------------------------------------------------------------------


async def test_input_items_come_newest_first_by_default_twenty_at_a_time(api: Api) -> None:
    response = await api.create(input=[user(str(number)) for number in range(30)])
    reply = await api.get(f"/responses/{response['id']}/input_items")
    page = reply.json
    judges.judge_item_list(reply.body)
    assert (page["object"], page["has_more"], len(page["data"])) == ("list", True, 20)
    assert texts(page["data"]) == [str(number) for number in range(29, 9, -1)]
    assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
    rest = (await api.get(f"/responses/{response['id']}/input_items?after={page['last_id']}")).json
    assert (texts(rest["data"]), rest["has_more"]) == ([str(number) for number in range(9, -1, -1)], False)


async def test_an_unknown_cursor_is_404(api: Api) -> None:
    response = await api.create()
    (await api.get(f"/responses/{response['id']}/input_items?after=msg_0")).refused(404, None, "after")


async def test_plain_input_is_listed_as_a_message_with_parts(api: Api) -> None:
    (item,) = await api.input_items((await api.create(input="Hi"))["id"])
    assert item == {
        "id": item["id"],
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "Hi"}],
    }
    assert item["id"].startswith("msg_")


async def test_items_of_every_kind_are_listed_in_one_form(api: Api) -> None:
    given: list[Json] = [
        {"role": "system", "content": "s"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "d"}]},
        {"role": "assistant", "content": "a", "phase": "commentary"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "r"}]},
        call("c1", id="fc_mine"),
        output("c1", [{"type": "input_text", "text": "o"}]),
        {"type": "custom_tool_call", "call_id": "c2", "name": "t", "input": "i"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "o"},
        user("u", id="msg_mine"),
    ]
    items = await api.input_items((await api.create(input=given))["id"])
    assert [item["type"] for item in items] == [item.get("type", "message") for item in given]
    assert items[2]["phase"] == "commentary"
    assert (items[4]["id"], items[8]["id"]) == ("fc_mine", "msg_mine")
    assert len({item["id"] for item in items}) == len(items)


async def test_input_items_are_valid_input_again(api: Api, upstream: ScriptedUpstream) -> None:
    given = [{"role": "system", "content": "s"}, user("u"), call("c1"), output("c1", "o"), user("v")]
    response = await api.create(input=given)
    before = upstream.last.json["messages"]
    items = await api.input_items(response["id"])
    again = await api.create(input=items)
    assert upstream.last.json["messages"] == before
    assert await api.input_items(again["id"]) == items


# -- what is not kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_that_isn_t_stored_is_gone(api: Api, stream: bool) -> None:
    given = {"store": False}
    response = (await api.stream(**given)).last if stream else await api.create(**given)
    assert response["store"] is False
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        (await api.request(method, f"/responses/{response['id']}{path}")).refused(404, None, None)
    reply = await api.try_create(previous_response_id=response["id"])
    reply.refused(400, "previous_response_not_found", "previous_response_id")
    reply = await api.try_create(input=[{"type": "item_reference", "id": response["output"][0]["id"]}])
    reply.refused(404, None, "input[0].id")


async def test_a_deleted_response_is_gone_everywhere(api: Api) -> None:
    response = await api.create()
    reply = await api.delete(f"/responses/{response['id']}")
    assert (reply.status, reply.json) == (200, {"id": response["id"], "object": "response", "deleted": True})
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        (await api.request(method, f"/responses/{response['id']}{path}")).refused(404, None, None)
    reply = await api.try_create(previous_response_id=response["id"])
    reply.refused(400, "previous_response_not_found", "previous_response_id")


async def test_a_response_that_continues_a_deleted_one_keeps_its_history(api: Api, upstream: ScriptedUpstream) -> None:
    first = await api.create(input="a")
    second = await api.create(input="b", previous_response_id=first["id"])
    await api.delete(f"/responses/{first['id']}")
    await api.create(input="c", previous_response_id=second["id"])
    assert told(upstream) == ["a", "Hello.", "b", "Hello.", "c"]
    assert texts(await api.input_items(second["id"])) == ["a", "Hello.", "b"]


async def test_a_request_that_was_refused_left_nothing(stranger: Api, upstream: ScriptedUpstream) -> None:
    for status in (400, 429, 500):
        upstream.will(refusal(status))
        assert (await stranger.try_create()).status >= 400
    await stranger.try_create(truncation="x")
    assert (await stranger.get("/responses")).json["data"] == []


# -- references to items --------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [True, False])
async def test_an_item_of_any_stored_response_can_be_referred_to(
    api: Api, upstream: ScriptedUpstream, typed: bool
) -> None:
    """The AI SDK does so by default: no chain is named, and the items may come from several responses."""
    kind = {"type": "item_reference"} if typed else {}
    say(upstream, "first", "second")
    one, two = await api.create(input="a"), (await api.create(input="b"))
    refer = [{**kind, "id": each["output"][0]["id"]} for each in (one, two)]
    third = await api.create(input=[user("a"), refer[0], user("b"), refer[1], user("c")])
    assert told(upstream) == ["a", "first", "b", "second", "c"]
    items = await api.input_items(third["id"])
    assert texts(items) == ["a", "first", "b", "second", "c"]
    assert items[1] == one["output"][0]


async def test_calls_and_reasoning_can_be_referred_to(api: Api, upstream: ScriptedUpstream) -> None:
    said = [{"reasoning_content": "Hm."}, chat_call("weather", '{"city":"Oslo"}')]
    upstream.will(chat_stream(*said, finish="tool_calls"))
    items = (await api.stream(tools=[function()])).last["output"]
    refer = [{"type": "item_reference", "id": item["id"]} for item in items]
    await api.create(input=[user("Hi"), *refer, output(items[1]["call_id"])], tools=[function()])
    messages = upstream.last.json["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Oslo"}'}


async def test_input_items_can_be_referred_to(api: Api, upstream: ScriptedUpstream) -> None:
    first = await api.create(input="remember me")
    (item,) = await api.input_items(first["id"])
    await api.create(input=[{"type": "item_reference", "id": item["id"]}, user("now")])
    assert told(upstream) == ["remember me", "now"]


async def test_items_of_a_conversation_can_be_referred_to(api: Api, upstream: ScriptedUpstream) -> None:
    conversation = await api.converse(user("said in a conversation"))
    (item,) = await api.conversation_items(conversation)
    await api.create(input=[{"type": "item_reference", "id": item["id"]}])
    assert told(upstream) == ["said in a conversation"]


async def test_an_unknown_reference_is_named(api: Api) -> None:
    reply = await api.try_create(input=[user("a"), {"type": "item_reference", "id": "msg_nowhere"}])
    assert "msg_nowhere" in reply.refused(404, None, "input[1].id")


async def test_a_reference_may_stand_twice(api: Api, upstream: ScriptedUpstream) -> None:
    item = (await api.create())["output"][0]["id"]
    refer = {"type": "item_reference", "id": item}
    response = await api.create(input=[refer, user("x"), refer])
    assert told(upstream) == ["Hello.", "x", "Hello."]
    assert (await api.get(f"/responses/{response['id']}/input_items")).status == 200


# -- conversations --------------------------------------------------------------------------------------------


async def test_a_conversation_has_metadata_and_no_items_by_itself(api: Api) -> None:
    reply = await api.send("/conversations", b"")
    assert reply.status == 200
    judges.judge_conversation(reply.body)
    assert (reply.json["object"], reply.json["metadata"]) == ("conversation", {})
    assert await api.conversation_items(reply.json["id"]) == []


async def test_an_empty_page_has_strings_for_ids(api: Api) -> None:
    conversation = await api.converse()
    page = (await api.get(f"/conversations/{conversation}/items")).json
    assert page == {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False}


async def test_updating_replaces_the_metadata(api: Api) -> None:
    conversation = await api.converse(a="1", b="2")
    reply = await api.post(f"/conversations/{conversation}", {"metadata": {"c": "3"}})
    judges.judge_conversation(reply.body)
    assert reply.json["metadata"] == {"c": "3"}
    assert (await api.get(f"/conversations/{conversation}")).json["metadata"] == {"c": "3"}
    assert (await api.post(f"/conversations/{conversation}", {"metadata": None})).json["metadata"] == {}


async def test_a_deleted_conversation_is_gone_everywhere(api: Api) -> None:
    conversation = await api.converse(user("Hi"))
    (item,) = await api.conversation_items(conversation)
    reply = await api.delete(f"/conversations/{conversation}")
    assert reply.json == {"id": conversation, "object": "conversation.deleted", "deleted": True}
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "", {"metadata": {}}),
        ("GET", "/items", None),
        ("POST", "/items", {"items": [user("x")]}),
        ("GET", f"/items/{item['id']}", None),
        ("DELETE", f"/items/{item['id']}", None),
    ):
        (await api.request(method, f"/conversations/{conversation}{path}", json=body)).refused(404, None, None)
    (await api.try_create(conversation=conversation)).refused(404, None, None)


async def test_a_turn_enters_the_conversation_whole(api: Api, upstream: ScriptedUpstream) -> None:
    conversation = await api.converse({"role": "system", "content": "Be kind."})
    gate = asyncio.Event()
    upstream.will(chat_stream("Hel", gate, "lo"))
    async with api.streaming(conversation=conversation, input=[user("a"), user("b")]) as live:
        await live.until("output_text.delta")
        assert texts(await api.conversation_items(conversation)) == ["Be kind."]
        gate.set()
        await live.until("completed")
        items = await api.conversation_items(conversation)
    assert texts(items) == ["Be kind.", "a", "b", "Hello"]
    assert {item["status"] for item in items} == {"completed"}


async def test_the_next_turn_is_told_the_conversation(api: Api, upstream: ScriptedUpstream) -> None:
    conversation = await api.converse(user("0"))
    first = await api.create(conversation=conversation, input="a")
    second = await api.create(conversation={"id": conversation}, input="b", model=CHAT)
    assert told(upstream) == ["0", "a", "Hello.", "b"]
    assert first["conversation"] == second["conversation"] == {"id": conversation}
    assert first["previous_response_id"] is second["previous_response_id"] is None
    assert texts(await api.input_items(second["id"]))[-1] == "b"


async def test_a_response_that_isn_t_stored_still_enters_its_conversation(api: Api, upstream: ScriptedUpstream) -> None:
    conversation = await api.converse()
    response = await api.create(conversation=conversation, store=False)
    assert texts(await api.conversation_items(conversation)) == ["Hi", "Hello."]
    assert (await api.get(f"/responses/{response['id']}")).status == 404


async def test_a_turn_cut_by_the_model_enters_the_conversation(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole("Hel", finish="length"))
    conversation = await api.converse()
    await api.create(conversation=conversation)
    assert texts(await api.conversation_items(conversation)) == ["Hi", "Hel"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failed_turn_leaves_nothing(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    conversation = await api.converse(user("0"))
    upstream.will(
        refusal(400),
        chat_stream("Hel", b'data: {"error":{"message":"broke"}}\n\n', finish=None),
        chat_stream("Hel", finish=None, done=False),
    )
    for _ in range(3):
        reply = await api.try_create(conversation=conversation, stream=stream)
        assert reply.status >= 400 or b"response.failed" in reply.body
    assert texts(await api.conversation_items(conversation)) == ["0"]
    await api.create(conversation=conversation)
    assert told(upstream) == ["0", "Hi"]


async def test_a_busy_conversation_refuses_other_turns_and_changes(api: Api, upstream: ScriptedUpstream) -> None:
    conversation = await api.converse(user("0"))
    (item,) = await api.conversation_items(conversation)
    gate = asyncio.Event()
    upstream.will(chat_stream("Hel", gate, "lo"))
    path = f"/conversations/{conversation}"
    async with api.streaming(conversation=conversation) as live:
        await live.until("created")
        for reply in (
            await api.try_create(conversation=conversation),
            await api.try_create(conversation={"id": conversation}, stream=True),
            await api.try_create(conversation=conversation, background=True),
            await api.post(f"{path}/items", {"items": [user("x")]}),
            await api.delete(f"{path}/items/{item['id']}"),
            await api.delete(path),
        ):
            reply.refused(400, "conversation_locked", "conversation")
        assert (await api.get(path)).status == 200
        gate.set()
        await live.until("completed")
    await api.create(conversation=conversation)
    assert texts(await api.conversation_items(conversation)) == ["0", "Hi", "Hello", "Hi", "Hello."]


async def test_of_many_turns_at_once_one_gets_the_conversation(api: Api, upstream: ScriptedUpstream) -> None:
    conversation = await api.converse()
    replies = await asyncio.gather(*(api.try_create(conversation=conversation, input=str(n)) for n in range(10)))
    done = [reply for reply in replies if reply.status == 200]
    for reply in replies:
        if reply.status != 200:
            reply.refused(400, "conversation_locked", "conversation")
    items = await api.conversation_items(conversation)
    assert len(items) == 2 * len(done) >= 2
    assert [item["role"] for item in items] == ["user", "assistant"] * len(done)


async def test_a_conversation_is_free_again_after_every_kind_of_refusal(api: Api, upstream: ScriptedUpstream) -> None:
    conversation = await api.converse()
    upstream.will(refusal(429), refusal(500), refusal(401))
    for fields in ({}, {}, {}, {"model": "nobody"}, {"input": [output("c")]}, {"moderation": {"model": "m"}}):
        given: Json = {"conversation": conversation, **fields}
        assert (await api.try_create(**given)).json["error"]["code"] != "conversation_locked"
    await api.create(conversation=conversation)


@pytest.mark.parametrize("model", [CHAT, RESPONSES])
async def test_a_conversation_is_free_for_who_has_seen_the_end_of_a_turn(
    api: Api, upstream: ScriptedUpstream, model: str
) -> None:
    """Also while the provider hasn't ended its answer's body yet."""
    conversation = await api.converse()
    said = (chat_stream if model == CHAT else responses_stream)("Hi")
    upstream.will(dataclasses.replace(said, steps=[*said.steps, Fault.HANG]))
    async with api.streaming(model=model, conversation=conversation) as live:
        await live.until("completed")
        await api.create(conversation=conversation, input="again")
    assert texts(await api.conversation_items(conversation)) == ["Hi", "Hi", "again", "Hello."]


async def test_a_bug_before_the_first_event_frees_the_conversation(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = await api.converse()
    with monkeypatch.context() as patch:
        patch.setattr(runner, "first_snapshot", None)
        (await api.try_create(conversation=conversation)).error(500)
    await api.create(conversation=conversation)


async def test_a_client_may_choose_the_id_of_a_conversation(api: Api, upstream: ScriptedUpstream) -> None:
    response = await api.create(conversation="conv_chosen-by.me_1")
    assert response["conversation"] == {"id": "conv_chosen-by.me_1"}
    await api.create(conversation="conv_chosen-by.me_1", input="again")
    assert told(upstream) == ["Hi", "Hello.", "again"]
    assert (await api.get("/conversations/conv_chosen-by.me_1")).status == 200


@pytest.mark.parametrize("identity", [OURS, "chosen", "conv_", "conv_" + "x" * 65, "conv_a b", "conv_ü", "conv_a/b"])
async def test_an_unknown_conversation_of_another_shape_is_404(api: Api, identity: str) -> None:
    message = (await api.try_create(conversation=identity)).refused(404, None, None)
    assert message == f"Conversation with id '{identity}' not found."


async def test_a_deleted_conversation_of_a_chosen_id_does_not_come_back(api: Api) -> None:
    await api.create(conversation="conv_once")
    await api.delete("/conversations/conv_once")
    (await api.try_create(conversation="conv_once")).refused(404, None, None)


async def test_chosen_ids_can_be_turned_off(api: Api, upstream: ScriptedUpstream) -> None:
    settings = plain_settings(providers=providers(upstream.base_url), client_conversation_ids=False)
    async with running(settings) as server:
        other = Api(server, api._session)
        (await other.try_create(conversation="conv_mine")).refused(404, None, None)


async def test_a_refused_request_does_not_make_a_conversation(api: Api) -> None:
    (await api.try_create(conversation="conv_not_made", truncation="x")).refused(400, "invalid_value", "truncation")
    (await api.try_create(conversation="conv_not_made", model="nobody")).refused(400, "model_not_found", "model")
    assert (await api.get("/conversations/conv_not_made")).status == 404


# -- items of conversations -----------------------------------------------------------------------------------


async def test_items_added_are_returned_in_their_order(api: Api) -> None:
    conversation = await api.converse()
    reply = await api.post(f"/conversations/{conversation}/items", {"items": [user("a"), call("c"), output("c")]})
    judges.judge_conversation_item_list(reply.body)
    page = reply.json
    assert [item["type"] for item in page["data"]] == ["message", "function_call", "function_call_output"]
    assert (page["object"], page["has_more"]) == ("list", False)
    assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
    assert page["data"] == await api.conversation_items(conversation)


async def test_conversation_items_are_paged_newest_first_by_default(api: Api) -> None:
    conversation = await api.converse(*(user(str(number)) for number in range(20)))
    await api.post(f"/conversations/{conversation}/items", {"items": [user(str(number)) for number in range(20, 30)]})
    first = (await api.get(f"/conversations/{conversation}/items")).json
    assert (texts(first["data"]), first["has_more"]) == ([str(number) for number in range(29, 9, -1)], True)
    rest = (await api.get(f"/conversations/{conversation}/items?after={first['last_id']}")).json
    assert (texts(rest["data"]), rest["has_more"]) == ([str(number) for number in range(9, -1, -1)], False)
    up = (await api.get(f"/conversations/{conversation}/items?order=asc&limit=3&after={rest['last_id']}")).json
    assert texts(up["data"]) == ["1", "2", "3"]


async def test_an_item_can_be_read_and_taken_out(api: Api, upstream: ScriptedUpstream) -> None:
    conversation = await api.converse(user("a"), user("b"), user("c"), topic="x")
    items = await api.conversation_items(conversation)
    path = f"/conversations/{conversation}/items/{items[1]['id']}"
    reply = await api.get(path)
    judges.judge_conversation_item(reply.body)
    assert reply.json == items[1]
    gone = await api.delete(path)
    judges.judge_conversation(gone.body)
    assert (gone.json["id"], gone.json["metadata"]) == (conversation, {"topic": "x"})
    (await api.get(path)).refused(404, None, None)
    (await api.delete(path)).refused(404, None, None)
    await api.create(conversation=conversation, input="d")
    assert told(upstream) == ["a", "c", "d"]


async def test_an_item_is_found_only_in_its_own_conversation(api: Api) -> None:
    one, two = await api.converse(user("a")), await api.converse(user("b"))
    (item,) = await api.conversation_items(one)
    for method in ("GET", "DELETE"):
        (await api.request(method, f"/conversations/{two}/items/{item['id']}")).refused(404, None, None)


async def test_what_a_conversation_lists_is_valid_input_again(api: Api, upstream: ScriptedUpstream) -> None:
    """Sessions of the Agents SDK read the items and send them straight back, as input and as new items."""
    upstream.will(
        chat_whole({"reasoning_content": "Hm.", **chat_call("weather", '{"city":"Oslo"}')}, finish="tool_calls")
    )
    conversation = await api.converse({"role": "developer", "content": "Be kind."})
    first = await api.create(conversation=conversation, tools=[function()])
    await api.create(conversation=conversation, tools=[function()], input=[output(first["output"][-1]["call_id"])])
    items = await api.conversation_items(conversation)
    assert len(items) == 6
    await api.create(input=[*items, user("more")], tools=[function()])
    straight = upstream.last.json["messages"]
    await api.create(conversation=conversation, input="more", tools=[function()])
    assert upstream.last.json["messages"] == straight
    copy = await api.converse(*items)
    assert [bare(item) for item in await api.conversation_items(copy)] == [bare(item) for item in items]
    await api.create(conversation=copy, input="more", tools=[function()])
    assert upstream.last.json["messages"] == straight


def bare(item: Json) -> str:
    return json.dumps({name: value for name, value in item.items() if name != "id"}, sort_keys=True)


async def test_images_of_input_are_listed_where_they_were_asked_for(api: Api) -> None:
    pixel = "data:image/png;base64,AAAA"
    given = {"role": "user", "content": [{"type": "input_image", "image_url": pixel, "detail": "auto"}]}
    response = await api.create(input=[given])
    reply = await api.get(f"/responses/{response['id']}/input_items?include[]=message.input_image.image_url")
    assert reply.json["data"][0]["content"][0]["image_url"] == pixel


# -- the list of responses, an extension ----------------------------------------------------------------------


async def test_responses_are_listed_newest_first(stranger: Api) -> None:
    made = [(await stranger.create(input=str(number)))["id"] for number in range(5)]
    page = (await stranger.get("/responses?limit=3")).json
    assert ([each["id"] for each in page["data"]], page["has_more"]) == (made[:1:-1], True)
    rest = (await stranger.get(f"/responses?limit=3&after={page['last_id']}")).json
    assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (made[1::-1], False)
    assert (await stranger.get("/responses?status=failed")).json["data"] == []
    assert len((await stranger.get(f"/responses?model={CHAT}")).json["data"]) == 5


async def test_text_of_a_stored_stream_is_whole(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream(*"The quick brown fox"))
    stream = await api.stream()
    assert text_of(await api.retrieve(stream.last["id"])) == "The quick brown fox"
