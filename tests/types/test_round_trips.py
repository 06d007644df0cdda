"""The vocabulary against the official client's: the same names, the same types, and bytes that stay as they are."""

import types
import typing
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from msgspec import Raw, Struct
from openai.types import conversations as theirs_conversations
from openai.types import responses as theirs
from openai.types import shared
from openai.types.responses import (
    response_create_params,
    response_input_item,
    response_output_text,
    response_reasoning_item,
    response_usage,
)
from openai.types.responses.input_token_count_params import InputTokenCountParams
from openai.types.responses.input_token_count_response import InputTokenCountResponse
from openai.types.responses.response import Conversation as ConversationOfResponse
from openai.types.responses.response import IncompleteDetails as TheirIncompleteDetails
from openai.types.responses.response import ToolChoice as TheirToolChoice
from openai.types.shared.response_format_json_object import ResponseFormatJSONObject
from openai.types.shared.response_format_text import ResponseFormatText

from antiphon.types import content, conversations, events, items, responses, tools
from antiphon.types.kept import Kept

OF_OPEN_RESPONSES = {"presence_penalty", "frequency_penalty", "store"}
"""Fields of a response that Open Responses wants and the client doesn't have."""

TABLE: list[tuple[type[Struct], Any, set[str]]] = [
    # ours, the client's, and the names that we have and it hasn't
    (content.InputText, theirs.ResponseInputText, set()),
    (content.InputImage, theirs.ResponseInputImage, set()),
    (content.InputFile, theirs.ResponseInputFile, set()),
    (content.InputAudio, theirs.ResponseInputAudio, set()),
    (content.TopLogprob, response_output_text.LogprobTopLogprob, set()),
    (content.Logprob, response_output_text.Logprob, set()),
    (content.OutputText, theirs.ResponseOutputText, set()),
    (content.Refusal, theirs.ResponseOutputRefusal, set()),
    (content.ReasoningText, response_reasoning_item.Content, set()),
    (content.SummaryText, response_reasoning_item.Summary, set()),
    (content.PlainText, theirs_conversations.TextContent, set()),
    (items.Message, theirs_conversations.Message, set()),
    (items.OutputMessage, theirs.ResponseOutputMessage, set()),
    (items.FunctionCall, theirs.ResponseFunctionToolCallItem, set()),
    (items.FunctionCallOutput, theirs.ResponseFunctionToolCallOutputItem, set()),
    (items.CustomToolCall, theirs.ResponseCustomToolCallItem, set()),
    (items.CustomToolCallOutput, theirs.ResponseCustomToolCallOutput, set()),
    (items.Reasoning, theirs.ResponseReasoningItem, set()),
    (items.ItemReference, response_input_item.ItemReference, set()),
    (items.AdditionalTools, response_input_item.AdditionalTools, set()),
    (events.Created, theirs.ResponseCreatedEvent, set()),
    (events.Queued, theirs.ResponseQueuedEvent, set()),
    (events.InProgress, theirs.ResponseInProgressEvent, set()),
    (events.Completed, theirs.ResponseCompletedEvent, set()),
    (events.Incomplete, theirs.ResponseIncompleteEvent, set()),
    (events.Failed, theirs.ResponseFailedEvent, set()),
    (events.ItemAdded, theirs.ResponseOutputItemAddedEvent, set()),
    (events.ItemDone, theirs.ResponseOutputItemDoneEvent, set()),
    (events.PartAdded, theirs.ResponseContentPartAddedEvent, set()),
    (events.PartDone, theirs.ResponseContentPartDoneEvent, set()),
    (events.TextDelta, theirs.ResponseTextDeltaEvent, set()),
    (events.TextDone, theirs.ResponseTextDoneEvent, set()),
    (events.AnnotationAdded, theirs.ResponseOutputTextAnnotationAddedEvent, set()),
    (events.RefusalDelta, theirs.ResponseRefusalDeltaEvent, set()),
    (events.RefusalDone, theirs.ResponseRefusalDoneEvent, set()),
    (events.ArgumentsDelta, theirs.ResponseFunctionCallArgumentsDeltaEvent, set()),
    (events.ArgumentsDone, theirs.ResponseFunctionCallArgumentsDoneEvent, {"name"}),  # older clients require it
    (events.CustomInputDelta, theirs.ResponseCustomToolCallInputDeltaEvent, set()),
    (events.CustomInputDone, theirs.ResponseCustomToolCallInputDoneEvent, set()),
    (events.ReasoningDelta, theirs.ResponseReasoningTextDeltaEvent, set()),
    (events.ReasoningDone, theirs.ResponseReasoningTextDoneEvent, set()),
    (events.SummaryPartAdded, theirs.ResponseReasoningSummaryPartAddedEvent, set()),
    (events.SummaryPartDone, theirs.ResponseReasoningSummaryPartDoneEvent, set()),
    (events.SummaryDelta, theirs.ResponseReasoningSummaryTextDeltaEvent, set()),
    (events.SummaryDone, theirs.ResponseReasoningSummaryTextDoneEvent, set()),
    (tools.FunctionTool, theirs.FunctionTool, set()),
    (tools.CustomTool, theirs.CustomTool, set()),
    (tools.FreeFormat, shared.custom_tool_input_format.Text, set()),
    (tools.GrammarFormat, shared.custom_tool_input_format.Grammar, set()),
    (tools.NamespaceTool, theirs.NamespaceTool, set()),
    (tools.FunctionChoice, theirs.ToolChoiceFunction, set()),
    (tools.CustomChoice, theirs.ToolChoiceCustom, set()),
    (tools.AllowedTools, theirs.ToolChoiceAllowed, set()),
    (tools.McpChoice, theirs.ToolChoiceMcp, set()),
    (tools.FileSearchChoice, theirs.ToolChoiceTypes, set()),
    (tools.WebSearchChoice, theirs.ToolChoiceTypes, set()),
    (tools.DatedWebSearchChoice, theirs.ToolChoiceTypes, set()),
    (tools.CodeInterpreterChoice, theirs.ToolChoiceTypes, set()),
    (tools.ImageGenerationChoice, theirs.ToolChoiceTypes, set()),
    (tools.ComputerChoice, theirs.ToolChoiceTypes, set()),
    (tools.ComputerUseChoice, theirs.ToolChoiceTypes, set()),
    (tools.ComputerPreviewChoice, theirs.ToolChoiceTypes, set()),
    (tools.ProgrammaticChoice, theirs.response.ToolChoiceSpecificProgrammaticToolCallingParam, set()),
    (tools.ShellChoice, theirs.ToolChoiceShell, set()),
    (tools.ApplyPatchChoice, theirs.ToolChoiceApplyPatch, set()),
    (responses.TextFormat, ResponseFormatText, set()),
    (responses.JsonObjectFormat, ResponseFormatJSONObject, set()),
    (responses.JsonSchemaFormat, theirs.ResponseFormatTextJSONSchemaConfig, set()),
    (responses.Text, theirs.ResponseTextConfig, set()),
    (responses.TextEcho, theirs.ResponseTextConfig, set()),
    (responses.ReasoningOptions, shared.Reasoning, set()),
    (responses.ReasoningEcho, shared.Reasoning, set()),
    (responses.StreamOptions, response_create_params.StreamOptions, set()),
    (responses.ConversationRef, ConversationOfResponse, set()),
    (
        responses.CreateResponse,
        response_create_params.ResponseCreateParamsNonStreaming,
        # `client_metadata` is sent by a client of OpenAI's own, and is in none of its published types.
        {"presence_penalty", "frequency_penalty", "client_metadata"},
    ),
    (responses.IncompleteDetails, TheirIncompleteDetails, set()),
    (responses.ResponseError, theirs.ResponseError, set()),
    (responses.InputTokensDetails, response_usage.InputTokensDetails, set()),
    (responses.OutputTokensDetails, response_usage.OutputTokensDetails, set()),
    (responses.Usage, theirs.ResponseUsage, set()),
    (responses.Response, theirs.Response, OF_OPEN_RESPONSES),
    (responses.InputTokens, InputTokenCountResponse, set()),
    (responses.CountInput, InputTokenCountParams, set()),
    (responses.Page, theirs.ResponseItemList, set()),
    (conversations.Conversation, theirs_conversations.Conversation, set()),
    (conversations.ItemList, theirs_conversations.ConversationItemList, set()),
    (responses.Deleted, theirs_conversations.ConversationDeletedResource, set()),
]

