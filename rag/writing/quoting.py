"""Writes a quote as Markdown that shows its words as they are: sentences in a paragraph, a row and
an item on a line, code in a block, and what answers in bold. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

from ..text import markdown
from ..text.asked import asked, parts
from ..text.language import Span, keywords, stems, words
from ..text.units import BELOW, BETWEEN, Unit
from .choosing import Quote

FEW = 2  # parts of a text that are bold; of more none is what was asked for

_ANNOUNCING = (":", ":**")
_OMITTED = " … "
_FENCE = re.compile(r"`{3,}")


def shown(quote: Quote, question: str) -> str:
    """The quote, with its [n] behind each paragraph; behind code, and not before it, where a line
    announces that."""
    mark, written = f"[{quote.number}]", list[str]()
    paragraphs = list(_paragraphs(quote, question, mark))
    for paragraph, following in zip_longest(paragraphs, paragraphs[1:], fillvalue=""):
        code, announces = _is_fenced(paragraph), paragraph.endswith(_ANNOUNCING)
        if (announces and _is_fenced(following)) or paragraph.endswith(mark):
            written.append(paragraph)
        else:
            written.append(paragraph + ("\n\n" if code else " ") + mark)
    return "\n\n".join(written)


def _paragraphs(quote: Quote, question: str, mark: str) -> Iterator[str]:
    """Those of the quote; behind the sentence that answers there is a `mark`, which its check, the
    panel and the page then show, and not the one that the paragraph ends with."""
    running = ""
    last: int | None = None
    alone = len(quote.places) == 1
    for place in quote.places:
        unit = quote.cut[place]
        if unit.kind == "code":
            if running:
                yield running
            running, last = "", place
            yield _fenced(unit.text)
            continue
        text = _bold(unit, question, whole=not alone) if place == quote.best[0] else ""
        if text and not alone and unit.kind == "sentence" and not text.endswith(_ANNOUNCING):
            text = f"{text} {mark}"
        text = text or markdown.escape(unit.text)
        if unit.kind in ("sentence", "line"):
            gap = _OMITTED if last is not None and place > last + 1 else " "
            running = f"{running}{gap}{text}" if running else text
        else:
            if running:
                yield running
            running = ""
            yield _announced(quote, place, text)
        last = place
    if running:
        yield running


def _announced(quote: Quote, place: int, text: str) -> str:
    """A list's item behind the line or the heading that it stands under, if that is not quoted."""
    unit = quote.cut[place]
    above = unit.lead or unit.heading.split(BELOW)[-1]
    known = place - 1 in quote.places
    if unit.kind != "item" or not above or known:
        return text
    return f"{markdown.escape(above.rstrip(':'))}: {text}"


def _bold(unit: Unit, question: str, *, whole: bool) -> str:
    """The text with the part bold that is asked for: a number, a time, the cell of a column; else
    all of it, if it is only a part of the quote."""
    text, spans = unit.text, list[Span]()
    if unit.kind == "row":
        spans = _cell(text, question)
    elif (kind := asked(question)) in ("number", "long", "when"):
        spans = parts(kind, question, text)
    if not 0 < len(spans) <= FEW:
        spans = [(0, len(text))] if whole else []
    shown, at = "", 0
    for start, end in spans:
        shown += f"{markdown.escape(text[at:start])}**{markdown.escape(text[start:end])}**"
        at = end
    return shown + markdown.escape(text[at:])


def _cell(row: str, question: str) -> list[Span]:
    """The value in the column whose name has most of the question's words; not one that has them
    itself, for by that the row was found."""
    asked_for, known = set(stems(words(question))), set(stems(keywords(question)))
    found, at = dict[Span, int](), 0
    for cell in row.split(BETWEEN):
        name, _, value = cell.partition(": ")
        if not known & set(stems(words(value))):
            span = at + len(cell) - len(value), at + len(cell)
            found[span] = len(asked_for & set(stems(words(name))))
        at += len(cell) + len(BETWEEN)
    most = max(found.values(), default=0)
    best = [span for span, count in found.items() if count == most]
    return best if most and len(best) == 1 else []


def _is_fenced(paragraph: str) -> bool:
    return paragraph.startswith("```")


def _fenced(code: str) -> str:
    """A block that no line of the code can end."""
    longest = max((len(run) for run in _FENCE.findall(code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{code}\n{fence}"
