"""A flood of long requests at the real process: its memory stays, and it answers meanwhile."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.harness.health import watched
from tests.harness.upstream import Script, Upstream, words
from tests.harness.whole_app import running

LONG = b'{"data": ["%s"]' % (b"a" * 6_000_000)  # all but the end of it
JSON = {"Content-Type": "application/json"}
MOST = 100.0  # MB that 1000 calls of 6 MB may move the memory by
HEALTH = 0.1  # seconds in which the process answers that it is alive; others' are not counted


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.timeout(600)
def test_a_flood_leaves_the_memory_where_it_was_and_the_process_awake(
    tmp_path: Path, own_library: Path, upstream: Upstream
) -> None:
    upstream.script = Script(words("Short [1]. " * 20))
    content = [{"type": "text", "text": "a" * 1_000_000}]
    history = [{"role": "user", "metadata": None, "content": content, "options": None}]

    def posted(path: str, body: bytes) -> int:
        return client.post(f"/gradio_api/{path}", content=body, headers=JSON).status_code

    def call(_: int) -> int:
        return posted("call/chat", LONG + b"}")

    def state(number: int) -> int:
        return posted("run/predict", LONG + b', "fn_index": 1, "session_hash": "s%d"}' % number)

    def conversation(number: int) -> int:
        body = {"data": [history], "fn_index": 4, "session_hash": f"c{number}"}
        return posted("run/predict", json.dumps(body).encode())

    def unread(number: int) -> int:
        question = f"What does X-Accel-Buffering do? {number}"
        body = {"data": [question, "Auto", 5, "", "", 0, ""]}
        return posted("call/chat", json.dumps(body).encode())

    with (
        running(own_library, tmp_path / "store", upstream) as app,
        httpx.Client(base_url=app.url, timeout=60) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        time.sleep(8)  # what follows the start is over
        for number in range(20):
            unread(number)
        time.sleep(3)
        before = app.megabytes
        times: dict[str, tuple[float, float]] = {}
        with watched(app.url, app.process.pid) as health:
            for flood, count in ((call, 1000), (state, 60), (conversation, 60), (unread, 60)):
                begun = time.time()
                statuses = Counter(pool.map(flood, range(count)))
                times[flood.__name__] = begun, time.time()
                print(f"{flood.__name__}: {dict(statuses)}, {app.megabytes:.0f} MB")
                expected = {413} if flood in (call, state) else {200, 503}
                assert set(statuses) <= expected, statuses
                assert flood is not call or app.megabytes - before < MOST
        time.sleep(3)
        after = app.megabytes
    print(f"{before:.0f} MB before, {after:.0f} after")
    # The last two leave something: 32 MB of conversations, and updates for 30 s.
    assert after - before < 2 * MOST
    for name, (begin, end) in times.items():
        asked = health.between(begin, end)
        median, slowest = asked[len(asked) // 2], asked[-1]
        print(
            f"{name}: /health in {1000 * median.kept:.0f} ms, the slowest of {len(asked)} "
            f"{1000 * slowest.kept:.0f} ms, and {1000 * slowest.waiting:.0f} for a processor"
        )
        # The last are questions that are answered, as many at once as one process can.
        assert (median if name == unread.__name__ else slowest).kept < HEALTH
