"""The whole idea on one screen: a question goes in, a stream of events comes out, sources first.

Knows no door: the page, the terminal and the HTTP routes all translate the same events.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from .citations.verifier import Verifier
from .errors import HeadwaterError, InternalError
from .events import CitationChecked, Event, Finished, Queued, Started, TextDelta, Thinking, failed
from .question import MAX_QUESTION, checked
from .search import Search, Searcher
from .serving import request_id
from .serving.line import Line
from .text.language import detect
from .text.redaction import Redactor
from .types import Options, Turn
from .writing import small_talk
from .writing.pieces import NOTHING, Author, Declined, Ending
from .writing.refusal import refusal

log = logging.getLogger(__name__)
DEFAULTS = Options()


@dataclass(frozen=True)
class Answerer:
    """Answers questions from what `searcher` finds, in the words of `author`."""

    searcher: Searcher
    author: Author
    line: Line
    redactor: Redactor

    async def answer(
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
        asked_at, request = time.perf_counter(), request_id.begin()
        language = options.language or detect(question[:MAX_QUESTION])
        first_word, ending, declined = None, NOTHING, False
        yield Started(language, request)
        try:
            question = checked(question, options.instructions)
            self.author.check(options)
            if not options.as_json and (greeting := small_talk.reply(question, language)):
                yield TextDelta(greeting)
                took = time.perf_counter() - asked_at
                yield Finished("small_talk", None, None, None, False, None, took, took, request)
                return

            with self.line.ticket() as ticket:
                async with aclosing(self.searcher.ready(user)) as waits:
                    async for waiting in waits:
                        yield waiting
                async with aclosing(ticket.turn()) as places:
                    async for place in places:
                        yield Queued(place)
                search = Search(self.searcher, self.author, question, turns, language, options)
                async with aclosing(search.events()) as events:
                    async for event in events:
                        yield event
                brief = search.brief()
                text = refusal(brief) if search.refused else self.author.write(brief)
                pieces = self.redactor.stream(text)
                verifier = Verifier(brief.sources, search.support, adding=bool(self.author.name))
                if not options.as_json:  # there [2] is a list of numbers
                    pieces = verifier.stream(pieces)
                async with aclosing(pieces):
                    async for piece in pieces:
                        match piece:
                            case str():
                                first_word = first_word or time.perf_counter() - asked_at
                                yield TextDelta(piece, declined)
                            case Queued() | CitationChecked():
                                yield piece
                            case Thinking():
                                first_word = None if piece.so_far else first_word
                                yield piece
                            case Declined():
                                declined = True
                            case Ending():
                                ending = piece
                yield ending.finished(
                    search.rewriting,
                    model=options.model or self.author.name,
                    search_seconds=search.seconds,
                    first_token_seconds=first_word,
                    total_seconds=time.perf_counter() - asked_at,
                    request_id=request,
                    dropped=verifier.dropped,
                    uncited=verifier.uncited,
                )
        except HeadwaterError as exc:
            yield failed(exc, language, request)
        except Exception:
            log.exception("answer failed")
            yield failed(InternalError(), language, request)

    async def aclose(self) -> None:
        """Closes the connections to the model's server and to where the limits count."""
        try:
            await self.author.aclose()
        finally:
            await self.searcher.aclose()
