"""Keeps to the requests and tokens a minute that the language model's server allows, so that it is
not asked more often than it answers. Does not know what is sent there."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from limits import RateLimitItem
from limits.aio.storage import MovingWindowSupport, Storage
from limits.aio.strategies import MovingWindowRateLimiter

from ..errors import Busy
from .line import Line
from .visitors import duration

WHOLE = 1000  # a moving window keeps one entry a unit, so tokens are counted in thousandths
SHORTEST_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Charge:
    """`cost` units of the window that `limit` and `name` stand for."""

    limit: RateLimitItem
    name: str
    cost: int


class Budget:
    """The upstream's requests and tokens a minute, shared by all who use one key, so that it never
    answers 429."""

    def __init__(
        self,
        storage: Storage,
        requests: RateLimitItem | None,
        tokens: RateLimitItem | None,
        seconds: float = 30,
    ) -> None:
        assert isinstance(storage, MovingWindowSupport)
        self._storage: MovingWindowSupport = storage
        self._windows = MovingWindowRateLimiter(storage)
        self._requests, self._tokens, self._seconds = requests, tokens, seconds
        self._thousandths = tokens and type(tokens)(WHOLE, tokens.multiples)
        self._till = Line(1, sys.maxsize, seconds)
        self._owed = 0  # thousandths that were spent when the window was full

    async def turn(self, tokens: int) -> AsyncGenerator[int]:
        """The place in line, 1 is next, at once and each time it changes, until a request of about
        so many tokens may be sent; it has been charged then.

        Yields nothing if there is room. Raises Busy if that would take longer than `seconds`.
        """
        if self._requests is None and self._tokens is None:
            return
        deadline = time.monotonic() + self._seconds
        with self._till.ticket() as ticket:
            try:
                async with aclosing(ticket.turn()) as places:
                    async for place in places:
                        yield place + 1  # behind the one at the till
            except Busy:
                raise await self._busy(tokens) from None
            told = False
            while (wait := await self._charge(tokens)) > 0:
                if time.monotonic() + wait > deadline:
                    raise await self._busy(tokens)
                if not told:
                    told = True
                    yield 1
                await asyncio.sleep(wait)

    async def spent(self, tokens: int) -> None:
        """Charges tokens used beyond what `turn` was given, also where there is no room for them:
        then the next one waits for that."""
        limit = self._thousandths
        if limit is None or tokens <= 0:
            return
        owed = self._in_thousandths(tokens)
        room = (await self._windows.get_window_stats(limit, "tokens")).remaining
        paid = min(owed, max(0, room))
        if paid and await self._windows.hit(limit, "tokens", cost=paid):
            owed -= paid
        self._owed += owed

    async def _charge(self, tokens: int) -> float:
        """Charges and returns 0, or the seconds until it is worth trying again."""
        charges, owed = self._charges(tokens), self._owed
        waits = [await self._wait(charge) for charge in charges]
        if any(waits):
            return max(waits)
        for charge in charges:
            if not await self._windows.hit(charge.limit, charge.name, cost=charge.cost):
                return SHORTEST_SECONDS  # another process was quicker
        self._owed -= owed
        return 0

    def _charges(self, tokens: int) -> list[Charge]:
        charges = []
        if self._requests is not None:
            charges.append(Charge(self._requests, "requests", 1))
        if self._thousandths is not None:
            cost = min(WHOLE, self._in_thousandths(tokens) + self._owed)
            charges.append(Charge(self._thousandths, "tokens", cost))
        return charges

    def _in_thousandths(self, tokens: int) -> int:
        assert self._tokens is not None
        return min(WHOLE, -(-max(0, tokens) * WHOLE // self._tokens.amount))

    async def _wait(self, charge: Charge) -> float:
        """For how many seconds there is certainly no room for this; 0 if there is now."""
        window = await self._windows.get_window_stats(charge.limit, charge.name)
        if window.remaining >= charge.cost:
            return 0
        oldest = window.reset_time - time.time()
        return max(oldest, await self._room_in(charge) - 1, SHORTEST_SECONDS)

    async def _room_in(self, charge: Charge) -> int:
        """In how many whole seconds there is room for this, if nobody else is charged."""
        limit = charge.limit
        key, whole = limit.key_for(charge.name), limit.get_expiry()
        # What was charged in the last `low` seconds may stay in the window, in `high` + 1 not.
        low, high = 0, whole
        while low < high:
            middle = (low + high + 1) // 2
            _, count = await self._storage.get_moving_window(key, limit.amount, middle)
            if count <= limit.amount - charge.cost:
                low = middle
            else:
                high = middle - 1
        return whole - low

    async def _busy(self, tokens: int) -> Busy:
        en, vi = duration(max([await self._room_in(charge) for charge in self._charges(tokens)]))
        return Busy(
            "What the language model may be asked in this time is used up. "
            f"Your text is not lost; please try again in {en}.",
            "Hạn mức sử dụng mô hình ngôn ngữ trong lúc này đã hết. "
            f"Nội dung của bạn không bị mất, vui lòng thử lại sau {vi}.",
        )
