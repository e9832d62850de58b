"""Plain text, and what all formats end as: clean text of one page, and a title."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from charset_normalizer import from_bytes

from rag.errors import DocumentError, EmptyDocument
from rag.text import legacy
from rag.types import Block, Content, Heading, Page, Remark

from ..limits import MOST_CHARACTERS, too_large, too_many_characters

VERSION = "3"

MOST_BYTES = 4 * MOST_CHARACTERS
"""Of a file of text: no code takes more for a character."""

_INVISIBLE = re.compile(  # with direction overrides and "tag" characters, which hide text
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff"
    "\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
# UTF-32's before UTF-16's, which one of them starts with.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_RIGHT_A_WRONG = 10  # letters that are right UTF-8 for each that is not
# Around a block in a text that is not cleaned yet, behind a table's head, and before a heading as
# often as its level says: no characters, which nobody writes.
START, END, HEAD, TITLE = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3"
FITS = 900  # characters of a block that no chunk has to cut
MARKS = re.compile(f"[{START}{END}{HEAD}{TITLE}]")
_NO_TITLE = re.compile(
    r"(untitled|document|slide|word document|powerpoint presentation|bản trình bày powerpoint)?"
    r"[\W\d_]*|microsoft \w+ - .*|.*\.(docx?|od[pst]|pdf|pptx?|rtf|txt|xlsx?)",
    re.I,
)
_HYPHENATED = re.compile(r"([^\W\d_]{1,40})[-\u2010]\n(?=([^\W\d_]{1,40}))")
_VIETNAMESE = re.compile("[ăđơưạ-ỹ]", re.I)
LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")


def read(data: bytes, name: str) -> Content:
    """The file as it is; a first line that stands alone is its title."""
    text = written(data, name)
    first, _, rest = clean(text).partition("\n")
    is_title = len(first) <= 80 and re.match(r"\n|[=~*_-]{3,}(\n|$)", rest)
    return one_page(first if is_title else "", text, name)


def written(data: bytes, name: str) -> str:
    """The text of a file, decoded, with none of our marks in it. Raises DocumentError if it is
    larger than is read of one file."""
    if len(data) > MOST_BYTES:
        raise too_large(name, MOST_BYTES)
    return MARKS.sub("", decoded(data))


def decoded(data: bytes) -> str:
    """Decode by byte order mark, else as UTF-8, else by charset-normalizer's best guess; old
    Vietnamese (TCVN3, VNI) is converted."""
    if encoding := _wide(data):
        return data.decode(encoding, "replace")
    text = utf8(data)
    if text is not None:
        return legacy.converted(text)
    if (old := legacy.decoded(data)) is not None:
        return old
    guesses = list(from_bytes(data))
    # Short texts tie; then the Vietnamese and the English code page are the likely ones.
    ties = [guess for guess in guesses if guess.chaos == guesses[0].chaos]
    ties.sort(key=lambda guess: guess.encoding not in ("cp1258", "cp1252"))
    return str(ties[0]) if ties else "\ufffd"


def utf8(data: bytes) -> str | None:
    """`data` as UTF-8; None if it is not. A file with one wrong byte among many letters of two
    bytes or more is still UTF-8: other codes have hardly any that look so."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", "replace")
    wrong = text.count("\ufffd")
    right = sum(not letter.isascii() for letter in text) - wrong
    return text if wrong * _RIGHT_A_WRONG <= right else None


def _wide(data: bytes) -> str:
    """The name of the UTF-32 or UTF-16 that `data` is in; "" if it is in neither. Without its mark
    UTF-32 is known by what no other has: it can be decoded."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    if len(data) % 4 == 0 and b"\0\0" in data[:8]:
        for encoding in ("utf-32-le", "utf-32-be"):
            with suppress(UnicodeDecodeError):
                if "\0" not in data.decode(encoding):
                    return encoding
    return ""


def clean(text: str) -> str:
    """NFKC without control or invisible characters, and at most two blank lines together."""
    return _cleaned(MARKS.sub("", text))


def printed(text: str) -> str:
    """The text of a printed page, clean and with the words together that its lines cut."""
    return _HYPHENATED.sub(_joined, clean(text.replace("\xad\n", "-\n")))


def _joined(match: re.Match[str]) -> str:
    """Join a word hyphenated at a line's end. Vietnamese never hyphenates: its dashes stay."""
    before, after = match.groups()
    hyphenated = before[-1].islower() and after[0].islower()
    return before if hyphenated and not _VIETNAMESE.search(before + after) else match[0]


