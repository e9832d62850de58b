"""Hostile documents (tests/harness/injection.py): nothing of them runs, leaves the page, forges a
marker, or is more than data to the model."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Request, expect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from ingest import sync, viewing
from ingest.background import Reading
from rag.assembly import assemble
from rag.citations.parser import Citations, Cited
from rag.documents.originals import Originals
from rag.documents.routes import documents
from rag.doors.guard import Guard
from rag.events import Event, SourcesFound, TextDelta, Waiting
from rag.page import sidebar as shelf
from rag.page.screen import Screen
from rag.retrieval.embedder import Embedder
from rag.serving.metrics import Metrics
from rag.settings import Settings
from rag.text import markdown
from rag.text.language import words
from rag.types import Findings, Source
from rag.writing import choosing, extractive, prompt
from tests.harness.browser import answer, ask, served, visit
from tests.harness.injection import DOCUMENTS, LONG_WORD, RUN, Hostile, put
from tests.harness.upstream import Json, Script, Upstream

each = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.tries)

TURNING = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
BALANCED = re.compile("[\u202a-\u202e\u2066-\u2069]")  # what a <bdi> cannot hold
OURS = re.compile(r"documents/\d+/pages/\d+(?:\?chunk=\d+(?:&chunk=\d+)*#passage)?|#source-\d+")


class Elsewhere:
    """Another server on this machine, which should never be visited."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.visits = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._count, name="elsewhere", daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _count(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._listener.accept()
                self.visits += 1
                connection.close()


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as server:
        yield server


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, elsewhere: Elsewhere) -> Path:
    folder = tmp_path_factory.mktemp("data")
    put(folder, elsewhere.url)
    return folder


@pytest.fixture(scope="module")
def hostile(
    data: Path, tmp_path_factory: pytest.TempPathFactory, embedder: Embedder
) -> Iterator[Reading]:
    """A library of nothing but hostile documents, read as the app reads them."""
    reading = Reading(
        Settings(data_dir=data, store_dir=tmp_path_factory.mktemp("store")), lambda *_: embedder
    )
    reading.settled()
    assert [reading.failed, reading.unsupported, reading.error] == [[], [], None]
    yield reading
    reading.close()


def found(reading: Reading, document: Hostile) -> Findings:
    return reading.settled().search(document.question, 5)


def source_of(document: Hostile, findings: Findings) -> Source:
    return next(s for s in findings.sources if s.document == document.name)


def markup(rendered: str) -> BeautifulSoup:
    """What is shown, as HTML: Markdown in which HTML may stand."""
    return BeautifulSoup(MarkdownIt("commonmark").render(rendered), "html.parser")


def assert_only_ours(shown: BeautifulSoup, tags: set[str]) -> None:
    for tag in shown.find_all(True):
        assert isinstance(tag, Tag)
        assert tag.name in tags, f"an element of the document: {str(tag)[:200]}"
        for name, value in tag.attrs.items():
            assert name in {"class", "href", "target", "rel", "lang", "dir", "title"}, tag.attrs
            if name == "class":
                assert all(c.startswith("headwater-") for c in value)
            if name == "href":
                assert OURS.fullmatch(str(value)), value


# The documents themselves


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(DOCUMENTS) >= 25
    assert (
        len({d.name for d in DOCUMENTS}) == len({d.question for d in DOCUMENTS}) == len(DOCUMENTS)
    )


@each
def test_its_question_finds_it_first(hostile: Reading, document: Hostile) -> None:
    findings = found(hostile, document)
    assert findings.verdict != "refuse"
    assert findings.sources[0].document == document.name


def test_what_no_reader_of_a_page_sees_is_not_read(hostile: Reading) -> None:
    text = " ".join(
        source.text for document in DOCUMENTS for source in found(hostile, document).sources
    )
    assert "SECRETLY" not in text
    assert not re.search("[\U000e0000-\U000e007f\u202a-\u202e\u2066-\u2069]", text)


# The model


def as_a_model_may_see_it(text: str) -> str:
    """Without what nobody sees, which a tokenizer may drop."""
    kept = (c for c in unicodedata.normalize("NFKC", text) if c == "\n" or c.isprintable())
    return "".join(c for c in kept if unicodedata.category(c) not in ("Cf", "Mn"))


ROLES = re.compile(r"<\|[^<>]*\|>|</?s>|</?SYS>|\[/?INST\]|<(start|end)_of_turn>", re.IGNORECASE)


