"""The OpenAPI document and the page that shows it: whole, valid, true, and asking nobody else."""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast, get_args
from urllib.parse import urljoin, urlsplit

import httpx2
import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec import Raw, Struct

from antiphon import __version__
from antiphon.api import docs, openapi, schemas
from antiphon.api.app import ENDPOINTS, App
from antiphon.api.calls import Call, Endpoint, Reply
from antiphon.api.errors import body_of
from antiphon.api.services import Services
from antiphon.errors import BadRequest, Fault, LimitReached
from antiphon.types import events
from antiphon.types.content import OutputText, SummaryText
from antiphon.types.conversations import AddItems, Conversation, CreateConversation, ItemList
from antiphon.types.items import CallId, FunctionCall, Item, OutputItem, OutputMessage, Reasoning
from antiphon.types.responses import CreateResponse, Response, TextEcho
from antiphon.types.tools import Tool
from tests.api.calling import Api, function

Json = dict[str, Any]

HERE = Path(__file__).parent
META = json.loads((HERE / "openapi-3.1.schema.json").read_text(encoding="utf-8"))
"""The schema of OpenAPI 3.1 as the OpenAPI Initiative publishes it; it leaves the schemas inside to their own."""

ASSETS = Path(docs.__file__).with_name("assets")
SHOWN = [endpoint for endpoint in ENDPOINTS if not endpoint.hidden]
DOCUMENT: Json = json.loads(openapi.document(ENDPOINTS, "1.2.3"))
EVENTS = [kind for kind in get_args(events.Event) if kind is not events.Relayed]

MESSAGE = OutputMessage(id="msg_1", status="completed", content=[OutputText(text="Hello.", logprobs=[])])
RESPONSE = Response(
    id="resp_1",
    created_at=1,
    status="completed",
    model="m",
    output=[Raw(msgspec.json.encode(MESSAGE))],
    text=TextEcho(format=Raw(b'{"type":"text"}')),
)
FIELDS: Json = {
    "sequence_number": 7,
    "response": RESPONSE,
    "item_id": "msg_1",
    "output_index": 0,
    "content_index": 0,
    "summary_index": 0,
    "annotation_index": 0,
    "item": Raw(msgspec.json.encode(MESSAGE)),
    "annotation": Raw(b'{"type":"url_citation","url":"https://example.com"}'),
    "delta": "Hel",
    "text": "Hello.",
    "refusal": "No.",
    "name": "weather",
    "arguments": "{}",
    "input": "ls",
}


def an_event(kind: Any) -> Struct:
    given = {**FIELDS, "part": SummaryText(text="") if "summary" in kind.type else OutputText(text="")}
    event: Struct = kind(**{name: given[name] for name in kind.__struct_fields__ if name in given})
    return event


