"""Questions about the library itself, and what of a document answers them."""

from __future__ import annotations

import pytest

from rag.retrieval.overview import LISTED, SECTIONS, outline, wanted
from rag.retrieval.retriever import Retriever
from rag.types import Chunk, Document


def document(name: str, title: str) -> Document:
    return Document("", name, title, "digest", 1, 1, 3)


CACHING = document("caching.md", "Caching")
PRIVACY = document("vi-quyen-rieng-tu.pdf", "Quyền riêng tư và bảo mật")
NOTES = document("notes/q3_report.txt", "Notes")
MORE_NOTES = document("notes/q4_report.txt", "Notes")
LIBRARY = [CACHING, PRIVACY, NOTES, MORE_NOTES]


@pytest.mark.parametrize(
    "question",
    [
        "What documents do you have?",
        "which files are in the library",
        "List all the documents.",
        "show me my files",
        "How many documents are there?",
        "What can I ask you about?",
        "Có những tài liệu nào?",
        "co nhung tai lieu nao",
        "Bạn có tài liệu gì vậy?",
        "Trong thư viện có bao nhiêu tài liệu?",
        "Liệt kê tất cả các tài liệu",
        "Cho mình xem danh sách tài liệu",
        "Tôi có thể hỏi gì?",
    ],
)
def test_the_list_is_asked_for_in_many_words(question: str) -> None:
    asked = wanted(question, LIBRARY)
    assert asked and asked.kind == "listing" and list(asked.documents) == LIBRARY


@pytest.mark.parametrize(
    ("question", "kind", "documents"),
    [
        ("Summarise the caching document", "summary", [CACHING]),
        ("summarize caching.md", "summary", [CACHING]),
        ("What is the caching chapter about?", "summary", [CACHING]),
        ("Tóm tắt tài liệu quyền riêng tư", "summary", [PRIVACY]),
        ("tom tat quyen rieng tu", "summary", [PRIVACY]),
        ("Quyền riêng tư nói về gì?", "summary", [PRIVACY]),
        ("Summarise the Q3 report", "summary", [NOTES]),
        ("Compare the Q3 report with the Q4 report", "comparison", [NOTES, MORE_NOTES]),
        ("So sánh caching và quyền riêng tư", "comparison", [CACHING, PRIVACY]),
    ],
)
def test_a_document_is_named_by_words_of_its_title_or_its_file(
    question: str, kind: str, documents: list[Document]
) -> None:
    asked = wanted(question, LIBRARY)
    assert asked and (asked.kind, list(asked.documents)) == (kind, documents)


@pytest.mark.parametrize(
    "question",
    [
        "What documents are needed for a visa?",
        "Những tài liệu nào cần nộp khi xin thị thực?",
        "Summarise the refund policy",  # there is none
        "Summarise the notes",  # there are two
        "Summarise the document",
        "Compare token bucket and leaky bucket",
        "Compare caching and caching",
        "What is a cache key about to contain?",
        "How is caching done?",
        "List the fields of an event",
        "",
    ],
)
def test_a_question_about_what_documents_say_is_searched(question: str) -> None:
    assert wanted(question, LIBRARY) is None


def test_the_only_document_needs_no_name() -> None:
    assert wanted("Summarise the document", [PRIVACY]) == ("summary", [PRIVACY])
    assert wanted("Summarise the document", []) is None


def chunks(*texts: str) -> list[Chunk]:
    return [Chunk(i, 1, "a.md", "A", 1, text) for i, text in enumerate(texts, 1)]


def test_an_outline_begins_with_the_opening_and_has_each_heading_once() -> None:
    cut = chunks(
        "A\n\nIt is about one thing and another.\n\nOne\n\nFirst.\n\nTwo",
        "Two\n\nSecond.",
        "More.\n\nThree\n\nThird.",
    )
    places = [(chunk.id, text.split("\n")[0]) for chunk, text in outline(cut, 9)]
    assert places == [(1, "A"), (1, "One"), (2, "Two"), (3, "Three")]
    assert [text.split("\n")[0] for _, text in outline(cut, 2)] == ["A", "Three"]
    assert [chunk.id for chunk, _ in outline(cut, 1)] == [1]
    assert outline([], 3) == []


def test_the_library_answers_from_its_list_and_its_documents(retriever: Retriever) -> None:
    listed = retriever.search("What documents do you have?", 5)
    assert listed.overview and listed.overview.kind == "listing" and listed.verdict == "answer"
    assert len(listed.sources) == listed.overview.documents <= LISTED
    summary = retriever.search("Tóm tắt tài liệu caching", 5)
    assert {source.document for source in summary.sources} == {"caching.md"}
    assert summary.language == "vi" and 4 < len(summary.sources) <= SECTIONS
    assert all(source.address for source in summary.sources)
    searched = retriever.search("What is a semantic cache?", 5)
    assert searched.overview is None
