"""The truth: documents, chunks, their vectors and the keyword index, in one SQLite file.

The only module that imports sqlite3. Knows no embedding model, no Chroma and no ranking.
"""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import StoreError
from ..text.language import of_passage
from ..types import Chunk, Column, Document, Language, Vectors
from . import private, schema
from .schema import Backlog, KeywordStatistics, Within, collection_of, keyword_columns, marks

log = logging.getLogger(__name__)

_DOCUMENT = (
    "SELECT folder, name, title, digest, pages, pages_with_text, "
    "(SELECT count(*) FROM chunk WHERE document_id = document.id), id FROM document"
)


class Library:
    """One open `library.db`. Safe to share between threads; one process at a time.

    Raises StoreError if the file cannot be opened or is not a library of this version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self.revision = 0  # rises with every change of the documents, from 0 in each process
        with self._translated():
            private.file(path)  # SQLite gives its -wal and -shm the same mode
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            with self._translated():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.create_function("collection", 2, collection_of, deterministic=True)
        self._db.create_function("place", 1, schema.as_place, deterministic=True)
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            row = f"INSERT INTO vector_index VALUES ('{secrets.token_hex(4)}', 0);"
            self._db.executescript(f"BEGIN; {schema.SCHEMA} {row} COMMIT;")
        elif version == schema.UNSTEMMED:
            self._stem()
        elif version != schema.VERSION:
            raise StoreError(
                "The library was written by another version of Headwater. Choose another "
                "HEADWATER_STORE_DIR, or delete this one: it is rebuilt from your documents.",
                "Thư viện do một phiên bản Headwater khác ghi. Hãy chọn HEADWATER_STORE_DIR khác "
                "hoặc xóa thư mục này: nó được dựng lại từ tài liệu của bạn.",
                owner=str(self._path),
            )
        for table in schema.NAMES:
            self._db.execute(table)

    def _stem(self) -> None:
        """Makes the keyword index anew from the chunks' texts, as this version has it."""
        log.warning("the library is of an earlier version: making its keyword index anew")
        with self.transaction():
            self._db.execute("ALTER TABLE chunk ADD COLUMN language TEXT NOT NULL DEFAULT 'en'")
            for drop in ("TABLE keyword_terms", "TABLE keyword", "INDEX chunk_document"):
                self._db.execute(f"DROP {drop}")
            for statement in schema.KEYWORD:
                self._db.execute(statement)
            vietnamese: list[tuple[int]] = []
            for chunk_id, text in self._db.execute("SELECT id, text FROM chunk"):
                self._index(chunk_id, keyword_columns(text))
                if of_passage(text) == "vi":
                    vietnamese.append((chunk_id,))
            self._db.executemany("UPDATE chunk SET language = 'vi' WHERE id = ?", vietnamese)
            self._db.execute(f"PRAGMA user_version = {schema.VERSION}")

    def _index(self, chunk_id: int, columns: dict[Column, list[str]]) -> None:
        self._db.execute(
            "INSERT INTO keyword (rowid, exact, folded) VALUES (?, ?, ?)",
            (chunk_id, *map(" ".join, columns.values())),
        )

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # Documents

    def documents(self) -> list[Document]:
        """All documents, by folder and name."""
        return [Document(*row) for row in self._rows(f"{_DOCUMENT} ORDER BY folder, name")]

    def document(self, document_id: int) -> Document | None:
        """The document with this id, which no other one of this library ever had."""
        rows = self._rows(f"{_DOCUMENT} WHERE id = ?", (document_id,))
        return Document(*rows[0]) if rows else None

    def collections(self) -> list[str]:
        """The names of all collections (`collection_of`), sorted."""
        rows = self._rows("SELECT DISTINCT collection(folder, name) FROM document")
        return sorted(row[0] for row in rows if row[0] is not None)

    def passages(self, document_id: int, page: int) -> list[Chunk]:
        """The chunks of one page, in the order in which they stand there."""
        return self._chunks("document.id = ? AND page = ? ORDER BY chunk.id", (document_id, page))

    def opening(self, folder: str, name: str, count: int | None = None) -> list[Chunk]:
        """The first `count` chunks of a document, or all of them, in their order."""
        values = (folder, name, -1 if count is None else count)
        return self._chunks("folder = ? AND document.name = ? ORDER BY chunk.id LIMIT ?", values)

    def replace(
        self,
        document: Document,
        passages: Sequence[tuple[int, str]],
        vectors: Vectors,
        names: Sequence[str] = (),
    ) -> None:
        """Stores `document` with its (page, text) passages and their unit vectors, one a row, in
        place of what the library had under the same folder and name; all of it or nothing. `names`
        are what the places of the passages are called, "" where they have no name; none if none
        has one."""
        with self.transaction():
            self.revision += 1
            self._remove(document.folder, document.name)
            row = astuple(document)[:6]  # all but how many chunks, and the id
            (document_id,) = self._db.execute(schema.ADDED_DOCUMENT, row).fetchone()
            names = names or [""] * len(passages)
            for (page, text), vector, name in zip(passages, vectors, names, strict=True):
                columns = keyword_columns(text)
                length, blob = len(columns["exact"]), vector.astype("<f4").tobytes()
                (chunk_id,) = self._db.execute(
                    "INSERT INTO chunk (document_id, page, text, terms, language, vector) "
                    "VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
                    (document_id, page, text, length, of_passage(text), blob),
                ).fetchone()
                self._index(chunk_id, columns)
                if name:
                    self._db.execute("INSERT INTO passage_name VALUES (?, ?)", (chunk_id, name))
                self._db.execute("INSERT INTO backlog VALUES (?, 'added')", (chunk_id,))

    def count_from(self, last_id: int) -> None:
        """Gives chunks and documents ids above `last_id`; for a library that never had one."""
        never = "WHERE NOT EXISTS (SELECT * FROM sqlite_sequence)"
        self._rows(f"INSERT INTO sqlite_sequence SELECT 'chunk', ? {never}", (last_id,))

    def remove(self, folder: str, name: str) -> None:
        """Forgets a document and its chunks; does nothing if there is none."""
        with self.transaction():
            self.revision += 1
            self._remove(folder, name)

    def _remove(self, folder: str, name: str) -> None:
        rows = self._db.execute(
            "SELECT chunk.id, text FROM chunk JOIN document ON document.id = document_id "
            "WHERE folder = ? AND name = ?",
            (folder, name),
        ).fetchall()
        for chunk_id, text in rows:
            # A keyword table without content must be told what it is to forget.
            self._db.execute(
                "INSERT INTO keyword (keyword, rowid, exact, folded) VALUES ('delete', ?, ?, ?)",
                (chunk_id, *map(" ".join, keyword_columns(text).values())),
            )
            self._db.execute(
                "INSERT INTO backlog VALUES (?, 'removed') "
                "ON CONFLICT (chunk_id) DO UPDATE SET change = 'removed'",
                (chunk_id,),
            )
        self._db.execute(schema.IDS_STAY_GIVEN)
        self._db.execute("DELETE FROM document WHERE folder = ? AND name = ?", (folder, name))

    # Chunks

    def count(self) -> int:
        """How many chunks there are."""
        return int(self._rows("SELECT count(*) FROM chunk")[0][0])

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """The chunks with these ids, by id; ids that are gone are left out."""
        return {chunk.id: chunk for chunk in self._chunks(f"chunk.id IN ({marks(ids)})", ids)}

    def _chunks(self, where: str, values: Sequence[Any]) -> list[Chunk]:
        return [Chunk(*row) for row in self._rows(f"{schema.CHUNK} WHERE {where}", values)]

    def vectors(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """The unit vectors of these chunks, by id; ids that are gone are left out."""
        rows = self._rows(f"SELECT id, vector FROM chunk WHERE id IN ({marks(ids)})", ids)
        return {row[0]: np.frombuffer(row[1], dtype="<f4") for row in rows}

    def chunk_ids(self) -> list[int]:
        """The ids of all chunks, ascending."""
        return [i for (i,) in self._rows("SELECT id FROM chunk ORDER BY id")]

    def within(self, *places: str) -> Within:
        """The chunks of these collections and of the documents of these names; none without."""
        rows = self._rows(schema.WITHIN, (json.dumps(list(map(schema.as_place, places))),))
        return Within(tuple(row[0] for row in rows), sum(row[1] for row in rows))

    def in_language(self, language: Language) -> list[int]:
        """The ids of the chunks in `language`, ascending."""
        return [i for (i,) in self._rows("SELECT id FROM chunk WHERE language = ?", (language,))]

    # Keywords

    def keyword_search(
        self, wanted: Sequence[str], column: Column, limit: int, among: Sequence[int] | None = None
    ) -> list[int]:
        """The ids of the `limit` best chunks that have any term of `wanted`, by SQLite's BM25.

        If `among` is given, of the chunks with these ids; their BM25 is that in the whole library.
        """
        if not wanted:
            return []
        expression = f"{column} : (" + " OR ".join(f'"{term}"' for term in wanted) + ")"
        within, values = "", [expression, limit]
        if among is not None:
            # The plus keeps FTS5 from searching once for each id: 9 ms at 20k chunks, not 336.
            within = "AND +rowid IN (SELECT value FROM json_each(?)) "
            values = [expression, json.dumps(list(among)), limit]
        rows = self._rows(
            f"SELECT rowid FROM keyword WHERE keyword MATCH ? {within}ORDER BY rank LIMIT ?", values
        )
        return [row[0] for row in rows]

    def keyword_statistics(
        self,
        wanted: Sequence[str],
        column: Column,
        within: Within | None = None,
        counted: Collection[str] = (),
    ) -> KeywordStatistics:
        """Those of the whole library, or `within` a part of it. There the words in `counted` are
        counted, all others are taken to be as frequent as in the library, and a pair of words as
        its rarer one: to count all of them would take as long as the search."""
        count, total = self._rows("SELECT count(*), coalesce(sum(terms), 0) FROM chunk")[0]
        having: dict[str, float] = {**self.chunks_with(wanted, column)}
        if within is not None and count:
            share, ids = len(within.ids) / count, frozenset(within.ids)
            shares = {
                word: len(ids.intersection(self._having(word, column))) / having[word]
                for word in counted
                if word in having
            }
            for term in having:
                having[term] *= min(shares.get(word, share) for word in term.split("_"))
            count, total = len(within.ids), within.terms
        return KeywordStatistics(count, total / count if count else 0.0, having)

    def chunks_with(self, wanted: Sequence[str], column: Column) -> dict[str, int]:
        """How many chunks have each term of `wanted`; one that is in none is left out."""
        sql = f"SELECT term, doc FROM keyword_terms WHERE col = ? AND term IN ({marks(wanted)})"
        return dict(self._rows(sql, [column, *wanted]))

    def _having(self, term: str, column: Column) -> Iterator[int]:
        """The ids of the chunks that have `term`."""
        sql = "SELECT rowid FROM keyword WHERE keyword MATCH ?"
        return (row[0] for row in self._rows(sql, (f'{column} : "{term}"',)))

    # What the vector index has yet to be told

    def backlog(self) -> Backlog:
        rows = self._rows("SELECT chunk_id, change FROM backlog ORDER BY chunk_id")
        return Backlog(
            tuple(i for i, change in rows if change == "added"),
            tuple(i for i, change in rows if change == "removed"),
        )

    @property
    def id(self) -> str:
        """Eight random hexadecimal digits, drawn when the library was made."""
        return str(self._rows("SELECT library FROM vector_index")[0][0])

    def removed_from_vectors(self) -> int:
        """How many removals the vector index has been told of since it was last built."""
        return int(self._rows("SELECT removed FROM vector_index")[0][0])

    def clear_backlog(self, told: Backlog, *, rebuilt: bool = False) -> None:
        """Strikes out what the vector index now knows; what changed meanwhile stays listed."""
        with self.transaction():
            if rebuilt:
                self._db.execute("UPDATE vector_index SET removed = 0")
            else:
                gone = len(told.removed)
                self._db.execute("UPDATE vector_index SET removed = removed + ?", (gone,))
            self._db.executemany(
                "DELETE FROM backlog WHERE chunk_id = ? AND change = ?",
                [(i, "added") for i in told.added] + [(i, "removed") for i in told.removed],
            )

    # SQLite

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock, self._translated():
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is changed within it, or nothing; one inside another is a part of that one."""
        with self._lock, self._translated():
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            error = StoreError(
                "The library cannot be used. Check that the disk has room and that the folder may "
                "be written, or choose another HEADWATER_STORE_DIR.",
                "Không dùng được thư viện. Hãy kiểm tra dung lượng đĩa và quyền ghi thư mục, hoặc "
                "chọn HEADWATER_STORE_DIR khác.",
                owner=f"{self._path}: {exc}",
            )
            log.error("%s", error)  # whoever asks is told less
            raise error from exc
