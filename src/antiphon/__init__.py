"""An open server that gives every model OpenAI's Responses API."""

__version__ = "0.1.0"
