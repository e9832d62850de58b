"""The whole idea on one screen: a question goes in, a stream of events comes out, sources first.

Knows no door: the page, the terminal and the HTTP routes all translate the same events.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from . import followup
from .citations.verifier import Verifier
from .errors import HeadwaterError, QuestionError
from .events import (
    CitationChecked,
    Event,
    Failed,
    Finished,
    FinishReason,
    Queued,
    Searching,
    SourcesFound,
    TextDelta,
    WithoutDocuments,
)
from .question import MAX_QUESTION, check_instructions, checked, sendable
from .retrieval.retriever import Retriever
from .serving import request_id
from .serving.line import Line, Visitors
from .serving.metrics import Metrics
from .store.opening import Opening
from .text.language import detect
from .text.redaction import Redactor
from .types import Findings, Language, Options, Turn
from .writing import extractive, prompt, small_talk
from .writing.cache import Piece
from .writing.model import Declined, Ending
from .writing.writer import Writer

log = logging.getLogger(__name__)

SEARCHES = 16  # at once
REWRITE_SECONDS = 4.0  # that a model may take to rewrite a follow-up
DEFAULTS = Options()


@dataclass(frozen=True, slots=True)
class _Asked:
    query: str
    language: Language  # of the answer
    turns: Sequence[Turn]
    options: Options
    at: float  # time.perf_counter()


class Answerer:
    """Answers questions from what `opening` opens; `writer` None means quoting the documents."""

    def __init__(
        self,
        opening: Opening[Retriever],
        writer: Writer | None,
        top_k: int,
        line: Line,
        visitors: Visitors,
        redactor: Redactor,
        metrics: Metrics,
    ) -> None:
        self._opening = opening
        self._writer = writer
        self._top_k = top_k
        self._line = line
        self._visitors = visitors
        self._redactor = redactor
        self._metrics = metrics
        # More would not be quicker: sixteen questions are embedded together.
        self._searching = asyncio.Semaphore(SEARCHES)

    async def aclose(self) -> None:
        """Closes the connections to the model's server and to where the limits count."""
        try:
            if self._writer:
                await self._writer.aclose()
        finally:
            await self._visitors.aclose()

    @property
    def collections(self) -> list[str]:
        """The collections that may be asked; none while the library is being opened."""
        if not self._opening.done or self._opening.failed:
            return []
        return self._opening.wait().collections

    def answer(
        self,
        question: str,
        turns: Sequence[Turn] = (),
        options: Options = DEFAULTS,
        user: str | None = None,
    ) -> AsyncGenerator[Event]:
        """The events of one answer (rag.events). What goes wrong is the last event: nothing is
        raised but cancellation. Closing the generator closes the model's connection.

        `user` is whose rate limit counts: a name or an address, None for nobody's.
        """
        return self._metrics.watched(self._told(question, turns, options, user))

    async def search(
        self, question: str, options: Options = DEFAULTS, user: str | None = None
    ) -> Findings:
        """The passages alone, ranked, with the verdict. Raises HeadwaterError."""
        request_id.begin()
        language = options.language or detect(question[:MAX_QUESTION])
        asked = _Asked(checked(question), language, (), options, time.perf_counter())
        if user is not None:
            await self._visitors.admit(user)
        async for _ in self._opening.waiting():
            pass
        return await self._search(self._opening.wait(), asked, asked.query)

    async def _told(
        self, question: str, turns: Sequence[Turn], options: Options, user: str | None
    ) -> AsyncGenerator[Event]:
        """The events, with whatever goes wrong as the last one."""
        asked_at, request = time.perf_counter(), request_id.begin()
        language = options.language or detect(question[:MAX_QUESTION])
        try:
            check_instructions(options.instructions)
            asked = _Asked(checked(question), language, turns, options, asked_at)
            self._check_model(options)
            if not options.as_json and (line := small_talk.reply(asked.query, language)):
                yield TextDelta(line)
                took = time.perf_counter() - asked_at
                yield Finished("small_talk", None, None, None, False, None, took, took, request)
                return
            async with aclosing(self._admitted(asked, user)) as events:
                async for event in events:
                    yield event
        except HeadwaterError as exc:
            sentence = exc.sentence(language)
            yield Failed(exc.code, exc.retryable, sentence, request, exc.retry_after)
        except Exception:
            log.exception("answer failed")
            yield Failed("internal_error", True, _INTERNAL[language], request)

    async def _admitted(self, asked: _Asked, user: str | None) -> AsyncGenerator[Event]:
        """The events once this user may ask, the library is open and there is room."""
        if user is not None:
            await self._visitors.admit(user)
        async for waiting in self._opening.waiting():
            yield waiting
        retriever = self._opening.wait()
        with self._line.ticket() as ticket:
            async with aclosing(ticket.turn()) as places:
                async for place in places:
                    yield Queued(place)
            async with aclosing(self._events(asked, retriever)) as events:
                async for event in events:
                    yield event

    async def _events(self, asked: _Asked, retriever: Retriever) -> AsyncGenerator[Event]:
        """The idea itself: search, sources, text with its citations checked, end."""
        first_token, search_seconds = None, None
        rewriting = ending = Ending("stop")
        findings = Findings(asked.query, asked.language, "answer", 0.0, 0.0, ())
        if asked.options.documents:
            search_start = time.perf_counter()
            yield Searching(asked.query)
            findings = await self._search(retriever, asked, asked.query)
            query = asked.query
            if followup.needed(query, asked.turns, findings):
                query, rewriting = await self._standing_alone(asked)
            if rewritten := query != asked.query:
                yield Searching(query)
                alone = findings.verdict
                findings = await self._search(retriever, asked, query)
                if alone == "refuse" and findings.verdict == "answer":
                    # What matches may be the words of the question before.
                    findings = replace(findings, verdict="weak")
            search_seconds = time.perf_counter() - search_start
            yield SourcesFound(findings, rewritten)
        else:
            yield WithoutDocuments()

        refused = is_refusal = findings.verdict == "refuse"
        verifier = Verifier(findings.sources, retriever.support)
        pieces = self._redactor.stream(self._pieces(asked, retriever, findings))
        if not asked.options.as_json:  # there [2] is a list of numbers
            pieces = verifier.stream(pieces)
        async with aclosing(pieces):
            async for piece in pieces:
                match piece:
                    case Ending():
                        ending = piece
                    case Declined():
                        is_refusal = True
                    case Queued() | CitationChecked():
                        yield piece
                    case str():
                        first_token = first_token or time.perf_counter() - asked.at
                        yield TextDelta(piece, is_refusal)

        writer = None if refused else self._writer
        yield Finished(
            reason="refused" if refused else _reason(ending.reason),
            model=(asked.options.model or writer.name) if writer else None,
            usage=ending.usage,
            price=_sum(ending.price, rewriting.price),
            cached=ending.cached,
            search_seconds=search_seconds,
            first_token_seconds=first_token,
            total_seconds=time.perf_counter() - asked.at,
            request_id=request_id.current(),
            dropped=verifier.dropped,
            rewriting=rewriting.usage,
        )

    async def _search(self, retriever: Retriever, asked: _Asked, query: str) -> Findings:
        top_k = asked.options.top_k or self._top_k
        async with self._searching:
            findings = await asyncio.to_thread(
                retriever.search, query, top_k, asked.options.collection
            )
        return self._redactor.findings(findings)

    async def _standing_alone(self, asked: _Asked) -> tuple[str, Ending]:
        """The follow-up as a query of its own, in the model's words or joined with the words of the
        question that it leans on; and what the model took for it."""
        ending = Ending("stop")
        if self._writer:
            clean = self._text(asked.query)
            request = followup.request(clean, self._clean(asked.turns), asked.language)
            reply, ending = await self._writer.reply(request, asked.options, REWRITE_SECONDS)
            if rewritten := followup.accepted(reply, asked.query):
                return rewritten, ending
        return followup.joined(asked.query, followup.previous(asked.turns)), ending

    def _check_model(self, options: Options) -> None:
        if self._writer:
            self._writer.check(options)
        elif options.as_json:
            raise QuestionError(
                "No model is configured, and only a model can answer in JSON.",
                "Chưa cấu hình mô hình, mà chỉ mô hình mới trả lời được bằng JSON.",
            )

    def _clean(self, turns: Sequence[Turn]) -> list[Turn]:
        return [Turn(self._text(turn.question), self._text(turn.answer)) for turn in turns]

    def _text(self, text: str) -> str:
        return self._redactor.text(sendable(text))

    async def _pieces(
        self, asked: _Asked, retriever: Retriever, findings: Findings
    ) -> AsyncGenerator[Piece]:
        """Who writes: nobody below the threshold, the model if there is one, else the documents."""
        if findings.verdict == "refuse":
            scores = _SCORES[asked.language].format(findings.best_score, findings.threshold)
            yield f"{_REFUSAL[asked.language]} {scores}"
        elif self._writer:
            messages = prompt.messages(
                self._text(asked.query),
                findings if asked.options.documents else None,
                self._clean(asked.turns),
                asked.language,
                self._text(asked.options.instructions),
            )
            writing = self._writer.stream(messages, asked.options, retriever.edition)
            async with aclosing(writing) as pieces:
                async for piece in pieces:
                    yield piece
        elif not asked.options.documents:
            raise QuestionError(
                "No model is configured, so only the documents can answer.",
                "Chưa cấu hình mô hình nên chỉ có thể trả lời từ tài liệu.",
            )
        else:
            quotes = await asyncio.to_thread(
                lambda: list(extractive.quote(findings, retriever.relevance))
            )
            for quote in quotes:
                yield quote


def _sum(*prices: float | None) -> float | None:
    """Of the prices that are known; None if none is."""
    known = [price for price in prices if price is not None]
    return sum(known) if known else None


def _reason(reason: str) -> FinishReason:
    match reason:
        case "length" | "content_filter":
            return reason
        case _:
            return "stop"


_REFUSAL: dict[Language, str] = {
    "en": "I found no relevant information in the documents.",
    "vi": "Tôi không tìm thấy thông tin liên quan trong tài liệu.",
}
_SCORES: dict[Language, str] = {
    "en": "The nearest passages score {:.2f}; {:.2f} is needed.",
    "vi": "Đoạn gần nhất đạt {:.2f} điểm; cần {:.2f}.",
}
_INTERNAL: dict[Language, str] = {
    "en": "Something went wrong in Headwater itself; its log says what. Ask again.",
    "vi": "Headwater gặp lỗi bên trong; nhật ký có ghi chi tiết. Hãy hỏi lại.",
}
