"""Turns a file into clean text, page by page: one table of formats, one function for each.

Knows nothing of chunks or the store. Text is NFKC without control or invisible characters; lines
end in "\\n" with no space before it, and at most two blank lines follow one another.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import warnings
import zlib
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PageElement, PreformattedString
from bs4.exceptions import ParserRejectedMarkup
from charset_normalizer import from_bytes
from markdown_it import MarkdownIt
from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

from rag.errors import DocumentError, UnsupportedFormat
from rag.types import Content, Page

Reader = Callable[[bytes, str], Content]

VERSION = "1"
"""Raise it when a reader gets another text or title out of the same file: all are read again."""

MIN_CHARACTERS_A_PAGE = 20
"""A PDF with fewer on average is taken for a scan: pypdf finds no text in an image, silently."""

_INVISIBLE = re.compile(  # with direction overrides and "tag" characters, which hide text
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff"
    "\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
_LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_FRONT_MATTER = re.compile(r"\A(---|\+\+\+) *\n(?:\w[\w.-]* *[:=]|#).*?\n\1 *(?:\n|\Z)", re.S)
_INLINE_HTML = re.compile(r"<!--|</?(a|b|br|code|del|em|i|img|kbd|mark|s|span|strong|su[bp])\b")
_HYPHENATED = re.compile(r"([^\W\d_]{1,40})[-\u2010]\n(?=([^\W\d_]{1,40}))")
_VIETNAMESE = re.compile("[ăđơưạ-ỹ]", re.I)
_NO_TITLE = re.compile(
    r"(untitled|document|slide)?[\W\d_]*|microsoft \w+ - .*|.*\.(docx?|odt|pdf|pptx?|txt|xlsx?)",
    re.I,
)
_DROPPED = re.compile("script|style|nav|footer|aside|noscript|template|svg|title|iframe|button")
_PARAGRAPH = re.compile("p|h[1-6]|pre|blockquote|table|section|article|hr|dl")
_LINE = re.compile(
    "address|body|caption|d[dt]|details|div|fig(caption|ure)|form|header|html|li|main|[ou]l"
    "|summary|t[dhr]"
)
# A damaged PDF makes pypdf raise more than its own errors (the docstring of pypdf.errors).
_PYTHON_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError)
_PDF_FAULTS = (PyPdfError, EOFError, RuntimeError, TypeError, ValueError, struct.error, zlib.error)


def read(path: Path) -> Content:
    """Read one document; raises DocumentError, for an unknown suffix UnsupportedFormat."""
    reader, name = READERS.get(path.suffix.lower()), path.name
    if reader is None:
        en = f"{name}: this format cannot be read; convert it to one of {', '.join(READERS)}."
        vi = f"{name}: chưa đọc được định dạng này; hãy chuyển sang {', '.join(READERS)}."
        raise UnsupportedFormat(en, vi)
    try:
        data = path.read_bytes()
    except OSError as exc:
        en = f"{name} could not be opened ({exc.strerror}); check that it exists and is readable."
        vi = f"Không mở được {name} ({exc.strerror}); hãy kiểm tra tệp còn đó và có quyền đọc."
        raise DocumentError(en, vi) from exc
    if not data.strip():
        reader = read_text  # it says that the file is empty
    return reader(data, name)


def read_text(data: bytes, name: str) -> Content:
    text = _decoded(data)
    first, _, rest = _clean(text).partition("\n")
    is_title = len(first) <= 80 and re.match(r"\n|[=~*_-]{3,}(\n|$)", rest)
    return _one_page(first if is_title else "", text, name)


def read_markdown(data: bytes, name: str) -> Content:
    """Rendered, then read like HTML: what remains is what a reader of the page sees."""
    source = _FRONT_MATTER.sub("", _LINE_END.sub("\n", _decoded(data)))
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = markdown.parse(source)
    for child in (child for token in tokens for child in token.children or ()):
        if child.type == "html_inline" and not _INLINE_HTML.match(child.content.lower()):
            child.type = "text"  # a placeholder such as <name>, which HTML would swallow
    soup = _parsed(markdown.renderer.render(tokens, markdown.options, {}), name)
    return _one_page(_first(soup.find_all(re.compile("^h[1-6]$"))), _lines(soup), name)


def read_html(data: bytes, name: str) -> Content:
    soup = _parsed(data, name)
    title = _first(soup.find_all("title")) or _first(soup.find_all("h1"))
    half = len(_lines(soup)) / 2
    forms = soup.find_all("form")
    if forms and len(_lines(forms[0])) > half:  # some sites wrap the whole page in one
        del forms[0]
    for form in forms:
        form["hidden"] = ""
    for content in (soup.find("main"), soup.find("article")):
        if content and len(_lines(content)) > half:
            return _one_page(title, _lines(content), name)
    return _one_page(title, _lines(soup), name)


def read_pdf(data: bytes, name: str) -> Content:
    try:
        reader = PdfReader(BytesIO(data))
        texts = [page.extract_text() for page in reader.pages]
        title = reader.metadata.title if reader.metadata else None
    except FileNotDecryptedError as exc:
        en = f"{name} is encrypted and a password is needed; add a copy saved without one."
        vi = f"{name} được mã hóa và cần mật khẩu; hãy thêm một bản đã lưu không có mật khẩu."
        raise DocumentError(en, vi) from exc
    except DependencyError as exc:
        en = f"{name} needs a package that is missing ({exc}); install requirements.txt again."
        vi = f"Thiếu gói phần mềm để đọc {name} ({exc}); hãy cài lại requirements.txt."
        raise DocumentError(en, vi) from exc
    except (*_PDF_FAULTS, *_PYTHON_FAULTS) as exc:
        en = f"{name} is damaged or not a PDF; open it in a viewer and print it to a new PDF."
        vi = f"{name} bị hỏng hoặc không phải PDF; hãy mở bằng trình xem và in ra một PDF mới."
        raise DocumentError(en, vi) from exc
    texts = [_HYPHENATED.sub(_joined, _clean(text.replace("\xad\n", "-\n"))) for text in texts]
    if sum(map(len, texts)) < MIN_CHARACTERS_A_PAGE * max(len(texts), 1):
        en = f"{name} has no text layer, it looks scanned; run OCR on it and add the result."
        vi = f"{name} không có lớp văn bản, có vẻ là bản quét; hãy chạy OCR rồi thêm tệp kết quả."
        raise DocumentError(en, vi)
    pages = tuple(Page(number, text) for number, text in enumerate(texts, start=1))
    if not isinstance(title, str) or _NO_TITLE.fullmatch(title.strip()):  # it may be any object
        title = ""
    return Content(_title(title, name), pages)


def _joined(match: re.Match[str]) -> str:
    """Join a word hyphenated at a line's end. Vietnamese never hyphenates: its dashes stay."""
    before, after = match.groups()
    hyphenated = before[-1].islower() and after[0].islower()
    return before if hyphenated and not _VIETNAMESE.search(before + after) else match[0]


