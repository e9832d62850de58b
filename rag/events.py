"""What an answer is made of: a closed union of events, in the order of one turn.

Every door (page, terminal, HTTP) translates these and has no logic of its own. `SourcesFound`
comes before the first `TextDelta`; `Started` is the first of every stream, and exactly one
`Finished` or `Failed` the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, assert_never

from .errors import HeadwaterError
from .types import Findings, Fit, Language, Outcome, Quote, Reason, Source, Usage, outcome

# Of a model's answer the first five; "other": for a reason that only its server knows.
FinishReason = Literal[
    "stop",
    "length",
    "content_filter",
    "tool_calls",
    "other",
    "refused",
    "small_talk",
    "listing",
]


@dataclass(frozen=True, slots=True)
class Started:
    """The question has come. `language` is that of the answer and of every sentence about it."""

    language: Language
    request_id: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The library is still being opened or read: `done` of `total` documents (0 of 0: not known
    yet); `detail` names what is being read."""

    done: int
    total: int
    detail: str


@dataclass(frozen=True, slots=True)
class Queued:
    """Others are answered first: `place` in line, 1 is next. Before the search it is the line for
    an answer, after it the line for the model's budget."""

    place: int


@dataclass(frozen=True, slots=True)
class Searching:
    """The query that is really searched."""

    query: str


@dataclass(frozen=True, slots=True)
class SourcesFound:
    """The numbered sources and the verdict; the numbers do not change during the turn. `rewritten`
    says that `findings.query` is not the question as it was asked."""

    findings: Findings
    rewritten: bool = False


@dataclass(frozen=True, slots=True)
class WithoutDocuments:
    """In place of sources: what follows is the model's own knowledge, as the user wished."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """New text only, as Markdown; whoever displays it accumulates. A `refusal` says why there is no
    answer, in our words or the model's."""

    text: str
    refusal: bool = False


@dataclass(frozen=True, slots=True)
class Thinking:
    """New text only, of what the model thinks before it answers: no part of the answer. With
    `so_far` all text that came before was thinking, too, and so were its citations: the model had
    not said so."""

    text: str = ""
    so_far: bool = False


@dataclass(frozen=True, slots=True)
class CitationChecked:
    """A marker [`number`] that was recognised in the text, `start` characters from its beginning,
    and whether that source supports the sentence it closes; `reason` is that of
    rag.citations.support, `quote` what of the source says so, if it stands in one place.
    `supported` is False only of what is not confirmed; `outcome` tells apart what passed. One that
    was `added` is not in the text: the sentence that ends at `start` cites nothing, and the check
    found this source for it."""

    number: int
    start: int
    supported: bool
    reason: Reason
    quote: Quote | None = None
    added: bool = False

    @property
    def outcome(self) -> Outcome:
        return outcome(self.reason)


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete. `model` is None when no model wrote it, `price` (US dollars) when it
    is not known; a `cached` answer was written for an earlier or a simultaneous question and cost
    nothing. `search_seconds` is the search alone, None when there was none; the other two count
    from the question, and `first_token_seconds` is None when no text came. `dropped` citations were
    removed from the text because no source has their number; `uncited` sentences claim something
    and cite nothing, and none was added. `rewriting` is what the model took to
    rewrite a follow-up; it is in the price and not in `usage`. `word` is what the model's server
    calls a reason that is none of ours. `fit` says what was sent where not all fitted, `cut_at`
    at how many tokens the server has probably cut what was."""

    reason: FinishReason
    model: str | None
    usage: Usage | None
    price: float | None
    cached: bool
    search_seconds: float | None
    first_token_seconds: float | None
    total_seconds: float
    request_id: str
    dropped: int = 0
    uncited: int = 0
    rewriting: Usage | None = None
    word: str = ""
    fit: Fit | None = None
    cut_at: int | None = None

    @property
    def tokens_per_second(self) -> float | None:
        """How fast the text came once it had begun; None where nothing was counted or streamed."""
        if self.usage is None or self.first_token_seconds is None or self.cached:
            return None
        seconds = self.total_seconds - self.first_token_seconds
        return self.usage.visible_tokens / seconds if seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer ended early; the text so far stays. `sentence` may be shown to the user, and under
    it `detail`: what the model's server itself says. `retry_after` is in seconds."""

    code: str
    retryable: bool
    sentence: str
    request_id: str
    retry_after: int | None = None
    detail: str = ""


