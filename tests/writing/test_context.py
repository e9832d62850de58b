"""What is known of a model's context: from what its server lists, counts and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from rag.writing.context import Contexts, listed, refusal
from rag.writing.prompt import Message
from tests.harness.refusals import KINDS

# By who says so: the most tokens, and those of the prompt.
TOLD: dict[str, tuple[int | None, int | None]] = {
    "OpenAI": (8192, 9030),
    "OpenAI by the minute": (30000, 40000),
    "vLLM": (4096, 4096),
    "newer vLLM": (8192, 9030),
    "newest vLLM": (8192, 9030),
    "vLLM's most": (8192, 500),
    "llama.cpp": (8192, 9030),
    "older llama.cpp": (None, None),
    "LM Studio": (4096, 9030),
    "older LM Studio": (None, None),
    "Groq": (None, None),
    "Groq's 413": (6000, 9030),
    "Gemini": (1048576, 1200000),
    "Anthropic": (200000, 210000),
    "Anthropic's sum": (200000, 199000),
    "TGI": (4096, 9030),
    "TGI's sum": (4096, 4000),
    "Ollama": (None, None),
    "Mistral": (32768, 40000),
    "xAI": (131072, 537812),
    "GitHub": (8000, None),
    "SGLang": (8192, 9030),
    "Cohere": (4081, 9030),
    "Moonshot": (8192, None),
    "DashScope": (30720, None),
}


@pytest.mark.parametrize("refused", KINDS["context_too_long"], ids=lambda refused: refused.name)
def test_a_refusal_tells_how_many_tokens_are_too_many(refused: Any) -> None:
    assert refusal(refused.text) == TOLD[refused.name]


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ({"data": [{"id": "m", "meta": {"n_ctx": 8192, "n_ctx_train": 32768}}]}, 8192),
        ({"data": [{"id": "x"}, {"id": "m", "max_model_len": 4096}]}, 4096),
        ({"data": [{"id": "other", "max_model_len": 4096}]}, 4096),
        ({"data": [{"id": "a", "context_length": 1}, {"id": "b", "context_length": 2}]}, None),
        ({"data": [{"id": "m", "context_length": 9, "top_provider": {"context_length": 8}}]}, 8),
        ({"data": [{"id": "m", "max_context_length": 9, "loaded_context_length": 5}]}, 5),
        ({"data": [{"id": "m", "meta": None, "context_length": "many"}]}, None),
        ({"default_generation_settings": {"n_ctx": 8192}}, 8192),
        ({"data": None}, None),
        ({"data": ["m"]}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_server_lists_it_in_several_places(value: Any, limit: int | None) -> None:
    assert listed(value, "m") == limit


def said(text: str, size: int) -> list[Message]:
    """Messages of about `size` bytes."""
    return [{"role": "user", "content": text * (size // len(text.encode()))}]


EN = said("A plain sentence. ", 20_000)
VI = said("Một câu tiếng Việt đầy đủ. ", 20_000)


def test_tokens_are_estimated_by_what_was_counted_of_that_model_and_language() -> None:
    contexts = Contexts()
    assert contexts.estimate("m", EN) == pytest.approx(5000, rel=0.01)
    assert contexts.counted("m", VI, 10_000) is None
    assert contexts.estimate("m", VI) == pytest.approx(10_000, rel=0.01)
    assert contexts.estimate("m", EN) == pytest.approx(5000, rel=0.01)
    assert contexts.estimate("other", VI) == pytest.approx(6667, rel=0.01)


@pytest.mark.parametrize(
    ("count", "before", "cut_at"),
    [
        (4450, 0, None),  # Qwen's English
        (3600, 0, None),  # the largest vocabulary's Vietnamese
        (3400, 0, None),
        (3200, 0, 4096),
        (2048, 0, 2048),
        (2040, 0, 2048),
        (3400, 4450, 4096),
        (17, 0, None),  # of what was not computed before
        (0, 0, None),
    ],
)
def test_far_fewer_tokens_than_were_sent_are_a_prompt_that_was_cut(
    count: int, before: int, cut_at: int | None
) -> None:
    contexts = Contexts()
    if before:
        assert contexts.counted("m", EN, before) is None
    assert contexts.counted("m", EN, count) == cut_at


def test_what_was_cut_teaches_nothing() -> None:
    contexts = Contexts()
    before = contexts.estimate("m", EN)
    contexts.counted("m", EN, 2048)
    assert contexts.estimate("m", EN) == before


def test_the_owners_limit_stands_above_the_servers() -> None:
    contexts = Contexts(4096)
    contexts.learn("m", 8192)
    assert contexts.limit("m") == 4096
    assert Contexts().room("m", None) is None


def test_an_answer_has_its_room_but_no_more_than_a_quarter() -> None:
    contexts = Contexts(4000)
    assert contexts.room("m", None) == 3880 - 500
    assert contexts.room("m", 100) == 3880 - 100
    assert contexts.room("m", 100_000) == 3880 - 1000


def test_a_refusal_teaches_the_limit_and_the_tokens() -> None:
    contexts = Contexts()
    told = "request (10000 tokens) exceeds the available context size (8192 tokens)"
    assert contexts.refused("m", EN, told) == (int(8192 * 0.97) - 500, None)
    assert contexts.limit("m") == 8192
    assert contexts.estimate("m", EN) == pytest.approx(10_000, rel=0.01)


def test_without_a_number_the_prompt_is_to_be_clearly_shorter() -> None:
    contexts = Contexts()
    room, _ = contexts.refused("m", EN, "Please reduce the length of the messages.")
    assert room == pytest.approx(2500, rel=0.01)
    assert contexts.limit("m") is None


def test_where_only_the_answer_was_too_long_it_is_the_answer() -> None:
    told = "max_tokens is too large: 8000. This model's maximum context length is 8192 tokens and "
    room, most = Contexts().refused("m", EN, told + "your request has 5000 input tokens.")
    assert (room, most) == (5000, 8192 - 5000 - 32)
