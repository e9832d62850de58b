"""Has the model write: an answer that was written before, one being written, or a new one within
the budget. Knows no index."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from .. import followup
from ..errors import HeadwaterError, ModelError, QuestionError
from ..events import Queued
from ..serving.budget import Budget
from ..types import Language, Options, Turn
from . import json_mode, pricing, prompt
from .cache import AnswerCache
from .fitting import Draft, shorter
from .model import Model
from .outline import listed
from .pieces import NOTHING, Brief, Declined, Ending, Piece
from .prompt import Message

log = logging.getLogger(__name__)

EXPECTED_TOKENS = 500  # of an answer, until the server has counted them
REPLY_TOKENS = 100
REWRITE_SECONDS = 4.0  # that a model may take to rewrite a follow-up
REJECTIONS = 3  # replies of no use, one after another, until a model is not asked for one any more


class Writer:
    """One model behind its cache and its budget."""

    def __init__(
        self,
        model: Model,
        cache: AnswerCache,
        budget: Budget,
        clean: Callable[[str], str],
        offered: Sequence[str] = (),
    ) -> None:
        """What is sent goes through `clean`. Other models than `offered` are refused, if there are
        any."""
        self._model = model
        self._clean = clean
        self._offered = offered
        self._cache = cache
        self._budget = budget
        self._rejected: Counter[str | None] = Counter()  # rewritten queries, by the model

    @property
    def name(self) -> str:
        return self._model.name

    async def aclose(self) -> None:
        await self._model.close()

    def check(self, options: Options) -> None:
        """Raises QuestionError if another model is wished than those that are offered, or JSON by a
        schema that is none."""
        json_mode.check(options)
        if options.model and self._offered and options.model not in (self.name, *self._offered):
            models = ", ".join(dict.fromkeys([self.name, *self._offered]))
            raise QuestionError(
                f"The model “{options.model}” is not offered here. Choose one of: {models}.",
                f"Ở đây không có mô hình “{options.model}”. Hãy chọn một trong: {models}.",
            )

    def write(self, brief: Brief) -> AsyncGenerator[Piece]:
        """The answer's text in pieces, before it the places in line for the budget, after it one
        Ending. Raises ModelError, Busy.
        """
        options, overview = brief.options, brief.findings and brief.findings.overview
        if overview and overview.kind == "listing":
            return listed(brief)
        draft = Draft(
            self._clean(brief.question),
            brief.findings,
            self._cleaned(brief.turns),
            brief.language,
            self._clean(options.instructions),
            json_mode.schema(options),
        )
        chosen = [options.model or self.name, options.temperature, options.max_tokens]
        asked = json.dumps(
            [brief.edition, *chosen, options.parameters, draft.whole], sort_keys=True
        )
        key = hashlib.sha256(asked.encode()).hexdigest()

        def write() -> AsyncGenerator[Piece]:
            pieces = self._fitted(draft, options)
            return json_mode.checked(pieces, options) if options.as_json else pieces

        return self._cache.stream(key, write, fresh=options.fresh)

    async def _fitted(self, draft: Draft, options: Options) -> AsyncGenerator[Piece]:
        """The answer to what of `draft` fits the model's context; once more to less, if the server
        says that this did not."""
        name, contexts = options.model or self.name, self._model.contexts
        await self._model.look_up(name)
        estimate = partial(contexts.estimate, name)
        messages, fit = draft.fitted(contexts.room(name, options.max_tokens), estimate)
        first = True
        while True:
            try:
                async with aclosing(self._written(messages, options)) as pieces:
                    async for piece in pieces:
                        yield replace(piece, fit=fit) if isinstance(piece, Ending) else piece
                return
            except ModelError as exc:
                before = messages, options
                if exc.most and options.max_tokens:
                    options = shorter(options, exc.most)
                elif exc.room:
                    messages, fit = draft.fitted(exc.room, estimate)
                if not first or before == (messages, options):
                    raise
                first = False

    async def rewritten(
        self, question: str, turns: Sequence[Turn], language: Language, options: Options
    ) -> tuple[str, Ending]:
        """A follow-up as a query of its own, in the model's words, else joined with the words of
        the question that it leans on; and what the model took for it."""
        joined, model = followup.joined(question, followup.previous(turns)), options.model
        if self._rejected[model] >= REJECTIONS:
            return joined, NOTHING
        messages = prompt.rewriting(self._clean(question), self._cleaned(turns), language)
        reply, ending = await self.reply(messages, options, REWRITE_SECONDS)
        if not reply:
            return joined, ending
        is_cut = ending.reason == "length"
        query = None if is_cut else followup.accepted(reply, question, turns)
        self._rejected[model] = 0 if query else self._rejected[model] + 1
        return query or joined, ending

    async def reply(
        self, messages: Sequence[Message], options: Options, seconds: float
    ) -> tuple[str, Ending]:
        """A short text for our own use and what it took; "" if there is none in so many seconds."""
        wanted = Options(model=options.model, temperature=0.0, max_tokens=REPLY_TOKENS)
        text, ending, declined = "", Ending("stop"), False
        try:
            async with (
                asyncio.timeout(seconds),
                aclosing(self._written(messages, wanted)) as pieces,
            ):
                async for piece in pieces:
                    match piece:
                        case str():
                            text += piece
                        case Declined():
                            declined = True
                        case Ending():
                            ending = piece
        except (TimeoutError, HeadwaterError) as exc:
            log.info("no short reply from the model: %s", exc or "too late")
            return "", ending
        return "" if declined else text, ending

    def _cleaned(self, turns: Sequence[Turn]) -> list[Turn]:
        return [Turn(self._clean(turn.question), self._clean(turn.answer)) for turn in turns]

    async def _written(
        self, messages: Sequence[Message], options: Options
    ) -> AsyncGenerator[Piece]:
        asked = pricing.estimate(messages, 0).input_tokens
        expected = asked + (options.max_tokens or EXPECTED_TOKENS)
        async with aclosing(self._budget.turn(expected)) as places:
            async for place in places:
                yield Queued(place)
        async with aclosing(self._model.stream(messages, options)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Ending) and piece.usage:
                    used = piece.usage.input_tokens + piece.usage.output_tokens
                    await self._budget.spent(used - expected)
                yield piece
