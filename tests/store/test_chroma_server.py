"""A Chroma server that goes away and comes back: nobody loses an answer or a document by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from ingest.sync import locate, sync
from rag.retrieval.embedder import Embedder
from rag.retrieval.retriever import Retriever
from rag.store import store as store_module
from rag.store.store import Store
from tests.store.test_vectors import free_port, serving

pytestmark = pytest.mark.slow

TEXTS = {f"{n}.md": f"Pump {n} of the station is checked in week {n}." for n in range(60)}


class Room:
    """A data folder, a store whose vectors are on a server, and that server."""

    def __init__(self, root: Path, embedder: Embedder) -> None:
        self.data, self._place, self._port = root / "data", root / "chroma", free_port()
        self._embedder = embedder
        self._server = ExitStack()
        for folder in (self.data, self._place):
            folder.mkdir()
        self.start()
        for name, text in TEXTS.items():
            (self.data / name).write_text(text)
        url = f"http://127.0.0.1:{self._port}"
        self.store = Store(root / "store", embedder.name, embedder.dimension, url)
        self.read()

    def start(self) -> None:
        self._server.enter_context(serving(self._place, self._port))

    def kill(self) -> None:
        self._server.close()

    def lose(self) -> None:
        """The server's disk is another one."""
        self._place = self._place.with_name("other")
        self._place.mkdir()

    def close(self) -> None:
        self.store.close()
        self.kill()

    def read(self) -> dict[str, str]:
        place = locate(self.data, self.data)
        receipts = sync(*place, self.store, self._embedder, lambda *_: None)
        return {r.name: r.outcome for r in receipts if r.outcome != "unchanged"}

    def nearest(self) -> list[int]:
        return self.store.nearest(self._embedder.embed(["a pump in week 7"])[0], 10)

    def exact(self) -> list[int]:
        """The same by comparing all that the library has."""
        query = self._embedder.embed(["a pump in week 7"])[0]
        vectors = self.store.library.vectors(self.store.library.chunk_ids())
        return sorted(vectors, key=lambda i: -float(vectors[i] @ query))[:10]

    def found(self, question: str) -> str:
        return Retriever(self.store, self._embedder).search(question, 5).sources[0].document


@pytest.fixture
def room(tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setattr(store_module, "_PAUSE", 0.0)
    room = Room(tmp_path, embedder)
    yield room
    room.close()


@pytest.mark.parametrize("lost", [False, True], ids=["its disk is there", "its disk is lost"])
def test_a_server_that_is_killed_is_said_and_done_without_until_it_is_there_again(
    room: Room, lost: bool
) -> None:
    assert room.store.problems() == [] and room.found("Which pump in week 7?") == "7.md"
    room.kill()
    assert np.array_equal(room.nearest(), room.exact())
    assert room.found("Which pump in week 7?") == "7.md"
    [problem] = room.store.problems()
    assert "vector index" in problem and "http" not in problem
    (room.data / "new.md").write_text("The lighthouse was painted in May.")
    (room.data / "9.md").write_text("Pump 9 was sold.")
    (room.data / "8.md").unlink()
    assert room.read() == {"new.md": "added", "9.md": "replaced", "8.md": "removed"}
    assert room.found("When was the lighthouse painted?") == "new.md"
    if lost:
        room.lose()
    room.start()
    room.nearest()
    assert room.store.problems() == []
    assert room.store.vectors.count() == room.store.library.count() == 60
    assert room.nearest() == room.exact()
    assert room.found("When was the lighthouse painted?") == "new.md"


def test_a_reading_after_the_server_came_back_tells_it_all(room: Room) -> None:
    room.kill()
    (room.data / "new.md").write_text("The lighthouse was painted in May.")
    assert room.read() == {"new.md": "added"}
    room.start()
    assert room.read() == {}
    assert room.store.problems() == [] and room.store.vectors.count() == 61
