"""What documents are, in their own words."""

from __future__ import annotations

from rag.types import Findings, Language, Overview, Source
from rag.writing.outline import outlined


def written(overview: Overview, *sources: Source, language: Language = "en") -> str:
    findings = Findings("q", language, "answer", 0.0, 1.0, sources, overview)
    return "".join(outlined(findings, overview, language))


def source(number: int, text: str, document: str = "a_b.md", title: str = "A *b*") -> Source:
    return Source(number, document, title, 1, 1.0, text)


def test_a_list_names_each_document_and_how_many_more_there_are() -> None:
    text = written(Overview("listing", 9), source(1, "x"), source(2, "y", "c.md", "C"))
    assert text == (
        "There are 9 documents:\n- **A \\*b\\*** · a_b.md [1]\n- **C** · c.md [2]\n\n"
        "… and 7 more, which the list beside the chat names."
    )
    assert written(Overview("listing", 1), source(1, "x")).startswith("There is one document:")
    assert "Có 2 tài liệu:" in written(
        Overview("listing", 2), source(1, "x"), source(2, "y"), language="vi"
    )


def test_a_summary_quotes_the_opening_and_the_first_sentence_under_each_heading() -> None:
    text = written(
        Overview("summary", 3),
        source(
            1,
            "A\n\nThis is what the document is about. It has a second sentence too. It even has "
            "a third sentence.",
        ),
        source(2, "Cost [3]\n\nIt costs twenty dollars a night [9]. More of it follows here."),
        source(3, "Table\n\nno sentence"),
    )
    assert text == (
        "**A \\*b\\***\n\nThis is what the document is about. [1]\n"
        "It has a second sentence too. [1]\n\n"
        "- **Cost \\[3\\]**: It costs twenty dollars a night \\[9\\]. [2]\n- **Table** [3]"
    )


def test_a_comparison_has_one_part_for_each_document() -> None:
    text = written(
        Overview("comparison", 2),
        source(1, "The first document speaks of one thing."),
        source(2, "The second document speaks of another.", "c.md", "C"),
    )
    assert text.count("**") == 4 and text.index("[1]") < text.index("**C**") < text.index("[2]")
