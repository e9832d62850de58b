"""Has the model write: an answer that was written before, one being written, or a new one within
the budget. Knows messages, and no documents."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ..errors import HeadwaterError, QuestionError
from ..events import Queued
from ..serving.budget import Budget
from ..types import Options
from . import pricing
from .cache import AnswerCache, Piece
from .model import Declined, Ending, Model
from .prompt import Message

log = logging.getLogger(__name__)

EXPECTED_TOKENS = 500  # of an answer, until the server has counted them
REPLY_TOKENS = 100


class Writer:
    """One model behind its cache and its budget."""

    def __init__(
        self, model: Model, cache: AnswerCache, budget: Budget, offered: Sequence[str] = ()
    ) -> None:
        """Other models than `offered` are refused, if there are any."""
        self._model = model
        self._offered = offered
        self._cache = cache
        self._budget = budget

    @property
    def name(self) -> str:
        return self._model.name

    async def aclose(self) -> None:
        await self._model.close()

    def check(self, options: Options) -> None:
        """Raises QuestionError if another model is wished than those that are offered."""
        if options.model and self._offered and options.model not in (self.name, *self._offered):
            models = ", ".join(dict.fromkeys([self.name, *self._offered]))
            raise QuestionError(
                f"The model “{options.model}” is not offered here. Choose one of: {models}.",
                f"Ở đây không có mô hình “{options.model}”. Hãy chọn một trong: {models}.",
            )

    async def stream(
        self, messages: Sequence[Message], options: Options, edition: str
    ) -> AsyncGenerator[Piece]:
        """The answer's text in pieces, before it the places in line for the budget, after it one
        Ending. `edition` names what the library holds. Raises ModelError, Busy.
        """
        asked = [edition, options.model or self.name, options.temperature, options.max_tokens]
        said = json.dumps([*asked, options.parameters, messages], sort_keys=True)
        key = hashlib.sha256(said.encode()).hexdigest()
        written = self._cache.stream(
            key, lambda: self._written(messages, options), fresh=options.fresh
        )
        async with aclosing(written) as pieces:
            async for piece in pieces:
                yield piece

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
