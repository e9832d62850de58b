"""A model's Markdown: rendered as the page renders it, nothing but text is left."""

from __future__ import annotations

import json
import re
import subprocess
import time

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.doors import widget
from rag.page import look
from rag.settings import PROJECT
from rag.text import markdown
from rag.text.inert import LINKS, inert
from tests.harness.markup import VECTORS

TAGS = {"p", "br", "strong", "em", "del", "a", "code", "pre", "blockquote", "hr", "ul", "ol", "li"}
TAGS |= {"h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "input"}
ATTRIBUTES = {"href", "title", "class", "start", "align", "checked", "disabled", "type"}
# From which the property builds texts: what opens and closes code, blocks, links and tags.
PIECES = [
    *("`", "``", "```", "~~~", "\n", "\n\n", "\n    ", "\n  ", "\n- ", "\n1. ", "\n> ", "\n# "),
    *("\n```\n", "\n```mermaid\n", "\n| ", " | ", " |\n|---|---|\n", "\\", "*", "_", "\t", "\r"),
    *("[", "]", "](", ")", "]: ", "[1]", "![", "(", "<", ">", "</", "<!--", "-->", "&lt;", "&#60;"),
    *("<b>", "<img src=x>", "<svg onload=run()>", "http://e.example/", "javascript:run()", "1"),
    *("#source-1", "word", " \ue0000\ue001", "'", '"', "\n---\n", "\n===\n", "<script>"),
]

TEXTS = st.lists(st.sampled_from(PIECES), min_size=2, max_size=14).map("".join)


def rendered(node: str, texts: list[str]) -> list[BeautifulSoup]:
    script = str(PROJECT / "tests" / "node" / "marked.mjs")
    done = subprocess.run(
        [node, script], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    pages: list[str] = json.loads(done.stdout)
    return [BeautifulSoup(page, "html.parser") for page in pages]


def assert_inert(shown: BeautifulSoup) -> None:
    for tag in shown.find_all(True):
        assert isinstance(tag, Tag)
        assert tag.name in TAGS, f"an element: {str(tag)[:200]}"
        assert set(tag.attrs) <= ATTRIBUTES, f"an attribute: {str(tag)[:200]}"
        assert not tag.get("class") or tag.name == "code"
        assert "language-mermaid" not in tag.get_attribute_list("class")
        if tag.name == "a":
            href = str(tag["href"])
            assert re.match("https?://|mailto:", href, re.IGNORECASE), href
            assert re.search(r"[^\W\d_]", tag.get_text()), f"reads like a citation: {tag}"
            assert "\ue000" not in tag.get_text()


def test_nothing_of_the_usual_attacks_is_left(node: str) -> None:
    assert len(VECTORS) > 120
    for vector, shown in zip(VECTORS, rendered(node, [*map(inert, VECTORS)]), strict=True):
        try:
            assert_inert(shown)
        except AssertionError as exc:
            raise AssertionError(f"{vector!r} became {inert(vector)!r}: {shown}") from exc


def test_without_it_much_would_be_left(node: str) -> None:
    """The check above can fail."""

    def harmful(shown: BeautifulSoup) -> bool:
        try:
            assert_inert(shown)
        except (AssertionError, KeyError):
            return True
        return False

    assert sum(map(harmful, rendered(node, VECTORS))) > 0.8 * len(VECTORS)


@settings(max_examples=max(3, settings().max_examples // 20))
@given(st.lists(TEXTS, min_size=1, max_size=300))
def test_nothing_is_left_of_what_mixes_code_blocks_links_and_tags(
    node: str, texts: list[str]
) -> None:
    for text, shown in zip(texts, rendered(node, [*map(inert, texts)]), strict=True):
        try:
            assert_inert(shown)
        except AssertionError as exc:
            raise AssertionError(f"{text!r} became {inert(text)!r}: {shown}") from exc


@pytest.mark.parametrize(
    "text",
    [
        "a plain sentence with a citation [1], **bold** and *slanted* words",
        "see https://example.com/a_b?c=d, [a guide](https://example.com/guide) or mail@e.example",
        "```html\n<b>stays</b>\n```",
        "- item\n\n  ```js\n  if (a<b) f(x[1](2));\n  ```\n- next",
        "`<b>` and `a[i] <i>` stay, `@x <y>` too",
        "| a | b |\n|---|---|\n| `x<y` | **2** |",
        r"$x_1 + y^2$ and \(a \le b\) and \[ c \]",
        "1. one\n2. two\n\n> quoted\n\n# Head\n\n- [ ] open\n- [x] done",
        "line one  \nline two",
    ],
)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


def test_it_looks_as_it_was_written(node: str) -> None:
    said = "Is 3 < 5, and a<b>c? <script>run()</script> ![p](http://e.example/p.png) [1]: yes"
    (shown,) = rendered(node, [inert(said)])
    text = "Is 3 < 5, and a<b>c? <script>run()</script> !p [1]: yes"
    assert shown.get_text().replace("\u2060", "").strip() == text


def test_quotations_that_are_escaped_already_show_what_was_quoted(node: str) -> None:
    said = "<b>[1](http://e.example) ![x](y) `code` a|b [1]: z"
    (shown,) = rendered(node, [inert(markdown.escape(said))])
    assert shown.get_text().replace("\u2060", "").strip() == said
    assert not shown.find_all(["a", "code", "b", "img"])


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_doing_it_twice_changes_nothing_more(text: str) -> None:
    once = inert(text)
    assert inert(once) == once


def test_a_long_text_takes_no_time_that_grows_faster_than_it() -> None:
    def seconds(size: int) -> float:
        texts = ["`a ``b " * size, "[" * size * 4, "](" * size * 4, "<" * size * 8, "> " * size]
        start = time.process_time()
        for text in texts:
            inert(f"<{text}")
        return time.process_time() - start

    small, large = seconds(500), seconds(5000)
    assert large < 40 * small, (small, large)


def test_where_a_link_leads_is_decided_once_for_the_page_and_the_widget(node: str) -> None:
    links = {
        "https://site.example/a?b#c": "away",
        "HTTP://site.example": "away",
        "//site.example/a": "away",
        "mailto:lan@site.example": "away",
        "documents/1/pages/2": "here",
        "https://here.example/": "here",
        "javascript:run()": "",
        "java\nscript:run()": "",
        "data:text/html,x": "",
        "http://[": "",
    }
    cases = [(href, "a page", leads) for href, leads in links.items()]
    cases += [("https://site.example", words, "") for words in ("1", "[12]", "①", "【3】", "")]
    code = f"""
        const document = {{ baseURI: "https://here.example/app/" }};
        const location = {{ origin: "https://here.example" }};
        {LINKS.read_text()}
        const cases = {json.dumps(cases)};
        const seen = cases.map(([href, words]) => [href, words, leads(href, words)]);
        console.log(JSON.stringify(seen));
    """
    done = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)
    assert [tuple(case) for case in json.loads(done.stdout)] == cases
    for script in (look.script(), widget.script().decode()):
        assert script.count("const leads = ") == 1 and script.count("mailto") == 1
