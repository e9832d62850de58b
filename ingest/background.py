"""Opens the store and reads the data folder beside a running page; says how far it is and what is
there. Knows nothing of the page."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from rag.errors import HeadwaterError
from rag.events import Waiting
from rag.retrieval import profiles
from rag.retrieval.embedder import Embedder, SentenceEmbedder
from rag.retrieval.retriever import Retriever
from rag.retrieval.start import open_store
from rag.settings import Settings
from rag.store.library import Library
from rag.store.opening import Opening, Report
from rag.store.store import Store
from rag.types import Document, Notice

from .carrying import carried
from .sync import Receipt, locate, sync

log = logging.getLogger(__name__)


class Reading:
    """The library of one process: `opening` is over when it may be asked.

    `failed` and `unsupported` hold the receipts of the files that could not be read last time,
    `error` what kept the last reading from going through, `notice` what readers have to know of
    the model that searches.
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
        self._again: threading.Thread | None = None
        self._starting = threading.Lock()
        self.progress = Waiting(0, 0, "")
        self.failed: list[Receipt] = []
        self.unsupported: list[Receipt] = []
        self.error: HeadwaterError | None = None
        self.notice: Notice | None = None
        self.opening: Opening[Retriever] = Opening(self._open)

    @property
    def busy(self) -> bool:
        """Whether documents are being read now."""
        return not self.opening.done or (self._again is not None and self._again.is_alive())

    @property
    def library(self) -> Library | None:
        """What was read; None before the store is open."""
        return self._store.library if self._store else None

    def documents(self) -> list[Document]:
        """What the library holds; nothing before it is open."""
        return self._store.library.documents() if self._store else []

    def problems(self) -> list[str]:
        """What keeps questions from being answered now, in a sentence each."""
        if not self.opening.done:
            done, total = self.progress.done, self.progress.total
            how_far = f": {done} of {total} documents" if total else ""
            return [f"The library is being opened{how_far}."]
        if self._store is None or self._embedder is None or self.opening.failed:
            return [self.error.en if self.error else "The library could not be opened."]
        return self._store.problems()

    def again(self) -> None:
        """Reads the folder again, on a thread of its own; questions are answered meanwhile. If
        the store could not be opened, that is tried again first."""
        with self._starting:
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

    def _open(self, report: Report) -> Retriever:
        try:
            store, embedder = self._opened()
            measured = profiles.load(self._settings.store_dir)
            retriever = Retriever(store, embedder, measured)
        except HeadwaterError as exc:
            self.error = exc
            raise
        except Exception as exc:
            log.exception("the store could not be opened")
            self.error = _unexpected(exc)
            raise self.error from exc
        self._read(store, embedder, report)
        return retriever

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
        assert self._store and self._embedder
        self._read(self._store, self._embedder, lambda _: None)

    def _read(self, store: Store, embedder: Embedder, report: Report) -> None:
        """One reading of the data folder. What goes wrong is kept for the page: the documents that
        were read before can still be asked."""

        def progress(done: int, total: int, name: str) -> None:
            self.progress = Waiting(done, total, name)
            report(self.progress)

        try:
            data, follow = self._settings.data_dir, self._settings.follow_links
            folder, scope = locate(data, data, follow)
            for _ in carried(self._settings.store_dir, store, embedder, progress):
                pass
            receipts = list(sync(folder, scope, store, embedder, progress))
        except HeadwaterError as exc:
            log.error("%s", exc)
            self.error = exc
            return
        except Exception as exc:
            log.exception("the documents could not be read")
            self.error = _unexpected(exc)
            return
        self.error = None
        self.failed = [r for r in receipts if r.outcome == "failed"]
        self.unsupported = [r for r in receipts if r.outcome == "unsupported"]
        for receipt in self.failed:
            log.warning("%s could not be read: %s", receipt.name, receipt.reason)


def _unexpected(cause: Exception) -> HeadwaterError:
    error = HeadwaterError(
        "The documents could not be read because of a fault in Headwater, which its log describes. "
        "Try again.",
        "Không đọc được tài liệu do lỗi của Headwater, được ghi trong nhật ký. Hãy thử lại.",
    )
    error.__cause__ = cause
    return error
