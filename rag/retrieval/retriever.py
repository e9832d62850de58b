"""Ranks passages for a question and judges whether they are enough to answer from.

Candidates are the 50 nearest vectors and the 50 best keyword matches, of the library or of one
collection in it; each then gets its exact cosine and its exact BM25, and their weighted sum ranks
them. Knows no prompt and no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from heapq import nlargest
from typing import NamedTuple
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from ..errors import LibraryEmpty, UnknownCollection
from ..store.store import Store
from ..text.courtesy import without_courtesy
from ..text.language import column, detect, folded, keywords, terms, words
from ..types import Chunk, Findings, Source, Vectors, Verdict
from .bm25 import Query, Scores, idf, keyword_scores
from .embedder import Embedder
from .passages import gathered, joined
from .profiles import BUILT_IN, Profile, Profiles
from .spelling import corrected

CANDIDATES = 50
# Chunks of a collection up to which every vector is compared, which misses none and takes 10 ms
# for so many. Chroma takes 5 to 14 ms whatever the number, and misses some: of the 50 nearest among
# 2000 it found 94 %, among 10,000 81 %, in all of the 20,000 random vectors 74 %.
COMPARED = 2000
SENTENCE = 3  # words in capitals that are a sentence; fewer may be a name or a code
NAMED = 10  # collections that an error names


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The chunks that were found for a query, in the order of the documents, and what each scores
    by its cosine, by all terms and by the keywords alone: three arrays of shape (len(chunks),)."""

    query: Query
    chunks: tuple[Chunk, ...]
    cosine: Scores
    keyword: Scores
    subject: Scores

    def scores(self, profile: Profile) -> Scores:
        """What ranks the chunks; shape (len(chunks),)."""
        return _combined(profile, self.cosine, self.keyword)

    def evidence(self, profile: Profile, best: NDArray[np.intp]) -> float:
        """The most that any of the chunks `best` says for there being an answer."""
        likeness = self.cosine if profile.by_meaning else self.keyword
        return float(((self.subject + likeness) / 2)[best].max(initial=0.0))

    def ranked(self, profile: Profile, top_k: int) -> Findings:
        """The `top_k` best passages and the verdict, as `profile` weighs them."""
        scores = self.scores(profile)
        ranked = np.argsort(-scores, kind="stable")
        evidence = self.evidence(profile, ranked[:top_k])
        passages = gathered((self.chunks[i] for i in ranked), top_k)
        scored = {chunk.id: score for chunk, score in zip(self.chunks, scores, strict=True)}
        return Findings(
            query=self.query.text,
            language=self.query.language,
            verdict=_verdict(profile, evidence) if self.chunks else "refuse",
            threshold=profile.refuse_below,
            best_score=evidence,
            sources=tuple(
                _source(number, passage, max(scored[c.id] for c in passage))
                for number, passage in enumerate(passages, start=1)
            ),
        )


class _Scored(NamedTuple):
    chunk: Chunk
    vector: Vectors
    keyword: float
    subject: float


