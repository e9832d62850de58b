"""The files that documents were read from: opened if they are still the ones that were read, and
looked into only by who is passed in, which does so apart from this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from ..errors import LinkedOutside
from ..store.originals import opened
from ..types import UPLOADS, Content, Document

T = TypeVar("T")


class Apart(Protocol):
    """Works with a file, which may be hostile, in a process apart."""

    def read(self, path: Path, file: BinaryIO) -> Content:
        """The document in `file`, the one at `path` opened. Raises DocumentError."""

    def run(
        self,
        work: Callable[..., T],
        file: BinaryIO,
        values: tuple[type[T], *tuple[type, ...]],
        *more: object,
    ) -> T:
        """What `work`, a function of a module, makes of a file and of `more`; nothing but `values`
        is made of it, the first of which it is. Raises DocumentError."""


@dataclass(frozen=True, slots=True)
class Originals:
    """The files that documents were read from, under `data_dir`, and what works with them.

    `digest` gives the digest of a file that is open as the library stores it, where pages without
    text are told, or raises OSError. What a link leads to outside of the document's folder is shown
    only if `follow_links`. `uploads` is the folder of what was added at the page.
    """

    data_dir: Path
    digest: Callable[[Path, BufferedReader, bool], str]
    apart: Apart
    follow_links: bool = False
    uploads: Path | None = None

    def open(self, document: Document) -> BufferedReader | None:
        """The document's file, to be closed by the caller; None if there is none that is still the
        one that was read."""
        folder = self.data_dir.expanduser() / document.folder
        if document.folder == UPLOADS and self.uploads:
            folder = self.uploads
        try:
            file = opened(folder, document.name, self.follow_links)
        except (OSError, LinkedOutside):
            return None
        try:
            same = self.digest(Path(document.name), file, document.lacks_text) == document.digest
            file.seek(0)
        except OSError:
            same = False
        if not same:
            file.close()
        return file if same else None
