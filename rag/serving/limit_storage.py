"""Where the limits count: in this process or in a Redis. Does not know what is limited."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.errors import ConfigurationError
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ..errors import SettingsError

log = logging.getLogger(__name__)

T = TypeVar("T")

REDIS_SECONDS = 1.0  # for a connection, for an answer and for a free connection
OUTAGE_SECONDS = 5.0  # for so long a Redis that failed is not asked again


class RedisCounts(RedisStorage):
    """Counts in Redis, shared by all processes that use it; `close` when done.

    While Redis is out of reach everything has room, and is asked again only now and then, so that
    questions do not wait for it.
    """

    def __init__(self, url: str) -> None:
        retry = Retry(NoBackoff(), 1)  # one, for a connection that was cut while idle
        seconds = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), REDIS_SECONDS)
        self._pool = BlockingConnectionPool.from_url(
            url, timeout=REDIS_SECONDS, max_connections=20, retry=retry, **seconds
        )
        self._pool.make_connection()  # type: ignore[no-untyped-call]  # refuses unknown options
        options: dict[str, Any] = {"connection_pool": self._pool}
        super().__init__(url, implementation="redispy", key_prefix="headwater", **options)
        self._reached, self._not_before = True, 0.0

    async def close(self) -> None:
        await self._pool.disconnect()

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        return await self._ask(partial(super().acquire_entry, key, limit, expiry, amount), True)

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        ask = partial(super().get_moving_window, key, limit, expiry)
        return await self._ask(ask, (time.time(), 0))

    async def _ask(self, call: Callable[[], Awaitable[T]], otherwise: T) -> T:
        if not self._reached:
            if time.monotonic() < self._not_before:
                return otherwise
            self._not_before = time.monotonic() + OUTAGE_SECONDS  # one tries, others do not wait
        try:
            answer = await call()
        except (RedisError, OSError) as exc:
            if self._reached:
                log.warning("Redis cannot be used, no limits until it can: %s", exc)
            self._reached, self._not_before = False, time.monotonic() + OUTAGE_SECONDS
            return otherwise
        if not self._reached:
            log.info("Redis can be used again, limits hold again")
        self._reached = True
        return answer


def storage(url: str) -> Storage:
    """Where the limits count: "memory://" for this process alone, or a Redis.

    Nothing is connected yet. Raises SettingsError for any other URL.
    """
    try:
        match urlsplit(url).scheme:
            case "memory":
                return MemoryStorage()
            case "redis" | "rediss":
                return RedisCounts(url)
    except (ConfigurationError, ValueError, TypeError, RedisError):
        pass  # and not told: the messages have the URL in them, with its password
    raise SettingsError(
        "The limits cannot be counted at the address in HEADWATER_RATE_STORAGE. It must be "
        "memory://, redis://host:port/0 or, encrypted, rediss://host:port/0.",
        "Không thể đếm giới hạn tại địa chỉ trong HEADWATER_RATE_STORAGE. Địa chỉ phải là "
        "memory://, redis://host:port/0 hoặc, nếu mã hóa, rediss://host:port/0.",
    )


async def close(storage: Storage) -> None:
    """Closes its connections, if it has any."""
    if isinstance(storage, RedisCounts):
        await storage.close()
