"""Turns as generateContent bodies; the official client has to send every body as it is."""

import json
from enum import Enum
from functools import cache
from typing import Any

import msgspec
import pytest
from google import genai
from google.genai import _common, models, types
from pydantic.alias_generators import to_camel

from antiphon.codecs.gemini import GEMINI
from antiphon.codecs.gemini.signatures import SKIP, Signed, write
from antiphon.engine.draft import first_snapshot
from antiphon.engine.emitter import Emitter
from antiphon.errors import BadRequest
from antiphon.providers import profiles
from antiphon.types.profiles import Profile
from antiphon.types.responses import CreateResponse
from antiphon.types.turns import ToolName, Turn, UpstreamRequest
from tests.codecs.cases import chunks_of
from tests.codecs.turns import a_freeform, a_function, a_turn, answered, called, gave, said

PLAIN = profiles.GEMINI
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,aGk="}
PDF = {"type": "input_file", "file_data": "data:application/pdf;base64,aGk="}
SOUND = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}


def like(**fields: Any) -> Profile:
    """Return Gemini's profile with other fields."""
    changed: Profile = msgspec.structs.replace(PLAIN, **fields)
    return changed


def encoded(turn: Turn, profile: Profile = PLAIN) -> tuple[dict[str, Any], UpstreamRequest]:
    """Return body and request; the body is judged first."""
    sent = GEMINI.encode(turn, profile)
    body: dict[str, Any] = json.loads(sent.body)
    assert plain_base64(camel(by_the_client(body))) == plain_base64(camel(body))
    return body, sent


def by_the_client(body: dict[str, Any]) -> Any:
    """Return the body that google-genai sends when it is asked for this one."""
    config = dict(body.get("generationConfig", {}))
    for field in ("systemInstruction", "tools", "toolConfig", "serviceTier"):
        if field in body:
            config[field] = body[field]
    contents = [types.Content.model_validate_json(json.dumps(content)) for content in body["contents"]]
    asked = types._GenerateContentParameters(
        model="m", contents=contents, config=types.GenerateContentConfig.model_validate_json(json.dumps(config))
    )
    made: Any = models._GenerateContentParameters_to_mldev(client()._api_client, asked)
    sent: Any = _common.encode_unserializable_types(_common.convert_to_dict(made))
    del sent["_url"]
    return {key: value for key, value in sent.items() if value != {}}


@cache
def client() -> genai.Client:
    return genai.Client(api_key="x")


def camel(value: Any) -> Any:
    """Google's servers take both spellings of a field; the client writes a mixture."""
    if isinstance(value, dict):
        return {to_camel(key): camel(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [camel(inner) for inner in value]
    return value.value if isinstance(value, Enum) else value


def plain_base64(value: Any) -> Any:
    """Both alphabets of base64 are taken; the client writes the other one."""
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if key not in {"data", "thoughtSignature"}}
        bare = {key: value[key].replace("+", "-").replace("/", "_") for key in value.keys() - kept.keys()}
        return {**{key: plain_base64(inner) for key, inner in kept.items()}, **bare}
    return [plain_base64(inner) for inner in value] if isinstance(value, list) else value


def contents(*items: dict[str, Any] | bytes, profile: Profile = PLAIN, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encoded(a_turn(*items, **request), profile)[0]["contents"]
    return found


def user(*parts: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def model(*parts: dict[str, Any] | str) -> dict[str, Any]:
    return {**user(*parts), "role": "model"}


def a_call(call_id: str, name: str = "go", args: Any = None, **part: Any) -> dict[str, Any]:
    return {"functionCall": {"id": call_id, "name": name, "args": args or {}}, **part}


def a_response(call_id: str, result: str = "ok", name: str = "go", **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"id": call_id, "name": name, "response": {"result": result}, **more}}


def inline(kind: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": "aGk="}}


def refused(turn: Turn, profile: Profile = PLAIN) -> str | None:
    """Return the `param` of the refusal."""
    with pytest.raises(BadRequest) as caught:
        GEMINI.encode(turn, profile)
    assert caught.value.http_status == 400
    return caught.value.param


# -- the whole ------------------------------------------------------------------------------------------------


def test_a_plain_request_has_nothing_that_was_not_asked_for() -> None:
    body, sent = encoded(a_turn())
    assert body == {"contents": [user("Hi")]}
    assert (sent.path, sent.notes, sent.names) == ("/models/upstream-model:generateContent", [], {})


def test_a_full_request_says_it_all() -> None:
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}, "required": ["b"]}
    body, sent = encoded(
        a_turn(
            instructions="Be brief.",
            stream=True,
            max_output_tokens=64,
            temperature=0.5,
            top_p=0.9,
            presence_penalty=0.25,
            frequency_penalty=-0.25,
            include=["message.output_text.logprobs"],
            top_logprobs=3,
            reasoning={"effort": "low", "summary": "auto"},
            text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True, "description": "d"}},
            tools=[a_function(description="Goes.", strict=True)],
        )
    )
    assert sent.path == "/models/upstream-model:streamGenerateContent?alt=sse"
    assert body == {
        "contents": [user("Hi")],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "go",
                        "description": "Goes.",
                        "parametersJsonSchema": {"type": "object", "properties": {"x": {"type": "integer"}}},
                    }
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}},
        "generationConfig": {
            "maxOutputTokens": 64,
            "temperature": 0.5,
            "topP": 0.9,
            "presencePenalty": 0.25,
            "frequencyPenalty": -0.25,
            "responseLogprobs": True,
            "logprobs": 3,
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
            "responseMimeType": "application/json",
            "responseJsonSchema": {**schema, "description": "d"},
        },
    }
    assert list(body["generationConfig"]["responseJsonSchema"]["properties"]) == ["b", "a"]
    assert sent.notes == []


