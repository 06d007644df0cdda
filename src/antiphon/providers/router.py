"""From the name in a request to a model.

A request names an alias of the operator's, `provider/model`, or the model alone where one provider serves it. A
provider serves the names and patterns of its settings; without any, the names that its own list has, and, under its
full name, whatever else it may know: a name that we can't check is the provider's to refuse.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from antiphon.errors import BadRequest
from antiphon.ports import Model
from antiphon.providers.breaker import Breaker, NeverOpens
from antiphon.providers.provider import Provider
from antiphon.providers.routed import RoutedModel, Target
from antiphon.types.health import ProviderHealth
from antiphon.types.models import Modality, ModelCard
from antiphon.types.profiles import Profile

MAX_CACHED = 10_000
"""Names that are remembered with their model; a client can't grow the table beyond that."""

Share = tuple[str, float | None]
"""A target of an alias: its full name, and its weight where targets have one."""


class Router:
    """All models: the operator's aliases, the built-in demo models, and those of the providers."""

    def __init__(
        self,
        providers: Sequence[Provider],
        aliases: Mapping[str, Sequence[Share]],
        *,
        demo: Callable[[str], Model | None],
        demo_names: Sequence[str],
        target: Callable[[Provider, str], Target],
        routed: Callable[[Sequence[Target], Sequence[float] | None], RoutedModel],
    ) -> None:
        """`target` makes the way to a model of a provider, `routed` a model of one or several of them."""
        self.providers = list(providers)
        self._aliases = aliases
        self._demo = demo
        self._demo_names = demo_names
        self._make_target = target
        self._make_routed = routed
        self._targets: dict[tuple[str, str], Target] = {}
        self._found: dict[str, Model] = {}
        self._cards: list[ModelCard] | None = None

    def find(self, name: str) -> Model:
        """Return the model that a request names. Raises BadRequest."""
        model = self._found.get(name)
        if model is None:
            model = self._search(name)
            if len(self._found) < MAX_CACHED:
                self._found[name] = model
        return model

    def cards(self) -> list[ModelCard]:
        """Return every model known by name, as a request may name it: aliases first."""
        if self._cards is None:
            self._cards = [
                *(self._alias_card(name, shares) for name, shares in self._aliases.items()),
                *(ModelCard(id=name, object="model", created=0, owned_by="demo") for name in self._demo_names),
                *(
                    _card(f"{provider.name}/{name}", provider.name, provider.profile(name))
                    for provider in self.providers
                    for name in provider.names()
                ),
            ]
        return self._cards

    def health(self) -> list[ProviderHealth]:
        """Return how each provider is now, without asking it."""
        breakers: dict[str, dict[str, Breaker]] = {provider.name: {} for provider in self.providers}
        for (name, model), target in self._targets.items():
            breakers[name][model] = target.breaker
        return [provider.health(breakers[provider.name]) for provider in self.providers]

    def add(self, provider: Provider) -> None:
        """Serve a provider that was found while running."""
        self.providers.append(provider)
        self._forget({provider.name})

    async def learn(self) -> None:
        """Ask every provider for its models and what it tells of them."""
        changed = {provider.name for provider in self.providers if await provider.learn()}
        if changed:
            self._forget(changed)

    def _forget(self, changed: AbstractSet[str]) -> None:
        """Look names up anew; how the models of other providers fare is still known."""
        self._found.clear()
        self._targets = {key: target for key, target in self._targets.items() if key[0] not in changed}
        self._cards = None

    def _search(self, name: str) -> Model:
        if (shares := self._aliases.get(name)) is not None:
            return self._alias(shares)
        if demo := self._demo(name.removeprefix("demo/")):
            return demo
        return self._make_routed([self._target(*self._named(name))], None)

    def _alias(self, shares: Sequence[Share]) -> Model:
        """Return the model of an alias: of all its targets that are there. Raises BadRequest when none is."""
        targets: list[Target] = []
        weights: list[float] = []
        missing: BadRequest | None = None
        for name, weight in shares:
            try:
                targets.append(self._lead(name))
                weights += [] if weight is None else [weight]
            except BadRequest as error:  # a provider that has yet to be found, or doesn't serve it
                missing = missing or error
        if missing is not None and not targets:
            raise missing
        return self._make_routed(targets, weights or None)

    def _lead(self, name: str) -> Target:
        """Return the target that a full name leads to. Raises BadRequest."""
        if name.startswith("demo/") and (demo := self._demo(name.removeprefix("demo/"))):
            return Target(name, demo, NeverOpens(time.monotonic), time.monotonic)
        return self._target(*self._named(name))

    def _named(self, name: str) -> tuple[Provider, str]:
        """Return the provider of a model and its name there. Raises BadRequest."""
        first, slash, rest = name.partition("/")
        for provider in self.providers:
            if slash and provider.name == first and provider.may_serve(rest):
                return provider, rest
        serving = [provider for provider in self.providers if provider.serves(name)]
        if len(serving) == 1:
            return serving[0], name
        raise self._unknown(name, serving)

    def _target(self, provider: Provider, model: str) -> Target:
        """Return the way to a model, the same for every name that leads to it: it remembers how it fares."""
        key = (provider.name, model)
        target = self._targets.get(key)
        if target is None:
            target = self._make_target(provider, model)
            if len(self._targets) < MAX_CACHED:
                self._targets[key] = target
        return target

    def _alias_card(self, name: str, shares: Sequence[Share]) -> ModelCard:
        targets = [full for full, _ in shares]
        try:
            provider, model = self._named(targets[0])
        except BadRequest:  # a provider that has yet to be found
            return ModelCard(id=name, object="model", created=0, owned_by="alias", targets=targets)
        return _card(name, "alias", provider.profile(model), targets=targets)

    def _unknown(self, name: str, serving: Sequence[Provider]) -> BadRequest:
        if serving:
            full = " or ".join(f"'{provider.name}/{name}'" for provider in serving)
            text = f"The model '{name}' is served by more than one provider; name it as {full}."
        else:
            text = f"The model '{name}' does not exist or you do not have access to it."
        return BadRequest(text, code="model_not_found", param="model")


def _card(name: str, owner: str, profile: Profile, targets: Sequence[str] | None = None) -> ModelCard:
    """Return what is known of a model, for those who choose one."""
    takes: dict[Modality, bool] = {
        "text": True,
        "image": profile.images,
        "file": profile.files,
        "audio": profile.audio,
    }
    return ModelCard(
        id=name,
        object="model",
        created=0,
        owned_by=owner,
        targets=targets,
        context_window=profile.context_window,
        max_output_tokens=profile.output_limit,
        input_modalities=[kind for kind, is_taken in takes.items() if is_taken],
        tools=profile.tools,
        structured_output="native" if profile.json_schema else "emulated",
        reasoning_efforts=sorted(profile.efforts) if profile.efforts is not None else None,
    )
