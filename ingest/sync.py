"""Makes the library equal to a folder: what is new is read, what changed replaced, what is gone
removed, and what stayed the same not touched. Knows no file format and no storage."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Literal

from rag.errors import (
    DocumentError,
    EmbedderError,
    LinkedOutside,
    StoreError,
    UnsupportedFormat,
)
from rag.retrieval.embedder import Embedder
from rag.retrieval.passages import meant
from rag.store.originals import linked_outside, opened, resolved
from rag.store.store import Store
from rag.types import Document

from . import chunking, readers

log = logging.getLogger(__name__)

Outcome = Literal["added", "replaced", "unchanged", "removed", "unsupported", "failed"]
Progress = Callable[[int, int, str], None]

DATA = "HEADWATER_DATA_DIR"  # what strangers see of where the data folder lies
EMBEDDED = "titled-1"  # raise the 1 when `meant` gives another text
READY = "headwater-library.zip"  # in the data folder: ingest.backup takes it into an empty store
MANY = 64  # chunks above which the progress also counts those of the file


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one file; `reason` says why where it was not read, or what of it was not."""

    name: str
    outcome: Outcome
    pages: int = 0
    pages_with_text: int = 0
    chunks: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that documents are read from: where it lies, and what the library calls it.

    The data folder is called "", so that it may be moved; any other by its absolute path. `apart`
    is the data folder if it lies inside this one: it is not read as a part of it. Links that lead
    out of the folder are followed only if `follow_links`.
    """

    path: Path
    name: str
    apart: Path | None = None
    follow_links: bool = False


@dataclass(frozen=True, slots=True)
class _Listing:
    """What lies in a folder: the names to read, the subfolders that could not be listed, those
    that are links to the outside, and whether there is any file at all."""

    names: tuple[str, ...]
    unreadable: dict[str, OSError]
    outside: tuple[str, ...]
    has_files: bool


def locate(path: Path, data_dir: Path, follow_links: bool = False) -> tuple[Folder, str]:
    """The (folder, scope) that `path` stands for: everything in the data folder is named from
    there, a folder elsewhere from itself, a file elsewhere from its own folder.

    `scope` is the part of the folder that is meant, "" for all of it. Raises DocumentError if
    there is no such file or folder: an unplugged disk must not empty the library.
    """
    path, data_dir = path.expanduser().resolve(), data_dir.expanduser().resolve()
    if not path.exists():
        name = DATA if path == data_dir else path.name
        raise DocumentError(
            f"There is no file or folder {name}. Nothing was changed.",
            f"Không có tệp hay thư mục {name}. Không có gì bị thay đổi.",
            owner=str(path),
        )
    if path.is_relative_to(data_dir):
        return Folder(data_dir, "", None, follow_links), _relative(path, data_dir)
    folder = path if path.is_dir() else path.parent
    apart = data_dir if data_dir.is_relative_to(folder) else None
    return Folder(folder, str(folder), apart, follow_links), _relative(path, folder)


def sync(
    folder: Folder, scope: str, store: Store, embedder: Embedder, progress: Progress
) -> Iterator[Receipt]:
    """Reads what `locate` found into `store`, one receipt a file, each file in one transaction.

    `progress(done, total, name)` is called before each file and while it is embedded.
    """
    documents = store.library.documents()
    store.settle()
    folder, scope = _as_known(folder, scope, documents)
    known = {d.name: d for d in documents if d.folder == folder.name}
    listing = _listing(folder, scope)
    for place, error in listing.unreadable.items():
        yield _unreadable(place or folder.name or DATA, error)
    for place in listing.outside:
        yield Receipt(_shown(place), "failed", reason=linked_outside(_shown(place)).en)
    if known and not scope and not listing.has_files and not listing.unreadable:
        yield _emptied(folder)
        return
    names = listing.names
    for done, name in enumerate(names):
        tell = partial(progress, done, len(names))
        tell(_shown(name))
        yield _receipt(folder, name, known.get(name), store, embedder, tell)
    for name in sorted(known.keys() - set(names)):
        if _inside(name, scope) and not any(_inside(name, p) for p in listing.unreadable):
            store.remove(folder.name, name)
            yield Receipt(name, "removed")
    progress(len(names), len(names), "")


def _receipt(
    folder: Folder,
    name: str,
    known: Document | None,
    store: Store,
    embedder: Embedder,
    tell: Callable[[str], None],
) -> Receipt:
    """Reads one file. Only what keeps every file from being read is raised."""
    kept = " What was read of it earlier is kept." if known else ""
    try:
        return _read(folder, name, known, store, embedder, tell)
    except UnsupportedFormat as exc:
        return Receipt(name, "unsupported", reason=exc.en)
    except LinkedOutside as exc:
        if known:  # what must not be read must not be answered from either
            store.remove(folder.name, name)
        gone = " What was read of it earlier was removed." if known else ""
        return Receipt(name, "failed", reason=f"{exc.en}{gone}")
    except DocumentError as exc:
        return Receipt(_shown(name), "failed", reason=f"{exc.en}{kept}")
    except OSError as exc:
        why = exc.strerror or type(exc).__name__  # never its path
        reason = f"{name} could not be read ({why}); check that it may be opened."
        return Receipt(name, "failed", reason=f"{reason}{kept}")
    except (StoreError, EmbedderError):
        raise
    except Exception:
        log.exception("a file could not be read")
        reason = f"{name} could not be read: Headwater has a fault here, which its log describes."
        return Receipt(name, "failed", reason=f"{reason}{kept}")


def _read(
    folder: Folder,
    name: str,
    known: Document | None,
    store: Store,
    embedder: Embedder,
    tell: Callable[[str], None],
) -> Receipt:
    if _shown(folder.name + name) != folder.name + name:
        raise DocumentError(
            f"The name {_shown(folder.name + name)} is not UTF-8; rename it.",
            f"Tên {_shown(folder.name + name)} không phải UTF-8; hãy đổi tên.",
        )
    path = folder.path / name
    with opened(folder.path, name, folder.follow_links) as file:
        if known and known.digest == digest(path, file, known.lacks_text):
            return Receipt(name, "unchanged", known.pages, known.pages_with_text, known.chunks)
        file.seek(0)
        content = readers.read(path, file)
        stored = digest(path, file, not all(page.text.strip() for page in content.pages))
    passages = [
        (page.number, text)
        for page in content.pages
        for text in chunking.split(page.text, blocks=page.blocks)
    ]
    document = Document(
        folder=folder.name,
        name=name,
        title=content.title,
        digest=stored,
        pages=len(content.pages),
        pages_with_text=sum(bool(page.text.strip()) for page in content.pages),
        chunks=len(passages),
    )

    def embedded(count: int) -> None:
        tell(f"{name} · {count}/{len(passages)}" if len(passages) > MANY else name)

    vectors = embedder.embed([meant(content.title, text) for _, text in passages], embedded)
    page_names = {page.number: page.name for page in content.pages if page.name}
    store.replace(document, passages, vectors, page_names)
    outcome: Outcome = "replaced" if known else "added"
    reason = " ".join(remark.en for remark in content.remarks)
    return Receipt(name, outcome, document.pages, document.pages_with_text, document.chunks, reason)


def digest(path: Path, file: BufferedReader, lacks_text: bool) -> str:
    """SHA-256 of the bytes of `file`, the one at `path` opened, and of how they are read, cut
    and embedded: what would now be in another way is read again. `lacks_text` if pages have none:
    only then it counts whether there is OCR."""
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256")
    digest.update(f"{readers.version(path, lacks_text)} {chunking.VERSION} {EMBEDDED}".encode())
    return digest.hexdigest()


def _as_known(folder: Folder, scope: str, documents: Sequence[Document]) -> tuple[Folder, str]:
    """The same place as a part of the folder that the library has it from already, if any."""
    path = folder.path / scope
    holding = {d.folder for d in documents if d.folder and path.is_relative_to(d.folder)}
    if not folder.name or not holding:
        return folder, scope
    name = max(holding, key=len)
    return replace(folder, path=Path(name), name=name), _relative(path, Path(name))


def _listing(folder: Folder, scope: str) -> _Listing:
    """The files in scope, named from the folder, sorted; hidden files and folders are left out."""
    start = folder.path / scope
    if start.is_file():
        return _Listing((scope,), {}, (), True)
    names: list[str] = []
    outside: list[str] = []
    followed: set[Path] = set()
    errors: list[OSError] = []
    has_files = False
    for place, folders, files in os.walk(
        start, onerror=errors.append, followlinks=folder.follow_links
    ):
        here = Path(place)
        folders[:] = [f for f in folders if not f.startswith(".") and here / f != folder.apart]
        for link in [f for f in folders if (here / f).is_symlink()]:
            if _leads_outside(here / link, folder, followed):
                outside.append(_relative(here / link, folder.path))
            else:
                folders.remove(link)
        if folder.follow_links:
            errors += [_dangling(here / f) for f in files if not (here / f).exists()]
        paths = [here / file for file in files if _is_file(here / file)]
        has_files = has_files or bool(paths)
        names += [_relative(path, folder.path) for path in paths]
    visible = [n for n in names if not any(part.startswith(".") for part in n.split("/"))]
    unreadable = {_relative(Path(error.filename), folder.path): error for error in errors}
    if not folder.name and READY in visible:
        visible.remove(READY)
    reported = () if folder.follow_links else tuple(sorted(outside))
    return _Listing(tuple(sorted(visible)), unreadable, reported, has_files)


def _leads_outside(link: Path, folder: Folder, followed: set[Path]) -> bool:
    """Whether a link to a folder leads out of the one that is read, to none that another link led
    to: what lies inside is read where it lies."""
    try:
        target = resolved(link)
        inside = target.is_relative_to(resolved(folder.path))
    except OSError:
        return False
    if inside or (folder.follow_links and target in followed):
        return False
    followed.add(target)
    return True


def _dangling(link: Path) -> OSError:
    """A link whose disk may not be mounted: what was read through it is kept."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(link))


def _is_file(path: Path) -> bool:
    """Whether it is a regular file; what may not be looked at counts as one and fails later."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _unreadable(place: str, error: OSError) -> Receipt:
    reason = f"The folder {_shown(place)} could not be read ({error.strerror}). "
    return Receipt(_shown(place), "failed", reason=reason + "What was read from it is kept.")


def _emptied(folder: Folder) -> Receipt:
    place = _shown(folder.name or DATA)
    reason = (
        f"The folder {place} is empty, and what was read from it is kept. Is its disk mounted? "
        f"To remove it from the library: python -m ingest --forget {_shown(folder.name) or 'PATH'}"
    )
    return Receipt(place, "failed", reason=reason)


def _shown(name: str) -> str:
    """A name as it can be stored and printed: bytes that are not UTF-8 as backslash escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _relative(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    return "" if name == "." else name


def _inside(name: str, scope: str) -> bool:
    return not scope or name == scope or name.startswith(scope.rstrip("/") + "/")


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
