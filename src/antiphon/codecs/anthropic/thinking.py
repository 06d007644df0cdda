"""How much a model is asked to think, and the limit of tokens that this goes with.

A request without options of reasoning says nothing about it: then the model does as it does by default. Newer models
think by themselves and are told an effort (`adaptive`); older ones are told a number of tokens (`budget`), which counts
towards the limit of the answer. A model can't think in an answer that must begin with a call.
"""

from msgspec import Struct

from antiphon.errors import Unsupported
from antiphon.types.content import JsonObject
from antiphon.types.profiles import Profile
from antiphon.types.responses import CreateResponse, Effort, ReasoningOptions

DEFAULT_LIMIT = 8192
"""Tokens of an answer where neither the request nor the profile has a limit: every model since Claude 3.5 can."""

LEAST_BUDGET = 1024
"""The smallest number of tokens that can be given to thinking."""

OPEN_LIMIT = 32_000
"""Tokens of an answer that every model with a budget can have: Opus 4 and 4.1 have the fewest."""

_BUDGETS: dict[Effort | None, int] = {
    "minimal": LEAST_BUDGET,
    "low": 4096,
    None: 8192,  # medium, as OpenAI's models have it
    "medium": 8192,
    "high": 16384,
    "xhigh": 32768,
    "max": 65536,
}
_OFF: JsonObject = {"type": "disabled"}


class Thinking(Struct):
    """The parameters `thinking`, `output_config.effort` and `max_tokens`."""

    max_tokens: int
    config: JsonObject | None = None
    effort: str | None = None

    @property
    def is_on(self) -> bool:
        """Whether the request itself asks for thinking."""
        return self.config is not None and self.config is not _OFF


def thinking(
    request: CreateResponse, profile: Profile, notes: list[str], *, is_forced: bool, resumes_unthought: bool
) -> Thinking:
    """Return what a request asks for. Raises Unsupported where a call is forced and thinking can't be turned off.

    `resumes_unthought`: the answer goes on with calls that came without reasoning, after which a model with a budget
    refuses to begin.
    """
    options = request.reasoning or ReasoningOptions()
    limit = request.max_output_tokens or profile.output_limit or DEFAULT_LIMIT
    effort, is_shown = options.effort, bool(options.summary or options.generate_summary)
    if profile.effort == "none":
        return Thinking(limit)
    if effort == "none":
        return Thinking(limit, _OFF)
    is_wanted = effort is not None or is_shown
    if is_forced:
        return Thinking(limit, _off_for_a_call(profile, notes, is_wanted=is_wanted))
    if not is_wanted:
        return Thinking(limit)
    display = "summarized" if is_shown else "omitted"
    if profile.effort != "budget":
        told = "low" if effort == "minimal" else effort
        return Thinking(limit, {"type": "adaptive", "display": display}, told)
    if resumes_unthought:
        notes.append("reasoning left out: the calls that this turn goes on with came without any")
        return Thinking(limit)
    limit, budget = _budget(request.max_output_tokens, profile.output_limit, _BUDGETS[effort])
    return Thinking(limit, {"type": "enabled", "budget_tokens": budget, "display": display})


def _off_for_a_call(profile: Profile, notes: list[str], *, is_wanted: bool) -> JsonObject | None:
    """Return what turns thinking off: a model that thinks by default refuses a forced call as well."""
    if is_wanted:
        notes.append("reasoning left out: this model can't reason where tool_choice forces a call")
    if profile.effort == "budget":
        return None
    if profile.efforts is not None and "none" not in profile.efforts:
        raise Unsupported("This model always reasons, and then it can't be forced to call a tool.", param="tool_choice")
    return _OFF


def _budget(asked: int | None, most: int | None, wish: int) -> tuple[int, int]:
    """Return limit and budget. An open limit is raised so that both have room; a known one bounds the budget.

    At least a fifth of a limit is left for the answer, as far as the smallest budget allows.
    """
    limit = asked or most
    if limit is None:
        limit = min(wish + DEFAULT_LIMIT, OPEN_LIMIT)
        return limit, limit - DEFAULT_LIMIT
    if limit <= LEAST_BUDGET:
        text = f"This model needs more than {LEAST_BUDGET} tokens of output to reason."
        raise Unsupported(text, param="max_output_tokens")
    return limit, max(LEAST_BUDGET, min(wish, limit * 4 // 5))
