"""HTML as a reader of the page sees it: lines of text without what is hidden or no content."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator

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
_WIDEST = 64  # columns within which a cell that spans several counts as many
_ALL_DOWN = 1 << 16  # rows; rowspan="0" means those that there are
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
    grid = _Grid()
    stack: list[PageElement | str] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, Tag):
            stack.extend([] if _is_dropped(node) else reversed(_layout(node, grid)))
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


class _Grid:
    """Where the cells of tables stand, and which rows say what the columns are; of the tables that
    were told to it."""

    def __init__(self) -> None:
        self._columns: dict[int, int] = {}  # by the cell's id
        self._heads: set[int] = set()

    def take(self, table: Tag) -> None:
        rows: list[Tag] = []
        heads: list[Tag] = []
        for group in _groups(table):
            above: dict[int, int] = {}  # columns that cells of earlier rows reach down to
            for row in group:
                cells = _cells(row)
                in_head = row.parent is not None and row.parent.name == "thead"
                if len(heads) == len(rows) and (in_head or all(c.name == "th" for c in cells)):
                    heads.append(row)
                rows.append(row)
                above = self._place(cells, above)
        self._heads |= set(map(id, heads if len(heads) < len(rows) else heads[:1]))

    def _place(self, cells: Iterable[Tag], above: dict[int, int]) -> dict[int, int]:
        """Places the cells of a row under those that reach down from above; says what reaches down
        from it: how many rows, by columns."""
        below = {column: left - 1 for column, left in above.items() if left > 1}
        at = 0
        for cell in cells:
            while at in above:
                at += 1
            self._columns[id(cell)] = at
            down = _span(cell, "rowspan", _ALL_DOWN) or _ALL_DOWN
            across = max(_span(cell, "colspan", _WIDEST), 1)
            if down > 1:
                below |= dict.fromkeys(range(at, min(at + across, _WIDEST)), down - 1)
            at += across
        return below

    def line(self, row: Tag, cells: Iterable[Tag]) -> list[str]:
        """A row's cells in their columns, with nothing where one from above or beside reaches; and
        the mark of a head behind them."""
        texts: list[str] = []
        for cell in cells:
            at = self._columns.get(id(cell), 0)
            if at < _WIDEST:
                texts += [""] * (at - len(texts))
            texts.append(" ".join(MARKS.sub("", lines(cell)).split()))
        return [" | ".join(texts), HEAD if id(row) in self._heads else ""]


def _groups(table: Tag) -> Iterator[list[Tag]]:
    """A table's rows, by the sections of which no cell reaches out."""
    rows: list[Tag] = []
    for child in table.find_all(["tr", "thead", "tbody", "tfoot"], recursive=False):
        if child.name == "tr":
            rows.append(child)
        else:
            yield rows
            rows = []
            yield child.find_all("tr", recursive=False)
    yield rows


def _cells(row: Tag) -> list[Tag]:
    return row.find_all(["td", "th"], recursive=False)


def _span(cell: Tag, name: str, most: int) -> int:
    """How many rows or columns a cell takes; one where that is no number."""
    number = re.match(r"\s*(\d{1,9})", str(cell.get(name, "")))
    return min(int(number[1]), most) if number else 1


def _layout(tag: Tag, grid: _Grid) -> list[PageElement | str]:
    """The children of an element between the breaks and marks it is shown with.

    A "\\v" is a line's edge: two that meet, as where one <div> ends and the next starts, are one.
    """
    edge = "\n\n" if _PARAGRAPH.fullmatch(tag.name) else "\v" if _LINE.fullmatch(tag.name) else ""
    if tag.name == "table":
        grid.take(tag)
    cells = _cells(tag) if tag.name == "tr" else []
    if len(cells) > 1 and not _holds(tag, "table", "tr"):
        return [edge, *grid.line(tag, cells), edge]
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
