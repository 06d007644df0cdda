"""Answers that fit a JSON schema, from models that can't promise it."""

from antiphon.providers.structured.model import StructuredModel, structured

__all__ = ["StructuredModel", "structured"]
