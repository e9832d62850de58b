"""Misspelt words are put right after a refusal, and said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from rag.retrieval.embedder import SentenceEmbedder
from rag.retrieval.retriever import Retriever
from rag.retrieval.spelling import corrected
from rag.text.language import column

LIBRARY = {"exponential": 3, "backoff": 2, "backups": 9, "lords": 4, "word": 9, "đệm": 5, "dem": 5}
LIBRARY |= {"e1042": 1, "nghị": 2, "tịch": 1, "được": 9}
REAL = {"lord", "world"}


def put_right(question: str) -> str | None:
    def chunks_with(words: Sequence[str]) -> Mapping[str, int]:
        return {word: LIBRARY[word] for word in words if word in LIBRARY}

    return corrected(question, column(question), chunks_with, REAL.__contains__)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("What is expnential backof?", "What is exponential backoff?"),
        ("WHAT IS EXPNENTIAL BACKOF?", "WHAT IS EXPONENTIAL BACKOFF?"),
        ("Exponentail, why?", "Exponential, why?"),  # two letters exchanged
        ("chủ tcịh là ai", "chủ tịch là ai"),
        ("chủ cttịh là ai", None),  # two slips
        ("chủ tịcch là ai", "chủ tịch là ai"),
        ("Who is the Lord of the world?", None),  # words, though the library has none of them
        ("Luật dược phẩm", None),  # a Vietnamese word, near to another one
        ("What does E1043 mean?", None),
        ("What is exponential?", None),
        ("backup", None),  # another ending is no slip
        ("dfm", None),
        ("???", None),
        ("", None),
    ],
)
def test_a_misspelt_word_is_that_of_the_library_which_is_one_slip_away(
    asked: str, meant: str | None
) -> None:
    assert put_right(asked) == meant


def test_a_refused_question_is_searched_with_its_misspelt_words_put_right(
    retriever: Retriever,
) -> None:
    findings = retriever.search("What is expnential backof?", 5)
    assert findings.query == "What is exponential backoff?"
    assert findings.verdict != "refuse"


def test_a_misspelt_question_that_stays_refused_stays_as_it_was_asked(retriever: Retriever) -> None:
    asked = "Can you recommend a good beach nera Da Nang?"
    findings = retriever.search(asked, 5)
    assert (findings.query, findings.verdict) == (asked, "refuse")


def test_the_model_has_common_words_whole_and_misspelt_ones_in_parts(
    embedder: SentenceEmbedder,
) -> None:
    assert embedder.has_word("doctor")
    assert embedder.has_word("World")
    assert not any(map(embedder.has_word, ["expnential", "backof", "answefr", ""]))
    assert SentenceEmbedder(embedder.name).has_word("doctor")  # without a recording


@pytest.mark.parametrize(
    ("asked", "searched"),
    [
        (
            "could you please tell me what X-Accel-Buffering does, thanks",
            "what X-Accel-Buffering does",
        ),
        ("ad ơi cho em hỏi X-Accel-Buffering là gì với ạ", "X-Accel-Buffering là gì"),
    ],
)
def test_courtesies_change_nothing_of_what_is_found(
    retriever: Retriever, asked: str, searched: str
) -> None:
    assert retriever.search(asked, 5) == retriever.search(searched, 5)
    assert retriever.search(asked, 5).query == searched


@pytest.mark.parametrize(
    "asked", ["What does the X-Accel-Buffering header do?", "nginx đệm câu trả lời thế nào?"]
)
def test_capitals_change_nothing_of_what_is_found(retriever: Retriever, asked: str) -> None:
    written, shouted = (retriever.search(q, 5) for q in (asked, asked.upper()))
    assert written.sources == shouted.sources
    assert written.best_score == pytest.approx(shouted.best_score)


@pytest.mark.parametrize("asked", ["the", "là", "E23", "7714-B", "a", "ạ", "please", "cho hỏi"])
def test_next_to_nothing_is_searched_like_anything_else(retriever: Retriever, asked: str) -> None:
    assert retriever.search(asked, 5).query == asked
