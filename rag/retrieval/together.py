"""Searches the library and one visitor's own documents as one. The scores of both are of one scale:
what they rank by is a question's likeness and the share of its words, whatever else lies beside."""

from __future__ import annotations

from dataclasses import replace

from ..errors import LibraryEmpty
from ..types import OWN, Findings, Source
from .retriever import Retriever

_ORDER = {"refuse": 0, "weak": 1, "answer": 2}


class Together(Retriever):
    """`library` with what `own` has; `shelf` is where the pages of the latter are shown."""

    def __init__(self, library: Retriever, own: Retriever, shelf: str) -> None:
        super().__init__(library.store, library.embedder, library.profiles)
        self._library, self._own, self._shelf = library, own, shelf

    @property
    def edition(self) -> str:
        """Names what both hold now."""
        return f"{super().edition} {self._own.edition}"

    def search(self, question: str, top_k: int, *places: str) -> Findings:
        """As Retriever's; the `places` are of the library, or `OWN`."""
        common = [place for place in places if place != OWN]
        if places and OWN not in places:
            return self._library.search(question, top_k, *common)
        found = []
        try:
            own = self._own.search(question, top_k)
            found.append(replace(own, sources=tuple(map(self._shelved, own.sources))))
        except LibraryEmpty:
            if places and not common:
                raise
        try:
            if common or not places:
                found.append(self._library.search(question, top_k, *common))
        except LibraryEmpty:
            if not found:
                raise
        return _merged(found, top_k)

    def _shelved(self, source: Source) -> Source:
        return replace(source, shelf=self._shelf)


def _merged(found: list[Findings], top_k: int) -> Findings:
    """The best sources of all, and the verdict of those that answer best."""
    best = max(found, key=lambda each: (_ORDER[each.verdict], each.best_score - each.threshold))
    overviews = [each for each in found if each.overview]
    if best.overview or len(found) == 1:
        if len(overviews) < 2 or best.overview is None or best.overview.kind == "summary":
            return best
        count = sum(each.overview.documents for each in overviews if each.overview)
        sources = [source for each in overviews for source in each.sources]
        return replace(
            best,
            overview=replace(best.overview, documents=count),
            sources=_numbered(sources),
        )
    ranked = sorted((s for each in found for s in each.sources), key=lambda s: -s.score)
    return replace(
        best,
        sources=_numbered(ranked[:top_k]),
        missing=tuple(word for word in best.missing if all(word in f.missing for f in found)),
        absent=tuple(word for word in best.absent if all(word in f.absent for f in found)),
    )


def _numbered(sources: list[Source]) -> tuple[Source, ...]:
    return tuple(replace(source, number=n) for n, source in enumerate(sources, start=1))
