"""The built-in demo models: no network, no key, the same answer to the same question every time."""

from antiphon.providers.demo.models import DemoModels

__all__ = ["DemoModels"]
