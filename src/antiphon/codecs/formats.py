"""The codecs by the names of their wire formats, as settings and the catalog have them."""

from collections.abc import Mapping

from antiphon.codecs.anthropic import ANTHROPIC
from antiphon.codecs.chat import CHAT
from antiphon.codecs.gemini import GEMINI
from antiphon.codecs.responses import RESPONSES
from antiphon.ports import Codec

CODECS: Mapping[str, Codec] = {"chat": CHAT, "responses": RESPONSES, "anthropic": ANTHROPIC, "gemini": GEMINI}
