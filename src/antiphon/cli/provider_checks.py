"""What the doctor finds out of a provider: whether it is there, takes our keys, lists its models, and answers.

It speaks with it through the server's own codec, so that what works here works there.
"""

import difflib
import fnmatch
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime

from antiphon.cli.calling import Said, Unreachable, send
from antiphon.cli.checks import Check
from antiphon.codecs.formats import CODECS
from antiphon.config import Provider, Secret, Settings
from antiphon.engine.intake import read_input
from antiphon.errors import AntiphonError, ProviderBroke, ProviderError
from antiphon.ports import Codec
from antiphon.providers.catalog import BASES, profile_for
from antiphon.types.chunks import Stop
from antiphon.types.models import ListedModel
from antiphon.types.profiles import Profile
from antiphon.types.responses import CreateResponse
from antiphon.types.turns import Turn

LIST_LIMIT = 2.0
ASK_LIMIT = 30.0
"""Seconds without a byte, of a list and of an answer that a model makes."""

MAX_SKEW = 60.0
"""Seconds that a clock may be away from a provider's; certificates and expiring keys bear more."""

ANSWER_TOKENS = 16
"""What the answer to the doctor may cost; the Responses API takes no fewer."""

_VERSION = re.compile(r"/v\d+(?:alpha|beta)?\d*(?=/|$)")
_ENDPOINTS = ("/chat/completions", "/responses", "/messages", "/models")
_ROOTS: Mapping[str, Sequence[str]] = {"anthropic": ("/v1",), "gemini": ("/v1beta",)}
"""Where the API may be below an address without a version, by wire format; `/v1` and `/api/v1` for the others."""

_SILENT = (
    "embed", "rerank", "whisper", "transcri", "tts", "dall-e", "image", "moderation", "realtime", "audio", "guard",
)  # fmt: skip
"""Parts of the names of listed models that do other things than talk: one that is to be asked is better named."""


def check_provider(name: str, settings: Settings, *, ask: bool) -> Iterator[Check]:
    """Look at a provider with each of its keys, and with `ask` let one model answer."""
    looked = _Provider(name, settings)
    keys: Sequence[Secret | None] = looked.given.keys or [None]
    works: list[Secret | None] = []
    for key in keys:
        title = looked.title if len(keys) == 1 or key is None else f"{looked.title} ({key.source})"
        check = looked.check_list(title, key)
        yield check
        if check.verdict != "fail":
            works.append(key)
    if ask and works:
        yield looked.check_answer(works[0])


