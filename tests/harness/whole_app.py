"""`python app.py` as a user starts it, over the project's own documents, which are read already."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from tests.benchmarks.first_token import NO_HEADERS, free_port, process
from tests.harness.upstream import Upstream


@dataclass(frozen=True)
class App:
    url: str
    process: Popen[bytes]
    store: Path

    @property
    def megabytes(self) -> float:
        """Of memory that it has."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


@contextmanager
def running(
    library: Path,
    store: Path,
    upstream: Upstream,
    headers: Mapping[str, str] = NO_HEADERS,
    **more: str,
) -> Iterator[App]:
    """It runs, with `library` copied to `store` unless that is there, from when it can be asked
    until the block ends. `headers` open it, `more` is its environment."""
    port = free_port()
    if not store.exists():
        shutil.copytree(library, store)
    environment = {
        "OPENAI_BASE_URL": upstream.base_url,
        "HEADWATER_STORE_DIR": str(store),
        "HEADWATER_RATE_LIMIT": "off",
        "HEADWATER_CACHE_SECONDS": "0",
    }
    with process(port, ["app.py"], environment | more, "/ready", headers) as server:
        yield App(f"http://127.0.0.1:{port}", server, store)
