"""Measures search and refusal on questions whose right document is known. Prints nothing.

Questions are either about the library in the store, or bring their own documents in SQuAD's format;
these are indexed in a temporary store, so that the reader's library is not touched.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import QuestionsError
from ..retrieval.embedder import Embedder
from ..retrieval.profiles import BUILT_IN, Profiles
from ..retrieval.retriever import Retriever
from ..store.store import Store
from ..types import Document, Findings, Language, Vectors
from .questions import Question, Questions

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
    None is not found. `evidence` is Findings.best_score."""

    language: Language
    answerable: bool
    rank: int | None
    refused: bool
    evidence: float


@dataclass(frozen=True, slots=True)
class Report:
    """Shares of one; None where there was nothing to measure.

    `r_at_1`, `r_at_5` and `ndcg_at_10` are over the answerable questions, relevance being binary:
    the right document or not, so that nDCG is 1 / log2(1 + rank). `refused` is over the
    unanswerable, `wrongly_refused` over the answerable questions.
    """

    questions: int
    r_at_1: float | None
    r_at_5: float | None
    ndcg_at_10: float | None
    refused: float | None
    wrongly_refused: float | None
    by_language: Mapping[Language, Report] = field(default_factory=dict)
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
    questions: Questions, index: Store, embedder: Embedder, profiles: Profiles = BUILT_IN
) -> Generator[Search]:
    """Those for questions about the library in `index`.

    They raise LibraryEmpty, StoreError, and QuestionsError if the library has none of the
    documents.
    """
    if index.library.count():  # else the first search says so
        require({q.document for q in questions.asked if q.document is not None}, index)
    retriever = Retriever(index, _Prepared(embedder, questions.asked), profiles)
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
    vectors = dict(zip(names, embedder.embed(texts), strict=True))
    prepared = _Prepared(embedder, questions.asked)
    with _indexed(questions.articles, vectors, prepared, profiles) as retriever:
        for question in questions.asked:
            yield Search(question, question.document, retriever)
    if len(questions.articles) > 1 and all(q.document is not None for q in questions.asked):
        for article in questions.articles:
            others = [other for other in questions.articles if other is not article]
            with _indexed(others, vectors, prepared, profiles) as retriever:
                for question in questions.asked:
                    if question.document in article:
                        yield Search(question, None, retriever)


def require(documents: Set[str], index: Store) -> None:
    """Warns of `documents` that the library lacks. Raises QuestionsError if it has none of them."""
    known = {document.name for document in index.library.documents()}
    missing = sorted(documents - known)
    if missing and len(missing) == len(documents):
        raise QuestionsError(
            "The library has none of the documents that the questions are about "
            f"({', '.join(missing[:3])}). Read them in first (python -m ingest PATH)."
        )
    if missing:
        log.warning("the library lacks %d documents: %s", len(missing), ", ".join(missing))


class _Prepared:
    """An embedder that has embedded the questions beforehand: in batches that is several times as
    fast, and each may be asked twice."""

    def __init__(self, embedder: Embedder, asked: Sequence[Question]) -> None:
        self.name, self.dimension = embedder.name, embedder.dimension
        self.record, self.embed, self._begin = embedder.record, embedder.embed, embedder.begin
        self.has_word = embedder.has_word
        texts = list({q.text for q in asked})
        self._known = dict(zip(texts, embedder.embed(texts), strict=True))

    def begin(self, question: str) -> Future[Vectors]:
        if question not in self._known:
            return self._begin(question)
        known: Future[Vectors] = Future()
        known.set_result(self._known[question])
        return known


@contextmanager
def _indexed(
    articles: Sequence[Mapping[str, str]],
    vectors: Mapping[str, Vectors],
    embedder: Embedder,
    profiles: Profiles,
) -> Iterator[Retriever]:
    """A temporary store that has these articles."""
    with (
        tempfile.TemporaryDirectory(prefix="headwater-eval-") as folder,
        Store(Path(folder), embedder.name, embedder.dimension, None) as index,
    ):
        for name, text in (pair for article in articles for pair in article.items()):
            document = Document(folder, name, name, "", pages=1, pages_with_text=1, chunks=1)
            index.library.replace(document, [(1, text)], vectors[name].reshape(1, -1))
        index.rebuild()
        yield Retriever(index, embedder, profiles)


def outcome(question: Question, right: str | None, findings: Findings) -> Outcome:
    documents = list(dict.fromkeys(source.document for source in findings.sources))
    return Outcome(
        language=question.language,
        answerable=right is not None,
        rank=documents.index(right) + 1 if right in documents else None,
        refused=findings.verdict == "refuse",
        evidence=findings.best_score,
    )


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
        outcomes=tuple(outcomes),
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
