"""The figures are what their definitions say, and files that hold no questions are named."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from rag import evaluation
from rag.embedder import Embedder
from rag.errors import LibraryEmpty, QuestionsError
from rag.evaluation import Question, Questions
from rag.index import Index
from rag.types import Document

BRIDGE = "The harbour bridge was opened in 1932 after eight years of building."
CLOSED = "The harbour bridge is closed on the first Sunday of May."
BREAD = "Rye bread is baked with sourdough, because rye flour has little gluten."
OVEN = "A baker's oven is fired with beech wood and holds forty loaves."
CRANES = "Cranes fly south in October and rest in shallow water at night."
NESTS = "Storks build their nests on chimneys and come back every spring."


def ignore(done: int) -> None:
    """Whoever measures here does not watch."""


def add(index: Index, embedder: Embedder, name: str, *passages: str) -> None:
    pages = [(page, text) for page, text in enumerate(passages, start=1)]
    document = Document("/documents", name, name, "", len(pages), len(pages), len(pages))
    index.replace(document, pages, embedder.embed(passages))


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def squad(*articles: list[tuple[str, list[dict[str, object]]]]) -> dict[str, object]:
    return {
        "data": [
            {"paragraphs": [{"context": text, "qas": asked} for text, asked in article]}
            for article in articles
        ]
    }


def test_the_rank_counts_documents_and_not_their_chunks(store: Index, embedder: Embedder) -> None:
    add(store, embedder, "bridge.txt", BRIDGE, BRIDGE + " It is long.", BRIDGE + " It is high.")
    add(store, embedder, "closed.txt", CLOSED)
    add(store, embedder, "bread.txt", BREAD)
    question = Question("When was the harbour bridge opened?", "en", "closed.txt")

    report = evaluation.measure(Questions((question,)), store, embedder, ignore)

    assert (report.r_at_1, report.r_at_5) == (0, 1)
    assert report.ndcg_at_10 == pytest.approx(1 / np.log2(3))


def test_a_document_that_is_found_first_counts_fully_and_one_not_found_not_at_all(
    store: Index, embedder: Embedder, caplog: pytest.LogCaptureFixture
) -> None:
    add(store, embedder, "bread.txt", BREAD)
    asked = (
        Question("Why is rye bread baked with sourdough?", "en", "bread.txt"),
        Question("Why is rye bread baked with sourdough?", "vi", "elsewhere.txt"),
    )

    with caplog.at_level(logging.WARNING):
        report = evaluation.measure(Questions(asked), store, embedder, ignore)

    assert (report.r_at_1, report.r_at_5, report.ndcg_at_10) == (0.5, 0.5, 0.5)
    assert (report.by_language["en"].r_at_1, report.by_language["vi"].r_at_1) == (1, 0)
    assert "elsewhere.txt" in caplog.text


def test_refusals_are_right_for_the_unanswerable_and_wrong_for_the_answerable(
    store: Index, embedder: Embedder
) -> None:
    add(store, embedder, "bread.txt", BREAD)
    add(store, embedder, "bridge.txt", BRIDGE)
    asked = (
        Question("Why is rye bread baked with sourdough?", "en", "bread.txt"),
        Question("Who coaches the national volleyball team?", "en", "bridge.txt"),
        Question("Which planets have rings of ice?", "en", None),
    )
    done: list[int] = []

    report = evaluation.measure(Questions(asked), store, embedder, done.append)

    assert report.questions == 3
    assert (report.refused, report.wrongly_refused) == (1, 0.5)
    assert done == [1, 2, 3]


def test_what_there_is_nothing_to_measure_for_is_none(store: Index, embedder: Embedder) -> None:
    add(store, embedder, "bread.txt", BREAD)

    only = Questions((Question("Which planets have rings of ice?", "en", None),))
    report = evaluation.measure(only, store, embedder, ignore)

    assert report.as_json() == {
        "questions": 1,
        "r@1": None,
        "r@5": None,
        "ndcg@10": None,
        "refused": 1,
        "wrongly_refused": None,
    }


def test_shares_are_rounded_to_four_places() -> None:
    third = 1 / 3
    report = evaluation.Report(3, third, third, third, third, third)

    assert set(report.as_json().values()) == {3, 0.3333}


def test_an_empty_library_is_named_before_anything_is_measured(
    store: Index, embedder: Embedder
) -> None:
    about = Questions((Question("Why is rye bread baked with sourdough?", "en", "bread.txt"),))

    with pytest.raises(LibraryEmpty):
        evaluation.measure(about, store, embedder, ignore)


def test_a_library_of_other_documents_is_not_measured(store: Index, embedder: Embedder) -> None:
    add(store, embedder, "bridge.txt", BRIDGE)
    about = Questions((Question("Why is rye bread baked with sourdough?", "en", "bread.txt"),))

    with pytest.raises(QuestionsError, match=r"none of the documents.*bread\.txt"):
        evaluation.measure(about, store, embedder, ignore)


def test_the_projects_own_questions_can_be_read() -> None:
    questions = evaluation.load(Path(__file__).parent / "questions.json")

    assert not questions.articles
    assert {q.language for q in questions.asked} == {"en", "vi"}
    assert any(q.document is None for q in questions.asked)


def test_a_squad_file_is_measured_on_its_own_paragraphs_with_each_article_taken_away(
    tmp_path: Path, embedder: Embedder
) -> None:
    content = squad(
        [(BREAD, [{"question": "Why is rye bread baked with sourdough?"}]), (OVEN, [])],
        [(BRIDGE, [{"question": "When was the harbour bridge opened?"}]), (CLOSED, [])],
        [(CRANES, [{"question": "Where do cranes rest at night?"}]), (NESTS, [])],
    )
    done: list[int] = []

    questions = evaluation.load(write(tmp_path / "squad.json", content))
    report = evaluation.measure_articles(questions, embedder, done.append)

    assert report == evaluation.Report(
        3, 1, 1, 1, refused=1, wrongly_refused=0, by_language=report.by_language
    )
    assert list(report.by_language) == ["en"]
    assert done == [1, 2, 3, 4, 5, 6]


def test_impossible_questions_of_a_squad_file_are_its_unanswerable_ones(
    tmp_path: Path, embedder: Embedder
) -> None:
    content = squad(
        [(BREAD, [{"question": "Which planets have rings of ice?", "is_impossible": True}])],
        [(BRIDGE, [{"question": "When was the harbour bridge opened?", "is_impossible": False}])],
    )
    done: list[int] = []

    questions = evaluation.load(write(tmp_path / "squad.json", content))
    report = evaluation.measure_articles(questions, embedder, done.append)

    assert (report.questions, report.r_at_1, report.refused) == (2, 1, 1)
    assert done == [1, 2], "nothing is taken away where the file says what has no answer"


def test_a_single_article_cannot_be_taken_away(tmp_path: Path, embedder: Embedder) -> None:
    content = squad([(BRIDGE, [{"question": "When was the harbour bridge opened?"}])])

    questions = evaluation.load(write(tmp_path / "squad.json", content))
    report = evaluation.measure_articles(questions, embedder, ignore)

    assert (report.questions, report.r_at_1, report.refused) == (1, 1, None)


def test_a_paragraph_that_occurs_twice_stays_two_documents(tmp_path: Path) -> None:
    content = squad([(BREAD, [{"question": "Why?"}]), (BREAD, [])], [(BREAD, [])])

    questions = evaluation.load(write(tmp_path / "squad.json", content))

    assert [len(article) for article in questions.articles] == [2, 1]
    assert len({name for article in questions.articles for name in article}) == 3


def test_a_squad_file_has_the_language_of_most_of_its_paragraphs(tmp_path: Path) -> None:
    vietnamese = "Bánh mì đen được làm từ bột lúa mạch và men chua."
    content = squad([(vietnamese, [{"question": "Gluten?"}]), (OVEN, []), (vietnamese, [])])

    questions = evaluation.load(write(tmp_path / "squad.json", content))

    assert [q.language for q in questions.asked] == ["vi"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not JSON",
        "{}",
        "[1, 2]",
        '{"data": 1}',
        '[{"question": "Why?", "language": "fr", "document": null}]',
        '[{"question": "Why?", "language": "en"}]',
        '{"data": [{"paragraphs": [{"context": "Text."}]}]}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_neither_format_is_refused_with_what_is_allowed(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "file.json").write_text(content)

    with pytest.raises(QuestionsError, match=r"file\.json.*SQuAD"):
        evaluation.load(tmp_path / "file.json")


@pytest.mark.parametrize("content", ["[]", '{"data": []}', '{"data": [{"paragraphs": []}]}'])
def test_a_file_without_a_question_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "file.json").write_text(content)

    with pytest.raises(QuestionsError, match="no question"):
        evaluation.load(tmp_path / "file.json")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(QuestionsError, match=str(path)):
            evaluation.load(path)
