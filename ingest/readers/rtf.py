"""RTF: its text, with lists and tables; neither what is hidden or deleted, nor headers and footers.

The one library that is kept (striprtf) searches with patterns that take minutes on a file made for
it, and knows no tables, footnotes or hidden text.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from rag.types import Content

from .archive import mistaken, too_large
from .layout import Piece, joined, plain, titled
from .text import given, one_page

VERSION = "2"

MOST_TOKENS = 8_000_000
"""Control words, groups and stretches of text of one file."""

_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\",
    re.S,
)
_SIGNS = {
    **{"line": "\n", "tab": " ", "emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘"},
    **{"rquote": "’", "ldblquote": "“", "rdblquote": "”", "emspace": " ", "enspace": " "},
    **{"qmspace": " ", "~": " ", "_": "-", "{": "{", "}": "}", "\\": "\\", "nestcell": " "},
    **{"nestrow": " ", "lbr": "\n"},
}
_ENDS = {"par", "sect", "page", "\n", "\r"}
# Groups that hold no text; those that begin with \* do not either, but for _SHOWN.
_DROPPED = {
    *("aftnsep", "aftnsepc", "bkmkend", "bkmkstart", "colortbl", "filetbl", "fldinst", "fonttbl"),
    *("footer", "footerf", "footerl", "footerr", "ftncn", "ftnsep", "ftnsepc", "header", "headerf"),
    *("headerl", "headerr", "info", "nonesttables", "objdata", "pict", "rxe", "shprslt", "sp"),
    *("stylesheet", "tc", "upr", "xe"),
}
_SHOWN = {"shpinst", "shptxt", "do", "dptxbxtext"}
_CODES = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
_CHARSETS = {  # of fonts, where they are not the document's code page
    **{0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk"},
    **{136: "big5", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256"},
    **{186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850"},
}


def read(data: bytes, name: str) -> Content:
    """The text as one page; the title is that of the file's properties."""
    start = re.match(rb"(\xef\xbb\xbf)?\s*(?=\{\\rtf)", data)
    if not start:
        raise mistaken(data, name)
    reading = _Reading()
    if not reading.take(data[start.end() :].decode("latin-1")):
        raise too_large(name)
    return one_page(given(reading.title), joined(reading.pieces), name)


class _Group(NamedTuple):
    """What holds in a group of the file until it ends. `into` is where its text goes: the page,
    a note, the number before a paragraph, the title, or nowhere."""

    into: str = "page"
    instead: str = ""  # where the same text goes that is written in Unicode behind this one
    font: int | None = None
    skip: int = 1  # characters behind a \u, for programs that do not know it
    is_hidden: bool = False
    is_deleted: bool = False
    is_cell: bool = False
    is_fonts: bool = False


