"""Exports the library of the settings into one file, and takes an exported one in: documents, their
passages and vectors, and the originals. Loads no embedding model and asks no vector index: that
follows the library when the store is opened."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rag.errors import BackupError, HeadwaterError, LinkedOutside, StoreLocked
from rag.retrieval import earlier
from rag.retrieval.models import DIMENSION, MULTILINGUAL, PACKAGED, choose
from rag.settings import Settings
from rag.store import private
from rag.store.library import Library
from rag.store.lock import hold
from rag.store.originals import opened
from rag.store.store import fingerprint
from rag.types import Chunk, Document, Vectors

from . import archive
from .archive import Archive, cut_and_embedded, record, written
from .listing import READY
from .placing import harmless, place, undone, unlike
from .receipts import Outcome, Receipt
from .sync import Progress, digest

log = logging.getLogger(__name__)

_SLICE = 5000  # chunks whose vectors SQLite is asked for at once


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into the file; `missing` are the documents of the data folder whose file is gone,
    or is not the one any more that was read: they went without it."""

    documents: int
    passages: int
    originals: int
    missing: tuple[str, ...]


def export(settings: Settings, file: Path, progress: Progress) -> Exported:
    """Writes the library into `file`, in place of an earlier export there. Raises BackupError,
    StoreError."""
    with _held(settings.store_dir), written(file) as target:
        model, dimension, path = _library(settings)
        with closing(Library(path)) as library:
            documents = library.documents()
            missing, originals = [], 0
            for done, document in enumerate(documents):
                progress(done, len(documents), document.name)
                chunks = library.opening(document.folder, document.name)
                target.add(record(document, chunks, _vectors(library, chunks)))
            for document in documents:
                if document.folder:
                    continue
                if _add_original(settings, document, target):
                    originals += 1
                else:
                    missing.append(document.name)
        target.end(model, dimension, missing)
    passages = sum(document.chunks for document in documents)
    return Exported(len(documents), passages, originals, tuple(missing))


def restore(
    settings: Settings, file: Path, progress: Progress, *, overwrite: bool = False
) -> list[Receipt]:
    """Takes the library in `file` into the one of the settings, and its originals into the data
    folder: all of it or nothing. A document that is there is replaced; a file that is there and is
    another only if `overwrite`. One receipt a document.

    Raises BackupError if it is damaged, was made with another embedding model or cut otherwise, or
    has a file that is not to be written here; StoreError.
    """
    with _held(settings.store_dir), Archive(file) as kept:
        _check(kept, settings)
        data = settings.data_dir.expanduser()
        wanted = unlike(kept.originals, data, settings.follow_links, overwrite)
        if kept.size > shutil.disk_usage(settings.store_dir).free:
            raise BackupError(
                f"There is not enough room on the disk for what is in {file.name}.",
                f"Đĩa không đủ chỗ cho nội dung của {file.name}.",
            )
        kept.check()
        folder = settings.store_dir / fingerprint(kept.manifest.model, kept.manifest.dimension)
        private.folder(folder)
        with (
            closing(Library(folder / private.LIBRARY)) as library,
            undone() as made,
            library.transaction(),  # what is cut short in it has never been
        ):
            receipts = list(_taken(kept, library, progress))
            for name in wanted:
                place(kept.original(name), data, name, made)
    return receipts


def ready(settings: Settings) -> None:
    """Takes in what lies ready in the data folder, if the store has no document yet. What keeps it
    from that is logged: the folder is read as usual then. Raises StoreLocked."""
    file = settings.data_dir.expanduser() / READY
    try:
        if file.is_file() and not _has_documents(settings):
            receipts = restore(settings, file, lambda *_: None)
            log.info("the library of %d documents was taken from %s", len(receipts), READY)
    except StoreLocked:
        raise
    except HeadwaterError as exc:
        log.warning("%s is not used: %s", READY, exc)


def _has_documents(settings: Settings) -> bool:
    """Also in that of an earlier model."""
    with _held(settings.store_dir):
        for path in settings.store_dir.glob(f"*/{private.LIBRARY}"):
            with closing(Library(path)) as library:
                if library.documents():
                    return True
    return False


