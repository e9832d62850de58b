"""The file that a library is exported into: a zip of a manifest, a record for each document and the
originals. Writes and reads it, and trusts nothing in it; knows no store and no data folder."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

import rag
from rag.errors import BackupError
from rag.types import UPLOADS, Chunk, Document, Vectors

from . import chunking
from .sync import EMBEDDED

FORMAT = 2  # raised when an earlier Headwater could not read the file any more
FORMATS = (1, 2)  # that this one reads: 1 has no files that were added at the page
MANIFEST = "manifest.json"
ORIGINALS = {"": "originals/", UPLOADS: "uploads/"}  # where they lie, by their documents' folder
LARGEST = 1 << 28  # bytes of a record or the manifest, which are in memory at once
PART = 1 << 20  # bytes of an original in memory at once

_Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0, lt=1 << 31)]
_Page = Annotated[int, Field(ge=1, lt=1 << 31)]
Key = tuple[str, str]  # a document's folder and name


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Manifest(_Value):
    """What the file says of itself: how its passages were cut and embedded, the SHA-256 of each
    other member, and the documents of the folders in ORIGINALS whose file is not in it."""

    format: int
    headwater: str
    model: str
    dimension: Annotated[int, Field(ge=1, le=1 << 16)]
    chunking: str
    members: dict[str, _Sha256]
    missing: tuple[str, ...] = ()


class Record(_Value):
    """A document, its (page, text) passages, their float32 vectors, one after another, and the
    names of their places."""

    folder: str
    name: str
    title: str
    digest: _Sha256
    pages: _Count
    pages_with_text: _Count
    page_names: dict[_Page, str] = {}
    passages: tuple[tuple[_Page, str], ...]
    vectors: str
    names: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[str, ...]:
        """What the place of each passage is called."""
        return self.names or tuple(self.page_names.get(page, "") for page, _ in self.passages)

    @property
    def document(self) -> Document:
        counts = self.pages, self.pages_with_text, len(self.passages)
        return Document(self.folder, self.name, self.title, self.digest, *counts)

    def matrix(self, dimension: int) -> Vectors:
        """The vectors, one a row. Raises ValueError if they are no unit vectors of this length."""
        data = base64.b64decode(self.vectors, validate=True)
        rows = np.frombuffer(data, "<f4").reshape(len(self.passages), dimension)
        if not np.all(np.abs(np.linalg.norm(rows, axis=1) - 1) < 0.01):  # not of NaN either
            raise ValueError("no unit vectors")
        return rows.astype(np.float32)


def record(document: Document, chunks: Sequence[Chunk], vectors: Sequence[Vectors]) -> Record:
    """What is kept of a document with these chunks, in their order."""
    return Record(
        folder=document.folder,
        name=document.name,
        title=document.title,
        digest=document.digest,
        pages=document.pages,
        pages_with_text=document.pages_with_text,
        passages=tuple((chunk.page, chunk.text) for chunk in chunks),
        vectors=base64.b64encode(b"".join(v.astype("<f4").tobytes() for v in vectors)).decode(),
        names=tuple(chunk.page_name for chunk in chunks),
    )


def cut_and_embedded() -> str:
    """How this Headwater cuts documents, and which text of a passage it embeds."""
    return f"{chunking.VERSION} {EMBEDDED}"


class Writing:
    """An archive that is being written; `end` gives it its manifest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self._members: dict[str, str] = {}

    def add(self, record: Record) -> None:
        """Raises BackupError for a document that is too large."""
        data = record.model_dump_json().encode()
        if len(data) > LARGEST:
            raise BackupError(
                f"{record.name} has too many passages to be exported.",
                f"{record.name} có quá nhiều đoạn nên không xuất được.",
            )
        name = f"documents/{len(self._members)}.json"
        self._zip.writestr(name, data)
        self._members[name] = hashlib.sha256(data).hexdigest()

    def add_original(self, document: Key, parts: Iterable[bytes]) -> None:
        """Its bytes; what `parts` raises, too."""
        digest, name = hashlib.sha256(), _member(document)
        with self._zip.open(name, "w", force_zip64=True) as member:
            for part in parts:
                digest.update(part)
                member.write(part)
        self._members[name] = digest.hexdigest()

    def end(self, model: str, dimension: int, missing: Sequence[str]) -> None:
        manifest = Manifest(
            format=FORMAT,
            headwater=rag.__version__,
            model=model,
            dimension=dimension,
            chunking=cut_and_embedded(),
            members=self._members,
            missing=tuple(missing),
        )
        self._zip.writestr(MANIFEST, manifest.model_dump_json(indent=1))

    def close(self) -> None:
        self._zip.close()


