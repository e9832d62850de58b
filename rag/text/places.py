"""Where in a document a passage stands, in words: its page, slide, chapter, sheet, rows, section.
Pure.

What a format calls its pages is a line here; what has none in the table has pages.
"""

from __future__ import annotations

from pathlib import PurePath

from ..types import PICTURES, Language

_PAGE: dict[Language, str] = {"en": "page", "vi": "trang"}
_SLIDE: dict[Language, str] = {"en": "slide", "vi": "trang chiếu"}
_SHEET: dict[Language, str] = {"en": "sheet", "vi": "trang tính"}
_ROWS: dict[Language, str] = {"en": "rows", "vi": "dòng"}
_ITEMS: dict[Language, str] = {"en": "items", "vi": "mục"}
_LINES: dict[Language, str] = {"en": "lines", "vi": "dòng"}
_CHAPTER: dict[Language, str] = {"en": "chapter", "vi": "chương"}
_SECTION: dict[Language, str] = {"en": "section", "vi": "mục"}
_CALLED = {
    ".pdf": _PAGE,
    **dict.fromkeys(PICTURES, _PAGE),
    ".pptx": _SLIDE,
    ".odp": _SLIDE,
    ".xlsx": _SHEET,
    ".ods": _SHEET,
    ".csv": _ROWS,
    ".tsv": _ROWS,
    ".json": _ITEMS,
    ".epub": _CHAPTER,
}


# Of the formats whose passages have the headings that they stand under.
_NAMED = {
    **_CALLED,
    **dict.fromkeys((".docx", ".odt", ".md", ".markdown", ".html", ".htm"), _SECTION),
}


def place(document: str, page: int, name: str, language: Language) -> str:
    """The page of the document with this file name: by what its readers call it, or its number."""
    suffix = PurePath(document).suffix.lower()
    called = _NAMED.get(suffix, _LINES) if name else _CALLED.get(suffix, _PAGE)
    return f"{called[language]} {name or page}"
