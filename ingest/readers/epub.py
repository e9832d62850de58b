"""EPUB, chapter by chapter in the order of its spine: a ZIP archive of HTML pages and of package
files that say what they are. No entity is resolved, nothing of a DTD is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import dirname, join, normpath
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag

from rag.errors import DocumentError
from rag.types import Content, Remark

from .archive import Unpacking
from .faults import FAULTS, is_ours
from .html import main_part, parsed
from .text import clean, several

VERSION = "2"

# How fonts are hidden (EPUB 3.3, 4.2.6; Adobe's): no protection of the text.
_FONTS_ONLY = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_DTD = re.compile(rb"<!DOCTYPE[^<>\[]{0,300}\[[^\]]*\]\s*>", re.I)
_HEAD = 4096  # bytes of a file within which a document type stands
_LONGEST = 120  # characters of a chapter's title


class _Book:
    """The archive's files, of which no more is unpacked than is read of one document."""

    def __init__(self, data: bytes, name: str) -> None:
        self._files = Unpacking(data, name)
        self._name = name

    def parsed(self, path: str) -> BeautifulSoup:
        """A file's elements. Raises one of FAULTS, or DocumentError if it is too large."""
        return parsed(_without_dtd(self._files.part(path)), self._name)

    def soup(self, path: str) -> BeautifulSoup:
        """An XML file's elements; empty if there is none that can be read."""
        try:
            return self.parsed(path)
        except FAULTS:
            return parsed("", self._name)


def read(data: bytes, name: str) -> Content:
    """A page for each file of the spine that has text, called by its chapter. Raises DocumentError
    if the book is damaged or protected."""
    try:
        book = _Book(data, name)
        path = _attribute(
            book.soup("META-INF/container.xml").find(_called("rootfile")), "full-path"
        )
        package = book.parsed(path)
    except FAULTS as exc:
        if is_ours(exc):
            raise
        en = f"{name} is damaged or not an EPUB; download it again or save it anew with Calibre."
        vi = f"{name} bị hỏng hoặc không phải EPUB; hãy tải lại hoặc lưu lại bằng Calibre."
        raise DocumentError(en, vi) from exc
    if _is_protected(book):
        en = f"{name} is protected against copying (DRM); add a copy without protection."
        vi = f"{name} được bảo vệ chống sao chép (DRM); hãy thêm một bản không có bảo vệ."
        raise DocumentError(en, vi)
    lost: list[str] = []
    parts = list(_chapters(book, package, dirname(path), lost))
    return several(_title(package), parts, name, _remarks(lost))


def _without_dtd(data: bytes) -> bytes:
    """Without a document type that declares something, which html.parser would read as text; it
    stands at the head."""
    at = data[:_HEAD].upper().find(b"<!DOCTYPE")
    found = _DTD.match(data, at) if at >= 0 else None
    return data[:at] + data[found.end() :] if found else data


def _called(name: str) -> re.Pattern[str]:
    """An element of an XML file, whatever the prefix of its namespace."""
    return re.compile(f"(^|:){name}$")


def _chapters(
    book: _Book, package: BeautifulSoup, folder: str, lost: list[str]
) -> Iterator[tuple[str, str]]:
    """What each chapter is called, and its text; those that cannot be read are `lost`."""
    items = {_attribute(item, "id"): item for item in package.find_all(_called("item"))}
    titles = _contents(book, package, folder)
    number = 0
    spine = dict.fromkeys(
        _attribute(item, "idref") for item in package.find_all(_called("itemref"))
    )
    for item in filter(None, map(items.get, spine)):
        if _attribute(item, "media-type") not in _PAGES:
            continue
        path = _place(folder, _attribute(item, "href"))
        try:
            chapter = book.parsed(path)
        except FAULTS:
            lost.append(path)
            continue
        heading = _line(chapter.find(re.compile("^h[1-3]$")))
        _, text = main_part(chapter)
        if not clean(text):
            continue
        number += 1
        title = titles.get(path) or heading
        yield f"{number} · {title}" if title else "", text


def _contents(book: _Book, package: BeautifulSoup, folder: str) -> dict[str, str]:
    """The titles in the table of contents, by the file in which their chapter begins."""
    titles: dict[str, str] = {}
    for item in package.find_all(_called("item")):
        is_nav = "nav" in _attribute(item, "properties").split()
        if not is_nav and _attribute(item, "media-type") != "application/x-dtbncx+xml":
            continue
        path = _place(folder, _attribute(item, "href"))
        toc = book.soup(path)
        for entry in toc.find_all(_called("a" if is_nav else "navpoint")):
            target = _attribute(entry if is_nav else entry.find(_called("content")), "href", "src")
            label = _line(entry if is_nav else entry.find(_called("text")))
            if label and target:
                titles.setdefault(_place(dirname(path), target), label)
    return titles


def _title(package: BeautifulSoup) -> str:
    """The book's title and who wrote it."""
    title = _line(package.find(_called("title")))
    authors = list(filter(None, map(_line, package.find_all(_called("creator")))))
    return f"{title} · {', '.join(authors[:3])}" if title and authors else title


def _is_protected(book: _Book) -> bool:
    methods = book.soup("META-INF/encryption.xml").find_all(_called("encryptionmethod"))
    return any(_attribute(method, "algorithm") not in _FONTS_ONLY for method in methods)


def _place(folder: str, href: str) -> str:
    return normpath(join(folder, unquote(href.partition("#")[0])))


def _attribute(tag: Tag | None, *names: str) -> str:
    return next((str(tag[name]) for name in names if tag and tag.has_attr(name)), "")


def _line(tag: Tag | None) -> str:
    """The text of an element on one line, not cleaned yet: it may be in old Vietnamese."""
    line = " ".join(tag.get_text().split())[:_LONGEST] if tag else ""
    return line if clean(line) else ""


def _remarks(lost: list[str]) -> list[Remark]:
    if not lost:
        return []
    return [
        Remark(
            f"Files of the book that are damaged or missing were left out: {len(lost)}.",
            f"Số tệp của sách bị hỏng hoặc thiếu nên bị bỏ qua: {len(lost)}.",
        )
    ]
