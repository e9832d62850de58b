"""What is left out of a prompt that has too many tokens, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag.text import tokens
from rag.types import Findings, Fit, Options, Source, Turn
from rag.writing.fitting import Draft, shorter
from rag.writing.prompt import MAX_TURNS, Message

SOURCES = tuple(
    Source(number, f"{number}.md", "Title", 1, 0.5, f"text{number} " * 100)
    for number in range(1, 6)
)
FOUND = Findings("Why?", "en", "answer", 0.2, 0.5, SOURCES)
TURNS = [Turn(f"Question {n}?", f"Answer {n}. " * 50) for n in range(1, 4)]
DRAFT = Draft("Why?", FOUND, TURNS, "en", "Be kind.")


def size(messages: Sequence[Message]) -> int:
    return sum(tokens.size(message["content"]) for message in messages)


def test_what_fits_is_sent_whole() -> None:
    assert DRAFT.fitted(None, size) == (DRAFT.whole, None)
    assert DRAFT.fitted(size(DRAFT.whole), size) == (DRAFT.whole, None)


@pytest.mark.parametrize(
    ("less", "fit"),
    [
        (1, Fit(5, 5, 2, 3)),
        (1000, Fit(5, 5, 1, 3)),
        (1700, Fit(4, 5, 0, 3)),
        (3200, Fit(2, 5, 0, 3)),
        (1_000_000, Fit(1, 5, 0, 3)),
    ],
)
def test_the_oldest_turns_go_first_then_the_last_sources(less: int, fit: Fit) -> None:
    room = size(DRAFT.whole) - less
    messages, told = DRAFT.fitted(room, size)
    assert told == fit
    assert size(messages) <= room or fit.sources == 1
    text = " ".join(message["content"] for message in messages)
    assert messages[0] == DRAFT.whole[0], "the rules"
    assert text.endswith("Question: Why?")
    for number in range(1, 6):
        assert (f"text{number} " in text) == (number <= fit.sources)
    for number in range(1, 4):
        assert (f"Question {number}?" in text) == (number > 3 - fit.turns)


def test_turns_that_are_never_sent_are_not_counted() -> None:
    draft = Draft("Why?", FOUND, TURNS * 10, "en", "")
    assert draft.fitted(size(draft.whole) - 1, size)[1] == Fit(5, 5, MAX_TURNS - 1, MAX_TURNS)


def test_without_documents_there_are_only_turns_to_leave_out() -> None:
    draft = Draft("Why?", None, TURNS, "en", "")
    assert draft.fitted(10, size)[1] == Fit(0, 0, 0, 3)


def test_an_answer_is_made_shorter_under_each_of_its_names() -> None:
    options = Options(max_tokens=9000, parameters={"max_completion_tokens": 9000, "seed": 1})
    made = shorter(options, 7)
    assert made.max_tokens == 7
    assert made.parameters == {"max_completion_tokens": 7, "seed": 1}
