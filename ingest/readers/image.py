"""Pictures of text, photographed or scanned: what OCR reads on them, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from io import BytesIO

from rag.errors import DocumentError, UnsupportedFormat
from rag.pictures import MOST_PIXELS, PictureError, Pictures, TooManyPixels
from rag.types import Content, Page, Remark

from . import ocr
from .text import printed, title_of

VERSION = "1"

_PIXELS, _LONGEST_SIDE = 16_000_000, 20_000  # of a page, as OCR gets it
_MOST_MILLIONS = MOST_PIXELS // 1_000_000


def read(data: bytes, name: str) -> Content:
    """Raises DocumentError; UnsupportedFormat if there is no text, as on the pictures that lie
    beside a web page, or nothing that reads it."""
    tesseract = ocr.tesseract()
    if tesseract is None:
        raise _without_text(name)
    texts: list[str] = []
    faults: dict[int, PictureError] = {}
    try:
        with closing(Pictures(BytesIO(data))) as pictures:
            pages = pictures.pages
            for number in ocr.turns(range(1, pages + 1)):
                try:
                    picture = pictures.page(number, _PIXELS, _LONGEST_SIDE)
                except PictureError as exc:
                    faults[number] = exc
                    texts.append("")
                else:
                    texts.append(printed(tesseract.read(picture.convert("L"))))
    except PictureError as exc:
        raise _unreadable(name, exc) from exc
    read = [number for number, text in enumerate(texts, start=1) if text]
    if not read:
        for fault in faults.values():
            raise _unreadable(name, fault) from fault
        raise _without_text(name)
    left = range(len(texts) + 1, pages + 1)
    return Content(
        title_of("", name),
        tuple(
            Page(number, text, name=ocr.PAGE.format(number))
            for number, text in enumerate([*texts, *("" for _ in left)], start=1)
        ),
        (
            ocr.remark(read),
            *([_lost(list(faults))] if faults else []),
            *([ocr.too_many(left)] if left else []),
        ),
    )


def _unreadable(name: str, fault: PictureError) -> DocumentError:
    if isinstance(fault, TooManyPixels):
        return DocumentError(
            f"{name} has more than {_MOST_MILLIONS} million pixels; save it smaller and add that.",
            f"{name} có hơn {_MOST_MILLIONS} triệu điểm ảnh; hãy lưu nhỏ lại rồi thêm.",
        )
    return DocumentError(
        f"{name} is damaged or not a picture; open it in a viewer and save it again.",
        f"{name} bị hỏng hoặc không phải là ảnh; hãy mở bằng trình xem ảnh rồi lưu lại.",
    )


def _lost(pages: Sequence[int]) -> Remark:
    which = ocr.ranges(pages)
    return Remark(
        f"Page {which} is damaged or has more than {_MOST_MILLIONS} million pixels and was left "
        "out; open the file in a viewer and save it again.",
        f"Trang {which} bị hỏng hoặc có hơn {_MOST_MILLIONS} triệu điểm ảnh nên bị bỏ qua; hãy mở "
        "tệp bằng trình xem ảnh rồi lưu lại.",
    )


def _without_text(name: str) -> UnsupportedFormat:
    why = ocr.lacking()
    return UnsupportedFormat(f"{name} is a picture; {why.en}", f"{name} là một ảnh; {why.vi}")