class _Provider:
    """One provider, its settings, and what it has told so far."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.title = f"provider {name}"
        self.given = settings.providers[name]
        self._codec: Codec = CODECS[self.given.wire]
        self._wanted = _wanted(name, self.given, settings)
        self._listed: Sequence[ListedModel] = ()

    # -- its list ---------------------------------------------------------------------------------------------

    def check_list(self, title: str, key: Secret | None) -> Check:
        """Ask for the models."""
        try:
            said = send(self.given, key, self._codec.models_path, limit=LIST_LIMIT)
        except Unreachable as error:
            return Check(title, "fail", f"{self.given.address}: {error.what}", self._remedy(error.remedy))
        listed = self._read(said)
        if listed:
            self._listed = listed
            return self._judge_names(title, said)
        if said.status != 200 and (trouble := self._trouble(title, said, key)):
            return trouble
        if listed is None and (better := self._better_address(key)):
            found = f"lists no models at {self.given.address}, but at {better}"
            return Check(title, "fail", found, self._remedy(f"set {{place}} to {better}"))
        found = "lists no models" if listed is not None else f"answers with {said.status} and lists no models"
        if self._wanted:
            return Check(title, "warn", found, "its models are named: antiphon doctor --ask asks one")
        return Check(title, "fail", found, f"load one there, or name them: providers.{self.name}.models")

    def _read(self, said: Said) -> Sequence[ListedModel] | None:
        if said.status != 200:
            return None
        try:
            return self._codec.listing(said.body)
        except ProviderBroke:
            return None

    def _judge_names(self, title: str, said: Said) -> Check:
        names = [model.id for model in self._listed]
        count = f"{len(names)} models"
        unknown = [each for each in self._wanted if not any(fnmatch.fnmatchcase(name, each) for name in names)]
        if unknown:
            near = difflib.get_close_matches(unknown[0], names, n=1)
            remedy = f"did you mean {near[0]}? " if near else ""
            found = f"{count}, but none is {', '.join(unknown)}"
            return Check(title, "warn", found, f"{remedy}Mend providers.{self.name}.models, or the alias")
        skew = _skew(said.date)
        if abs(skew) > MAX_SKEW:
            return Check(title, "warn", f"{count}; its clock is {skew:+.0f} s from ours", "set the clock")
        return Check(title, "ok", count)

    def _better_address(self, key: Secret | None) -> str | None:
        """Return an address near the one given at which there are models."""
        for address in _near(self.given.address, self.given.wire):
            try:
                if self._read(send(self.given, key, self._codec.models_path, address=address, limit=LIST_LIMIT)):
                    return address
            except Unreachable:
                continue
        return None

    # -- an answer --------------------------------------------------------------------------------------------

    def check_answer(self, key: Secret | None) -> Check:
        """Let one model say a word."""
        title, model = f"{self.title} asked", self._to_ask()
        if model is None:
            return Check(title, "warn", "no model to ask", f"name one: providers.{self.name}.models")
        profile = self._profile(model)
        request = CreateResponse(model=model, input="Say: ok", max_output_tokens=ANSWER_TOKENS, store=False)
        items = read_input(request.input)
        began = time.monotonic()
        try:
            turn = Turn(model=model, request=request, items=items, own=len(items), stream=False)
            sent = self._codec.encode(turn, profile)
            said = send(self.given, key, sent.path, sent.body, limit=ASK_LIMIT)
            if said.status != 200:
                return self._trouble(title, said, key) or self._refused(title, model, said)
            parser = self._codec.parser(sent, profile, streamed=False)
            chunks = parser.feed(said.body) + parser.close()
        except Unreachable as error:
            return Check(title, "fail", f"'{model}': {error.what}", self._remedy(error.remedy))
        except AntiphonError as error:
            return Check(title, "fail", f"'{model}': {error.message}", f"look at providers.{self.name}.profile")
        if parser.failure is not None or not any(isinstance(chunk, Stop) for chunk in chunks):
            why = parser.failure.message if parser.failure else "the answer has no end"
            remedy = f"is providers.{self.name}.format right? It is '{self.given.wire}'"
            return Check(title, "fail", f"'{model}' can't be understood: {why}", remedy)
        return Check(title, "ok", f"'{model}' answers within {time.monotonic() - began:.1f} s")

    def _to_ask(self) -> str | None:
        """Return the model to ask: one that the settings name, else one that is listed and taken."""
        for name in self._wanted:
            if not any(sign in name for sign in "*?["):
                return name
        patterns = self.given.models or ["*"]
        talking = (model.id for model in self._listed if not any(part in model.id.lower() for part in _SILENT))
        return next((name for name in talking if any(fnmatch.fnmatchcase(name, each) for each in patterns)), None)

    def _profile(self, model: str) -> Profile:
        told = next((each for each in self._listed if each.id == model), ListedModel(model))
        return profile_for(self.given.entry or BASES[self.given.wire], model, told.profile, self.given.profile)

    # -- what went wrong --------------------------------------------------------------------------------------

    def _trouble(self, title: str, said: Said, key: Secret | None) -> Check | None:
        """Return what a refusal says of key, quota or provider; None when it may be about the address or the model."""
        error = self._codec.refusal(said.status, said.body, None)
        if error.code == "provider_unauthorized":
            if key is None:
                return Check(title, "fail", "wants a key", f"set providers.{self.name}.api_key")
            remedy = f"look at providers.{self.name}.api_key: is it whole, valid, and allowed to do this?"
            return Check(title, "fail", f"refuses the key ({key.source})", remedy)
        if error.code == "insufficient_quota":
            remedy = "look at the account's billing and limits"
            return Check(title, "fail", f"has no quota left: {error.message}", remedy)
        if error.upstream_status == 429:
            return Check(title, "warn", f"its limit is reached: {error.message}", "wait, or send it less")
        if said.status >= 500:
            remedy = "it is in trouble itself; look at its status page"
            return Check(title, "fail", f"answers with {said.status}", remedy)
        return None

    def _refused(self, title: str, model: str, said: Said) -> Check:
        error: ProviderError = self._codec.refusal(said.status, said.body, None)
        if said.status == 404 or error.code == "model_not_found":
            names = [each.id for each in self._listed]
            if model in names:
                remedy = f"it lists the model: is providers.{self.name}.format right? It is '{self.given.wire}'"
            else:
                near = difflib.get_close_matches(model, names, n=1)
                remedy = (f"did you mean {near[0]}? " if near else "") + f"Mend providers.{self.name}.models"
            return Check(title, "fail", f"doesn't know '{model}' ({said.status}): {error.message}", remedy)
        remedy = f"name another first in providers.{self.name}.models, or look at providers.{self.name}.profile"
        return Check(title, "fail", f"'{model}' is refused ({said.status}): {error.message}", remedy)

    def _remedy(self, text: str) -> str:
        return text.replace("{place}", f"providers.{self.name}.base_url")


def _wanted(name: str, given: Provider, settings: Settings) -> list[str]:
    """Return the names and patterns that the settings have for a provider's models, best first."""
    targets = [target.model for alias in settings.models.values() for target in alias.targets]
    full = [settings.default_model or "", *targets]
    named = [each.removeprefix(f"{name}/") for each in full if each.startswith(f"{name}/")]
    return list(dict.fromkeys([*named, *(given.models or ())]))


def _near(address: str, wire: str) -> list[str]:
    """Return the addresses that may be meant: without an endpoint at the end, with a version where there is none."""
    plain = address.rstrip("/")
    root = next((plain.removesuffix(each) for each in _ENDPOINTS if plain.endswith(each)), plain)
    below = () if _VERSION.search(root) else _ROOTS.get(wire, ("/v1", "/api/v1"))
    return [each for each in (root, *(root + path for path in below)) if each != plain]


def _skew(date: str | None) -> float:
    """Return how far another clock is ahead of ours, 0 when it isn't told."""
    try:
        return parsedate_to_datetime(date).timestamp() - time.time() if date else 0.0
    except ValueError:
        return 0.0
