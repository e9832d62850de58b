"""The routes that show a document of the library: a page with the passage marked, and the file.

A document is named by its id in the library, never by a path. Knows no file format but PDF and
pictures, which are drawn; what reads the others is passed in, as is the process in which all of it
is done: a file may be hostile, and who opens its page costs nobody else anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..errors import DocumentError, HeadwaterError
from ..retrieval.passages import below_head, joined
from ..store.library import Library
from ..types import PICTURES, Chunk, Document
from . import highlight, picture
from . import page as document_page
from .originals import Originals
from .page import Notice, View

Shelf = Callable[[str], Library | None]

_HEADERS = {"cache-control": "private, no-store", "x-content-type-options": "nosniff"}
_TEXT = {".txt", ".md", ".markdown"}
_DRAWN: dict[str, Callable[[BinaryIO, int], bytes]] = {
    ".pdf": highlight.draw,
    **dict.fromkeys(PICTURES, picture.draw),
}
_HIGHLIGHT = (highlight.Highlight, highlight.Box)
_NUMBER = re.compile(r"[0-9]{1,18}")  # what SQLite takes

_CHANGED = (
    "Tệp gốc đã bị xóa hoặc đã thay đổi sau khi được đọc. Đây là phần chữ mà thư viện còn giữ.",
    "The original file is gone or has changed since it was read. This is the text that the library "
    "kept of it.",
)
_UNDRAWN = (
    "Không vẽ được trang này. Đây là phần chữ mà thư viện giữ.",
    "This page cannot be drawn. This is the text that the library has of it.",
)
_UNPLACED = (
    "Không tìm được chỗ của đoạn trích trên hình trang; đoạn được đánh dấu trong phần chữ.",
    "The passage could not be found on the picture of the page; it is marked in the text.",
)
_MISSING = (
    "Thư viện không có nội dung này, hoặc tài liệu đã được đọc lại hay đã bị xóa.",
    "The library does not have this, or the document was read again or removed.",
)


class _Missing(Exception):
    """What was asked for is not in the library."""


def documents(shelf: Shelf, originals: Originals) -> list[Route]:
    """`/documents/{id}/pages/{n}` (with `?chunk=`, once or more, that passage is marked, at
    `#passage`; with `from` and `to`, places in it, what stands between these more than the rest),
    the same with `.png` (the page of a PDF or a picture, drawn) and `/documents/{id}/file` (the
    original).

    `shelf` gives the library of a visitor, whose own documents have the same routes below
    `/own/{link}`, or that of all for ""; None while that is being opened: 503. What is not in it
    is 404.
    """

    def page(request: Request) -> Response:
        library, document_id, document = _asked(request, shelf)
        number = _page_number(request, document)
        passages = library.passages(document_id, number)
        marked = _marked(request, passages)
        view = _view(document, number, passages, marked, _quote(request, marked), originals)
        return HTMLResponse(document_page.show(view), headers=_HEADERS)

    def drawn(request: Request) -> Response:
        _, _, document = _asked(request, shelf)
        number = _page_number(request, document)
        drawn_by = _DRAWN.get(_suffix(document))
        original = originals.open(document) if drawn_by else None
        if drawn_by is None or original is None:
            raise _Missing
        with original:
            try:
                png = originals.apart.run(drawn_by, original, (bytes,), number)
            except DocumentError as exc:
                raise _Missing from exc
        return Response(png, media_type="image/png", headers=_HEADERS)

    def file(request: Request) -> Response:
        _, _, document = _asked(request, shelf)
        original = originals.open(document)
        if original is None:
            raise _Missing
        return _Original(original, document)

    return [
        Route(f"{below}/documents/{{id}}{name}", _answered(show))
        for below in ("", "/own/{link}")
        for name, show in (("/pages/{n}.png", drawn), ("/pages/{n}", page), ("/file", file))
    ]


def _answered(show: Callable[[Request], Response]) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        try:
            return show(request)
        except _Missing:
            return HTMLResponse(document_page.message(_MISSING), 404, _HEADERS)
        except HeadwaterError as exc:
            return HTMLResponse(document_page.message((exc.vi, exc.en)), 503, _HEADERS)

    return answer


def _asked(request: Request, shelf: Shelf) -> tuple[Library, int, Document]:
    link = request.path_params.get("link", "")
    library = shelf(link)
    if library is None and link:
        raise _Missing
    if library is None:
        raise HeadwaterError(
            "The library is being opened. Try again in a moment.",
            "Thư viện đang được mở. Hãy thử lại sau giây lát.",
        )
    document_id = _number(request.path_params["id"])
    document = library.document(document_id)
    if document is None:
        raise _Missing
    return library, document_id, document


def _page_number(request: Request, document: Document) -> int:
    number = _number(request.path_params["n"])
    if not 1 <= number <= document.pages:
        raise _Missing
    return number


def _marked(request: Request, passages: Sequence[Chunk]) -> list[Chunk]:
    """The chunks of the page that are to be marked, one after another."""
    wanted = {_number(text) for text in request.query_params.getlist("chunk")}
    marked = [chunk for chunk in passages if chunk.id in wanted]
    if len(marked) < len(wanted):
        raise _Missing
    return marked


def _quote(request: Request, marked: Sequence[Chunk]) -> str:
    """What stands between the two places of the passage that are asked for; "" if none are."""
    asked = request.query_params
    if "from" not in asked and "to" not in asked:
        return ""
    start, end = (_number(asked.get(name, "")) for name in ("from", "to"))
    if not start < end <= len(passage := joined(marked)):
        raise _Missing
    return passage[start:end]


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise _Missing
    return int(text)


def _suffix(document: Document) -> str:
    return Path(document.name).suffix.lower()


def _view(
    document: Document,
    number: int,
    passages: Sequence[Chunk],
    marked: Sequence[Chunk],
    quote: str,
    originals: Originals,
) -> View:
    drawing, read = None, None
    notice: Notice | None = _CHANGED
    original = originals.open(document)
    if original:
        with original:
            if _suffix(document) in _DRAWN:
                drawing, notice = _drawing(original, document, number, marked, quote, originals)
            else:
                notice, read = None, _read(original, document, number, passages, originals)
    text = joined(passages) if read is None else read
    places = _places(text, passages)
    mark = _span([places[chunk.id] for chunk in marked if chunk.id in places])
    at = text.find(quote, *mark) if mark and quote else -1
    return View(
        title=document.title,
        name=document.name,
        number=number,
        pages=document.pages,
        text=text,
        mark=mark,
        drawing=drawing,
        notice=notice,
        has_original=original is not None,
        quote=None if at < 0 else (at, at + len(quote)),
        page_name=_page_name(passages, marked),
    )


def _page_name(passages: Sequence[Chunk], marked: Sequence[Chunk]) -> str:
    """What the place of the marked passage is called, or the page, if all of it is called so."""
    names = {chunk.page_name for chunk in marked[:1] or passages}
    return names.pop() if len(names) == 1 else ""


def _drawing(
    file: BufferedReader,
    document: Document,
    number: int,
    marked: Sequence[Chunk],
    quote: str,
    originals: Originals,
) -> tuple[highlight.Highlight | None, Notice | None]:
    try:
        if _suffix(document) == ".pdf":
            wanted = number, joined(marked), quote
            drawing = originals.apart.run(highlight.find, file, _HIGHLIGHT, *wanted)
        else:
            drawing = originals.apart.run(picture.shape, file, _HIGHLIGHT, number)
    except DocumentError:
        return None, _UNDRAWN
    return drawing, _UNPLACED if marked and not drawing.boxes else None


def _read(
    file: BufferedReader,
    document: Document,
    number: int,
    passages: Sequence[Chunk],
    originals: Originals,
) -> str | None:
    """The page's text as the file has it; None if it does not hold the passages."""
    try:
        pages = originals.apart.read(Path(document.name), file).pages
    except DocumentError:
        return None
    text = next((page.text for page in pages if page.number == number), "")
    return text if len(_places(text, passages)) == len(passages) else None


