"""Messages, as Anthropic's clients speak it (anthropic 2.8)."""

from antiphon.dialects.messages.answer import PING, Stream, whole
from antiphon.dialects.messages.errors import MessagesError, refusal
from antiphon.dialects.messages.request import read, read_count
from antiphon.dialects.messages.wire import (
    CountMessages,
    MessagesAnswer,
    MessagesEvent,
    MessagesRequest,
    MessagesTokens,
)

__all__ = [
    "PING",
    "CountMessages",
    "MessagesAnswer",
    "MessagesError",
    "MessagesEvent",
    "MessagesRequest",
    "MessagesTokens",
    "Stream",
    "read",
    "read_count",
    "refusal",
    "whole",
]
