"""BM25 over the words of a text and over pairs of neighbouring words. Pure: knows no index."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..text.language import folded, words
from ..types import Column, Language

# BM25 as Lucene computes it, with its defaults.
K1, B = 1.2, 0.75

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Query:
    """A question prepared for scoring by its words: the idf of its terms in one index."""

    text: str
    language: Language
    column: Column
    idf: Mapping[str, float]
    keywords: frozenset[str]
    average_terms: float

    def count(self, text: str) -> tuple[Mapping[str, int], int]:
        """How often each of this query's terms stands in `text`, and how many terms `text` has."""
        places, words_in_text = _places(text, self.column)
        counts = {}
        for term in self.idf:
            first, _, second = term.partition("_")
            found: Collection[int] = places.get(first, ())
            if second and found:  # a pair of words
                after = places.get(second, ())
                found = [place for place in found if place + 1 in after]
            if found:
                counts[term] = len(found)
        return counts, max(2 * words_in_text - 1, 0)

    def rare_terms(self) -> list[str]:
        """The keywords, and the pairs of words that have one: what candidates are searched by."""
        return [t for t in self.idf if not self.keywords.isdisjoint(t.split("_"))]


def keyword_scores(query: Query, texts: Sequence[str]) -> tuple[Scores, Scores]:
    """BM25 of each text over all terms of the query, and over its keywords alone, each divided by
    the most that any text could reach; both in 0..1 and of shape (len(texts),)."""
    keyword, subject = np.zeros(len(texts)), np.zeros(len(texts))
    for i, text in enumerate(texts):
        counts, terms_in_text = query.count(text)
        length = K1 * (1 - B + B * terms_in_text / max(query.average_terms, 1.0))
        for term, count in counts.items():
            gain = query.idf[term] * count * (K1 + 1) / (count + length)
            keyword[i] += gain
            if term in query.keywords:
                subject[i] += gain
    most = sum(query.idf.values()) * (K1 + 1) or 1.0
    most_subject = sum(query.idf[t] for t in query.keywords) * (K1 + 1) or 1.0
    return keyword / most, subject / most_subject


def idf(chunks: int, chunks_with: int) -> float:
    """What a term weighs that stands in so many of the chunks (Lucene's)."""
    return math.log(1 + (chunks - chunks_with + 0.5) / (chunks_with + 0.5))


@lru_cache(maxsize=1024)  # the same passages are candidates again and again
def _places(text: str, column: Column) -> tuple[Mapping[str, tuple[int, ...]], int]:
    """Where each word stands, and how many there are."""
    cut = words(text)
    places: dict[str, list[int]] = {}
    for place, word in enumerate(folded(cut) if column == "folded" else cut):
        places.setdefault(word, []).append(place)
    return {word: tuple(at) for word, at in places.items()}, len(cut)
