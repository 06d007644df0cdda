"""Chat Completions, as OpenAI documents it and as its look-alikes speak it."""

from antiphon.codecs.chat.codec import CHAT

__all__ = ["CHAT"]