class _Reading:
    """One reading of a file, from its start to its end."""

    def __init__(self) -> None:
        self.title = ""
        self.pieces: list[Piece] = []
        self._texts: dict[str, list[str]] = {"page": [], "note": [], "label": [], "title": []}
        self._notes: list[str] = []  # of the table that is being read
        self._cells: list[str] = []
        self._rows: list[list[str]] = []
        self._group = _Group()
        self._starred = False
        self._skipping = 0
        self._bytes = bytearray()
        self._code = "cp1252"
        self._fonts: dict[int | None, str] = {}
        self._default: int | None = None

    def take(self, source: str) -> bool:
        """Read all of it; False if that is too much."""
        stack: list[_Group] = []
        at = tokens = 0
        while at < len(source) and (token := _TOKEN.match(source, at)):
            at, tokens = token.end(), tokens + 1
            if tokens > MOST_TOKENS:
                return False
            word, number, code, sign, brace, text = token.groups()
            if code or text:
                self._add(bytes.fromhex(code) if code else text.encode("latin-1"))
                continue
            self._decode()
            if brace == "{":
                stack.append(self._group)
            elif brace and stack:
                self._group = stack.pop()
            if brace:
                self._starred, self._skipping = False, 0
                if not stack:
                    break
            elif word == "bin":
                at += max(int(number or 0), 0)
            elif sign == "*":
                self._starred = True
            elif word or sign:
                self._control(word or sign, None if number is None else int(number))
        self._decode()
        self._end_paragraph()
        self._end_table()
        self.title = "".join(self._texts["title"])
        return True

    def _add(self, data: bytes) -> None:
        skipped = min(self._skipping, len(data))
        self._skipping -= skipped
        if self._group.into and not self._group.is_hidden and not self._group.is_deleted:
            self._bytes += data[skipped:]

    def _decode(self) -> None:
        if self._bytes:
            font = self._default if self._group.font is None else self._group.font
            text = self._bytes.decode(self._fonts.get(font, self._code), "replace")
            self._bytes.clear()
            self._write(text)

    def _write(self, text: str) -> None:
        group = self._group
        if group.into and not group.is_hidden and not group.is_deleted:
            self._texts[group.into].append(plain(text))

    def _control(self, word: str, number: int | None) -> None:
        group, starred = self._group, self._starred
        self._starred = False
        is_on = number != 0
        if word == "u" and number is not None:
            self._unicode(number % 0x10000)
        elif word in _SIGNS:
            if self._skipping:
                self._skipping -= 1
            else:
                self._write(_SIGNS[word])
        elif word == "title" and not group.into:
            self._group = group._replace(into="title")
        elif starred and word == "ud":
            self._group = group._replace(into=group.instead, instead="")
        elif (starred and word not in _SHOWN) or word in _DROPPED:
            instead = group.into if word == "upr" else ""
            self._group = group._replace(into="", instead=instead, is_fonts=word == "fonttbl")
        elif word == "footnote" and group.into:
            self._group = group._replace(into="note")
            self._write("\n\n")  # one may stand behind another
        elif word in ("listtext", "pntext") and group.into == "page":
            self._group = group._replace(into="label")
        elif word in _ENDS:
            self._end_line()
        elif word == "cell" and group.into == "page":
            self._cells.append(self._taken("label") + " " + self._taken("page"))
        elif word == "row" and group.into == "page":
            self._rows.append(self._cells)
            self._notes.append(self._taken("note"))
            self._cells = []
        elif word in ("cell", "row") and group.into == "note":
            self._write(" " if word == "cell" else "\n")
        else:
            self._set(word, number, is_on)

    def _set(self, word: str, number: int | None, is_on: bool) -> None:
        """What changes how the rest of the group is read."""
        group = self._group
        match word:
            case "f":
                self._group = group._replace(font=number)
            case "fcharset" if group.is_fonts and number in _CHARSETS:
                self._fonts[group.font] = _CHARSETS[number]
            case "cpg" if group.is_fonts and number:
                self._fonts[group.font] = _known(number, self._code)
            case "deff":
                self._default = number
            case "ansicpg" if number:
                self._code = _known(number, self._code)
            case "mac" | "pc" | "pca":
                self._code = _CODES[word]
            case "uc":
                self._group = group._replace(skip=max(number or 0, 0))
            case "v":
                self._group = group._replace(is_hidden=is_on)
            case "deleted":
                self._group = group._replace(is_deleted=is_on)
            case "plain":
                self._group = group._replace(font=None, is_hidden=False, is_deleted=False)
            case "pard":
                self._group = group._replace(is_cell=False)
            case "intbl":
                self._group = group._replace(is_cell=True)

    def _unicode(self, unit: int) -> None:
        self._write(chr(unit))
        self._skipping = self._group.skip

    def _end_line(self) -> None:
        if self._group.into != "page":
            self._write("\n")
        elif self._group.is_cell:
            self._write(" ")
        else:
            self._end_paragraph()

    def _end_paragraph(self) -> None:
        text, label, note = (self._taken(kind) for kind in ("page", "label", "note"))
        if text:
            self._end_table()
            is_word = any(map(str.isalnum, label))
            line = f"{label if is_word else '-'} {text}" if label else text
            self.pieces.append(Piece(line, is_item=bool(label)))
        if note:
            self.pieces.append(Piece(note))

    def _end_table(self) -> None:
        rows = [*self._rows, *([self._cells] if self._cells else [])]
        if rows:
            self.pieces += map(Piece, [titled(rows), *self._notes])
        self._rows, self._cells, self._notes = [], [], []

    def _taken(self, kind: str) -> str:
        """The text that has come together; halves of a character that UTF-16 cuts are joined."""
        text = "".join(self._texts[kind])
        self._texts[kind].clear()
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return "\n".join(" ".join(line.split()) for line in whole.split("\n")).strip()


def _known(page: int, otherwise: str) -> str:
    """The name of a code page; of one that Python does not know, `otherwise`."""
    try:
        return codecs.lookup("utf-8" if page == 65001 else f"cp{page}").name
    except LookupError:
        return otherwise
