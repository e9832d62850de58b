"""The sidebar's list of documents as HTML: what was read, what is being read, and what could not
be. Knows values, and no page, folder or store."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Literal

from ..errors import HeadwaterError
from ..events import Waiting
from ..text import markdown
from ..types import Document, Notice

Uploads = Literal["session", "library", "off"]

_WHERE: dict[Uploads, str] = {
    "library": "Vào thư viện của máy này · Into this machine's library",
    "session": "Chỉ bạn thấy, xóa sau 24 giờ · Only you see them; deleted after 24 hours",
}


def adding(uploads: Uploads, formats: Sequence[str]) -> str:
    """What files are chosen and a text is pasted with, and where their progress is shown."""
    if uploads == "off":
        return ""
    accepted, shown = html.escape(",".join(formats)), html.escape(" ".join(formats))
    return (
        '<div id="headwater-adding"><label class="headwater-files">'
        "<b>Thêm tài liệu · Add documents</b><br>chọn tệp hay thả vào trang · choose files, or "
        f'drop them on the page<input type="file" multiple accept="{accepted}"></label>'
        "<label>Cả thư mục · A whole folder"
        '<input type="file" webkitdirectory multiple></label>'
        "<details><summary>Dán một văn bản · Paste a text</summary>"
        '<textarea id="headwater-text" rows="5" aria-label="Văn bản · Text"></textarea>'
        '<button id="headwater-paste" type="button">Thêm văn bản · Add the text</button></details>'
        f'<div class="headwater-quiet">{_WHERE[uploads]}</div>'
        f'<details class="headwater-quiet"><summary>Định dạng · Formats</summary>{shown}</details>'
        '<div id="headwater-uploads"></div><input id="headwater-filter" type="search" '
        'placeholder="Lọc theo tên · Filter by name" aria-label="Lọc · Filter"></div>'
    )


def shelf(listed: str, count: int, uploads: Uploads, visitor: str) -> str:
    """The list with what the page's script has to know of it."""
    told = f'data-count="{count}" data-uploads="{uploads}" data-visitor="{html.escape(visitor)}"'
    return f'<div id="headwater-shelf" {told}>{listed}</div>'


def content(
    documents: Sequence[Document],
    progress: Waiting | None = None,
    problems: Sequence[tuple[str, str]] = (),
    error: HeadwaterError | None = None,
    notice: Notice | None = None,
    meanwhile: Notice | None = None,
    added: Callable[[Document], bool] = lambda _: False,
    below: str | None = "",
) -> str:
    """The list, `progress` above it while documents are read (None: they are not), below it the
    name and the reason of each file that could not be. `error` is what kept all of them from being
    read, and stands first; `meanwhile`, what holds until all is read, stands under these, and
    `notice` last. Those that were `added` at the page can be removed there; `below` is the address
    under which the documents' pages are shown, None if they are not."""
    lines = []
    if error:
        lines.append(_failed(html.escape(f"⚠️ {error.vi} · {error.en}")))
    elif progress:
        lines.append(_progress(progress))
    if meanwhile:
        lines.append(_quiet(meanwhile))
    lines += [_document(document, added(document), below) for document in documents]
    lines += [_failed(f"<b>{_line(name)}</b><br>{_line(reason)}") for name, reason in problems]
    if not documents and not progress and not error:
        lines.append(
            '<div class="headwater-quiet">Chưa có tài liệu. Thêm ở trên, hoặc đặt tệp vào thư mục '
            "data rồi bấm nút dưới. · No documents yet. Add some above, or put files into the data "
            "folder and press the button below.</div>"
        )
    if notice:
        lines.append(_quiet(notice))
    return "\n".join(lines)


def _line(text: str) -> str:
    """`text` escaped and on one line, whatever it is made of."""
    return html.escape(markdown.line(text))


def _quiet(notice: Notice) -> str:
    return f'<div class="headwater-quiet">{_line(f"{notice.vi} · {notice.en}")}</div>'


def _failed(escaped: str) -> str:
    return f'<div class="headwater-failed">{escaped}</div>'


def _progress(at: Waiting) -> str:
    return (
        f'<progress max="{at.total or 1}" value="{at.done}"></progress>'
        f'<div class="headwater-quiet">Đang đọc · Reading {at.done}/{at.total or "…"} '
        f"{_line(at.detail)}</div>"
    )


def _document(document: Document, added: bool, below: str | None) -> str:
    name = _line(document.name)
    title = f"<b>{_line(document.title)}</b>"
    if below is not None and document.id:
        title = f'<a href="{below}documents/{document.id}/pages/1" target="_blank">{title}</a>'
    remove = (
        f'<button type="button" data-remove="{document.id}" data-name="{name}" '
        f'title="Xóa · Remove" aria-label="Xóa · Remove {name}">✕</button>'
    )
    return (
        f'<div class="headwater-document">{title}<span>{name}</span>'
        f"<span>{document.pages} trang · pages, {document.chunks} đoạn · chunks</span>"
        f"{remove if added else ''}</div>"
    )
