"""An embedding model that is loaded when it is first asked for something. Knows no storage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from ..types import Vectors
from .embedder import Embedder


class Later:
    """The embedder that `load` gives, of which the name and the dimension are known before. What
    `load` raises comes out of whatever asked first; it is tried again then."""

    def __init__(self, name: str, dimension: int, load: Callable[[], Embedder]) -> None:
        self.name, self.dimension = name, dimension
        self._load = load
        self._embedder: Embedder | None = None
        self._loading = threading.Lock()

    def record(self) -> None:
        """As Embedder.record; nothing if nobody needed the model."""
        if self._embedder:
            self._embedder.record()

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        return self._loaded().embed(texts, progress)

    def begin(self, question: str) -> Future[Vectors]:
        return self._loaded().begin(question)

    def has_word(self, word: str) -> bool:
        return self._loaded().has_word(word)

    def _loaded(self) -> Embedder:
        with self._loading:
            if self._embedder is None:
                embedder = self._load()
                assert (embedder.name, embedder.dimension) == (self.name, self.dimension)
                self._embedder = embedder
            return self._embedder