def _parsed(markup: bytes | str, name: str) -> BeautifulSoup:
    """Parse HTML; of bytes, bs4 finds the charset: byte order mark, declaration, best guess."""
    try:
        with warnings.catch_warnings():  # bs4's advice to programmers, about XML for instance
            warnings.simplefilter("ignore")
            return BeautifulSoup(markup, "html.parser")
    except (ParserRejectedMarkup, AssertionError, RecursionError, ValueError) as exc:
        en = f"{name} is HTML that cannot be read; open it in a browser and save it again."
        vi = f"{name} là HTML không đọc được; hãy mở bằng trình duyệt rồi lưu lại."
        raise DocumentError(en, vi) from exc


def _lines(root: Tag) -> str:
    """Lay a tree out as lines of text; iterative, because a document chooses its own depth."""
    out: list[str] = []
    stack: list[PageElement | str] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, Tag):
            stack.extend([] if _is_dropped(node) else reversed(_layout(node)))
        elif not isinstance(node, NavigableString):
            out.append(str(node))
        elif not isinstance(node, PreformattedString):  # not a comment or a declaration
            out.append(re.sub("[ \t\r\n\f]+", " ", node))
    text = re.sub(" +", " ", "".join(out))
    text = re.sub(" ?[\n\v][ \n\v]*", lambda gap: "\n\n" if gap[0].count("\n") > 1 else "\n", text)
    return re.sub(r"^(-|\d+\.)\n+", r"\1 ", text, flags=re.M)


