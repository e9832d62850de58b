"""The panel of sources as HTML: one line and the best stretch of each, unfolding to the passage,
which opens its page. Knows what was found and cited, and no page or stream."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ..text import markdown, places
from ..text.editions import changes
from ..text.language import Span, marks
from ..text.redaction import unmasked
from ..types import Findings, Language, Quote, Source

_SPOKEN = {"en": ("in English", "tiếng Anh"), "vi": ("in Vietnamese", "tiếng Việt")}
EXCERPT = 220  # characters of a passage that are shown before it is unfolded
CHANGES = 3  # facts shown in which a source differs from an earlier edition of it


def title(findings: Findings, vi: bool) -> str:
    """What stands on the panel's head."""
    match findings.verdict:
        case "answer":
            said = "Nguồn" if vi else "Sources"
            if findings.overview and findings.overview.kind == "listing":
                said = "Tài liệu" if vi else "Documents"
        case "weak":
            said = "Nguồn, khớp yếu" if vi else "Sources, weak matches"
        case "refuse":
            said = "Gần nhất, nhưng chưa đủ" if vi else "Nearest, but not enough"
    return f"📚 {said} ({len(findings.sources)})"


def content(
    findings: Findings,
    vi: bool,
    *,
    rewritten: bool,
    cited: Mapping[int, Quote | None],
    complete: bool,
    fit: str = "",
) -> str:
    """The line on how well they `fit`, then the sources, those in `cited` marked, with what of them
    supports an answer's first sentence from there; once the text is `complete` they come first and
    the others are folded. Without blank lines, which would end Markdown's HTML block."""
    lines = []
    if fit:
        lines.append(_quiet(fit))
    if rewritten:
        lines.append(_quiet(f"{'Đã tìm' if vi else 'Searched for'}: {_line(findings.query)}"))
    query = None if findings.overview else unmasked(findings.query)

    def drawn(source: Source) -> str:
        differing, quote = _differing(source, findings, vi), cited.get(source.number)
        is_cited = source.number in cited
        return _source(source, query, findings.language, vi, differing, quote, cited=is_cited)

    first = [s for s in findings.sources if s.number in cited or not (complete and cited)]
    lines += map(drawn, first)
    if rest := [source for source in findings.sources if source not in first]:
        said = "Tìm thấy nhưng không được trích dẫn" if vi else "Found, but not cited"
        folded = "\n".join(map(drawn, rest))
        lines.append(
            f'<details class="headwater-uncited"><summary>{said} ({len(rest)})</summary>'
            f"{folded}</details>"
        )
    return "\n".join(lines)


def _quiet(escaped: str) -> str:
    return f'<div class="headwater-quiet">{escaped}</div>'


def _line(text: str) -> str:
    """`text` escaped, on one line, and read in its own direction."""
    return f"<bdi>{html.escape(markdown.line(text))}</bdi>"


def _differing(source: Source, findings: Findings, vi: bool) -> str:
    """The quiet line that says in what a source differs from the first that is nearly the same."""
    if findings.overview:
        return ""
    for earlier in findings.sources:
        if earlier.number >= source.number:
            break
        if differences := changes(earlier.text, source.text):
            shown = [f"{_line(a)} → {_line(b)}" for a, b in differences[:CHANGES]]
            more = ["…"] if len(differences) > CHANGES else []
            said = "khác" if vi else "differs from"
            return _quiet(f"{said} [{earlier.number}]: {', '.join(shown + more)}")
    return ""


@lru_cache(maxsize=1024)  # they are drawn again with each citation, of all answers at once
def _source(
    source: Source,
    query: str | None,
    asked: Language,
    vi: bool,
    differing: str,
    quote: Quote | None,
    *,
    cited: bool,
) -> str:
    """One source; with no `query` it is a place that nobody ranked. Its language is said where it
    is not that in which the question was `asked`. Folded it shows the `quote`, if there is one."""
    place = places.place(
        source.document, source.page, markdown.line(source.page_name), "vi" if vi else "en"
    )
    spoken = f" · {_SPOKEN[source.language][vi]}" if source.language not in (None, asked) else ""
    text = source.text
    spans = () if query is None else marks(unmasked(text), query)
    score = "" if query is None else f" · {source.score:.2f}"
    start, end = (quote.start, quote.end) if quote else _excerpt(text, spans)
    excerpt = "… " * (start > 0) + _marked(text, spans, start, end) + " …" * (end < len(text))
    passage = _marked(text, spans, 0, len(text))
    if quote:
        parts = (
            _marked(text, spans, *part) for part in ((0, start), (start, end), (end, len(text)))
        )
        passage = "{} <strong>{}</strong> {}".format(*parts)
    state = " headwater-cited" if cited else ""
    if address := source.address_of(quote):
        opens = f"Mở {place} ↗" if vi else f"Open {place} ↗"
        link = f'<a href="{html.escape(address)}">'
        passage = f"{link}{passage}</a> {link}{opens}</a>"
    return (
        f'<details class="headwater-source{state}"><summary>'
        f"<b>[{source.number}] {_line(source.title)}</b> "
        f"<span>{_line(source.document)} · {place}{spoken}{score}</span>"
        f'{differing}<div class="headwater-excerpt">{excerpt}</div></summary>'
        f"<p>{passage}</p></details>"
    )


def _excerpt(text: str, spans: Sequence[Span]) -> tuple[int, int]:
    """The stretch of a passage, cut at spaces, that has the most of the question's words."""
    if len(text) <= EXCERPT:
        return 0, len(text)
    starts = [0, *(max(0, start - 30) for start, _ in spans)]
    best = max(starts, key=lambda s: sum(s <= a and b <= s + EXCERPT for a, b in spans))
    start = text.find(" ", best) + 1 if best else 0
    end = text.rfind(" ", start, start + EXCERPT)
    return start, len(text) if start + EXCERPT >= len(text) or end <= start else end


def _marked(text: str, spans: Sequence[Span], start: int, end: int) -> str:
    """The stretch as escaped HTML on one line, the question's words marked."""
    pieces, at = [], start
    for a, b in spans:
        if start <= a and b <= end:
            pieces += [html.escape(text[at:a]), f"<mark>{html.escape(text[a:b])}</mark>"]
            at = b
    pieces.append(html.escape(text[at:end]))
    return f"<bdi>{' '.join(''.join(pieces).split())}</bdi>"
