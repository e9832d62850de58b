"""What calibration finds: exactly, on scores made by hand; and on the project's own documents."""

from __future__ import annotations

import json
from collections.abc import Generator

import numpy as np
import pytest

from rag.measuring import calibration, questions
from rag.measuring import search as evaluation
from rag.measuring.calibration import LEAST, Calibration, calibrate
from rag.measuring.questions import Question, Questions
from rag.measuring.search import Search
from rag.retrieval.bm25 import Query
from rag.retrieval.candidates import MANY, Candidates
from rag.retrieval.embedder import Embedder
from rag.retrieval.models import PACKAGED
from rag.retrieval.profiles import BUILT_IN, Profile, Profiles
from rag.retrieval.retriever import Retriever
from rag.settings import PROJECT
from rag.store.store import Store
from rag.types import Chunk, Language

MODEL = "model-by-hand"
USED = Profile(0.5, by_meaning=False, refuse_below=0.4, weak_below=0.5)
PROFILES = Profiles().having(MODEL, {"en": USED, "vi": USED})

# What a document scores: its cosine, keyword and subject score.
Scored = tuple[float, float, float]


class ByHand(Retriever):
    """Finds for each question the documents, and their scores, that the test has set down."""

    def __init__(self, found: dict[str, dict[str, Scored]]) -> None:
        self._found = found

    def candidates(self, question: str, *places: str) -> Candidates:
        documents = self._found[question]
        cosine, keyword, subject = np.array(list(documents.values()), dtype=float).T
        language: Language = "vi" if "ế" in question else "en"
        query = Query(question, language, "exact", {}, frozenset(), {}, (), True, MANY, 1.0)
        chunks = tuple(Chunk(i, i, name, "", 1, name) for i, name in enumerate(documents, start=1))
        return Candidates(query, chunks, cosine, keyword, subject, *np.zeros((2, len(chunks))))


def calibrated(*asked: tuple[Question, dict[str, Scored]]) -> Calibration:
    retriever = ByHand({question.text: found for question, found in asked})

    def searches() -> Generator[Search]:
        for question, _ in asked:
            yield Search(question, question.document, retriever)

    return calibrate(
        Questions(tuple(question for question, _ in asked)),
        searches(),
        MODEL,
        PROFILES,
        lambda done: None,
    )


def answerable(count: int) -> list[Question]:
    return [Question(f"What is it, number {i}?", "en", f"{i}.txt") for i in range(count)]


def scored(question: Question, right: Scored, wrong: Scored = (0, 0, 0)) -> dict[str, Scored]:
    # "+" stands before every digit, so that the wrong one comes first where both score the same.
    return {"+.txt": wrong, question.document or "-.txt": right}


def test_the_weight_that_ranks_best_is_found() -> None:
    # The wrong document has the better keywords; from a weight of 0.7 on the cosine outweighs them.
    asked = [(q, scored(q, (0.7, 0.2, 0.2), (0.3, 0.9, 0.2))) for q in answerable(40)]

    found = calibrated(*asked)

    assert found.found["en"].cosine == 0.7, "of those that rank all, the nearest to that in use"
    assert (found.before.r_at_1, found.after.r_at_1) == (0, 1)


def test_where_every_weight_ranks_alike_the_one_in_use_stays() -> None:
    found = calibrated(*((q, scored(q, (0.6, 0.6, 0.6))) for q in answerable(40)))

    profile = found.found["en"]
    assert (profile.cosine, profile.spread, profile.by_meaning) == (0.5, False, False)


def test_one_question_in_forty_does_not_earn_a_change() -> None:
    alike, better = (0.6, 0.6, 0.6), (0.7, 0.2, 0.2)
    asked = [(q, scored(q, alike)) for q in answerable(80)]
    asked[0] = (asked[0][0], scored(asked[0][0], better, (0.3, 0.9, 0.2)))

    assert calibrated(*asked).found["en"].cosine == USED.cosine


def test_the_evidence_that_refuses_most_is_found() -> None:
    # By keywords the unanswerable are as near as the answerable; by meaning they are far.
    asked = [(q, scored(q, (0.8, 0.5, 0.5))) for q in answerable(40)]
    others = [Question(f"Which planet is this, number {i}?", "en", None) for i in range(10)]
    asked += [(q, scored(q, (0.1, 0.5, 0.5))) for q in others]

    found = calibrated(*asked)

    assert found.found["en"].by_meaning
    assert (found.before.refused, found.after.refused) == (0, 1)
    assert found.after.wrongly_refused == 0


