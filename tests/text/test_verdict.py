"""Above an answer stands how well the passages fit, and what no document has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.text.verdict import absent, numbers_lacked, said
from rag.types import Findings, Language, Overview, Source, Verdict


def findings(verdict: Verdict, *lacking: str, overview: Overview | None = None) -> Findings:
    return Findings("Why?", "en", verdict, 0.2, 0.3, (), overview, absent=lacking)


def test_each_verdict_has_its_sentence_in_both_languages() -> None:
    sentences: list[tuple[Verdict, str, str]] = [
        ("answer", "fit the question.", "khớp với câu hỏi"),
        ("weak", "may not answer", "có thể không trả lời"),
    ]
    for verdict, english, vietnamese in sentences:
        assert english in said(findings(verdict), "en")
        assert vietnamese in said(findings(verdict), "vi")


def test_the_words_that_no_document_has_are_named() -> None:
    assert said(findings("weak", "leaky", "Zurich"), "en").endswith(
        "None of the documents searched has “leaky”, “Zurich”."
    )
    assert said(findings("weak", "leaky"), "vi").endswith("Không tài liệu nào được tìm có “leaky”.")
    assert said(findings("answer", "leaky"), "en").endswith(
        "None of the documents searched has “leaky”."
    )


def test_weak_matches_name_the_number_that_none_of_them_has() -> None:
    sources = (Source(1, "a.md", "A", 1, 0.5, "Status 400 means that the request is malformed."),)
    found = Findings("What to do at 429, 400 or 5?", "en", "weak", 0.2, 0.3, sources)
    assert numbers_lacked(found.query, [source.text for source in sources]) == ["429"]
    assert said(found, "en").endswith("None of them has “429”.")
    assert said(found, "vi").endswith("Không đoạn nào có “429”.")
    assert "429" not in said(replace(found, verdict="answer"), "en")


@pytest.mark.parametrize("language", ["en", "vi"])
def test_a_refusal_and_an_overview_say_so_themselves(language: Language) -> None:
    assert said(findings("refuse", "leaky"), language) == ""
    assert said(findings("answer", overview=Overview("listing", 3)), language) == ""
    assert absent(findings("answer"), language) == ""
