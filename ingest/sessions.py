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
from dataclasses import asdict
from pathlib import Path

from rag.errors import DocumentError
from rag.events import Waiting
from rag.retrieval.retriever import Retriever
from rag.retrieval.together import Together
from rag.store.library import Library
from rag.store.opening import POLL_SECONDS
from rag.store.store import Store
from rag.types import Document

from .background import Reading
from .sync import Receipt, sync
from .uploads import Uploads, safe

log = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 3600.0
"""After the last file was added."""

MOST_VISITORS = 200
MOST_FILES = 50
MOST_BYTES = 20_000_000
"""What one visitor may add: files, and bytes in each."""

SWEEP_SECONDS = 600.0
_KEY = re.compile("[A-Za-z0-9_-]{22}")  # 128 random bits; who has it is the visitor


class Sessions:
    """The libraries of all visitors, below the store of `reading`, whose model they share."""

    def __init__(self, store: Path, reading: Reading) -> None:
        self._path = store / "visitors"
        self._reading = reading
        self._open: dict[str, Session] = {}
        self._opening = threading.Lock()

    def enter(self, visitor: str) -> str:
        """The key of a visitor: the one it has, or a new one."""
        return visitor if _KEY.fullmatch(visitor or "") else secrets.token_urlsafe(16)

    def session(self, visitor: str) -> Session | None:
        """Of a visitor who added something that is still there."""
        return self._session(visitor, make=False)

    def documents(self, visitor: str) -> list[Document]:
        session = self.session(visitor)
        return session.library.documents() if session else []

    def together(self, visitor: str, library: Retriever) -> Retriever:
        """What searches `library` and the visitor's own documents."""
        session = self.session(visitor)
        if session is None or not session.library.count():
            return library
        own = Retriever(session.store, library.embedder, library.profiles)
        return Together(library, own, f"own/{visitor}/")

    async def add(
        self, visitor: str, name: str, body: AsyncIterator[bytes]
    ) -> AsyncGenerator[dict[str, object]]:
        """Keeps a file and reads it into the visitor's library: yields how far that is, and its
        receipt last. Raises HeadwaterError if it may not be kept."""
        await asyncio.to_thread(self.sweep)
        await asyncio.to_thread(self._reading.opening.wait)
        session = await asyncio.to_thread(self._session, visitor, make=True)
        if session is None:
            raise DocumentError(
                "Reload the page, then add the file again.",
                "Hãy tải lại trang rồi thêm tệp lần nữa.",
            )
        session.receipts.pop(safe(name), None)  # of an earlier file of this name
        kept, told = await session.uploads.save(name, body), None
        reading = asyncio.create_task(asyncio.to_thread(session.read, self._reading))
        while not reading.done():
            if session.progress != told:
                told = session.progress
                yield {"progress": asdict(told)}
            await asyncio.wait([reading], timeout=POLL_SECONDS)
        reading.result()
        yield {"receipt": asdict(session.receipts.get(kept) or Receipt(kept, "unchanged"))}

    async def remove(self, visitor: str, document: int) -> dict[str, object]:
        """Removes a visitor's document, and gives its receipt. Raises DocumentError if it has no
        such document."""
        session = self.session(visitor)
        found = session.library.document(document) if session else None
        if session is None or found is None:
            raise DocumentError("There is no such document.", "Không có tài liệu này.")
        session.uploads.remove(found.name)
        await asyncio.to_thread(session.store.remove, found.folder, found.name)
        return {"receipt": asdict(Receipt(found.name, "removed"))}

    def sweep(self) -> None:
        """Forgets the visitors who added nothing for a day."""
        if not self._path.is_dir():
            return
        for folder in self._path.iterdir():
            if time.time() - _used(folder) > KEPT_SECONDS:
                with self._opening:
                    if session := self._open.pop(folder.name, None):
                        session.store.close()
                    shutil.rmtree(folder, ignore_errors=True)

    async def watch(self) -> None:
        """Forgets them as their day ends."""
        while True:
            await asyncio.to_thread(self.sweep)
            await asyncio.sleep(SWEEP_SECONDS)

    def close(self) -> None:
        with self._opening:
            for session in self._open.values():
                session.store.close()
            self._open.clear()

    def _session(self, visitor: str, make: bool) -> Session | None:
        if not _KEY.fullmatch(visitor):
            return None
        name = hashlib.sha256(visitor.encode()).hexdigest()[:32]  # the disk tells no key
        with self._opening:
            if session := self._open.get(name):
                return session
            folder = self._path / name
            if not folder.is_dir():
                if not make:
                    return None
                if self._path.is_dir() and sum(1 for _ in self._path.iterdir()) >= MOST_VISITORS:
                    raise DocumentError(
                        "Too many visitors have documents here now. Try again later.",
                        "Hiện có quá nhiều người đang dùng tài liệu riêng. Hãy thử lại sau.",
                    )
            embedder = self._reading.opening.wait().embedder
            self._open[name] = Session(folder, embedder.name, embedder.dimension)
            return self._open[name]


def shelf_of(reading: Reading, sessions: Sessions) -> Callable[[str], Library | None]:
    """Gives the library of a visitor, or for "" that of all."""

    def shelf(visitor: str) -> Library | None:
        if not visitor:
            return reading.library
        session = sessions.session(visitor)
        return session.library if session else None

    return shelf


class Session:
    """One visitor's library and the files it is read from."""

    def __init__(self, folder: Path, model: str, dimension: int) -> None:
        self.store = Store(folder, model, dimension, None)
        self.uploads = Uploads(folder, MOST_FILES, MOST_BYTES)
        self.progress = Waiting(0, 0, "")
        self.receipts: dict[str, Receipt] = {}  # by name, of the last time that it was read
        self._reading = threading.Lock()

    @property
    def library(self) -> Library:
        return self.store.library

    def read(self, reading: Reading) -> None:
        """Makes the library equal to the files. Raises HeadwaterError."""
        embedder = reading.opening.wait().embedder
        with self._reading:
            for receipt in sync(*self.uploads.place(), self.store, embedder, self._tell):
                if receipt.outcome != "unchanged":  # one that was added beside it was read with it
                    self.receipts[receipt.name] = receipt

    def _tell(self, done: int, total: int, name: str) -> None:
        self.progress = Waiting(done, total, name)


def _used(folder: Path) -> float:
    """When something was last added to a visitor's folder, in seconds since 1970."""
    uploads = folder / "uploads"
    return (uploads if uploads.exists() else folder).stat().st_mtime
