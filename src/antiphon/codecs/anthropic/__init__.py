"""Anthropic's Messages, as Anthropic documents it and as its look-alikes speak it."""

from antiphon.codecs.anthropic.codec import ANTHROPIC

__all__ = ["ANTHROPIC"]
