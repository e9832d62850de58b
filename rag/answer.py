"""The whole idea on one screen: a question goes in, a stream of events comes out, sources first.

Knows no door: the page, the terminal and the HTTP routes all translate the same events.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from . import extractive, prompt
from .errors import HeadwaterError, QuestionError
from .events import Event, Failed, Finished, FinishReason, Searching, SourcesFound, TextDelta
from .language import detect
from .llm import Ending, Model
from .opening import Opening
from .retriever import Retriever
from .types import Findings, Language, Options, Turn

log = logging.getLogger(__name__)

MAX_QUESTION = 4000  # characters
DEFAULTS = Options()


class Answerer:
    """Answers questions from what `opening` opens; `model` None means quoting the documents."""

    def __init__(self, opening: Opening[Retriever], model: Model | None, top_k: int) -> None:
        self._opening = opening
        self._model = model
        self._top_k = top_k

    async def answer(
        self, question: str, turns: Sequence[Turn] = (), options: Options = DEFAULTS
    ) -> AsyncGenerator[Event]:
        """The events of one answer (rag.events). What goes wrong is the last event: nothing is
        raised but cancellation. Closing the generator closes the model's connection."""
        language = options.language or detect(question[:MAX_QUESTION])
        try:
            async with aclosing(self._events(question, turns, options)) as events:
                async for event in events:
                    yield event
        except HeadwaterError as exc:
            log.info("answer failed: %s", exc.code)
            yield Failed(exc.code, exc.retryable, exc.sentence(language))
        except Exception:
            log.exception("answer failed")
            yield Failed("internal_error", True, _INTERNAL[language])

    async def _events(
        self, question: str, turns: Sequence[Turn], options: Options
    ) -> AsyncGenerator[Event]:
        start, first_token, ending = time.perf_counter(), None, Ending("stop", None)
        query = checked(question)
        if len(options.instructions) > MAX_QUESTION:
            raise QuestionError(
                f"The extra instructions are too long; at most {MAX_QUESTION:,} characters.",
                f"Yêu cầu thêm quá dài; tối đa {MAX_QUESTION:,} ký tự.",
            )
        async for waiting in self._opening.waiting():
            yield waiting
        retriever = self._opening.wait()

        yield Searching(query)
        search_start = time.perf_counter()
        findings = await asyncio.to_thread(retriever.search, query, options.top_k or self._top_k)
        search_seconds = time.perf_counter() - search_start
        yield SourcesFound(findings)

        async with aclosing(self._text(retriever, findings, turns, options)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Ending):
                    ending = piece
                    continue
                first_token = first_token or time.perf_counter() - start
                yield TextDelta(piece)

        refused = findings.verdict == "refuse"
        yield Finished(
            reason="refused" if refused else _reason(ending.reason),
            model=(options.model or self._model.name) if self._model and not refused else None,
            usage=ending.usage,
            search_seconds=search_seconds,
            first_token_seconds=first_token,
            total_seconds=time.perf_counter() - start,
        )

    async def _text(
        self, retriever: Retriever, findings: Findings, turns: Sequence[Turn], options: Options
    ) -> AsyncGenerator[str | Ending]:
        """Who writes: nobody below the threshold, the model if there is one, else the documents."""
        language = options.language or findings.language
        if findings.verdict == "refuse":
            yield _REFUSAL[language]
        elif self._model:
            messages = prompt.messages(
                findings.query, findings, turns, language, options.instructions
            )
            async with aclosing(self._model.stream(messages, options)) as pieces:
                async for piece in pieces:
                    yield piece
        else:
            quotes = await asyncio.to_thread(
                lambda: list(extractive.quote(findings, retriever.relevance))
            )
            for quote in quotes:
                yield quote


def checked(question: str) -> str:
    """The question without surrounding space. Raises QuestionError if it cannot be answered."""
    query = question.strip()
    if not query:
        raise QuestionError(
            "The question is empty. Type a question about the documents.",
            "Câu hỏi đang trống. Hãy gõ một câu hỏi về tài liệu.",
        )
    if len(query) > MAX_QUESTION:
        raise QuestionError(
            f"The question has {len(query):,} characters; at most {MAX_QUESTION:,} are allowed. "
            "Shorten it.",
            f"Câu hỏi dài {len(query):,} ký tự; tối đa {MAX_QUESTION:,} ký tự. Hãy rút ngắn lại.",
        )
    if not any(c.isalnum() for c in query):
        raise QuestionError(
            "The question has no letters or digits, so there is nothing to search for.",
            "Câu hỏi không có chữ hay số nào nên không có gì để tìm.",
        )
    return query


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
_INTERNAL: dict[Language, str] = {
    "en": "Something went wrong in Headwater itself; its log says what. Ask again.",
    "vi": "Headwater gặp lỗi bên trong; nhật ký có ghi chi tiết. Hãy hỏi lại.",
}
