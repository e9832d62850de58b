"""The store: the library, which is the truth, and the vector index, which follows it.

Knows where they lie, that one process holds them at a time, and how the second is brought into step
with the first. Knows no embedding model and no ranking.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from heapq import nlargest
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from filelock import FileLock

from ..errors import StoreError, VectorsError
from ..types import Document, Vectors
from . import private
from .library import Library
from .lock import hold, unusable
from .vectors import VectorIndex

log = logging.getLogger(__name__)

_SLICE = 5000  # chunks whose vectors are held in memory at once
_PROBES = 16  # stored vectors that are looked for when the store is opened
_PAUSE = 10.0  # seconds
_CHURN = 1000  # removals below which the vector index is never rebuilt for them alone


class Store:
    """The opened store of one embedding model, under `store/<fingerprint>`.

    Another model, or the same name with another dimension, has a folder of its own, so vectors are
    never mixed and going back costs nothing. `held` is the lock of `store`, where it was acquired
    before; it is released here. Raises StoreLocked when another process holds the store, StoreError
    when it cannot be used.
    """

    def __init__(
        self,
        store: Path,
        model: str,
        dimension: int,
        chroma_url: str | None,
        held: FileLock | None = None,
    ) -> None:
        name = fingerprint(model, dimension)
        self._place, self._url = store, chroma_url
        self._mending = threading.RLock()  # held by who writes into the vector index
        self._mended = 0  # how often it was built anew
        self._broken_until = 0.0
        self._behind = False  # whether the vector index could not be told of what was read last
        try:
            with ExitStack() as opened:  # closed again, last first, if the next step fails
                self._lock = held or hold(store)
                opened.callback(self._lock.release)
                self._folder = store / name
                private.folder(self._folder)
                self.library = Library(self._folder / private.LIBRARY)
                opened.callback(self.library.close)
                collection = f"headwater-{name}-{self.library.id}"
                self.vectors = VectorIndex(collection, self._folder / "vectors", chroma_url)
                opened.callback(self.vectors.close)
                self._bring_into_step()
                opened.pop_all()
        except OSError as exc:
            raise unusable(store, exc) from exc

    @property
    def place(self) -> Path:
        """The folder in which those of all models lie."""
        return self._place

    def beside(self, model: str, dimension: int) -> Store:
        """The store of another model in the same folder, under the same lock, which is given back
        once both are closed. Raises StoreError."""
        self._lock.acquire()
        return Store(self._place, model, dimension, self._url, self._lock)

    def close(self) -> None:
        self.vectors.close()
        self.library.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def replace(
        self,
        document: Document,
        passages: Sequence[tuple[int, str]],
        vectors: Vectors,
        names: Sequence[str] = (),
        *,
        follow: bool = True,
    ) -> None:
        """As Library.replace; the vector index follows, at once or when it can be written again;
        unless it is to `follow` later, for several documents, by `follow` or the next change."""
        self.library.replace(document, passages, vectors, names)
        if follow:
            self.follow()

    def remove(self, folder: str, name: str) -> None:
        """As Library.remove; the vector index follows, at once or when it can be written again."""
        self.library.remove(folder, name)
        self.follow()

    def nearest(self, vector: Vectors, limit: int, among: Sequence[int] | None = None) -> list[int]:
        """As VectorIndex.nearest. An index that broke is built anew first; if that cannot be done,
        all vectors in the library are compared, which takes longer."""
        before = self._mended
        if self.vectors.lost:
            self._mend(before)
        elif self._behind and time.monotonic() >= self._broken_until:
            self.follow()  # a server that came back has what it had when it went
        try:
            return self.vectors.nearest(vector, limit, among)
        except VectorsError:
            if self._mend(before):
                return self.vectors.nearest(vector, limit, among)
        scores = (
            (float(score), i)
            for ids, vectors in self._batches(self.library.chunk_ids() if among is None else among)
            for i, score in zip(ids, vectors @ vector, strict=True)
        )
        return [i for _, i in nlargest(limit, scores)]

    def settle(self) -> None:
        """Mends a vector index that broke since the store was opened, as far as it can be mended;
        `problems` says what it could not. For a reading to begin with."""
        before = self._mended
        with self._mending:
            self.follow()
            try:
                whole = not self.vectors.lost and self.vectors.count() == self.library.count()
            except VectorsError:
                whole = False
            if not whole:
                self._broken_until = 0.0  # somebody asks for it, and once
                self._mend(before)

    def problems(self) -> list[str]:
        """What keeps searches from seeing all documents, in a sentence each; quick."""
        if not self._lock.is_locked:
            return ["The store is closed."]
        try:
            stored, found = self.library.count(), self.vectors.count()
        except StoreError as exc:
            return [exc.en]
        if not (self._folder / private.LIBRARY).is_file():  # its content until this process ends
            return ["The library's file is gone. Stop Headwater and start it again."]
        if self.vectors.lost:
            return [
                "The vector index's folder is gone. The next question or reading builds it anew, "
                "once the store can be written."
            ]
        if stored != found:
            return [
                f"The vector index has {found} of {stored} chunks. Check that its disk or server "
                "can be written, then read the folder again."
            ]
        if self._behind:
            return [
                "The vector index does not have what was read last. Check that its disk or server "
                "can be written; the next question or reading tells it."
            ]
        return []

    def rebuild(self) -> None:
        """Builds the vector index anew from the library; nothing is embedded again."""
        with self._mending:
            told = self.library.backlog()
            self.vectors.rebuild(self._batches(self.library.chunk_ids()))
            self.library.clear_backlog(told, rebuilt=True)
            self._mended += 1
            self._behind = False

    def follow(self) -> None:
        """Tells the vector index what it has yet to be told. One that cannot be told costs nobody
        the document: the library has it, finds it by its words, and keeps the list."""
        before = self._mended
        with self._mending:
            try:
                self._catch_up()
                self._behind = False
            except VectorsError:
                self._behind = True
                self._mend(before)

    def _mend(self, before: int) -> bool:
        """Builds the vector index anew unless another thread did since there were `before` of them;
        whether it can be asked again. What failed is not tried again for a while: every question
        and every file comes by here."""
        with self._mending:
            if self._mended == before and time.monotonic() >= self._broken_until:
                log.warning("the vector index is broken: building it anew from the library")
                try:
                    self.rebuild()
                except VectorsError:
                    self._broken_until = time.monotonic() + _PAUSE
            return self._mended != before

    def _catch_up(self) -> None:
        backlog = self.library.backlog()
        if not backlog.added and not backlog.removed:
            return
        self.vectors.remove(backlog.removed)
        for ids, vectors in self._batches(backlog.added):
            self.vectors.add(ids, vectors)
        self.library.clear_backlog(backlog)
        # HNSW never gives back the room of what was removed, and recall falls with it: after five
        # rounds of replacing everything it was 0.91.
        if self.library.removed_from_vectors() > max(_CHURN, self.library.count()):
            self.rebuild()

    def _bring_into_step(self) -> None:
        # Damaged HNSW files can kill the process inside Chroma 1.5.9, at this start and every
        # later one. The mark is left by a process that died here; the next one builds anew.
        mark = self._folder / "opening-vectors"
        died = mark.exists()
        private.file(mark)
        try:
            in_step = not died and self._in_step()
            if not in_step:
                log.warning("building the vector index anew from the library")
                self.rebuild()
        finally:
            mark.unlink()

    def _in_step(self) -> bool:
        try:
            self.vectors.open()
            self._catch_up()
            return self.vectors.count() == self.library.count() and self._probe()
        except StoreError:
            log.warning("the vector index is broken", exc_info=True)
            return False

    def _probe(self) -> bool:
        """Whether stored vectors from all over the index find themselves, or others equal to them.

        The last alone says little: Chroma keeps the newest apart from the older ones.
        """
        ids = self.library.chunk_ids()
        for _, vectors in self._batches([*ids[:: len(ids) // _PROBES + 1], *ids[-1:]]):
            for vector in vectors:
                nearest = self.library.vectors(self.vectors.nearest(vector, 5))
                if not any(float(v @ vector) > 0.99 for v in nearest.values()):
                    return False
        return True

    def _batches(self, ids: Sequence[int]) -> Iterator[tuple[Sequence[int], Vectors]]:
        for start in range(0, len(ids), _SLICE):
            known = self.library.vectors(ids[start : start + _SLICE])
            if known:
                yield list(known), np.stack(list(known.values()))


def fingerprint(model: str, dimension: int) -> str:
    """The name of the store of one embedding model: readable, and different for another model."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", Path(model).name).strip("-")[:40] or "model"
    return f"{readable}-{hashlib.sha256(f'{model} {dimension}'.encode()).hexdigest()[:8]}"