def assert_fenced(messages: list[Json], findings: Findings) -> None:
    harmless = Findings(findings.query, findings.language, findings.verdict, 0.2, 0.5, ())
    rules = prompt.messages(findings.query, harmless, [], findings.language)[0]
    assert [m["role"] for m in messages] == ["system", "user"]
    assert messages[0]["content"] == rules["content"]
    content = as_a_model_may_see_it(messages[1]["content"])
    fences = ["".join(f) for f in re.findall(r"<\W*?(/?)\W*(passages?)", content, re.IGNORECASE)]
    inside = ["passage", "/passage"] * len(findings.sources)
    assert fences == ["passages", *inside, "/passages"]
    assert ROLES.findall(content) == []
    assert content.endswith(f"</passages>\n\nQuestion: {findings.query}")
    headings = re.findall(r'^<passage number="(\d+)" title="[^"]*" page="[^"]+">$', content, re.M)
    assert headings == [str(source.number) for source in findings.sources]


@each
def test_its_passages_stay_in_their_fence_as_data(hostile: Reading, document: Hostile) -> None:
    findings = found(hostile, document)
    messages = prompt.messages(findings.query, findings, [], findings.language)
    assert_fenced([dict(message) for message in messages], findings)
    for word in re.findall(r"[^\W_]{3,}", source_of(document, findings).text):
        assert word in messages[1]["content"]


def repeated(body: Json, elsewhere: str) -> str:
    """The worst that a model can say: the passages it was given, as the documents have them, and
    then the file behind the question."""
    content = body["messages"][-1]["content"]
    passages, _, question = content.rpartition("\n</passages>\n\nQuestion: ")
    first = passages.partition("</passage>")[0].partition(">\n")[2].partition(">\n")[2]
    raw = next(d.raw for d in DOCUMENTS if d.question == question)
    return f"{first.replace('&lt;', '<')}\n\n{raw}\n\nTHE END".replace("ELSEWHERE", elsewhere)


@pytest.fixture(scope="module")
def parrot(elsewhere: Elsewhere) -> Iterator[Upstream]:
    """A model that repeats what it reads."""

    def script(body: Json) -> Script:
        text = repeated(body, elsewhere.url)
        # Pieces that end inside tags, links and entities.
        return Script(tokens=[text[at : at + 97] for at in range(0, len(text), 97)])

    with Upstream(script) as server:
        yield server


@pytest.mark.anyio
async def test_what_is_really_sent_is_fenced_and_carries_no_foreign_role(
    hostile: Reading, parrot: Upstream
) -> None:
    settings = Settings.model_validate({"OPENAI_BASE_URL": parrot.base_url, "rate_limit": "off"})
    async with aclosing(assemble(settings, hostile.opening, Metrics())) as answerer:
        for document in DOCUMENTS:
            events = [event async for event in answerer.answer(document.question)]
            (findings,) = [e.findings for e in events if isinstance(e, SourcesFound)]
            assert_fenced(parrot.calls[-1].body["messages"], findings)
            # Where a model writes what ends its turn and begins another, its answer is over.
            repeated = findings.sources[0].text + document.raw
            assert "THE END" in said(events) or "<|im_start|>" in repeated


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


# What is displayed


SHOWN = {"details", "summary", "b", "span", "div", "p", "mark", "bdi", "a", "br"}


@each
def test_the_sources_show_nothing_but_its_text(hostile: Reading, document: Hostile) -> None:
    findings = found(hostile, document)
    content = Screen(document.question).show(SourcesFound(findings))[0]["content"]
    shown = markup(content)
    assert_only_ours(shown, SHOWN)
    assert len(shown.select("details.headwater-source")) == len(findings.sources)
    text = " ".join(shown.get_text().split())
    for source in findings.sources:
        assert " ".join(source.text.split()) in text
        assert TURNING.sub("", " ".join(source.title.split())) in TURNING.sub("", text)
    for name in shown.select("summary > b, summary > span"):
        assert not TURNING.search(name.get_text())
    for stretch in shown.find_all(string=TURNING):
        assert stretch.find_parent("bdi") and not BALANCED.search(stretch)


@each
def test_a_marker_in_a_passage_is_no_citation_where_the_source_is_shown(
    hostile: Reading, document: Hostile
) -> None:
    findings = found(hostile, document)
    shown = markup(Screen(document.question).show(SourcesFound(findings))[0]["content"])
    passages = shown.select(".headwater-excerpt bdi, details > p bdi")
    assert len(passages) == 2 * len(findings.sources)
    for passage in passages:
        assert {tag.name for tag in passage.find_all(True)} <= {"mark"}
        assert passage.parent is not None
        assert passage.parent.get_text().count(passage.get_text()) == 1


