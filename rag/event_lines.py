"""An answer as JSON objects with a `type` each, one after the other: the lines of `ask --json` and
the events of `POST /api/chat/stream`. Knows no terminal and no HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator

from .events import (
    CitationChecked,
    Event,
    Failed,
    Finished,
    SourcesFound,
    TextDelta,
    Thinking,
    as_json,
    source_as_json,
)
from .types import Source

Line = dict[str, object]

# By the event's own name; all others are steps that come before there is anything to show.
TYPES = {
    "sources_found": "context_ready",
    "text_delta": "text",
    "citation_checked": "citations",
    "finished": "done",
    "failed": "error",
}


class EventLines:
    """The lines of one answer. The last one, `done` or `error`, has all of the text once more."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._citations: list[Line] = []
        self._sources: dict[int, Source] = {}
        self.over = False

    def feed(self, event: Event) -> Iterator[Line]:
        """The lines for `event`: its own, and before sources a status that counts them."""
        line = as_json(event)
        match event:
            case SourcesFound(findings):
                self._sources = {source.number: source for source in findings.sources}
                line |= {"sources": [source_as_json(source) for source in findings.sources]}
                yield status("found", sources=len(findings.sources), verdict=findings.verdict)
            case Thinking(so_far=True):  # what came so far was no answer
                self._text.clear()
                self._citations.clear()
            case TextDelta(text):
                self._text.append(text)
            case CitationChecked():
                line |= self._place(event)
                self._citations.append({k: v for k, v in line.items() if k != "event"})
            case Finished():
                self.over = True
                line |= {"text": self._whole, "citations": self._citations}
            case Failed(retry_after=retry_after):
                self.over = True
                line |= {"retry_after": retry_after, "text": self._whole}
        yield {"type": TYPES.get(str(line["event"]), "status"), **line}

    @property
    def _whole(self) -> str:
        return "".join(self._text)

    def _place(self, event: CitationChecked) -> Line:
        """Where the marker ends in the text, and the page with the words that say so marked."""
        length = 0 if event.added else len(f"[{event.number}]")
        source = self._sources.get(event.number)
        url = source.address_of(event.quote) if source else None
        return {"end": event.start + length, "url": url}


def status(name: str, **more: object) -> Line:
    """A line about how far an answer is."""
    return {"type": "status", "event": name, **more}