def test_the_same_turn_gives_the_same_bytes() -> None:
    """A6 case 74: a cached prompt stays one."""
    turn = a_turn(said("a"), called("c"), gave("c"), tools=[a_function(), a_freeform()], instructions="x")
    assert GEMINI.encode(turn, PLAIN).body == GEMINI.encode(turn, PLAIN).body


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("gemini-3-flash", "/models/gemini-3-flash:generateContent"),
        ("models/gemini-3-flash", "/models/gemini-3-flash:generateContent"),
        ("tunedModels/mine", "/tunedModels/mine:generateContent"),
        ("a/b c?d#e:f", "/models/a%2Fb%20c%3Fd%23e%3Af:generateContent"),
        ("models/../x", "/models/..%2Fx:generateContent"),
        ("models/", "/models/models%2F:generateContent"),
        ("é", "/models/%C3%A9:generateContent"),
    ],
)
def test_a_model_s_name_stays_inside_its_path(name: str, path: str) -> None:
    assert GEMINI.encode(msgspec.structs.replace(a_turn(), model=name), PLAIN).path == path


# -- contents -------------------------------------------------------------------------------------------------


def test_the_two_sides_take_turns() -> None:
    items = [said("a"), said([{"type": "input_text", "text": "b"}]), answered("c"), answered("d"), said("e")]
    assert contents(*items) == [user("a", "b"), model("c", "d"), user("e")]


def test_leading_system_messages_are_the_instruction() -> None:
    """A5 case 67."""
    body, _ = encoded(a_turn(said("a", "developer"), said("b", "system"), said("c"), instructions="i"))
    assert body["systemInstruction"] == {"parts": [{"text": "i"}, {"text": "a"}, {"text": "b"}]}
    assert body["contents"] == [user("c")]


def test_a_later_system_message_is_the_user_s_with_a_mark() -> None:
    """A5 case 67."""
    found = contents(said("a"), said("b", "developer"), answered("c"), said("d", "system"))
    assert found == [user("a", "[developer message]\n", "b"), model("c"), user("[system message]\n", "d")]


def test_a_leading_system_message_with_a_picture_is_the_user_s() -> None:
    body, _ = encoded(a_turn(said([PICTURE], "system"), said("a")))
    assert "systemInstruction" not in body
    assert body["contents"] == [user("[system message]\n", inline("image/png"), "a")]


@pytest.mark.parametrize(
    "items", [[said("")], [said([])], [said("a", "system")], [said([{"type": "input_text", "text": ""}])]]
)
def test_contents_are_never_empty(items: list[Any]) -> None:
    """A5 case 58: Gemini refuses an empty text, and a request without any."""
    body, sent = encoded(a_turn(*items))
    assert body["contents"] == [user("[nothing said]")]
    assert len(sent.notes) == 1


def test_contents_begin_with_the_user() -> None:
    found, sent = encoded(a_turn(called("c"), gave("c")), like(signed_calls=True))
    assert found["contents"] == [
        user("[nothing said]"),
        model(a_call("c", thoughtSignature=SKIP)),
        user(a_response("c")),
    ]
    assert sent.notes == ["input: begins with '[nothing said]', as this provider wants words of the user's first"]


def test_an_empty_answer_of_the_past_is_left_out() -> None:
    """A5 case 58."""
    assert contents(said("a"), answered(""), said("b")) == [user("a", "b")]


def test_parts_of_the_past_are_told_as_text() -> None:
    kinds = [
        {"type": "text", "text": "a"},
        {"type": "output_text", "text": "b"},
        {"type": "summary_text", "text": "c"},
        {"type": "reasoning_text", "text": "d"},
        {"type": "refusal", "refusal": "e"},
    ]
    assert contents(said(kinds)) == [user("a", "b", "c", "d", "e")]
    assert contents(said("a"), said("b", "assistant"), said([kinds[0]], "assistant"))[1] == model("b", "a")


def test_a_refusal_of_the_past_is_text_of_the_model_s() -> None:
    """A5 case 70."""
    refusal = {**answered(""), "content": [{"type": "refusal", "refusal": "No."}]}
    assert contents(said("a"), refusal)[1] == model("No.")


def test_references_leave_no_trace() -> None:
    assert contents(said("a"), {"type": "item_reference", "id": "msg_1"}) == [user("a")]


def test_items_of_other_providers_are_left_out_with_a_note() -> None:
    items = [said("a"), {"type": "web_search_call", "id": "ws_1", "status": "completed"}, answered("b"), said("c")]
    body, sent = encoded(a_turn(*items))
    assert body["contents"] == [user("a"), model("b"), user("c")]
    assert sent.notes == ["input[1]: web_search_call left out, this provider has none"]


