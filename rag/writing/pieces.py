"""What a writer is given for one answer, and the pieces that it gives. Pure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..events import Finished, FinishReason, Queued, Thinking
from ..types import Findings, Fit, Language, Options, Source, Turn, Usage

# How well each text fits a question, shape (len(texts),).
Relevance = Callable[[str, Sequence[str]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the model stopped (`stop`, `length`, `content_filter`, or what the server says) or why
    none was asked (`refused`, `listing`), what was counted, and its price in US dollars where that
    is known. A `cached` one cost nothing. `fit` and `cut_at` are those of
    Finished."""

    reason: str
    usage: Usage | None = None
    price: float | None = None
    cached: bool = False
    fit: Fit | None = None
    cut_at: int | None = None

    @property
    def unasked(self) -> bool:
        """Whether the words are our own."""
        return self.reason in ("refused", "listing")

    @property
    def finish_reason(self) -> FinishReason:
        """The reason as an answer gives it."""
        match self.reason:
            case "stop" | "length" | "content_filter" | "tool_calls" | "refused" | "listing":
                return self.reason
            case _:
                return "other"

    def finished(
        self,
        rewriting: Ending,
        *,
        model: str | None,
        search_seconds: float | None,
        first_token_seconds: float | None,
        total_seconds: float,
        request_id: str,
        dropped: int,
        uncited: int,
    ) -> Finished:
        """The event that tells it, with what the `rewriting` of a follow-up took. The price is the
        sum of those that are known."""
        prices = [each.price for each in (self, rewriting) if each.price is not None]
        reason = self.finish_reason
        return Finished(
            reason=reason,
            model=None if self.unasked else model,
            usage=self.usage,
            price=sum(prices) if prices else None,
            cached=self.cached,
            search_seconds=search_seconds,
            first_token_seconds=first_token_seconds,
            total_seconds=total_seconds,
            request_id=request_id,
            dropped=dropped,
            uncited=uncited,
            rewriting=rewriting.usage,
            word=self.reason if reason == "other" else "",
            fit=self.fit,
            cut_at=self.cut_at,
        )


NOTHING = Ending("stop")


@dataclass(frozen=True, slots=True)
class Declined:
    """The model will not answer; the text after this says so."""


Piece = str | Queued | Thinking | Declined | Ending


@dataclass(frozen=True, slots=True)
class Brief:
    """What is to be answered, and from what. `findings` are None if the user wishes no documents;
    `edition` names what the library holds."""

    question: str
    language: Language  # of the answer
    turns: Sequence[Turn]
    options: Options
    findings: Findings | None
    relevance: Relevance
    edition: str

    @property
    def sources(self) -> Sequence[Source]:
        """What the answer may cite; nothing, where it is a refusal."""
        refused = self.findings is None or self.findings.verdict == "refuse"
        return () if refused or self.findings is None else self.findings.sources


class Author(Protocol):
    """Who writes the answers: a model (rag.writing.writer) or the documents themselves, quoted
    (rag.writing.extractive)."""

    @property
    def name(self) -> str | None:
        """The model's; None if there is none."""

    def check(self, options: Options) -> None:
        """Raises QuestionError if these options cannot be met."""

    def write(self, brief: Brief) -> AsyncGenerator[Piece]:
        """The text in pieces, among them the places in line, and at most one Ending, the last."""

    async def rewritten(
        self, question: str, turns: Sequence[Turn], language: Language, options: Options
    ) -> tuple[str, Ending]:
        """A follow-up as a query that stands alone, and what it took to make it."""

    async def aclose(self) -> None:
        """Closes what is open."""
