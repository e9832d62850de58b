"""Makes the library equal to a folder: what is new is read, what changed replaced, what is gone
removed, and what stayed the same not touched. Knows no file format and no storage."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rag.embedder import Embedder
from rag.errors import DocumentError, UnsupportedFormat
from rag.index import Index
from rag.types import Document

from . import chunking, readers

log = logging.getLogger(__name__)

Outcome = Literal["added", "replaced", "unchanged", "removed", "unsupported", "failed"]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one file; `reason` says why where it was not read."""

    name: str
    outcome: Outcome
    pages: int = 0
    pages_with_text: int = 0
    chunks: int = 0
    reason: str = ""


def locate(path: Path, data_dir: Path) -> tuple[Path, str]:
    """The (folder, scope) that `path` stands for: everything in the data folder is named from
    there, a folder elsewhere from itself, a file elsewhere from its own folder.

    `scope` is the part of the folder that is meant, "" for all of it. Raises DocumentError if
    there is no such file or folder: an unplugged disk must not empty the library.
    """
    path, data_dir = path.expanduser().resolve(), data_dir.expanduser().resolve()
    if not path.exists():
        raise DocumentError(
            f"There is no file or folder {path}. Nothing was changed.",
            f"Không có tệp hay thư mục {path}. Không có gì bị thay đổi.",
        )
    if path.is_relative_to(data_dir):
        scope = path.relative_to(data_dir).as_posix()
        return data_dir, "" if scope == "." else scope
    return (path, "") if path.is_dir() else (path.parent, path.name)


def sync(
    folder: Path, scope: str, index: Index, embedder: Embedder, progress: Progress
) -> Iterator[Receipt]:
    """Reads what `locate` found into `index`, one receipt a file, each file in one transaction.

    `progress(done, total, name)` is called before each file and while it is embedded.
    """
    known = {d.name: d for d in index.library.documents() if d.folder == str(folder)}
    names = list(_names(folder, scope))
    for done, name in enumerate(names):
        progress(done, len(names), name)

        def embedding(_: int, done: int = done, name: str = name) -> None:
            progress(done, len(names), name)

        yield _read(folder, name, known.get(name), index, embedder, embedding)
    for name in sorted(known.keys() - set(names)):
        if _inside(name, scope):
            index.remove(str(folder), name)
            yield Receipt(name, "removed")
    progress(len(names), len(names), "")


def _read(
    folder: Path,
    name: str,
    known: Document | None,
    index: Index,
    embedder: Embedder,
    embedding: Callable[[int], None],
) -> Receipt:
    path = folder / name
    try:
        digest = _digest(path)
        if known and known.digest == digest:
            return Receipt(name, "unchanged", known.pages, known.pages_with_text, known.chunks)
        content = readers.read(path)
    except UnsupportedFormat as exc:
        return Receipt(name, "unsupported", reason=exc.en)
    except (DocumentError, OSError) as exc:
        kept = " What was read of it earlier is kept." if known else ""
        return Receipt(name, "failed", reason=f"{exc}{kept}")
    passages = [(page.number, text) for page in content.pages for text in chunking.split(page.text)]
    document = Document(
        folder=str(folder),
        name=name,
        title=content.title,
        digest=digest,
        pages=len(content.pages),
        pages_with_text=sum(bool(page.text.strip()) for page in content.pages),
        chunks=len(passages),
    )
    vectors = embedder.embed([text for _, text in passages], embedding)
    index.replace(document, passages, vectors)
    outcome: Outcome = "replaced" if known else "added"
    return Receipt(name, outcome, document.pages, document.pages_with_text, document.chunks)


def _digest(path: Path) -> str:
    """SHA-256 of the file's bytes and of how they are cut: new chunking reads a file again."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(chunking.VERSION.encode())
    return digest.hexdigest()


def _names(folder: Path, scope: str) -> Iterator[str]:
    """The files in scope, from the folder, sorted; hidden files and folders are left out."""
    start = folder / scope
    if start.is_file():
        yield scope
        return
    for path in sorted(start.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix()


def _inside(name: str, scope: str) -> bool:
    return not scope or name == scope or name.startswith(scope.rstrip("/") + "/")


def forget(path: Path, index: Index) -> Iterator[Receipt]:
    """Removes what was read from `path`, a file or a folder that need not exist any more.

    Raises DocumentError if the library has nothing from there.
    """
    path = path.expanduser().resolve()
    documents = index.library.documents()
    known = [d for d in documents if (Path(d.folder) / d.name).is_relative_to(path)]
    if not known:
        raise DocumentError(
            f"The library has no document from {path}. Nothing was changed.",
            f"Thư viện không có tài liệu nào từ {path}. Không có gì bị thay đổi.",
        )
    for document in known:
        index.remove(document.folder, document.name)
        yield Receipt(document.name, "removed")