# -- images, files, sounds ------------------------------------------------------------------------------------


def test_images_files_and_sound_are_inline_data() -> None:
    """A5 case 66."""
    named = {"type": "input_file", "file_data": "aGk=", "filename": "x.txt"}
    mp3 = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}}
    body, sent = encoded(a_turn(said([PICTURE, PDF, named, SOUND, mp3])))
    kinds = ["image/png", "application/pdf", "text/plain", "audio/wav", "audio/mp3"]
    assert body["contents"] == [user(*(inline(kind) for kind in kinds))]
    assert sent.notes == ["input[0].content[2].filename left out"]


@pytest.mark.parametrize(
    ("detail", "level"),
    [
        ("auto", None),
        (None, None),
        ("low", "MEDIA_RESOLUTION_LOW"),
        ("high", "MEDIA_RESOLUTION_HIGH"),
        ("original", "MEDIA_RESOLUTION_ULTRA_HIGH"),
    ],
)
def test_detail_is_the_resolution_of_a_part(detail: str | None, level: str | None) -> None:
    """A5 case 66."""
    part = contents(said([{**PICTURE, "detail": detail}]))[0]["parts"][0]
    assert part.get("mediaResolution") == ({"level": level} if level else None)


def test_detail_is_left_out_with_a_note_where_parts_have_no_resolution() -> None:
    body, sent = encoded(a_turn(said([{**PICTURE, "detail": "low"}])), like(removed=frozenset({"mediaResolution"})))
    assert body["contents"] == [user(inline("image/png"))]
    assert sent.notes == ["input[0].content[0].detail left out"]


def test_addresses_are_passed_on_where_the_model_fetches_them() -> None:
    """A5 case 66."""
    profile = like(image_urls=True, file_urls=True)
    parts = [
        {"type": "input_image", "image_url": "https://e.org/x.PNG?y=1"},
        {"type": "input_image", "image_url": "https://e.org/x"},
        {"type": "input_file", "file_url": "https://e.org/x.pdf#p"},
    ]
    assert contents(said(parts), profile=profile)[0]["parts"] == [
        {"fileData": {"fileUri": "https://e.org/x.PNG?y=1", "mimeType": "image/png"}},
        {"fileData": {"fileUri": "https://e.org/x"}},
        {"fileData": {"fileUri": "https://e.org/x.pdf#p", "mimeType": "application/pdf"}},
    ]


@pytest.mark.parametrize(
    ("part", "profile", "param"),
    [
        (PICTURE, like(images=False), ""),
        (PDF, like(files=False), ""),
        (SOUND, like(audio=False), ""),
        ({"type": "input_image", "file_id": "file_1"}, PLAIN, ".file_id"),
        ({"type": "input_file", "file_id": "file_1"}, PLAIN, ".file_id"),
        ({"type": "input_image", "image_url": "https://e.org/x.png"}, PLAIN, ".image_url"),
        ({"type": "input_file", "file_url": "https://e.org/x.pdf"}, PLAIN, ".file_url"),
        ({"type": "input_image", "image_url": "data:image/png;base64,?"}, PLAIN, ".image_url"),
        ({"type": "input_file", "file_data": "data:application/pdf;base64,?"}, PLAIN, ".file_data"),
        ({"type": "input_file", "file_data": "aGk="}, PLAIN, ".filename"),
        ({"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}}, PLAIN, ".input_audio.data"),
    ],
)
def test_what_a_model_can_not_take_in_is_refused_by_its_place(part: Any, profile: Profile, param: str) -> None:
    """A5 case 66."""
    parts = [{"type": "input_text", "text": "a"}, part]
    assert refused(a_turn(said("x"), said(parts)), profile) == f"input[1].content[1]{param}"
    assert refused(a_turn(said(parts), said("x"), own=1), profile) == f"input.content[1]{param}"
    assert refused(a_turn(said("x"), called("c"), gave("c", parts)), profile) == f"input[2].output[1]{param}"


# -- calls and outputs ----------------------------------------------------------------------------------------


def test_parallel_calls_are_one_content_and_so_are_their_outputs() -> None:
    """A4 case 54."""
    found = contents(
        said("a"),
        answered("I go."),
        called("c1", arguments='{"x":1}'),
        called("c2", "stop"),
        gave("c2", "two"),
        gave("c1", "one"),
        said("b"),
    )
    assert found[1:] == [
        model("I go.", a_call("c1", args={"x": 1}), a_call("c2", "stop")),
        user(a_response("c1", "one"), a_response("c2", "two", "stop"), "b"),
    ]


def test_calls_that_were_answered_one_by_one_stay_so() -> None:
    found = contents(said("a"), called("c1"), gave("c1"), called("c2"), gave("c2"), answered("Done."))
    assert [content["role"] for content in found] == ["user", "model", "user", "model", "user", "model"]


def test_outputs_stand_behind_their_calls_whatever_came_between() -> None:
    found = contents(said("a"), called("c"), answered("Meanwhile."), said("b"), gave("c"))
    assert found == [user("a"), model(a_call("c"), "Meanwhile."), user(a_response("c"), "b")]


def test_an_output_stays_a_string_whatever_it_holds() -> None:
    """A5 case 62: Gemini reads `$ref` inside a response."""
    assert contents(said("a"), called("c"), gave("c", '{"$ref":"#/x"}'))[2] == user(a_response("c", '{"$ref":"#/x"}'))
    output = {"z": 1, "a": {"$ref": "é"}}
    assert contents(said("a"), called("c"), gave("c", output))[2] == user(a_response("c", '{"z":1,"a":{"$ref":"é"}}'))


def test_pictures_and_files_of_an_output_stand_inside_it() -> None:
    """A5 case 65."""
    parts = [{"type": "input_text", "text": "see"}, PICTURE, PDF, {"type": "input_text", "text": "?"}]
    found = contents(said("a"), called("c1"), called("c2"), gave("c1", parts), gave("c2"))
    media = [inline("image/png"), inline("application/pdf")]
    assert found[2] == user(a_response("c1", "see\n?", parts=media), a_response("c2"))


def test_what_can_not_stand_inside_an_output_follows_all_outputs() -> None:
    """A5 case 65: a sound, and everything with Gemini 2.5."""
    found = contents(said("a"), called("c1"), called("c2"), gave("c1", [PICTURE, SOUND]), gave("c2"))
    inside = a_response("c1", "", parts=[inline("image/png")])
    assert found[2] == user(inside, a_response("c2"), "[output of tool call c1]", inline("audio/wav"))
    found = contents(said("a"), called("c"), gave("c", [PICTURE]), profile=like(tool_images=False))
    assert found[2] == user(a_response("c", ""), "[output of tool call c]", inline("image/png"))


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ("", {}),
        (" ", {}),
        ('{"b":1,"a":{"x":null}}', {"b": 1, "a": {"x": None}}),
        ("[1]", {"_raw": "[1]"}),
        ('{"x":', {"_raw": '{"x":'}),
        ("null", {"_raw": "null"}),
        ("[" * 5000, {"_raw": "[" * 5000}),
    ],
)
def test_arguments_are_an_object_or_held_by_one(arguments: str, args: Any) -> None:
    part = contents(said("a"), called("c", arguments=arguments), gave("c"))[1]["parts"][0]
    assert part["functionCall"]["args"] == args


