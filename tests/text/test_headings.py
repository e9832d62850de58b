"""Headings stand alone or are numbered; lines of a paragraph, of code and of lists are none."""

from __future__ import annotations

import pytest

from rag.text.headings import headings


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Caching\n\nIt saves time.\n\nTTL\n\nThe time to live.", ["Caching", "TTL"]),
        ("A page of a PDF\n2. Dữ liệu cá nhân\nNghị định 13 có hiệu lực.", ["2. Dữ liệu cá nhân"]),
        ("Ends.\n3.1 Scope of work\nThe work is this.", ["3.1 Scope of work"]),
        ("A paragraph that was broken\ninto lines by hand goes on\nand ends.", []),
        ("30 ngày\nXoay vòng tự động", []),
        ("Text.\n\nDas ist ein Satz.\n\nMehr.", []),
        ("Text.\n\nconst a = 1\n\nMehr.", []),
        ("Text.\n\n- an item\n\nMore.", []),
        ("A" * 200 + "\n\nText.", []),
        ("Only a line", []),
        ("", []),
    ],
)
def test_headings_are_found_where_they_stand(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in headings(text)] == found
