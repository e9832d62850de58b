"""Questions about the library itself: which documents it has, what one says in short, how two
compare. They are answered from the list, and from the documents' openings and headings.

Knows no vector and no model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal, NamedTuple

from ..store.library import Library
from ..store.schema import as_place, places_of
from ..text.headings import headings
from ..text.language import STOP_WORDS, detect, fold, words
from ..text.sentences import split_sentences
from ..types import Chunk, Document, Findings, Overview, Source

LISTED = 20  # documents that a list names
SECTIONS = 8  # places of a document that is summarised, half as many of one that is compared

# As `_plain` writes a question: folded words with single spaces, no punctuation.
_FILES = "(?:documents?|files?|docs|sources|papers)"
_TEP = "(?:tai lieu|file|tep|van ban|nguon)"
_HERE = (
    "(?: (?:here|in here|there|in|inside|of|from|this|the|your|my|our|library|folder|data|now"
    "|collection|available|indexed|loaded|currently))*"
)
_DAY = "(?: (?:o|day|trong|thu vien|thu muc|kho|he thong|nay|hien|gio|vay|the|a|ah|nhi|khong|roi))*"
_LISTING = re.compile(
    rf"(?:(?:what|which) {_FILES} (?:do (?:you|we|i) have|have you got|have you|are there|are"
    rf"|can you (?:search|read|use|see)|do you (?:know|search|use)|is){_HERE}"
    rf"|(?:list|show|name)(?: me)?(?: all)?(?: of)?(?: the| your| my| our)? {_FILES}"
    rf"(?: (?:that )?(?:you have|there are))?{_HERE}"
    rf"|how many {_FILES} (?:do (?:you|we|i) have|are there){_HERE}"
    rf"|what (?:can|could|may) i ask(?: you)?(?: about)?{_HERE}|what do you know(?: about)?"
    r"|what is in (?:the|your|my|this) (?:library|folder|collection|data folder)"
    rf"|(?:(?:ban|em|he thong|thu vien|o day|trong thu vien|hien|dang|hien tai) )*"
    rf"(?:co|gom|biet|doc duoc) (?:bao nhieu |nhung |cac )?{_TEP}(?: (?:nao|gi))?{_DAY}"
    rf"|(?:liet ke|danh sach|cho (?:toi|minh|em) (?:xem|biet))"
    rf"(?: (?:toan bo|tat ca|danh sach|cac|nhung|ca))* {_TEP}"
    rf"(?: (?:nao|gi|ban|dang|co|da nap))*{_DAY}"
    rf"|(?:nhung |cac )?{_TEP} nao (?:dang )?co{_DAY}"
    r"|(?:toi|minh|em)(?: co the)? hoi(?: ban)?(?: ve)?(?: nhung| cai)? gi"
    r")"
)
_SUMMARY = re.compile(
    r"(?:summari[sz]e|sum up|(?:(?:give|write)(?: me)? )?(?:a |an |the )?(?:short |brief )?"
    r"(?:summary|overview|outline) of) (?P<a>.+)"
    r"|what (?:is|does) (?P<b>.+?) (?:about|cover|say in short)"
    r"|(?:hay )?tom (?:tat|luoc)(?: lai)?(?: (?:noi dung|y chinh))?(?: cua| ve)? (?P<c>.+)"
    r"|(?P<d>.+?) (?:noi|viet) ve (?:cai |dieu |nhung |van de )?gi"
    r"|noi dung(?: chinh)? cua (?P<e>.+?)(?: la gi)?"
)
_COMPARISON = re.compile(
    r"compare (?P<a>.+?) (?:and|with|to|against) (?P<b>.+)"
    r"|(?:what is |what are )?(?:the )?differences? between (?P<c>.+?) and (?P<d>.+)"
    r"|(?:hay )?so sanh (?P<e>.+?) (?:va|voi) (?P<f>.+)"
    r"|(?P<g>.+?) (?:va|voi) (?P<h>.+?) khac (?:nhau|gi)(?: (?:the nao|ra sao|o dau|cho nao))?"
)
# What names no document: "the caching chapter" is Caching.
_NAMES_NOTHING = STOP_WORDS | set(
    """document documents file files chapter report paper page pdf md txt html text article two
    tai lieu tep chuong bai van ban noi dung muc phan hai""".split()
)


class Wanted(NamedTuple):
    """What a question wants to know of the library, and of which of its documents."""

    kind: Literal["listing", "summary", "comparison"]
    documents: Sequence[Document]


def overview(library: Library, question: str, places: Sequence[str]) -> Findings | None:
    """What answers a question about the documents of `library`, or of the collections and the
    documents of these names in it, as such; None for a question about what they say. Raises
    StoreError."""
    names = set(map(as_place, places))
    documents = [
        document
        for document in library.documents()
        if document.chunks and (not names or names & places_of(document.folder, document.name))
    ]
    asked = wanted(question, documents)
    if asked is None:
        return None
    openings: list[tuple[Chunk, str]] = []
    for document in asked.documents[:LISTED]:
        whole = asked.kind != "listing"
        chunks = library.opening(document.folder, document.name, None if whole else 1)
        count = {"listing": 1, "summary": SECTIONS, "comparison": SECTIONS // 2}[asked.kind]
        openings += outline(chunks, count)
    return Findings(
        query=question,
        language=detect(question),
        verdict="answer",
        threshold=0.0,
        best_score=1.0,
        sources=tuple(
            Source(
                *(number, chunk.document, chunk.title, chunk.page, 1.0, text),
                document_id=chunk.document_id,
                chunks=(chunk.id,),
                page_name=chunk.page_name,
            )
            for number, (chunk, text) in enumerate(openings, start=1)
        ),
        overview=Overview(asked.kind, len(documents)),
    )


def wanted(question: str, documents: Sequence[Document]) -> Wanted | None:
    """What `question` asks about `documents` themselves; None for a question about what they say,
    also where it names a document that is not there."""
    plain = _plain(question)
    if _LISTING.fullmatch(plain):
        return Wanted("listing", documents)
    if match := _COMPARISON.fullmatch(plain):
        pair = [_named(name, documents) for name in match.groups() if name]
        if None not in pair and pair[0] != pair[1]:
            return Wanted("comparison", [document for document in pair if document])
    if match := _SUMMARY.fullmatch(plain):
        (name,) = (name for name in match.groups() if name)
        if document := _named(name, documents):
            return Wanted("summary", [document])
    return None


def outline(chunks: Sequence[Chunk], count: int) -> list[tuple[Chunk, str]]:
    """At most `count` places of one document, in its order: its opening and, at even distances, its
    headings with what stands under them; each with the part of the chunk that begins there."""
    sections: dict[str, tuple[Chunk, str]] = {}
    for chunk in chunks[:1]:
        sections[""] = (chunk, chunk.text)
    for chunk in chunks:
        for start, end in headings(chunk.text):
            if chunk is chunks[0] and not split_sentences(chunk.text[:start]):
                continue  # of the opening
            # One at a chunk's end is repeated at the head of the next.
            if chunk.text[end:].strip():
                sections.setdefault(chunk.text[start:end], (chunk, chunk.text[start:]))
    places = list(sections.values())
    if len(places) <= count:
        return places
    return [places[round(i * (len(places) - 1) / max(count - 1, 1))] for i in range(count)]


def _plain(text: str) -> str:
    return " ".join(words(fold(text)))


def _named(name: str, documents: Sequence[Document]) -> Document | None:
    """The one document that has all the words of `name` in its title or its file's name."""
    naming = {word for word in name.split() if word not in _NAMES_NOTHING}
    if not naming:
        return documents[0] if len(documents) == 1 else None
    fits: list[tuple[float, Document]] = []
    for document in documents:
        stem = PurePath(document.name).stem.replace("_", " ")
        for own in (_plain(document.title).split(), _plain(stem).split()):
            if naming <= set(own):
                fits.append((len(naming) / len(set(own) - _NAMES_NOTHING or {""}), document))
    fits.sort(key=lambda fit: -fit[0])
    if len({document.name for share, document in fits if share == fits[0][0]}) != 1:
        return None  # none, or several alike
    return fits[0][1]