def test_the_thresholds_keep_97_and_90_percent_of_the_answerable() -> None:
    evidence = [(i // 2 + 1) / 100 for i in range(200)]  # 0.01 to 1 in either half
    asked = [(q, scored(q, (e, e, e))) for q, e in zip(answerable(200), evidence, strict=True)]

    profile = calibrated(*asked).found["en"]

    assert sum(e >= profile.refuse_below for e in evidence) / 200 == pytest.approx(0.97, abs=0.011)
    assert sum(e >= profile.weak_below for e in evidence) / 200 == pytest.approx(0.90, abs=0.011)
    assert sum(e >= profile.refuse_below for e in evidence) / 200 >= 0.97


def test_a_language_with_too_few_questions_stays_as_it_is() -> None:
    english = [(q, scored(q, (0.6, 0.6, 0.6))) for q in answerable(LEAST)]
    vietnamese = [Question(f"Thế nào là số {i}?", "vi", f"{i}.txt") for i in range(LEAST - 1)]

    found = calibrated(*english, *((q, scored(q, (0.6, 0.6, 0.6))) for q in vietnamese))

    assert set(found.found) == {"en"}
    assert found.left_out == {"vi": LEAST - 1}
    assert found.as_json()["left_out"] == {"vi": LEAST - 1}


def test_the_half_that_measures_did_not_calibrate() -> None:
    # Those that measure lie below all thresholds that those that calibrate ask for.
    asked = [
        (q, scored(q, (0.3, 0.3, 0.3) if number % 2 else (0.9, 0.9, 0.9)))
        for number, q in enumerate(answerable(40))
    ]

    found = calibrated(*asked)

    assert found.found["en"].refuse_below == 0.9
    assert (found.before.questions, found.after.questions) == (20, 20)
    assert (found.before.wrongly_refused, found.after.wrongly_refused) == (1, 1)


def test_the_questions_about_a_document_stay_in_one_half() -> None:
    asked = [Question(f"What is it, number {i}?", "en", f"{i // 3}.txt") for i in range(60)]

    found = calibrated(*((q, scored(q, (0.6, 0.6, 0.6))) for q in asked))

    assert found.after.questions == 30
    halves = calibration._halves(Questions(tuple(asked)))
    assert all(halves[q] == (i // 3) % 2 for i, q in enumerate(asked))


def test_nothing_that_can_be_answered_calibrates_nothing() -> None:
    others = [Question(f"Which planet is this, number {i}?", "en", None) for i in range(30)]

    found = calibrated(*((q, scored(q, (0.1, 0.1, 0.1))) for q in others))

    assert (found.found, found.left_out) == ({}, {"en": 0})
    assert found.before == found.after


def usual() -> Questions:
    """The project's own questions, without those that were made to be difficult."""
    about = questions.load(PROJECT / "tests" / "measured" / "questions.json")
    return Questions(tuple(q for q in about.asked if not q.kind))


@pytest.fixture(scope="module")
def own(shelf: Store, embedder: Embedder) -> Calibration:
    """Calibrated with the project's own questions."""
    asked = usual()
    searches = evaluation.searches(asked, shelf, embedder)
    return calibrate(asked, searches, embedder.name, BUILT_IN, lambda done: None)


def test_the_projects_own_questions_can_be_calibrated_with(own: Calibration) -> None:
    print(json.dumps(own.as_json(), indent=1))

    assert set(own.found) == {"en", "vi"} and own.left_out == {"plain": 13}
    for language in ("en", "vi"):
        before, after = own.before.by_language[language], own.after.by_language[language]
        assert after.questions == before.questions >= 25
        assert after.r_at_1 is not None and before.r_at_1 is not None
        assert after.r_at_1 >= before.r_at_1 - 0.05
        built_in = BUILT_IN.of(PACKAGED, language)
        assert own.found[language].by_meaning == built_in.by_meaning
        assert abs(own.found[language].refuse_below - built_in.refuse_below) < 0.1


def test_what_was_measured_is_what_the_search_does_with_these_profiles(
    own: Calibration, shelf: Store, embedder: Embedder
) -> None:
    asked = usual()
    halves = calibration._halves(asked)
    measuring = Questions(tuple(q for q in asked.asked if halves[q] == 1))
    profiles = BUILT_IN.having(embedder.name, own.found)

    searches = evaluation.searches(measuring, shelf, embedder, profiles)
    measured = evaluation.measure(measuring, searches, lambda done: None)

    assert (measured.questions, measured.r_at_1) == (own.after.questions, own.after.r_at_1)
    assert measured.refused == own.after.refused
    assert measured.wrongly_refused is not None and own.after.wrongly_refused is not None
    # Only the search puts misspelt words right, and only after a refusal.
    assert measured.wrongly_refused <= own.after.wrongly_refused