def by(name: str) -> Draft202012Validator:
    """The judge of one named schema of the document."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def complaints(name: str, thing: object) -> list[str]:
    return [error.message for error in by(name).iter_errors(json.loads(msgspec.json.encode(thing)))]


def operations() -> Iterator[tuple[str, str, Json]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def operation_of(endpoint: Endpoint) -> Json:
    operation: Json = DOCUMENT["paths"][endpoint.path.replace(":path", "")][endpoint.method.lower()]
    return operation


def inside(value: object) -> Iterator[Any]:
    """Everything in a JSON value, itself included."""
    yield value
    children: Any = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from inside(child)


def row(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


# -- the document as such ---------------------------------------------------------------------------------------


def test_the_document_is_valid_openapi_3_1() -> None:
    assert [error.message for error in Draft202012Validator(META).iter_errors(DOCUMENT)] == []


def test_every_schema_in_it_is_valid_json_schema() -> None:
    parameters = [each["schema"] for _, _, operation in operations() for each in operation.get("parameters", [])]
    for schema in [*DOCUMENT["components"]["schemas"].values(), *parameters]:
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere() -> None:
    wanted = {value["$ref"] for value in inside(DOCUMENT) if isinstance(value, dict) and "$ref" in value}
    mapped = {
        target
        for value in inside(DOCUMENT)
        if isinstance(value, dict) and isinstance(value.get("mapping"), dict)
        for target in value["mapping"].values()
    }
    assert wanted
    for reference in wanted | mapped:
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_component_is_referred_to() -> None:
    said = json.dumps(DOCUMENT)
    for kind in ("schemas", "responses", "headers"):
        assert [name for name in DOCUMENT["components"][kind] if f'"#/components/{kind}/{name}"' not in said] == []


def test_every_endpoint_is_in_it_and_nothing_else() -> None:
    assert {(method, path) for method, path, _ in operations()} == {
        (endpoint.method, endpoint.path.replace(":path", "")) for endpoint in SHOWN
    }


def test_a_hidden_endpoint_is_left_out() -> None:
    async def secret(_: Call) -> Reply:
        """Say nothing."""
        return Reply(b"")

    rows = [Endpoint("GET", "/v1/secret", secret, hidden=True), Endpoint("GET", "/v1/known", secret)]
    assert list(json.loads(openapi.document(rows, "0"))["paths"]) == ["/v1/known"]


def test_no_two_operations_have_the_same_id() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    assert "responses_create" in ids


def test_every_operation_says_what_it_does_and_to_what_it_belongs() -> None:
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    for _, _, operation in operations():
        assert operation["summary"]
        assert set(operation["tags"]) <= tags


def test_the_version_is_the_servers() -> None:
    assert DOCUMENT["info"]["version"] == "1.2.3"


# -- calls ------------------------------------------------------------------------------------------------------


def test_public_endpoints_need_no_key_and_all_others_do() -> None:
    assert DOCUMENT["security"] == [{"key": []}]
    assert DOCUMENT["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for endpoint in SHOWN:
        operation = operation_of(endpoint)
        other = endpoint.manners.key_header
        either: list[dict[str, list[str]]] | None = [{"key": []}, {other.decode(): []}] if other else None
        assert operation.get("security") == ([] if endpoint.public else either), row(endpoint)
        assert ("401" in operation["responses"]) is not endpoint.public, row(endpoint)


@pytest.mark.parametrize("endpoint", SHOWN, ids=row)
def test_every_parameter_of_a_path_is_described(endpoint: Endpoint) -> None:
    parameters = operation_of(endpoint).get("parameters", [])
    described = [each["name"] for each in parameters if each["in"] == "path"]
    assert described == re.findall(r"\{(\w+)", endpoint.path)


def test_a_query_is_described_with_its_limits_and_defaults() -> None:
    listed = DOCUMENT["paths"]["/v1/conversations/{id}/items"]["get"]["parameters"]
    parameters = {each["name"]: each["schema"] for each in listed if each["in"] == "query"}
    assert parameters["limit"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert parameters["order"] == {"type": "string", "enum": ["asc", "desc"], "default": "desc"}
    assert parameters["after"] == {"type": "string"}
    assert "reasoning.encrypted_content" in parameters["include"]["items"]["enum"]


@pytest.mark.parametrize("endpoint", SHOWN, ids=row)
def test_a_reply_has_its_type_and_the_calls_id(endpoint: Endpoint) -> None:
    reply = operation_of(endpoint)["responses"][str(endpoint.status)]
    kinds = {"application/json", "text/event-stream"} if endpoint.streams else {"application/json"}
    assert set(reply["content"]) == kinds
    assert "x-request-id" in reply["headers"]


def test_a_streamed_reply_is_made_of_events() -> None:
    content = DOCUMENT["paths"]["/v1/responses"]["post"]["responses"]["200"]["content"]
    assert content["text/event-stream"]["schema"] == {"$ref": "#/components/schemas/Event"}


def test_a_key_may_stand_in_the_header_that_clients_of_another_api_use() -> None:
    scheme = DOCUMENT["components"]["securitySchemes"]["x-api-key"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "x-api-key")


def test_another_apis_stream_is_made_of_its_own_frames() -> None:
    chunks = DOCUMENT["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    assert chunks["text/event-stream"]["schema"] == {"$ref": "#/components/schemas/ChatCompletionChunk"}
    told = DOCUMENT["paths"]["/v1/messages"]["post"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
    assert told["discriminator"]["mapping"]["message_start"] == "#/components/schemas/MessageStart"


def test_pages_say_what_they_hold() -> None:
    held = {
        path: DOCUMENT["components"]["schemas"][name]["properties"]["data"]["items"]["$ref"].rpartition("/")[2]
        for path, name in (("/v1/responses", "ResponsePage"), ("/v1/conversations/{id}/items", "ItemPage"))
        if f'"#/components/schemas/{name}"' in json.dumps(DOCUMENT["paths"][path]["get"])
    }
    assert held == {"/v1/responses": "Response", "/v1/conversations/{id}/items": "Item"}


@pytest.mark.parametrize("endpoint", [each for each in SHOWN if each.body], ids=row)
def test_every_body_has_an_example_that_is_read(endpoint: Endpoint) -> None:
    content = operation_of(endpoint)["requestBody"]["content"]["application/json"]
    kind = cast("type[Struct]", endpoint.body)
    assert complaints(kind.__name__, content["example"]) == []
    msgspec.json.decode(msgspec.json.encode(content["example"]), type=kind)


@pytest.mark.parametrize("endpoint", SHOWN, ids=row)
def test_every_failure_has_the_one_shape_of_its_api(endpoint: Endpoint) -> None:
    shape = endpoint.manners.error.__name__
    for status, reply in operation_of(endpoint)["responses"].items():
        if status == str(endpoint.status):
            continue
        named = DOCUMENT["components"]["responses"][reply["$ref"].rpartition("/")[2]]
        assert named["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{shape}"}
    assert "default" in operation_of(endpoint)["responses"]


@pytest.mark.parametrize("error", [BadRequest("no", code="c", param="input[0]"), LimitReached("wait"), Fault("oh")])
def test_an_error_is_as_described(error: BadRequest | LimitReached | Fault) -> None:
    assert complaints("ErrorReply", Raw(body_of(error))) == []


# -- schemas ----------------------------------------------------------------------------------------------------


def test_nothing_is_left_undescribed() -> None:
    """A new field of encoded JSON needs a line in `HOLDS`."""
    schemas_of = DOCUMENT["components"]["schemas"]
    bare = [
        f"{name}.{field}"
        for name, schema in schemas_of.items()
        for field, inner in schema.get("properties", {}).items()
        if any(value == {} for value in inside({**inner, "default": None}))
    ]
    assert bare == []


def test_what_fields_hold_is_told_of_fields_that_exist() -> None:
    for kind, field in schemas.HOLDS:
        assert field in kind.__struct_fields__


def test_two_structs_of_one_name_are_told_apart() -> None:
    made = schemas.Schemas()
    first = msgspec.defstruct("Thing", [("a", int)], module="house.garden")
    second = msgspec.defstruct("Thing", [("b", int)], module="house.cellar")
    assert made.of(first) == {"$ref": "#/components/schemas/Thing"}
    assert made.of(second) == {"$ref": "#/components/schemas/cellar.Thing"}
    assert made.of(first) == {"$ref": "#/components/schemas/Thing"}


def test_limits_of_a_field_are_told() -> None:
    field = schemas.Schemas().of(CallId)
    assert field == {"type": "string", "minLength": 1, "maxLength": 256}


def test_a_response_is_as_described() -> None:
    assert complaints("Response", RESPONSE) == []
    assert complaints("Response", {"id": "resp_1"})


def test_all_that_is_always_sent_is_promised() -> None:
    sent = json.loads(msgspec.json.encode(RESPONSE))
    assert set(DOCUMENT["components"]["schemas"]["Response"]["required"]) == sent.keys()


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.type)
def test_every_event_is_as_described(kind: type[Struct]) -> None:
    event = an_event(kind)
    assert complaints("Event", event) == []
    sent = json.loads(msgspec.json.encode(event))
    for name in sent.keys() - {"type"}:
        assert complaints("Event", {key: value for key, value in sent.items() if key != name}), name


def test_an_upstreams_own_event_is_let_through() -> None:
    assert complaints("Event", {"type": "response.web_search_call.searching", "sequence_number": 3}) == []


@pytest.mark.parametrize(
    "item",
    [
        MESSAGE,
        FunctionCall(id="fc_1", call_id="c", name="f", arguments="{}", status="completed"),
        Reasoning(id="rs_1", summary=[SummaryText(text="So.")], encrypted_content="…"),
        {"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}},
    ],
    ids=lambda item: item["type"] if isinstance(item, dict) else item.type,
)
def test_an_item_is_as_described_wherever_it_stands(item: object) -> None:
    assert complaints("OutputItem", item) == []
    assert complaints("Item", item) == []
    listed = ItemList(data=[item], first_id="a", last_id="a")
    assert complaints("ItemList", listed) == []


@pytest.mark.parametrize(
    ("given", "is_right"),
    [
        ("Hi", True),
        ([{"role": "user", "content": "Hi"}], True),
        ([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}], True),
        ([{"type": "function_call_output", "call_id": "c", "output": {"degrees": 21}}], True),
        ([{"id": "msg_1"}], True),
        ([{"type": "mcp_call", "anything": "goes"}], True),
        ([{"role": "stranger", "content": "Hi"}], False),
        ([{"type": "function_call", "name": "f"}], False),
        ([{}], False),
        (7, False),
    ],
)
def test_input_is_described_as_it_is_read(given: object, is_right: bool) -> None:
    assert (complaints("CreateResponse", {"model": "m", "input": given}) == []) is is_right
    if isinstance(given, list):
        assert (complaints("AddItems", {"items": given}) == []) is is_right
        assert (complaints("CreateConversation", {"items": given}) == []) is is_right


def test_tools_are_described_as_they_are_read() -> None:
    request = {"model": "m", "input": "Hi", "tools": [function(), {"type": "web_search"}], "tool_choice": "auto"}
    assert complaints("CreateResponse", request) == []
    assert complaints("CreateResponse", {**request, "tools": [{"type": "function"}]})
    assert complaints("CreateResponse", {**request, "tool_choice": {"type": "function", "name": "f"}}) == []


def test_a_request_takes_no_unknown_parameter_and_a_reply_may_grow() -> None:
    assert complaints("CreateResponse", {"model": "m", "input": "Hi", "colour": "blue"})
    assert complaints("Conversation", Conversation(id="conv_1", created_at=1)) == []
    assert complaints("Conversation", {**msgspec.to_builtins(Conversation(id="c", created_at=1)), "new": 1}) == []


@pytest.mark.parametrize("union", [Item, OutputItem, Tool], ids=["Item", "OutputItem", "Tool"])
def test_an_open_union_names_all_that_it_describes(union: object, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    options = DOCUMENT["components"]["schemas"][name]["anyOf"]
    named = {option["$ref"].rpartition("/")[2] for option in options if "$ref" in option}
    assert named == {kind.__name__ for kind in get_args(union)}


def test_the_bodies_are_components_under_their_own_names() -> None:
    assert {kind.__name__ for kind in (CreateResponse, CreateConversation, AddItems)} <= set(
        DOCUMENT["components"]["schemas"]
    )


# -- the page ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _nothing(_: App) -> AsyncIterator[None]:
    yield


def browser() -> httpx2.AsyncClient:
    """A browser's way to the app; these calls need nothing that stands behind it."""
    app = App(cast("Services", None), _nothing)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://antiphon")


