"""Markdown that a model wrote, as Markdown in which nothing but text is left to run, to load, to
forge or to mislead. Pure; knows no page.

The page renders with marked, whose own words on HTML are "sanitize it": here no HTML reaches it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from html import unescape
from pathlib import Path

from markdown_it import MarkdownIt

LINKS = Path(__file__).parent / "links.js"  # the same for links, in a page that shows them

_BLOCKS = MarkdownIt("commonmark").enable("table").disable("html_block")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])
# What has none of these is harmless as it is.
_ACTIVE = re.compile(r"<[a-z/!?]|!\[|\][(:]|mermaid", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n?|\n")
_STEP = re.compile(
    r"\\[!-;=-@\[-`{-~]"
    r"|(?<![`~\\])`(?P<span>(?:(?!\][:(])[^`|])+)`(?!`)"
    r"|<(?=[a-z/!?])|!(?=\[)|\](?P<end>[(:])|[\[\]]",
    re.IGNORECASE,
)
_TARGET = re.compile(r"\s*(?:https?://|mailto:)[^\s<]", re.IGNORECASE)
_JOINER = "\u2060"  # as wide as nothing; behind it no tag begins
# Not all readers of Markdown agree on what these begin and end.
_FENCE = re.compile(r"[ \t>]*(?:```|~~~)")
_FENCE_END = re.compile(r" *[`~]+ *")
_EMPTY_ITEM = re.compile(r"[ \t>]*(?:[-*+]|\d+[.)])\s*$")
_ADDRESS = re.compile(r"://|www\.|@", re.IGNORECASE)
# A definition's label, which may go on in what is code elsewhere.
_LABEL = re.compile(r"(?P<before>[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)*)\[")
# Gradio puts the code of such a fence into its page as HTML.
_MERMAID = re.compile(r"(?<=[`~])(?=\s*mermaid)", re.IGNORECASE)


def inert(text: str) -> str:
    """`text` without HTML, pictures, and links that are not http, https or mailto. It looks the
    same: what was one of these shows as it was written. A link that reads like a citation ([1], or
    a bare number) is none any more, and neither is one around a character of the private use area,
    where the caller may keep a link of its own. Code, tables and formulas stay as they are."""
    if not _ACTIVE.search(text):
        return text
    lines = _LINE_END.split(text)
    fences, code = _fences(text, lines)
    shown: list[str] = []
    sure = True  # what is code, from the first line on; not where another reader may disagree
    for at, line in enumerate(lines):
        if at in code and sure:
            shown.append(line)
            continue
        if at not in fences:
            rest = _STEP.sub(_not_code, line)
            odd = _FENCE.match(line) or _EMPTY_ITEM.match(line) or "`" in rest
            sure = sure and not (odd or ("`" in line and _ADDRESS.search(rest)))
        shown.append(_text(line, spans=sure and at not in fences))
    return "\n".join(shown)


def as_written(shown: str) -> str:
    """What a model wrote, of what `inert` made of it; its backslashes stay."""
    return shown.replace(_JOINER, "")


def _fences(text: str, lines: Sequence[str]) -> tuple[set[int], set[int]]:
    """The lines that begin and end fenced code, and those inside it that are not blank."""
    fences: set[int] = set()
    code: set[int] = set()
    for token in _BLOCKS.parse(text):
        if token.type != "fence" or not token.map:
            continue
        start, end = token.map
        indent = " " * (len(lines[start]) - len(lines[start].lstrip(" ")))
        inside = [at for at in range(start + 1, end) if lines[at].strip()]
        if inside and _FENCE_END.fullmatch(lines[end - 1]):
            inside.remove(end - 1)
        if (
            bool(indent) == bool(token.level)
            and lines[start].startswith(indent + token.markup)
            and all(lines[at].startswith(indent) for at in inside)
            and not any(_FENCE.match(lines[at]) for at in inside)
        ):
            fences |= {start, end - 1} - set(inside)
            code.update(inside)
    return fences, code


def _not_code(step: re.Match[str]) -> str:
    return "" if step["span"] else step[0]


def _text(line: str, *, spans: bool) -> str:
    """A line of text, in which code spans stay if there may be any."""
    shown: list[str] = []
    opened: list[int] = []  # where labels may begin
    at = 0
    while step := _STEP.search(line, at):
        shown.append(line[at : step.start()])
        said, at = step[0], step.end()
        if step["span"]:
            said, at = (said, at) if spans else ("`", step.start() + 1)
        elif said == "<":
            said += _JOINER
        elif said == "!":
            said = r"\!"
        elif said == "[":
            opened.append(at)
        elif said[0] == "]":
            label = line[opened.pop() : step.start()] if opened else ""
            if step["end"] == ":" or (step["end"] and not _may_link(label, line, at)):
                said = rf"]\{step['end']}"
        shown.append(said)
    text = "".join([*shown, line[at:]])
    if opened:
        text = _LABEL.sub(r"\g<before>\\[", text, count=1) if _LABEL.match(text) else text
    return _MERMAID.sub("text ", text)


def _may_link(label: str, text: str, at: int) -> bool:
    """Whether a link with this label may lead where `text` says from `at` on."""
    plain = unicodedata.normalize("NFKC", unescape(label))
    words = "".join(filter(str.isalnum, plain))
    ours = any(unicodedata.category(character) == "Co" for character in label)
    return not ours and not (words.isdigit() or not words) and bool(_TARGET.match(text, at))
