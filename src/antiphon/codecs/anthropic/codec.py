"""The codec `anthropic`: request, answer, refusal and list of models put together."""

from antiphon.codecs.anthropic.answer import StreamParser, WholeParser
from antiphon.codecs.anthropic.listing import listing
from antiphon.codecs.anthropic.refusals import refusal
from antiphon.codecs.anthropic.request import encode
from antiphon.errors import ProviderError
from antiphon.ports import Parser
from antiphon.types.models import ListedModel
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn, UpstreamRequest


class AnthropicCodec:
    """Messages."""

    models_path = "/models?limit=1000"

    def encode(self, turn: Turn, profile: Profile) -> UpstreamRequest:
        return encode(turn, profile)

    def parser(self, sent: UpstreamRequest, profile: Profile, *, streamed: bool) -> Parser:
        return StreamParser(sent) if streamed else WholeParser(sent)

    def refusal(self, status: int, body: bytes, retry_after: float | None) -> ProviderError:
        return refusal(status, body, retry_after)

    def listing(self, body: bytes) -> list[ListedModel]:
        return listing(body)


ANTHROPIC = AnthropicCodec()
