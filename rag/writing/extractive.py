"""Answers without a language model: quotes the sentences of the sources that fit the question best.

Knows the sources of one search and how well a sentence fits; knows no index.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence

import numpy as np

from .. import followup
from ..errors import QuestionError
from ..text import markdown, verdict
from ..text.language import words
from ..text.sentences import split_sentences
from ..types import Findings, Language, Options, Turn
from .outline import outlined
from .pieces import NOTHING, Brief, Ending, Piece, Relevance

MAX_SENTENCES = 3
# A further sentence must fit nearly as well as the best, and say something else.
NEARLY = 0.6
SAME = 0.6


class Quotes:
    """Writes the answers without a language model: the documents' own sentences."""

    name = None

    def check(self, options: Options) -> None:
        """Raises QuestionError for what only a model can do."""
        if options.as_json:
            raise QuestionError(
                "No model is configured, and only a model can answer in JSON.",
                "Chưa cấu hình mô hình, mà chỉ mô hình mới trả lời được bằng JSON.",
            )

    async def write(self, brief: Brief) -> AsyncGenerator[Piece]:
        """The quotes one by one. Raises QuestionError if there are to be no documents."""
        if brief.findings is None:
            raise QuestionError(
                "No model is configured, so only the documents can answer.",
                "Chưa cấu hình mô hình nên chỉ có thể trả lời từ tài liệu.",
            )
        findings, relevance = brief.findings, brief.relevance
        if findings.overview:
            for piece in outlined(findings, findings.overview, brief.language):
                yield piece
            yield Ending(findings.overview.kind)
            return
        if findings.verdict == "weak":
            yield verdict.said(findings, brief.language) + "\n\n"
        for sentence in await asyncio.to_thread(lambda: list(quote(findings, relevance))):
            yield sentence

    async def rewritten(
        self, question: str, turns: Sequence[Turn], language: Language, options: Options
    ) -> tuple[str, Ending]:
        """The follow-up joined with the words of the question that it leans on."""
        return followup.joined(question, followup.previous(turns)), NOTHING

    async def aclose(self) -> None:
        """Nothing is open."""


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


def _alike(a: str, b: str) -> bool:
    """Whether two sentences share most of their words (the shorter one's)."""
    one, other = set(words(a)), set(words(b))
    return len(one & other) >= SAME * max(1, min(len(one), len(other)))
