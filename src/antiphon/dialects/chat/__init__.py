"""Chat Completions, as OpenAI's clients speak it (openai 3.51)."""

from antiphon.dialects.chat.answer import Stream, whole
from antiphon.dialects.chat.request import read
from antiphon.dialects.chat.wire import ChatCompletion, ChatCompletionChunk, ChatRequest

__all__ = ["ChatCompletion", "ChatCompletionChunk", "ChatRequest", "Stream", "read", "whole"]