def _member(document: Key) -> str:
    folder, name = document
    return ORIGINALS[folder] + name


@contextmanager
def written(file: Path) -> Iterator[Writing]:
    """An archive that takes the place of `file` once it is whole, for its owner alone. Raises
    BackupError if that cannot be written, or is something else than an archive."""
    try:
        if file.exists() and not (file.is_file() and zipfile.is_zipfile(file)):
            raise BackupError(
                f"{file.name} is there already and is no exported library. Choose another name.",
                f"{file.name} đã có sẵn và không phải thư viện đã xuất. Hãy chọn tên khác.",
            )
        handle, aside = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as target:
                writing = Writing(target)
                try:
                    yield writing
                finally:
                    writing.close()
                target.flush()
                os.fsync(target.fileno())
            Path(aside).replace(file)
        finally:
            Path(aside).unlink(missing_ok=True)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise BackupError(
            f"{file.name} cannot be written ({reason}).",
            f"Không ghi được {file.name} ({reason}).",
            owner=str(file),
        ) from exc


class Archive:
    """An archive that is there. Every method raises BackupError where the file is damaged.

    `originals` has the SHA-256 of each, by its document.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with self._translated():
            self._zip = zipfile.ZipFile(file)
        try:
            with self._translated():
                self.manifest = self._manifest()
                self.originals = dict(self._originals())
                self._records = {
                    name: digest
                    for name, digest in self.manifest.members.items()
                    if not name.startswith((*ORIGINALS.values(),))
                }
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    @property
    def name(self) -> str:
        return self._file.name

    @property
    def size(self) -> int:
        """Bytes of all that is in it."""
        return sum(member.file_size for member in self._zip.infolist())

    @property
    def documents(self) -> int:
        """How many there are."""
        return len(self._records)

    def records(self) -> Iterator[tuple[Record, Vectors]]:
        """The documents in their order, each with its vectors."""
        with self._translated():
            for name, digest in self._records.items():
                data = self._read(name)
                record = Record.model_validate_json(data)
                if hashlib.sha256(data).hexdigest() != digest:
                    raise ValueError(name)
                if len(record.places) != len(record.passages):
                    raise ValueError(name)
                yield record, record.matrix(self.manifest.dimension)

    def original(self, document: Key) -> Iterator[bytes]:
        """The original of a document, in parts; an error comes after the last, if its digest is not
        that of the manifest."""
        digest = hashlib.sha256()
        with self._translated(), self._zip.open(_member(document)) as member:
            while part := member.read(PART):
                digest.update(part)
                yield part
            if digest.hexdigest() != self.originals[document]:
                raise ValueError(document)

    def check(self) -> None:
        """Reads all of it, once."""
        documents = {(record.folder, record.name) for record, _ in self.records()}
        with self._translated():
            if not self.originals.keys() <= documents:
                raise ValueError("originals of no document")
        for document in self.originals:
            for _ in self.original(document):
                pass

    def _originals(self) -> Iterator[tuple[Key, str]]:
        for folder, place in ORIGINALS.items():
            for name, digest in self.manifest.members.items():
                if name.startswith(place):
                    yield (folder, name.removeprefix(place)), digest

    def _manifest(self) -> Manifest:
        manifest = Manifest.model_validate_json(self._read(MANIFEST))
        names = self._zip.namelist()
        if len(set(names)) != len(names) or {*names} != {MANIFEST, *manifest.members}:
            raise ValueError("other members than the manifest's")
        return manifest

    def _read(self, name: str) -> bytes:
        if self._zip.getinfo(name).file_size > LARGEST:
            raise ValueError(name)
        return self._zip.read(name)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What zipfile and others raise on bytes that nobody wrote as an archive."""
        name = self._file.name
        try:
            yield
        except (FileNotFoundError, IsADirectoryError, PermissionError) as exc:
            raise BackupError(
                f"{name} could not be opened ({exc.strerror}). Nothing was changed.",
                f"Không mở được {name} ({exc.strerror}). Không có gì bị thay đổi.",
                owner=str(self._file),
            ) from exc
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            KeyError,
            ValueError,
            NotImplementedError,
            RuntimeError,
            ValidationError,
        ) as exc:
            raise BackupError(
                f"{name} is no exported library, or is damaged. Nothing was changed.",
                f"{name} không phải thư viện đã xuất, hoặc đã bị hỏng. Không có gì bị thay đổi.",
                owner=f"{self._file}: {type(exc).__name__}",
            ) from exc
