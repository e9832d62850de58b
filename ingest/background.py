"""Opens the store and reads the data folder beside a running page; says how far it is and what is
there. Knows nothing of the page."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from rag.errors import HeadwaterError
from rag.events import Waiting
from rag.retrieval import earlier, profiles
from rag.retrieval.earlier import Earlier
from rag.retrieval.embedder import Embedder, SentenceEmbedder
from rag.retrieval.models import MULTILINGUAL
from rag.retrieval.retriever import Retriever
from rag.retrieval.start import open_store
from rag.serving import memory
from rag.settings import Settings
from rag.store.library import Library
from rag.store.opening import POLL_SECONDS, Opening, Report
from rag.store.store import Store
from rag.types import UPLOADS, Document, Notice

from .backup import ready
from .carrying import carried
from .listing import Folder, locate
from .receipts import Receipt
from .sync import Progress, sync
from .uploads import Uploads

log = logging.getLogger(__name__)

Place = tuple[Folder, str]


class Reading:
    """The library of one process: `opening` is over when it may be asked, which is as soon as the
    first document is in it.

    `failed` and `unsupported` hold the receipts of the files that could not be read last time,
    `error` what kept the last reading from going through, `notice` what readers have to know of
    the model that searches. `uploads` is the folder of what was added at the page.

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
        self._asked = threading.Event()  # for a reading, while one is going on
        self._added = threading.Event()  # when there is something at the page that is not read
        self._reading = False
        self._first = threading.Event()  # when there is something to ask, or nothing to come
        self._starting = threading.Lock()
        self._receipts: dict[str, list[Receipt]] = {}  # of the last reading, by folder
        self.uploads = Uploads(settings.store_dir, UPLOADS)
        self.progress = Waiting(0, 0, "")
        self.error: HeadwaterError | None = None
        self.notice: Notice | None = None
        with self._starting:  # the thread that opens needs it there
            self.opening: Opening[Retriever] = Opening(self._open)

    @property
    def busy(self) -> bool:
        """Whether documents are being read now."""
        return not self.opening.done or self._reading

    @property
    def failed(self) -> list[Receipt]:
        return [receipt for receipt in self._read_last() if receipt.is_failure]

    @property
    def unsupported(self) -> list[Receipt]:
        return [receipt for receipt in self._read_last() if receipt.outcome == "unsupported"]

    def _read_last(self) -> list[Receipt]:
        return [receipt for of in self._receipts.copy().values() for receipt in of]

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
        """Reads the folders again, on a thread of its own; questions are answered meanwhile. If
        the store could not be opened, that is tried again first. One that is going on is followed
        by another; while the earlier library is taken over, between two of its documents."""
        with self._starting:
            self._asked.set()
            if self.busy:
                return
            self._start()

    def settled(self) -> Retriever:
        """Waits until nothing is read any more. Raises what kept the store from being opened."""
        self.opening.wait()
        while self.busy:
            time.sleep(POLL_SECONDS)
        return self.opening.wait()

    def read_uploads(self) -> None:
        """Reads what was added at the page, before anything else that is to be read."""
        with self._starting:
            self._added.set()
            if not self.busy:
                self._start()

    @property
    def stores(self) -> list[Store]:
        """All that is read into; none before they are open."""
        before = self._earlier
        return [store for store in (self._store, before and before.store) if store]

    def quicken(self) -> None:
        """Makes single questions quicker, in seconds of work beside those that are asked; for a
        process that answers many."""
        if self._embedder:
            self._embedder.record()

    async def settle(self) -> None:
        """Quickens questions, and gives back the memory of the start and of an earlier library."""
        async for _ in self.opening.waiting():
            pass
        await asyncio.to_thread(self.quicken)
        memory.settle()
        pause = 10.0  # seconds; a collection stops every stream for half of one
        while self.doubled:
            await asyncio.sleep(1)
            if not (self.busy or self.meanwhile):
                memory.settle()  # the old library may hang in a circle
                await asyncio.sleep(pause)
                pause *= 2

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
            self.error = unexpected(exc)
            raise self.error from exc
        answering = self._retriever
        if before:
            answering = Retriever(before.store, before.embedder, measured)
            # The last answer that searches it may end long after the new library is there.
            self._closing = weakref.finalize(answering, before.store.close)
            self._closing.atexit = False  # it may be read into
            self._earlier = before
        with self._starting:
            self._asked.set()
            self._start()
        library = (before.store if before else store).library
        while not (library.count() or self._first.wait(POLL_SECONDS)):
            report(self.progress)
        return answering

    def _start(self) -> None:
        """Begins to read; tries again to open the store, if that failed."""
        self.error = None
        if self.opening.done and self.opening.failed:
            self.opening.restart()
        else:
            self._reading = True
            threading.Thread(target=self._read_all, name="reading", daemon=True).start()

    def _opened(self) -> tuple[Store, Embedder]:
        """The store and the embedding model, opened once; what failed may be tried again."""
        if self._store and self._embedder:
            return self._store, self._embedder
        ready(self._settings)
        self._store, embedder, self.notice = open_store(self._settings, self._model)
        return self._store, embedder

    def _model(self, name: str, store: Path) -> Embedder:
        if self._embedder is None:
            self._embedder = self._load(name, store)
        return self._embedder

    def _read_all(self) -> None:
        """Reads the folders, and again as long as that is asked for meanwhile."""
        while True:
            whole = self._asked.is_set()
            self._asked.clear()
            self._read(whole)
            self._first.set()
            if self._earlier and not earlier.pending(self._settings.store_dir, MULTILINGUAL):
                assert self._retriever
                log.info("the earlier library is taken over: answers come from the new one")
                self._earlier = None
                self.opening.wait()
                self.opening.renew(self._retriever)
            with self._starting:
                if not (self._asked.is_set() or self._added.is_set()):
                    self._reading, self.opening.meanwhile = False, None
                    return

    def _read(self, whole: bool) -> None:
        """One reading of the folders, or of what was added at the page alone. What goes wrong is
        kept for the page: the documents that were read before can still be asked."""

        def progress(done: int, total: int, name: str) -> None:
            self.progress = self.opening.meanwhile = Waiting(done, total, name)

        try:
            self._follow(progress, whole)
        except HeadwaterError as exc:
            log.error("%s", exc)
            self.error = exc
            return
        except Exception as exc:
            log.exception("the documents could not be read")
            self.error = unexpected(exc)
            return
        self.error = None
        for receipt in self.failed:
            log.warning("%s could not be read: %s", receipt.name, receipt.reason)

    def _follow(self, progress: Progress, whole: bool) -> None:
        """Makes the library equal to the folders. An earlier one that answers comes first, so that
        what is new is found at once and what is gone not any more, and is then taken over; that is
        left to the next reading if one was asked for before the end."""
        assert self._store and self._embedder
        now, before = Earlier(self._store, self._embedder), self._earlier
        if not whole:
            for into in filter(None, (before, now)):
                self._sync_uploads(into, progress)
            return
        if before:
            self._sync(before, progress)
        library = before.store.library if before else None
        folder = self._settings.store_dir
        for _ in carried(folder, self._store, self._embedder, progress, library):
            if before and self._asked.is_set():
                return
            if before and self._added.is_set():
                self._sync_uploads(before, progress)
        self._sync(now, progress)

    def _sync(self, into: Earlier, progress: Progress) -> None:
        """What was added at the page first, and between two other files: somebody waits for it."""
        data, follow = self._settings.data_dir, self._settings.follow_links
        self._sync_uploads(into, progress)
        for _ in self._receipts_of(locate(data, data, follow), into, progress):
            if self._added.is_set():
                self._sync_uploads(into, progress)

    def _sync_uploads(self, into: Earlier, progress: Progress) -> None:
        self._added.clear()
        for receipt in self._receipts_of(self.uploads.place(), into, progress):
            self.uploads.keep(receipt)

    def _receipts_of(self, place: Place, into: Earlier, progress: Progress) -> Iterator[Receipt]:
        folder, scope = place
        receipts = self._receipts[folder.name] = list[Receipt]()
        for receipt in sync(folder, scope, into.store, into.embedder, progress):
            receipts.append(receipt)
            yield receipt


def unexpected(cause: Exception | None) -> HeadwaterError:
    error = HeadwaterError(
        "The documents could not be read because of a fault in Headwater, which its log describes. "
        "Try again.",
        "Không đọc được tài liệu do lỗi của Headwater, được ghi trong nhật ký. Hãy thử lại.",
    )
    error.__cause__ = cause
    return error
