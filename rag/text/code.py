"""Tells code from prose by how its lines look: a text that was rendered has no fences. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST = 0.6  # share of a block's lines that look like code

_STRONG = re.compile(
    r"""[{};\\]\s*$  # ends as a statement does
    |^\s*(?:[})\]]+[,;]?\s*$|:\s\w+[\w-]*$|(?:\$\s|>>>|//|/\*|\#!|--\s|<[/!a-z])\S?)
    |^\s*(?:(?:async\s+)?def\s.+:|class\s\w+.*:|(?:elif|else|try|finally|with\s.+|for\s.+\sin\s.+
        |while\s.+|if\s.+|except.*)\s?:)\s*$
    |^\s*(?:import\s[\w.]+|from\s[\w.]+\simport\s|return\b|assert\s|raise\s|await\s|yield\s
        |(?:const|let|var|export|public|private)\s\w|function\b.*\(|\#include|SELECT\s.+\sFROM\b
        |(?:GET|POST|PUT|DELETE|PATCH|HEAD)\s/)
    |^\s*[\w.\[\]"']+(?:,\s*[\w.]+)*\s*(?:[-+*/|]|:)?=\s*\S  # an assignment
    |=>|->\s|\w\(\S*\)\s*$
    |^\s*[a-z./][\w./-]*(?:\s[\w./:@=-]+)*\s--?\w[\w-]*(?:[\s=]|$)  # a command and its options""",
    re.VERBOSE,
)
# A field as YAML, HTTP or an event stream has it.
_FIELD = re.compile(
    r"\s*(?:[a-z][\w.-]*|[A-Z][\w]*(?:-[A-Z\d]\w*)+|:)\s?:? \S.*[^.!?]$|\s*[a-z]\w*:$"
)
_COMMENT = re.compile(r"\s*(?:#|//|--|/\*|\*|;|%)")
_INDENT = re.compile(r"(?: {4}|\t)")


def is_code(lines: Sequence[str]) -> bool:
    """Whether the lines of one block, none blank, are code. None begins with a sentence."""
    if _is_prose(lines[0]):
        return False
    if all(_INDENT.match(line) for line in lines) and not any(map(_is_prose, lines)):
        return True
    if len(lines) > 1 and all(":" in line and _FIELD.fullmatch(line) for line in lines):
        return True
    strong = sum(_STRONG.search(line) is not None and not _is_prose(line) for line in lines)
    inner = sum(bool(_INDENT.match(line)) and not _STRONG.search(line) for line in lines)
    return strong > 0 and strong + inner >= MOST * len(lines)


def _is_prose(line: str) -> bool:
    """Whether it reads like a sentence: many words, and an end; no comment."""
    return not _COMMENT.match(line) and (
        len(re.findall(r"(?<!\S)[^\W\d_]+(?=[\s,.]|$)", line)) >= 6 and line.rstrip()[-1] in ".!?…"
    )
