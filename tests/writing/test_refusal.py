"""What is said where the documents hold no answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from rag.answer import Answerer
from rag.assembly import assemble
from rag.events import Finished, SourcesFound, TextDelta
from rag.retrieval.embedder import Embedder
from rag.retrieval.retriever import Retriever
from rag.serving.metrics import Metrics
from rag.settings import load_settings
from rag.store.opening import Opening
from rag.store.store import Store
from rag.types import Document, Findings, Language, Options
from rag.writing.pieces import Brief, Declined, Ending, Piece
from rag.writing.refusal import refusal

pytestmark = pytest.mark.anyio

ERRORS = "# Errors\n\nE-{}: the fan does not turn. Switch the device off and clean the fan."
ARTICLES = "Điều {}. Thời hạn hợp đồng là ba năm kể từ ngày ký, trừ khi hai bên thỏa thuận khác."
NOTHING = {
    "en": "I found no relevant information in the documents.",
    "vi": "Tôi không tìm thấy thông tin liên quan trong tài liệu.",
}


@pytest.fixture
def quoting(store: Store, embedder: Embedder) -> Answerer:
    """Over a manual that has E-1042 and E-1043, and a contract that has Điều 3."""
    texts = [ERRORS.format(1042), ERRORS.format(1043), ARTICLES.format(3)]
    for number, text in enumerate(texts):
        name = f"{number}.md"
        document = Document("", name, name, "d", 1, 1, 1)
        store.replace(document, [(1, text)], embedder.embed([text]))
    opening = Opening(lambda _: Retriever(store, embedder))
    return assemble(load_settings(env_file=None), opening, Metrics())


@pytest.mark.parametrize(
    ("question", "language", "why"),
    [
        ("What does E-1044 mean?", "en", "No passage has E-1044."),
        ("E-1044 là lỗi gì?", "vi", "Không đoạn nào có E-1044."),
        ("Điều 9 quy định gì?", "vi", "Không đoạn nào có Điều 9."),
        ("What do E-1044 and KX-287 mean?", "en", "No passage has E-1044, KX-287."),
    ],
)
async def test_what_no_passage_has_is_named(
    quoting: Answerer, question: str, language: Language, why: str
) -> None:
    text, events = "", []
    async for event in quoting.answer(question):
        events.append(event)
        text += event.text if isinstance(event, TextDelta) else ""
    [found] = [event.findings for event in events if isinstance(event, SourcesFound)]
    assert found.verdict == "refuse" and found.sources
    assert text == f"{NOTHING[language]} {why}"
    assert isinstance(events[-1], Finished) and events[-1].reason == "refused"


async def test_what_a_passage_has_is_answered(quoting: Answerer) -> None:
    text = "".join(
        [e.text async for e in quoting.answer("What does E-1043 mean?") if isinstance(e, TextDelta)]
    )
    assert "E-1043: the fan does not turn" in text and "No passage" not in text


def brief(language: Language, *missing: str) -> Brief:
    findings = Findings("q", language, "refuse", 0.27, 0.123, (), missing=missing)
    return Brief("q", language, (), Options(), findings, lambda *_: pytest.fail("asked"), "1")


async def collected(pieces: AsyncGenerator[Piece]) -> list[Piece]:
    return [piece async for piece in pieces]


@pytest.mark.parametrize(
    ("language", "why"),
    [
        ("en", "The nearest passages score 0.12; 0.27 is needed."),
        ("vi", "Đoạn gần nhất đạt 0.12 điểm; cần 0.27."),
    ],
)
async def test_else_it_is_said_by_how_much_the_nearest_missed(language: Language, why: str) -> None:
    assert await collected(refusal(brief(language))) == [
        Declined(),
        f"{NOTHING[language]} {why}",
        Ending("refused"),
    ]


@pytest.mark.parametrize(
    ("language", "why"),
    [("en", r"No passage has E_1\*."), ("vi", r"Không đoạn nào có E_1\*.")],
)
async def test_a_name_that_is_no_markdown_is_shown_as_it_was_written(
    language: Language, why: str
) -> None:
    _, text, _ = await collected(refusal(brief(language, "E_1*")))
    assert text == f"{NOTHING[language]} {why}"