def test_numbers_in_arguments_keep_every_digit() -> None:
    arguments = '{"x":12345678901234567890123,"y":1.10}'
    sent = GEMINI.encode(a_turn(said("a"), called("c", arguments=arguments), gave("c")), PLAIN)
    assert arguments.encode() in sent.body


def test_an_id_that_is_used_again_leads_to_its_own_output() -> None:
    """A5 case 59: `call_0` in every turn."""
    found = contents(
        said("a"), called("call_0"), gave("call_0", "one"), said("b"), called("call_0"), gave("call_0", "two")
    )
    first, second = (
        part["functionResponse"] for content in found for part in content["parts"] if "functionResponse" in part
    )
    assert (first["id"], first["response"]) == ("call_0", {"result": "one"})
    assert second["response"] == {"result": "two"}
    assert found[3]["parts"][0]["functionCall"]["id"] == second["id"] != "call_0"


# -- reasoning ------------------------------------------------------------------------------------------------


def thought(*signed: Signed, summary: str = "", **fields: Any) -> dict[str, Any]:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": summary}] if summary else [],
    }
    return {**item, **({"encrypted_content": write(signed)} if signed else {}), **fields}


def replayed(*parts: dict[str, Any], streamed: bool = False) -> list[bytes]:
    """Return the items of a response to which Gemini answered `parts`."""
    request = CreateResponse(model="m")
    snapshot = first_snapshot(request, response_id="resp_1", created_at=1, conversation_id=None, tools=[])
    draft = Emitter(snapshot, show_state=True)
    parser = GEMINI.parser(UpstreamRequest(path="", body=b""), PLAIN, streamed=streamed)
    events = [[part] for part in parts] if streamed else [list(parts)]
    told = [json.dumps({"candidates": [{"content": {"parts": event}, "finishReason": "STOP"}]}) for event in events]
    data = "".join(f"data: {event}\n\n" for event in told) if streamed else told[0]
    draft.add(chunks_of(parser, [data.encode()]))
    assert parser.failure is None
    draft.finish(now=2)
    return [bytes(item) for item in draft.output]


