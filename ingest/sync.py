"""Makes the library equal to a folder: what is new is read, what changed replaced, what is gone
removed, and what stayed the same not touched. Knows no file format and no storage."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from rag.errors import DocumentError, LinkedOutside, NoProcess
from rag.retrieval.embedder import Embedder
from rag.store.originals import linked_outside, opened
from rag.store.store import Store
from rag.types import Content, Document

from . import chunking, isolation, readers
from .blank import Blank
from .isolation import Begun, Isolated, Over, Then
from .limits import USUAL, Limits, too_large
from .listing import DATA, as_known, inside, listed, shown
from .listing import Folder as Folder
from .listing import locate as locate
from .receipts import Receipt as Receipt
from .receipts import emptied, failure, place_of, unreadable
from .sections import Sections
from .storing import Found, Text, stored

Progress = Callable[[int, int, str], None]

EMBEDDED = "titled-1"  # raise the 1 when `meant` gives another text
SOON = 0.05  # seconds in which a file must have been read not to keep those before it waiting


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
        yield from stored(reading.all(names, progress), store, embedder)
    if reading.barred:
        yield failure(place_of(folder), reading.barred, known=False)
    for name in sorted(known.keys() - set(names)):
        if inside(name, scope) and not any(inside(name, p) for p in listing.unreadable):
            store.remove(folder.name, name)
            yield Receipt(name, "removed")
    progress(len(names), len(names), "")


class _Reading:
    """The files of one folder, read one after the other; `barred` says why some could not be, which
    is none of their doing."""

    def __init__(
        self, folder: Folder, known: dict[str, Document], store: Store, isolated: Isolated
    ) -> None:
        self._folder, self._known = folder, known
        self._store, self._isolated = store, isolated
        self._blank = Blank(store.place)
        self.barred: NoProcess | None = None

    def all(self, names: Sequence[str], progress: Progress) -> Iterator[Found | None]:
        """What was read of each file; while somebody works with it, the next is being read. None
        is for what is not there soon: there is time for something else."""
        tells = [partial(progress, done, len(names)) for done in range(len(names))]
        waiting = self._begun(names[0], tells[0]) if names else None
        for done, name in enumerate(names):
            tells[done](shown(name))
            assert waiting
            if not waiting.ready(SOON):
                yield None
                tells[done](shown(name))
            found = waiting()
            waiting = self._begun(names[done + 1], tells[done + 1]) if names[done + 1 :] else None
            yield found

    def _begun(self, name: str, tell: Callable[[str], None]) -> Begun[Found | None]:
        """Begins with one file; what it returns waits for it. What goes wrong is a receipt."""
        known, start = self._known.get(name), time.monotonic()
        try:
            found = self._looked(name, known, tell)
        except NoProcess as exc:
            self.barred = exc
            return Over(None)
        except Exception as exc:
            if known and isinstance(exc, LinkedOutside):
                # What must not be read must not be answered from either.
                self._store.remove(self._folder.name, name)
            return Over(failure(shown(name), exc, known is not None))
        if isinstance(found, Receipt):
            return Over(found)
        hashed, content = found
        seconds = time.monotonic() - start
        return Then(content, partial(self._ended, name, hashed, content, seconds, tell))

    def _looked(
        self, name: str, known: Document | None, tell: Callable[[str], None]
    ) -> Receipt | tuple[hashlib._Hash, Begun[Content]]:
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
                raise readers.unsupported(path.name)
            if os.fstat(file.fileno()).st_size > limit:
                raise too_large(path.name, limit)
            if known and known.digest == digest(path, file, known.lacks_text):
                counts = known.pages, known.pages_with_text, known.chunks
                return Receipt(name, "unchanged", *counts)
            file.seek(0)
            data = file.read(limit + 1)
        if len(data) > limit:  # it has grown meanwhile
            raise too_large(path.name, limit)
        # Of what is read, whatever the file is by now: what changes it is read the next time.
        hashed = hashlib.sha256(data)
        if (picture := _picture(hashed, path)) and picture in self._blank:
            raise readers.image.without_text(path.name)
        return hashed, self._isolated.begin(path, data, partial(_page, tell, name))

    def _ended(
        self,
        name: str,
        hashed: hashlib._Hash,
        content: Begun[Content],
        seconds: float,
        tell: Callable[[str], None],
    ) -> Found:
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
        return Text(document, texts, names, text.remarks, known, seconds, tell)


def _passages(content: Content) -> Iterator[tuple[int, str, str]]:
    """The page of each passage, its text, and what its place is called."""
    for page in content.pages:
        named = Sections(page, content.title)
        for start, end, text in chunking.passages(page.text, blocks=page.blocks):
            yield page.number, text, named.name(start, end)


def _page(tell: Callable[[str], None], name: str, page: int, of: int) -> None:
    tell(f"{name} · OCR {page}/{of}" if of > 1 else name)


def _picture(hashed: hashlib._Hash, path: Path) -> str:
    """The digest of a picture and of what looks for text on it; "" if nothing does."""
    version = readers.picture_version(path)
    whole = hashed.copy()
    whole.update(version.encode())
    return whole.hexdigest() if version else ""


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
