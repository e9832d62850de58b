"""A question that finds no sure answer is searched without what is said around it."""

from __future__ import annotations

import pytest

from rag.retrieval.retriever import Retriever


@pytest.mark.parametrize(
    ("question", "searched"),
    [
        (
            "My boss wants to know what idempotency keys are, I'm totally lost, please hurry",
            "what idempotency keys are",
        ),
        (
            "Trời ơi ai biết nginx đệm câu trả lời thế nào, sốt ruột quá!",
            "nginx đệm câu trả lời thế nào",
        ),
    ],
)
def test_what_is_said_around_a_question_is_not_searched_for(
    retriever: Retriever, question: str, searched: str
) -> None:
    assert retriever.search(question, 5) == retriever.search(searched, 5)


def test_whether_the_library_has_a_word_is_looked_up_without_counting_its_passages(
    retriever: Retriever,
) -> None:
    asked: list[str] = []
    retriever.store.library._db.set_trace_callback(asked.append)
    retriever.search("I love cake, what is the best beach near Da Nang?", 5)
    retriever.store.library._db.set_trace_callback(None)
    looked_up = [statement for statement in asked if "FROM keyword_terms" in statement]
    counted = [statement for statement in asked if "sum(terms)" in statement]
    assert any("('cake')" in statement for statement in looked_up)
    assert len(counted) == 2 < len(looked_up)  # as it was asked, and without what is around it


def test_what_is_found_without_a_sentence_that_was_set_aside_is_no_sure_answer(
    retriever: Retriever,
) -> None:
    alone = retriever.search("What does X-Accel-Buffering do?", 5)
    question = "Our office has thirty printers. What does X-Accel-Buffering do?"
    findings = retriever.search(question, 5)
    assert alone.verdict == "answer"
    assert findings.sources == alone.sources
    assert findings.verdict == "weak"


@pytest.mark.parametrize(
    "question",
    [
        "My boss wants to know what the best beach near Da Nang is, I'm totally lost",
        "Trời ơi ai biết bãi biển nào đẹp nhất Đà Nẵng, sốt ruột quá",
    ],
)
def test_a_wrapped_question_that_stays_refused_stays_as_it_was_asked(
    retriever: Retriever, question: str
) -> None:
    findings = retriever.search(question, 5)
    assert (findings.verdict, findings.query) == ("refuse", question)
