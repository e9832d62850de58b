"""Finds the passages that may answer a question.

Candidates are the 50 nearest vectors and the 50 best keyword matches, of the library or of one
collection in it, and up to 50 that have an identifier of the question; each then gets its exact
cosine and its exact BM25, whose weighted sum ranks them (rag.retrieval.candidates). Knows no prompt
and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cache
from heapq import nlargest
from typing import NamedTuple

import numpy as np

from ..errors import LibraryEmpty, UnknownCollection
from ..store.schema import Within, as_place, places_of
from ..store.store import Store
from ..text.courtesy import without_courtesy
from ..text.identifiers import identifiers
from ..text.language import column, detect, folded, stem, stems, subject, terms, topics, words
from ..text.wrapping import unwrapped
from ..types import OWN, Chunk, Findings, Language, Vectors
from .bm25 import COMMON, RARE, Query, Scores, idf, keyword_scores
from .candidates import Candidates, combined, identified, judged
from .embedded_texts import EmbeddedTexts
from .embedder import Embedder
from .overview import overview
from .profiles import BUILT_IN, Profile, Profiles
from .spelling import corrected

CANDIDATES = 50
# Chunks of a collection up to which every vector is compared, which misses none and takes 10 ms
# for so many. Chroma takes 5 to 14 ms whatever the number, and misses some: of the 50 nearest among
# 2000 it found 94 %, among 10,000 81 %, in all of the 20,000 random vectors 74 %.
COMPARED = 2000
SENTENCE = 3  # words in capitals that are a sentence; fewer may be a name or a code
NAMED = 10  # collections that an error names
EMBEDDED = 32  # sentences that are compared by their meaning for one answer
# What is left of a question matches by chance more easily than all of it.
LESS = 1.02


class _Scored(NamedTuple):
    chunk: Chunk
    vector: Vectors
    keyword: float
    subject: float
    covered: float


class Retriever:
    """Searches one index with one embedder. Safe to share between threads."""

    def __init__(self, store: Store, embedder: Embedder, profiles: Profiles = BUILT_IN) -> None:
        self.store = store
        self.embedder = embedder
        self.profiles = profiles
        self._texts = EmbeddedTexts(embedder)
        # By a question's language the chunks in the other, and the library's edition then.
        self._foreign_ids: dict[Language, tuple[str, Sequence[int]]] = {}

    @property
    def edition(self) -> str:
        """Names what the library holds now; another once its documents change."""
        library = self.store.library
        return f"{library.id}-{library.revision}"

    @property
    def model(self) -> str:
        """The name of the embedding model."""
        return self.embedder.name

    @property
    def collections(self) -> list[str]:
        """What a search may be restricted to, sorted."""
        return self.store.library.collections()

    def search(self, question: str, top_k: int, *places: str) -> Findings:
        """The `top_k` best sources for `question`, best first, numbered from 1, and the verdict.

        Its courtesies are not searched for; a question without a sure answer is tried once more
        without what is said around it (rag.text.wrapping), then as it may have been meant, with the
        library's words for those that are in no document (rag.retrieval.spelling). The findings'
        `query` is what was searched in the end.

        With `places`, collections or documents by their names, only their passages are sources,
        and how rare a word is, and so the scores and the verdict, is counted in them alone.

        Raises LibraryEmpty when there is nothing to search, UnknownCollection when there is no such
        place, StoreError when the store fails.
        """
        if about := overview(self.store.library, without_courtesy(question), places):
            if places:
                self._within(places)  # or that there is none is what is to be said
            return about
        candidates = self.candidates(question, *places)
        findings, chunks = self._ranked(candidates, top_k), candidates.query.chunks
        if judged(findings, chunks).verdict != "answer":
            findings = self._unwrapped(findings, top_k, places)
        if findings.verdict != "answer" and (meant := self._corrected(findings.query)):
            other = self._ranked(self.candidates(meant, *places), top_k)
            if other.verdict != "refuse" and other.best_score > findings.best_score:
                return judged(other, chunks)
        return judged(findings, chunks)

    def candidates(self, question: str, *places: str) -> Candidates:
        """What is ranked for `question` without its courtesies. Raises as `search` does."""
        question = without_courtesy(question)
        library = self.store.library
        if not library.count():
            raise LibraryEmpty(
                "The library is empty: there is no document to answer from. Put documents into the "
                "data folder and read them in (python -m ingest).",
                "Thư viện đang trống: chưa có tài liệu nào để trả lời. Hãy đặt tài liệu vào thư "
                "mục data rồi nạp vào (python -m ingest).",
            )
        within = self._within(places) if places else None
        among = None if within is None else within.ids
        embedding = self._begin(question)  # its words are looked up meanwhile
        query = self.prepare(question, within)
        matching = [
            chunk
            for wanted in (query.identifying_terms(), query.rare_terms())
            for chunk in library.keyword_search(wanted, query.column, CANDIDATES, among)
        ]
        found = self._scored(query, list(dict.fromkeys(matching)))
        vector = embedding.result()
        known = {each.chunk.id for each in found}
        near = self._nearest(vector, among)
        if self.profile(query).across and (foreign := self._foreign(query.language, among)):
            near += self._nearest(vector, foreign)
        near = [i for i in dict.fromkeys(near) if i not in known]
        found += self._scored(query, near)
        # In the order of the documents, so that equal scores do not rank by when they were read.
        found.sort(key=lambda each: (each.chunk.document, each.chunk.page, each.chunk.id))
        return Candidates(
            query,
            tuple(each.chunk for each in found),
            cosine=np.array([each.vector @ vector for each in found]),
            keyword=np.array([each.keyword for each in found]),
            subject=np.array([each.subject for each in found]),
            covered=np.array([each.covered for each in found]),
            identified=identified(query, [each.chunk.text for each in found]),
        )

    def compare(self, sentence: str) -> tuple[Query, Callable[[Sequence[str]], list[float]]]:
        """`sentence` with what its terms weigh, and what gives the likeness of each of some texts
        to it. Nothing is embedded before that is asked, and a text but once."""
        query = self.prepare(sentence)
        profile = self.profile(query)

        def likeness(texts: Sequence[str]) -> list[float]:
            vector = self.embedder.begin(sentence).result()
            cosines = self._texts.vectors(texts) @ vector
            return [profile.likeness(float(cosine)) for cosine in cosines]

        return query, likeness

    def relevance(self, question: str, texts: Sequence[str]) -> Scores:
        """How well each of `texts` fits `question`, by the same two scores; shape (len(texts),).

        The texts need not be in the index. Of many only those whose words fit best are embedded, of
        equals the first: to embed all would take a hundred times as long as the search.
        """
        embedding, query = self._begin(question), self.prepare(question)
        profile, (keyword, _, _) = self.profile(query), keyword_scores(query, texts)
        embedded = np.argsort(-keyword, kind="stable")[:EMBEDDED]
        vectors = self.embedder.embed([texts[i] for i in embedded])
        cosine = np.full(len(texts), profile.floor)
        cosine[embedded] = vectors @ embedding.result()
        return combined(profile, cosine, keyword)

    def prepare(self, question: str, within: Within | None = None) -> Query:
        """`question` with what its terms weigh in this index, or `within` a part of it."""
        form = column(question)

        def as_indexed(cut: Sequence[str]) -> Sequence[str]:
            return folded(cut) if form == "folded" else cut

        cut, about = as_indexed(words(question)), set(as_indexed(subject(question)))
        wanted = list(dict.fromkeys(terms(stems(cut))))
        known = frozenset(map(stem, about or cut))
        statistics = self.store.library.keyword_statistics(wanted, form, within, counted=known)
        forms: dict[str, set[str]] = {}
        for word in cut:
            forms.setdefault(stem(word), set()).add(word)
        share = {term: COMMON if words.isdisjoint(about) else RARE for term, words in forms.items()}

        def weight(term: str) -> float:
            least = min(share[part] for part in term.split("_"))
            return idf(statistics.chunks, statistics.chunks_with.get(term, 0), least)

        return Query(
            text=question,
            language=detect(question),
            column=form,
            idf={term: weight(term) for term in wanted},
            keywords=known,
            forms={term: frozenset(words) for term, words in forms.items()},
            identifiers=identifiers(question),
            about=bool(about),
            chunks=statistics.chunks,
            average_terms=statistics.average_terms,
            absent=tuple(
                word
                for word in topics(question)
                if not statistics.chunks_with.get(stem(*as_indexed(words(word))))
            ),
        )

    def _ranked(self, found: Candidates, top_k: int) -> Findings:
        return found.ranked(self.profile(found.query), top_k)

    def _unwrapped(self, findings: Findings, top_k: int, places: Sequence[str]) -> Findings:
        """`findings`, or those for what is asked without what is said around it, if that says more.
        Where that is something too, it is no sure answer."""
        form = column(findings.query)

        @cache
        def known(*words: str) -> bool:
            term = "_".join(stems(folded(words) if form == "folded" else words))
            return bool(self.store.library.chunks_with([term], form))

        asked = unwrapped(findings.query, known)
        if asked is None:
            return findings
        other = self._ranked(self.candidates(asked.text, *places), top_k)
        enough = max(findings.best_score, other.threshold * LESS)
        if other.verdict == "refuse" or other.best_score < enough:
            return findings
        sure = other.verdict == "answer" and not asked.aside
        return other if sure else replace(other, verdict="weak")

    def _corrected(self, question: str) -> str | None:
        """`question` with its misspelt words put right, if it has any."""
        library, form = self.store.library, column(question)

        def chunks_with(words: Sequence[str]) -> Mapping[str, float]:
            indexed = {word: stem(word) for word in words}
            found = library.chunks_with(list(set(indexed.values())), form)
            return {word: found[term] for word, term in indexed.items() if term in found}

        return corrected(question, form, chunks_with, self.embedder.has_word)

    def _begin(self, question: str) -> Future[Vectors]:
        """The vector of `question`. Most models read words in capitals as names, or as noise."""
        shouted = question.isupper() and len(words(question)) >= SENTENCE
        return self.embedder.begin(question.lower() if shouted else question)

    def _scored(self, query: Query, ids: Sequence[int]) -> list[_Scored]:
        """The chunks with these ids and what is known of each; ids that are gone are left out."""
        chunks, vectors = self.store.library.chunks(ids), self.store.library.vectors(ids)
        there = [chunk for i, chunk in chunks.items() if i in vectors]
        scores = keyword_scores(query, [chunk.text for chunk in there])
        return [
            _Scored(chunk, vectors[chunk.id], *map(float, of_chunk))
            for chunk, *of_chunk in zip(there, *scores, strict=True)
        ]

    def _foreign(self, language: Language, among: Sequence[int] | None) -> Sequence[int]:
        """The chunks in the other language, of those in `among` if that is given."""
        now = self.edition  # before its ids, that what is written meanwhile is looked up again
        edition, ids = self._foreign_ids.get(language, ("", ()))
        if edition != now:
            other: Language = "en" if language == "vi" else "vi"
            ids = self.store.library.in_language(other)
            self._foreign_ids[language] = now, ids
        return ids if among is None else sorted(set(ids).intersection(among))

    def _within(self, places: Sequence[str]) -> Within:
        library = self.store.library
        within = library.within(*places)
        if within.ids and len(places) == 1:
            return within
        known: set[str | None] = set()
        for document in library.documents():
            known |= places_of(document.folder, document.name)
        for place in places:
            if as_place(place) not in known:
                raise _unknown(place, self.collections)
        return within

    def _nearest(self, vector: Vectors, among: Sequence[int] | None) -> list[int]:
        """The ids of the vectors nearest to `vector`, of the chunks `among` if that is given."""
        if among is None or len(among) > COMPARED:
            return self.store.nearest(vector, CANDIDATES, among)
        vectors = self.store.library.vectors(among)
        cosine = {i: float(other @ vector) for i, other in vectors.items()}
        return nlargest(CANDIDATES, cosine, key=cosine.__getitem__)

    def profile(self, query: Query) -> Profile:
        """What was measured for the model and for questions of the form of `query`."""
        return self.profiles.of(self.embedder.name, query.form)


def _unknown(collection: str, known: Sequence[str]) -> UnknownCollection:
    names, more = ", ".join(known[:NAMED]), len(known) - NAMED
    if collection == OWN:
        return UnknownCollection(
            "You have no documents of your own here, or they are deleted. Add some, or choose all "
            "documents.",
            "Bạn chưa có tài liệu riêng ở đây, hoặc chúng đã bị xóa. Hãy thêm tài liệu, hoặc chọn "
            "mọi tài liệu.",
        )
    if not known:
        return UnknownCollection(
            f"There is no collection or document {collection}, and no document lies in a folder. "
            "Ask without one.",
            f"Không có bộ sưu tập hay tài liệu {collection}, và chưa có tài liệu nào nằm trong thư "
            "mục. Hãy hỏi mà không chọn bộ sưu tập.",
        )
    return UnknownCollection(
        f"There is no collection or document {collection}. Choose one of: {names}"
        + (f" and {more} more." if more > 0 else "."),
        f"Không có bộ sưu tập hay tài liệu {collection}. Hãy chọn một trong: {names}"
        + (f" và {more} bộ khác." if more > 0 else "."),
    )
