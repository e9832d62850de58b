"""SIGTERM to the real process: everybody who reads sees a true end, and the process ends well."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from filelock import FileLock
from playwright.sync_api import Browser, expect

from rag.errors import Interrupted
from tests.harness.browser import answer, ask, box, visit
from tests.harness.upstream import Script, Upstream, words
from tests.harness.whole_app import App, running
from tests.harness.wire import asked, said

ASKED = "What does X-Accel-Buffering do?"
SLOW = Script(tokens=words("It begins: a slow answer that goes on [1]. " * 60), delay=0.1)
SAID = Interrupted().en
EXIT_SECONDS = 10.0  # that are promised


@pytest.fixture
def app(tmp_path: Path, own_library: Path, upstream: Upstream) -> Iterator[App]:
    upstream.script = SLOW
    with running(own_library, tmp_path / "store", upstream) as app:
        yield app


def of_the_page(app: App) -> str:
    with (
        httpx.Client(base_url=app.url, timeout=60) as client,
        asked(client, f"{ASKED} 1") as updates,
    ):
        return [said(update) for update in updates][-1]


def streamed(path: str, body: dict[str, object]) -> Callable[[App], str]:
    def read(app: App) -> str:
        with httpx.stream("POST", f"{app.url}{path}", json=body, timeout=60) as answered:
            return "".join(answered.iter_text())

    return read


def completion(number: int) -> dict[str, object]:
    return {"model": "headwater", "messages": [{"role": "user", "content": f"{ASKED} {number}"}]}


def whole(app: App) -> str:
    answered = httpx.post(f"{app.url}/v1/chat/completions", json=completion(3), timeout=60)
    return f"{answered.status_code} {answered.text}"


READERS: dict[str, Callable[[App], str]] = {
    "page": of_the_page,
    "/v1 stream": streamed("/v1/chat/completions", {"stream": True, **completion(2)}),
    "/v1 whole": whole,
    "/api/chat": streamed(
        "/api/chat",
        {"messages": [{"role": "user", "parts": [{"type": "text", "text": f"{ASKED} 4"}]}]},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT], ids=lambda by: by.name)
def test_everybody_who_reads_sees_the_true_end_and_the_process_ends_well(
    app: App, browser: Browser, upstream: Upstream, by: signal.Signals
) -> None:
    tab = browser.new_page()
    visit(tab, app.url)
    ask(tab, ASKED)
    expect(answer(tab)).to_contain_text("slow answer that goes")
    with ThreadPoolExecutor() as threads:
        reading = {name: threads.submit(read, app) for name, read in READERS.items()}
        upstream.wait_until(lambda calls: len(calls) == len(READERS) + 1, 20.0)
        time.sleep(1.0)
        stopped = time.monotonic()
        app.process.send_signal(by)
        expect(answer(tab)).to_contain_text(SAID)
        expect(answer(tab)).to_contain_text("slow answer that goes")
        expect(box(tab)).to_be_editable()
        assert app.process.wait(EXIT_SECONDS) == 0
        took = time.monotonic() - stopped
        seen = {name: future.result(10) for name, future in reading.items()}
    print(f"{by.name}: exit 0 after {took:.1f} s;", *((n, t[-160:]) for n, t in seen.items()))
    assert all(SAID in text for text in seen.values()), seen
    assert "slow answer" in seen["page"]
    for name in ("/v1 stream", "/api/chat"):
        assert seen[name].endswith("data: [DONE]\n\n"), seen[name][-300:]
        assert "interrupted" in seen[name]
    status, _, body = seen["/v1 whole"].partition(" ")
    assert status == "503" and json.loads(body)["error"]["code"] == "interrupted"
    upstream.wait_until(lambda calls: all(call.ended != "open" for call in calls), 5.0)
    with FileLock(app.store / "lock", timeout=0):
        pass
    tab.close()


@pytest.mark.slow
def test_nothing_new_begins_and_a_second_signal_ends_it_at_once(
    app: App, upstream: Upstream
) -> None:
    with httpx.Client(base_url=app.url, timeout=60) as kept:  # its connection is open already
        assert kept.get("/ready").status_code == 200
        with ThreadPoolExecutor() as threads:
            # One that reads nothing is waited for, but not longer than is promised.
            reading = threads.submit(READERS["/v1 stream"], app)
            upstream.wait_until(lambda calls: len(calls) == 1, 20.0)
            app.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            ready = kept.get("/ready")
            assert ready.status_code == 503 and SAID in ready.text
            refused = kept.post("/api/chat", json={"messages": []})
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "interrupted"
            app.process.send_signal(signal.SIGTERM)
            assert app.process.wait(1.0) == -signal.SIGTERM
            reading.exception(10)
