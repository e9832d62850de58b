"""Quotes are judged by the words of the answer, in halves by article."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.errors import QuestionsError
from rag.measuring import quotes
from rag.measuring import search as evaluation
from rag.measuring.questions import Question, Questions, load
from rag.retrieval.embedder import Embedder
from rag.settings import PROJECT
from tests.measuring.conftest import Run

OWN = PROJECT / "tests" / "measured" / "quotes.json"
PARAGRAPHS = [
    "The harbour bridge was opened in 1932. Its steel came from Sheffield, by ship.",
    "Rye bread is baked with sourdough. Nobody knows who baked it first.",
]


def squad(folder: Path) -> Path:
    asked = [
        ("When was the harbour bridge opened?", "1932"),
        ("How is rye bread baked?", "with salt"),
    ]
    articles = [
        {"paragraphs": [{"context": text, "qas": [{"question": q, "answers": [{"text": a}]}]}]}
        for text, (q, a) in zip(PARAGRAPHS, asked, strict=True)
    ]
    path = folder / "squad.json"
    path.write_text(json.dumps({"data": articles}), encoding="utf-8")
    return path


def test_the_first_quote_is_judged_by_the_words_of_the_answer(
    tmp_path: Path, embedder: Embedder
) -> None:
    questions = load(squad(tmp_path))
    searches = evaluation.searches_of_articles(questions, embedder)
    found = quotes.measure(questions, searches, lambda done: None)
    assert set(found) == {("en", None), ("en", "held"), ("en", "dev")}
    assert (found["en", "held"].quote, found["en", "dev"].quote) == (1.0, 0.0)
    assert found["en", None].questions == 2
    assert found["en", None].source == found["en", None].best == 0.5
    assert 30 < found["en", None].length < 90


def test_questions_without_answers_are_no_measure(embedder: Embedder) -> None:
    questions = Questions((Question("Why?", "en", "1.1"),), ({"1.1": PARAGRAPHS[0]},))
    with pytest.raises(QuestionsError, match="words of its answer"):
        quotes.measure(
            questions, evaluation.searches_of_articles(questions, embedder), lambda done: None
        )


def test_the_command_prints_the_figures_and_takes_no_other_option(
    run: Run, tmp_path: Path, library: Path
) -> None:
    path = squad(tmp_path)
    rows = json.loads(run(str(path), "--quotes", "--json").stdout)["quotes"]
    assert (rows[0]["of"], rows[0]["half"], rows[0]["questions"]) == ("en", None, 2)
    assert "First" in run(str(path), "--quotes").output
    assert run(str(path), "--quotes", "--calibrate").exit_code == 2


def test_the_project_s_own_have_their_answers_in_their_documents() -> None:
    from ingest.readers import read
    from rag.text.language import words

    asked = load(OWN).asked
    assert len(asked) == 24
    assert {(q.language, q.half) for q in asked} == {
        (language, half) for language in ("en", "vi") for half in ("dev", "held")
    }
    for question in asked:
        assert question.document
        text = "\n".join(p.text for p in read(PROJECT / "data" / question.document).pages)
        assert " ".join(words(question.answer)) in " ".join(words(text)), question
