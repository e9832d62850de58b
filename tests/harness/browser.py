"""A real browser at the real page: the fixtures, and what a user does there."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import gradio.http_server
import pydantic.v1  # noqa: F401  # FastAPI would do it while serving: see served
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Error,
    Locator,
    Page,
    expect,
    sync_playwright,
)
from pydantic_settings import SettingsConfigDict

from app import serve
from ingest.background import Reading
from rag.retrieval.embedder import Embedder
from rag.settings import PROJECT, Settings
from tests.harness.lacking import lacking

expect.set_options(timeout=20_000)
# The first two are pages of the browser's own for its address bar, a third of what a tab costs. The
# others are Playwright's, whose list this one takes the place of.
DISABLED = ["WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "HttpsUpgrades", "PaintHolding"]
DISABLED += ["HttpsFirstBalancedModeAutoEnable", "ThirdPartyStoragePartitioning", "AimEnabled"]
DISABLED += ["AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints", "PreconnectToSearch"]
DISABLED += ["NetworkTimeServiceQuerying"]
# Gradio looks for a free port from here on, and takes it later: each worker has its hundred.
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
gradio.http_server.INITIAL_PORT_VALUE = 7860 + 100 * _worker
pages: list[gradio.Blocks] = []  # that are being served, the last one last


@pytest.fixture(scope="session")
def reading(
    tmp_path_factory: pytest.TempPathFactory, own_library: Path, embedder: Embedder
) -> Iterator[Reading]:
    """The project's own documents, opened as the app opens them."""
    store = tmp_path_factory.mktemp("store")
    shutil.copytree(own_library, store, dirs_exist_ok=True)
    reading = Reading(Settings(data_dir=PROJECT / "data", store_dir=store), lambda *_: embedder)
    reading.settled()
    assert [reading.failed, reading.unsupported, reading.error] == [[], [], None]
    yield reading
    reading.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # The shell takes a third of the time: it has no windows, only pages.
    names = ("chromium-headless-shell", "chromium", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    chromium = chromium or lacking("no Chromium: install Debian's package chromium-headless-shell")
    flags = ["no-sandbox", "disable-background-networking", "disable-component-update"]
    flags += [f"disable-features={','.join(DISABLED)}"]
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=chromium, args=[f"--{flag}" for flag in [*flags, "disable-sync"]]
        )


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for a module's tabs: the second one has the page's scripts already, which takes a third
    of what a fresh one costs."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def tab(context: BrowserContext) -> Iterator[Page]:
    tab = context.new_page()
    yield tab
    for opened in context.pages:
        if opened.url.startswith("http"):
            with suppress(Error):  # a page of the tests' may have none
                opened.evaluate("localStorage.clear(); sessionStorage.clear()")
        opened.close()
    context.clear_cookies()
    context.set_offline(False)


class Chosen(Settings):
    """Settings, none of which is misspelt."""

    model_config = SettingsConfigDict(extra="forbid")


@pytest.fixture(scope="module", autouse=True)
def pages_rest() -> Iterator[None]:
    """A page that nobody looks at any more would go on asking a hundred times a second for work.
    Its server stays: its loop cannot end while the model's client has connections open there."""
    yield
    while pages:
        pages.pop()._queue.close()  # type: ignore[no-untyped-call]


def served(reading: Reading, **settings: object) -> str:
    """The address of a page with these settings, without a rate limit of its own. It is served by a
    daemon thread of this process until that ends."""

    # Gradio leaves sockets to the collector. Python 3.11 breaks if it collects them while a module
    # is being imported (the warning about them imports modules too), which serving does.
    gc.collect()
    chosen = Chosen.model_validate({"rate_limit": "off", **settings})
    demo = serve(chosen, reading, block=False)
    pages.append(demo)
    assert isinstance(demo.local_url, str)
    return demo.local_url


def visit(tab: Page, url: str) -> None:
    tab.goto(url)
    expect(box(tab)).to_be_editable()


def box(tab: Page) -> Locator:
    return tab.locator("textarea").first


def ask(tab: Page, question: str) -> None:
    box(tab).fill(question)
    tab.keyboard.press("Enter")


def answer(tab: Page) -> Locator:
    return tab.locator(".bot-row").last


def finished(tab: Page) -> None:
    """Waits until the next question can be asked."""
    expect(box(tab)).to_be_editable()
    expect(tab.get_by_test_id("stop-button")).to_have_count(0)