@each
def test_its_name_shows_as_text_while_it_is_read_and_in_the_list(
    hostile: Reading, document: Hostile
) -> None:
    (status,) = Screen(document.question).show(Waiting(1, 9, document.name))
    title = markup(status["metadata"]["title"])
    assert_only_ours(title, {"p"})
    assert not TURNING.search(title.get_text())
    problems = [(document.name, document.raw)]
    content = shelf.content(hostile.documents(), None, problems, None)
    listed = BeautifulSoup(content, "html.parser")
    assert_only_ours(listed, {"b", "span", "div", "br", "a"})
    assert not TURNING.search(listed.get_text())
    assert len(listed.select(".headwater-document")) == len(DOCUMENTS)
    assert len(listed.select(".headwater-failed")) == 1


@each
def test_without_a_model_it_is_quoted_as_text_under_its_own_number(
    hostile: Reading, document: Hostile
) -> None:
    findings = found(hostile, document)
    chosen = choosing.chosen(findings, hostile.opening.wait().relevance)
    quotes = list(extractive.written(chosen, findings.query))
    assert_only_ours(markup("".join(quotes)), {"p", "strong", "pre", "code"})
    numbers = {source.number for source in findings.sources}
    for quote in quotes:
        (number,) = {number for (number,) in cited(quote, numbers)}
        (source,) = [s for s in findings.sources if s.number == number]
        plain = markdown.Plain()
        shown = (plain.feed(quote) + plain.end()).replace(f"[{number}]", " ")
        text = " ".join(words(source.text))
        assert all(word in text for word in words(shown))


def cited(text: str, numbers: set[int]) -> list[tuple[int, ...]]:
    citations = Citations(numbers)
    pieces = [*citations.feed(text), *citations.end()]
    return [piece.numbers for piece in pieces if isinstance(piece, Cited)]


@pytest.mark.parametrize("size", [1, 7, 10_000])
@each
def test_a_number_that_no_source_has_is_taken_out_of_a_models_answer(
    document: Hostile, size: int
) -> None:
    citations = Citations({1, 2})
    text = f"{document.raw}\n\nIt says so [7], [1] and (source 7)."
    pieces = [p for at in range(0, len(text), size) for p in citations.feed(text[at : at + size])]
    pieces += citations.end()
    told = "".join(piece for piece in pieces if isinstance(piece, str))
    assert {n for piece in pieces if isinstance(piece, Cited) for n in piece.numbers} <= {1, 2}
    assert citations.dropped or "```" in document.raw
    # What is left is inside a link, an address, code, a definition or behind a backslash.
    assert not re.search(r"(?<=[\w.,] )[\[【(]+(source |nguồn |đoạn )?7[\]】)]+(?=[ .,]|$)", told)


# A page of a document


@pytest.fixture(scope="module")
def pages(hostile: Reading, data: Path) -> TestClient:
    originals = Originals(data, sync.digest, viewing)
    routes = documents(lambda _: hostile.library, originals)
    return TestClient(Starlette(routes=routes, middleware=[Middleware(Guard)]))


def addresses(reading: Reading, document: Hostile) -> list[str]:
    """The addresses of the pages that its passages are on, each passage marked."""
    assert reading.library is not None
    every = reading.library.chunks(reading.library.chunk_ids()).values()
    chunks = [chunk for chunk in every if chunk.document == document.name]
    assert chunks
    return [f"/documents/{c.document_id}/pages/{c.page}?chunk={c.id}" for c in chunks]


PAGE = "html head meta title style body header h1 p bdi nav a main div mark details summary".split()
PAGE_ATTRIBUTES = set("lang charset http-equiv content name rel href role class id style".split())
STRICT = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'none'"


@each
def test_its_page_is_markup_of_ours_with_a_policy_of_its_own(
    hostile: Reading, pages: TestClient, document: Hostile
) -> None:
    for address in addresses(hostile, document):
        response = pages.get(address)
        assert response.status_code == 200
        page = BeautifulSoup(response.text, "html.parser")
        drawn = {"img", "span"} if document.name.endswith(".pdf") else set()
        for tag in page.find_all(True):
            assert isinstance(tag, Tag)
            assert tag.name in {*PAGE, *drawn}
            assert set(tag.attrs) <= (PAGE_ATTRIBUTES | ({"src", "alt"} if drawn else set()))
        assert len(page.find_all("style")) == len(page.find_all("h1")) == 1
        assert page.find_all("meta", {"http-equiv": True})[0]["content"] == STRICT
        assert "default-src 'self'" in response.headers["content-security-policy"]
        for link in page.find_all("a"):
            assert re.fullmatch(r"\d+|\.\./file", str(link["href"]))
        for image in page.find_all("img"):
            assert re.fullmatch(r"\d+\.png", str(image["src"]))
        for stretch in page.find_all(string=TURNING):
            assert stretch.find_parent(class_="text"), stretch


