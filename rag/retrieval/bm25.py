"""BM25 over the words of a text and over pairs of neighbouring words. Pure: knows no index."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..text.identifiers import Identifier
from ..text.language import folded, stems, words
from ..types import Column, Form, Language

# BM25 as Lucene computes it, with its defaults.
K1, B = 1.2, 0.75
# Each library is thought into a collection of so many chunks of other subjects, in which a word of
# the question stands as often as words of its kind do. Else a library of one paragraph, whose words
# all stand in all of its chunks, would find every word of a question common, and one that it lacks
# rare: the more of a question a passage had, the less that would say.
BACKGROUND = 100
COMMON, RARE = 0.5, 0.003  # share of the chunks that have a stop word, and another
INFLECTED = 0.95  # what another form of a word counts beside the word itself

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Query:
    """A question prepared for scoring by its words: the idf of its terms in one index.

    Terms and `keywords` are stems; `forms` are the words of the question that each stem stands for.
    `absent` are the words that carry its subject and stand in no chunk, as they are written.
    """

    text: str
    language: Language
    column: Column
    idf: Mapping[str, float]
    keywords: frozenset[str]
    forms: Mapping[str, frozenset[str]]
    identifiers: tuple[Identifier, ...]
    about: bool  # whether any word of it carries a subject
    chunks: int  # how many are searched
    average_terms: float
    absent: tuple[str, ...] = ()

    @property
    def weights(self) -> Mapping[str, float]:
        """The idf of the words, as they stand in the question."""
        return {word: self.idf[term] for term, forms in self.forms.items() for word in forms}

    @property
    def form(self) -> Form:
        """How it is written, by which its profile is chosen."""
        return "plain" if self.language == "vi" and self.column == "folded" else self.language

    def count(self, text: str) -> tuple[Mapping[str, float], int]:
        """How often each of this query's terms stands in `text`, a little less where only another
        form of the word does, and how many terms `text` has."""
        places, forms, words_in_text = _places(text, self.column)
        counts: dict[str, float] = {}
        for term in self.idf:
            first, _, second = term.partition("_")
            found: Collection[int] = places.get(first, ())
            if second and found:  # a pair of words
                after = places.get(second, ())
                found = [place for place in found if place + 1 in after]
            if found:
                same = second or not forms.isdisjoint(self.forms[term])
                counts[term] = len(found) if same else len(found) * INFLECTED
        return counts, max(2 * words_in_text - 1, 0)

    def rare_terms(self) -> list[str]:
        """The keywords, and the pairs of words that have one: what candidates are searched by."""
        return [t for t in self.idf if not self.keywords.isdisjoint(t.split("_"))]

    def identifying_terms(self) -> list[str]:
        """Of the identifiers in the question: what candidates are searched by before all others."""
        return [term for identifier in self.identifiers for term in identifier.terms]


def keyword_scores(query: Query, texts: Sequence[str]) -> tuple[Scores, Scores, Scores]:
    """BM25 of each text over all terms of the query, and over its keywords alone, each divided by
    the most that any text could reach; and the share of the keywords' idf that it has, however
    often. All in 0..1 and of shape (len(texts),)."""
    keyword, subject, covered = np.zeros((3, len(texts)))
    for i, text in enumerate(texts):
        counts, terms_in_text = query.count(text)
        length = K1 * (1 - B + B * terms_in_text / max(query.average_terms, 1.0))
        for term, count in counts.items():
            gain = query.idf[term] * count * (K1 + 1) / (count + length)
            keyword[i] += gain
            if term in query.keywords:
                subject[i] += gain
                covered[i] += query.idf[term]
    most = sum(query.idf.values()) * (K1 + 1) or 1.0
    weight = sum(query.idf[t] for t in query.keywords) or 1.0
    return keyword / most, subject / (weight * (K1 + 1)), covered / weight


def idf(chunks: int, chunks_with: float, share: float) -> float:
    """What a term weighs that stands in so many of the chunks, and in that `share` of those of the
    imaginary background (Lucene's)."""
    chunks, having = chunks + BACKGROUND, chunks_with + BACKGROUND * share
    return math.log(1 + (chunks - having + 0.5) / (having + 0.5))


@lru_cache(maxsize=1024)  # the same passages are candidates again and again
def _places(text: str, column: Column) -> tuple[Mapping[str, tuple[int, ...]], frozenset[str], int]:
    """Where the words with each stem stand, all words, and how many there are."""
    cut = words(text)
    if column == "folded":
        cut = folded(cut)
    places: dict[str, list[int]] = {}
    for place, term in enumerate(stems(cut)):
        places.setdefault(term, []).append(place)
    return {term: tuple(at) for term, at in places.items()}, frozenset(cut), len(cut)
