"""The values that pass between modules: frozen, and without HTML, handles or clients in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlencode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Language = Literal["en", "vi"]
Form = Literal["en", "vi", "plain"]  # of a question; plain is Vietnamese typed without diacritics
Column = Literal["exact", "folded"]  # of the keyword index: with diacritics, or without
Vectors: TypeAlias = "NDArray[np.float32]"
Verdict = Literal["answer", "weak", "refuse"]
Outcome = Literal["confirmed", "unconfirmed", "unclear", "unchecked"]  # of a citation's check
# Why; "unclear": nobody can tell; "unchecked": the sentence claims nothing. The rest is what of the
# sentence the passage lacks or says otherwise.
Reason = Literal[
    "supported",
    "unclear",
    "unchecked",
    "number",
    "name",
    "negation",
    "absolute",
    "words",
    "meaning",
]
# The suffixes of files whose pages are pictures, and what a browser calls them.
PICTURES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
UPLOADS = "uploads"  # the folder of what was added at the page
OWN = "@own"  # the collection of a visitor's own documents
Redacted = Literal["email", "phone", "card", "key"]


def outcome(reason: Reason) -> Outcome:
    """What a check came to, by its reason."""
    match reason:
        case "supported":
            return "confirmed"
        case "unclear" | "unchecked":
            return reason
        case _:
            return "unconfirmed"


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence about Headwater itself for its reader, which is no error."""

    en: str
    vi: str


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a page's text, from `start` to `end`, that is one thing: code, or a table, whose
    first lines up to `head` say what the columns are (`start` if none do)."""

    start: int
    end: int
    head: int


@dataclass(frozen=True, slots=True)
class Heading:
    """The line of a page's text that begins at `start`; those of level 1 are the highest."""

    start: int
    level: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a document; numbers start at 1. Text formats have a single page. `blocks` and
    `headings` are those that the format tells of, in order; `name` is what its readers call it,
    where that is not its number: the sheet and its rows, the chapter (rag.text.places)."""

    number: int
    text: str
    blocks: tuple[Block, ...] = ()
    name: str = ""
    headings: tuple[Heading, ...] = ()


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said about a document that was read."""

    en: str
    vi: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a reader got out of one file, and what of it could not be read."""

    title: str
    pages: tuple[Page, ...]
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the library lists it. `folder` is the absolute folder it was read from, "" for
    the data folder; `name` its path inside that folder with forward slashes; `digest` the SHA-256
    of its bytes and of how they were read and cut."""

    folder: str
    name: str
    title: str
    digest: str
    pages: int
    pages_with_text: int
    chunks: int
    id: int = field(default=0, compare=False)  # in its library; 0 before it is in one

    @property
    def lacks_text(self) -> bool:
        return self.pages_with_text < self.pages


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of one page, as it is stored. `id` is never given twice; neighbours on a page have
    neighbouring ids. `page_name` is what its page is called, or the headings above it there."""

    id: int
    document_id: int
    document: str
    title: str
    page: int
    text: str
    language: Language = "en"
    page_name: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that was found for a question, under the number the answer cites it by.

    `score` is in 0..1 and comparable within one search only. `chunks` are the ids of those it is
    made of, in the order of the page. Without a `document_id` its page cannot be opened.
    `language` is that of the text, None where nobody asked. `shelf` is the address below which the
    document's pages are, "" for the library's.
    """

    number: int
    document: str
    title: str
    page: int
    score: float
    text: str
    document_id: int = 0
    chunks: tuple[int, ...] = ()
    language: Language | None = None
    page_name: str = ""
    shelf: str = ""

    @property
    def address(self) -> str | None:
        """Of its page with the passage marked (rag.documents), relative to the app's own; None if
        it cannot be opened."""
        return self.address_of(None)

    def address_of(self, quote: Quote | None) -> str | None:
        """The same with `quote` marked in the passage."""
        if not self.document_id:
            return None
        asked: list[tuple[str, int]] = [("chunk", chunk) for chunk in self.chunks]
        if quote:
            asked += [("from", quote.start), ("to", quote.end)]
        return (
            f"{self.shelf}documents/{self.document_id}/pages/{self.page}?{urlencode(asked)}#passage"
        )


@dataclass(frozen=True, slots=True)
class Quote:
    """The part of a source's text that supports a sentence: `text` from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Overview:
    """That a question is about the library itself, and how many `documents` there are to ask."""

    kind: Literal["listing", "summary", "comparison"]
    documents: int


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of one search: the ranked sources and whether they are enough to answer from.

    With an `overview` the sources are whole documents or places in them that nobody ranked.

    `best_score` is the evidence for an answer in 0..1, compared with `threshold`; it is on
    another scale than a source's `score`. `missing` are the identifiers (E-1043, Điều 12) that the
    query asks for, where no passage has any of them; `absent` are its words that stand in no
    document that is searched, where there are such in its language. `unread` documents were still
    to be read then.
    """

    query: str
    language: Language
    verdict: Verdict
    threshold: float
    best_score: float
    sources: tuple[Source, ...]
    overview: Overview | None = None
    missing: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the conversation and the answer it got."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose for one answer; None leaves it to the settings or to the model."""

    language: Language | None = None
    top_k: int | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    instructions: str = ""
    fresh: bool = False  # ask the model even if this answer was given before
    visitor: str = ""  # whose own documents are searched too; nobody's
    documents: bool = True  # False: ask the model alone, without any passage
    places: tuple[str, ...] = ()  # collections or documents by their names; none: all are searched
    parameters: Mapping[str, object] = field(default_factory=dict)  # more, as the wire names them

    @property
    def as_json(self) -> bool:
        """Whether the answer is to be JSON: then it has no citation markers."""
        match self.parameters.get("response_format"):
            case {"type": str(kind)}:
                return kind != "text"
            case _:
                return False


@dataclass(frozen=True, slots=True)
class Fit:
    """How many of the sources and of the earlier turns were sent to a model that takes no more."""

    sources: int
    of_sources: int
    turns: int
    of_turns: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the model's server counted them, or about as many as it would have. Of those of the
    output `thinking_tokens` were no part of the answer."""

    input_tokens: int
    output_tokens: int
    estimated: bool = False
    thinking_tokens: int = 0

    @property
    def visible_tokens(self) -> int:
        return self.output_tokens - self.thinking_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.estimated or other.estimated,
            self.thinking_tokens + other.thinking_tokens,
        )
