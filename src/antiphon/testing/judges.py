"""The judges of everything we say: the official client's types, the published schema, and the stream's grammar.

The types are those of the `openai` package in pydantic's strict mode: no string passes for a number. The schema
is Open Responses 2026-04-24, beside this file. Where the two exclude each other, or the schema can't know what
the API has, `_amended` lets it through, and nothing else.

The server never imports this module; it needs the packages `openai` and `jsonschema`.
"""

import functools
import json
import typing
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError as SchemaError
from openai import BaseModel, omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.conversations import Conversation, ConversationItem, ConversationItemList
from openai.types.responses import Response, ResponseItem, ResponseItemList, ResponseOutputItem, ResponseStreamEvent
from pydantic import TypeAdapter, ValidationError

from antiphon.testing import grammar
from antiphon.types.content import JsonObject
from antiphon.types.items import PASSED_ON
from antiphon.types.tools import HOSTED

SCHEMA = Path(__file__).with_name("openresponses-2026-04-24.json")
"""Open Responses as published (github.com/openresponses/openresponses, Apache-2.0)."""


class Misfit(AssertionError):
    """Something that a judge doesn't accept: who, what and where."""


# -- what is judged -------------------------------------------------------------------------------------------


def judge_response(body: bytes) -> None:
    """Raise Misfit unless both judges accept `body` as a response."""
    response = _parse(body)
    _by_schema("ResponseResource", response)
    for index, item in enumerate(response["output"]):
        _by_type("output", item, f"output[{index}]")
    _by_client(Response, _without_extensions(response, "output"), "response")


def judge_event(body: bytes) -> None:
    """Raise Misfit unless both judges accept `body` as an event of a stream."""
    _accept(bytes(body))


def judge_stream(frames: Sequence[bytes]) -> JsonObject:
    """Return the last snapshot of a stream of which every event is right, alone and in its place.

    `frames` are the JSON bodies of the events. The client's own accumulator hears them too, and must come to
    the same texts. Raises Misfit or grammar.Broken.
    """
    events = [_parse(frame) for frame in frames]
    for number, frame in enumerate(frames):
        try:
            _accept(frame)
        except Misfit as error:
            raise Misfit(f"event {number} ({events[number].get('type')}): {error}") from None
    last = grammar.check(events)
    _accumulate(events, last)
    return last


def judge_item(body: bytes) -> None:
    """Raise Misfit unless both judges accept `body` as an item of `input_items`."""
    item = _parse(body)
    _by_schema("ItemField", item)
    _by_type("item", item, "item")


def judge_item_list(body: bytes) -> None:
    """Raise Misfit unless the client accepts `body` as a page of `input_items`, and both judges its items."""
    page = _parse(body)
    for index, item in enumerate(page["data"]):
        _by_schema("ItemField", item, f"data[{index}]")
        _by_type("item", item, f"data[{index}]")
    _by_client(ResponseItemList, _without_extensions(page, "data"), "page")


def judge_conversation(body: bytes) -> None:
    """Raise Misfit unless the client accepts `body` as a conversation (the schema has none)."""
    _by_client(Conversation, _parse(body), "conversation")


def judge_conversation_item(body: bytes) -> None:
    """Raise Misfit unless both judges accept `body` as an item of a conversation."""
    item = _parse(body)
    _by_schema("ItemField", item)
    _by_type("conversation item", item, "item")


def judge_conversation_item_list(body: bytes) -> None:
    """Raise Misfit unless the client accepts `body` as a page of a conversation, and both judges its items."""
    page = _parse(body)
    for index, item in enumerate(page["data"]):
        _by_schema("ItemField", item, f"data[{index}]")
        _by_type("conversation item", item, f"data[{index}]")
    _by_client(ConversationItemList, _without_extensions(page, "data"), "page")


# -- the official client's types ------------------------------------------------------------------------------


def _members(union: Any) -> tuple[type[BaseModel], ...]:
    return typing.get_args(typing.get_args(union)[0])


def _by_tag(union: Any) -> dict[str, TypeAdapter[Any]]:
    """Return an adapter for each `type`: one class is tried, not sixty, and its complaint can be read."""
    classes: dict[str, list[type[BaseModel]]] = defaultdict(list)
    for member in _members(union):
        for tag in typing.get_args(member.model_fields["type"].annotation):
            classes[tag].append(member)
    return {tag: TypeAdapter(_either(found)) for tag, found in classes.items()}


def _either(classes: Sequence[Any]) -> Any:
    either = classes[0]
    for one in classes[1:]:
        either |= one
    return either


