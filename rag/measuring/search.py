"""Measures search and refusal on questions whose right document is known. Prints nothing.

Questions are either about the library in the store, or bring their own documents in SQuAD's format;
these are indexed in a temporary store, so that the reader's library is not touched.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field

from ..errors import QuestionsError
from ..retrieval.embedder import Embedder
from ..retrieval.profiles import BUILT_IN, Profiles
from ..retrieval.retriever import Retriever
from ..store.store import Store
from ..types import Findings, Language, Source, Verdict
from .questions import Question, Questions
from .temporary import Prepared, temporary

log = logging.getLogger(__name__)

DEPTH = 10  # chunks a search gives; a document that is not among them counts as not found

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Search:
    """A search to be made: `right` is the document that answers `question` in what `retriever`
    searches; None if none does."""

    question: Question
    right: str | None
    retriever: Retriever


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search gave. `rank` is that of the right document among the documents found, from 1;
    None is not found. `evidence` is Findings.best_score.

    `passage` is the place of the first source of the right document that has the words of the
    answer, where these are known; `first` the source that came first.
    """

    language: Language
    answerable: bool
    rank: int | None
    refused: bool
    evidence: float
    verdict: Verdict = "answer"
    question: Question | None = None
    passage: int | None = None
    first: Source | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Shares of one; None where there was nothing to measure.

    `r_at_1`, `r_at_5` and `ndcg_at_10` are over the answerable questions, relevance being binary:
    the right document or not, so that nDCG is 1 / log2(1 + rank). `refused` is over the
    unanswerable, `wrongly_refused` over the answerable questions; `passage_at_5` over those whose
    answer's words are known: whether one of the first five sources has them.
    """

    questions: int
    r_at_1: float | None
    r_at_5: float | None
    ndcg_at_10: float | None
    refused: float | None
    wrongly_refused: float | None
    by_language: Mapping[Language, Report] = field(default_factory=dict)
    passage_at_5: float | None = None
    outcomes: tuple[Outcome, ...] = field(default=(), repr=False, compare=False)

    def as_json(self) -> dict[str, object]:
        """The object that `python -m rag eval --json` prints."""
        shares = {
            "r@1": self.r_at_1,
            "r@5": self.r_at_5,
            "ndcg@10": self.ndcg_at_10,
            "refused": self.refused,
            "wrongly_refused": self.wrongly_refused,
        }
        rounded = {k: None if v is None else round(v, 4) for k, v in shares.items()}
        return {"questions": self.questions, **rounded}


def measure(questions: Questions, asked: Generator[Search], progress: Progress) -> Report:
    """The figures of the searches `asked`, which are made with `questions`; `progress` is told how
    many are done. Raises what the searches raise."""
    outcomes = []
    with closing(asked):
        for search in asked:
            findings = search.retriever.search(search.question.text, DEPTH)
            outcomes.append(outcome(search.question, search.right, findings))
            progress(len(outcomes))
    return report(questions.asked, outcomes)


def searches(
    questions: Questions, store: Store, embedder: Embedder, profiles: Profiles = BUILT_IN
) -> Generator[Search]:
    """Those for questions about the library in `store`.

    They raise LibraryEmpty, StoreError, and QuestionsError if the library has none of the
    documents.
    """
    if store.library.count():  # else the first search says so
        require({q.document for q in questions.asked if q.document is not None}, store)
    retriever = Retriever(store, Prepared(embedder, [q.text for q in questions.asked]), profiles)
    for question in questions.asked:
        yield Search(question, question.document, retriever)


def searches_of_articles(
    questions: Questions, embedder: Embedder, profiles: Profiles = BUILT_IN
) -> Generator[Search]:
    """Those for the documents that came with the questions, each stored as one chunk.

    If the file has no unanswerable question, every question is also asked with its own article
    taken away. Each search must be made before the next is asked for.
    """
    names = [name for article in questions.articles for name in article]
    texts = [text for article in questions.articles for text in article.values()]
    paragraphs = dict(zip(names, zip(texts, embedder.embed(texts), strict=True), strict=True))
    prepared = Prepared(embedder, [q.text for q in questions.asked])
    with temporary(paragraphs, prepared, profiles) as library:
        library.hold(names)
        for question in questions.asked:
            yield Search(question, question.document, library.retriever)
        if len(questions.articles) > 1 and all(q.document is not None for q in questions.asked):
            for article in questions.articles:
                library.hold([name for name in names if name not in article])
                for question in questions.asked:
                    if question.document in article:
                        yield Search(question, None, library.retriever)


def require(documents: Set[str], store: Store) -> None:
    """Warns of `documents` that the library lacks. Raises QuestionsError if it has none of them."""
    known = {document.name for document in store.library.documents()}
    missing = sorted(documents - known)
    if missing and len(missing) == len(documents):
        raise QuestionsError(
            "The library has none of the documents that the questions are about "
            f"({', '.join(missing[:3])}). Read them in first (python -m ingest PATH)."
        )
    if missing:
        log.warning("the library lacks %d documents: %s", len(missing), ", ".join(missing))


def outcome(question: Question, right: str | None, findings: Findings) -> Outcome:
    documents = list(dict.fromkeys(source.document for source in findings.sources))
    return Outcome(
        language=question.language,
        answerable=right is not None,
        rank=documents.index(right) + 1 if right in documents else None,
        refused=findings.verdict == "refuse",
        evidence=findings.best_score,
        verdict=findings.verdict,
        question=question,
        passage=_passage(question.answer, right, findings) if question.answer else None,
        first=findings.sources[0] if findings.sources else None,
    )


def _passage(answer: str, right: str | None, findings: Findings) -> int | None:
    """The number of the first source of the document `right` that has these words."""
    words = _plain(answer)
    of_right = (source for source in findings.sources if source.document == right)
    return next((source.number for source in of_right if words in _plain(source.text)), None)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def report(asked: Sequence[Question], outcomes: Sequence[Outcome]) -> Report:
    """The figures of the searches made with the questions `asked`, together and by language."""
    languages: tuple[Language, ...] = ("en", "vi")
    parts = {
        language: _figures(
            sum(q.language == language for q in asked),
            [o for o in outcomes if o.language == language],
            {},
        )
        for language in languages
        if any(q.language == language for q in asked)
    }
    return _figures(len(asked), outcomes, parts)


def _figures(
    questions: int, outcomes: Sequence[Outcome], parts: Mapping[Language, Report]
) -> Report:
    answerable = [o for o in outcomes if o.answerable]
    ranks = [o.rank or math.inf for o in answerable]
    return Report(
        questions=questions,
        r_at_1=_mean([rank <= 1 for rank in ranks]),
        r_at_5=_mean([rank <= 5 for rank in ranks]),
        ndcg_at_10=_mean([1 / math.log2(1 + rank) for rank in ranks]),
        refused=_mean([o.refused for o in outcomes if not o.answerable]),
        wrongly_refused=_mean([o.refused for o in answerable]),
        by_language=parts,
        passage_at_5=_mean([(o.passage or math.inf) <= 5 for o in answerable if _known(o)]),
        outcomes=tuple(outcomes),
    )


def _known(outcome: Outcome) -> bool:
    return outcome.question is not None and bool(outcome.question.answer)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
