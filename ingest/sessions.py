"""The documents that visitors of a public server add for themselves: each visitor has a library of
its own beside the common one, which nobody else can ask, and which is gone after a day."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from cachetools import TTLCache

from rag.errors import DocumentError, StoreError
from rag.events import Waiting
from rag.retrieval.embedder import Embedder
from rag.retrieval.retriever import Retriever
from rag.retrieval.together import Together
from rag.store import private
from rag.store.library import Library
from rag.store.opening import POLL_SECONDS
from rag.store.store import Store
from rag.types import Document

from .background import Reading
from .sync import Receipt, sync
from .uploads import Uploads, checked

log = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 3600.0
"""After the last file was added."""

IDLE_SECONDS = 3600.0
"""After which a visitor's store is closed; it is opened again for the next question."""

MOST_VISITORS = 200
MOST_OF_ONE_USER = 20
"""Visitors whom one name or address may be in a day."""

MOST_FILES = 50
MOST_BYTES = 20_000_000
"""What one visitor may add: files, and bytes in each."""

READINGS = 2  # at once, each in a process of its own; questions have threads of theirs
SWEEP_SECONDS = 600.0
_KEY = re.compile("[A-Za-z0-9_-]{22}")  # 128 random bits; who has it is the visitor
_LINK = re.compile("[0-9a-f]{32}")  # of a key; who has it may see the visitor's documents


class Sessions:
    """The libraries of all visitors, below the store of `reading`, whose model they share."""

    def __init__(self, store: Path, reading: Reading) -> None:
        self._path = store / "visitors"
        self._reading = reading
        self._open: dict[str, Session] = {}  # by link
        self._opening = threading.Lock()  # held while one is opened, closed or made
        self._made: TTLCache[str, int] = TTLCache(10_000, KEPT_SECONDS)  # by user
        self._readers = ThreadPoolExecutor(READINGS, thread_name_prefix="visitors")

    def enter(self, visitor: str) -> str:
        """The key of a visitor: the one it has, or a new one."""
        return visitor if _KEY.fullmatch(visitor or "") else secrets.token_urlsafe(16)

    def session(self, link: str) -> Session | None:
        """That of a visitor who added something that is still there; None also as long as the
        library is not open. May open a store: not for an event loop."""
        opening = self._reading.opening
        if not _LINK.fullmatch(link) or not opening.done or opening.failed:
            return None
        embedder = opening.wait().embedder
        session = self._open.get(link)
        if session is None or session.model != embedder.name:
            try:
                session = self._opened(link, embedder)
            except StoreError as exc:
                log.error("a visitor's documents cannot be opened: %s", exc)
                return None
        if session:
            session.used = time.monotonic()
        return session

    def documents(self, visitor: str) -> list[Document]:
        session = self.session(link_of(visitor))
        return session.library.documents() if session else []

    def together(self, visitor: str, library: Retriever) -> Retriever:
        """What searches `library` and the visitor's own documents."""
        session = self.session(link := link_of(visitor))
        if session is None or not session.library.count():
            return library
        own = Retriever(session.store, library.embedder, library.profiles)
        return Together(library, own, f"own/{link}/")

    async def add(
        self, visitor: str, user: str, name: str, body: AsyncIterator[bytes]
    ) -> AsyncGenerator[dict[str, object]]:
        """Keeps a file and reads it into the visitor's library: yields how far that is, and its
        receipt last. `user` is a name or an address. Raises HeadwaterError if it may not be kept or
        read."""
        checked(name)
        async for waiting in self._reading.opening.waiting():
            yield {"progress": asdict(waiting)}
        session, told = await asyncio.to_thread(self._made_for, visitor, user), None
        kept = await session.uploads.save(name, body)
        reading = session.begin(self._readers, self._reading)
        while not reading.done():
            if session.progress != told:
                told = session.progress
                yield {"progress": asdict(told)}
            await asyncio.wait([asyncio.wrap_future(reading)], timeout=POLL_SECONDS)
        reading.result()
        yield {"receipt": asdict(session.uploads.became(kept) or Receipt(kept, "removed"))}

    async def remove(self, visitor: str, document: int) -> dict[str, object]:
        """Removes a visitor's document, and gives its receipt. Raises DocumentError if it has no
        such document."""
        session = await asyncio.to_thread(self.session, link_of(visitor))
        if session is None:
            raise _no_document()
        loop = asyncio.get_running_loop()
        name = await loop.run_in_executor(self._readers, session.remove, document)
        return {"receipt": asdict(Receipt(name, "removed"))}

    def sweep(self) -> None:
        """Forgets the visitors who added nothing for a day, and closes what nobody asks."""
        for folder in self._path.iterdir() if self._path.is_dir() else ():
            with self._opening, suppress(FileNotFoundError):
                session = self._open.get(folder.name)
                gone = time.time() - _used(folder) > KEPT_SECONDS
                if session and (gone or session.idle):
                    del self._open[folder.name]
                    session.store.close()
                if gone:
                    shutil.rmtree(folder)

    async def watch(self) -> None:
        """Forgets them as their day ends."""
        while True:
            try:
                await asyncio.to_thread(self.sweep)
            except Exception:
                log.exception("visitors' documents could not be looked through")
            await asyncio.sleep(SWEEP_SECONDS)

    def close(self) -> None:
        self._readers.shutdown()
        with self._opening:
            for session in self._open.values():
                session.store.close()
            self._open.clear()

    def _made_for(self, visitor: str, user: str) -> Session:
        """The session of a visitor who adds something. Raises HeadwaterError."""
        link = link_of(visitor)
        if not link:
            raise DocumentError(
                "Reload the page, then add the file again.",
                "Hãy tải lại trang rồi thêm tệp lần nữa.",
            )
        self._reading.opening.wait()  # raises what kept the library from being opened
        self.sweep()
        with self._opening:
            if not (self._path / link).is_dir():
                there = sum(1 for _ in self._path.iterdir()) if self._path.is_dir() else 0
                made = self._made.get(user, 0)
                if there >= MOST_VISITORS or made >= MOST_OF_ONE_USER:
                    raise DocumentError(
                        "Too many visitors have documents here now. Try again later.",
                        "Hiện có quá nhiều người đang dùng tài liệu riêng. Hãy thử lại sau.",
                    )
                self._made[user] = made + 1
                private.folder(self._path)
                private.folder(self._path / link)
        session = self.session(link)
        if session is None:
            raise DocumentError(
                "Your documents cannot be opened. Reload the page, then try again.",
                "Không mở được tài liệu của bạn. Hãy tải lại trang rồi thử lại.",
            )
        return session

    def _opened(self, link: str, embedder: Embedder) -> Session | None:
        """Opens what a visitor has; with the library of another model it is read again."""
        with self._opening:
            session = self._open.get(link)
            if session and session.model == embedder.name:
                return session
            if session:
                del self._open[link]
                session.store.close()
            folder = self._path / link
            if not folder.is_dir():
                return None
            session = self._open[link] = Session(folder, embedder.name, embedder.dimension)
        if session.uploads.path.is_dir() and not session.library.count():
            session.begin(self._readers, self._reading)
        return session


