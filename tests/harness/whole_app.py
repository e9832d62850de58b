"""`python app.py` as a user starts it, over the project's own documents, which are read already."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from tests.benchmarks.first_token import free_port, process
from tests.harness.upstream import Upstream


@dataclass(frozen=True)
class App:
    url: str
    process: Popen[bytes]
    store: Path


@contextmanager
def running(library: Path, store: Path, upstream: Upstream) -> Iterator[App]:
    """It runs, with `library` copied to `store`, from when it can be asked until the block ends."""
    port = free_port()
    shutil.copytree(library, store)
    environment = {
        "OPENAI_BASE_URL": upstream.base_url,
        "HEADWATER_STORE_DIR": str(store),
        "HEADWATER_RATE_LIMIT": "off",
        "HEADWATER_CACHE_SECONDS": "0",
    }
    with process(port, ["app.py"], environment, "/ready") as server:
        yield App(f"http://127.0.0.1:{port}", server, store)
