"""What lies in a folder that documents are read from, and what the library calls it. Knows no file
format and no storage."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rag.errors import DocumentError
from rag.store.originals import resolved
from rag.types import UPLOADS, Document

READY = "headwater-library.zip"  # in the data folder: ingest.backup takes it into an empty store
DATA = "HEADWATER_DATA_DIR"  # what strangers see of where the data folder lies


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
class Listing:
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


def as_known(folder: Folder, scope: str, documents: Sequence[Document]) -> tuple[Folder, str]:
    """The same place as a part of the folder that the library has it from already, if any."""
    path = folder.path / scope
    holding = {d.folder for d in documents if d.folder and path.is_relative_to(d.folder)}
    if folder.name in ("", UPLOADS) or not holding:
        return folder, scope
    name = max(holding, key=len)
    return replace(folder, path=Path(name), name=name), _relative(path, Path(name))


def listed(folder: Folder, scope: str) -> Listing:
    """The files in scope, named from the folder, sorted; hidden files and folders are left out."""
    start = folder.path / scope
    if start.is_file():
        return Listing((scope,), {}, (), True)
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
    reported = () if folder.follow_links else tuple(sorted(outside))
    if not folder.name and READY in visible:
        visible.remove(READY)
    return Listing(tuple(sorted(visible)), unreadable, reported, has_files)


def _leads_outside(link: Path, folder: Folder, followed: set[Path]) -> bool:
    """Whether a link to a folder leads out of the one that is read, to none that another link led
    to: what lies inside is read where it lies."""
    try:
        target = resolved(link)
        stays = target.is_relative_to(resolved(folder.path))
    except OSError:
        return False
    if stays or (folder.follow_links and target in followed):
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


def shown(name: str) -> str:
    """A name as it can be stored and printed: bytes that are not UTF-8 as backslash escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _relative(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    return "" if name == "." else name


def inside(name: str, scope: str) -> bool:
    """Whether `name` is what `scope` stands for, or lies in it."""
    return not scope or name == scope or name.startswith(scope.rstrip("/") + "/")