def shelf_of(reading: Reading, sessions: Sessions) -> Callable[[str], Library | None]:
    """Gives the library of a visitor's link, or for "" that of all."""

    def shelf(link: str) -> Library | None:
        if not link:
            return reading.library
        session = sessions.session(link)
        return session.library if session else None

    return shelf


class Session:
    """One visitor's library and the files it is read from."""

    def __init__(self, folder: Path, model: str, dimension: int) -> None:
        self.model = model
        self.store = Store(folder, model, dimension, None)
        self.uploads = Uploads(folder, str(folder / "uploads"), MOST_FILES, MOST_BYTES)
        self.progress = Waiting(0, 0, "")
        self.used = time.monotonic()
        self._reading = threading.Lock()
        self._begun: Future[None] | None = None  # the last reading that was asked for

    @property
    def library(self) -> Library:
        return self.store.library

    @property
    def idle(self) -> bool:
        """Whether nobody asks or reads it."""
        rests = self._begun is None or self._begun.done()
        return rests and time.monotonic() - self.used > IDLE_SECONDS

    def begin(self, readers: Executor, reading: Reading) -> Future[None]:
        """Reads the files on one of `readers`; one that waits there already will see all of them,
        too."""
        if self._begun is None or self._begun.running() or self._begun.done():
            self._begun = readers.submit(self._read, reading)
        return self._begun

    def remove(self, document: int) -> str:
        """Removes a document and its file, once nothing is being read; its name. Raises
        DocumentError if there is none."""
        with self._reading:
            found = self.library.document(document)
            if found is None:
                raise _no_document()
            self.uploads.remove(found.name)
            self.store.remove(found.folder, found.name)
            return found.name

    def _read(self, reading: Reading) -> None:
        """Makes the library equal to the files. Raises HeadwaterError."""
        embedder = reading.opening.wait().embedder
        with self._reading:
            for receipt in sync(*self.uploads.place(), self.store, embedder, self._tell):
                self.uploads.keep(receipt)

    def _tell(self, done: int, total: int, name: str) -> None:
        self.progress = Waiting(done, total, name)


def link_of(visitor: str) -> str:
    """What stands for a visitor's key in addresses and on the disk, which tell it to nobody; "" for
    what is no key."""
    if not _KEY.fullmatch(visitor or ""):
        return ""
    return hashlib.sha256(visitor.encode()).hexdigest()[:32]


def _no_document() -> DocumentError:
    return DocumentError("There is no such document.", "Không có tài liệu này.")


def _used(folder: Path) -> float:
    """When something was last added to a visitor's folder, in seconds since 1970."""
    uploads = folder / "uploads"
    return (uploads if uploads.exists() else folder).stat().st_mtime