@functools.cache
def _adapters(what: str) -> dict[str, TypeAdapter[Any]]:
    unions: Mapping[str, Any] = {
        "event": ResponseStreamEvent,
        "output": ResponseOutputItem,
        "item": ResponseItem,
        "conversation item": ConversationItem,
    }
    return _by_tag(unions[what])


@functools.cache
def _adapter(model: type[BaseModel]) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def _by_client(model: type[BaseModel], value: JsonObject, where: str) -> Any:
    return _validated(_adapter(model), value, where)


def _by_type(what: str, value: JsonObject, where: str) -> Any:
    """Validate a member of a union; a type of an extension (`slug:name`) is nothing that the client knows."""
    kind = value.get("type")
    if _is_extension(kind):
        return None
    adapter = _adapters(what).get(str(kind))
    if adapter is None:
        raise Misfit(f"openai: {where}.type is {kind!r}, which the client doesn't know as {what}")
    return _validated(adapter, value, where)


def _validated(adapter: TypeAdapter[Any], value: JsonObject, where: str) -> Any:
    try:
        return adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:4])
        raise Misfit(f"openai: {where}: {said}") from None


def _is_extension(kind: object) -> bool:
    return isinstance(kind, str) and ":" in kind


def _without_extensions(value: JsonObject, key: str) -> JsonObject:
    return {**value, key: [item for item in value[key] if not _is_extension(item.get("type"))]}


@functools.lru_cache(maxsize=4096)  # suites say the same events again and again; only what is accepted is remembered
def _accept(body: bytes) -> None:
    event = _parse(body)
    _by_schema("StreamingEvent", event)
    response = event.get("response")
    if response is not None:
        for index, item in enumerate(response["output"]):
            _by_type("output", item, f"response.output[{index}]")
        event = {**event, "response": _without_extensions(response, "output")}
    item = event.get("item")
    if item is not None:
        _by_type("output", item, "item")
    if item is None or not _is_extension(item.get("type")):
        _by_type("event", event, "event")


def _accumulate(events: Sequence[JsonObject], last: JsonObject) -> None:
    """Let the client's stream helper hear `events`; what it made of them must be what `last` says."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pydantic's, at items of extensions
        for number, event in enumerate(events):
            try:
                state.handle_event(construct_type(type_=ResponseStreamEvent, value=event))  # type: ignore[arg-type] # as the client calls it
            except (RuntimeError, AssertionError, LookupError, AttributeError) as error:
                raise Misfit(f"openai: event {number} ({event['type']}): the accumulator says {error!r}") from error
    inside: JsonObject = vars(state)  # it has no other door
    heard = [_words(item.to_dict(warnings=False)) for item in inside["_ResponseStreamState__current_snapshot"].output]
    wanted = [_words(item) for item in last["output"]]
    if heard != wanted:
        raise Misfit(f"openai: the accumulator heard {heard!r}, the last snapshot says {wanted!r}")
    if (inside["_completed_response"] is not None) != (last["status"] == "completed"):
        raise Misfit(f"openai: the accumulator holds a completed response, but it ended as {last['status']}")


def _words(item: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what the accumulator follows: texts of messages and arguments of functions."""
    parts = item.get("content") or () if item["type"] == "message" else ()
    texts = [part["text"] for part in parts if part["type"] == "output_text"]
    return item["id"], item["type"], texts, item.get("arguments") if item["type"] == "function_call" else None


# -- the published schema -------------------------------------------------------------------------------------


def _open(kinds: Sequence[str], *required: str) -> JsonObject:
    """Return a branch that accepts any object of these types."""
    return {"type": "object", "properties": {"type": {"enum": list(kinds)}}, "required": ["type", *required]}


def _extension(*required: str) -> JsonObject:
    """Return a branch for the types of extensions: `slug:name`."""
    kind = {"type": "string", "pattern": "^[^:]+:[^:]+$"}
    return {"type": "object", "properties": {"type": kind}, "required": ["type", *required]}