OURS_ALONE: set[type[Struct]] = {
    content.AudioData,  # the client has it only as a class inside another
    tools.AllowedTool,  # plain objects to the client
    events.Relayed,  # carries an event, is none
    conversations.CreateConversation,  # bodies that the client knows as keyword arguments
    conversations.UpdateConversation,
    conversations.AddItems,
}


def structs(*modules: types.ModuleType) -> Iterable[type[Struct]]:
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Struct) and value.__module__ == module.__name__:
                yield value


def names(kind: type[Struct]) -> set[str]:
    """The keys that a Struct has on the wire."""
    tag = {"type"} if kind.__struct_config__.tag else set()
    return {field.encode_name for field in msgspec.structs.fields(kind)} | tag


def their_names(kind: Any) -> tuple[set[str], set[str]]:
    """All keys of one of the client's types, and the required ones."""
    if hasattr(kind, "__required_keys__"):  # a TypedDict, of parameters
        return set(kind.__required_keys__ | kind.__optional_keys__), set(kind.__required_keys__)
    fields = {field.alias or name: field for name, field in kind.model_fields.items()}
    return set(fields), {name for name, field in fields.items() if field.is_required()}


@pytest.mark.parametrize(
    ("ours", "their", "more"), TABLE, ids=[f"{o.__module__[15:]}.{o.__name__}" for o, _, _ in TABLE]
)
def test_our_names_are_the_clients_and_nothing_that_it_requires_is_missing(
    ours: type[Struct], their: Any, more: set[str]
) -> None:
    known, required = their_names(their)
    assert names(ours) - known == more
    assert required - names(ours) == set()


