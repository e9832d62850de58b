"""Who leaves the page closes the model's connection at once, however they leave and whatever the
model does meanwhile."""

from __future__ import annotations

import time
from asyncio import Queue as AsyncQueue
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from ingest.background import Reading
from rag.page import gradio_internals
from tests.harness.browser import answer, ask, finished, pages, served, visit
from tests.harness.upstream import Script, Upstream, words
from tests.harness.wire import CALL, asked, said

# Seconds from Stop or a closed tab to the closed socket of the model: some 50 ms, with other tests
# beside it ten times that. Who is not noticed stays until the next token, here for a minute.
CLOSED_WITHIN = 2.0
SLOW = Script(tokens=words("It begins: a slow answer that goes on [1]. " * 40), delay=0.05)
SILENT = Script(tokens=words("It begins and then nothing comes."), silent_after=3)
STAGES = {  # what the model does, and what the page then shows
    "waiting": (Script(header_delay=60), "Writing…"),
    "streaming": (SLOW, "slow answer that goes"),
    "silent": (SILENT, "It begins"),
}
STOPPED = {"waiting": "Stopped.", "streaming": "Stopped · about", "silent": "Stopped · about"}
EN = "What does X-Accel-Buffering do?"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def with_model(reading: Reading, upstream: Upstream) -> str:
    return served(reading, OPENAI_BASE_URL=upstream.base_url, cache_seconds=0)


@pytest.mark.parametrize("stage", ["waiting", "streaming", "silent"])
@pytest.mark.parametrize("way", ["stop", "close", "reload"])
def test_leaving_closes_the_upstream_at_once(
    browser: Browser, with_model: str, upstream: Upstream, way: str, stage: str
) -> None:
    script, seen = STAGES[stage]
    upstream.script = script
    context = browser.new_context()
    tab = context.new_page()
    visit(tab, with_model)
    index = len(upstream.calls)
    ask(tab, EN)
    expect(answer(tab)).to_contain_text(seen)
    upstream.wait_until(lambda calls: len(calls) > index, 20.0)
    left = time.monotonic()
    if way == "stop":
        tab.get_by_test_id("stop-button").click()
    elif way == "close":
        tab.close(run_before_unload=False)
    else:
        tab.reload()
    call = upstream.wait_for_end(index)
    assert call.ended == "client_left" and call.ended_at is not None
    seconds = call.ended_at - left
    print(f"{way}, {stage}: closed after {1000 * seconds:.0f} ms")
    assert seconds < CLOSED_WITHIN
    if way == "stop":
        expect(answer(tab).locator(".headwater-quiet").last).to_contain_text(STOPPED[stage])
        expect(answer(tab).get_by_text("Writing…")).to_have_count(0)
    if way != "close":
        upstream.script = Script(tokens=words("The next answer."))
        finished(tab)
        ask(tab, EN)
        expect(answer(tab)).to_contain_text("The next answer.")
    context.close()


@pytest.mark.parametrize("stage", ["waiting", "streaming", "silent"])
def test_a_client_that_hangs_up_closes_the_upstream(
    with_model: str, upstream: Upstream, stage: str
) -> None:
    upstream.script, _ = STAGES[stage]
    index = len(upstream.calls)
    with httpx.Client(base_url=with_model) as client, asked(client, EN) as updates:
        upstream.wait_until(lambda calls: len(calls) > index, 20.0)
        while stage != "waiting" and "It begins" not in said(next(updates)):
            pass
    left = time.monotonic()
    ended = upstream.wait_for_end(index)
    assert ended.ended == "client_left" and ended.ended_at is not None
    print(f"client, {stage}: closed after {1000 * (ended.ended_at - left):.0f} ms")
    assert ended.ended_at - left < CLOSED_WITHIN


def test_what_a_single_call_leaves_unread_is_dropped_and_a_tabs_queue_is_not(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.UNREAD_SECONDS", 0.5)
    url = served(reading)
    queue = pages[-1]._queue
    data = [EN, "Auto", 5, "", "", 0, "", "", ""]
    until = time.monotonic() + 20
    for _ in range(5):
        assert httpx.post(f"{url}{CALL[1:]}", json={"data": data}).status_code == 200
    assert queue.pending_messages_per_session
    while queue.pending_messages_per_session and time.monotonic() < until:
        time.sleep(0.05)
    assert not queue.pending_messages_per_session and not queue.pending_event_ids_session

    # A tab's next event finds its queue, also when its last answer was not read in time.
    queue.pending_event_ids_session["tab"] = {"an event of it"}
    queue.pending_messages_per_session["tab"] = AsyncQueue()
    gradio_internals.drop_unread(pages[-1], "tab")
    assert "tab" in queue.pending_messages_per_session