CALL = {"functionCall": {"id": "c1", "name": "go", "args": {"x": 1}}}
OTHER = {"functionCall": {"id": "c2", "name": "stop", "args": {}}}
ANSWERS: dict[str, list[dict[str, Any]]] = {
    "a signed call": [{**CALL, "thoughtSignature": "c2ln"}],
    "parallel calls, the first signed": [{**CALL, "thoughtSignature": "c2ln"}, OTHER],
    "parallel calls, each signed": [{**CALL, "thoughtSignature": "c2ln"}, {**OTHER, "thoughtSignature": "eHl6"}],
    "text, then a signed call": [{"text": "I go."}, {**CALL, "thoughtSignature": "c2ln"}],
    "signed text, then a signed call": [
        {"text": "I go.", "thoughtSignature": "dHh0"},
        {**CALL, "thoughtSignature": "c2ln"},
    ],
    "signed text": [{"text": "Grüße 🌍", "thoughtSignature": "c2ln"}],
    "an empty signed end": [{"text": "Hello"}, {"text": "", "thoughtSignature": "c2ln"}],
    "a signed beginning": [{"text": "Hel", "thoughtSignature": "c2ln"}, {"text": "lo"}],
    "a signed middle": [{"text": "a"}, {"text": "b", "thoughtSignature": "c2ln"}, {"text": "c"}],
    "a signed blank end": [{"text": "a"}, {"text": " \n", "thoughtSignature": "c2ln"}],
    "nothing but a signature before a call": [{"text": "", "thoughtSignature": "dHh0"}, CALL],
    "a signed thought": [{"text": "Hm.", "thought": True, "thoughtSignature": "c2ln"}, {"text": "Hello"}],
    "a signed thought and a signed call": [
        {"text": "Hm.", "thought": True, "thoughtSignature": "dHh0"},
        {**CALL, "thoughtSignature": "c2ln"},
    ],
    "two signed thoughts": [
        {"text": "Hm.", "thought": True, "thoughtSignature": "dHh0"},
        {"text": "So.", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Hello"},
    ],
    "no signature": [{"text": "Hello"}, CALL, OTHER],
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_goes_back_part_for_part(name: str, streamed: bool) -> None:
    """A4 cases 51 and 54: every signature on the part that it came with, byte for byte."""
    parts = ANSWERS[name]
    outputs = [gave(part["functionCall"]["id"]) for part in parts if "functionCall" in part]
    found = contents(
        said("a"), *replayed(*parts, streamed=streamed), *outputs, said("b"), profile=like(signed_calls=True)
    )
    assert found[1] == model(*parts)


def test_signatures_go_back_over_several_turns() -> None:
    """A4 case 51: three steps of one turn, then a second turn."""
    steps: list[list[dict[str, Any]]] = [
        [{**CALL, "thoughtSignature": "c3RlcDE="}, OTHER],
        [{"text": "More."}, {"functionCall": {"id": "c3", "name": "go", "args": {}}, "thoughtSignature": "c3RlcDI="}],
        [{"text": "Done."}, {"text": "", "thoughtSignature": "c3RlcDM="}],
    ]
    items: list[Any] = [said("a")]
    for step in steps:
        items += replayed(*step)
        items += [gave(part["functionCall"]["id"]) for part in step if "functionCall" in part]
    found = contents(*items, said("b"), *replayed({"text": "Bye.", "thoughtSignature": "c3RlcDQ="}), said("c"))
    assert [content["parts"] for content in found if content["role"] == "model"] == [
        *steps,
        [{"text": "Bye.", "thoughtSignature": "c3RlcDQ="}],
    ]


def test_a_thought_without_a_signature_is_not_sent_back() -> None:
    """A4 case 52: nor ever told as text."""
    items = replayed({"text": "secret", "thought": True}, {"text": "Hi"})
    assert contents(said("a"), *items, said("b")) == [user("a"), model("Hi"), user("b")]
    foreign = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "secret"}]}
    assert contents(said("a"), foreign, answered("Hi"))[1] == model("Hi")


def test_an_item_that_a_client_dropped_takes_its_signature_with_it() -> None:
    """A4 case 51: without a note, as nothing of it arrived."""
    state, call, other = replayed(*ANSWERS["parallel calls, the first signed"])
    body, sent = encoded(a_turn(said("a"), call, other, gave("c1"), gave("c2")))
    assert body["contents"][1] == model(CALL, OTHER)
    assert sent.notes == []
    assert state


FORGOTTEN = "reasoning state left out, what it belongs to is not there"


@pytest.mark.parametrize(
    ("items", "parts"),
    [
        ([thought(Signed("call", "c2ln", name="go")), answered("Hi")], ["Hi"]),
        ([thought(Signed("call", "c2ln", name="other")), called("c"), gave("c")], [a_call("c")]),
        ([called("c"), thought(Signed("call", "c2ln", name="go")), gave("c")], [a_call("c")]),
        ([thought(Signed("text", "c2ln", size=5)), answered("Hello")], ["Hello"]),
        ([answered("Hell"), thought(Signed("text", "c2ln", size=5))], ["Hell"]),
        ([answered("Hello"), thought(Signed("text", "c2ln", start=-1, size=2))], ["Hello"]),
        ([thought(Signed("thought", "c2ln", size=5), summary="Hm."), answered("Hi")], ["Hi"]),
        ([thought(encrypted_content="{"), answered("Hi")], ["Hi"]),
        ([thought(encrypted_content='[{"on":"moon","signature":"x"}]'), answered("Hi")], ["Hi"]),
        ([thought(encrypted_content="[" * 9999), answered("Hi")], ["Hi"]),
    ],
)
def test_a_signature_that_fits_nothing_is_left_out_with_a_note(items: list[Any], parts: list[Any]) -> None:
    """A4 case 51: what clients move, change and drop is never an error."""
    body, sent = encoded(a_turn(said("a"), *items))
    assert body["contents"][1] == model(*parts)
    assert len(sent.notes) == 1
    assert sent.notes[0].endswith(FORGOTTEN)
    assert sent.notes[0].startswith("input[")


