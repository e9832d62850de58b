"""What an answer cost: tokens, counted or estimated, and their price. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from genai_prices import Usage as Counted
from genai_prices import calc_price

from ..types import Usage
from .prompt import Message

# OpenAI's rule of thumb, four characters a token, taken as bytes: Vietnamese letters are longer in
# UTF-8 and cost more tokens alike.
BYTES_PER_TOKEN = 4


def size(text: str) -> int:
    """Bytes of `text` in UTF-8."""
    return len(text.encode(errors="replace"))


def tokens(size_in_bytes: int) -> int:
    """About how many tokens a text of this size has."""
    return -(-size_in_bytes // BYTES_PER_TOKEN)


def estimate(messages: Sequence[Message], written: int) -> Usage:
    """The usage of an answer of `written` bytes that the server did not count."""
    asked = sum(size(message["content"]) for message in messages)
    return Usage(tokens(asked), tokens(written), estimated=True)


def price(usage: Usage, model: str, url: str) -> float | None:
    """US dollars for `usage` of `model` at the server `url`, as genai-prices (a table inside the
    package) has that provider's list; None for servers and models that are not listed."""
    counted = Counted(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    try:
        return float(calc_price(counted, model, provider_api_url=url).total_price)
    except LookupError:
        return None
