"""Tokens that nobody counted, and what those that were counted cost."""

from __future__ import annotations

import pytest

from rag.text import tokens
from rag.types import Usage
from rag.writing import pricing

OPENAI = "https://api.openai.com/v1/"
MILLION = Usage(1_000_000, 1_000_000)


def test_a_known_model_has_its_providers_price() -> None:
    price = pricing.price(MILLION, "gpt-4o-mini", OPENAI)
    assert price is not None and 0.1 < price < 10
    half = pricing.price(Usage(500_000, 500_000), "gpt-4o-mini", OPENAI)
    assert half == pytest.approx(price / 2)


@pytest.mark.parametrize(
    ("model", "url"),
    [("gpt-4o-mini", "http://localhost:11434/v1"), ("a-model-of-our-own", OPENAI)],
)
def test_what_no_list_has_has_no_price(model: str, url: str) -> None:
    assert pricing.price(MILLION, model, url) is None


def test_an_estimate_follows_the_rule_of_thumb_and_says_that_it_is_one() -> None:
    english = "The quick brown fox jumps over the lazy dog near the river bank."
    about = tokens.count(tokens.size(english))
    assert about == pytest.approx(len(english.split()) / 0.75, rel=0.2)  # "75 words, 100 tokens"
    vietnamese = "Bộ đệm của máy chủ giữ lại câu trả lời cho đến khi đầy mới gửi đi."
    assert 1 <= tokens.count(tokens.size(vietnamese)) / len(vietnamese.split()) <= 2
    usage = pricing.estimate([{"role": "user", "content": "12345678"}], 9)
    assert usage == Usage(2, 3, estimated=True)
