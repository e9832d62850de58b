"""Where the limits count, with a real Redis, one that is lost and one that never answers."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from limits import parse
from limits.aio.storage import MemoryStorage

from rag.errors import SettingsError, TooManyQuestions
from rag.serving.limit_storage import RedisCounts, storage
from rag.serving.visitors import Visitors
from tests.harness.redis_server import RedisServer, counting

pytestmark = pytest.mark.anyio


async def test_two_processes_share_a_redis_and_a_burst_is_counted_exactly(
    redis: RedisServer,
) -> None:
    async with counting(redis.url) as one, counting(redis.url) as two:
        limit = parse("100/hour")
        asked = [Visitors(limit, one).admit("lan") for _ in range(150)]
        asked += [Visitors(limit, two).admit("lan") for _ in range(150)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert answers.count(None) == 100
    assert {type(answer) for answer in answers} == {type(None), TooManyQuestions}


async def test_a_lost_redis_lets_questions_pass_with_one_warning_and_holds_limits_when_back(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.serving.limit_storage.OUTAGE_SECONDS", 0.3)
    async with counting(redis.url) as counts:
        visitors = Visitors(parse("1/hour"), counts)
        await visitors.admit("lan")
        redis.kill()
        for _ in range(20):
            await visitors.admit("lan")
            await asyncio.sleep(0.05)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        redis.start()
        await asyncio.sleep(0.4)
        await visitors.admit("lan")  # the server forgot the first one
        with pytest.raises(TooManyQuestions):
            await visitors.admit("lan")
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


async def test_a_silent_redis_does_not_make_each_question_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with counting(f"redis://127.0.0.1:{silent.getsockname()[1]}/0") as counts:
            visitors = Visitors(parse("1/hour"), counts)
            start = time.monotonic()
            for _ in range(30):
                await visitors.admit("lan")
            assert time.monotonic() - start < 15
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "mysql://host:1/0",
        "redis://:secret@host",
        "redis://:secret@host:port/0",
        "redis://:secret@host:99999/0",
        "redis://:secret@[host:6379/0",
        "redis://:secret@host:6379/0?speed=high",
        "rediss://:secret@host:6379/0?socket_timeout=soon",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        storage(url)
    error = refused.value
    for language in ("en", "vi"):
        assert "HEADWATER_RATE_STORAGE" in error.sentence(language)
        assert "redis://host:port/0" in error.sentence(language)
    assert "secret" not in f"{error} {error.__cause__}" and error.__context__ is None


def test_a_storage_is_made_before_a_loop_runs_and_connects_to_nothing() -> None:
    assert isinstance(storage("memory://"), MemoryStorage)
    for url in ("redis://:secret@192.0.2.1:6379/3", "rediss://u:p@192.0.2.1:6379/0"):
        assert isinstance(storage(url), RedisCounts)
