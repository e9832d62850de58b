"""What the two tools of rag.doors.mcp_api take, and what an answer is there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from ..events import FinishReason
from ..question import MAX_QUESTION
from ..types import Outcome, Reason, Verdict
from .places import Collection, Documents
from .sources import FoundSource


class SearchArguments(BaseModel, extra="forbid"):
    query: str = Field(
        min_length=1,
        max_length=MAX_QUESTION,
        description="A question or key words, best in the language of the documents.",
    )
    top_k: int = Field(5, ge=1, le=20, description="How many passages.")
    collection: Collection = None
    documents: Documents = None


class AskArguments(BaseModel, extra="forbid"):
    question: str = Field(
        min_length=1, max_length=MAX_QUESTION, description="A question that stands alone."
    )
    language: Literal["auto", "en", "vi"] = Field(
        "auto", description="The language of the answer; auto is that of the question."
    )
    collection: Collection = None
    documents: Documents = None


class Citation(BaseModel):
    """A marker [n], `start` characters in, and what of its source says so (`quote`), if it does.
    "unclear" is what nobody could tell, "unchecked" what claims nothing."""

    number: int
    start: int
    supported: bool
    outcome: Outcome
    reason: Reason
    added: bool
    quote: Annotated[str | None, BeforeValidator(lambda quote: quote and quote.text)]


class Answer(BaseModel):
    """An answer, as Markdown with [n] citations, and its numbered sources. `outcome` is stop for a
    complete one, refused where the documents do not answer, small_talk for a greeting, listing for
    the list of documents, length or content_filter where the model's server cut it. `model` is null
    where none wrote it."""

    answer: str
    outcome: FinishReason
    verdict: Verdict | None
    sources: list[FoundSource]
    citations: list[Citation]
    model: str | None
    cached: bool
    request_id: str
