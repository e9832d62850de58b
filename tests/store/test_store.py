"""The store: one process at a time, and a vector index that is mended whatever became of it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rag.errors import StoreError, StoreLocked
from rag.settings import PROJECT
from rag.store.store import Store, fingerprint
from rag.types import Document, Vectors

MODEL, DIMENSION = "test-model", 16
# Chroma 1.5.9 writes its HNSW files in full from a thousand vectors on.
CHUNKS = 1100
JUNK = np.random.default_rng(1).bytes(1 << 20)

Damage = Callable[[Path], None]


def opened(store: Path) -> Store:
    return Store(store, MODEL, DIMENSION, None)


def unit(rows: int, seed: int = 0) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(rows, DIMENSION)).astype(np.float32)
    vectors: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return vectors


def put(index: Store, name: str, vectors: Vectors, *, told: bool = True) -> None:
    """Stores a document; not `told` is what a process leaves that dies before the next step."""
    document = Document("/documents", name, name, "1", 1, 1, len(vectors))
    passages = [(1, f"passage {number} of {name}") for number in range(len(vectors))]
    (index.replace if told else index.library.replace)(document, passages, vectors)


def found(index: Store, queries: Vectors) -> list[list[str]]:
    """The texts of the five nearest chunks to each query."""
    results = []
    for query in queries:
        ids = index.vectors.nearest(query, 5)
        chunks = index.library.chunks(ids)
        results.append([chunks[i].text for i in ids])
    return results


def exact(vectors: Vectors, name: str, queries: Vectors) -> list[list[str]]:
    order = np.argsort(-(queries @ vectors.T), axis=1)[:, :5]
    return [[f"passage {number} of {name}" for number in row] for row in order]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with one long document; copy it before you break it."""
    store = tmp_path_factory.mktemp("filled") / "store"
    with opened(store) as index:
        put(index, "long.md", unit(CHUNKS))
    return store


def chroma(store: Path) -> Path:
    """The folder of the embedded Chroma."""
    (folder,) = store.glob("*/vectors/*")
    return folder


def hnsw(store: Path) -> Path:
    return next(path for path in chroma(store).iterdir() if path.is_dir())


def overwrite(pattern: str, data: Callable[[bytes], bytes]) -> Damage:
    def damage(store: Path) -> None:
        paths = list(chroma(store).glob(pattern))
        assert paths
        for path in paths:
            path.write_bytes(data(path.read_bytes()))

    return damage


def scattered(data: bytes) -> bytes:
    """Every third page is junk; the first is not."""
    pages = [data[i : i + 4096] for i in range(0, len(data), 4096)]
    return b"".join(JUNK[:4096] if n % 3 == 1 else page for n, page in enumerate(pages))


