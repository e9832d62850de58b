"""A quote in a terminal is plain text, however it was cut, and its code is as it was."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from rag.text import markdown

WRITTEN = (
    "Header: \\[1] **six \\*\\* stars** \\(p50\\) [2]\n\nBefore:\n\n"
    "````\nbase * 2**attempt \\[x]\n```\n````\n\n[1]"
)
PLAIN = "Header: [1] six ** stars (p50) [2]\n\nBefore:\n\nbase * 2**attempt \\[x]\n```\n\n[1]"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_quote_is_plain_text_in_a_terminal(size: int) -> None:
    plain = markdown.Plain()
    pieces = [plain.feed(WRITTEN[at : at + size]) for at in range(0, len(WRITTEN), size)]
    assert "".join([*pieces, plain.end()]) == PLAIN
    assert plain.end() == ""


def test_a_number_with_a_point_at_the_end_begins_no_list() -> None:
    """What is put behind it, as a citation is, would be its item."""
    for text in ("1.", "2)"):
        assert "<li>" not in MarkdownIt().render(f"{markdown.escape(text)} [3]")
        assert markdown.unescape(markdown.escape(text)) == text