# In a real browser


class Watched:
    """What a tab did that nobody asked for."""

    def __init__(self, context: BrowserContext, home: str) -> None:
        self._home = urlsplit(home).netloc
        self._requests: list[Request] = []
        self.happened: list[str] = []
        context.on("request", self._sent)
        context.on("dialog", self._opened)
        context.on("page", lambda page: self._note("a new tab", page.url))
        context.on("console", lambda message: self._note("console", message.text))
        context.on("weberror", lambda error: self._note("error", str(error.error)))
        context.on("download", lambda download: self._note("download", download.url))

    def _sent(self, request: Request) -> None:
        self._requests.append(request)

    def _opened(self, dialog: Dialog) -> None:
        self._note("dialog", dialog.message)
        dialog.dismiss()

    def _note(self, what: str, said: str) -> None:
        if what != "console" or "pwned" in said:
            self.happened.append(f"{what}: {said}")

    @property
    def left(self) -> list[str]:
        """The requests to elsewhere that the page's policy did not stop before they began."""
        return [
            request.url
            for request in self._requests
            if urlsplit(request.url).scheme not in ("data", "blob", "about")
            and urlsplit(request.url).netloc != self._home
            and request.failure != "csp"
        ]


# What the last answer and its sources brought into the page.
LOOK = """() => {
  const row = [...document.querySelectorAll(".bot-row")].at(-1);
  const chat = row.closest("#headwater-chat") ?? row;
  for (const source of row.querySelectorAll("details")) source.open = true;
  const all = [...row.querySelectorAll("*")];
  const attributes = all.flatMap(e => [...e.attributes].map(a => [e.localName, a.name, a.value]));
  const links = [...row.querySelectorAll("a, area")].map(a => a.href.baseVal ?? a.href);
  const covering = [...document.querySelectorAll("h1, textarea")]
    .filter(e => !chat.contains(e))
    .map(e => e.getBoundingClientRect())
    .map(at => document.elementFromPoint(at.left + at.width / 2, at.top + at.height / 2))
    .filter(top => chat.contains(top));
  const seen = {
    pwned: window.pwned === undefined ? [] : [String(window.pwned)],
    handlers: attributes.filter(([, name]) => name.startsWith("on")),
    elements: all.map(e => e.localName),
    links,
    targets: attributes.filter(([, name]) => /^(formaction|data|srcdoc)$/.test(name)),
    loaded: [...row.querySelectorAll("img")].filter(i => i.naturalWidth).map(i => i.src),
    covering: covering.map(e => e.outerHTML.slice(0, 200)),
    wide: document.documentElement.scrollWidth - window.innerWidth,
  };
  for (const source of row.querySelectorAll("details")) source.open = false;
  return seen;
}"""
ACTIVE = {"script", "iframe", "frame", "object", "embed", "link", "meta", "base"}


def troubles(seen: dict[str, Any], home: str) -> list[str]:
    """What of it should not be there."""
    found = [f"{n}: {x}" for n in ("pwned", "handlers", "targets", "covering") for x in seen[n]]
    found += [f"an element: {tag}" for tag in sorted(ACTIVE & set(seen["elements"]))]
    running = ("javascript:", "data:", "vbscript:")
    found += [f"a link: {link}" for link in seen["links"] if link.startswith(running)]
    ours = (home, "data:", "blob:")
    found += [f"an image: {image}" for image in seen["loaded"] if not image.startswith(ours)]
    if seen["wide"] > 0:
        found.append(f"{seen['wide']} pixels too wide")
    return found


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    yield context.new_page()
    context.close()


ANSWERED = """rows => {
  const all = document.querySelectorAll(".bot-row");
  const notes = all.length > rows ? [...all].at(-1).querySelectorAll(".headwater-quiet") : [];
  return notes.length && !document.querySelector("[data-testid=stop-button]");
}"""