def test_every_struct_of_the_wire_is_held_against_the_clients() -> None:
    tabled = {ours for ours, _, _ in TABLE}
    assert len(tabled) == len(TABLE)
    assert set(structs(content, items, events, tools, responses, conversations)) == tabled | OURS_ALONE


def tags(union: Any) -> set[str]:
    """Every `type` of one of the client's unions."""
    found: set[str] = set()
    members = typing.get_args(union)
    if typing.get_origin(union) is typing.Annotated:
        members = typing.get_args(members[0])
    for member in members:
        if hasattr(member, "model_fields"):
            found |= literals(member.model_fields["type"].annotation)
    return found


def literals(annotation: Any) -> set[str]:
    if isinstance(annotation, str):
        return {annotation}
    return {text for inner in typing.get_args(annotation) for text in literals(inner)}


VIEWED = {kind.type for kind in typing.get_args(items.Item)}


def test_every_item_of_the_api_is_viewed_or_passed_on_and_none_is_both() -> None:
    assert not VIEWED & items.PASSED_ON
    known = tags(theirs.ResponseInputItem) | tags(theirs.ResponseItem)
    assert known == VIEWED | items.PASSED_ON


def test_every_tool_of_the_api_is_known() -> None:
    assert tools.HOSTED | {kind.type for kind in typing.get_args(tools.Tool)} == tags(theirs.Tool)


def test_every_event_of_ours_is_one_of_the_clients() -> None:
    ours = {kind.type for kind in typing.get_args(events.Event) if kind is not events.Relayed}
    assert ours <= tags(theirs.ResponseStreamEvent)


def test_every_choice_of_tools_is_known() -> None:
    ours = {str(kind.type) for kind in typing.get_args(tools.ToolChoice) if hasattr(kind, "type")}
    assert ours == tags(TheirToolChoice)


LISTS: dict[str, tuple[Any, Any]] = {
    "include": (responses.Include, theirs.ResponseIncludable),
    "effort": (responses.Effort, shared.ReasoningEffort),
    "summary": (responses.Summary, shared.Reasoning.model_fields["summary"].annotation),
    "service tier": (responses.ServiceTier, theirs.ServiceTier),
    "status of a response": (responses.ResponseStatus, theirs.ResponseStatus),
    "incomplete reason": (responses.IncompleteReason, TheirIncompleteDetails.model_fields["reason"].annotation),
    "verbosity": (responses.Verbosity, theirs.ResponseTextConfig.model_fields["verbosity"].annotation),
    "truncation": (responses.Truncation, theirs.Response.model_fields["truncation"].annotation),
    "mode of tools": (tools.ToolMode, theirs.ToolChoiceOptions),
    "phase": (items.Phase, theirs.ResponseOutputMessage.model_fields["phase"].annotation),
    "status of an item": (items.Status, theirs.ResponseOutputMessage.model_fields["status"].annotation),
    "detail": (content.Detail, theirs.ResponseInputImage.model_fields["detail"].annotation),
}


