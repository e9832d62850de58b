"""Adds documents at the page to the library of all, and removes them again: what
`rag.documents.uploads` serves where visitors have none of their own (ingest.sessions)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict

from rag.errors import DocumentError
from rag.store.opening import POLL_SECONDS
from rag.types import UPLOADS

from .background import Reading, unexpected
from .receipts import Receipt


class Adding:
    """Adds to the library that `reading` reads."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def add(
        self, visitor: str, user: str, name: str, body: AsyncIterator[bytes]
    ) -> AsyncGenerator[dict[str, object]]:
        """Keeps a file and reads it: yields how far that is, and its receipt last. Raises
        HeadwaterError if it may not be kept or read."""
        reading, told = self._reading, None
        kept = await reading.uploads.save(name, body)
        reading.read_uploads()
        while True:
            busy = reading.busy  # asked first: what is read until then has its receipt
            if receipt := reading.uploads.became(kept):
                yield {"receipt": asdict(receipt)}
                return
            if not busy:
                raise reading.error or unexpected(None)
            if reading.progress != told:
                told = reading.progress
                yield {"progress": asdict(told)}
            await asyncio.sleep(POLL_SECONDS)

    async def remove(self, visitor: str, document: int) -> dict[str, object]:
        """Removes a document that was added here, and gives its receipt. Raises DocumentError if it
        was not, or is gone."""
        name = await asyncio.to_thread(self._removed, document)
        return {"receipt": asdict(Receipt(name, "removed"))}

    def _removed(self, document: int) -> str:
        library = self._reading.library
        found = library.document(document) if library else None
        if found is None or found.folder != UPLOADS:
            raise DocumentError(
                "There is no such document among those that were added here.",
                "Không có tài liệu này trong số đã thêm ở đây.",
            )
        self._reading.uploads.remove(found.name)
        for store in self._reading.stores:
            store.remove(UPLOADS, found.name)
        self._reading.read_uploads()  # one that was being read meanwhile has it again
        return found.name
