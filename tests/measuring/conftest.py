"""The command that measures, and a small library for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ingest import sync
from rag.commands.app import app
from rag.commands.shared import Parts
from rag.retrieval.embedder import Embedder
from rag.settings import PROJECT, load_settings
from rag.store.store import Store


@pytest.fixture
def library(tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a store that nobody holds, with some of the project's own documents."""
    monkeypatch.setenv("HEADWATER_STORE_DIR", str(tmp_path / "library"))
    with Store(tmp_path / "library", embedder.name, embedder.dimension, None) as index:
        for name in ("rate-limits.html", "caching.md"):
            folder, scope = sync.locate(PROJECT / "data" / name, PROJECT / "data")
            list(sync.sync(folder, scope, index, embedder, lambda *_: None))
    return tmp_path / "library"


Run = Callable[..., Result]


@pytest.fixture
def run(embedder: Embedder) -> Run:
    parts = Parts(lambda: load_settings(env_file=None), lambda *_: embedder)
    return lambda *arguments: CliRunner().invoke(app, ["eval", *arguments], obj=parts)
