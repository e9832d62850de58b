"""HTML as a reader of the page sees it: lines of text without what is hidden or no content."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PageElement, PreformattedString
from bs4.exceptions import ParserRejectedMarkup

from rag.errors import DocumentError
from rag.text import legacy
from rag.types import Content

from .text import END, HEAD, MARKS, START, TITLE, one_page, utf8

VERSION = "4"

_DROPPED = re.compile("script|style|nav|footer|aside|noscript|template|svg|title|iframe|button")
_GAP = re.compile(f"[ {START}{END}{HEAD}]*[\n\v][ \n\v{START}{END}{HEAD}]*")
_TITLED, _UNTITLED = re.compile(f"({TITLE}) "), re.compile(rf"{TITLE}+(?=[\n\v]|\Z)")
_UNCLOSED = 1000
_PARAGRAPH = re.compile("p|h[1-6]|pre|blockquote|table|section|article|hr|dl")
_HEADING = re.compile("h([1-6])")
_LINE = re.compile(
    "address|body|caption|d[dt]|details|div|fig(caption|ure)|form|header|html|li|main|[ou]l"
    "|summary|t[dhr]"
)


def read(data: bytes, name: str) -> Content:
    """The page's main part, if it has one that holds most of its text."""
    return one_page(*main_part(parsed(_decoded(data), name)), name)


def main_part(soup: BeautifulSoup) -> tuple[str, str]:
    """A page's title and the text of its main part, with the blocks marked."""
    _reveal(soup)
    title = first(soup.find_all("title")) or first(soup.find_all("h1"))
    half = len(lines(soup)) / 2
    forms = soup.find_all("form")
    if forms and len(lines(forms[0])) > half:  # some sites wrap the whole page in one
        del forms[0]
    for form in forms:
        form["hidden"] = ""
    for content in (soup.find("main"), soup.find("article")):
        if content and len(lines(content)) > half:
            return title, lines(content)
    return title, lines(soup)


def parsed(markup: bytes | str, name: str) -> BeautifulSoup:
    """Parse HTML; of bytes, bs4 finds the charset: byte order mark, declaration, best guess."""
    markup = _closed(markup)
    try:
        with warnings.catch_warnings():  # bs4's advice to programmers, about XML for instance
            warnings.simplefilter("ignore")
            return BeautifulSoup(markup, "html.parser")
    except (ParserRejectedMarkup, AssertionError, RecursionError, ValueError) as exc:
        en = f"{name} is HTML that cannot be read; open it in a browser and save it again."
        vi = f"{name} là HTML không đọc được; hãy mở bằng trình duyệt rồi lưu lại."
        raise DocumentError(en, vi) from exc


def _closed(markup: bytes | str) -> bytes | str:
    """Without the many tags behind the last that is closed: html.parser looks for the end of each
    to the end of all."""
    if isinstance(markup, bytes):
        end = markup.rfind(b">") + 1
        return markup[:end] if markup.count(b"<", end) > _UNCLOSED else markup
    end = markup.rfind(">") + 1
    return markup[:end] if markup.count("<", end) > _UNCLOSED else markup


def _decoded(data: bytes) -> bytes | str:
    """What bs4 would take for another code: UTF-8 with a wrong byte, and old Vietnamese."""
    text = utf8(data)
    if text is None and legacy.reading(data.decode("latin-1")):
        return data.decode("latin-1")
    return text if text and "\ufffd" in text else data


def _reveal(soup: BeautifulSoup) -> None:
    """Shows an element that is hidden and has more text than all that is shown: a script was to
    show it."""
    hidden = [t for t in soup.find_all(_is_hidden) if not any(map(_is_hidden, t.parents))]
    shown = len(lines(soup)) if hidden else 0
    for tag in hidden:
        style, attribute = tag.attrs.pop("style", None), tag.attrs.pop("hidden", None)
        if len(lines(tag)) <= shown:
            tag.attrs |= {"style": style or "", **({} if attribute is None else {"hidden": ""})}


def lines(root: Tag) -> str:
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
            out.append(re.sub("[ \t\r\n\f]+", " ", MARKS.sub("", node)))
    text = _TITLED.sub(r"\1", re.sub(" +", " ", "".join(out)))
    text = _GAP.sub(_break, _UNTITLED.sub("", text))
    return re.sub(rf"^({START}?(?:-|\d+\.))\n+", r"\1 ", text, flags=re.M)


def _break(gap: re.Match[str]) -> str:
    """One or two line ends, and the marks in it: a block ends before them and starts behind."""
    ends = [mark for mark in gap[0] if mark in (END, HEAD)]
    starts = [mark for mark in gap[0] if mark == START]
    return "".join([*ends, "\n\n" if gap[0].count("\n") > 1 else "\n", *starts])


def first(tags: Iterable[Tag]) -> str:
    """The text of the first of `tags` that has any."""
    return next((text for tag in tags if (text := tag.get_text().strip())), "")


def _is_dropped(tag: Tag) -> bool:
    """Whether an element is hidden or is not content."""
    if tag.name in ("[document]", "html", "body"):  # may be hidden until a script has run
        return False
    if tag.name == "header" and tag.parent and tag.parent.name == "body" and not tag.find("h1"):
        return True  # the site's banner
    return _is_hidden(tag) or _DROPPED.fullmatch(tag.name) is not None


def _is_hidden(tag: Tag) -> bool:
    style = str(tag.get("style", "")).replace(" ", "").lower()
    return tag.has_attr("hidden") or "display:none" in style or "visibility:hidden" in style


def _layout(tag: Tag) -> list[PageElement | str]:
    """The children of an element between the breaks and marks it is shown with.

    A "\\v" is a line's edge: two that meet, as where one <div> ends and the next starts, are one.
    """
    edge = "\n\n" if _PARAGRAPH.fullmatch(tag.name) else "\v" if _LINE.fullmatch(tag.name) else ""
    cells = tag.find_all(["td", "th"], recursive=False) if tag.name == "tr" else []
    if len(cells) > 1 and not _holds(tag, "table", "tr"):
        row = " | ".join(" ".join(MARKS.sub("", lines(cell)).split()) for cell in cells)
        return [edge, row, HEAD if _is_head(tag, cells) else "", edge]
    if tag.name == "pre":  # NFKC turns the no-break spaces back, after others were collapsed
        code = re.sub(r"\A\s*\n", "", MARKS.sub("", tag.get_text())).rstrip()
        return [edge, START, code.replace(" ", "\xa0"), END, edge]
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
    if tag.name == "table" and not _holds(tag, "table", "pre"):
        return [edge, START, *children, END, edge]
    mark = "- " if tag.name == "li" and tag.parent and tag.parent.name != "ol" else ""
    if heading := _HEADING.fullmatch(tag.name):
        mark = TITLE * int(heading[1])
    return [edge, mark, *children, edge]


def _holds(tag: Tag, *names: str) -> bool:
    """Whether an element of one of these names is inside. bs4's own search first goes down to the
    last element of all, at each level of tables in tables once more."""
    todo = list(tag.children)
    while todo:
        inside = todo.pop()
        if isinstance(inside, Tag):
            if inside.name in names:
                return True
            todo += inside.children
    return False


def _is_head(row: Tag, cells: Iterable[Tag]) -> bool:
    """Whether a table's row is its first, and says what the columns are."""
    is_first = row.find_previous_sibling("tr") is None
    if row.parent and row.parent.name != "table":
        is_first = is_first and row.parent.find_previous_sibling(["thead", "tbody", "tr"]) is None
    return is_first and all(cell.name == "th" for cell in cells)
