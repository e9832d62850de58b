"""How one page of a document looks: HTML that runs and loads nothing, whatever the document says.

Pure. Knows neither the library nor files; links are relative, so it may be served under any path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from ..text.language import Span, of_passage
from ..text.markdown import line
from ..text.places import place
from ..types import Language
from .highlight import Box, Highlight

Notice = tuple[str, str]  # in Vietnamese and in English

_SPOKEN: tuple[Language, ...] = ("vi", "en")
_POLICY = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'none'"
_PARAGRAPH = re.compile(r"(?:.+(?:\n|\Z))+")
_STYLE = """
:root { color-scheme: light dark; --mark: #ffe58a; --line: #8886; --link: #0f766e; }
@media (prefers-color-scheme: dark) { :root { --mark: #6b5300; --link: #5eead4; } }
body { margin: 0 auto; padding: 0 1rem 4rem; max-width: 56rem; overflow-wrap: anywhere;
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
header { position: sticky; top: 0; z-index: 1; padding: .6rem 0; background: Canvas;
  border-bottom: 1px solid var(--line); }
h1 { margin: 0; font-size: 1.1rem; }
header p { margin: 0; font-size: .85rem; }
nav { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; font-size: .9rem; }
a, summary { color: var(--link); }
.notice { border-left: 3px solid #d97706; padding: .2rem .8rem; }
.text { white-space: pre-wrap; }
mark { background: var(--mark); color: inherit; }
mark.around { background: none; border-bottom: 2px solid var(--mark); }
#passage { scroll-margin: 9rem 0 40vh; }
.page { position: relative; margin: 1rem 0; overflow: hidden; background: #fff;
  outline: 1px solid var(--line); outline-offset: -1px; }
.page img { display: block; width: 100%; height: 100%; }
.page span { position: absolute; background: #ffe14d; box-shadow: 0 0 0 2px #ffe14d;
  mix-blend-mode: multiply; }
.page .around { background: none; box-shadow: 0 2px #ffe14d; }
"""


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a page. `mark` is the passage's (start, end) in `text`, `quote` that of what
    supports a sentence in it; `drawing` the places of the two on a page that is drawn, and the text
    is folded away under that unless there is a notice."""

    title: str
    name: str
    number: int
    pages: int
    text: str
    mark: Span | None
    drawing: Highlight | None
    notice: Notice | None
    has_original: bool
    quote: Span | None = None
    page_name: str = ""


def show(view: View) -> str:
    """The page as HTML; the passage, or its first box, has the id `passage`."""
    boxed = view.drawing is not None and bool(view.drawing.boxes)
    text = f'<div class="text">{"".join(_paragraphs(view, identified=not boxed))}</div>'
    if view.drawing is not None:
        is_open = " open" if view.notice else ""
        text = f"<details{is_open}><summary>Phần chữ · Text</summary>{text}</details>"
    return _html(
        view.title,
        f"<header><h1>{escape(line(view.title))}</h1>"
        f"<p><bdi>{escape(line(view.name))}</bdi> · {_where(view)}</p>{_navigation(view)}</header>"
        f'<main lang="{of_passage(view.text)}">{_notice(view.notice)}{_drawing(view)}{text}</main>',
    )


def message(notice: Notice) -> str:
    """A page that has only something to say."""
    return _html("Headwater", f"<main>{_notice(notice)}</main>")


def _where(view: View) -> str:
    """Which page it is; a sheet or a chapter by its name too."""
    shown = f"trang {view.number}/{view.pages} · page {view.number} of {view.pages}"
    if not view.page_name:
        return shown
    vi, en = (escape(line(place(view.name, 0, view.page_name, spoken))) for spoken in _SPOKEN)
    return f"{shown} · <bdi>{vi} · {en}</bdi>"


def _navigation(view: View) -> str:
    links = []
    if view.number > 1:
        links.append(f'<a rel="prev" href="{view.number - 1}">← Trang trước · Previous page</a>')
    if view.number < view.pages:
        links.append(f'<a rel="next" href="{view.number + 1}">Trang sau · Next page →</a>')
    if view.has_original:
        links.append('<a href="../file">Tệp gốc · Original file</a>')
    return f"<nav>{''.join(links)}</nav>"


def _drawing(view: View) -> str:
    if view.drawing is None:
        return ""
    exact = view.drawing.part
    boxes = _boxes(view.drawing.boxes, "around") if exact else ""
    boxes += _boxes(exact or view.drawing.boxes, "")
    boxes = boxes.replace('<span class=""', '<span id="passage" class=""', 1)
    # With the ratio the passage is scrolled to before the picture has come.
    ratio = f"{view.drawing.width:.2f}/{view.drawing.height:.2f}"
    alt = f"Trang {view.number} · Page {view.number}"
    return (
        f'<div class="page" style="aspect-ratio:{ratio}">'
        f'<img src="{view.number}.png" alt="{alt}">{boxes}</div>'
    )


def _boxes(boxes: Iterable[Box], look: str) -> str:
    places = (
        f"left:{box.left:.3%};top:{box.top:.3%};width:{box.width:.3%};height:{box.height:.3%}"
        for box in boxes
    )
    return "".join(f'<span class="{look}" style="{place}"></span>' for place in places)


def _paragraphs(view: View, *, identified: bool) -> Iterator[str]:
    """The text's paragraphs, the passage marked in each, and more so what is quoted of it. The
    first part of the quote, else of the passage, may have the id."""
    mark, quote = view.mark or (0, 0), view.quote or (0, 0)
    attribute = ' id="passage"' if identified else ""
    for paragraph in _PARAGRAPH.finditer(view.text):
        start, end = paragraph.span()
        cuts = sorted({start, end, *(min(max(at, start), end) for at in (*mark, *quote))})
        shown = []
        for a, b in pairwise(cuts):
            part, exact = escape(view.text[a:b]), quote[0] <= a < quote[1]
            if exact or mark[0] <= a < mark[1]:
                first = attribute if exact or not view.quote else ""
                look = "" if exact or not view.quote else ' class="around"'
                attribute = "" if first else attribute
                part = f"<mark{first}{look}>{part}</mark>"
            shown.append(part)
        yield f"<p>{''.join(shown)}</p>"


def _notice(notice: Notice | None) -> str:
    if notice is None:
        return ""
    vi, en = map(escape, notice)
    return f'<div class="notice" role="status"><p lang="vi">{vi}</p><p lang="en">{en}</p></div>'


def _html(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="vi"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(line(title))}</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )
