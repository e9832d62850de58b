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
from typing import IO

from rag.errors import BackupError, HeadwaterError, LinkedOutside, StoreLocked
from rag.retrieval import earlier
from rag.retrieval.models import DIMENSION, MULTILINGUAL, PACKAGED, choose
from rag.settings import Settings
from rag.store import private
from rag.store.library import Library
from rag.store.lock import hold
from rag.store.originals import opened
from rag.store.store import fingerprint
from rag.types import UPLOADS, Chunk, Document, Vectors

from . import archive
from .archive import PART, Archive, Key, cut_and_embedded, record, written
from .listing import READY
from .placing import Home, data_folder, harmless, place, undone, unlike, uploads_folder
from .receipts import Outcome, Receipt
from .sync import Progress, digest
from .uploads import Uploads

log = logging.getLogger(__name__)

_SLICE = 5000  # chunks whose vectors SQLite is asked for at once


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into the file. Of the data folder's documents and those that were added at the page
    some went without their file: those in `missing`, whose file is gone or is not the one any more
    that was read, and those in `unreadable`, by which the reason stands."""

    documents: int
    passages: int
    originals: int
    missing: tuple[str, ...]
    unreadable: dict[str, str]


def export(settings: Settings, file: Path, progress: Progress) -> Exported:
    """Writes the library into `file`, in place of an earlier export there. Raises BackupError,
    StoreError."""
    homes = _homes(settings)
    with _held(settings.store_dir), written(file) as target:
        model, dimension, path = _library(settings)
        with closing(Library(path)) as library:
            documents = library.documents()
            missing, unreadable, originals = list[str](), dict[str, str](), 0
            for done, document in enumerate(documents):
                progress(done, len(documents), document.name)
                chunks = library.opening(document.folder, document.name)
                target.add(record(document, chunks, _vectors(library, chunks)))
            for document in documents:
                if not (home := homes.get(document.folder)):
                    continue
                try:
                    there = _add_original(home, document, target)
                except _Unreadable as exc:
                    unreadable[document.name] = str(exc)
                else:
                    originals += there
                    if not there:
                        missing.append(document.name)
        target.end(model, dimension, [*missing, *unreadable])
    passages = sum(document.chunks for document in documents)
    return Exported(len(documents), passages, originals, tuple(missing), unreadable)


def restore(
    settings: Settings, file: Path, progress: Progress, *, overwrite: bool = False
) -> list[Receipt]:
    """Takes the library in `file` into the one of the settings, and its originals into the data
    folder and that of what is added at the page: all of it or nothing. A document that is there is
    replaced; a file that is there and is another only if `overwrite`. One receipt a document.

    Raises BackupError if it is damaged, was made with another embedding model or cut otherwise, or
    has a file that is not to be written here; StoreError.
    """
    with _held(settings.store_dir), Archive(file) as kept:
        _check(kept, settings)
        homes, wanted = _homes(settings), list[Key]()
        for folder, home in homes.items():
            of = {name: sha for (place, name), sha in kept.originals.items() if place == folder}
            wanted += [(folder, name) for name in unlike(of, home, overwrite)]
        if kept.size > shutil.disk_usage(settings.store_dir).free:
            raise BackupError(
                f"There is not enough room on the disk for what is in {file.name}.",
                f"Đĩa không đủ chỗ cho nội dung của {file.name}.",
            )
        kept.check()
        mine = settings.store_dir / fingerprint(kept.manifest.model, kept.manifest.dimension)
        private.folder(mine)
        with (
            closing(Library(mine / private.LIBRARY)) as library,
            undone() as made,
            library.transaction(),  # what is cut short in it has never been
        ):
            receipts = list(_taken(kept, library, progress))
            for key in wanted:
                if key[0] == UPLOADS:
                    private.folder(homes[UPLOADS].path)
                place(kept.original(key), homes[key[0]], key[1], made)
            private.tree(homes[UPLOADS].path)
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


def _homes(settings: Settings) -> dict[str, Home]:
    """The folders whose originals go with the library, as it calls them."""
    data = data_folder(settings.data_dir.expanduser(), settings.follow_links)
    return {"": data, UPLOADS: uploads_folder(Uploads(settings.store_dir, UPLOADS).path)}


class _Unreadable(Exception):
    """Why a file could not be read."""


def _add_original(home: Home, document: Document, target: archive.Writing) -> bool:
    """Whether the document's file was there as it was read, and could be added. Raises _Unreadable,
    and BackupError if it cannot be read any more in the middle."""
    if not harmless(document.name):
        return False
    try:
        file = opened(home.path, document.name, home.follow_links)
    except (FileNotFoundError, LinkedOutside):
        return False
    except OSError as exc:
        raise _Unreadable(exc.strerror) from exc
    with file:
        try:
            now = digest(Path(document.name), file, document.lacks_text)
            file.seek(0)
        except OSError as exc:
            raise _Unreadable(exc.strerror) from exc
        if now != document.digest:
            return False
        target.add_original((document.folder, document.name), _parts(document.name, file))
    return True


def _parts(name: str, file: IO[bytes]) -> Iterator[bytes]:
    try:
        while part := file.read(PART):
            yield part
    except OSError as exc:
        raise BackupError(
            f"{name} could not be read ({exc.strerror}). Nothing was exported; check its disk.",
            f"Không đọc được {name} ({exc.strerror}). Chưa xuất gì; hãy kiểm tra ổ đĩa.",
        ) from exc


def _check(kept: Archive, settings: Settings) -> None:
    manifest, file = kept.manifest, kept.name
    model = choose(settings.embedding_model, settings.store_dir).name
    if manifest.format not in archive.FORMATS:
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
    total = kept.documents
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