@pytest.mark.parametrize("state", [None, ""])
def test_reasoning_of_others_leaves_no_trace(state: str | None) -> None:
    """A4 case 53: the state of another provider was taken off before."""
    body, sent = encoded(a_turn(said("a"), thought(encrypted_content=state, summary="Hm."), answered("Hi")))
    assert (body["contents"], sent.notes) == ([user("a"), model("Hi")], [])


def test_calls_of_the_current_turn_that_nobody_signed_are_marked() -> None:
    """A4 case 54: the first of each step since the user spoke, and only with a model that asks for it."""
    items = [
        *(said("a"), called("c1"), gave("c1"), said("b"), answered("Hm."), called("c2"), called("c3"), gave("c2")),
        *(gave("c3"), thought(Signed("call", "c2ln", name="go")), called("c4"), gave("c4"), called("c5"), gave("c5")),
    ]
    found = contents(*items, profile=like(signed_calls=True))
    signatures = {
        part["functionCall"]["id"]: part.get("thoughtSignature")
        for content in found
        for part in content["parts"]
        if "functionCall" in part
    }
    assert signatures == {"c1": None, "c2": SKIP, "c3": None, "c4": "c2ln", "c5": SKIP}
    assert SKIP not in json.dumps(contents(*items))


# -- tools ----------------------------------------------------------------------------------------------------


def declared(turn: Turn, profile: Profile = PLAIN) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encoded(turn, profile)[0]["tools"][0]["functionDeclarations"]
    return found


def test_a_function_without_parameters_has_no_schema() -> None:
    empty = {"type": "object", "properties": {}}
    tools = [{"type": "function", "name": "a"}, a_function("b", parameters=None), a_function("c", parameters=empty)]
    assert declared(a_turn(tools=tools)) == [{"name": "a"}, {"name": "b"}, {"name": "c"}]


def test_local_references_are_written_out() -> None:
    """A5 case 61."""
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}
    found = declared(a_turn(tools=[a_function(parameters=schema)]))[0]["parametersJsonSchema"]
    assert found["properties"]["a"] == {"type": "integer"}
    assert "$ref" not in json.dumps(found)


def test_what_a_schema_loses_is_noted() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}}
    _, sent = encoded(a_turn(tools=[a_function(parameters=schema)]))
    assert len(sent.notes) == 1
    assert sent.notes[0].startswith("tools: go: ")
    _, sent = encoded(a_turn(text={"format": {"type": "json_schema", "name": "n", "schema": schema}}))
    assert sent.notes[0].startswith("text.format: ")
    assert encoded(a_turn(tools=[a_function(parameters=schema)]), like(schema_dialect="full"))[1].notes == []


def test_freeform_tools_are_functions_of_one_string() -> None:
    """A5 case 63: the tool, the choice, and the calls of the past."""
    items = [
        said("a"),
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'a\n"b"'},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
    ]
    for profile in (PLAIN, like(custom_tools=True)):
        turn = a_turn(*items, tools=[a_freeform(description="d")], tool_choice={"type": "custom", "name": "patch"})
        body, sent = encoded(turn, profile)
        function = body["tools"][0]["functionDeclarations"][0]
        assert function["parametersJsonSchema"]["required"] == ["input"]
        assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["patch"]}}
        assert body["contents"][1:] == [
            model(a_call("c", "patch", {"input": 'a\n"b"'})),
            user(a_response("c", name="patch")),
        ]
        assert sent.names == {"patch": ToolName("patch", custom=True)}


def test_tools_of_a_namespace_take_it_into_their_names() -> None:
    """A5 case 64."""
    space = {"type": "namespace", "name": "crm", "tools": [a_function("find"), a_freeform("exec")]}
    items = [said("a"), called("c", "find", namespace="crm"), gave("c")]
    body, sent = encoded(a_turn(*items, tools=[space], tool_choice={"type": "function", "name": "find"}))
    assert [tool["name"] for tool in body["tools"][0]["functionDeclarations"]] == ["crm__find", "crm__exec"]
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == "crm__find"
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == ["crm__find"]
    assert sent.names == {"crm__find": ToolName("find", "crm"), "crm__exec": ToolName("exec", "crm", custom=True)}


def test_names_that_gemini_does_not_take_are_changed_and_remembered() -> None:
    """A5 case 59: it wants a letter or an underscore first."""
    names = ["7up", "_7up", "-x", "with.dots", "x" * 65, "9.9", "__7up"]
    items = [
        said("a"),
        called("c1", "7up"),
        called("c2", "_7up"),
        called("c3", "3gone"),
        gave("c1"),
        gave("c2"),
        gave("c3"),
    ]
    choice = {"type": "function", "name": "7up"}
    body, sent = encoded(a_turn(*items, tools=[a_function(name) for name in names], tool_choice=choice))
    wire = [tool["name"] for tool in body["tools"][0]["functionDeclarations"]]
    assert len(set(wire)) == len(names)
    assert all(name[0].isalpha() or name[0] == "_" for name in wire)
    assert [sent.names[name].name if name in sent.names else name for name in wire] == names
    told = [part["functionCall"]["name"] for part in body["contents"][1]["parts"]]
    assert told == [wire[0], "_7up", "_3gone"]
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [wire[0]]


