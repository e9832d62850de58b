"""Markdown, rendered, then read like HTML: what remains is what a reader of the page sees."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

from rag.types import Content

from .html import first, lines, parsed
from .text import LINE_END, one_page, written

VERSION = "4"

_FRONT_MATTER = re.compile(r"\A(---|\+\+\+) *\n(?:\w[\w.-]* *[:=]|#).*?\n\1 *(?:\n|\Z)", re.S)
_INLINE_HTML = re.compile(r"<!--|</?(a|b|br|code|del|em|i|img|kbd|mark|s|span|strong|su[bp])\b")


def read(data: bytes, name: str) -> Content:
    """The text without front matter; the first heading is the title."""
    source = _FRONT_MATTER.sub("", LINE_END.sub("\n", written(data, name)))
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = markdown.parse(source)
    for child in (child for token in tokens for child in token.children or ()):
        if child.type == "html_inline" and not _INLINE_HTML.match(child.content.lower()):
            child.type = "text"  # a placeholder such as <name>, which HTML would swallow
    soup = parsed(markdown.renderer.render(tokens, markdown.options, {}), name)
    return one_page(first(soup.find_all(re.compile("^h[1-6]$"))), lines(soup), name)
