"""A real redis-server: the fixtures, and the storages that the limits can count in."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from limits.aio.storage import Storage

from rag.serving.limit_storage import RedisCounts, storage
from tests.benchmarks.first_token import free_port
from tests.harness.lacking import command


class RedisServer:
    """Debian's redis-server on a port of its own."""

    def __init__(self, place: Path) -> None:
        self.command = command("redis-server", "redis-server")
        self.place, self.port = place, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.place, "save": ""}
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen([self.command, *words], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < until
                time.sleep(0.02)

    def connections(self) -> int:
        """How many there are, without the one that asks."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as asking:
            asking.sendall(b"CLIENT LIST\r\n")
            with asking.makefile("rb") as answer:
                length = int(answer.readline().removeprefix(b"$"))
                return answer.read(length).count(b"\n") - 1

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@asynccontextmanager
async def counting(url: str) -> AsyncGenerator[Storage]:
    """A storage that is closed again."""
    counts = storage(url)
    try:
        yield counts
    finally:
        if isinstance(counts, RedisCounts):
            await counts.close()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture(params=["memory", "redis"])
async def counts(request: pytest.FixtureRequest) -> AsyncGenerator[Storage]:
    """Each of the storages that the limits can count in."""
    memory = request.param == "memory"
    async with counting("memory://" if memory else request.getfixturevalue("redis").url) as found:
        yield found
