"""What users of other systems complain of, each with a test that bears its name (ragflow#7232 is in
test_documents)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from ingest import chunking, readers
from rag.documents.highlight import SIMILAR, find
from rag.events import CitationChecked, Searching, SourcesFound
from rag.page.panel import content
from rag.page.screen import Screen
from rag.retrieval.retriever import Retriever
from rag.types import Findings, Source, Turn
from tests.documents.test_highlight import MEASURED, alike, text_in
from tests.harness.upstream import Script, Upstream, words
from tests.test_answer import EN, OFF_TOPIC, Configured, asking, end, events, sources, text

pytestmark = pytest.mark.anyio


async def test_open_webui_11592_a_citation_leads_to_the_document_the_model_was_given_by_that_number(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(words("One [1]. Two [2]. Three [3]. Four [4]. Five [5]."))
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, EN)
    sent = upstream.calls[-1].body["messages"][-1]["content"]
    fences = re.findall(
        r'<passage number="(\d)" title="(.+?)" page="[^"]+">\n(.+?)\n</pass', sent, re.S
    )
    shown = {source.number: source for source in sources(seen).sources}
    assert [int(number) for number, _, _ in fences] == sorted(shown) == [1, 2, 3, 4, 5]
    library = retriever.store.library
    for number, title, passage in fences:
        source = shown[int(number)]
        assert (source.title, source.text) == (title, passage)
        document = library.document(source.document_id)
        assert document is not None and document.name == source.document
        chunks = library.chunks(source.chunks)
        assert {chunk.document for chunk in chunks.values()} == {source.document}
        assert all(chunk.text in source.text for chunk in chunks.values())
    panel = BeautifulSoup(
        content(sources(seen), False, rewritten=False, cited={}, complete=False), "html.parser"
    )
    for entry in panel.select(".headwater-source"):
        number = int(re.match(r"\[(\d)\]", entry.get_text())[1])  # type: ignore[index]
        assert f"documents/{shown[number].document_id}/pages/" in str(entry.select("a")[0]["href"])


async def test_open_webui_10142_an_answer_has_only_the_citations_of_its_own_turn(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    question, other = EN, "How are BM25 and embeddings combined?"
    upstream.script = Script(words("The header tells nginx whether to buffer a response [1][5]."))
    async with asking(configured, upstream, retriever) as answerer:
        first = await events(answerer, question)
        upstream.script = Script(words("BM25 and embeddings are combined by weights [2]."))
        second = await events(answerer, other, [Turn(question, text(first))])
    screen = Screen(other)
    shown = [screen.show(event) for event in second][-1]
    assert [e.number for e in second if isinstance(e, CitationChecked)] == [2]
    panel, answer = shown[0]["content"], shown[1]["content"]
    assert re.findall(r"#source-(\d)", answer) == ["2"]
    for source in sources(second).sources:
        assert f"[{source.number}] <bdi>" in panel
    assert panel.count("headwater-cited") == 1


@pytest.mark.parametrize("said", ["Hello", "Xin chào", "cảm ơn bạn", "Thanks!"])
async def test_anything_llm_4080_a_greeting_gets_no_citation(
    configured: Configured, upstream: Upstream, retriever: Retriever, said: str
) -> None:
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, said)
    assert not [e for e in seen if isinstance(e, SourcesFound | CitationChecked)]
    assert end(seen).reason == "small_talk" and text(seen) and not upstream.calls


async def test_private_gpt_176_what_the_documents_do_not_say_is_not_said(
    configured: Configured, upstream: Upstream, retriever: Retriever
) -> None:
    upstream.script = Script(words("Canberra, as everybody knows."))
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, OFF_TOPIC)
    assert "Canberra" not in text(seen) and not upstream.calls
    found = sources(seen)
    assert f"{found.best_score:.2f}" in text(seen) and f"{found.threshold:.2f}" in text(seen)


@pytest.mark.parametrize(
    ("first", "second", "document"),
    [
        (EN, "What about its timeouts?", "proxies-and-buffering.md"),
        ("X-Accel-Buffering dùng để làm gì?", "Nó có tác dụng với Apache không?",
         "vi-proxy-va-bo-dem.md"),
    ],
)  # fmt: skip
async def test_anything_llm_4033_a_follow_up_keeps_its_subject(
    configured: Configured,
    upstream: Upstream,
    retriever: Retriever,
    first: str,
    second: str,
    document: str,
) -> None:
    upstream.script = Script(status=500)  # also where the model cannot rewrite it
    async with asking(configured, upstream, retriever) as answerer:
        seen = await events(answerer, second, [Turn(first, "It tells nginx not to buffer.")])
    searched = [event.query for event in seen if isinstance(event, Searching)]
    assert searched[0] == second and "x accel buffering" in searched[-1].lower()
    (found,) = (event for event in seen if isinstance(event, SourcesFound))
    assert found.rewritten and document in [s.document for s in found.findings.sources[:5]]
    assert "X-Accel" not in text(seen) or "Searched for" in str(Screen(second).show(found))


@pytest.mark.parametrize("path", MEASURED, ids=lambda path: path.name)
def test_kotaemon_541_a_highlight_holds_the_passage_or_is_not_shown(path: Path) -> None:
    for page in readers.read(path).pages:
        for passage in chunking.split(page.text):
            boxes = find(path, page.number, passage).boxes
            shown = text_in(path, page.number, boxes)
            assert not boxes or alike(shown, passage) >= SIMILAR


def test_ragflow_1491_a_passage_cannot_bring_a_script_onto_the_page() -> None:
    hostile = '<script>alert(1)</script><img src=x onerror="alert(2)"> [go](javascript:alert(3))'
    source = Source(1, f"{hostile}.md", hostile, 1, 0.5, hostile, document_id=1, chunks=(1,))
    findings = Findings("q", "en", "answer", 0.2, 0.5, (source,))
    screen = Screen("q")
    for complete in (False, True):
        shown = content(findings, False, rewritten=True, cited={1: None}, complete=complete)
        page = BeautifulSoup(shown, "html.parser")
        allowed = {"details", "summary", "b", "bdi", "span", "div", "p", "a"}
        assert {tag.name for tag in page.find_all()} <= allowed
        assert all(str(a["href"]).startswith("documents/1/") for a in page.select("a"))
        assert not [a for tag in page.find_all() for a in tag.attrs if a.startswith("on")]
    assert "<script" not in str(screen.show(SourcesFound(findings)))