class Addresses(HTMLParser):
    """What a page asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts: list[str] = []
        self._is_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_script = tag == "script"
        self.found += [value for name, value in attrs if name in {"src", "href"} and value]

    def handle_data(self, data: str) -> None:
        if self._is_script and data.strip():
            self.scripts.append(data)


async def test_the_document_is_served_to_anyone() -> None:
    async with browser() as client:
        reply = await client.get("/openapi.json")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json() == {**DOCUMENT, "info": {**DOCUMENT["info"], "version": __version__}}


async def test_the_page_finds_all_it_asks_for_on_this_server() -> None:
    kinds = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "json": "application/json"}
    async with browser() as client:
        page = await client.get("/docs")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        wanted = [address for address in Addresses(page.text).found if not address.startswith("data:")]
        assert len(wanted) == 4
        for address in wanted:
            found = await client.get(urljoin("http://antiphon/docs", address))
            assert found.status_code == 200, address
            assert found.headers["content-type"] == kinds[address.rpartition(".")[2]]


def test_the_page_names_no_other_host_and_has_no_script_of_its_own() -> None:
    html = (ASSETS / "docs.html").read_text(encoding="utf-8")
    page = Addresses(html)
    assert page.scripts == []
    assert [address for address in page.found if urlsplit(address).netloc] == []
    for text in (html, (ASSETS / "docs.js").read_text(encoding="utf-8")):
        assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text) == []


def test_the_page_asks_nobody_to_validate_the_document() -> None:
    assert "validatorUrl: null" in (ASSETS / "docs.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", *(f"/docs/{name}" for name in docs.ASSETS)])
async def test_the_browser_is_told_to_trust_nothing_else(path: str) -> None:
    async with browser() as client:
        headers = (await client.get(path)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert not any("http" in sources or "*" in sources for sources in policy.values())
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    ["/docs/docs.html", "/docs/VERSIONS", "/docs/%2e%2e%2fdocs.py", "/docs/swagger-ui%2fLICENSE", "/docs/", "/docs/x"],
)
async def test_only_what_the_table_names_is_served(path: str) -> None:
    async with browser() as client:
        reply = await client.get(path)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_url")


def test_what_comes_from_others_is_unchanged_and_all_of_it_listed() -> None:
    folder = ASSETS / "swagger-ui"
    lines = (folder / "VERSIONS").read_text(encoding="utf-8").splitlines()
    told = dict(line.removeprefix("# ").split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
    assert (told["name"], told["licence"].split()[0]) == ("swagger-ui-dist", "Apache-2.0")
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["version"])
    listed = {name: digest for digest, name in (line.split() for line in lines if not line.startswith("#"))}
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    del there["VERSIONS"]
    assert listed == there


# -- against the running server ---------------------------------------------------------------------------------


async def test_a_real_answer_and_a_real_stream_are_as_described(api: Api) -> None:
    assert complaints("Response", await api.create()) == []
    stream = await api.stream()
    assert [complaint for event in stream.events for complaint in complaints("Event", event)] == []


@pytest.mark.parametrize("endpoint", [each for each in SHOWN if each.body and "{" not in each.path], ids=row)
async def test_every_example_is_taken(api: Api, endpoint: Endpoint) -> None:
    example = openapi.EXAMPLES[cast("type[Struct]", endpoint.body)]
    reply = await api.request(endpoint.method, endpoint.path, json=example)
    assert reply.status == endpoint.status, reply.body