def _amended(schemas: JsonObject) -> JsonObject:
    """Return the schemas with what they can't know let through. Every line here is one exception; keep it so."""
    # The one defect: a JSON schema that is echoed can only be null as published.
    schemas["JsonSchemaResponseFormat"]["properties"]["schema"] = {"type": ["object", "null"]}

    # Items of the API that Open Responses doesn't have, and those of extensions, with the keys it wants of them.
    beyond = sorted({"custom_tool_call", "custom_tool_call_output", "additional_tools", *PASSED_ON} - {"compaction"})
    schemas["ItemField"]["oneOf"] += [_open(beyond), _extension("id", "status")]

    # Tools of the API, echoed as they were asked for, and the choices among them.
    schemas["Tool"]["oneOf"] += [_open(["custom", "namespace", *sorted(HOSTED)]), _extension()]
    kinds = ["custom", "mcp", *sorted(HOSTED)]
    choice = schemas["ResponseResource"]["properties"]["tool_choice"]
    choice["oneOf"] += [_open(kinds)]
    schemas["AllowedToolChoice"]["properties"]["tools"]["items"]["oneOf"] += [_open(kinds)]

    # Annotations that file search and the code interpreter make.
    schemas["Annotation"]["oneOf"] += [_open(["file_citation", "container_file_citation", "file_path"]), _extension()]

    # Reasoning efforts that newer models have.
    schemas["ReasoningEffortEnum"]["enum"] += ["minimal", "max"]

    # A part that the client's types have for stored messages, and screenshots in outputs of the computer tool.
    schemas["Message"]["properties"]["content"]["items"]["oneOf"] += [_open(["computer_screenshot"])]

    # Events: `StreamingEvent` is our name for the union. The raw reasoning events are called `response.reasoning.*`
    # there and `response.reasoning_text.*` by the client; each is unknown to the other, and ours are the client's.
    known = [{"$ref": f"#/components/schemas/{name}"} for name in schemas if name.endswith("StreamingEvent")]
    reasoning = [{**schemas[f"ResponseReasoning{name}StreamingEvent"]} for name in ("Delta", "Done")]
    for event, kind in zip(reasoning, ("delta", "done"), strict=True):
        event["properties"] = {**event["properties"], "type": {"enum": [f"response.reasoning_text.{kind}"]}}
    said = {kind for event in known for kind in _tags(schemas[event["$ref"].rpartition("/")[2]])}
    others = sorted(set(_adapters("event")) - said - {f"response.reasoning_text.{kind}" for kind in ("delta", "done")})
    schemas["StreamingEvent"] = {
        "oneOf": [*known, *reasoning, _open(others, "sequence_number"), _extension("sequence_number")],
        "discriminator": {"propertyName": "type"},
    }
    return schemas


def _has_tag(branch: JsonObject, kind: object) -> bool:
    tag = branch["properties"]["type"]
    return kind in tag["enum"] if "enum" in tag else _is_extension(kind)


def _tags(schema: JsonObject) -> list[str]:
    return list(schema["properties"]["type"]["enum"])


def _resolved(value: list[Any] | JsonObject | str | float | None, schemas: JsonObject, seen: JsonObject) -> Any:
    """Return `value` with its references followed, which makes judging much faster; none of them is a circle."""
    if isinstance(value, list):
        return [_resolved(inner, schemas, seen) for inner in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        if name not in seen:
            seen[name] = _resolved(schemas[name], schemas, seen)
        return seen[name]
    return {key: _resolved(inner, schemas, seen) for key, inner in value.items()}


@functools.cache
def _schemas() -> JsonObject:
    schemas = _amended(json.loads(SCHEMA.read_bytes())["components"]["schemas"])
    seen: dict[str, Any] = {}
    return {
        name: _resolved(schemas[name], schemas, seen) for name in ("ResponseResource", "ItemField", "StreamingEvent")
    }


def _one_of(validator: Any, branches: list[JsonObject], value: Any, schema: JsonObject) -> Iterator[SchemaError]:
    """`oneOf` as OpenAPI means it where there is a discriminator: the branch that has this `type`."""
    if "discriminator" not in schema or not isinstance(value, dict):
        yield from Draft202012Validator.VALIDATORS["oneOf"](validator, branches, value, schema)
        return
    kind = typing.cast("JsonObject", value).get("type")
    for branch in branches:
        if _has_tag(branch, kind):
            yield from validator.descend(value, branch)
            return
    yield SchemaError(f"type {kind!r} is none of this union's")


_Validator: Any = validators.extend(Draft202012Validator, {"oneOf": _one_of})  # type: ignore[no-untyped-call]


@functools.cache
def _validator(name: str) -> Any:
    return _Validator(_schemas()[name])


def _by_schema(name: str, value: JsonObject, where: str = "") -> None:
    for error in _validator(name).iter_errors(value):
        path = error.json_path.removeprefix("$")
        raise Misfit(f"Open Responses: {where}{path}: {error.message[:400]}")


def _parse(body: bytes) -> JsonObject:
    """Return the object that `body` is; strict JSON, no key twice."""

    def pairs(found: list[tuple[str, Any]]) -> JsonObject:
        if len({key for key, _ in found}) != len(found):
            raise Misfit(f"a key stands twice among {[key for key, _ in found]}")
        return dict(found)

    def constant(name: str) -> None:
        raise Misfit(f"{name} is no JSON")

    try:
        value: Any = json.loads(body.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant)
    except ValueError as error:
        raise Misfit(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Misfit(f"an object is wanted, not {value!r}")
    return typing.cast("JsonObject", value)
