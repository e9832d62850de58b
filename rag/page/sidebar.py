"""The sidebar's list of documents as HTML: what was read, what is being read, and what could not
be. Knows values, and no page, folder or store."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ..errors import HeadwaterError
from ..events import Waiting
from ..text import markdown
from ..types import Document, Notice


def content(
    documents: Sequence[Document],
    progress: Waiting | None,
    problems: Sequence[tuple[str, str]],
    error: HeadwaterError | None,
    notice: Notice | None = None,
    meanwhile: Notice | None = None,
) -> str:
    """The list, `progress` above it while documents are read (None: they are not), below it the
    name and the reason of each file that could not be. `error` is what kept all of them from being
    read, and stands first; `meanwhile`, what holds until all is read, stands under these, and
    `notice` last."""
    lines = []
    if error:
        lines.append(_failed(html.escape(f"⚠️ {error.vi} · {error.en}")))
    elif progress:
        lines.append(_progress(progress))
    if meanwhile:
        lines.append(_quiet(meanwhile))
    lines += map(_document, documents)
    lines += [_failed(f"<b>{_line(name)}</b><br>{_line(reason)}") for name, reason in problems]
    if not documents and not progress and not error:
        lines.append(
            '<div class="headwater-quiet">Chưa có tài liệu. Đặt tệp .md, .txt, .html, .pdf vào thư '
            "mục data rồi bấm nút dưới. · No documents yet. Put .md, .txt, .html or .pdf files "
            "into the data folder, then press the button below.</div>"
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


def _document(document: Document) -> str:
    return (
        f'<div class="headwater-document"><b>{_line(document.title)}</b>'
        f"<span>{_line(document.name)}</span>"
        f"<span>{document.pages} trang · pages, {document.chunks} đoạn · chunks</span></div>"
    )
