"""A quote looks like what it is, and nothing in it is obeyed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rag.text.units import units
from rag.writing.choosing import Quote
from rag.writing.quoting import shown


def quoted(text: str, *places: int, best: int | None = None, question: str = "What is it?") -> str:
    places = places or (0,)
    return shown(Quote(3, units(text), places, (places[0] if best is None else best,)), question)


THREE = "The first sentence. The second sentence. The third sentence."


def test_sentences_stand_in_one_paragraph_the_one_that_answers_bold() -> None:
    assert quoted(THREE, 0, 1, best=1) == "The first sentence. **The second sentence.** [3]"


def test_what_is_left_out_between_them_shows() -> None:
    assert quoted(THREE, 0, 2) == "**The first sentence.** [3] … The third sentence. [3]"


def test_a_sentence_alone_is_bold_where_it_has_what_is_asked_for() -> None:
    text = "It lasts for five minutes and more."
    assert (
        quoted(text, question="How long does it last?")
        == "It lasts for **five minutes** and more. [3]"
    )
    assert quoted(text, question="What is it?") == f"{text} [3]"


def test_the_cell_of_the_column_that_is_asked_for_is_bold() -> None:
    text = "Error | Meaning | To do\n429 | too fast | wait for it"
    shown_row = quoted(text, 1, question="What is the meaning of error 429?")
    assert shown_row == "Error: 429 · Meaning: **too fast** · To do: wait for it [3]"


def test_code_is_a_block_with_the_number_behind_it() -> None:
    text = "The headers are:\n\nContent-Type: a/b\nX-Buffering: no"
    assert quoted(text, 0, 1) == (
        "**The headers are:**\n\n```\nContent-Type: a/b\nX-Buffering: no\n```\n\n[3]"
    )


@pytest.mark.parametrize(
    "inside", ["```", "````\n`````", "~~~", "<script>alert(1)</script>", "[1]"]
)
def test_no_line_of_code_ends_its_block(inside: str) -> None:
    text = f"    a = 1;\n    {inside}\n    b();".replace("\n`", "\n    `")
    tokens = MarkdownIt("js-default").parse(quoted(text))
    assert [token.type for token in tokens][:2] == ["fence", "paragraph_open"]
    assert "b();" in tokens[0].content
    assert tokens[2].content == "[3]"


def test_an_item_stands_behind_what_it_stands_under() -> None:
    text = "How to check\n\n- Stop it.\n- Close the tab."
    assert quoted(text, 1) == "How to check: Close the tab. [3]"


def test_bold_does_not_open_what_a_document_wrote() -> None:
    text = "Use **this** and [1] or ![x](http://evil.example/x.png) <b>now</b>. More is said."
    written = quoted(text, 0, 1)
    html = MarkdownIt("js-default").render(written)
    assert re.findall(r"<(\w+)", html) == ["p", "strong"]
    assert re.findall(r"(?<!\\)\[(\d+)\]", written) == ["3", "3"]


@given(st.text(alphabet="aB1 .:;|\n#*_~`<>[]()!\\$&-+=\"'【（/", max_size=120))
def test_whatever_a_document_says_is_text_or_code(text: str) -> None:
    cut = units(text)
    for question in ("How long is it?", "What is a B?"):
        for place in range(len(cut)):
            places = tuple(range(max(0, place - 2), place + 1))
            html = MarkdownIt("commonmark").render(shown(Quote(3, cut, places, (place,)), question))
            assert set(re.findall(r"</?(\w+)", html)) <= {"p", "strong", "pre", "code"}, html
            assert html.count("[3]") >= 1