def test_a_freeform_tool_whose_name_is_changed_stays_one() -> None:
    _, sent = encoded(a_turn(tools=[a_freeform("7up")]))
    assert sent.names == {"_7up": ToolName("7up", custom=True)}


def test_additional_tools_are_offered_with_the_others() -> None:
    """A5 case 64."""
    more = {"type": "additional_tools", "role": "developer", "tools": [a_function("now"), a_freeform()]}
    turn = a_turn(said("a"), more)
    assert [tool["name"] for tool in declared(turn)] == ["now", "patch"]
    assert contents(said("a"), more) == [user("a")]


@pytest.mark.parametrize("tool", [{"type": "mcp", "server_label": "s"}, {"type": "code_interpreter"}])
def test_a_tool_of_the_provider_s_own_is_refused_by_its_place(tool: Any) -> None:
    """A5 case 64."""
    assert refused(a_turn(tools=[a_function(), tool])) == "tools[1]"


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", None),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "name": "go"}, {"mode": "ANY", "allowedFunctionNames": ["go"]}),
    ],
)
def test_a_choice_is_told_as_gemini_has_it(choice: Any, config: Any) -> None:
    body, _ = encoded(a_turn(tools=[a_function()], tool_choice=choice))
    assert body.get("toolConfig") == (config and {"functionCallingConfig": config})
    assert "toolConfig" not in encoded(a_turn(tool_choice=choice))[0]


@pytest.mark.parametrize(("mode", "config"), [("auto", None), ("required", {"mode": "ANY"})])
def test_an_allow_list_leaves_only_its_tools(mode: str, config: Any) -> None:
    allowed = {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "b"}]}
    turn = a_turn(tools=[a_function("a"), a_function("b"), a_freeform()], tool_choice=allowed)
    assert [tool["name"] for tool in declared(turn)] == ["b"]
    assert encoded(turn)[0].get("toolConfig") == (config and {"functionCallingConfig": config})


@pytest.mark.parametrize(("choice", "mode"), [("auto", "VALIDATED"), ("required", "ANY"), ("none", "NONE")])
def test_strict_tools_are_validated(choice: str, mode: str) -> None:
    body, _ = encoded(a_turn(tools=[a_function(), a_function("b", strict=True)], tool_choice=choice))
    assert body["toolConfig"]["functionCallingConfig"]["mode"] == mode


def test_strict_is_left_out_with_a_note_where_it_is_not_known() -> None:
    body, sent = encoded(a_turn(tools=[a_function(strict=True)]), like(strict_tools=False))
    assert "toolConfig" not in body
    assert sent.notes == ["tools: strict of 'go' left out"]


def test_one_call_at_a_time_is_had_by_keeping_the_first() -> None:
    _, sent = encoded(a_turn(tools=[a_function()], parallel_tool_calls=False))
    assert sent.one_call
    assert sent.notes == ["parallel_tool_calls: the first call of an answer is kept, others are not"]
    _, sent = encoded(a_turn(parallel_tool_calls=False))
    assert (sent.one_call, sent.notes) == (False, [])


# -- what is generated ----------------------------------------------------------------------------------------


def generation(profile: Profile = PLAIN, **request: Any) -> Any:
    return encoded(a_turn(**request), profile)[0].get("generationConfig")


@pytest.mark.parametrize(
    ("style", "effort", "thinking"),
    [
        ("level", "minimal", {"thinkingLevel": "MINIMAL"}),
        ("level", "low", {"thinkingLevel": "LOW"}),
        ("level", "medium", {"thinkingLevel": "MEDIUM"}),
        ("level", "high", {"thinkingLevel": "HIGH"}),
        ("level", "xhigh", {"thinkingLevel": "XHIGH"}),
        ("level", "max", {"thinkingLevel": "XHIGH"}),
        ("level", "none", {"thinkingBudget": 0}),
        ("budget", "none", {"thinkingBudget": 0}),
        ("budget", "minimal", {"thinkingBudget": 1024}),
        ("budget", "low", {"thinkingBudget": 1024}),
        ("budget", "medium", {"thinkingBudget": 8192}),
        ("budget", "high", {"thinkingBudget": 24576}),
    ],
)
def test_effort_is_a_level_or_a_budget(style: Any, effort: str, thinking: Any) -> None:
    """A4 case 57."""
    body, sent = encoded(a_turn(reasoning={"effort": effort}), like(effort=style))
    assert body["generationConfig"] == {"thinkingConfig": thinking}
    assert sent.notes == []


