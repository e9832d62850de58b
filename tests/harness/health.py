"""Asks a process whether it is alive, all the while: from a process of its own, so that what its
test does meanwhile is not measured.

`python -m tests.harness.health URL PID` says `asking`, asks until its input ends and prints, as
JSON, of each time when it asked, the seconds until the answer, and how many of them the process or
this one only waited for a processor that others on the machine had.
"""

from __future__ import annotations

import http.client
import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rag.settings import PROJECT

PAUSE_SECONDS = 0.03


@dataclass(frozen=True)
class Asked:
    begun: float  # as of time.time
    seconds: float
    waiting: float  # of these, for a processor

    @property
    def kept(self) -> float:
        """Seconds that the process itself kept it waiting."""
        return max(0.0, self.seconds - self.waiting)


@dataclass
class Health:
    """All that was asked; empty until it is over."""

    asked: list[Asked] = field(default_factory=list)

    def between(self, begin: float, end: float) -> list[Asked]:
        """What was answered in that time, those kept waiting longest last."""
        inside = [each for each in self.asked if begin <= each.begun + each.seconds <= end]
        return sorted(inside, key=lambda each: each.kept)


@contextmanager
def watched(url: str, pid: int) -> Iterator[Health]:
    """It is asked until the block ends."""
    health = Health()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.harness.health", url, str(pid)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        try:
            assert process.stdout.readline() == "asking\n"
            yield health
        finally:
            process.stdin.close()
            health.asked += [Asked(*each) for each in json.loads(process.stdout.read())]


def _schedule(pid: int | str) -> dict[str, tuple[int, int]]:
    """Nanoseconds that each thread of a process ran, and waited for a processor."""
    threads = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has ended
            ran, waited, _ = (thread / "schedstat").read_text().split()
            threads[thread.name] = (int(ran), int(waited))
    return threads


def _waited(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> float:
    """Seconds that the thread waited that had most to do meanwhile."""
    pairs = [(before.get(name, now), now) for name, now in after.items()]
    busy = max(pairs, key=lambda pair: sum(pair[1]) - sum(pair[0]), default=((0, 0), (0, 0)))
    return (busy[1][1] - busy[0][1]) / 1e9


def main(url: str, pid: str) -> None:
    asked = []
    at = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    print("asking", flush=True)
    while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
        own, server = _schedule("self"), _schedule(pid)
        begun, start = time.time(), time.perf_counter()
        at.request("GET", "/health")
        answer = at.getresponse()
        answer.read()
        seconds = time.perf_counter() - start
        assert answer.status == 200
        waiting = _waited(own, _schedule("self")) + _waited(server, _schedule(pid))
        asked.append((begun, seconds, waiting))
    print(json.dumps(asked))


if __name__ == "__main__":
    main(*sys.argv[1:])
