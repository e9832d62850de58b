"""An answer is text: what a model, a reader or a kept conversation says runs, loads, covers and
forges nothing, in a real browser at the real page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from ingest.background import Reading
from tests.harness.browser import answer, ask, finished, served, visit
from tests.harness.markup import HTML, VECTORS
from tests.harness.upstream import Script, Upstream

ASKED = "What does X-Accel-Buffering do?"
END = "This is the end of it."
# The page's own: the panel, Gradio's buttons and their pictures.
_STRANGE = """(answer) => [...answer.querySelectorAll("*")].filter((e) => !e.closest("button")
  && !e.closest("details[class^=headwater-], .headwater-quiet, .headwater-failed")
  && /^(script|style|iframe|object|embed|form|input|svg|math|img|video|audio|base|link|meta)$/i
    .test(e.localName) && !e.closest("[class*=icon], [class*=options], [class*=label]")
  ).map((e) => e.outerHTML.slice(0, 200))"""
_LINKS = """(all) => [...all.querySelectorAll("a")].filter((a) => !a.closest("details")).map((a) =>
  [a.getAttribute("href") ?? a.getAttribute("xlink:href"), a.textContent, a.target, a.rel])"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def chat(reading: Reading, upstream: Upstream) -> str:
    return served(reading, OPENAI_BASE_URL=upstream.base_url, cache_seconds=0)


@pytest.fixture
def watched(browser: Browser, chat: str) -> Iterator[Page]:
    """A tab in which `run()` counts, and that must have run and loaded nothing at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script("window.ran = []; window.run = (...said) => window.ran.push(said)")
    tab = context.new_page()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    tab.on("dialog", lambda dialog: asked.append(f"dialog {dialog.message}"))
    visit(tab, chat)
    yield tab
    assert tab.evaluate("window.ran") == []
    assert [url for url in asked if not url.startswith((chat, "data:", "blob:"))] == []
    assert tab.url.rstrip("/") == chat.rstrip("/")
    assert len(context.pages) == 1
    context.close()


def says(upstream: Upstream, text: str) -> None:
    upstream.script = Script(tokens=[text[i : i + 40] for i in range(0, len(text), 40)])


def press_everything(shown: Locator) -> None:
    shown.evaluate(
        """(all) => { for (const e of all.querySelectorAll("a, b, div, span, text, button[form]"))
          for (const type of ["pointerenter", "pointerover", "click"])
            if (!e.closest("button, details") && !/^https?:/.test(e.protocol ?? ""))
              e.dispatchEvent(new MouseEvent(type, { bubbles: true, cancelable: true })); }"""
    )


def assert_harmless(shown: Locator) -> None:
    assert shown.evaluate(_STRANGE) == []
    for href, text, target, rel in shown.evaluate(_LINKS):
        if href is None or href.startswith("#source-"):
            continue
        assert href.startswith(("http://", "https://", "mailto:")), (href, text)
        assert any(character.isalpha() for character in text), (href, text)
        assert (target, rel) == ("_blank", "noopener noreferrer"), (href, text)
    press_everything(shown)


# One of six is enough to see that the page does it; which markup is which, tests/text knows.
@pytest.mark.parametrize(
    "part", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 6))]
)
def test_no_answer_runs_loads_or_leads_astray(watched: Page, upstream: Upstream, part: int) -> None:
    says(upstream, "\n\n".join([*VECTORS[part::6], END]))
    ask(watched, ASKED)
    expect(answer(watched)).to_contain_text("Source")
    finished(watched)
    expect(answer(watched).locator("details.headwater-source")).to_have_count(5)
    assert_harmless(answer(watched))


def test_no_question_and_no_kept_conversation_does(watched: Page) -> None:
    question = " ".join(v for v in HTML if "svg" in v or "javascript:" in v)[:3900]
    ask(watched, f"{ASKED} {question}")
    expect(answer(watched)).to_contain_text("The nearest passages score")
    finished(watched)
    for row in (watched.locator(".user-row").last, answer(watched)):
        press_everything(row)
        for href, *_ in row.evaluate(_LINKS):
            assert href is None or not href.strip().lower().startswith(("java", "data", "vb")), href
    watched.get_by_text("New chat").click()
    expect(watched.locator(".bot-row")).to_have_count(0)
    watched.get_by_role("gridcell").first.click()
    expect(answer(watched)).to_contain_text("The nearest passages score")
    press_everything(watched.locator(".user-row").last)


def test_a_conversation_that_somebody_else_has_kept_does_not_either(
    watched: Page, upstream: Upstream
) -> None:
    """As from an older version, or from another page of the same name."""
    says(upstream, f"Kept. {END}")
    ask(watched, ASKED)
    expect(answer(watched)).to_contain_text(END)
    finished(watched)
    hostile = "<svg><a href='javascript:run()'><text y=20>press</text></a></svg>"
    hostile += "[[1]](http://203.0.113.7/) <a href='javascript:run()'>press</a>"
    shown = answer(watched)
    # Where Gradio puts what it has rendered, past everything in Python.
    shown.evaluate(
        "(row, html) => { const p = document.createElement('p'); p.innerHTML = html;"
        " row.querySelector('.message').append(p); }",
        f"{hostile} <a href='http://203.0.113.7/'>[1]</a>",
    )
    watched.wait_for_timeout(200)
    assert [href for href, *_ in shown.evaluate(_LINKS) if href and "source" not in href] == []
    press_everything(shown)


def test_even_what_stands_in_the_page_runs_nothing_that_was_not_served(watched: Page) -> None:
    watched.evaluate(
        """() => { const box = document.createElement("div"); document.body.append(box);
          box.innerHTML = "<svg><a href='javascript:run(1)'><text y=20>x</text></a></svg>"
            + "<img src=x onerror='run(2)'><a href='javascript:run(3)'>y</a>"
            + "<iframe srcdoc='<script>parent.run(4)</script>'></iframe>";
          const script = document.createElement("script"); script.textContent = "run(5)";
          box.append(script);
          for (const a of box.querySelectorAll("a"))
            a.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true })); }"""
    )
    watched.wait_for_timeout(500)


def test_a_link_elsewhere_says_so_and_opens_beside_the_chat(
    watched: Page, upstream: Upstream
) -> None:
    says(upstream, f"See [the guide](https://guide.example/a) and https://b.example/c. {END}")
    ask(watched, ASKED)
    expect(answer(watched)).to_contain_text(END)
    finished(watched)
    links = answer(watched).locator("a.headwater-away")
    expect(links).to_have_count(2)
    mark = "a => getComputedStyle(a, '::after').content"
    assert "↗" in json.dumps(links.first.evaluate(mark), ensure_ascii=False)
