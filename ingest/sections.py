"""Which part of its document a passage stands in: what its page is called, or the headings that it
stands under. Pure; knows no format."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from rag.types import Page

BELOW = " › "  # between a heading and one below it
_LONGEST = 80  # characters of one heading
_TITLE = 200  # of a document's
_DEEPEST = 4  # headings of which one is below the other


class Sections:
    """The sections of one page of a document with this title."""

    def __init__(self, page: Page, title: str) -> None:
        self._page = page
        self._starts = [0]
        self._names = [""]
        path: list[tuple[int, str]] = []
        for heading in page.headings:
            line = page.text[heading.start : heading.start + _TITLE].partition("\n")[0].strip()
            path = [(level, above) for level, above in path if level < heading.level]
            # What all of the document stands under says nothing of a place in it.
            path.append((heading.level, "" if line == title else line[:_LONGEST]))
            self._starts.append(heading.start)
            self._names.append(BELOW.join([name for _, name in path if name][-_DEEPEST:]))

    def name(self, start: int, end: int) -> str:
        """Of the part of the page that has most of the text between these two; "" for one that has
        no name."""
        if self._page.name:
            return self._page.name
        first = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, max(start, end - 1))
        cuts = [start, *self._starts[first + 1 : last], end]
        lengths = [behind - before for before, behind in pairwise(cuts)]
        return self._names[first + lengths.index(max(lengths))]