def ask_for(tab: Page, document: Hostile) -> None:
    rows = tab.locator(".bot-row").count()
    ask(tab, document.question)
    tab.wait_for_function(ANSWERED, arg=rows)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(True, id="repeated by a model"),
        pytest.param(False, id="quoted"),
    ],
)
@pytest.mark.slow  # 40 questions each; what each document's marks become is tested above
def test_nothing_runs_or_leaves_on_one_page_with_all_of_them(
    phone: Page, hostile: Reading, parrot: Upstream, elsewhere: Elsewhere, model: bool
) -> None:
    settings = {"OPENAI_BASE_URL": parrot.base_url} if model else {}
    home = served(hostile, top_k=2 if model else 1, **settings)
    watched = Watched(phone.context, home)
    visits = elsewhere.visits
    visit(phone, home)
    phone.locator(".toggle-button").click()  # the list of documents
    expect(phone.locator(".headwater-document")).to_have_count(len(DOCUMENTS))
    phone.locator(".toggle-button").click()
    failures = []
    for document in DOCUMENTS:
        ask_for(phone, document)
        seen = troubles(phone.evaluate(LOOK), home)
        failures += [f"{document.name!r}, {document.tries}: {trouble}" for trouble in seen]
        if watched.happened or watched.left or elsewhere.visits > visits or phone.url != home:
            failures.append(f"{document.name!r}: {watched.happened} {watched.left} {phone.url}")
            break
    assert not failures, "\n".join(failures)
    if model:
        expect(answer(phone)).to_contain_text("THE END")
    assert LONG_WORD[:200] in phone.locator("#headwater-chat").inner_text()


def test_what_stops_the_documents_is_not_that_nothing_could_be_seen(
    browser: Browser, elsewhere: Elsewhere
) -> None:
    """The same watch over a page without any protection sees it run and leave."""
    context = browser.new_context()
    tab = context.new_page()
    watched = Watched(context, "http://nowhere.invalid/")
    visits = elsewhere.visits
    tab.set_content(
        f'<img src="{elsewhere.url}/x"><h1>T</h1><div class="bot-row"><a href="javascript:1">a</a>'
        f'<img src="{elsewhere.url}/y" onerror="{RUN}"><iframe></iframe>'
        '<p style="position:fixed;inset:0;width:900px">over it</p></div>'
    )
    tab.wait_for_function("window.pwned")
    seen = " ".join(troubles(tab.evaluate(LOOK), "http://nowhere.invalid/"))
    context.close()
    for trouble in ("pwned: 1", "handlers: ", "covering: ", "element: iframe", "link: javascript:"):
        assert trouble in seen
    assert any("dialog: pwned" in what for what in watched.happened)
    assert len(watched.left) == 2
    assert elsewhere.visits > visits


def test_a_name_that_turns_does_not_turn_what_stands_behind_it(
    phone: Page, hostile: Reading
) -> None:
    """The page's number stays behind the name, and the name in the order of its letters."""
    document = next(d for d in DOCUMENTS if "\u202e" in d.name)
    visit(phone, served(hostile, top_k=1))
    phone.set_viewport_size({"width": 1280, "height": 800})
    ask_for(phone, document)
    order = phone.evaluate(
        """() => {
          const summary = document.querySelector(".headwater-source summary");
          const walker = document.createTreeWalker(summary, NodeFilter.SHOW_TEXT);
          const left = {};
          for (let node; (node = walker.nextNode()); )
            for (const word of ["hóa", "0001", "fdp", "trang", "1 ·"]) {
              const at = node.data.lastIndexOf(word);
              if (at < 0 || !node.parentElement.closest("span")) continue;
              const range = document.createRange();
              range.setStart(node, at);
              range.setEnd(node, at + word.length);
              left[word] = range.getBoundingClientRect().left;
            }
          return Object.entries(left).sort((a, b) => a[1] - b[1]).map(([word]) => word);
        }"""
    )
    assert order == ["hóa", "0001", "fdp", "trang", "1 ·"]


def test_no_page_of_a_document_runs_or_loads_anything_in_a_browser(
    phone: Page, hostile: Reading, elsewhere: Elsewhere
) -> None:
    home = served(hostile)
    watched = Watched(phone.context, home)
    visits = elsewhere.visits
    for document in DOCUMENTS:
        for address in addresses(hostile, document)[:1]:
            phone.goto(home.rstrip("/") + address)
            seen = phone.evaluate(
                "[window.pwned === undefined, document.scripts.length, document.forms.length, "
                "document.documentElement.scrollWidth - window.innerWidth]"
            )
            assert seen == [True, 0, 0, 0], document.name
    assert watched.happened == watched.left == []
    assert elsewhere.visits == visits
