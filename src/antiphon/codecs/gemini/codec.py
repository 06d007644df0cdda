"""The codec `gemini`: request, answer, refusal and listing put together."""

from antiphon.codecs.gemini.answer import StreamParser, WholeParser
from antiphon.codecs.gemini.models import listing
from antiphon.codecs.gemini.request import encode
from antiphon.codecs.gemini.trouble import refusal
from antiphon.errors import ProviderError
from antiphon.ports import Parser
from antiphon.types.models import ListedModel
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn, UpstreamRequest


class GeminiCodec:
    """Gemini's generateContent."""

    models_path = "/models?pageSize=1000"

    def encode(self, turn: Turn, profile: Profile) -> UpstreamRequest:
        return encode(turn, profile)

    def parser(self, sent: UpstreamRequest, profile: Profile, *, streamed: bool) -> Parser:
        return StreamParser(sent) if streamed else WholeParser(sent)

    def refusal(self, status: int, body: bytes, retry_after: float | None) -> ProviderError:
        return refusal(status, body, retry_after)

    def listing(self, body: bytes) -> list[ListedModel]:
        return listing(body)


GEMINI = GeminiCodec()
