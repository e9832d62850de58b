"""A source as JSON, and what one search found, as all doors for programs show them."""

from __future__ import annotations

from mimetypes import MimeTypes

from pydantic import BaseModel, JsonValue

from ..events import source_as_json
from ..types import Findings, Source, Verdict

ASKED = "X-Accel-Buffering dùng để làm gì?"
_TYPES = MimeTypes()  # Python's own table, whatever the machine has; 3.11 lacks these two
_TYPES.add_type("text/markdown", ".md")
_TYPES.add_type("text/markdown", ".markdown")
_EXAMPLE: dict[str, JsonValue] = {
    "query": ASKED,
    "verdict": "answer",
    "threshold": 0.37,
    "best_score": 0.6712,
    "sources": [
        {
            "number": 1,
            "document": "vi-proxy-va-bo-dem.md",
            "title": "Proxy và bộ đệm",
            "page": 1,
            "page_name": "",
            "score": 0.8731,
            "text": "X-Accel-Buffering: no báo cho nginx không đệm phản hồi này.",
            "url": "documents/9/pages/1?chunk=214#passage",
        }
    ],
}


class FoundSource(BaseModel):
    """A passage; `url` is its page with the passage marked, relative to the server's root."""

    number: int
    document: str
    title: str
    page: int
    page_name: str
    score: float
    text: str
    url: str | None


class Found(BaseModel):
    """What one search found; `best_score` is compared with `threshold`, on another scale than the
    sources' own scores."""

    query: str
    verdict: Verdict
    threshold: float
    best_score: float
    sources: list[FoundSource]

    model_config = {"json_schema_extra": {"examples": [_EXAMPLE]}}


def found(findings: Findings) -> Found:
    """`findings` as the doors for programs show them, scores to four places."""
    return Found(
        query=findings.query,
        verdict=findings.verdict,
        threshold=findings.threshold,
        best_score=round(findings.best_score, 4),
        sources=[found_source(source) for source in findings.sources],
    )


def found_source(source: Source) -> FoundSource:
    """`source` as the doors for programs show it."""
    return FoundSource.model_validate({"page_name": "", **source_as_json(source)})


def media_type(source: Source) -> str:
    """Of the document's file, by its name."""
    return _TYPES.guess_type(source.document)[0] or "application/octet-stream"
