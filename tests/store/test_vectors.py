"""The vector index, embedded and on a real Chroma server: one behaviour in both places."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from rag.errors import StoreError
from rag.store.store import Store
from rag.store.vectors import VectorIndex
from rag.types import Document, Vectors

MakeIndex = Callable[[], VectorIndex]

NAMES = (f"headwater-test-{number}" for number in count())


def unit(rows: int, seed: int = 0, dimension: int = 16) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(rows, dimension)).astype(np.float32)
    vectors: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return vectors


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def serving(place: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A Chroma server with its files in `place`, once it listens; killed at the end."""
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(place)]
    with (place / "output").open("ab") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=output, stderr=output
        )
        try:
            for _ in range(600):
                if process.poll() is not None:
                    break
                with socket.socket() as knocking:
                    if knocking.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            assert process.poll() is None, (place / "output").read_text()
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Chroma server."""
    port = free_port()
    with serving(tmp_path_factory.mktemp("chroma"), port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(params=["embedded", "server"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> MakeIndex:
    """Makes an index that is not open yet, always of the same collection."""
    url = request.getfixturevalue("server") if request.param == "server" else None
    name = next(NAMES)
    return lambda: VectorIndex(name, tmp_path / "vectors", url)


@pytest.fixture
def index(make: MakeIndex) -> Iterator[VectorIndex]:
    opened = make()
    opened.open()
    yield opened
    opened.close()


def test_the_nearest_come_first(index: VectorIndex) -> None:
    vectors = unit(40)
    index.add(range(100, 140), vectors)
    wanted = np.argsort(-(vectors @ vectors[7]))[:5] + 100
    assert index.count() == 40
    assert index.nearest(vectors[7], 5) == list(wanted)


def test_fewer_than_asked_for_are_found_where_there_are_no_more(index: VectorIndex) -> None:
    assert index.nearest(unit(1)[0], 5) == []
    index.add([3, 4], unit(2))
    assert index.nearest(unit(2)[1], 5) == [4, 3]


def test_a_vector_under_a_known_id_replaces_the_old_one(index: VectorIndex) -> None:
    vectors = unit(3)
    index.add([1, 2], vectors[:2])
    index.add([2], vectors[2:])
    assert index.count() == 2
    assert index.nearest(vectors[2], 1) == [2]


def test_removing_takes_what_is_there_and_minds_nothing_else(index: VectorIndex) -> None:
    vectors = unit(3)
    index.add([1, 2, 3], vectors)
    index.remove([2, 99])
    index.remove([])
    assert index.count() == 2
    assert 2 not in index.nearest(vectors[1], 3)


def test_more_vectors_than_chroma_takes_at_once_are_stored(index: VectorIndex) -> None:
    index.add(range(6000), unit(6000, dimension=4))
    assert index.count() == 6000
    index.remove(range(5900))
    assert index.count() == 100


def test_what_was_stored_is_there_after_a_restart(make: MakeIndex) -> None:
    vectors = unit(5)
    first = make()
    first.open()
    first.add(range(5), vectors)
    first.close()
    second = make()
    second.open()
    assert second.nearest(vectors[3], 1) == [3]
    second.close()


def test_a_rebuild_holds_what_it_was_given_and_nothing_else(
    make: MakeIndex, index: VectorIndex
) -> None:
    old, new = unit(5, seed=1), unit(4, seed=2)
    index.add(range(5), old)
    index.rebuild(iter([([10, 11], new[:2]), ([12, 13], new[2:])]))
    assert index.count() == 4
    assert set(index.nearest(old[0], 9)) == {10, 11, 12, 13}
    index.close()
    again = make()
    again.open()
    assert again.nearest(new[3], 1) == [13]
    again.close()


def test_a_rebuild_leaves_no_old_folder(tmp_path: Path) -> None:
    index = VectorIndex("headwater-test", tmp_path)
    index.open()
    for _ in range(3):
        index.rebuild(iter([([1], unit(1))]))
    assert [p.name for p in tmp_path.iterdir()] == ["4"]
    index.close()


def test_a_search_during_a_rebuild_finds_what_it_found_before(index: VectorIndex) -> None:
    vectors = unit(5)
    index.add(range(5), vectors)
    meanwhile: list[list[int]] = []

    def batches() -> Iterator[tuple[Sequence[int], Vectors]]:
        for number in range(5):
            meanwhile.append(index.nearest(vectors[3], 1))
            yield [number], vectors[number : number + 1]

    index.rebuild(batches())
    assert [*meanwhile, index.nearest(vectors[3], 1)] == [[3]] * 6


def test_searches_on_another_thread_never_meet_a_collection_that_is_gone(
    index: VectorIndex,
) -> None:
    vectors = unit(5)
    index.add(range(5), vectors)
    done = threading.Event()

    def search() -> set[int]:
        found = set()
        while not done.is_set():
            found.update(index.nearest(vectors[3], 1))
        return found

    with ThreadPoolExecutor(2) as pool:
        searches = [pool.submit(search) for _ in range(2)]
        try:
            for _ in range(10):
                index.rebuild(iter([(range(5), vectors)]))
        finally:
            done.set()
        assert [search.result() for search in searches] == [{3}, {3}]


def test_vectors_of_another_length_are_refused(index: VectorIndex) -> None:
    index.add([1], unit(1))
    with pytest.raises(StoreError, match="vector index"):
        index.add([2], unit(1, dimension=5))


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StoreError, match=url):
        VectorIndex("headwater-test", tmp_path, url).open()


def test_a_store_with_a_chroma_server_works_and_mends_what_the_server_lost(
    server: str, tmp_path: Path
) -> None:
    vectors = unit(30)
    document = Document("/documents", "a.md", "A", "1", 1, 1, 30)
    with Store(tmp_path, "model", 16, server) as index:
        index.replace(document, [(1, f"passage {n}") for n in range(30)], vectors)
        wanted = index.vectors.nearest(vectors[7], 5)
        index.vectors.remove(wanted)
    with Store(tmp_path, "model", 16, server) as index:
        assert index.vectors.count() == 30
        assert index.vectors.nearest(vectors[7], 5) == wanted
    assert not list(tmp_path.rglob("chroma.sqlite3"))


def test_two_stores_on_one_chroma_server_do_not_share_vectors(server: str, tmp_path: Path) -> None:
    document = Document("", "a.md", "A", "1", 1, 1, 3)
    passages = [(1, f"passage {n}") for n in range(3)]
    with (
        Store(tmp_path / "one", "model", 16, server) as one,
        Store(tmp_path / "two", "model", 16, server) as two,
    ):
        one.replace(document, passages, unit(3))
        assert (one.vectors.count(), two.vectors.count()) == (3, 0)
