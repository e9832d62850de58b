"""Checks the citations in a stream of text while it passes. Knows the sources of one turn and a way
to judge a sentence; knows no index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

from .citations import Citations, Cited
from .events import CitationChecked
from .support import Support
from .types import Source

T = TypeVar("T")
Judge = Callable[[str, Source], Support]


class Verifier:
    """The citations of one turn. `dropped` counts those that were removed, having no source."""

    def __init__(self, sources: Sequence[Source], judge: Judge) -> None:
        """`judge(sentence, source)` may compute; it is called on a thread."""
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

        What is no text passes in its place and ends what is held, as the end does, or an error of
        `pieces`, which is raised after it. `pieces` is closed with this.
        """
        async with aclosing(pieces):
            try:
                async for piece in pieces:
                    if isinstance(piece, str):
                        async for shown in self._checked(self._citations.feed(piece)):
                            yield shown
                        continue
                    async for shown in self._checked(self._citations.end()):
                        yield shown
                    yield piece
            except Exception:  # not a cancellation: nobody would read the rest
                async for shown in self._checked(self._citations.end()):
                    yield shown
                raise
            async for shown in self._checked(self._citations.end()):
                yield shown

    async def _checked(self, found: Iterable[str | Cited]) -> AsyncGenerator[str | CitationChecked]:
        for piece in found:
            if isinstance(piece, str):
                yield piece
                continue
            start = piece.start
            for number, support in zip(piece.numbers, await self._judged(piece), strict=True):
                yield CitationChecked(number, start, support.supported, support.reason)
                start += len(f"[{number}]")

    async def _judged(self, cited: Cited) -> list[Support]:
        """One judgement for each number. Sources that support a sentence only together all do."""
        if not cited.sentence:
            return [Support(True, "unchecked", 0.0, 0.0)] * len(cited.numbers)
        sources = [self._sources[number] for number in cited.numbers]
        judged = [await asyncio.to_thread(self._judge, cited.sentence, s) for s in sources]
        if len(sources) > 1 and not any(support.supported for support in judged):
            together = replace(
                sources[0],
                text="\n\n".join(source.text for source in sources),
                chunks=tuple(chunk for source in sources for chunk in source.chunks),
            )
            support = await asyncio.to_thread(self._judge, cited.sentence, together)
            if support.supported:
                return [support] * len(sources)
        return judged
