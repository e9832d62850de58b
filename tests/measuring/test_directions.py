"""Asking across languages and in small libraries: what counts as right, in which library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.errors import QuestionsError
from rag.measuring import directions
from rag.measuring.directions import Directions
from rag.measuring.questions import Question, Questions
from rag.measuring.temporary import Prepared, temporary
from rag.retrieval.embedder import Embedder
from rag.retrieval.profiles import BUILT_IN
from rag.types import Language
from tests.measuring.conftest import Run
from tests.measuring.test_search import squad, write

BRIDGE = (
    "The harbour bridge was opened in 1932 after eight years of building.",
    "Cây cầu ở bến cảng được khánh thành năm 1932 sau tám năm xây dựng.",
    "When was the harbour bridge opened?",
    "Cây cầu ở bến cảng được khánh thành năm nào?",
)
BREAD = (
    "Rye bread is baked with sourdough, because rye flour has little gluten.",
    "Bánh mì đen được nướng với men chua vì bột lúa mạch đen có ít gluten.",
    "Why is rye bread baked with sourdough?",
    "Vì sao bánh mì đen được nướng với men chua?",
)
CRANES = (
    "Cranes fly south in October and rest in shallow water at night.",
    "Sếu bay về phương nam vào tháng mười và đậu nghỉ ở vùng nước nông ban đêm.",
    "When do cranes fly south?",
    "Sếu bay về phương nam vào tháng mấy?",
)
ALL = (BRIDGE, BREAD, CRANES)


def translated(language: Language) -> Questions:
    """One article a text."""
    at = 0 if language == "en" else 1
    return Questions(
        tuple(Question(text[at + 2], language, f"{i}.1") for i, text in enumerate(ALL, start=1)),
        tuple({f"{i}.1": text[at]} for i, text in enumerate(ALL, start=1)),
    )


@pytest.fixture(scope="module")
def found(embedder: Embedder) -> Directions:
    done: list[int] = []
    english, vietnamese = translated("en"), translated("vi")
    measured = directions.measure(vietnamese, english, embedder, BUILT_IN, done.append)
    assert done == list(range(1, len(done) + 1))
    return measured


def test_the_five_directions_each_have_all_questions(found: Directions) -> None:
    assert list(found.directions) == ["en", "vi", "plain", "vi→en", "en→vi"]
    assert {report.questions for report in found.directions.values()} == {3}
    for name in ("en", "vi", "plain"):
        report = found.directions[name]
        assert (report.r_at_1, report.refused, report.wrongly_refused) == (1, 1, 0), name


def test_in_the_library_of_both_the_right_one_is_that_of_its_language(found: Directions) -> None:
    assert found.both["en, own"].r_at_1 == found.both["vi, own"].r_at_1 == 1
    assert found.both["en, other"].r_at_1 == found.both["vi, other"].r_at_1 == 0
    assert found.both["en, own"].refused is None
    # Six paragraphs are in a library of both, five where one's own is taken away.
    assert found.both["en, other"].ndcg_at_10 is not None
    assert found.both["en, only other"].questions == 3
    assert found.both["en, only other"].refused is not None


def test_small_libraries_are_asked_what_they_hold_and_what_they_lack(found: Directions) -> None:
    assert {name for name in found.sizes if name.endswith("plain")} == {
        "1 plain",
        "2 plain",
        "3 plain",
    }
    alone = found.sizes["1 en"]
    assert alone.r_at_1 == 1, "what a library of one holds comes first"
    assert alone.refused is not None and alone.wrongly_refused is not None
    assert found.sizes["3 en"] == found.directions["en"]


def test_files_that_are_not_translations_of_each_other_are_refused(embedder: Embedder) -> None:
    english, vietnamese = translated("en"), translated("vi")
    fewer = Questions(vietnamese.asked[:2], vietnamese.articles)
    for second, sentence in (
        (fewer, "not translations"),
        (english, "one in English and one in Vietnamese"),
        (Questions(vietnamese.asked), "SQuAD's format"),
    ):
        with pytest.raises(QuestionsError, match=sentence):
            directions.measure(english, second, embedder, BUILT_IN, lambda done: None)


def test_a_library_that_lets_documents_go_finds_the_others_only(embedder: Embedder) -> None:
    texts = {"bridge": BRIDGE[0], "bread": BREAD[0]}
    vectors = embedder.embed(list(texts.values()))
    paragraphs = {
        name: (text, vector) for (name, text), vector in zip(texts.items(), vectors, strict=True)
    }
    with temporary(paragraphs, Prepared(embedder, [BRIDGE[2]]), BUILT_IN) as temporary_library:
        for held in (["bridge"], ["bread", "bridge"], ["bread"]):
            temporary_library.hold(held)
            sources = temporary_library.retriever.search(BRIDGE[2], 5).sources
            assert {source.document for source in sources} == set(held)


@pytest.mark.slow  # it loads everything; the figures are tested apart
def test_the_command_prints_the_directions(run: Run, tmp_path: Path, library: Path) -> None:
    files = []
    for name, at in (("en", 0), ("vi", 1)):
        articles: list[list[tuple[str, list[dict[str, object]]]]] = [
            [(text[at], [{"question": text[at + 2]}])] for text in ALL
        ]
        files.append(str(write(tmp_path / f"{name}.json", squad(*articles))))

    printed = json.loads(run(files[0], "--translated", files[1], "--json").stdout)

    assert set(printed) == {"directions", "both", "sizes"}
    assert printed["directions"]["en"]["r@1"] == 1
    shown = " ".join(run(files[0], "--translated", files[1]).stdout.split())
    for row in ("vi→en", "Of both", "2 plain"):
        assert row in shown, shown
    refused = run(files[0], "--translated", files[1], "--calibrate")
    assert refused.exit_code == 2
