"""How a terminal shows events and values: sources and text on stdout, what else there is on stderr.

Knows no command and asks nothing; only draws.
"""

from __future__ import annotations

import json
import re
import time
from types import TracebackType
from typing import Self, assert_never

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from ..events import (
    CitationChecked,
    Event,
    Failed,
    Finished,
    Queued,
    Searching,
    SourcesFound,
    Started,
    TextDelta,
    Thinking,
    Waiting,
    WithoutDocuments,
)
from ..text import markdown, places, summary, tokens
from ..text.language import marks
from ..text.redaction import unmasked
from ..text.verdict import absent
from ..types import Findings
from .shared import STEERING, printable, say

EXCERPT = 200  # characters of a passage
LEAD = 40  # of them before the first word that the question also has


def print_json(values: dict[str, object]) -> None:
    """One object on one line."""
    print(json.dumps(values, ensure_ascii=False), flush=True)


class Terminal:
    """Shows one answer to a reader as it comes."""

    def __init__(self, *, quotes: bool) -> None:
        """`quotes` says that no model writes: quotations are Markdown only to be shown as they are,
        and here they are plain."""
        self._quotes = quotes
        self._status = Console(stderr=True).status("")
        self._searched = False
        self._in_text = False
        self._plain = markdown.Plain()
        self._received = 0  # bytes of the answer
        self._checked: list[CitationChecked] = []
        self._thinking_since: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._status.stop()
        if kind is KeyboardInterrupt and self._received:
            self._end_text()
            say(summary.stopped(tokens.count(self._received), "en"))

    def show(self, event: Event) -> None:
        match event:
            case Started():
                pass
            case Queued(place):
                self._status.update(summary.queued(place, self._searched, "en") + "…")
                self._status.start()
            case Waiting():
                self._status.update("Opening the library…")
                self._status.start()
            case Searching():
                self._status.update("Searching…")
            case SourcesFound(findings, rewritten):
                self._searched = True
                self._status.stop()
                if rewritten:
                    say(f"Searched for: {findings.query}")
                _print_sources(findings)
            case WithoutDocuments():
                self._searched = True
                self._status.stop()
                say("Not from your documents: the model's own knowledge.")
            case CitationChecked():
                self._checked.append(event)
            case Thinking(so_far=so_far):
                if so_far and self._in_text:
                    self._end_text()
                    self._received, self._plain = 0, markdown.Plain()
                    self._checked.clear()
                    say("What came so far was the model's thinking; the answer begins here.")
                elif event.text:
                    self._think()
            case TextDelta(text):
                self._end_thinking()
                self._status.stop()
                self._in_text = True
                self._received += tokens.size(text)
                shown = self._plain.feed(text) if self._quotes else text
                print(printable(shown), end="", flush=True)
            case Finished():
                self._end_thinking()
                self._end_text()
                for sentence in summary.doubts(self._checked):
                    say(sentence)
                Console(stderr=True).print(Text(_ending(event), style="dim"))
            case Failed(sentence=sentence, request_id=request):
                self._end_thinking()
                self._status.stop()
                self._end_text()
                say(f"{sentence} (id {request})")
                if event.detail:
                    say(f"{summary.WORDS['en']}: {event.detail}")
            case _:
                assert_never(event)

    def _think(self) -> None:
        """What is thought is not shown, only that it is."""
        if self._thinking_since is None:
            self._thinking_since = time.monotonic()
            if not self._in_text:
                self._status.start()
        seconds = time.monotonic() - self._thinking_since
        self._status.update(summary.thinking(seconds, "en", over=False))

    def _end_thinking(self) -> None:
        if self._thinking_since is not None:
            self._status.stop()
            seconds = time.monotonic() - self._thinking_since
            self._thinking_since = None
            line = summary.thinking(seconds, "en", over=True)
            Console(stderr=True).print(Text(line, style="dim"))

    def _end_text(self) -> None:
        if self._in_text:
            print(printable(self._plain.end()), flush=True)
        self._in_text = False


def _print_sources(findings: Findings) -> None:
    grid = Table.grid(padding=(0, 1))
    query = unmasked(findings.query)
    for s in findings.sources:
        at = places.place(s.document, s.page, s.page_name, "en")
        place = f"{s.document}, {at} · {s.score:.2f}"
        heading = Text.assemble((printable(s.title), "bold"), "  ", (printable(place), "dim"))
        grid.add_row(Text(f"[{s.number}]", style="cyan"), Group(heading, _excerpt(s.text, query)))
    console = Console()
    console.print(grid)
    if findings.verdict != "answer":
        console.print(verdict_line(findings))
    console.print()


def findings_table(findings: Findings) -> Table:
    table = Table("", "Document", "Page", "Score", "Passage", box=box.SIMPLE_HEAD)
    query = unmasked(findings.query)
    for s in findings.sources:
        name = Text(printable(s.document), overflow="fold")
        excerpt = _excerpt(s.text, query)
        page = printable(s.page_name or str(s.page))
        table.add_row(str(s.number), name, page, f"{s.score:.2f}", excerpt)
    return table


def verdict_line(findings: Findings) -> Text:
    said = {
        "answer": ("Enough to answer from", "green"),
        "weak": ("Weak: this may not answer the question", "yellow"),
        "refuse": ("No relevant information; these come nearest", "red"),
    }
    words, colour = said[findings.verdict]
    scores = f" (evidence {findings.best_score:.2f}, refused below {findings.threshold:.2f})."
    lacking = absent(findings, "en")
    return Text(f"{words}{scores} {lacking}".rstrip(), style=colour)


def _excerpt(text: str, query: str) -> Text:
    """A part of a passage around the first word that the question also has, such words bold."""
    spans = marks(unmasked(text), query)
    start = max(spans[0][0] - LEAD, 0) if spans else 0
    if start:
        start = text.find(" ", start, spans[0][0]) + 1 or start
    end = min(start + EXCERPT, len(text))
    if end < len(text) and (space := text.rfind(" ", start + LEAD, end)) > 0:
        end = space
    passage = Text(re.sub(r"\s", " ", STEERING.sub(" ", text)), style="dim")
    for mark_start, mark_end in spans:
        passage.stylize("bold", mark_start, mark_end)
    ends = ("…" if start else "", "…" if end < len(text) else "")
    return Text.assemble(ends[0], passage[start:end], ends[1], style="dim")


def _ending(event: Finished) -> str:
    """The quiet lines under an answer."""
    measured = " · ".join(printable(part) for part in summary.parts(event, "en"))
    if event.reason == "refused":
        return f"No model was asked · {measured}"
    if event.reason in ("small_talk", "listing"):
        return measured
    if event.model is None:
        return (
            "No model is configured: these are quotations. For written answers set OPENAI_API_KEY, "
            f"or OPENAI_BASE_URL for a server of your own.\n{measured}"
        )
    met = printable(summary.met(event, "en"))
    return "\n".join([*([met] if met else []), f"{printable(event.model)} · {measured}"])