def _span(places: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    return (places[0][0], places[-1][1]) if places else None


def _places(text: str, passages: Sequence[Chunk]) -> dict[int, tuple[int, int]]:
    """Where each of a page's chunks stands in its text, by chunk id: one after another, so that a
    passage whose text is there twice has its own place. A table's head that is repeated above a
    chunk's rows is no part of it."""
    places: dict[int, tuple[int, int]] = {}
    at = -1
    for chunk in passages:
        shown, start = chunk.text, at + 1
        at = text.find(shown, start)
        if at < 0:
            shown = below_head(shown, text)
            at = text.find(shown, start)
        if at < 0:
            break
        places[chunk.id] = (at, at + len(shown))
    return places


class _Original(FileResponse):
    """The original. Only what a browser shows without running anything is shown in it; text only
    as UTF-8, which is what the browser is told."""

    def __init__(self, file: BufferedReader, document: Document) -> None:
        self._file = file
        media_type, disposition = "application/octet-stream", "attachment"
        suffix = _suffix(document)
        if suffix == ".pdf":
            media_type, disposition = "application/pdf", "inline"
        elif suffix in PICTURES:
            media_type, disposition = PICTURES[suffix], "inline"
        elif suffix in _TEXT and _is_utf8(file):
            media_type, disposition = "text/plain", "inline"
        # What was opened and looked at, whatever has its name by now.
        descriptor = Path("/dev/fd", str(file.fileno()))
        super().__init__(
            descriptor if descriptor.exists() else file.name,
            media_type=media_type,
            filename=Path(document.name).name,
            content_disposition_type=disposition,
            headers=_HEADERS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


def _is_utf8(file: BufferedReader) -> bool:
    try:
        file.read().decode()
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)  # where /dev/fd gives the same open file once more
    return True
