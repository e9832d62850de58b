"""Takes over into a new library of the multilingual model what the packaged one's has, once: the
texts are embedded again, and no file is asked for, which may be gone. Knows no folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from rag.retrieval.embedder import Embedder
from rag.retrieval.models import MULTILINGUAL, PACKAGED
from rag.store import private
from rag.store.library import Library
from rag.store.store import Store, fingerprint
from rag.types import Chunk

from .sync import MANY, Progress, Receipt

DONE = "carried"  # an empty file beside the new library: what is forgotten later stays so
_SLICE = 5000  # chunks in memory at once


def carried(
    folder: Path, store: Store, embedder: Embedder, progress: Progress
) -> Iterator[Receipt]:
    """Takes over each document that `store`, which lies in `folder`, has not; one receipt each. If
    it is cut short, it goes on the next time. Raises StoreError, EmbedderError."""
    if embedder.name != MULTILINGUAL:
        return
    mark = folder / fingerprint(embedder.name, embedder.dimension) / DONE
    earlier = folder / fingerprint(PACKAGED, embedder.dimension) / private.LIBRARY
    if mark.exists():
        return
    if earlier.is_file():
        yield from _taken_over(earlier, store, embedder, progress)
    private.file(mark)


def _taken_over(
    earlier: Path, store: Store, embedder: Embedder, progress: Progress
) -> Iterator[Receipt]:
    library = Library(earlier)
    try:
        there = {(d.folder, d.name) for d in store.library.documents()}
        ids: defaultdict[int, list[int]] = defaultdict(list)  # by document
        for chunk in _chunks(library, library.chunk_ids()):
            ids[chunk.document_id].append(chunk.id)
        for done, document_id in enumerate(ids):
            document = library.document(document_id)
            if document is None or (document.folder, document.name) in there:
                continue
            texts = [(c.page, c.text) for c in _chunks(library, ids[document_id])]
            tell = partial(_tell, progress, done, len(ids), document.name, len(texts))
            tell(0)
            vectors = embedder.embed([text for _, text in texts], tell)
            store.replace(document, texts, vectors)
            pages, with_text = document.pages, document.pages_with_text
            yield Receipt(document.name, "added", pages, with_text, len(texts))
    finally:
        library.close()


def _chunks(library: Library, ids: Sequence[int]) -> Iterator[Chunk]:
    for start in range(0, len(ids), _SLICE):
        chunks = library.chunks(ids[start : start + _SLICE])
        yield from (chunks[i] for i in sorted(chunks))


def _tell(progress: Progress, done: int, total: int, name: str, of: int, embedded: int) -> None:
    progress(done, total, f"{name} · {embedded}/{of}" if of > MANY else name)
