"""Plain text, and what all formats end as: clean text of one page, and a title."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from charset_normalizer import from_bytes

from rag.errors import DocumentError
from rag.types import Content, Page

_INVISIBLE = re.compile(  # with direction overrides and "tag" characters, which hide text
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff"
    "\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")


def read_text(data: bytes, name: str) -> Content:
    """The file as it is; a first line that stands alone is its title."""
    text = decoded(data)
    first, _, rest = clean(text).partition("\n")
    is_title = len(first) <= 80 and re.match(r"\n|[=~*_-]{3,}(\n|$)", rest)
    return one_page(first if is_title else "", text, name)


def decoded(data: bytes) -> str:
    """Decode by byte order mark, else as UTF-8, else by charset-normalizer's best guess."""
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        guesses = list(from_bytes(data))
        # Short texts tie; then the Vietnamese and the English code page are the likely ones.
        ties = [guess for guess in guesses if guess.chaos == guesses[0].chaos]
        ties.sort(key=lambda guess: guess.encoding not in ("cp1258", "cp1252"))
        return str(ties[0]) if ties else "\ufffd"


def clean(text: str) -> str:
    """NFKC without control or invisible characters, and at most two blank lines together."""
    text = _INVISIBLE.sub("", LINE_END.sub("\n", text))
    text = "\n".join(line.rstrip() for line in unicodedata.normalize("NFKC", text).split("\n"))
    return re.sub(r"\n{4,}", "\n\n\n", text).strip()


def title_of(title: str, name: str) -> str:
    """A title on one line; without one, the file's name made readable (dates keep their "-")."""
    spaced = re.sub(r"_+|(?<!\d)-+|-+(?!\d)", " ", Path(name).stem)
    return " ".join(clean(title).split())[:200] or " ".join(clean(spaced).split()) or name


def one_page(title: str, text: str, name: str) -> Content:
    """A document of a single page. Raises DocumentError if there is no text on it."""
    if len(_BINARY.findall(text)) * 50 > len(text):
        en = f"{name} holds binary data, not text; check that its suffix is right."
        vi = f"{name} chứa dữ liệu nhị phân, không phải văn bản; hãy kiểm tra phần mở rộng của tệp."
        raise DocumentError(en, vi)
    text = clean(text)
    if not text:
        en = f"{name} is empty or has no text; remove it or add text to it."
        vi = f"{name} trống hoặc không có chữ; hãy bỏ tệp hoặc thêm nội dung."
        raise DocumentError(en, vi)
    return Content(title_of(title, name), (Page(1, text),))
