"""Embeds and stores what was read of files, small ones together. Knows no folder and no format."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rag.errors import EmbedderError, StoreError
from rag.retrieval.embedder import Embedder
from rag.retrieval.passages import meant
from rag.store.store import Store
from rag.types import Document, Remark, Vectors

from .receipts import Receipt, failure, read

MANY = 64  # chunks above which the progress also counts those of the file
TOGETHER = 64  # chunks of small files that are embedded together
LONGEST = 1.0  # seconds that one of them may wait for the others


@dataclass(frozen=True, slots=True)
class Text:
    """What was read of one file, and has yet to be embedded and stored."""

    document: Document
    passages: tuple[tuple[int, str], ...]
    names: tuple[str, ...]
    remarks: tuple[Remark, ...]
    known: bool
    seconds: float
    tell: Callable[[str], None]

    @property
    def texts(self) -> list[str]:
        return [meant(self.document.title, text) for _, text in self.passages]


Found = Receipt | Text


def stored(found: Iterator[Found | None], store: Store, embedder: Embedder) -> Iterator[Receipt]:
    """Embeds and stores what was read, small files together, for the model takes sixteen texts in
    the time of five, as long as no file waits for others that take their time; the receipts in
    their order."""
    lot: list[Found] = []
    since = 0.0  # when the first in the lot was there
    for each in found:
        if each is None or (isinstance(each, Text) and len(each.passages) > TOGETHER):
            yield from _flushed(lot, store, embedder)
            lot = []
        if each is None:
            continue
        since = since if lot else time.monotonic()
        lot.append(each)
        texts = [text for text in lot if isinstance(text, Text)]
        is_full = sum(len(text.passages) for text in texts) >= TOGETHER
        if not texts or is_full or time.monotonic() - since > LONGEST:
            yield from _flushed(lot, store, embedder)
            lot = []
    yield from _flushed(lot, store, embedder)


def _flushed(lot: Sequence[Found], store: Store, embedder: Embedder) -> Sequence[Receipt]:
    texts = [each for each in lot if isinstance(each, Text)]
    embedded = iter(_embedded(texts, embedder))
    receipts = [
        each if isinstance(each, Receipt) else _kept(each, *next(embedded), store) for each in lot
    ]
    if texts:  # once: the vector index takes as long for one document as for several
        store.follow()
    return receipts


def _embedded(texts: Sequence[Text], embedder: Embedder) -> list[tuple[Vectors | Exception, float]]:
    """The vectors of each, or what kept it alone from having some, and its share of the seconds."""
    if not texts:
        return []  # the model may not be loaded yet
    start = time.monotonic()
    try:
        vectors = embedder.embed([t for each in texts for t in each.texts], _progress(texts))
    except (StoreError, EmbedderError):
        raise
    except Exception as exc:
        if len(texts) == 1:
            return [(exc, time.monotonic() - start)]
        return [one for each in texts for one in _embedded([each], embedder)]
    a_chunk = (time.monotonic() - start) / max(len(vectors), 1)
    result: list[tuple[Vectors | Exception, float]] = []
    at = 0
    for each in texts:
        count = len(each.passages)
        result.append((vectors[at : at + count], count * a_chunk))
        at += count
    return result


def _progress(texts: Sequence[Text]) -> Callable[[int], None]:
    """What is told while these are embedded: a long one, which is alone, by its chunks."""

    def progress(count: int) -> None:
        last, of = texts[-1], len(texts[-1].passages)
        last.tell(f"{last.document.name} · {count}/{of}" if of > MANY else last.document.name)

    return progress


def _kept(text: Text, vectors: Vectors | Exception, seconds: float, store: Store) -> Receipt:
    """Stores one document. Only what keeps every file from being stored is raised."""
    start = time.monotonic()
    try:
        if isinstance(vectors, Exception):
            raise vectors
        store.replace(text.document, text.passages, vectors, text.names, follow=False)
    except (StoreError, EmbedderError):
        raise
    except Exception as exc:
        return failure(text.document.name, exc, text.known)
    seconds += text.seconds + time.monotonic() - start
    return read(text.document, "replaced" if text.known else "added", text.remarks, seconds)