def _is_dropped(tag: Tag) -> bool:
    """Whether an element is hidden or is not content."""
    if tag.name in ("[document]", "html", "body"):  # may be hidden until a script has run
        return False
    if tag.name == "header" and tag.parent and tag.parent.name == "body" and not tag.find("h1"):
        return True  # the site's banner
    style = str(tag.get("style", "")).replace(" ", "").lower()
    hidden = tag.has_attr("hidden") or "display:none" in style or "visibility:hidden" in style
    return hidden or _DROPPED.fullmatch(tag.name) is not None


def _layout(tag: Tag) -> list[PageElement | str]:
    """The children of an element between the breaks and marks it is shown with.

    A "\\v" is a line's edge: two that meet, as where one <div> ends and the next starts, are one.
    """
    edge = "\n\n" if _PARAGRAPH.fullmatch(tag.name) else "\v" if _LINE.fullmatch(tag.name) else ""
    cells = tag.find_all(["td", "th"], recursive=False) if tag.name == "tr" else []
    if len(cells) > 1 and not tag.find(["table", "tr"]):
        return [edge, " | ".join(" ".join(_lines(cell).split()) for cell in cells), edge]
    if tag.name == "pre":  # NFKC turns the no-break spaces back, after others were collapsed
        return [edge, tag.get_text().replace(" ", "\xa0"), edge]
    if tag.name == "br":
        return ["\n"]
    if tag.name == "img":
        return [str(tag.get("alt", ""))]
    children: list[PageElement | str] = []
    number = 0
    for child in tag.contents:
        if tag.name == "ol" and isinstance(child, Tag) and child.name == "li":
            number += 1
            children.append(f"\v{number}. ")
        children.append(child)
    bullet = "- " if tag.name == "li" and tag.parent and tag.parent.name != "ol" else ""
    return [edge, bullet, *children, edge]


def _decoded(data: bytes) -> str:
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


def _clean(text: str) -> str:
    text = _INVISIBLE.sub("", _LINE_END.sub("\n", text))
    text = "\n".join(line.rstrip() for line in unicodedata.normalize("NFKC", text).split("\n"))
    return re.sub(r"\n{4,}", "\n\n\n", text).strip()


def _first(tags: Iterable[Tag]) -> str:
    return next((text for tag in tags if (text := tag.get_text().strip())), "")


def _title(title: str, name: str) -> str:
    """A title on one line; without one, the file's name made readable (dates keep their "-")."""
    spaced = re.sub(r"_+|(?<!\d)-+|-+(?!\d)", " ", Path(name).stem)
    return " ".join(_clean(title).split())[:200] or " ".join(_clean(spaced).split()) or name


def _one_page(title: str, text: str, name: str) -> Content:
    if len(_BINARY.findall(text)) * 50 > len(text):
        en = f"{name} holds binary data, not text; check that its suffix is right."
        vi = f"{name} chứa dữ liệu nhị phân, không phải văn bản; hãy kiểm tra phần mở rộng của tệp."
        raise DocumentError(en, vi)
    text = _clean(text)
    if not text:
        en = f"{name} is empty or has no text; remove it or add text to it."
        vi = f"{name} trống hoặc không có chữ; hãy bỏ tệp hoặc thêm nội dung."
        raise DocumentError(en, vi)
    return Content(_title(title, name), (Page(1, text),))


READERS: dict[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text,
    ".html": read_html,
    ".htm": read_html,
    ".pdf": read_pdf,
}
