"""A document that is a zip of XML: its parts, unpacked within bounds, and what is said of a file
that is none. Knows nothing of what the parts mean."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from xml.parsers import expat

from rag.errors import DocumentError

from .faults import FAULTS, is_ours

MOST_PARTS = 20_000
"""Files in one zip."""

MOST_BYTES = 64 << 20
"""Of all parts that are read, unpacked. The trees that are made of them take ten times as much."""

MOST_TAGS = 4_000_000
"""Of all these parts, a closing one too: what is made of an element takes longer than its bytes. A
thousand pages of Word have about a million."""

_XML = re.compile(r".*\.(xml|rels)", re.I | re.S)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack without a bound
_HTML = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body|meta|table|div)\b", re.I)
_PIECE = 1 << 16
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of Office's old formats
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def parts(
    data: bytes, name: str, most: int = MOST_BYTES, tags: int = MOST_TAGS
) -> dict[str, bytes]:
    """The parts of the document by their names in the zip, in order; those that are not XML, as
    pictures, are empty. Raises DocumentError, also for XML with a document type: no format here
    has one, and entities that unfold are declared there."""
    if not zipfile.is_zipfile(BytesIO(data)):
        raise mistaken(data, name)
    found: dict[str, bytes] = {}
    with translated(name), zipfile.ZipFile(BytesIO(data)) as file:
        members = [member for member in file.infolist() if not member.is_dir()]
        read = [member for member in members if _XML.fullmatch(member.filename)]
        if any(member.flag_bits & 1 for member in members):
            raise encrypted(name)
        if len(members) > MOST_PARTS or sum(member.file_size for member in read) > most:
            raise too_large(name)
        if any(member.compress_type not in _METHODS for member in read):
            raise damaged(name)
        found = dict.fromkeys((member.filename for member in members), b"")
        left = most
        for member in read:
            found[member.filename] = _unpacked(file, member, left, name)
            left -= len(found[member.filename])
            tags -= found[member.filename].count(b"<")
            if tags < 0:
                raise too_large(name)
            # OpenOffice once wrote one in its manifest, of which no tree is made.
            if not member.filename.startswith("META-INF/") and _has_doctype(found[member.filename]):
                raise damaged(name)
    return found


class Unpacking:
    """A zip whose parts are unpacked one by one, within the same bounds, by their names in it."""

    def __init__(self, data: bytes, name: str) -> None:
        """Raises BadZipFile if it is none; DocumentError if it has too many parts or a password."""
        with _bad():
            self._file = zipfile.ZipFile(BytesIO(data))
        self._name, self._bytes, self._tags = name, MOST_BYTES, MOST_TAGS
        members = self._file.infolist()
        if len(members) > MOST_PARTS:
            raise too_large(name)
        if any(member.flag_bits & 1 for member in members):
            raise encrypted(name)

    def part(self, path: str) -> bytes:
        """Raises BadZipFile if it is not there or damaged; DocumentError if it is too large."""
        with _bad():
            member = self._file.getinfo(path)
            if member.compress_type not in _METHODS:
                raise zipfile.BadZipFile(path)
            found = _unpacked(self._file, member, self._bytes, self._name)
        self._bytes -= len(found)
        self._tags -= found.count(b"<")
        if self._tags < 0:
            raise too_large(self._name)
        return found


@contextmanager
def _bad() -> Iterator[None]:
    """Raises BadZipFile for whatever a damaged zip makes its library raise."""
    try:
        yield
    except FAULTS as exc:
        if is_ours(exc):
            raise
        raise zipfile.BadZipFile(str(exc)) from exc


def packed(parts: Mapping[str, bytes]) -> BytesIO:
    """The parts as a zip again: for a library that would unpack the original without bounds."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in parts.items():
            file.writestr(zipfile.ZipInfo(name), data)
    buffer.seek(0)
    return buffer


@contextmanager
def translated(name: str, *more: type[Exception]) -> Iterator[None]:
    """Raises DocumentError for what a damaged file makes a library raise: FAULTS, and `more`. A
    fault of ours stays what it is."""
    try:
        yield
    except DocumentError:
        raise
    except (*FAULTS, *more) as exc:
        if is_ours(exc):
            raise
        raise damaged(name) from exc


def damaged(name: str) -> DocumentError:
    suffix = _suffix(name)
    return DocumentError(
        f"{name} is damaged or no {suffix} file; open it in the program that it was made with and "
        f"save it as {suffix} again.",
        f"{name} bị hỏng hoặc không phải tệp {suffix}; hãy mở bằng chương trình đã tạo ra nó rồi "
        f"lưu lại dưới dạng {suffix}.",
    )


def encrypted(name: str) -> DocumentError:
    return DocumentError(
        f"{name} is encrypted and a password is needed; add a copy saved without one.",
        f"{name} được mã hóa và cần mật khẩu; hãy thêm một bản đã lưu không có mật khẩu.",
    )


def too_large(name: str) -> DocumentError:
    return DocumentError(
        f"{name} unpacks to more than can be read; split it into smaller files.",
        f"{name} giải nén ra quá lớn để đọc; hãy chia thành các tệp nhỏ hơn.",
    )


def mistaken(data: bytes, name: str) -> DocumentError:
    """For a file that has the suffix of a format and is something else."""
    suffix = _suffix(name)
    if data.startswith(_OLE):
        if _ENCRYPTED in data:
            return encrypted(name)
        return DocumentError(
            f"{name} is in an old format of Office; open it there and save it as {suffix}.",
            f"{name} ở định dạng Office cũ; hãy mở bằng Office rồi lưu dưới dạng {suffix}.",
        )
    if _HTML.match(data):
        return DocumentError(
            f"{name} holds HTML, whatever its name says; name it .html, or save it as {suffix}.",
            f"{name} chứa HTML dù có tên khác; hãy đổi đuôi thành .html hoặc lưu thành {suffix}.",
        )
    return damaged(name)


def _suffix(name: str) -> str:
    return "." + name.rpartition(".")[2].lower()


def _unpacked(file: zipfile.ZipFile, member: zipfile.ZipInfo, most: int, name: str) -> bytes:
    """Piece by piece, whatever size the zip declares: one call for all of it would unpack first
    and cut afterwards."""
    whole = bytearray()
    with file.open(member) as part:
        while piece := part.read(_PIECE):
            whole += piece
            if len(whole) > most:
                raise too_large(name)
    return bytes(whole)


class _Begun(Exception):
    """The first element of an XML document, before which a document type would have stood."""


def _has_doctype(xml: bytes) -> bool:
    """Whether XML declares a document type; what is no XML its reader finds out. Raises ValueError
    for an encoding that nobody can look through."""
    declared = False

    def declaration(*_: object) -> None:
        nonlocal declared
        declared = True
        raise _Begun

    def element(*_: object) -> None:
        raise _Begun

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = declaration
    parser.StartElementHandler = element
    try:
        for at in range(0, len(xml), 1 << 12):
            parser.Parse(xml[at : at + (1 << 12)], False)
    except (_Begun, expat.ExpatError):
        pass
    except LookupError as exc:
        raise ValueError("an unknown encoding") from exc
    return declared