def _cleaned(text: str, edges: str | None = None) -> str:
    text = _INVISIBLE.sub("", LINE_END.sub("\n", text))
    text = "\n".join(line.rstrip() for line in unicodedata.normalize("NFKC", text).split("\n"))
    return re.sub(r"\n{4,}", "\n\n\n", text).strip(edges)


def given(title: object) -> str:
    """A title out of a document's properties; "" for one that only a program gave, or none."""
    if not isinstance(title, str) or _NO_TITLE.fullmatch(title.strip()):
        return ""
    return title


def title_of(title: str, name: str) -> str:
    """A title on one line; without one, the file's name made readable (dates keep their "-")."""
    spaced = re.sub(r"_+|(?<!\d)-+|-+(?!\d)", " ", Path(name).stem)
    return " ".join(clean(title).split())[:200] or " ".join(clean(spaced).split()) or name


def one_page(title: str, text: str, name: str) -> Content:
    """A document of a single page, whose blocks are marked in `text`. Raises DocumentError if there
    is no text on it."""
    return several(title, [("", text)], name)


def several(
    title: str,
    parts: Iterable[tuple[str, str]],
    name: str,
    remarks: Iterable[Remark] = (),
    *,
    indented: bool = False,
    blank: bool = False,
) -> Content:
    """A document with a page for each of `parts` that has text, `blank` also for the others: what
    it is called, and its text with the blocks marked. The first line of one may be `indented`.
    Raises DocumentError if there is no text at all, or too much."""
    pages: list[Page] = []
    old: legacy.Reading | None = None
    for page, read in _pages(parts, name, indented, blank):
        pages.append(page)
        old = old or read
    if not any(page.text for page in pages):
        en = f"{name} is empty or has no text; remove it or add text to it."
        vi = f"{name} trống hoặc không có chữ; hãy bỏ tệp hoặc thêm nội dung."
        raise EmptyDocument(en, vi)
    return Content(title_of(legacy.beside(title, old), name), tuple(pages), tuple(remarks))


def _pages(
    parts: Iterable[tuple[str, str]], name: str, indented: bool, blank: bool
) -> Iterator[tuple[Page, legacy.Reading | None]]:
    """The pages, and what turned the text of each into Unicode if it was in old Vietnamese."""
    number = characters = 0
    for called, marked in parts:
        if len(_BINARY.findall(marked)) * 50 > len(marked):
            en = f"{name} holds binary data, not text; check that its suffix is right."
            vi = (
                f"{name} chứa dữ liệu nhị phân, không phải văn bản; "
                "hãy kiểm tra phần mở rộng của tệp."
            )
            raise DocumentError(en, vi)
        old = legacy.reading(marked)
        unicode = old(marked) if old else marked
        text, blocks, headings = _parts(_cleaned(unicode, "\n" if indented else None))
        characters += len(text)
        if characters > MOST_CHARACTERS:
            raise too_many_characters(name)
        if blank or text.strip():
            number += 1
            called = " ".join(clean(legacy.beside(called, old)).split())
            yield Page(number, text, blocks, called, headings), old


def _parts(marked: str) -> tuple[str, tuple[Block, ...], tuple[Heading, ...]]:
    """A text without its marks, and the blocks and headings that they told of."""
    pieces = re.split(f"({MARKS.pattern})", marked)
    text, blocks, headings = "", list[Block](), list[Heading]()
    start = head = level = 0
    for piece in pieces:
        if piece == START:
            start = head = len(text)
        elif piece == HEAD:
            head = len(text)
        elif piece == END and len(text) > start:
            blocks.append(Block(start, len(text), head))
        elif piece == TITLE:
            level += 1
        elif piece and piece != END:
            if level and piece.partition("\n")[0].strip():
                headings.append(Heading(len(text), level))
            level = 0
            text += piece
    return text, tuple(blocks), tuple(headings)
