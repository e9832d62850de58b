"""How often each user may ask. Does not know who is allowed to ask at all."""

from __future__ import annotations

import hashlib
import math
import time

from limits import RateLimitItem
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter

from ..errors import TooManyQuestions
from .limit_storage import close

Key = tuple[str, str]

UNITS = ((3600, "hour", "giờ"), (60, "minute", "phút"), (1, "second", "giây"))


class Visitors:
    """How often one user may ask; each has a moving window of their own."""

    def __init__(self, limit: RateLimitItem | None, storage: Storage) -> None:
        self._limit, self._storage = limit, storage
        self._windows = MovingWindowRateLimiter(storage)

    async def aclose(self) -> None:
        """Closes the storage's connections."""
        await close(self._storage)

    async def admit(self, user: str) -> None:
        """Counts a question of `user`. Raises TooManyQuestions saying when to come back."""
        if self._limit is None:
            return
        key = _key(user)
        if not await self._windows.hit(self._limit, *key):
            await self._refuse(self._limit, key)

    async def check(self, user: str) -> None:
        """Raises TooManyQuestions if `user` may not ask now; counts nothing."""
        if self._limit is not None and not await self._windows.test(self._limit, *_key(user)):
            await self._refuse(self._limit, _key(user))

    async def _refuse(self, limit: RateLimitItem, key: Key) -> None:
        seconds = await to_wait(self._windows, limit, *key)
        en, vi = duration(seconds)
        raise TooManyQuestions(
            f"You have asked many questions in a short time. Please ask again in {en}.",
            f"Bạn đã đặt nhiều câu hỏi trong thời gian ngắn. Vui lòng hỏi lại sau {vi}.",
            retry_after=seconds,
        )


def _key(user: str) -> Key:
    return "user", hashlib.sha256(user.encode()).hexdigest()[:32]


async def to_wait(windows: MovingWindowRateLimiter, limit: RateLimitItem, *key: str) -> int:
    """In how many seconds one more is let in; at least 1."""
    window = await windows.get_window_stats(limit, *key)
    return max(1, math.ceil(window.reset_time - time.time()))


def duration(seconds: float) -> tuple[str, str]:
    """A time not shorter than `seconds`, in English and Vietnamese; from two minutes on in minutes,
    from two hours on in hours."""
    size, en, vi = next((unit for unit in UNITS if seconds > 2 * unit[0]), UNITS[-1])
    count = max(1, math.ceil(seconds / size))
    return f"{count} {en}{'s' if count > 1 else ''}", f"{count} {vi}"