def forgotten(store: Path) -> None:
    """The vector index lost a document that it was told of."""
    with opened(store) as index:
        index.vectors.remove(index.library.chunk_ids()[: CHUNKS // 2])


DAMAGES: dict[str, Damage] = {
    "missing": lambda store: shutil.rmtree(chroma(store).parent),
    "an empty folder": lambda store: shutil.rmtree(chroma(store)),
    "without its database": lambda store: (chroma(store) / "chroma.sqlite3").unlink(),
    "an empty database": overwrite("chroma.sqlite3", lambda _: b""),
    "a database of junk": overwrite("chroma.sqlite3", lambda old: JUNK[: len(old)]),
    "a database cut in half": overwrite("chroma.sqlite3", lambda old: old[: len(old) // 2]),
    "a database with pages of junk": overwrite("chroma.sqlite3", scattered),
    "HNSW files of junk": overwrite("*/*", lambda old: JUNK[: len(old)]),
    "short HNSW files of junk": overwrite("*/*", lambda _: b"junk"),
    "an HNSW header of junk": overwrite("*/header.bin", lambda old: JUNK[: len(old)]),
    "HNSW metadata of junk": overwrite("*/*.pickle", lambda old: JUNK[: len(old)]),
    "HNSW metadata cut in half": overwrite("*/*.pickle", lambda old: old[: len(old) // 2]),
    "vectors of zeros": overwrite("*/data_level0.bin", lambda old: bytes(len(old))),
    "without its HNSW files": lambda store: shutil.rmtree(hnsw(store)),
    "short of vectors": forgotten,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_broken_vector_index_is_mended_when_the_store_is_opened(
    filled: Path, tmp_path: Path, damage: Damage
) -> None:
    store = tmp_path / "store"
    shutil.copytree(filled, store)
    damage(store)
    vectors = unit(CHUNKS)
    queries = np.concatenate([vectors[::100], unit(20, seed=9)])
    for _ in range(2):  # and it stays mended
        with opened(store) as index:
            assert index.vectors.count() == index.library.count() == CHUNKS
            assert found(index, queries) == exact(vectors, "long.md", queries)


OPEN = "import sys, pathlib; from rag.store.store import Store; Store(pathlib.Path(sys.argv[1]), "
OPEN += f"{MODEL!r}, {DIMENSION}, None).close()"


CRASHES: dict[str, Damage] = {
    "vectors of junk": overwrite("*/data_level0.bin", lambda old: JUNK[: len(old)]),
    "vectors cut in half": overwrite("*/data_level0.bin", lambda old: old[: len(old) // 2]),
    "links of zeros": overwrite("*/link_lists.bin", lambda old: bytes(len(old))),
}


@pytest.mark.parametrize("damage", CRASHES.values(), ids=CRASHES.keys())
def test_files_that_kill_the_process_in_chroma_do_so_once_at_most(
    filled: Path, tmp_path: Path, damage: Damage
) -> None:
    store = tmp_path / "store"
    shutil.copytree(filled, store)
    damage(store)
    starts = [
        subprocess.run([sys.executable, "-c", OPEN, store], cwd=PROJECT, check=False, timeout=120)
        for _ in range(2)
    ]
    assert starts[1].returncode == 0
    with opened(store) as index:
        queries = unit(CHUNKS)[::50]
        assert found(index, queries) == exact(unit(CHUNKS), "long.md", queries)


def test_what_a_process_that_died_had_not_told_the_vector_index_is_told(tmp_path: Path) -> None:
    old, new = unit(20, seed=1), unit(20, seed=2)
    with opened(tmp_path) as index:
        put(index, "a.md", old)
        put(index, "b.md", old)
        put(index, "a.md", new, told=False)
        index.library.remove("/documents", "b.md")
        assert index.vectors.count() == 40
    with opened(tmp_path) as index:
        assert index.vectors.count() == index.library.count() == 20
        assert found(index, new[:3]) == exact(new, "a.md", new[:3])
        assert (index.library.backlog().added, index.library.backlog().removed) == ((), ())


def test_a_rebuild_that_was_broken_off_is_done_again(tmp_path: Path) -> None:
    vectors = unit(20)

    def dies() -> Iterator[tuple[Sequence[int], Vectors]]:
        yield index.library.chunk_ids()[:5], vectors[:5]
        raise KeyboardInterrupt

    with opened(tmp_path) as index:
        put(index, "a.md", vectors)
        with pytest.raises(KeyboardInterrupt):
            index.vectors.rebuild(dies())
    with opened(tmp_path) as index:
        assert index.vectors.count() == 20
        assert found(index, vectors[:3]) == exact(vectors, "a.md", vectors[:3])


def test_replacing_again_and_again_rebuilds_the_vector_index(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        first = chroma(tmp_path)
        for seed in range(5):
            put(index, "a.md", unit(300, seed))
        last = unit(300, seed=4)
        assert index.library.removed_from_vectors() == 0
        assert not first.exists()
        assert index.vectors.count() == 300
        assert found(index, last[:5]) == exact(last, "a.md", last[:5])


def test_a_rebuild_by_hand_keeps_the_results(tmp_path: Path) -> None:
    vectors = unit(30)
    with opened(tmp_path) as index:
        put(index, "a.md", vectors)
        before = found(index, vectors[:5])
        index.rebuild()
        assert found(index, vectors[:5]) == before


def test_a_removed_document_is_gone_from_both(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        put(index, "a.md", unit(10))
        put(index, "b.md", unit(5, seed=1))
        index.remove("/documents", "a.md")
        assert index.vectors.count() == index.library.count() == 5


def test_an_empty_store_opens(tmp_path: Path) -> None:
    for _ in range(2):
        with opened(tmp_path) as index:
            assert index.vectors.count() == index.library.count() == 0


def test_a_store_that_is_in_use_is_refused_in_the_same_process(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(StoreLocked, match="HEADWATER_STORE_DIR") as refused:
        opened(tmp_path)
    assert refused.value.code == "store_locked"
    opened(tmp_path).close()


def test_two_models_stores_are_open_beside_one_another_under_one_lock(tmp_path: Path) -> None:
    first = opened(tmp_path)
    other = first.beside("another model", DIMENSION)
    put(other, "a.md", unit(2))
    assert (first.library.count(), other.library.count()) == (0, 2)
    first.close()
    assert other.problems() == []
    with pytest.raises(StoreLocked):
        opened(tmp_path)
    other.close()
    opened(tmp_path).close()


def test_a_store_that_is_in_use_is_refused_in_another_process(tmp_path: Path) -> None:
    with opened(tmp_path):
        other = subprocess.run(
            [sys.executable, "-c", OPEN, tmp_path],
            cwd=PROJECT,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert "rag.errors.StoreLocked: Another Headwater process" in other.stderr


def a_path_through_a_file(place: Path) -> Path:
    (place / "file").write_text("")
    return place / "file" / "store"


def a_file(place: Path) -> Path:
    (place / "store").write_text("")
    return place / "store"


def a_file_inside(*name: str) -> Callable[[Path], Path]:
    def make(place: Path) -> Path:
        path = place.joinpath("store", *name)
        path.parent.mkdir(parents=True)
        path.write_bytes(JUNK[:9999])
        return place / "store"

    return make


def a_folder_for_a_library(place: Path) -> Path:
    (place / "store" / fingerprint(MODEL, DIMENSION) / "library.db").mkdir(parents=True)
    return place / "store"


def a_folder_for_a_lock(place: Path) -> Path:
    (place / "store" / "lock").mkdir(parents=True)
    return place / "store"


@pytest.mark.parametrize(
    "make",
    [
        a_path_through_a_file,
        a_file,
        a_folder_for_a_lock,
        a_folder_for_a_library,
        pytest.param(a_file_inside(fingerprint(MODEL, DIMENSION)), id="a_file_for_a_folder"),
        pytest.param(a_file_inside(fingerprint(MODEL, DIMENSION), "library.db"), id="garbage"),
        pytest.param(a_file_inside(fingerprint(MODEL, DIMENSION), "vectors"), id="no_vectors"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_in_a_sentence(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    store = make(tmp_path)
    for _ in range(2):  # the refusal holds no lock
        with pytest.raises(StoreError, match=str(store)) as refused:
            opened(store)
        assert refused.value.code == "store_error"
        assert refused.value.sentence("vi") != refused.value.sentence("en")


def test_a_store_that_could_not_be_opened_is_closed_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(StoreError, match=url):
        Store(tmp_path, MODEL, DIMENSION, url)
    # SQLite removes it when the last connection is closed.
    assert not list(tmp_path.glob("*/library.db-wal"))
    opened(tmp_path).close()


def test_each_model_has_a_store_of_its_own(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        put(index, "a.md", unit(3))
    with Store(tmp_path, "another/model", 8, None) as index:
        assert index.library.count() == 0
    with opened(tmp_path) as index:
        assert index.library.count() == 3


def test_the_stores_name_is_readable_and_differs_for_what_is_different() -> None:
    assert fingerprint("all-MiniLM-L6-v2", 384).startswith("all-MiniLM-L6-v2-")
    names = {fingerprint(m, d) for m in ("a/model", "b/model", "model") for d in (8, 16)}
    assert len(names) == 6
    assert fingerprint("Mô hình/…", 8).isascii()


def a_file_in_its_place(store: Path) -> None:
    place = chroma(store).parent
    shutil.rmtree(place)
    place.write_text("no folder")


@pytest.mark.parametrize("among", [None, range(1, 900)], ids=["all", "some"])
def test_a_question_to_an_index_whose_folder_was_deleted_builds_it_anew(
    tmp_path: Path, among: Sequence[int] | None
) -> None:
    vectors = unit(CHUNKS)
    with opened(tmp_path) as index:
        put(index, "a.md", vectors)
        shutil.rmtree(chroma(tmp_path).parent)
        assert "folder is gone" in index.problems()[0]
        assert index.nearest(vectors[7], 1, among) == [8]
        assert index.problems() == []
        assert chroma(tmp_path).is_dir()
        put(index, "b.md", unit(5, seed=1))
        assert index.problems() == []
    with opened(tmp_path) as index:
        assert index.vectors.count() == CHUNKS + 5


@pytest.mark.parametrize("chunks", [30, CHUNKS])
def test_what_is_read_after_the_index_broke_is_in_it(tmp_path: Path, chunks: int) -> None:
    with opened(tmp_path) as index:
        put(index, "a.md", unit(chunks))
        for _ in range(3):  # Chroma keeps what it once had open under that folder's name
            shutil.rmtree(chroma(tmp_path).parent)
            index.remove("/documents", "a.md")
            put(index, "a.md", unit(chunks, seed=2))
            assert index.problems() == []
        vectors = unit(chunks, seed=2)
        assert found(index, vectors[:3]) == exact(vectors, "a.md", vectors[:3])


@pytest.mark.parametrize("chunks", [30, CHUNKS])
def test_an_index_that_cannot_be_built_costs_no_document_and_no_answer_and_is_named(
    tmp_path: Path, chunks: int, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = unit(chunks)
    with opened(tmp_path) as index:
        put(index, "a.md", vectors)
        a_file_in_its_place(tmp_path)
        for name in ("b.md", "c.md", "d.md"):
            put(index, name, vectors)
            index.remove("/documents", name)
            put(index, name, vectors)
        assert index.library.count() == 4 * chunks
        (nearest,) = index.nearest(vectors[7], 1)
        assert index.library.chunks([nearest])[nearest].text.startswith("passage 7 of")
        (problem,) = index.problems()
        assert "vector index" in problem and str(tmp_path) not in problem
        tries = [r for r in caplog.records if "building it anew" in r.message]
        assert len(tries) == 1, "each file would wait for it"
        next(tmp_path.glob("*/vectors")).unlink()
        index.settle()
        assert index.problems() == []
        assert index.vectors.count() == 4 * chunks


def test_many_questions_to_a_broken_index_build_it_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = unit(CHUNKS)
    with opened(tmp_path) as index:
        put(index, "a.md", vectors)
        shutil.rmtree(chroma(tmp_path).parent)
        with ThreadPoolExecutor(16) as threads:
            nearest = list(threads.map(lambda n: index.nearest(vectors[n], 1), range(64)))
        assert nearest == [[n + 1] for n in range(64)]
    assert len([r for r in caplog.records if "building it anew" in r.message]) == 1


def test_a_library_whose_file_is_gone_is_named(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        put(index, "a.md", unit(3))
        next(tmp_path.glob("*/library.db")).unlink()
        assert "library's file is gone" in index.problems()[0]
