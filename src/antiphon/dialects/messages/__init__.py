"""Messages, as Anthropic's clients speak it (anthropic 2.8)."""

from antiphon.dialects.messages.answer import PING, Stream, whole
from antiphon.dialects.messages.errors import MessagesError, refusal
from antiphon.dialects.messages.request import read
from antiphon.dialects.messages.wire import MessagesAnswer, MessagesEvent, MessagesRequest

__all__ = [
    "PING",
    "MessagesAnswer",
    "MessagesError",
    "MessagesEvent",
    "MessagesRequest",
    "Stream",
    "read",
    "refusal",
    "whole",
]
