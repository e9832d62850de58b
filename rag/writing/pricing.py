"""What an answer cost: tokens, counted or estimated, and their price. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from genai_prices import Usage as Counted
from genai_prices import calc_price

from ..text import tokens
from ..types import Usage
from .prompt import Message


def estimate(messages: Sequence[Message], written: int) -> Usage:
    """The usage of an answer of `written` bytes that the server did not count."""
    asked = sum(tokens.size(message["content"]) for message in messages)
    return Usage(tokens.count(asked), tokens.count(written), estimated=True)


def price(usage: Usage, model: str, url: str) -> float | None:
    """US dollars for `usage` of `model` at the server `url`, as genai-prices (a table inside the
    package) has that provider's list; None for servers and models that are not listed."""
    counted = Counted(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    try:
        return float(calc_price(counted, model, provider_api_url=url).total_price)
    except LookupError:
        return None
