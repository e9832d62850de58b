"""Finds the sources of a question without its courtesies; of a follow-up, by what it stands for.

Knows no door, and nobody who writes but for the words of a follow-up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from . import followup
from .citations.support import Checker, Support, supports
from .events import Searching, SourcesFound, Waiting, WithoutDocuments
from .question import checked
from .retrieval.retriever import Retriever
from .serving import request_id
from .serving.visitors import Visitors
from .store.opening import Opening
from .text.courtesy import without_courtesy
from .text.redaction import Redactor
from .types import Findings, Language, Options, Source, Turn
from .writing.pieces import NOTHING, Author, Brief

DEFAULTS = Options()
SEARCHES = 16  # at once: more would not be quicker, so many questions are embedded together


Own = Callable[[str, Retriever], Retriever]


class Searcher:
    """Searches what `opening` opens, for `top_k` sources unless a question wishes otherwise."""

    def __init__(
        self,
        opening: Opening[Retriever],
        top_k: int,
        redactor: Redactor,
        visitors: Visitors,
        checker: Checker = supports,
        own: Own = lambda _, library: library,
    ) -> None:
        """`own` gives what searches the library together with a visitor's own documents."""
        self.opening = opening
        self._own = own
        self._top_k = top_k
        self._redactor = redactor
        self._visitors = visitors
        self.checker = checker
        self._searching = asyncio.Semaphore(SEARCHES)

    @property
    def collections(self) -> list[str]:
        """The collections that may be asked; none while the library is being opened."""
        if not self.opening.done or self.opening.failed:
            return []
        return self.opening.wait().collections

    async def ready(self, user: str | None) -> AsyncGenerator[Waiting]:
        """How far the library is, until it is open. Raises TooManyQuestions if `user`, a name or an
        address, may not ask now; None may always."""
        if user is not None:
            await self._visitors.admit(user)
        async for waiting in self.opening.waiting():
            yield waiting

    async def check(self, user: str) -> None:
        """Raises TooManyQuestions if `user` may not ask now; counts nothing."""
        await self._visitors.check(user)

    async def search(
        self, question: str, options: Options = DEFAULTS, user: str | None = None
    ) -> Findings:
        """The passages alone, for a door that wants no answer. Raises HeadwaterError."""
        request_id.begin()
        question = checked(question)
        async with aclosing(self.ready(user)) as waits:
            async for _ in waits:
                pass
        return await self.find(await self.retriever(options), question, options)

    async def retriever(self, options: Options) -> Retriever:
        """What searches for who asks; only once it is open."""
        library = self.opening.wait()
        if not options.visitor:
            return library
        return await asyncio.to_thread(self._own, options.visitor, library)  # it may open a store

    async def find(self, retriever: Retriever, query: str, options: Options) -> Findings:
        """The passages that `retriever` has for `query`, redacted, with the verdict. Raises
        HeadwaterError."""
        top_k = options.top_k or self._top_k
        async with self._searching:
            findings = await asyncio.to_thread(retriever.search, query, top_k, *options.places)
        if meanwhile := self.opening.meanwhile:
            findings = replace(findings, unread=max(meanwhile.total - meanwhile.done, 0))
        return self._redactor.findings(findings)

    def shown(self, query: str) -> str:
        """`query` as the findings show it."""
        return self._redactor.text(query)

    async def aclose(self) -> None:
        """Closes the connections to where the limits count."""
        await self._visitors.aclose()


class Search:
    """The search for one question, and what it found once its `events` are over.

    `rewriting` is what a model took to rewrite a follow-up, `seconds` what the search took.
    """

    def __init__(
        self,
        searcher: Searcher,
        author: Author,
        question: str,
        turns: Sequence[Turn],
        language: Language,  # of the answer
        options: Options,
    ) -> None:
        self._searcher, self._author = searcher, author
        self._retriever = searcher.opening.wait()  # until it is known what the visitor has
        self._question, self._turns = question, turns
        self._language, self._options = language, options
        self._findings: Findings | None = None
        self.rewriting = NOTHING
        self.seconds: float | None = None

    @property
    def refused(self) -> bool:
        """Whether the documents hold no answer."""
        return self._findings is not None and self._findings.verdict == "refuse"

    async def events(self) -> AsyncGenerator[Searching | SourcesFound | WithoutDocuments]:
        """What is searched, then the sources."""
        if not self._options.documents:
            yield WithoutDocuments()
            return
        start, question = time.perf_counter(), without_courtesy(self._question)
        # One for the whole answer: another's ids differ.
        self._retriever = await self._searcher.retriever(self._options)
        yield Searching(question)
        query, findings = question, await self._find(question)
        if not findings.overview and followup.needed(question, self._turns, findings):
            query, self.rewriting = await self._author.rewritten(
                question, self._turns, self._language, self._options
            )
        if query != question:
            yield Searching(query)
            alone, findings = findings.verdict, await self._find(query)
            joined = followup.joined(question, followup.previous(self._turns))
            if joined != query and not findings.overview:
                findings = followup.fused(findings, await self._find(joined))
            if alone == "refuse" and findings.verdict == "answer":
                # What matches may be the words of the question before.
                findings = replace(findings, verdict="weak")
        if findings.query != self._searcher.shown(query):
            yield Searching(findings.query)  # without what is said around it, or put right
        self.seconds = time.perf_counter() - start
        self._findings = findings
        yield SourcesFound(findings, findings.query != self._searcher.shown(self._question))

    async def _find(self, query: str) -> Findings:
        return await self._searcher.find(self._retriever, query, self._options)

    def brief(self) -> Brief:
        """What is to be answered, from what was found."""
        return Brief(
            question=self._question,
            language=self._language,
            turns=self._turns,
            options=self._options,
            findings=self._findings,
            relevance=self._retriever.relevance,
            edition=self._retriever.edition,
        )

    def support(self, sentence: str, sources: Sequence[Source]) -> Sequence[Support]:
        """Whether each of `sources` supports `sentence`; a document is there if it is listed."""
        overview = self._findings and self._findings.overview
        if overview and overview.kind == "listing":
            return [Support(True, "supported", 1.0, 1.0) for _ in sources]
        return self._searcher.checker(self._retriever, sentence, sources)
