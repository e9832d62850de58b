"""A search in one collection: only its passages, and its best ones however large the library is."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rag.errors import LibraryEmpty, UnknownCollection
from rag.events import Searching, SourcesFound
from rag.retrieval import retriever as ranking
from rag.retrieval.embedder import Embedder
from rag.retrieval.retriever import CANDIDATES, Retriever
from rag.store.schema import collection_of
from rag.store.store import Store
from rag.types import Document, Findings, Options, Turn, Vectors
from tests.store.test_vectors import server  # noqa: F401
from tests.test_answer import end, events, failure, quotes_from, ready, sources

QUESTION = "When is the pump of the station checked?"
NFC = unicodedata.normalize("NFC", "hợp đồng")
NFD = unicodedata.normalize("NFD", NFC)


def put(index: Store, embedder: Embedder, name: str, *texts: str, folder: str = "") -> None:
    document = Document(folder, name, name, "1", 1, 1, len(texts))
    index.replace(document, [(1, text) for text in texts], embedder.embed(texts))


# Everything but two documents answers QUESTION, and those two nearly.
FILLED = {
    f"reports/{year}.md": [f"Pump {n} of the station is checked in week {n}." for n in weeks]
    for year, weeks in enumerate((range(100), range(100, 200), range(200, 300)))
} | {
    "letters/a.md": ["The valve in the cellar was looked at on Monday."],
    "letters/old/b.md": ["A machine that moves water needs a test in May."],
}


@pytest.fixture(scope="module")
def embedded(embedder: Embedder) -> dict[str, Vectors]:
    return {name: embedder.embed(texts) for name, texts in FILLED.items()}


def found(findings: Findings) -> set[str]:
    return {source.document for source in findings.sources}


@pytest.fixture(params=["compared", "chroma", "server"])
def filled(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    embedder: Embedder,
    embedded: dict[str, Vectors],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Store]:
    """A store that is filled; where Chroma searches, it does so in small collections too."""
    url = request.getfixturevalue("server") if request.param == "server" else None
    if request.param != "compared":
        monkeypatch.setattr(ranking, "COMPARED", 0)
    with Store(tmp_path, embedder.name, embedder.dimension, url) as index:
        for name, texts in FILLED.items():
            document = Document("", name, name, "1", 1, 1, len(texts))
            index.replace(document, [(1, text) for text in texts], embedded[name])
        yield index


@pytest.mark.parametrize(
    ("folder", "name", "collection"),
    [
        ("", "contracts/2024/a.pdf", "contracts"),
        ("", "contracts/a.pdf", "contracts"),
        ("", "a.pdf", None),
        ("", f"{NFD}/a.pdf", NFC),
        ("/home/lan/hop-dong", "a.pdf", "hop-dong"),
        ("/home/lan/hop-dong", "2024/a.pdf", "hop-dong"),
        (f"/home/lan/{NFD}", "a.pdf", NFC),
        ("/", "a.pdf", None),
    ],
)
def test_a_document_is_in_the_collection_of_its_first_folder(
    folder: str, name: str, collection: str | None
) -> None:
    assert collection_of(folder, name) == collection


def test_a_small_collection_among_passages_that_fit_better_gives_its_own(
    filled: Store, embedder: Embedder
) -> None:
    search = Retriever(filled, embedder)
    assert found(search.search(QUESTION, 5)) <= {"reports/0.md", "reports/1.md", "reports/2.md"}
    assert found(search.search(QUESTION, 5, "letters")) == {"letters/a.md", "letters/old/b.md"}


def test_the_candidates_of_a_collection_are_as_many_as_those_of_the_library(
    filled: Store, embedder: Embedder
) -> None:
    candidates = Retriever(filled, embedder).candidates(QUESTION, "reports")
    assert {chunk.document.partition("/")[0] for chunk in candidates.chunks} == {"reports"}
    assert len(candidates.chunks) >= CANDIDATES


def test_the_nearest_of_a_collection_are_those_that_comparing_each_would_find(
    filled: Store, embedder: Embedder
) -> None:
    put(filled, embedder, "more/a.md", *[f"Engine {n} was painted." for n in range(80)])
    query = embedder.embed([QUESTION])[0]
    vectors = filled.library.vectors(filled.library.within("more").ids)
    best = sorted(vectors, key=lambda i: -float(vectors[i] @ query))[:10]
    candidates = Retriever(filled, embedder).candidates(QUESTION, "more")
    assert set(best) <= {chunk.id for chunk in candidates.chunks}


def test_a_word_that_stands_in_one_collection_only_is_no_match_in_another(
    filled: Store, embedder: Embedder
) -> None:
    search = Retriever(filled, embedder)
    assert search.search("cellar", 5).sources[0].document == "letters/a.md"
    assert found(search.search("cellar", 5, "reports")) <= {f"reports/{n}.md" for n in range(3)}
    assert search.search("cellar", 5, "reports").verdict == "refuse"


def test_within_a_collection_words_weigh_what_they_do_in_it_and_vectors_what_they_do_everywhere(
    filled: Store, embedder: Embedder
) -> None:
    search = Retriever(filled, embedder)
    everywhere = search.candidates("The valve in the cellar")
    within = search.candidates("The valve in the cellar", "letters")
    (one,) = [i for i, c in enumerate(everywhere.chunks) if c.document == "letters/a.md"]
    (other,) = [i for i, c in enumerate(within.chunks) if c.document == "letters/a.md"]
    assert (everywhere.query.chunks, within.query.chunks) == (302, 2)
    assert within.query.idf["valv"] < everywhere.query.idf["valv"]
    assert np.isclose(within.cosine[other], everywhere.cosine[one])


def test_a_chunk_that_the_vector_index_does_not_have_keeps_no_other_from_being_found(
    filled: Store, embedder: Embedder
) -> None:
    search = Retriever(filled, embedder)
    text = "Letters are kept in the attic."
    document = Document("", "letters/new.md", "new", "1", 1, 1, 1)
    filled.library.replace(document, [(1, text)], embedder.embed([text]))  # Chroma is not told yet
    filled.vectors.remove(filled.library.within("letters").ids[:1])
    assert found(search.search("attic", 5, "letters")) >= {"letters/new.md", "letters/old/b.md"}
    assert found(search.search("attic", 5)) >= {"letters/new.md"}


def test_a_search_while_a_document_is_read_again_and_again_always_ends_well(
    filled: Store, embedder: Embedder
) -> None:
    search = Retriever(filled, embedder)
    texts = ["The valve in the cellar was looked at on Monday."] * 4

    document = Document("", "letters/a.md", "a", "1", 1, 1, len(texts))
    vectors = embedder.embed(texts)

    def read_again() -> None:
        for _ in range(15):
            filled.replace(document, [(1, text) for text in texts], vectors)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_again)
        while not reading.done():
            assert found(search.search("a test in May", 5, "letters")) >= {"letters/old/b.md"}
        reading.result()


@pytest.mark.parametrize("stored", [NFC, NFD])
@pytest.mark.parametrize("asked", [NFC, NFD])
def test_a_name_is_the_same_however_its_accents_are_written(
    store: Store, embedder: Embedder, stored: str, asked: str
) -> None:
    put(store, embedder, f"{stored}/a.md", "The tide turns at noon.")
    put(store, embedder, "b.md", "The tide turns at midnight.")
    search = Retriever(store, embedder)
    assert search.collections == [NFC]
    assert found(search.search("tide", 5, asked)) == {f"{stored}/a.md"}


def test_both_spellings_of_a_name_are_one_collection(store: Store, embedder: Embedder) -> None:
    put(store, embedder, f"{NFC}/a.md", "The tide turns at noon.")
    put(store, embedder, f"{NFD}/b.md", "The tide turns at midnight.")
    search = Retriever(store, embedder)
    assert search.collections == [NFC]
    assert found(search.search("tide", 5, NFC)) == {f"{NFC}/a.md", f"{NFD}/b.md"}


def test_a_name_is_not_a_pattern_nor_a_beginning(store: Store, embedder: Embedder) -> None:
    put(store, embedder, "law/a.md", "The tide turns at noon.")
    put(store, embedder, "law 🌊 50%_'\"/b.md", "The tide turns at midnight.")
    search = Retriever(store, embedder)
    assert found(search.search("tide", 5, "law")) == {"law/a.md"}
    assert found(search.search("tide", 5, "law 🌊 50%_'\"")) == {"law 🌊 50%_'\"/b.md"}
    for name in ("la", "law%", "LAW", "law/", "", "*"):
        with pytest.raises(UnknownCollection):
            search.search("tide", 5, name)


def test_a_document_in_the_root_is_found_only_where_no_collection_is_asked_for(
    store: Store, embedder: Embedder
) -> None:
    put(store, embedder, "a.md", "The tide turns at noon.")
    put(store, embedder, "harbour/b.md", "The ferry leaves at nine.")
    search = Retriever(store, embedder)
    assert found(search.search("When does the tide turn?", 5)) == {"a.md", "harbour/b.md"}
    assert found(search.search("When does the tide turn?", 5, "harbour")) == {"harbour/b.md"}


def test_another_folder_is_a_collection_and_joins_one_of_the_same_name(
    store: Store, embedder: Embedder
) -> None:
    put(store, embedder, "x/a.md", "The tide turns at noon.", folder="/home/lan/hop-dong")
    put(store, embedder, "hop-dong/b.md", "The ferry leaves at nine.")
    put(store, embedder, "x/c.md", "The bridge opens at ten.")
    search = Retriever(store, embedder)
    assert search.collections == ["hop-dong", "x"]
    assert found(search.search("tide", 5, "hop-dong")) == {"x/a.md", "hop-dong/b.md"}
    assert found(search.search("tide", 5, "x")) == {"x/c.md"}


def test_collections_come_and_go_with_their_documents(store: Store, embedder: Embedder) -> None:
    search = Retriever(store, embedder)
    assert search.collections == []
    with pytest.raises(LibraryEmpty):
        search.search("tide", 5, "harbour")
    put(store, embedder, "tides/a.md", "The tide turns at noon.")
    put(store, embedder, "harbour/b.md", "The ferry leaves at nine.")
    assert search.collections == ["harbour", "tides"]
    store.remove("", "harbour/b.md")
    assert search.collections == ["tides"]
    with pytest.raises(UnknownCollection):
        search.search("tide", 5, "harbour")


def test_a_collection_without_any_text_is_known_and_refuses(
    store: Store, embedder: Embedder
) -> None:
    put(store, embedder, "scans/a.pdf")
    put(store, embedder, "b.md", "The tide turns at noon.")
    findings = Retriever(store, embedder).search("When does the tide turn?", 5, "scans")
    assert (findings.verdict, findings.sources) == ("refuse", ())


def test_an_unknown_collection_names_at_most_ten_that_are_known(
    store: Store, embedder: Embedder
) -> None:
    search = Retriever(store, embedder)
    put(store, embedder, "root.md", "The tide turns at noon.")
    with pytest.raises(UnknownCollection, match="Ask without one"):
        search.search("tide", 5, "nope")
    for n in range(10):
        put(store, embedder, f"c{n}/a.md", "The ferry leaves at nine.")
    ten = ", ".join(f"c{n}" for n in range(10))
    with pytest.raises(UnknownCollection) as known:
        search.search("tide", 5, "nope")
    assert known.value.en == f"There is no collection or document nope. Choose one of: {ten}."
    assert known.value.vi == f"Không có bộ sưu tập hay tài liệu nope. Hãy chọn một trong: {ten}."
    put(store, embedder, "c91/a.md", "The bridge opens at ten.")
    with pytest.raises(UnknownCollection) as more:
        search.search("tide", 5, "nope")
    assert (more.value.code, more.value.retryable) == ("unknown_collection", False)
    assert more.value.en.endswith(f"{ten} and 1 more.")
    assert more.value.vi.endswith(f"{ten} và 1 bộ khác.")


@pytest.mark.parametrize("stored", [NFC, NFD])
@pytest.mark.parametrize("asked", [NFC, NFD])
def test_one_document_is_asked_by_its_name(
    store: Store, embedder: Embedder, stored: str, asked: str
) -> None:
    put(store, embedder, f"{stored}/2024/a.md", "The tide turns at noon.")
    put(store, embedder, f"{stored}/2024/b.md", "The tide turns at midnight.")
    put(store, embedder, "a.md", "The tide turns at nine.")
    search = Retriever(store, embedder)
    whole = f"{asked}/2024/a.md"
    assert found(search.search("tide", 5, whole)) == {f"{stored}/2024/a.md"}
    assert found(search.search("tide", 5, "a.md")) == {"a.md"}
    for name in (f"{asked}/2024", f"{asked}/2024/c.md", "2024/a.md", "A.md"):
        with pytest.raises(UnknownCollection):
            search.search("tide", 5, name)


def test_a_document_without_any_text_is_known_and_refuses(store: Store, embedder: Embedder) -> None:
    put(store, embedder, "scan.pdf")
    put(store, embedder, "b.md", "The tide turns at noon.")
    assert Retriever(store, embedder).search("tide", 5, "scan.pdf").verdict == "refuse"


@pytest.mark.parametrize("stored", [NFC, NFD])
@pytest.mark.parametrize("asked", [NFC, NFD])
def test_a_question_about_the_documents_is_answered_from_those_that_were_chosen(
    store: Store, embedder: Embedder, stored: str, asked: str
) -> None:
    put(store, embedder, f"{stored}/a.md", "The tide turns at noon.")
    put(store, embedder, "tides/b.md", "The tide turns at midnight.")
    search = Retriever(store, embedder)
    for place in (asked, f"{asked}/a.md"):
        listed = search.search("Which documents are there?", 5, place)
        assert listed.overview and listed.overview.documents == 1
        assert found(listed) == {f"{stored}/a.md"}
    with pytest.raises(UnknownCollection):
        search.search("Which documents are there?", 5, "nowhere")


def test_several_places_are_searched_as_one(filled: Store, embedder: Embedder) -> None:
    search = Retriever(filled, embedder)
    several = ("letters/a.md", "reports/1.md", "letters/a.md")
    assert found(search.search(QUESTION, 5, *several)) == {"reports/1.md"}
    assert search.search("The valve in the cellar", 5, *several).sources[0].document == several[0]
    candidates = search.candidates("The valve in the cellar", *several)
    assert {chunk.document for chunk in candidates.chunks} == {"letters/a.md", "reports/1.md"}
    assert candidates.query.chunks == 101  # words are counted in these alone
    listed = search.search("Which documents are there?", 5, "letters", "reports/1.md")
    assert listed.overview and listed.overview.documents == 3
    with pytest.raises(UnknownCollection, match="document nowhere"):
        search.search(QUESTION, 5, "letters", "nowhere")


@pytest.fixture
def towns(store: Store, embedder: Embedder) -> Retriever:
    put(store, embedder, "north/a.md", "The ferry at the old harbour leaves at nine every day.")
    put(store, embedder, "south/b.md", "The ferry at the old harbour leaves at noon every day.")
    return Retriever(store, embedder)


@pytest.mark.anyio
@pytest.mark.parametrize(("collection", "when"), [("north", "nine"), ("south", "noon")])
async def test_an_answer_is_from_the_collection_that_was_asked(
    towns: Retriever, collection: str, when: str
) -> None:
    answerer = quotes_from(ready(towns))
    asked = Options(places=(collection,))
    seen = await events(answerer, "When does the ferry at the old harbour leave?", (), asked)
    (source,) = sources(seen).sources
    assert when in source.text and end(seen).reason == "stop"
    (alone,) = (await answerer.searcher.search("When does the ferry leave?", asked)).sources
    assert alone.document.startswith(f"{collection}/")
    assert answerer.searcher.collections == ["north", "south"]


@pytest.mark.anyio
async def test_a_follow_up_stays_in_the_collection(towns: Retriever) -> None:
    turns = [Turn("When does the ferry at the old harbour leave?", "At nine. [1]")]
    answerer = quotes_from(ready(towns))
    seen = await events(answerer, "And how often?", turns, Options(places=("south",)))
    assert [type(event) for event in seen].count(Searching) == 2
    assert any(isinstance(event, SourcesFound) and event.rewritten for event in seen)
    assert found(sources(seen)) == {"south/b.md"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("question", "sentence"),
    [("When does the ferry leave?", "There is no"), ("Phà chạy lúc mấy giờ?", "Không có bộ")],
)
async def test_an_answer_from_an_unknown_collection_fails_and_says_which_there_are(
    towns: Retriever, question: str, sentence: str
) -> None:
    seen = await events(quotes_from(ready(towns)), question, (), Options(places=("west",)))
    assert failure(seen).code == "unknown_collection"
    assert sentence in failure(seen).sentence and "north, south" in failure(seen).sentence
