"""Answers without a language model: quotes the sentences of the sources that fit the question best.

Knows the sources of one search and how well a sentence fits; knows no index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..text import markdown
from ..text.language import words
from ..types import Findings

MAX_SENTENCES = 3
# Shorter ones say nothing alone, longer ones are not sentences.
SENTENCE_LENGTHS = range(25, 500)
# A further sentence must fit nearly as well as the best, and say something else.
NEARLY = 0.6
SAME = 0.6

_BETWEEN = re.compile(r"(?<=[.!?…])\s+(?=[^\W_a-z]|[\"“'(\[`-])|\n\s*\n|\n(?=[-•*] )")
_WHOLE = re.compile(r"[.!?…][\"”’)\]]*$")
Relevance = Callable[[str, Sequence[str]], NDArray[np.float64]]


def quote(findings: Findings, relevance: Relevance) -> Iterator[str]:
    """The answer as Markdown, one quoted sentence with its [n] at a time, the best first.

    `relevance(question, sentences)` gives each sentence's fit, shape (len(sentences),).
    """
    sentences = [
        (source.number, sentence)
        for source in findings.sources
        for sentence in split_sentences(source.text)
    ]
    if not sentences:  # a source without one whole sentence: a table, a list of terms
        sentences = [(s.number, " ".join(s.text.split())) for s in findings.sources]
    fit = relevance(findings.query, [sentence for _, sentence in sentences])
    source_scores = {s.number: s.score for s in findings.sources}
    best_source = max(source_scores.values()) or 1.0
    fit = fit + 0.3 * np.array([source_scores[number] / best_source for number, _ in sentences])

    chosen: list[int] = []
    for i in np.argsort(-fit, kind="stable"):
        if len(chosen) == MAX_SENTENCES or (chosen and fit[i] < NEARLY * fit[chosen[0]]):
            break
        if not any(_alike(sentences[i][1], sentences[j][1]) for j in chosen):
            chosen.append(int(i))
    for position, i in enumerate(chosen):
        number, sentence = sentences[i]
        yield ("\n\n" if position else "") + f"{markdown.escape(sentence)} [{number}]"


def split_sentences(text: str) -> list[str]:
    """The sentences of `text` that can stand alone, in order, their white space made single."""
    parts = (" ".join(part.split()).lstrip("-•* ") for part in _BETWEEN.split(text))
    return [part for part in parts if len(part) in SENTENCE_LENGTHS and _WHOLE.search(part)]


def _alike(a: str, b: str) -> bool:
    """Whether two sentences share most of their words (the shorter one's)."""
    one, other = set(words(a)), set(words(b))
    return len(one & other) >= SAME * max(1, min(len(one), len(other)))
