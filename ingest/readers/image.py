"""Pictures of text, photographed or scanned: what OCR reads on them, page by page."""

from __future__ import annotations

from contextlib import closing
from io import BytesIO

from rag.errors import DocumentError, UnsupportedFormat
from rag.pictures import MOST_PIXELS, PictureError, Pictures, TooManyPixels
from rag.types import Content, Page

from . import ocr
from .text import printed, title_of

VERSION = "1"

_PIXELS, _LONGEST_SIDE = 16_000_000, 20_000  # of a page, as OCR gets it


def read(data: bytes, name: str) -> Content:
    """Raises DocumentError; UnsupportedFormat if there is no text, as on the pictures that lie
    beside a web page, or nothing that reads it."""
    tesseract = ocr.tesseract()
    if tesseract is None:
        raise _without_text(name)
    texts: list[str] = []
    try:
        with closing(Pictures(BytesIO(data))) as pictures:
            pages = pictures.pages
            for number in range(1, min(pages, ocr.MOST_PAGES) + 1):
                picture = pictures.page(number, _PIXELS, _LONGEST_SIDE)
                texts.append(printed(tesseract.read(picture.convert("L"))))
    except TooManyPixels as exc:
        most = MOST_PIXELS // 1_000_000
        en = f"{name} has more than {most} million pixels; save it smaller and add that."
        vi = f"{name} có hơn {most} triệu điểm ảnh; hãy lưu nhỏ lại rồi thêm."
        raise DocumentError(en, vi) from exc
    except PictureError as exc:
        en = f"{name} is damaged or not a picture; open it in a viewer and save it again."
        vi = f"{name} bị hỏng hoặc không phải là ảnh; hãy mở bằng trình xem ảnh rồi lưu lại."
        raise DocumentError(en, vi) from exc
    read = [number for number, text in enumerate(texts, start=1) if text]
    if not read:
        raise _without_text(name)
    left = range(len(texts) + 1, pages + 1)
    return Content(
        title_of("", name),
        tuple(
            Page(number, text, name=ocr.PAGE.format(number))
            for number, text in enumerate([*texts, *("" for _ in left)], start=1)
        ),
        (ocr.remark(read), *([ocr.too_many(left)] if left else [])),
    )


def _without_text(name: str) -> UnsupportedFormat:
    why = ocr.lacking()
    return UnsupportedFormat(f"{name} is a picture; {why.en}", f"{name} là một ảnh; {why.vi}")
