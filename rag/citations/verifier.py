"""Checks the citations in a stream of text while it passes. Knows the sources of one turn and a way
to judge a sentence; knows no index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from ..events import CitationChecked, Thinking
from ..text.language import stems, subject, words
from ..types import Source
from .claims import claims_nothing
from .parser import Citations, Cited, Found, Uncited
from .support import Support

T = TypeVar("T")
# The share of a sentence's words that a quote must have for its source to be added. The check alone
# says too little there: nobody has said that the sentence comes from this source.
REPEATED = 0.7
CLAIMED = 3  # words with a subject; “That is all of it.” has none and claims nothing
Judge = Callable[[str, Sequence[Source]], Sequence[Support]]


class Verifier:
    """The citations of one turn. `dropped` counts those that were removed, having no source;
    `uncited` the sentences that claim something and cite nothing, and got no source."""

    def __init__(self, sources: Sequence[Source], judge: Judge, *, adding: bool = False) -> None:
        """`judge(sentence, sources)` gives one judgement a source; it is called on a thread. With
        `adding` a sentence that cites nothing gets the source that supports it."""
        self.uncited = 0
        self._adding = adding and bool(sources)
        self._sources = {source.number: source for source in sources}
        self._citations = Citations(self._sources)
        self._judge = judge

    @property
    def dropped(self) -> int:
        return self._citations.dropped

    async def stream(
        self, pieces: AsyncGenerator[str | T]
    ) -> AsyncGenerator[str | T | CitationChecked]:
        """The pieces, every marker in their text as [n] and followed by what its check found.

        What is no text passes in its place and ends what is held (thinking does not), as the end
        does, or an error of `pieces`, which is raised after it. `pieces` is closed with this.
        """
        async with aclosing(pieces):
            try:
                async for piece in pieces:
                    if isinstance(piece, str):
                        for found in self._citations.feed(piece):
                            for shown in await self._checked(found):
                                yield shown
                        continue
                    if isinstance(piece, Thinking):  # it may come in the middle of a sentence
                        if piece.so_far:
                            self._citations, self.uncited = Citations(self._sources), 0
                        yield piece
                        continue
                    for found in self._citations.end():
                        for shown in await self._checked(found):
                            yield shown
                    yield piece
            except Exception:  # not a cancellation: nobody would read the rest
                for found in self._citations.end():
                    for shown in await self._checked(found):
                        yield shown
                raise
            for found in self._citations.end():
                for shown in await self._checked(found):
                    yield shown

    async def _checked(self, found: str | Found) -> Sequence[str | CitationChecked]:
        if isinstance(found, str):
            return (found,)
        if isinstance(found, Uncited):
            return await self._added(found) if self._adding else ()
        start, checks = found.start, []
        for number, support in zip(found.numbers, await self._judged(found), strict=True):
            checks.append(
                CitationChecked(number, start, support.supported, support.reason, support.quote)
            )
            start += len(f"[{number}]")
        return checks

    async def _added(self, found: Uncited) -> Sequence[CitationChecked]:
        if len(subject(found.sentence)) < CLAIMED:
            return ()
        if claims_nothing(found.sentence):
            return ()
        sources = [
            source
            for source in self._sources.values()
            if _held(found.sentence, source.text) >= REPEATED
        ]
        each = await asyncio.to_thread(self._judge, found.sentence, sources) if sources else ()
        for source, support in zip(sources, each, strict=True):
            quote = support.quote
            if (
                support.outcome == "confirmed"
                and quote
                and _held(found.sentence, quote.text) >= REPEATED
            ):
                return (
                    CitationChecked(source.number, found.end, True, support.reason, quote, True),
                )
        self.uncited += 1
        return ()

    async def _judged(self, cited: Cited) -> Sequence[Support]:
        """One judgement for each number."""
        if not cited.sentence:
            return [Support(True, "unchecked", 0.0, 0.0)] * len(cited.numbers)
        sources = [self._sources[number] for number in cited.numbers]
        return await asyncio.to_thread(self._judge, cited.sentence, sources)


def _held(sentence: str, text: str) -> float:
    """The share of the words of `sentence` that `text` has; in 0..1."""
    says, said = stems(subject(sentence)), set(stems(words(text)))
    return sum(word in said for word in says) / max(len(says), 1)
