"""A library in a temporary folder whose documents come and go, so that each text is embedded once
however many libraries it is searched in. Knows no questions and no figures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from ..retrieval.embedder import Embedder
from ..retrieval.profiles import Profiles
from ..retrieval.retriever import Retriever
from ..store.store import Store
from ..types import Document, Source, Vectors


class Prepared:
    """An embedder that has embedded the questions beforehand: in batches that is several times as
    fast, and each may be asked twice."""

    def __init__(self, embedder: Embedder, questions: Sequence[str]) -> None:
        self.name, self.dimension = embedder.name, embedder.dimension
        self.record, self.embed, self._begin = embedder.record, embedder.embed, embedder.begin
        self.has_word = embedder.has_word
        texts = list(dict.fromkeys(questions))
        self._known = dict(zip(texts, embedder.embed(texts), strict=True))

    def begin(self, question: str) -> Future[Vectors]:
        if question not in self._known:
            return self._begin(question)
        known: Future[Vectors] = Future()
        known.set_result(self._known[question])
        return known


class TemporaryLibrary:
    """Some of `paragraphs`, by name the text and its vector, each a document of one chunk."""

    def __init__(
        self, store: Store, paragraphs: Mapping[str, tuple[str, Vectors]], retriever: Retriever
    ) -> None:
        self.retriever = retriever
        self._store, self._paragraphs = store, paragraphs
        self._held: set[str] = set()

    def hold(self, names: Collection[str]) -> None:
        """Makes these paragraphs the library, and no others. The vector index is built anew: one
        that documents were taken out of finds fewer."""
        wanted, library = set(names), self._store.library
        for name in sorted(self._held - wanted):
            library.remove("", name)
        for name in sorted(wanted - self._held):
            text, vector = self._paragraphs[name]
            document = Document("", name, name, "", pages=1, pages_with_text=1, chunks=1)
            library.replace(document, [(1, text)], vector.reshape(1, -1))
        self._held = wanted
        self._store.rebuild()

    def source(self, name: str) -> Source:
        """A held paragraph as an answer cites it."""
        [chunk] = self._store.library.opening("", name)
        found = (chunk.text, chunk.document_id, (chunk.id,), chunk.language)
        return Source(1, name, name, chunk.page, 0.0, *found)


@contextmanager
def temporary(
    paragraphs: Mapping[str, tuple[str, Vectors]], embedder: Embedder, profiles: Profiles
) -> Iterator[TemporaryLibrary]:
    """An empty one, gone at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="headwater-eval-") as folder,
        Store(Path(folder), embedder.name, embedder.dimension, None) as store,
    ):
        yield TemporaryLibrary(store, paragraphs, Retriever(store, embedder, profiles))
