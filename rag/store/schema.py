"""The tables of `library.db`, what its keyword index is given and tells, and which collection a
document is in. Pure; knows no SQLite."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath

from ..text.language import folded, stems, terms, words
from ..types import Column

VERSION = 3  # also another one if the stemmer's words become others
# Version 2 had the words as they stand, and no languages. What was read is not read again, only its
# words are.
UNSTEMMED = 2

# `keyword` is given the terms as rag.text.language cuts and stems them, joined by spaces, so that
# FTS5's own cutting changes nothing (its `porter` is another algorithm, and would take a pair of
# words for one); it keeps only its index, the text is in `chunk`. `backlog` lists what the vector
# index has yet to be told; it is written in the same transaction as the chunks, so a process
# that dies in between leaves a list and not a gap. `vector_index` is one row: the library's id,
# which keeps two libraries on one Chroma server apart, and how many removals the vector index was
# told of. Without `chunk_terms` the statistics would read every chunk's text and vector.
KEYWORD = (
    "CREATE VIRTUAL TABLE keyword USING fts5(exact, folded, content = '', "
    "tokenize = \"unicode61 remove_diacritics 0 tokenchars '_'\")",
    "CREATE VIRTUAL TABLE keyword_terms USING fts5vocab(keyword, col)",
    "CREATE INDEX chunk_document ON chunk(document_id, terms)",
    "CREATE INDEX chunk_language ON chunk(language)",
)
# Of the passages whose place has one, and of pages, as earlier versions kept them. Libraries that
# were made before there were any have no such tables yet.
NAMES = (
    """CREATE TABLE IF NOT EXISTS page_name (
    document_id INTEGER NOT NULL REFERENCES document(id) ON DELETE CASCADE,
    page INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (document_id, page)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS passage_name (
    chunk_id INTEGER PRIMARY KEY REFERENCES chunk(id) ON DELETE CASCADE, name TEXT NOT NULL
)""",
)
SCHEMA = f"""
CREATE TABLE document (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL,
    digest TEXT NOT NULL, pages INTEGER NOT NULL, pages_with_text INTEGER NOT NULL,
    UNIQUE (folder, name)
);
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES document(id) ON DELETE CASCADE,
    page INTEGER NOT NULL, text TEXT NOT NULL, terms INTEGER NOT NULL, vector BLOB NOT NULL,
    language TEXT NOT NULL DEFAULT 'en'
);
CREATE INDEX chunk_terms ON chunk(terms);
{"; ".join(KEYWORD)};
CREATE TABLE backlog (
    chunk_id INTEGER PRIMARY KEY, change TEXT NOT NULL CHECK (change IN ('added', 'removed'))
);
CREATE TABLE vector_index (library TEXT NOT NULL, removed INTEGER NOT NULL);
{"; ".join(NAMES)};
PRAGMA user_version = {VERSION};
"""

CHUNK = """
SELECT chunk.id, chunk.document_id, document.name, title, chunk.page, text, language,
    coalesce(passage_name.name, page_name.name, '')
FROM chunk JOIN document ON document.id = chunk.document_id
    LEFT JOIN page_name USING (document_id, page)
    LEFT JOIN passage_name ON passage_name.chunk_id = chunk.id
"""

# A document's id is above all that chunks and documents ever had: a link from an open page leads to
# no other document. (What never had a chunk has no link either.)
ADDED_DOCUMENT = """
INSERT INTO document (id, folder, name, title, digest, pages, pages_with_text) VALUES ((
    SELECT max(
        coalesce(max(id), 0), coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'chunk'), 0)
    ) + 1 FROM document
), ?, ?, ?, ?, ?, ?) RETURNING id
"""
IDS_STAY_GIVEN = """
UPDATE sqlite_sequence SET seq = max(seq, (SELECT max(id) FROM document))
WHERE name = 'chunk' AND EXISTS (SELECT * FROM document)
"""
# Of the places in a JSON array.
WITHIN = """
WITH wanted AS (SELECT value FROM json_each(?))
SELECT id, terms FROM chunk WHERE document_id IN (
    SELECT id FROM document WHERE collection(folder, name) IN wanted OR place(name) IN wanted
) ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class KeywordStatistics:
    """What BM25 needs to know: chunks in all, terms a chunk on average, chunks a term stands in
    (about how many, in a collection)."""

    chunks: int
    average_terms: float
    chunks_with: dict[str, float]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Chunk ids that the vector index has yet to add, and yet to remove."""

    added: tuple[int, ...]
    removed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """The chunks of some collections and documents: their ids, ascending, and how many terms they
    have in all."""

    ids: tuple[int, ...]
    terms: int


def marks(values: Sequence[object]) -> str:
    """A place in a statement for each of `values`."""
    return ",".join("?" * len(values))


def keyword_columns(text: str) -> dict[Column, list[str]]:
    """The terms of `text` for each column, in the order of the table's columns."""
    cut = words(text)
    return {"exact": terms(stems(cut)), "folded": terms(stems(folded(cut)))}


def collection_of(folder: str, name: str) -> str | None:
    """The collection that a document is in, NFC: the first folder of its name; if it was read from
    elsewhere, the last part of that folder. None for one that lies directly in the data folder."""
    first = _last_part(folder) if folder else name.rpartition("/")[0].partition("/")[0]
    return unicodedata.normalize("NFC", first) or None


def places_of(folder: str, name: str) -> set[str | None]:
    """By what a search can be restricted to a document, NFC: its collection, if it is in one, and
    its name."""
    return {collection_of(folder, name), as_place(name)}


def as_place(asked: str) -> str:
    """The collection or the document that somebody names, however its accents are written."""
    return unicodedata.normalize("NFC", asked)


@lru_cache  # there are few folders, and this is asked of every document
def _last_part(folder: str) -> str:
    return PurePath(folder).name
