"""What is said under an answer about the citations that were not confirmed."""

from __future__ import annotations

from rag.events import CitationChecked
from rag.text import summary


def test_each_kind_of_doubt_is_a_sentence_with_its_numbers() -> None:
    checked = [
        CitationChecked(3, 0, False, "number"),
        CitationChecked(1, 9, False, "words"),
        CitationChecked(3, 20, False, "name"),
        CitationChecked(2, 30, True, "unclear"),
        CitationChecked(4, 40, True, "supported"),
        CitationChecked(5, 50, True, "unchecked"),
    ]
    assert list(summary.doubts(checked)) == [
        "Not confirmed by the passage that is cited: [1][3]. Check it.",
        "Could not be checked against the passage that is cited: [2].",
    ]
    assert list(summary.doubts(checked[4:])) == []
