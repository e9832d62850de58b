"""Opens the store and reads the data folder beside a running page; says how far it is and what is
there. Knows nothing of the page."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from rag.errors import HeadwaterError
from rag.events import Waiting
from rag.retrieval import earlier, profiles
from rag.retrieval.earlier import Earlier
from rag.retrieval.embedder import Embedder, SentenceEmbedder
from rag.retrieval.models import MULTILINGUAL
from rag.retrieval.retriever import Retriever
from rag.retrieval.start import open_store
from rag.settings import Settings
from rag.store.library import Library
from rag.store.opening import Opening, Report
from rag.store.store import Store
from rag.types import Document, Notice

from .carrying import carried
from .listing import Folder, locate
from .receipts import Receipt
from .sync import Progress, sync

log = logging.getLogger(__name__)


class Reading:
    """The library of one process: `opening` is over when it may be asked.

    `failed` and `unsupported` hold the receipts of the files that could not be read last time,
    `error` what kept the last reading from going through, `notice` what readers have to know of
    the model that searches.

    As long as a library of an earlier model is not taken over, that one answers and is read into;
    the new one takes its place at once when it has all.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[str, Path], Embedder] = SentenceEmbedder,
    ) -> None:
        """`load` gives the embedding model, of that name and for that store."""
        self._settings = settings
        self._load = load
        self._store: Store | None = None
        self._embedder: Embedder | None = None
        self._retriever: Retriever | None = None  # of the store
        self._earlier: Earlier | None = None  # what answers instead of it
        self._closing: weakref.finalize[[], Retriever] | None = None  # of the earlier store
        self._asked = threading.Event()  # for a reading, while the earlier library is taken over
        self._again: threading.Thread | None = None
        self._starting = threading.Lock()
        self.progress = Waiting(0, 0, "")
        self.failed: list[Receipt] = []
        self.unsupported: list[Receipt] = []
        self.error: HeadwaterError | None = None
        self.notice: Notice | None = None
        with self._starting:  # the thread that reads needs it there
            self.opening: Opening[Retriever] = Opening(self._open)

    @property
    def busy(self) -> bool:
        """Whether documents are being read now."""
        return not self.opening.done or (self._again is not None and self._again.is_alive())

    @property
    def meanwhile(self) -> Notice | None:
        """That the earlier library answers, as long as it does."""
        return earlier.ANSWERS if self._earlier else None

    @property
    def doubled(self) -> bool:
        """Whether the earlier library and its model are still in memory beside the new ones."""
        return self._closing is not None and self._closing.alive

    @property
    def library(self) -> Library | None:
        """What questions are answered from; None before the store is open."""
        store = self._answering
        return store.library if store else None

    def documents(self) -> list[Document]:
        """What the library holds; nothing before it is open."""
        library = self.library
        return library.documents() if library else []

    @property
    def _answering(self) -> Store | None:
        before = self._earlier
        return before.store if before else self._store

    def problems(self) -> list[str]:
        """What keeps questions from being answered now, in a sentence each."""
        if not self.opening.done:
            done, total = self.progress.done, self.progress.total
            how_far = f": {done} of {total} documents" if total else ""
            return [f"The library is being opened{how_far}."]
        store = self._answering
        if store is None or self._embedder is None or self.opening.failed:
            return [self.error.en if self.error else "The library could not be opened."]
        return store.problems()

    def again(self) -> None:
        """Reads the folder again, on a thread of its own; questions are answered meanwhile. If
        the store could not be opened, that is tried again first. While the earlier library is
        taken over, it is read between two of its documents."""
        with self._starting:
            self._asked.set()
            if self.busy:
                return
            self.error = None
            if self.opening.failed:
                self.opening.restart()
            else:
                self._again = threading.Thread(target=self._read_again, name="reading", daemon=True)
                self._again.start()

    def quicken(self) -> None:
        """Makes single questions quicker, in seconds of work beside those that are asked; for a
        process that answers many."""
        if self._embedder:
            self._embedder.record()

    def close(self) -> None:
        """Gives the store back once nobody reads."""
        if self._store and not self.busy:
            self._store.close()
            if self._closing:
                self._closing()

    def _open(self, report: Report) -> Retriever:
        try:
            store, embedder = self._opened()
            measured = profiles.load(self._settings.store_dir)
            self._retriever = Retriever(store, embedder, measured)
            folder = self._settings.store_dir
            before = earlier.opened(store, embedder.name, folder, self._load)
        except HeadwaterError as exc:
            self.error = exc
            raise
        except Exception as exc:
            log.exception("the store could not be opened")
            self.error = _unexpected(exc)
            raise self.error from exc
        if before is None:
            self._read(report)
            return self._retriever
        answering = Retriever(before.store, before.embedder, measured)
        # The last answer that searches it may end long after the new library is there.
        self._closing = weakref.finalize(answering, before.store.close)
        self._closing.atexit = False  # it may be read into
        self._earlier = before
        self._again = threading.Thread(target=self._read_again, name="reading", daemon=True)
        self._again.start()
        return answering

    def _opened(self) -> tuple[Store, Embedder]:
        """The store and the embedding model, opened once; what failed may be tried again."""
        if self._store and self._embedder:
            return self._store, self._embedder
        self._store, embedder, self.notice = open_store(self._settings, self._model)
        return self._store, embedder

    def _model(self, name: str, store: Path) -> Embedder:
        if self._embedder is None:
            self._embedder = self._load(name, store)
        return self._embedder

    def _read_again(self) -> None:
        with self._starting:
            opening = self.opening
        opening.wait()
        self._read(lambda _: None)
        if self._earlier and not earlier.pending(self._settings.store_dir, MULTILINGUAL):
            assert self._retriever
            log.info("the earlier library is taken over: answers come from the new one")
            self._earlier = None
            opening.renew(self._retriever)

    def _read(self, report: Report) -> None:
        """One reading of the data folder. What goes wrong is kept for the page: the documents that
        were read before can still be asked."""
        assert self._store and self._embedder

        def progress(done: int, total: int, name: str) -> None:
            self.progress = Waiting(done, total, name)
            report(self.progress)

        try:
            data, follow = self._settings.data_dir, self._settings.follow_links
            place = locate(data, data, follow)
            while not self._follow(place, progress):
                pass
        except HeadwaterError as exc:
            log.error("%s", exc)
            self.error = exc
            return
        except Exception as exc:
            log.exception("the documents could not be read")
            self.error = _unexpected(exc)
            return
        self.error = None
        for receipt in self.failed:
            log.warning("%s could not be read: %s", receipt.name, receipt.reason)

    def _follow(self, place: tuple[Folder, str], progress: Progress) -> bool:
        """Makes the library equal to the folder. An earlier one that answers comes first, so that
        what is new is found at once and what is gone not any more, and is then taken over; False
        if a reading was asked for before the end."""
        assert self._store and self._embedder
        self._asked.clear()
        before, folder = self._earlier, self._settings.store_dir
        if before:
            self._sync(place, before, progress)
        library = before.store.library if before else None
        for _ in carried(folder, self._store, self._embedder, progress, library):
            if before and self._asked.is_set():
                return False
        self._sync(place, Earlier(self._store, self._embedder), progress)
        return not (before and self._asked.is_set())

    def _sync(self, place: tuple[Folder, str], into: Earlier, progress: Progress) -> None:
        receipts = list(sync(*place, into.store, into.embedder, progress))
        self.failed = [r for r in receipts if r.is_failure]
        self.unsupported = [r for r in receipts if r.outcome == "unsupported"]


def _unexpected(cause: Exception) -> HeadwaterError:
    error = HeadwaterError(
        "The documents could not be read because of a fault in Headwater, which its log describes. "
        "Try again.",
        "Không đọc được tài liệu do lỗi của Headwater, được ghi trong nhật ký. Hãy thử lại.",
    )
    error.__cause__ = cause
    return error
