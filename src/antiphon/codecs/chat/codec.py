"""The codec `chat`: request, answer and refusal put together."""

from antiphon.codecs.chat.answer import StreamParser, WholeParser
from antiphon.codecs.chat.request import PARAMS, encode
from antiphon.codecs.listing import listing
from antiphon.codecs.refusals import refusal
from antiphon.errors import ProviderError
from antiphon.ports import Parser
from antiphon.types.models import ListedModel
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn, UpstreamRequest


class ChatCodec:
    """Chat Completions."""

    models_path = "/models"

    def encode(self, turn: Turn, profile: Profile) -> UpstreamRequest:
        return encode(turn, profile)

    def parser(self, sent: UpstreamRequest, profile: Profile, *, streamed: bool) -> Parser:
        return StreamParser(sent, profile) if streamed else WholeParser(sent, profile)

    def refusal(self, status: int, body: bytes, retry_after: float | None) -> ProviderError:
        return refusal(status, body, retry_after, params=PARAMS)

    def listing(self, body: bytes) -> list[ListedModel]:
        return listing(body)


CHAT = ChatCodec()
