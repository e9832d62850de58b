"""The nearest-neighbour index. The only module that imports chromadb; knows no text.

It holds nothing that cannot be built again from the library.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import chromadb
import httpx
from chromadb.api import ClientAPI
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import ChromaError, InternalError, NotFoundError

from ..errors import VectorsError
from ..types import Vectors
from . import private

log = logging.getLogger(__name__)

_UPSERT_LIMIT = 5000  # Chroma 1.5.9 takes 5461 at most


class VectorIndex:
    """Unit vectors under integer ids, in one Chroma collection with cosine distance.

    Embedded in `directory`, where each rebuild gets a new numbered folder, or on the server at
    `url`. Methods raise VectorsError when Chroma fails.
    """

    def __init__(self, name: str, directory: Path, url: str | None = None) -> None:
        self._name = name
        self._directory = directory
        self._url = url
        # Held by a search, by a removal, and while it gets another collection.
        self._swap = threading.Lock()
        self._number = self._newest = 0  # of the folder in use, and of the last one opened
        self._client: ClientAPI | None = None
        self._collection: Collection | None = None

    def open(self) -> None:
        """Opens the newest collection, an empty one if there is none."""
        with self._translated():
            if self._url:
                client = _http_client(self._url)
            else:
                client = self._embedded(max(self._folders(), default=1))
            self._collection = _created(client, self._name)
            self._client, self._number = client, self._newest

    def rebuild(self, batches: Iterator[tuple[Sequence[int], Vectors]]) -> None:
        """Fills a new collection from `batches`, which then takes the place of the old one."""
        with self._translated():
            if self._url:
                self._rebuild_on_server(self._client or _http_client(self._url), batches)
            else:
                self._rebuild_embedded(batches)

    def _rebuild_on_server(
        self, client: ClientAPI, batches: Iterator[tuple[Sequence[int], Vectors]]
    ) -> None:
        unfinished = f"{self._name}-new"
        with suppress(NotFoundError):
            client.delete_collection(unfinished)
        collection = _filled(client, unfinished, batches)
        with self._swap:
            with suppress(NotFoundError):
                client.delete_collection(self._name)
            collection.modify(name=self._name)
            self._client, self._collection = client, collection

    def _rebuild_embedded(self, batches: Iterator[tuple[Sequence[int], Vectors]]) -> None:
        # Never one that was opened, though it was deleted: Chroma would give that client again.
        client: Any = self._embedded(max([self._newest, *self._folders()]) + 1)
        try:
            collection = _filled(client, self._name, batches)
        except BaseException:
            client.close()
            raise
        self._restrict()
        with self._swap:
            old, self._client, self._collection = self._client, client, collection
            self._number = self._newest
        if old is not None:
            old.close()  # type: ignore[attr-defined]
        for number in sorted(self._folders())[:-1]:
            shutil.rmtree(self._directory / str(number), ignore_errors=True)

    def close(self) -> None:
        with self._swap:
            client: Any = self._client
            self._client = self._collection = None
        if client is not None:
            client.close()
            if self._url:  # Chroma 1.5.9 leaves the connections of its HTTP client open
                for owner in (client, client._admin_client):
                    owner._server._session.close()

    def count(self) -> int:
        with self._translated():
            return self._open_collection.count()

    def add(self, ids: Sequence[int], vectors: Vectors) -> None:
        """Stores `vectors`, shape (len(ids), dimension); what stood under an id is replaced."""
        with self._translated():
            _upsert(self._open_collection, ids, vectors)
            self._restrict()

    def remove(self, ids: Sequence[int]) -> None:
        """Removes these ids; those that are not there do no harm."""
        with self._translated():
            for start in range(0, len(ids), _UPSERT_LIMIT):
                part = [str(i) for i in ids[start : start + _UPSERT_LIMIT]]
                with self._swap:
                    self._open_collection.delete(ids=part)
            self._restrict()

    def nearest(self, vector: Vectors, limit: int, among: Sequence[int] | None = None) -> list[int]:
        """The ids of the `limit` vectors nearest to `vector`, nearest first; of those in `among` if
        it is given, where ids that are not there do no harm."""
        wanted = None if among is None else [str(i) for i in among]
        with self._swap, self._translated():
            collection = self._open_collection
            try:
                found = _nearest(collection, vector, limit, wanted)
            except InternalError:
                if wanted is None:
                    raise
                # Chroma 1.5.9 refuses them all for one that is not there: a document is being
                # read, and the library has its chunks first.
                there = collection.get(ids=wanted, include=[])["ids"]
                found = _nearest(collection, vector, limit, there)
        return [int(i) for i in found]

    @property
    def lost(self) -> bool:
        """Whether its folder was deleted while it is open: Chroma goes on with what it has in
        memory, until it is to write or to read more."""
        return not self._url and bool(self._number) and not self._file(self._number).is_file()

    @property
    def _open_collection(self) -> Collection:
        assert self._collection is not None, "open() comes first"
        return self._collection

    def _folders(self) -> list[int]:
        if not self._directory.is_dir():
            return []
        return [int(p.name) for p in self._directory.iterdir() if p.name.isdigit()]

    def _embedded(self, number: int) -> ClientAPI:
        folder = self._directory / str(number)
        private.folder(self._directory)
        private.folder(folder)
        private.file(self._file(number))
        options = ChromaSettings(anonymized_telemetry=False)
        self._newest = number
        return chromadb.PersistentClient(str(folder), settings=options)

    def _file(self, number: int) -> Path:
        return self._directory / str(number) / "chroma.sqlite3"

    def _restrict(self) -> None:
        """Chroma's own code makes the HNSW files as everybody's, now and then."""
        if not self._url:
            private.tree(self._directory)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (ChromaError, httpx.HTTPError, ValueError, OSError) as exc:
            place = self._url or self._directory
            error = VectorsError(
                "The vector index cannot be used, and could not be built anew. Check that its "
                "disk or server can be written, which the log names, then read the folder again.",
                "Không dùng được chỉ mục vector và cũng không dựng lại được. Hãy kiểm tra đĩa hoặc "
                "máy chủ của nó, được nêu trong nhật ký, rồi đọc lại thư mục.",
                owner=f"{place}: {exc}",
            )
            log.error("the vector index at %s failed: %s", place, exc)  # who asks is told less
            raise error from exc


def _created(client: ClientAPI, name: str) -> Collection:
    return client.get_or_create_collection(
        name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )


def _filled(
    client: ClientAPI, name: str, batches: Iterator[tuple[Sequence[int], Vectors]]
) -> Collection:
    collection = _created(client, name)
    for ids, vectors in batches:
        _upsert(collection, ids, vectors)
    return collection


def _nearest(
    collection: Collection, vector: Vectors, limit: int, among: list[str] | None
) -> list[str]:
    found = collection.query(
        query_embeddings=vector.reshape(1, -1), n_results=limit, ids=among, include=[]
    )
    return found["ids"][0]


def _upsert(collection: Collection, ids: Sequence[int], vectors: Vectors) -> None:
    for start in range(0, len(ids), _UPSERT_LIMIT):
        part = slice(start, start + _UPSERT_LIMIT)
        collection.upsert(ids=[str(i) for i in ids[part]], embeddings=vectors[part])


def _http_client(url: str) -> ClientAPI:
    address = httpx.URL(url)
    return chromadb.HttpClient(
        host=address.host,
        port=address.port or (443 if address.scheme == "https" else 80),
        ssl=address.scheme == "https",
        settings=ChromaSettings(anonymized_telemetry=False),
    )
