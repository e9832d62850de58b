"""What every test stands on: no settings from outside, no way out, and the real parts to test with.

The embedding model is loaded once a session, and the project's own documents are read once.
"""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis  # noqa: F401  # its plugin would do it at the end: see browser.served
import pytest

from ingest import sync
from rag.retrieval.embedder import Embedder, SentenceEmbedder
from rag.retrieval.retriever import Retriever
from rag.settings import PROJECT, Settings, load_settings
from rag.store.store import Store
from tests import foreign
from tests.harness.browser import browser, reading, tab  # noqa: F401
from tests.harness.lacking import command, lacking
from tests.harness.redis_server import counts, redis  # noqa: F401
from tests.harness.upstream import Upstream

NODE = PROJECT / "tests" / "node"


class OutsideNetworkRefused(Exception):
    """A test tried to leave this machine."""


@pytest.fixture(scope="session", autouse=True)
def heard() -> None:
    """Interrupts arrive wherever the tests are started: what a script starts in its background
    ignores them, and so does every process that a test starts there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test before this one, or the part it tested, left in the environment is not there."""
    for name in foreign():
        monkeypatch.delenv(name)
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")


@pytest.fixture(scope="session", autouse=True)
def no_way_out() -> Iterator[None]:
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    getaddrinfo = socket.getaddrinfo

    def stays_here(address: Any) -> None:
        if isinstance(address, tuple) and not is_loopback(address[0]):
            raise OutsideNetworkRefused(f"a test tried to connect to {address}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        stays_here(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        stays_here(address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        if host and not is_loopback(host) and not is_numeric(host):
            raise OutsideNetworkRefused(f"a test tried to look up {host!r}")
        return getaddrinfo(host, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


def is_numeric(host: str | bytes) -> bool:
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return True


def is_loopback(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name == "localhost" or (is_numeric(name) and ipaddress.ip_address(name).is_loopback)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def embedder(no_way_out: None) -> SentenceEmbedder:
    return SentenceEmbedder()


@pytest.fixture
def store(tmp_path: Path, embedder: Embedder) -> Iterator[Store]:
    """An empty store."""
    with Store(tmp_path / "store", embedder.name, embedder.dimension, None) as index:
        yield index


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Store]:
    """A store with the project's own documents. Nobody changes it."""
    place = tmp_path_factory.mktemp("shelf")
    folder, scope = sync.locate(PROJECT / "data", PROJECT / "data")
    with Store(place, embedder.name, embedder.dimension, None) as index:
        receipts = list(sync.sync(folder, scope, index, embedder, lambda *_: None))
        assert {receipt.outcome for receipt in receipts} == {"added"}
        yield index


@pytest.fixture(scope="session")
def retriever(shelf: Store, embedder: Embedder) -> Retriever:
    return Retriever(shelf, embedder)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Makes the settings of a process that has these variables in its environment."""

    def load(**variables: object) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        return load_settings(env_file=None)

    return load


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, with the packages of tests/node."""
    if not all((NODE / "node_modules" / name).is_dir() for name in ("ai", "openai")):
        lacking("no JavaScript clients: run `npm ci` in tests/node")
    return command("node", "nodejs")
