"""What answers is chosen: what has what is asked for, and what that needs to be understood."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rag.text.language import keywords, words
from rag.types import Findings, Source
from rag.writing.choosing import CONSIDERED, Quote, chosen


def shared(question: str, texts: Sequence[str]) -> NDArray[np.float64]:
    wanted = set(keywords(question))
    return np.array([len(wanted & set(words(t))) / len(wanted) for t in texts])


def found(question: str, *texts: str) -> Findings:
    sources = tuple(
        Source(number, f"{number}.md", "T", 1, 1 / number, text)
        for number, text in enumerate(texts, 1)
    )
    return Findings(question, "en", "answer", 0.2, 0.5, sources)


def quotes(question: str, *texts: str) -> list[Quote]:
    return chosen(found(question, *texts), shared)


def first(question: str, *texts: str) -> str:
    return quotes(question, *texts)[0].text


TABLE = "Error | Meaning | To do\n400 | too long | shorten it\n429 | too fast | wait for it"
ABOUT = "This chapter tells how a bucket works and what it is for.\n\n"


def test_a_table_is_quoted_by_its_row() -> None:
    assert (
        first("What to do with error 429?", TABLE)
        == "Error: 429 · Meaning: too fast · To do: wait for it"
    )


def test_the_number_of_the_question_must_be_in_a_further_part() -> None:
    assert all(len(quote.best) == 1 for quote in quotes("What to do with error 429?", TABLE))


@pytest.mark.parametrize(
    ("question", "right"),
    [
        ("Who wrote the report?", "The report is by Mary Ellis."),
        ("When was the report written?", "The report came out in May 1931."),
        ("How many pages has the report?", "The report has 40 of these."),
        ("How long did the report take?", "The report took three weeks of work."),
    ],
)
def test_what_is_asked_for_decides_between_equals(question: str, right: str) -> None:
    text = f"The report is grey and dull.\n\n{right}\n\nThe report was liked by all who read it."
    best = quotes(question, text)[0]
    assert best.cut[best.best[0]].text == right


def test_a_sentence_that_leans_on_the_one_before_brings_it() -> None:
    text = (
        "The bucket holds tokens for later. It is refilled at a rate of r tokens each second, all "
        "day long, whatever happens elsewhere in the system.\n\nNobody knows why that is."
    )
    (quote,) = quotes("At what rate is it refilled?", text)
    assert quote.text.startswith("The bucket holds tokens for later.")
    assert [quote.cut[place].text[:6] for place in quote.best] == ["It is "]


def test_what_announces_code_brings_it() -> None:
    text = "A good set of headers for a stream is:\n\nContent-Type: text/plain\nX-Buffering: no"
    (quote,) = quotes("What is a good set of headers?", text)
    assert [unit.kind for unit in quote.units] == ["sentence", "code"]


def test_a_question_for_code_gets_it() -> None:
    text = (
        "Backoff is explained here, with its jitter.\n\n"
        "import random\n\ndef backoff(attempt):\n    return random.random()"
    )
    found_quotes = quotes("How is backoff written in Python?", text)
    assert "code" in [unit.kind for quote in found_quotes for unit in quote.units]


def test_a_text_that_speaks_of_itself_is_not_quoted() -> None:
    text = ABOUT + "A bucket holds tokens, and each request takes one of them out."
    assert "This chapter" not in first("How does a bucket work?", text)


def test_parts_of_one_source_are_one_quote_in_reading_order() -> None:
    text = (
        "The limit of the plan counts by minutes, not by hours. It is low.\n\n"
        "Nothing of it.\n\nEach plan has such a limit, and who asks for more may be given more."
    )
    (quote,) = quotes("What is the limit of the plan?", text)
    starts = [unit.start for unit in quote.units]
    assert len(quote.best) == 2 and starts == sorted(starts)


def test_two_editions_are_both_quoted_and_a_copy_is_not() -> None:
    old = "Employees may spend up to 40 EUR a day on meals when travelling."
    new = old.replace("40", "55")
    question = "How much may employees spend on meals?"
    assert [q.text for q in quotes(question, old, new)] == [old, new]
    assert [q.text for q in quotes(question, old, old + " ")] == [old]


def test_few_are_compared_by_their_meaning() -> None:
    compared: list[int] = []

    def counted(question: str, texts: Sequence[str]) -> NDArray[np.float64]:
        compared.append(len(texts))
        return shared(question, texts)

    text = "\n\n".join(f"The limit is {n} for plan {n}, and for no other one." for n in range(90))
    chosen(found("What is the limit?", text), counted)
    assert compared == [CONSIDERED]


def test_a_term_in_brackets_finds_its_source_in_another_language() -> None:
    question = "Bộ nhớ đệm ngữ nghĩa (semantic cache) nguy hiểm ở chỗ nào?"
    english = "Semantic cache\n\nThe danger is that similar questions have opposite answers."
    vietnamese = "Khóa của bộ nhớ đệm phải chứa tập quyền của người đọc trong công ty."
    findings = found(question, vietnamese, english)
    assert any("opposite answers" in quote.text for quote in chosen(findings, shared))


def test_nothing_to_quote_is_no_error() -> None:
    assert chosen(found("What is it?"), shared) == []