class Retriever:
    """Searches one index with one embedder. Safe to share between threads."""

    def __init__(self, index: Store, embedder: Embedder, profiles: Profiles = BUILT_IN) -> None:
        self._index = index
        self._embedder = embedder
        self._profiles = profiles

    @property
    def edition(self) -> str:
        """Names what the library holds now; another once its documents change."""
        library = self._index.library
        return f"{library.id}-{library.revision}"

    @property
    def collections(self) -> list[str]:
        """What a search may be restricted to, sorted."""
        return self._index.library.collections()

    def search(self, question: str, top_k: int, collection: str | None = None) -> Findings:
        """The `top_k` best sources for `question`, best first, numbered from 1, and the verdict.

        Its courtesies are not searched for; a question that would be refused is tried once more as
        it may have been meant, with the library's words for those that are in no document
        (rag.retrieval.spelling). The findings' `query` is what was searched in the end.

        With a `collection` only its passages are sources. How rare a word is, and so the scores and
        the verdict, stays that of the whole library.

        Raises LibraryEmpty when there is nothing to search, UnknownCollection when there is no such
        collection, StoreError when the store fails.
        """
        findings = self._ranked(self.candidates(question, collection), top_k)
        if findings.verdict == "refuse" and (meant := self._corrected(findings.query)):
            other = self._ranked(self.candidates(meant, collection), top_k)
            return findings if other.verdict == "refuse" else other
        return findings

    def candidates(self, question: str, collection: str | None = None) -> Candidates:
        """What is ranked for `question` without its courtesies. Raises as `search` does."""
        question = without_courtesy(question)
        library = self._index.library
        if not library.count():
            raise LibraryEmpty(
                "The library is empty: there is no document to answer from. Put documents into the "
                "data folder and read them in (python -m ingest).",
                "Thư viện đang trống: chưa có tài liệu nào để trả lời. Hãy đặt tài liệu vào thư "
                "mục data rồi nạp vào (python -m ingest).",
            )
        among = None if collection is None else self._chunks_of(collection)
        embedding = self._begin(question)  # its words are looked up meanwhile
        query = self.prepare(question)
        matching = library.keyword_search(query.rare_terms(), query.column, CANDIDATES, among)
        found = self._scored(query, matching)
        vector = embedding.result()
        known = {each.chunk.id for each in found}
        found += self._scored(query, [i for i in self._nearest(vector, among) if i not in known])
        # In the order of the documents, so that equal scores do not rank by when they were read.
        found.sort(key=lambda each: (each.chunk.document, each.chunk.page, each.chunk.id))
        return Candidates(
            query,
            tuple(each.chunk for each in found),
            cosine=np.array([each.vector @ vector for each in found]),
            keyword=np.array([each.keyword for each in found]),
            subject=np.array([each.subject for each in found]),
        )

    def compare(self, sentence: str, sources: Sequence[Source]) -> tuple[Query, list[float]]:
        """`sentence` with what its terms weigh, and for each of `sources` the cosine of the nearest
        of its chunks; 0 where none is in the index any more."""
        embedding = self._embedder.begin(sentence)
        query = self.prepare(sentence)
        vectors = self._index.library.vectors([chunk for s in sources for chunk in s.chunks])
        vector = embedding.result()
        return query, [
            float(max((vectors[c] @ vector for c in s.chunks if c in vectors), default=0.0))
            for s in sources
        ]

    def relevance(self, question: str, texts: Sequence[str]) -> Scores:
        """How well each of `texts` fits `question`, by the same two scores; shape (len(texts),).

        The texts need not be in the index.
        """
        query, vector = self.prepare(question), self._begin(question).result()
        cosine = (self._embedder.embed(texts) @ vector).astype(np.float64)
        keyword, _ = keyword_scores(query, texts)
        return _combined(self._profile(query), cosine, keyword)

    def prepare(self, question: str) -> Query:
        """`question` with what its terms weigh in this index."""
        form = column(question)

        def as_indexed(cut: Sequence[str]) -> Sequence[str]:
            return folded(cut) if form == "folded" else cut

        wanted = list(dict.fromkeys(terms(as_indexed(words(question)))))
        statistics = self._index.library.keyword_statistics(wanted, form)
        return Query(
            text=question,
            language=detect(question),
            column=form,
            idf={t: idf(statistics.chunks, statistics.chunks_with.get(t, 0)) for t in wanted},
            keywords=frozenset(as_indexed(keywords(question))),
            average_terms=statistics.average_terms,
        )

    def _ranked(self, found: Candidates, top_k: int) -> Findings:
        return found.ranked(self._profile(found.query), top_k)

    def _corrected(self, question: str) -> str | None:
        """`question` with its misspelt words put right, if it has any."""
        library, form = self._index.library, column(question)

        def chunks_with(words: Sequence[str]) -> Mapping[str, int]:
            return library.keyword_statistics(words, form).chunks_with

        return corrected(question, form, chunks_with, self._embedder.has_word)

    def _begin(self, question: str) -> Future[Vectors]:
        """The vector of `question`. Most models read words in capitals as names, or as noise."""
        shouted = question.isupper() and len(words(question)) >= SENTENCE
        return self._embedder.begin(question.lower() if shouted else question)

    def _scored(self, query: Query, ids: Sequence[int]) -> list[_Scored]:
        """The chunks with these ids and what is known of each; ids that are gone are left out."""
        chunks, vectors = self._index.library.chunks(ids), self._index.library.vectors(ids)
        there = [chunk for i, chunk in chunks.items() if i in vectors]
        scores = keyword_scores(query, [chunk.text for chunk in there])
        return [
            _Scored(chunk, vectors[chunk.id], float(keyword), float(subject))
            for chunk, keyword, subject in zip(there, *scores, strict=True)
        ]

    def _chunks_of(self, collection: str) -> list[int]:
        ids = self._index.library.chunk_ids(collection)
        if not ids and normalize("NFC", collection) not in (known := self.collections):
            raise _unknown(collection, known)
        return ids

    def _nearest(self, vector: Vectors, among: Sequence[int] | None) -> list[int]:
        """The ids of the vectors nearest to `vector`, of the chunks `among` if that is given."""
        if among is None or len(among) > COMPARED:
            return self._index.nearest(vector, CANDIDATES, among)
        vectors = self._index.library.vectors(among)
        cosine = {i: float(other @ vector) for i, other in vectors.items()}
        return nlargest(CANDIDATES, cosine, key=cosine.__getitem__)

    def _profile(self, query: Query) -> Profile:
        return self._profiles.of(self._embedder.name, query.language)


def _unknown(collection: str, known: Sequence[str]) -> UnknownCollection:
    names, more = ", ".join(known[:NAMED]), len(known) - NAMED
    if not known:
        return UnknownCollection(
            f"There is no collection {collection}: no document lies in a folder. Ask without one.",
            f"Không có bộ sưu tập {collection}: chưa có tài liệu nào nằm trong thư mục. Hãy hỏi mà "
            "không chọn bộ sưu tập.",
        )
    return UnknownCollection(
        f"There is no collection {collection}. Choose one of: {names}"
        + (f" and {more} more." if more > 0 else "."),
        f"Không có bộ sưu tập {collection}. Hãy chọn một trong: {names}"
        + (f" và {more} bộ khác." if more > 0 else "."),
    )


def _combined(profile: Profile, cosine: Scores, keyword: Scores) -> Scores:
    if profile.spread:
        cosine, keyword = _spread(cosine), _spread(keyword)
    return profile.cosine * cosine + (1 - profile.cosine) * keyword


def _verdict(profile: Profile, evidence: float) -> Verdict:
    if evidence < profile.refuse_below:
        return "refuse"
    return "weak" if evidence < profile.weak_below else "answer"


def _source(number: int, passage: Sequence[Chunk], score: float) -> Source:
    first = passage[0]
    return Source(
        number=number,
        document=first.document,
        title=first.title,
        page=first.page,
        score=min(max(float(score), 0.0), 1.0),
        text=joined(passage),
        document_id=first.document_id,
        chunks=tuple(chunk.id for chunk in passage),
    )


def _spread(scores: Scores) -> Scores:
    low, high = scores.min(initial=0.0), scores.max(initial=0.0)
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)
