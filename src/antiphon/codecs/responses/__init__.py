"""The Responses API, as OpenAI documents it and as its look-alikes speak it; the upstream remembers nothing for us."""

from antiphon.codecs.responses.codec import RESPONSES

__all__ = ["RESPONSES"]