@pytest.mark.parametrize("effort", ["xhigh", "max"])
def test_a_budget_has_an_end(effort: str) -> None:
    body, sent = encoded(a_turn(reasoning={"effort": effort}), like(effort="budget"))
    assert body["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 24576}}
    assert sent.notes == [f"reasoning.effort: '{effort}' told as 'high', the highest"]


def test_no_options_of_reasoning_are_sent_unasked() -> None:
    assert generation(reasoning={}) is None
    assert generation(reasoning={"summary": "auto"}) == {"thinkingConfig": {"includeThoughts": True}}
    assert generation(reasoning={"generate_summary": "concise"}) == {"thinkingConfig": {"includeThoughts": True}}


@pytest.mark.parametrize(
    ("profile", "reasoning"),
    [(PLAIN, {"effort": "none", "summary": "auto"}), (like(effort="none"), {"summary": "auto"})],
)
def test_no_summary_is_asked_of_a_model_that_does_not_reason(profile: Profile, reasoning: Any) -> None:
    body, sent = encoded(a_turn(reasoning=reasoning), profile)
    assert "includeThoughts" not in json.dumps(body)
    assert sent.notes == ["reasoning.summary left out, nothing is reasoned"]


def test_an_effort_told_in_another_format_s_way_is_left_out_with_a_note() -> None:
    body, sent = encoded(a_turn(reasoning={"effort": "low"}), like(effort="template"))
    assert "generationConfig" not in body
    assert sent.notes == ["reasoning.effort left out"]


@pytest.mark.parametrize(
    ("chosen", "config"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"responseMimeType": "application/json"}),
        (
            {
                "type": "json_schema",
                "name": "n",
                "schema": {"type": "integer", "description": "own"},
                "description": "d",
            },
            {"responseMimeType": "application/json", "responseJsonSchema": {"type": "integer", "description": "own"}},
        ),
    ],
)
def test_a_format_is_a_media_type_and_a_schema(chosen: Any, config: Any) -> None:
    assert generation(text={"format": chosen}) == config


def test_log_probabilities_are_asked_for_by_include() -> None:
    """A5 case 71."""
    include = ["message.output_text.logprobs"]
    assert generation(include=include) == {"responseLogprobs": True}
    assert generation(include=include, top_logprobs=0) == {"responseLogprobs": True}
    assert generation(top_logprobs=3) is None


REFUSALS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"tools": False}, {"tools": [a_function()]}, "tools"),
    ({"forced_tools": False}, {"tools": [a_function()], "tool_choice": "required"}, "tool_choice"),
    (
        {"json_schema": False},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "string"}}}},
        "text.format",
    ),
    ({"json_object": False}, {"text": {"format": {"type": "json_object"}}}, "text.format"),
    ({"logprobs": False}, {"include": ["message.output_text.logprobs"]}, "include"),
    ({"logprobs": False}, {"top_logprobs": 2}, "top_logprobs"),
    ({"effort": "none"}, {"reasoning": {"effort": "high"}}, "reasoning.effort"),
    ({"temperature": False}, {"temperature": 0.5}, "temperature"),
    ({"temperature": False}, {"top_p": 0.5}, "top_p"),
    ({}, {"reasoning": {"mode": "pro"}}, "reasoning.mode"),
    ({}, {"reasoning": {"context": "all_turns"}}, "reasoning.context"),
    ({}, {"tools": [a_function()], "tool_choice": {"type": "mcp", "server_label": "s"}}, "tool_choice"),
    (
        {},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"$ref": "#/$defs/gone"}}}},
        "text.format.schema",
    ),
]


@pytest.mark.parametrize(("profile", "request_", "param"), REFUSALS)
def test_what_a_model_does_not_have_is_refused(profile: dict[str, Any], request_: dict[str, Any], param: str) -> None:
    assert (refused(a_turn(**request_), like(**profile)) or "").startswith(param)


def test_removed_fields_are_left_out_with_a_note_and_renamed_ones_renamed() -> None:
    profile = like(removed=frozenset({"presencePenalty"}), renamed={"maxOutputTokens": "max_output"})
    sent = GEMINI.encode(a_turn(presence_penalty=1, max_output_tokens=16), profile)
    assert json.loads(sent.body)["generationConfig"] == {"max_output": 16}
    assert sent.notes == ["presencePenalty left out, this model refuses it"]


@pytest.mark.parametrize(
    ("request_", "note"),
    [
        ({"user": "u"}, "user left out"),
        ({"safety_identifier": "s"}, "safety_identifier left out"),
        ({"prompt_cache_key": "k"}, "prompt_cache_key left out"),
        ({"prompt_cache_retention": "24h"}, "prompt_cache_retention left out"),
        ({"prompt_cache_options": {"mode": "x"}}, "prompt_cache_options left out"),
        ({"service_tier": "flex"}, "service_tier left out"),
        ({"text": {"verbosity": "low"}}, "text.verbosity left out"),
    ],
)
def test_a_hint_that_is_not_taken_is_left_out_with_a_note(request_: dict[str, Any], note: str) -> None:
    body, sent = encoded(a_turn(**request_))
    assert (body, sent.notes) == ({"contents": [user("Hi")]}, [note])
    unknown = like(hints=frozenset({"user", "safety_identifier", "prompt_cache_key", "verbosity"}))
    assert encoded(a_turn(**request_), unknown)[1].notes == [note]  # Gemini has no words for these


@pytest.mark.parametrize(
    ("tier", "told", "notes"),
    [
        ("flex", "flex", []),
        ("priority", "priority", []),
        ("default", "standard", []),
        ("auto", None, []),
        ("scale", None, ["service_tier left out"]),
    ],
)
def test_the_tier_is_told_where_the_model_takes_one(tier: str, told: str | None, notes: list[str]) -> None:
    body, sent = encoded(a_turn(service_tier=tier), like(hints=frozenset({"service_tier"})))
    assert (body.get("serviceTier"), sent.notes) == (told, notes)
