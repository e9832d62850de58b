"""Takes over into a new library of the multilingual model what the packaged one's has, once: the
texts are embedded again, and no file is asked for, which may be gone. Knows no data folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path

from rag.retrieval import earlier
from rag.retrieval.embedder import Embedder
from rag.retrieval.models import MULTILINGUAL
from rag.retrieval.passages import meant
from rag.store.library import Library
from rag.store.store import Store
from rag.types import Chunk

from .receipts import Receipt
from .storing import MANY
from .sync import Progress

_SLICE = 5000  # chunks in memory at once
_ROOM = 1_000_000  # ids that the earlier library may still give to what it reads


def carried(
    folder: Path,
    store: Store,
    embedder: Embedder,
    progress: Progress,
    library: Library | None = None,
) -> Iterator[Receipt]:
    """Takes over each document that `store`, which lies in `folder`, has not; one receipt each. If
    it is cut short, it goes on the next time. `library` is the earlier one where that is open.
    Raises StoreError, EmbedderError."""
    if embedder.name != MULTILINGUAL:
        return
    if file := earlier.pending(folder, embedder.name):
        with nullcontext(library) if library else closing(Library(file)) as there:
            yield from _taken_over(there, store, embedder, progress)
    earlier.finish(folder)


def _taken_over(
    library: Library, store: Store, embedder: Embedder, progress: Progress
) -> Iterator[Receipt]:
    there = {(d.folder, d.name) for d in store.library.documents()}
    ids: defaultdict[int, list[int]] = defaultdict(list)  # by document
    for chunk in _chunks(library, library.chunk_ids()):
        ids[chunk.document_id].append(chunk.id)
    if not there:  # a link in an answer from the earlier library must not lead to another passage
        store.library.count_from(max((i for of in ids.values() for i in of), default=0) + _ROOM)
    for done, document_id in enumerate(ids):
        document = library.document(document_id)
        if document is None or (document.folder, document.name) in there:
            continue
        chunks = list(_chunks(library, ids[document_id]))
        texts = [(c.page, c.text) for c in chunks]
        tell = partial(_tell, progress, done, len(ids), document.name, len(texts))
        tell(0)
        vectors = embedder.embed([meant(document.title, text) for _, text in texts], tell)
        store.replace(document, texts, vectors, [chunk.page_name for chunk in chunks])
        pages, with_text = document.pages, document.pages_with_text
        yield Receipt(document.name, "added", pages, with_text, len(texts))


def _chunks(library: Library, ids: Sequence[int]) -> Iterator[Chunk]:
    for start in range(0, len(ids), _SLICE):
        chunks = library.chunks(ids[start : start + _SLICE])
        yield from (chunks[i] for i in sorted(chunks))


def _tell(progress: Progress, done: int, total: int, name: str, of: int, embedded: int) -> None:
    progress(done, total, f"{name} · {embedded}/{of}" if of > MANY else name)
