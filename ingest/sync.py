"""Makes the library equal to a folder: what is new is read, what changed replaced, what is gone
removed, and what stayed the same not touched. Knows no file format and no storage."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from rag.errors import DocumentError, EmbedderError, LinkedOutside, StoreError
from rag.retrieval.embedder import Embedder
from rag.retrieval.passages import meant
from rag.store.originals import linked_outside, opened
from rag.store.store import Store
from rag.types import Content, Document, Remark, Vectors

from . import chunking, isolation, readers
from .blank import Blank
from .isolation import Isolated
from .limits import USUAL, Limits, too_large
from .listing import DATA, as_known, inside, listed, shown
from .listing import Folder as Folder
from .listing import locate as locate
from .receipts import Receipt as Receipt
from .receipts import emptied, failure, read, unreadable
from .sections import Sections

Progress = Callable[[int, int, str], None]

EMBEDDED = "titled-1"  # raise the 1 when `meant` gives another text
MANY = 64  # chunks above which the progress also counts those of the file
TOGETHER = 64  # chunks of small files that are embedded together
_TRIES = 3  # to read a file that is being written


def sync(
    folder: Folder,
    scope: str,
    store: Store,
    embedder: Embedder,
    progress: Progress,
    limits: Limits = USUAL,
) -> Iterator[Receipt]:
    """Reads what `locate` found into `store`, one receipt a file, each file in one transaction.

    Files are read in a process of their own, within `limits`, the next one while one is embedded.
    `progress(done, total, name)` is called before each file, while it is embedded, and before each
    of its pages that takes long.
    """
    documents = store.library.documents()
    store.settle()
    folder, scope = as_known(folder, scope, documents)
    known = {d.name: d for d in documents if d.folder == folder.name}
    listing = listed(folder, scope)
    for place, error in listing.unreadable.items():
        yield unreadable(place or folder.name or DATA, error)
    for place in listing.outside:
        yield failure(shown(place), linked_outside(shown(place)), known=False)
    if known and not scope and not listing.has_files and not listing.unreadable:
        yield emptied(folder)
        return
    names = listing.names
    with isolation.reading(limits) as isolated:
        reading = _Reading(folder, known, store, isolated)
        yield from _stored(reading.all(names, progress), store, embedder)
    for name in sorted(known.keys() - set(names)):
        if inside(name, scope) and not any(inside(name, p) for p in listing.unreadable):
            store.remove(folder.name, name)
            yield Receipt(name, "removed")
    progress(len(names), len(names), "")


@dataclass(frozen=True, slots=True)
class _Text:
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


_Found = Receipt | _Text


class _Reading:
    """The files of one folder, read one after the other."""

    def __init__(
        self, folder: Folder, known: dict[str, Document], store: Store, isolated: Isolated
    ) -> None:
        self._folder, self._known = folder, known
        self._store, self._isolated = store, isolated
        self._blank = Blank(store.place)

    def all(self, names: Sequence[str], progress: Progress) -> Iterator[_Found]:
        """What was read of each file; while somebody works with it, the next is being read."""
        tells = [partial(progress, done, len(names)) for done in range(len(names))]
        waiting = self._begun(names[0], tells[0]) if names else None
        for done, name in enumerate(names):
            tells[done](shown(name))
            assert waiting
            found = waiting()
            waiting = self._begun(names[done + 1], tells[done + 1]) if names[done + 1 :] else None
            yield found

    def _begun(self, name: str, tell: Callable[[str], None]) -> Callable[[], _Found]:
        """Begins with one file; what it returns waits for it. What goes wrong is a receipt."""
        known, start = self._known.get(name), time.monotonic()
        try:
            found = self._looked(name, known, tell)
        except Exception as exc:
            if known and isinstance(exc, LinkedOutside):
                # What must not be read must not be answered from either.
                self._store.remove(self._folder.name, name)
            receipt = failure(shown(name), exc, known is not None)
            return lambda: receipt
        if isinstance(found, Receipt):
            receipt = found
            return lambda: receipt
        hashed, content = found
        return partial(self._ended, name, hashed, content, time.monotonic() - start, tell)

    def _looked(
        self, name: str, known: Document | None, tell: Callable[[str], None]
    ) -> Receipt | tuple[hashlib._Hash, Callable[[], Content]]:
        """The receipt of a file that stayed the same; else its bytes' digest, and what waits for
        its content. Raises OSError, DocumentError."""
        full = self._folder.name + name
        if shown(full) != full:
            raise DocumentError(
                f"The name {shown(full)} is not UTF-8; rename it.",
                f"Tên {shown(full)} không phải UTF-8; hãy đổi tên.",
            )
        path, limit = self._folder.path / name, self._isolated.limits.size
        with opened(self._folder.path, name, self._folder.follow_links) as file:
            if path.suffix.lower() not in readers.READERS:
                readers.read(path, file)  # says so
            if os.fstat(file.fileno()).st_size > limit:
                raise too_large(path.name, limit)
            for _ in range(_TRIES):
                hashed = _hashed(file)
                if known and known.digest == _with_versions(hashed, path, known.lacks_text):
                    counts = known.pages, known.pages_with_text, known.chunks
                    return Receipt(name, "unchanged", *counts)
                if (picture := _picture(hashed, path)) and picture in self._blank:
                    raise readers.image.without_text(path.name)
                file.seek(0)
                data = file.read(limit + 1)
                if hashlib.sha256(data).digest() == hashed.digest():
                    return hashed, self._isolated.begin(path, data, partial(_page, tell, name))
        raise DocumentError(
            f"{path.name} is being changed while it is read; read the folder again once that is "
            "over.",
            f"{path.name} đang bị thay đổi trong khi được đọc; hãy đọc lại thư mục khi đã xong.",
        )

    def _ended(
        self,
        name: str,
        hashed: hashlib._Hash,
        content: Callable[[], Content],
        seconds: float,
        tell: Callable[[str], None],
    ) -> _Found:
        known, start = name in self._known, time.monotonic()
        try:
            text = content()
            passages = [*_passages(text)]
        except Exception as exc:
            path = self._folder.path / name
            picture = _picture(hashed, path)
            if picture and str(exc) == str(readers.image.without_text(path.name)):
                self._blank.add(picture)
            return failure(name, exc, known)
        lacks_text = not all(page.text.strip() for page in text.pages)
        document = Document(
            folder=self._folder.name,
            name=name,
            title=text.title,
            digest=_with_versions(hashed, self._folder.path / name, lacks_text),
            pages=len(text.pages),
            pages_with_text=sum(bool(page.text.strip()) for page in text.pages),
            chunks=len(passages),
        )
        texts = tuple((page, passage) for page, passage, _ in passages)
        names = tuple(name for _, _, name in passages)
        seconds += time.monotonic() - start
        return _Text(document, texts, names, text.remarks, known, seconds, tell)


def _passages(content: Content) -> Iterator[tuple[int, str, str]]:
    """The page of each passage, its text, and what its place is called."""
    for page in content.pages:
        named = Sections(page, content.title)
        for start, end, text in chunking.passages(page.text, blocks=page.blocks):
            yield page.number, text, named.name(start, end)


def _stored(found: Iterator[_Found], store: Store, embedder: Embedder) -> Iterator[Receipt]:
    """Embeds and stores what was read, small files together, for the model takes sixteen texts in
    the time of five; the receipts in their order."""
    gathered: list[_Found] = []
    for each in found:
        if isinstance(each, _Text) and len(each.passages) > TOGETHER:
            yield from _flushed(gathered, store, embedder)
            gathered = []
        gathered.append(each)
        texts = [text for text in gathered if isinstance(text, _Text)]
        if not texts or sum(len(text.passages) for text in texts) >= TOGETHER:
            yield from _flushed(gathered, store, embedder)
            gathered = []
    yield from _flushed(gathered, store, embedder)


def _flushed(found: Sequence[_Found], store: Store, embedder: Embedder) -> Iterator[Receipt]:
    texts = [each for each in found if isinstance(each, _Text)]
    embedded = iter(_embedded(texts, embedder))
    for each in found:
        yield each if isinstance(each, Receipt) else _kept(each, *next(embedded), store)
    if texts:  # once: the vector index takes as long for one document as for several
        store.follow()


def _embedded(
    texts: Sequence[_Text], embedder: Embedder
) -> list[tuple[Vectors | Exception, float]]:
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


def _page(tell: Callable[[str], None], name: str, page: int, of: int) -> None:
    tell(f"{name} · OCR {page}/{of}" if of > 1 else name)


def _progress(texts: Sequence[_Text]) -> Callable[[int], None]:
    """What is told while these are embedded: a long one, which is alone, by its chunks."""

    def progress(count: int) -> None:
        last, of = texts[-1], len(texts[-1].passages)
        last.tell(f"{last.document.name} · {count}/{of}" if of > MANY else last.document.name)

    return progress


def _kept(text: _Text, vectors: Vectors | Exception, seconds: float, store: Store) -> Receipt:
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


def digest(path: Path, file: BinaryIO, lacks_text: bool) -> str:
    """SHA-256 of the bytes of `file`, the one at `path` opened, and of how they are read, cut
    and embedded: what would now be in another way is read again. `lacks_text` if pages have none:
    only then it counts whether there is OCR."""
    return _with_versions(_hashed(file), path, lacks_text)


def _hashed(file: BinaryIO) -> hashlib._Hash:
    file.seek(0)
    return hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]  # any binary file


def _with_versions(hashed: hashlib._Hash, path: Path, lacks_text: bool) -> str:
    whole = hashed.copy()
    whole.update(f"{readers.version(path, lacks_text)} {chunking.VERSION} {EMBEDDED}".encode())
    return whole.hexdigest()


def _picture(hashed: hashlib._Hash, path: Path) -> str:
    """The digest of a picture and of what looks for text on it; "" if nothing does."""
    version = readers.picture_version(path)
    whole = hashed.copy()
    whole.update(version.encode())
    return whole.hexdigest() if version else ""


def forget(path: Path, data_dir: Path, *stores: Store) -> Iterator[Receipt]:
    """Removes from `stores` what was read from `path`, a file or a folder that need not exist any
    more; one receipt a document.

    Raises DocumentError if none of them has anything from there.
    """
    path, data_dir = path.expanduser().resolve(), data_dir.expanduser().resolve()
    documents = {(d.folder, d.name) for store in stores for d in store.library.documents()}
    # An absolute folder takes the place of the data folder that it is joined to.
    known = sorted(d for d in documents if data_dir.joinpath(*d).is_relative_to(path))
    if not known:
        raise DocumentError(
            f"The library has no document from {path}. Nothing was changed.",
            f"Thư viện không có tài liệu nào từ {path}. Không có gì bị thay đổi.",
        )
    for folder, name in known:
        for store in stores:
            store.remove(folder, name)
        yield Receipt(name, "removed")
