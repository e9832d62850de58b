"""The library: documents and chunks in one file, replaced in one piece, found by their words."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.errors import StoreError
from rag.store import schema
from rag.store.library import Library
from rag.text.language import folded, terms, words
from rag.types import Chunk, Document, Vectors

FOLDER = "/documents"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    opened = Library(tmp_path / "library.db")
    yield opened
    opened.close()


def unit(count: int, seed: int = 0) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    vectors: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return vectors


def put(library: Library, name: str, *texts: str, digest: str = "1") -> None:
    document = Document(FOLDER, name, f"Title of {name}", digest, 1, 1, len(texts))
    library.replace(document, [(1, text) for text in texts], unit(len(texts)))


def texts(library: Library) -> list[str]:
    return [chunk.text for chunk in library.chunks(library.chunk_ids()).values()]


def found(library: Library, *terms: str, folded: bool = False) -> list[str]:
    ids = library.keyword_search(terms, "folded" if folded else "exact", 10)
    chunks = library.chunks(ids)
    return [chunks[i].text for i in ids]


def test_what_is_stored_comes_back_unchanged(library: Library) -> None:
    document = Document(FOLDER, "a/b.pdf", "Một tiêu đề", "abc", 3, 2, 2)
    vectors = unit(2)
    library.replace(document, [(1, "dòng một\n\nhai"), (3, "🌊 ba")], vectors)
    assert library.documents() == [document]
    first, second = library.chunk_ids()
    assert library.chunks([second, first]) == {
        first: Chunk(first, 1, "a/b.pdf", "Một tiêu đề", 1, "dòng một\n\nhai", "vi"),
        second: Chunk(second, 1, "a/b.pdf", "Một tiêu đề", 3, "🌊 ba"),
    }
    stored = library.vectors([first, second])
    assert np.array_equal(np.stack([stored[first], stored[second]]), vectors)


def test_the_place_of_a_passage_keeps_its_name_and_earlier_libraries_have_those_of_pages(
    tmp_path: Path,
) -> None:
    file = tmp_path / "library.db"

    def names(library: Library) -> list[str]:
        return [chunk.page_name for chunk in library.chunks(library.chunk_ids()).values()]

    library = Library(file)
    document = Document(FOLDER, "a.md", "A", "1", 1, 1, 2)
    library.replace(document, [(1, "one"), (1, "two")], unit(2), ["Tides", ""])
    assert names(library) == ["Tides", ""]
    library.close()
    with sqlite3.connect(file) as db:
        db.execute("DROP TABLE passage_name")
        db.execute("INSERT INTO page_name SELECT id, 1, 'Costs · 1–50' FROM document")
    db.close()
    library = Library(file)
    assert names(library) == ["Costs · 1–50"] * 2
    put(library, "a.md", "one again")
    assert names(library) == [""]
    library.close()


def test_a_document_that_changed_is_replaced_in_one_piece(library: Library) -> None:
    put(library, "a.md", "old one", "old two", digest="1")
    put(library, "b.md", "other")
    before = library.chunk_ids()
    put(library, "a.md", "new", digest="2")
    assert [(d.name, d.digest, d.chunks) for d in library.documents()] == [
        ("a.md", "2", 1),
        ("b.md", "1", 1),
    ]
    assert sorted(texts(library)) == ["new", "other"]
    assert found(library, "old") == []
    assert library.chunks(before[:2]) == {}


def test_a_replacement_that_fails_leaves_the_document_as_it_was(library: Library) -> None:
    put(library, "a.md", "old one", "old two")
    backlog = library.backlog()
    with pytest.raises(ValueError):
        library.replace(
            Document(FOLDER, "a.md", "T", "2", 1, 1, 2), [(1, "new"), (1, "newer")], unit(1)
        )
    assert texts(library) == ["old one", "old two"]
    assert found(library, "new") == []
    assert found(library, "old") == ["old one", "old two"]
    assert library.backlog() == backlog


def test_the_same_name_in_another_folder_is_another_document(library: Library) -> None:
    put(library, "a.md", "here")
    library.replace(Document("/elsewhere", "a.md", "T", "1", 1, 1, 1), [(1, "there")], unit(1))
    library.remove("/elsewhere", "a.md")
    assert texts(library) == ["here"]


def test_a_removed_document_leaves_nothing_behind(library: Library) -> None:
    put(library, "a.md", "one", "two")
    library.remove(FOLDER, "a.md")
    library.remove(FOLDER, "never-there.md")
    assert (library.documents(), library.count(), library.chunk_ids()) == ([], 0, [])
    assert found(library, "one", "two") == []
    assert library.keyword_statistics(["one"], "exact").chunks_with == {}


def test_an_id_is_never_given_twice(library: Library, tmp_path: Path) -> None:
    put(library, "a.md", "one", "two")
    ids = set(library.chunk_ids())
    library.remove(FOLDER, "a.md")
    again = Library(tmp_path / "library.db")
    put(again, "a.md", "one", "two")
    assert ids.isdisjoint(again.chunk_ids())
    again.close()


def document_id(library: Library) -> int:
    """The id of the document that was read last."""
    [chunk] = library.chunks(library.chunk_ids()[-1:]).values()
    return chunk.document_id


def test_a_removed_documents_id_is_given_to_no_other(library: Library, tmp_path: Path) -> None:
    put(library, "scan.pdf")
    put(library, "second scan.pdf")
    given = []
    for name in ("a.md", "b.md", "b.md", "c.md"):
        put(library, name, "one")
        given.append(document_id(library))
        if name == "a.md":
            library.remove(FOLDER, "a.md")
    library.remove(FOLDER, "c.md")
    again = Library(tmp_path / "library.db")
    put(again, "d.md", "one", "two")
    put(again, "e.md", "one")
    given += [again.chunks([i])[i].document_id for i in again.chunk_ids()[-2:]]
    again.close()
    assert len(set(given)) == len(given)


def test_ids_may_begin_above_those_of_another_library_once(library: Library) -> None:
    library.count_from(1000)
    put(library, "a.md", "one", "two")
    library.count_from(5000)
    put(library, "b.md", "three")
    assert library.chunk_ids() == [1001, 1002, 1003]
    assert min(chunk.document_id for chunk in library.chunks([1001, 1003]).values()) > 1000


def test_a_document_without_text_is_listed(library: Library) -> None:
    put(library, "scan.pdf")
    assert [(d.name, d.chunks) for d in library.documents()] == [("scan.pdf", 0)]


def test_words_with_diacritics_are_found_exactly_and_without_them_folded(library: Library) -> None:
    put(library, "a.md", "Bộ đệm của proxy", "Bò và dê", "bo dem")
    assert found(library, "bộ") == ["Bộ đệm của proxy"]
    assert set(found(library, "bo", folded=True)) == set(texts(library))
    assert set(found(library, "bo_dem", folded=True)) == {"Bộ đệm của proxy", "bo dem"}


def test_a_pair_of_neighbours_is_found_only_where_they_are_neighbours(library: Library) -> None:
    put(library, "a.md", "event stream", "stream of each event")
    assert found(library, "event_stream") == ["event stream"]


def test_no_word_of_a_question_is_an_operator_of_the_keyword_search(library: Library) -> None:
    put(library, "a.md", "near and not or exact")
    for word in ("near", "and", "not", "or", "exact"):
        assert found(library, word) == ["near and not or exact"]
    assert found(library) == []


def test_the_statistics_are_those_of_the_chunks(library: Library) -> None:
    put(library, "a.md", "one two", "one")
    put(library, "b.md", "three")
    statistics = library.keyword_statistics(["one", "one_two", "absent"], "exact")
    assert (statistics.chunks, statistics.chunks_with) == (3, {"one": 2, "one_two": 1})
    assert statistics.average_terms == pytest.approx((3 + 1 + 1) / 3)
    assert library.keyword_statistics([], "exact").chunks_with == {}


def test_the_backlog_lists_what_the_vector_index_has_not_been_told(library: Library) -> None:
    put(library, "a.md", "one", "two")
    first = library.backlog()
    assert (first.added, first.removed) == (tuple(library.chunk_ids()), ())
    library.clear_backlog(first)
    put(library, "a.md", "three")
    second = library.backlog()
    assert (second.added, second.removed) == (tuple(library.chunk_ids()), first.added)
    library.clear_backlog(second)
    assert library.removed_from_vectors() == 2
    library.clear_backlog(library.backlog(), rebuilt=True)
    assert library.removed_from_vectors() == 0


def test_a_chunk_removed_before_the_vector_index_knew_it_is_only_listed_as_removed(
    library: Library,
) -> None:
    put(library, "a.md", "one")
    told = library.backlog()
    library.remove(FOLDER, "a.md")
    library.clear_backlog(told)  # of the addition, which is overtaken
    assert library.backlog().removed == told.added


def test_threads_may_read_while_another_writes(library: Library) -> None:
    put(library, "a.md", "word 0", "word 0")
    problems: list[object] = []

    def read() -> None:
        for _ in range(100):
            seen = found(library, "word")
            if len(set(seen)) > 1:  # a search and its chunks are two reads: it may miss some
                problems.append(seen)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for number in range(30):
        put(library, "b.md", f"other {number}")
    for thread in readers:
        thread.join()
    assert problems == []


def test_a_file_that_is_no_library_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    path.write_bytes(b"this was never a database" * 400)
    with pytest.raises(StoreError, match=r"cannot be used.*HEADWATER_STORE_DIR.*library\.db"):
        Library(path)
    assert path.read_bytes().startswith(b"this was never")


def test_a_library_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match="another version"):
        Library(path)


def test_each_library_has_an_id_that_it_keeps(library: Library, tmp_path: Path) -> None:
    again, other = Library(tmp_path / "library.db"), Library(tmp_path / "other.db")
    assert library.id == again.id != other.id
    again.close()
    other.close()


def test_the_statistics_read_no_chunk(library: Library, tmp_path: Path) -> None:
    reading = sqlite3.connect(tmp_path / "library.db")
    asked: list[str] = []
    library._db.set_trace_callback(asked.append)
    library.keyword_statistics(["one"], "exact")
    (plan,) = reading.execute(f"EXPLAIN QUERY PLAN {asked[0]}").fetchall()
    reading.close()
    assert "COVERING INDEX" in plan[3]


def test_a_library_without_stems_gets_them_and_embeds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    before = Library(path)
    put(before, "a.md", "The ferries were cancelled", "Phà bị hủy")
    vectors = before.vectors(before.chunk_ids())
    before.close()
    as_version_2(path)
    after = Library(path)
    assert found(after, "cancel") == ["The ferries were cancelled"]
    assert found(after, "cancelled") == []
    assert found(after, "phà") == ["Phà bị hủy"]
    assert [chunk.language for chunk in after.opening(FOLDER, "a.md")] == ["en", "vi"]
    assert all(np.array_equal(after.vectors([i])[i], vector) for i, vector in vectors.items())
    after.remove(FOLDER, "a.md")  # what it forgets is what it was told
    assert after.keyword_statistics(["cancel", "phà"], "exact").chunks_with == {}
    after.close()
    again = Library(path)
    assert again.count() == 0
    again.close()


def test_a_migration_that_fails_leaves_the_library_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "library.db"
    before = Library(path)
    put(before, "a.md", "The ferries were cancelled")
    before.close()
    as_version_2(path)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Library, "_index", full)
        with pytest.raises(StoreError, match="disk has room"):
            Library(path)
    with sqlite3.connect(path) as untouched:
        assert untouched.execute("PRAGMA user_version").fetchone() == (2,)
        match = "SELECT count(*) FROM keyword WHERE keyword MATCH 'cancelled'"
        assert untouched.execute(match).fetchone() == (1,)
    untouched.close()
    Library(path).close()


def as_version_2(path: Path) -> None:
    """Makes the library in `path` one as it was written before its words were stemmed."""
    db = sqlite3.connect(path)
    texts = db.execute("SELECT id, text FROM chunk").fetchall()
    for drop in ("TABLE keyword_terms", "TABLE keyword", "INDEX chunk_document"):
        db.execute(f"DROP {drop}")
    db.execute("DROP INDEX chunk_language")
    db.execute("ALTER TABLE chunk DROP COLUMN language")
    db.execute(schema.KEYWORD[0])
    db.execute(schema.KEYWORD[1])
    db.execute("CREATE INDEX chunk_document ON chunk(document_id)")
    for chunk_id, text in texts:
        cut = words(text)
        columns = (" ".join(terms(cut)), " ".join(terms(folded(cut))))
        db.execute(
            "INSERT INTO keyword (rowid, exact, folded) VALUES (?, ?, ?)", (chunk_id, *columns)
        )
    db.execute("PRAGMA user_version = 2")
    db.commit()
    db.close()


def test_a_collection_has_its_own_statistics(library: Library) -> None:
    put(library, "tides/a.md", "spring tide", "neap tide", "the tide and the moon")
    put(library, "ferries/b.md", "the ferry and its tide table")
    library.replace(
        Document("", "ferries/c.md", "T", "1", 1, 1, 1), [(1, "another ferry")], unit(1)
    )
    within = library.within("ferries")
    statistics = library.keyword_statistics(["tide", "ferry", "the"], "exact", within, ["tide"])
    assert statistics.chunks == 1
    assert statistics.chunks_with["tide"] == 0
    assert library.within("nowhere").ids == ()