@pytest.mark.parametrize(("ours", "their"), LISTS.values(), ids=LISTS.keys())
def test_closed_lists_have_the_clients_values(ours: Any, their: Any) -> None:
    assert literals(ours) == literals(their)


def test_every_parameter_of_a_response_is_known() -> None:
    known, _ = their_names(response_create_params.ResponseCreateParamsNonStreaming)
    assert known - names(responses.CreateResponse) - {"background_options"} == set()  # newer than the pinned client


# -- bytes ----------------------------------------------------------------------------------------------------

RECEIVED = [
    b'{"type":"message","role":"user","content":"Hi","newer":{"b":1,"a":2.50}}',
    b'{ "content" : [ {"text":"\\u0041", "type":"input_text"} ] , "role":"user", "type":"message" }',
    b'{"type":"function_call","call_id":"c","name":"look","arguments":"{\\"a\\": 1}","newer":null}',
]


@pytest.mark.parametrize("received", RECEIVED, ids=["newer field", "spaces", "newer null"])
def test_what_is_kept_is_spoken_with_the_very_bytes_received(received: bytes) -> None:
    (raw,) = msgspec.json.decode(b"[" + received + b"]", type=list[Raw])
    kept: Kept[items.Item] = Kept(raw, msgspec.json.decode(raw, type=items.Item))
    assert bytes(kept.raw) == received
    assert msgspec.json.encode({"item": kept.raw}) == b'{"item":' + received + b"}"
    assert kept.view is not None


WHOLE: list[tuple[Any, bytes]] = [
    (items.Item, b'{"type":"message","role":"user","content":"Hi"}'),
    (items.Item, b'{"type":"message","id":"m","status":"completed","role":"user","content":[]}'),
    (items.Item, b'{"type":"function_call","id":"f","call_id":"c","name":"n","arguments":"","status":"incomplete"}'),
    (items.Item, b'{"type":"function_call_output","call_id":"c","output":{"a":[1]}}'),
    (items.Item, b'{"type":"custom_tool_call","call_id":"c","name":"n","input":"","namespace":"ns"}'),
    (items.Item, b'{"type":"custom_tool_call_output","call_id":"c","output":[{"type":"input_text","text":"x"}]}'),
    (items.Item, b'{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"x"}'),
    (items.Item, b'{"type":"item_reference","id":"m"}'),
    (items.Item, b'{"type":"additional_tools","role":"developer","tools":[{"type":"shell"}]}'),
    (content.OutputPart, b'{"type":"output_text","text":"x","annotations":[{"type":"new"}],"logprobs":[]}'),
    (content.OutputPart, b'{"type":"refusal","refusal":"no"}'),
    (tools.ToolChoice, b'{"type":"allowed_tools","mode":"auto","tools":[{"type":"mcp","server_label":"s"}]}'),
    (tools.ToolChoice, b'"required"'),
    (responses.Format, b'{"type":"json_schema","name":"a","description":null,"schema":{"a":1},"strict":null}'),
    (responses.ConversationRef, b'{"id":"conv_1"}'),
    (conversations.Conversation, b'{"id":"conv_1","object":"conversation","created_at":1,"metadata":{"a":"b"}}'),
]


@pytest.mark.parametrize(("kind", "wire"), WHOLE, ids=[str(number) for number in range(len(WHOLE))])
def test_what_we_read_we_write_the_same(kind: Any, wire: bytes) -> None:
    assert msgspec.json.encode(msgspec.json.decode(wire, type=kind)) == wire


def test_a_field_that_was_absent_stays_absent_and_null_stays_null() -> None:
    for wire in (
        b'{"type":"function_call","call_id":"c","name":"n","arguments":""}',
        b'{"type":"function_call","id":null,"call_id":"c","name":"n","arguments":"","status":null,"namespace":null}',
    ):
        assert msgspec.json.encode(msgspec.json.decode(wire, type=items.Item)) == wire


def test_an_event_of_ours_is_tagged_with_its_type() -> None:
    event = events.ArgumentsDelta(sequence_number=1, item_id="f", output_index=0, delta="{")
    assert msgspec.json.decode(msgspec.json.encode(event))["type"] == event.type
