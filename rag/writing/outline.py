"""Writes what documents are, in their own words: the list of them, and what one has where. Pure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from ..text import markdown
from ..text.headings import headings
from ..text.sentences import split_sentences
from ..types import Findings, Language, Overview, Source
from .pieces import Brief, Ending, Piece

OPENING = 2  # sentences that are quoted of a document's beginning

_HOLDS: dict[Language, tuple[str, str]] = {
    "en": ("There is one document:", "There are {} documents:"),
    "vi": ("Có một tài liệu:", "Có {} tài liệu:"),
}
_MORE: dict[Language, str] = {
    "en": "… and {} more, which the list beside the chat names.",
    "vi": "… và {} tài liệu khác, có tên trong danh sách bên cạnh.",
}


async def listed(brief: Brief) -> AsyncGenerator[Piece]:
    """The list of documents, for which no model is asked."""
    if brief.findings and brief.findings.overview:
        for piece in outlined(brief.findings, brief.findings.overview, brief.language):
            yield piece
    yield Ending("listing")


def outlined(findings: Findings, overview: Overview, language: Language) -> Iterator[str]:
    """The text as Markdown, in pieces, each quoted sentence with its [n]."""
    if overview.kind == "listing":
        one, many = _HOLDS[language]
        yield one if overview.documents == 1 else many.format(overview.documents)
        for source in findings.sources:
            yield f"\n- **{_line(source.title)}** · {_line(source.document)} [{source.number}]"
        if more := overview.documents - len(findings.sources):
            yield "\n\n" + _MORE[language].format(more)
        return
    document = None
    for source in findings.sources:
        if source.document != document:
            yield "\n\n" if document else ""
            yield f"**{_line(source.title)}**\n"
            document = source.document
            sentences = split_sentences(_opening(source.text))[:OPENING]
            yield from (f"\n{markdown.escape(s)} [{source.number}]" for s in sentences)
            yield "\n"
        else:
            yield f"\n- {_section(source)} [{source.number}]"


def _opening(text: str) -> str:
    """`text` from where its sentences begin."""
    for start, end in headings(text):
        if not split_sentences(text[:start]):
            return text[end:]
    return text


def _section(source: Source) -> str:
    """Its heading and the first sentence under it."""
    heading, _, under = source.text.partition("\n")
    sentences = split_sentences(under)
    begins = f": {markdown.escape(sentences[0])}" if sentences else ""
    return f"**{_line(heading)}**{begins}"


def _line(text: str) -> str:
    return markdown.escape(markdown.line(text))