@contextmanager
def _held(store: Path) -> Iterator[None]:
    lock = hold(store)
    try:
        yield
    finally:
        lock.release()


def _library(settings: Settings) -> tuple[str, int, Path]:
    """The model of the settings, its dimension, and its library's file. Raises BackupError if it
    has none, or not all yet."""
    folder = settings.store_dir
    model = choose(settings.embedding_model, folder).name
    if earlier.pending(folder, model):
        raise BackupError(earlier.UNFINISHED.en, earlier.UNFINISHED.vi)
    if model in (PACKAGED, MULTILINGUAL):
        known = [folder / fingerprint(model, DIMENSION) / private.LIBRARY]
    else:
        known = sorted(folder.glob(f"{fingerprint(model, 0)[:-8]}*/{private.LIBRARY}"))
    for path in known:
        if not path.is_file():
            continue
        with closing(Library(path)) as library:
            for vector in library.vectors(library.chunk_ids()[:1]).values():
                if fingerprint(model, len(vector)) == path.parent.name:
                    return model, len(vector), path
    raise BackupError(
        "The library is empty: there is nothing to export.",
        "Thư viện đang trống: không có gì để xuất.",
    )


def _vectors(library: Library, chunks: list[Chunk]) -> list[Vectors]:
    ids = [chunk.id for chunk in chunks]
    vectors: dict[int, Vectors] = {}
    for start in range(0, len(ids), _SLICE):
        vectors |= library.vectors(ids[start : start + _SLICE])
    return [vectors[i] for i in ids]


def _add_original(settings: Settings, document: Document, target: archive.Writing) -> bool:
    """Whether the document's file was there as it was read, and could be added."""
    if not harmless(document.name):
        return False
    data = settings.data_dir.expanduser()
    try:
        with opened(data, document.name, settings.follow_links) as file:
            lacks_text = document.pages_with_text < document.pages
            if digest(data / document.name, file, lacks_text) != document.digest:
                return False
            file.seek(0)
            target.add_original(document.name, file)
    except (FileNotFoundError, PermissionError, LinkedOutside):
        return False
    return True


def _check(kept: Archive, settings: Settings) -> None:
    manifest, file = kept.manifest, kept.name
    model = choose(settings.embedding_model, settings.store_dir).name
    if manifest.format not in archive.READABLE:
        raise BackupError(
            f"{file} was written by Headwater {manifest.headwater} in another form. Export the "
            "library again with this version.",
            f"{file} do Headwater {manifest.headwater} ghi theo dạng khác. Hãy xuất lại thư viện "
            "bằng phiên bản này.",
        )
    if manifest.model != model:
        raise BackupError(
            f"{file} was made with the embedding model {manifest.model}, and this library has "
            f"{model}. Set HEADWATER_EMBEDDING_MODEL={manifest.model}, or read the documents.",
            f"{file} được tạo với mô hình embedding {manifest.model}, còn thư viện này dùng "
            f"{model}. Hãy đặt HEADWATER_EMBEDDING_MODEL={manifest.model}, hoặc đọc lại tài liệu.",
        )
    if manifest.chunking != cut_and_embedded():
        raise BackupError(
            f"{file} has documents that were cut in another way ({manifest.chunking}) than this "
            "version does it. Read the documents and export the library again.",
            f"{file} có tài liệu được cắt theo cách khác ({manifest.chunking}) với phiên bản này. "
            "Hãy đọc lại tài liệu và xuất lại thư viện.",
        )


def _taken(kept: Archive, library: Library, progress: Progress) -> Iterator[Receipt]:
    known = {(d.folder, d.name): d for d in library.documents()}
    total = len(kept.manifest.members) - len(kept.originals)
    for done, (kept_record, vectors) in enumerate(kept.records()):
        document = kept_record.document
        progress(done, total, document.name)
        before = known.get((document.folder, document.name))
        outcome: Outcome = "replaced" if before else "added"
        if before and (before.digest, before.chunks) == (document.digest, document.chunks):
            outcome = "unchanged"
        else:
            library.replace(document, kept_record.passages, vectors, kept_record.places)
        counts = document.pages, document.pages_with_text, document.chunks
        yield Receipt(document.name, outcome, *counts)
