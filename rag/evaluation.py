"""Measures search and refusal on questions whose right document is known. Prints nothing.

Questions are either about the library in the store, or bring their own documents in SQuAD's format;
these are indexed in a temporary store, so that the reader's library is not touched.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from .embedder import Embedder, Vectors
from .errors import QuestionsError
from .index import Index
from .language import detect
from .retriever import Retriever
from .types import Document, Findings, Language

log = logging.getLogger(__name__)

DEPTH = 10  # chunks a search gives; a document that is not among them counts as not found

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Question:
    """`document` is the name of the one that answers it; None means that none does."""

    text: str
    language: Language
    document: str | None


@dataclass(frozen=True, slots=True)
class Questions:
    """`articles` are the documents that came with the questions, each article a mapping from a
    document's name to its text; without any the questions are about the library in the store."""

    asked: tuple[Question, ...]
    articles: tuple[Mapping[str, str], ...] = ()


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


def load(path: Path) -> Questions:
    """The questions in `path`. Raises QuestionsError if it cannot be read or is neither format."""
    try:
        found = TypeAdapter(list[_Entry] | _Squad).validate_json(path.expanduser().read_bytes())
    except OSError as exc:
        raise QuestionsError(
            f"The questions in {path} cannot be read ({exc.strerror or exc})."
        ) from exc
    except ValidationError as exc:
        raise QuestionsError(
            f"{path} has no questions that can be read. It must be JSON: a list of objects with "
            "question, language (en or vi) and document (a name or null), or SQuAD's format."
        ) from exc
    questions = found.questions() if isinstance(found, _Squad) else _about_library(found)
    if not questions.asked:
        raise QuestionsError(f"There is no question in {path}.")
    return questions


def measure(questions: Questions, index: Index, embedder: Embedder, progress: Progress) -> Report:
    """Asks the library in `index`; `progress` is told how many searches are done.

    Raises LibraryEmpty, StoreError, and QuestionsError if the library has none of the documents.
    """
    wanted = {q.document for q in questions.asked if q.document is not None}
    known = {document.name for document in index.library.documents()}
    missing = sorted(wanted - known)
    if known and missing and len(missing) == len(wanted):
        raise QuestionsError(
            "The library has none of the documents that the questions are about "
            f"({', '.join(missing[:3])}). Read them in first (python -m ingest PATH)."
        )
    if known and missing:
        log.warning("the library lacks %d documents: %s", len(missing), ", ".join(missing))
    retriever = Retriever(index, _Prepared(embedder, questions.asked))
    outcomes = []
    for question in questions.asked:
        findings = retriever.search(question.text, DEPTH)
        outcomes.append(_outcome(question, question.document, findings))
        progress(len(outcomes))
    return _report(questions.asked, outcomes)


def measure_articles(questions: Questions, embedder: Embedder, progress: Progress) -> Report:
    """Asks the documents that came with the questions, each stored as one chunk.

    If the file has no unanswerable question, every question is also asked with its own article
    taken away.
    """
    names = [name for article in questions.articles for name in article]
    texts = [text for article in questions.articles for text in article.values()]
    vectors = dict(zip(names, embedder.embed(texts), strict=True))
    prepared = _Prepared(embedder, questions.asked)
    outcomes: list[_Outcome] = []

    def ask(articles: Sequence[Mapping[str, str]], asked: Sequence[Question]) -> None:
        with _indexed(articles, vectors, prepared) as retriever:
            for question in asked:
                there = any(question.document in article for article in articles)
                findings = retriever.search(question.text, DEPTH)
                outcomes.append(_outcome(question, question.document if there else None, findings))
                progress(len(outcomes))

    ask(questions.articles, questions.asked)
    if len(questions.articles) > 1 and all(q.document is not None for q in questions.asked):
        for article in questions.articles:
            others = [other for other in questions.articles if other is not article]
            ask(others, [q for q in questions.asked if q.document in article])
    return _report(questions.asked, outcomes)


class _Prepared(Embedder):
    """An embedder that has embedded the questions beforehand: in batches that takes a fifth of the
    time, and each may be asked twice. It knows no other text."""

    def __init__(self, embedder: Embedder, asked: Sequence[Question]) -> None:
        self.name, self.dimension = embedder.name, embedder.dimension
        texts = list({q.text for q in asked})
        self._known = dict(zip(texts, embedder.embed(texts), strict=True))

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        return np.stack([self._known[text] for text in texts])


@contextmanager
def _indexed(
    articles: Sequence[Mapping[str, str]], vectors: Mapping[str, Vectors], embedder: Embedder
) -> Iterator[Retriever]:
    """A temporary store that has these articles."""
    with (
        tempfile.TemporaryDirectory(prefix="headwater-eval-") as folder,
        Index(Path(folder), embedder.name, embedder.dimension, None) as index,
    ):
        for name, text in (pair for article in articles for pair in article.items()):
            document = Document(folder, name, name, "", pages=1, pages_with_text=1, chunks=1)
            index.library.replace(document, [(1, text)], vectors[name].reshape(1, -1))
        index.rebuild()
        yield Retriever(index, embedder)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """`rank` is that of the right document among the documents found, from 1; None is not found."""

    language: Language
    answerable: bool
    rank: int | None
    refused: bool


def _outcome(question: Question, right: str | None, findings: Findings) -> _Outcome:
    documents = list(dict.fromkeys(source.document for source in findings.sources))
    rank = documents.index(right) + 1 if right in documents else None
    return _Outcome(question.language, right is not None, rank, findings.verdict == "refuse")


def _report(asked: Sequence[Question], outcomes: Sequence[_Outcome]) -> Report:
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
    questions: int, outcomes: Sequence[_Outcome], parts: Mapping[Language, Report]
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
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


class _Entry(BaseModel):
    question: str
    language: Language
    document: str | None


class _Asked(BaseModel):
    question: str
    is_impossible: bool = False


class _Paragraph(BaseModel):
    context: str
    qas: list[_Asked]


class _Article(BaseModel):
    paragraphs: list[_Paragraph]


class _Squad(BaseModel):
    """The format of SQuAD 1.1 and 2.0. It names no language: the file has that of most paragraphs,
    because one paragraph may well quote the other."""

    data: list[_Article]

    def questions(self) -> Questions:
        detected = [detect(p.context) for article in self.data for p in article.paragraphs]
        language: Language = "vi" if detected.count("vi") * 2 > len(detected) else "en"
        asked, articles = [], []
        for number, article in enumerate(self.data, start=1):
            # Numbered, so that a paragraph that occurs twice stays two documents.
            named = {f"{number}.{i}": p for i, p in enumerate(article.paragraphs, start=1)}
            articles.append({name: p.context for name, p in named.items()})
            asked += [
                Question(q.question, language, None if q.is_impossible else name)
                for name, p in named.items()
                for q in p.qas
            ]
        return Questions(tuple(asked), tuple(articles))


def _about_library(entries: Sequence[_Entry]) -> Questions:
    return Questions(tuple(Question(e.question, e.language, e.document) for e in entries))