def failed(error: HeadwaterError, language: Language, request_id: str) -> Failed:
    """The event that tells of an error."""
    sentence, code, after = error.sentence(language), error.code, error.retry_after
    return Failed(code, error.retryable, sentence, request_id, after, error.detail)


Event = (
    Started
    | Queued
    | Waiting
    | Searching
    | SourcesFound
    | WithoutDocuments
    | Thinking
    | TextDelta
    | CitationChecked
    | Finished
    | Failed
)


def settled(events: Sequence[Event]) -> list[Event]:
    """The events without the text, and its citations, that turned out to be thinking."""
    left: list[Event] = []
    for event in events:
        if isinstance(event, Thinking) and event.so_far:
            left = [e for e in left if not isinstance(e, TextDelta | CitationChecked)]
        left.append(event)
    return left


def as_json(event: Event) -> dict[str, object]:
    """The event as plain JSON values, its kind under "event" in snake case."""
    match event:
        case Started(language, request_id):
            return {"event": "started", "language": language, "request_id": request_id}
        case Queued(place):
            return {"event": "queued", "place": place}
        case Waiting(done, total, detail):
            return {"event": "waiting", "done": done, "total": total, "detail": detail}
        case Searching(query):
            return {"event": "searching", "query": query}
        case SourcesFound(findings, rewritten):
            return {
                "event": "sources_found",
                "rewritten": rewritten,
                **findings_as_json(findings),
            }
        case WithoutDocuments():
            return {"event": "without_documents"}
        case CitationChecked(number, start, supported, reason, quote):
            return {
                "event": "citation_checked",
                "number": number,
                "start": start,
                "supported": supported,
                "outcome": event.outcome,
                "reason": reason,
                "quote": quote_as_json(quote),
                "added": event.added,
            }
        case Thinking(text, so_far):
            return {"event": "thinking", "text": text, "so_far": so_far}
        case TextDelta(text, refusal):
            return {"event": "text_delta", "text": text, "refusal": refusal}
        case Finished(usage=usage, first_token_seconds=first_token):
            return {
                "event": "finished",
                "reason": event.reason,
                **({"word": event.word} if event.word else {}),
                "model": event.model,
                "usage": usage_as_json(usage),
                "rewriting": usage_as_json(event.rewriting),
                "price": event.price,
                "cached": event.cached,
                "search_seconds": event.search_seconds and round(event.search_seconds, 4),
                "first_token_seconds": first_token and round(first_token, 4),
                "total_seconds": round(event.total_seconds, 4),
                "request_id": event.request_id,
                "dropped_citations": event.dropped,
                "uncited_sentences": event.uncited,
                **({"fit": asdict(event.fit)} if event.fit else {}),
                **({"cut_at": event.cut_at} if event.cut_at else {}),
            }
        case Failed(code, retryable, sentence, request_id):
            return {
                "event": "failed",
                "code": code,
                "retryable": retryable,
                "sentence": sentence,
                **({"detail": event.detail} if event.detail else {}),
                "request_id": request_id,
            }
        case _:
            assert_never(event)


def usage_as_json(usage: Usage | None) -> dict[str, object] | None:
    """Tokens as plain JSON values."""
    if usage is None:
        return None
    return {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "thinking": usage.thinking_tokens,
        "estimated": usage.estimated,
    }


def quote_as_json(quote: Quote | None) -> dict[str, object] | None:
    """The place and the words as plain JSON values."""
    if quote is None:
        return None
    return {"start": quote.start, "end": quote.end, "text": quote.text}


def findings_as_json(findings: Findings) -> dict[str, object]:
    """The object that `python -m rag search --json` prints."""
    return {
        "query": findings.query,
        "verdict": findings.verdict,
        "threshold": findings.threshold,
        "best_score": round(findings.best_score, 4),
        "absent": list(findings.absent),
        "sources": [
            {key: value for key, value in source_as_json(s).items() if key not in ("title", "url")}
            for s in findings.sources
        ],
    }


def source_as_json(source: Source) -> dict[str, object]:
    """A source as plain JSON values; `url` is its page with the passage marked, relative to the
    server's root, None where that cannot be opened."""
    return {
        "number": source.number,
        "document": source.document,
        "title": source.title,
        "page": source.page,
        **({"page_name": source.page_name} if source.page_name else {}),
        "score": round(source.score, 4),
        "text": source.text,
        "url": source.address,
    }
