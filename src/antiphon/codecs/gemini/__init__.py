"""Gemini's generateContent, as Google's developer API and its Vertex speak it."""

from antiphon.codecs.gemini.codec import GEMINI

__all__ = ["GEMINI"]
