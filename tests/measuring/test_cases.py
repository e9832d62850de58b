"""Figures by kind and half, and the worst cases: made by hand, and of the project's questions."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ingest.readers import read
from rag.measuring import calibration, cases, questions
from rag.measuring import search as evaluation
from rag.measuring.questions import Half, Question, Questions
from rag.measuring.search import Outcome, outcome, report
from rag.retrieval.embedder import Embedder
from rag.settings import PROJECT
from rag.store.store import Store
from rag.types import Findings, Source, Verdict
from tests.measuring.conftest import Run
from tests.measuring.test_search import BREAD, BRIDGE, add, ignore, write

OWN = PROJECT / "tests" / "measured" / "questions.json"


def came(
    kind: str, half: Half | None, rank: int | None, verdict: Verdict = "answer", evidence: float = 1
) -> Outcome:
    question = Question(f"{kind} {half} {rank} {verdict} {evidence}", "en", "a.txt", "", kind, half)
    refused = verdict == "refuse"
    return Outcome("en", True, rank, refused, evidence, verdict, question)


def test_each_kind_and_half_has_figures_of_its_own_and_each_half_of_all() -> None:
    outcomes = [
        came("typo", "dev", 1),
        came("typo", "held", None),
        came("polite", "dev", 3, "refuse"),
        came("", None, 2),
    ]
    whole = report([o.question for o in outcomes if o.question], outcomes)

    found = cases.parts(whole)

    assert {part: figures.r_at_1 for part, figures in found.items()} == {
        ("all", "dev"): 0.5,
        ("all", "held"): 0,
        ("typo", "dev"): 1,
        ("typo", "held"): 0,
        ("polite", "dev"): 0,
        ("", None): 0,
    }
    assert found["polite", "dev"].wrongly_refused == 1
    assert cases.parts_as_json(found)[0]["half"] == "dev"


def test_questions_without_kinds_have_no_parts() -> None:
    outcomes = [came("", None, 1)]
    assert cases.parts(report([o.question for o in outcomes if o.question], outcomes)) == {}


def test_the_worst_are_the_wrong_ones_without_those_held_out() -> None:
    lost = came("typo", "dev", None, "refuse", 0.1)
    refused = came("typo", "dev", 1, "refuse", 0.2)
    second = came("typo", None, 2)
    invented = Outcome("en", False, None, False, 0.9, "answer", Question("Why?", "en", None))
    right = came("typo", "dev", 1)
    kept_apart = came("typo", "held", None, "refuse", 0)
    outcomes = [right, second, refused, kept_apart, lost, invented]
    whole = report([o.question for o in outcomes if o.question], outcomes)

    assert cases.worst(whole) == [lost, invented, refused, second]
    assert cases.worst(whole, 1) == [lost]
    assert cases.worst_as_json([invented, lost])[1]["rank"] is None


def test_the_passage_is_known_by_its_words_and_not_by_its_document() -> None:
    def source(number: int, document: str, text: str) -> Source:
        return Source(number, document, document, 1, 0.5, text)

    findings = Findings(
        "How long?",
        "en",
        "answer",
        0.2,
        0.5,
        (
            source(1, "a.txt", "Something else."),
            source(2, "b.txt", "It takes nine days."),
            source(3, "a.txt", "It takes\nNine days, no more."),
        ),
    )
    question = Question("How long?", "en", "a.txt", "takes nine  days")

    result = outcome(question, "a.txt", findings)

    assert (result.rank, result.passage, cases.place(result)) == (1, 3, 3)
    assert result.first is findings.sources[0]
    assert report([question], [result]).passage_at_5 == 1
    without = outcome(Question("How long?", "en", "a.txt"), "a.txt", findings)
    assert (without.passage, cases.place(without)) == (None, 1)


def test_what_a_file_says_of_its_halves_is_what_calibrates() -> None:
    halves: list[Half] = ["dev", "held", "held", "dev"]
    asked = Questions(
        tuple(
            Question(f"What is it, number {i}?", "en", "a.txt", "", "typo", half)
            for i, half in enumerate(halves)
        )
    )
    assert list(calibration._halves(asked).values()) == [0, 1, 1, 0]


def test_the_project_has_a_hundred_and_twenty_questions_of_the_difficult_kinds() -> None:
    asked = [q for q in questions.load(OWN).asked if q.kind]

    assert Counter(q.half for q in asked) == {"dev": 60, "held": 60}
    assert Counter(q.kind for q in asked) == {
        "other language": 30,
        "mixed": 15,
        "inflected": 15,
        "identifier": 15,
        "polite": 15,
        "typo": 10,
        "table or code": 10,
        "unanswerable": 10,
    }
    assert all((q.document is None) == (q.kind == "unanswerable") for q in asked)
    assert len({q.text for q in asked}) == 120


def test_the_words_of_each_answer_stand_on_the_page_that_the_file_names() -> None:
    entries = [e for e in json.loads(OWN.read_text(encoding="utf-8")) if "answer" in e]
    pages = {
        (path.name, page.number): " ".join(page.text.split()).casefold()
        for path in (PROJECT / "data").iterdir()
        for page in read(path).pages
    }

    assert len(entries) == 110
    missing = [
        entry["question"]
        for entry in entries
        if entry["answer"].casefold() not in pages[entry["document"], entry["page"]]
    ]
    assert missing == []
    elsewhere = [
        entry["question"]
        for entry in entries
        if any(
            entry["answer"].casefold() in text and name != entry["document"]
            for (name, _), text in pages.items()
        )
    ]
    assert elsewhere == [], "what another document says as well would make two right"


def test_a_searched_question_carries_what_came_first(store: Store, embedder: Embedder) -> None:
    add(store, embedder, "bridge.txt", BRIDGE)
    add(store, embedder, "bread.txt", BREAD)
    question = Question("Why is rye bread baked?", "en", "bread.txt", "baked with sourdough")
    asked = Questions((question,))

    whole = evaluation.measure(asked, evaluation.searches(asked, store, embedder), ignore)

    (result,) = whole.outcomes
    assert result.first is not None and result.first.document == "bread.txt"
    assert (result.question, result.passage, whole.passage_at_5) == (question, 1, 1)


@pytest.mark.parametrize("kind", ["", "typo"])
def test_the_command_prints_kinds_where_there_are_some_and_the_worst(
    run: Run,
    library: Path,
    tmp_path: Path,
    kind: str,
) -> None:
    common = {"language": "en", "kind": kind, "half": "dev"} if kind else {"language": "en"}
    entries = [
        {"question": "What is a token bucket?", "document": "rate-limits.html", **common},
        {"question": "How are lemons grown?", "document": "caching.md", **common},
    ]
    file = write(tmp_path / "some.json", entries)

    printed = json.loads(run(str(file), "--json").stdout)
    shown = run(str(file)).stdout

    keys = {"questions", "r@1", "r@5", "ndcg@10", "refused", "wrongly_refused"}
    assert set(printed) == keys | ({"kinds", "worst"} if kind else set())
    assert "The worst" in shown and "lemons" in shown
    assert ("Passage@5" in shown.replace("\n", "")) == bool(kind)
    if kind:
        assert [part["kind"] for part in printed["kinds"]] == ["all", "typo"]
        assert printed["worst"][0]["question"] == "How are lemons grown?"
