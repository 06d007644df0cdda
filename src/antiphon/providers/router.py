"""From the name in a request to a model.

A request names `provider/model`, or the model alone where one provider serves it. A provider serves the names
and patterns of its settings; without any, the names that its own `/models` lists, and, under its full name,
whatever else it may know: a name that we can't check is the provider's to refuse.
"""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from antiphon.errors import BadRequest, ProviderError
from antiphon.ports import Codec, Model
from antiphon.providers.transport import Line
from antiphon.providers.upstream import UpstreamModel
from antiphon.telemetry import Level, log
from antiphon.types.models import ModelCard
from antiphon.types.profiles import Profile

MAX_CACHED = 10_000
"""Names that are remembered with their model; a client can't grow the table beyond that."""


@dataclass
class Provider:
    """A provider as the router sees it. `patterns` None means that it is asked for its models."""

    name: str
    codec: Codec
    line: Line
    profile: Profile
    patterns: Sequence[str] | None = None
    listed: Sequence[str] = field(default_factory=tuple)

    def serves(self, model: str) -> bool:
        """Say whether the model is known to be this provider's."""
        names = self.patterns if self.patterns is not None else self.listed
        return any(fnmatch.fnmatchcase(model, name) for name in names)

    def may_serve(self, model: str) -> bool:
        """Say whether the model may be asked of it by its full name."""
        return bool(model) and (self.patterns is None or self.serves(model))

    def names(self) -> list[str]:
        """Return the models known by name: no patterns."""
        known = self.patterns if self.patterns is not None else self.listed
        exact = [name for name in known if not any(sign in name for sign in "*?[")]
        return exact + [name for name in self.listed if name not in exact and self.serves(name)]

    async def learn(self) -> None:
        """Ask the provider for its models; a failure leaves what was known."""
        try:
            status, body = await self.line.get("/models")
            if status == 200:
                self.listed = tuple(model.id for model in self.codec.listing(body))
                return
            cause = f"status {status}"
        except ProviderError as error:
            cause = str(error)
        log("models_unknown", Level.WARNING, provider=self.name, cause=cause)

    def model(self, name: str) -> Model:
        """Return one of its models."""
        return UpstreamModel(self.name, name, self.codec, self.line, self.profile)


class Router:
    """All models: the built-in demo models, and those of the providers."""

    def __init__(
        self, providers: Sequence[Provider], demo: Callable[[str], Model | None], demo_names: Sequence[str]
    ) -> None:
        self.providers = list(providers)
        self._demo = demo
        self._demo_names = demo_names
        self._found: dict[str, Model] = {}

    def find(self, name: str) -> Model:
        """Return the model that a request names. Raises BadRequest."""
        model = self._found.get(name)
        if model is None:
            model = self._search(name)
            if len(self._found) < MAX_CACHED:
                self._found[name] = model
        return model

    def cards(self) -> list[ModelCard]:
        """Return every model known by name, as a request may name it."""
        demos = [ModelCard(id=name, owned_by="demo") for name in self._demo_names]
        return demos + [
            ModelCard(id=f"{provider.name}/{name}", owned_by=provider.name)
            for provider in self.providers
            for name in provider.names()
        ]

    def add(self, provider: Provider) -> None:
        """Serve a provider that was found while running."""
        self.providers.append(provider)

    async def learn(self) -> None:
        """Ask every provider whose models the settings don't name."""
        for provider in self.providers:
            if provider.patterns is None:
                await provider.learn()
        self._found.clear()

    def _search(self, name: str) -> Model:
        if demo := self._demo(name.removeprefix("demo/")):
            return demo
        first, slash, rest = name.partition("/")
        for provider in self.providers:
            if slash and provider.name == first and provider.may_serve(rest):
                return provider.model(rest)
        serving = [provider for provider in self.providers if provider.serves(name)]
        if len(serving) == 1:
            return serving[0].model(name)
        raise self._unknown(name, serving)

    def _unknown(self, name: str, serving: Sequence[Provider]) -> BadRequest:
        if serving:
            full = " or ".join(f"'{provider.name}/{name}'" for provider in serving)
            text = f"The model '{name}' is served by more than one provider; name it as {full}."
        else:
            text = f"The model '{name}' does not exist or you do not have access to it."
        return BadRequest(text, code="model_not_found", param="model")
