"""The figures are what their definitions say, and files that hold no questions are named."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rag.errors import LibraryEmpty, QuestionsError
from rag.measuring import questions
from rag.measuring import search as evaluation
from rag.measuring.questions import Question, Questions
from rag.measuring.search import Progress, Report
from rag.retrieval import profiles
from rag.retrieval.embedder import Embedder
from rag.settings import PROJECT
from rag.store.store import Store
from rag.types import Document
from tests.measuring.conftest import Run

BRIDGE = "The harbour bridge was opened in 1932 after eight years of building."
CLOSED = "The harbour bridge is closed on the first Sunday of May."
BREAD = "Rye bread is baked with sourdough, because rye flour has little gluten."
OVEN = "A baker's oven is fired with beech wood and holds forty loaves."
CRANES = "Cranes fly south in October and rest in shallow water at night."
NESTS = "Storks build their nests on chimneys and come back every spring."


def ignore(done: int) -> None:
    """Whoever measures here does not watch."""


def add(index: Store, embedder: Embedder, name: str, *passages: str) -> None:
    pages = [(page, text) for page, text in enumerate(passages, start=1)]
    document = Document("/documents", name, name, "", len(pages), len(pages), len(pages))
    index.replace(document, pages, embedder.embed(passages))


def measure(about: Questions, index: Store, embedder: Embedder, progress: Progress) -> Report:
    return evaluation.measure(about, evaluation.searches(about, index, embedder), progress)


def measure_articles(about: Questions, embedder: Embedder, progress: Progress) -> Report:
    return evaluation.measure(about, evaluation.searches_of_articles(about, embedder), progress)


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def squad(*articles: list[tuple[str, list[dict[str, object]]]]) -> dict[str, object]:
    return {
        "data": [
            {"paragraphs": [{"context": text, "qas": asked} for text, asked in article]}
            for article in articles
        ]
    }


def test_the_rank_counts_documents_and_not_their_chunks(store: Store, embedder: Embedder) -> None:
    add(store, embedder, "bridge.txt", BRIDGE, BRIDGE + " It is long.", BRIDGE + " It is high.")
    add(store, embedder, "closed.txt", CLOSED)
    add(store, embedder, "bread.txt", BREAD)
    question = Question("When was the harbour bridge opened?", "en", "closed.txt")

    report = measure(Questions((question,)), store, embedder, ignore)

    assert (report.r_at_1, report.r_at_5) == (0, 1)
    assert report.ndcg_at_10 == pytest.approx(1 / np.log2(3))


def test_a_document_that_is_found_first_counts_fully_and_one_not_found_not_at_all(
    store: Store, embedder: Embedder, caplog: pytest.LogCaptureFixture
) -> None:
    add(store, embedder, "bread.txt", BREAD)
    asked = (
        Question("Why is rye bread baked with sourdough?", "en", "bread.txt"),
        Question("Why is rye bread baked with sourdough?", "vi", "elsewhere.txt"),
    )

    with caplog.at_level(logging.WARNING):
        report = measure(Questions(asked), store, embedder, ignore)

    assert (report.r_at_1, report.r_at_5, report.ndcg_at_10) == (0.5, 0.5, 0.5)
    assert (report.by_language["en"].r_at_1, report.by_language["vi"].r_at_1) == (1, 0)
    assert "elsewhere.txt" in caplog.text


def test_refusals_are_right_for_the_unanswerable_and_wrong_for_the_answerable(
    store: Store, embedder: Embedder
) -> None:
    add(store, embedder, "bread.txt", BREAD)
    add(store, embedder, "bridge.txt", BRIDGE)
    asked = (
        Question("Why is rye bread baked with sourdough?", "en", "bread.txt"),
        Question("Who coaches the national volleyball team?", "en", "bridge.txt"),
        Question("Which planets have rings of ice?", "en", None),
    )
    done: list[int] = []

    report = measure(Questions(asked), store, embedder, done.append)

    assert report.questions == 3
    assert (report.refused, report.wrongly_refused) == (1, 0.5)
    assert done == [1, 2, 3]


def test_what_there_is_nothing_to_measure_for_is_none(store: Store, embedder: Embedder) -> None:
    add(store, embedder, "bread.txt", BREAD)

    only = Questions((Question("Which planets have rings of ice?", "en", None),))
    report = measure(only, store, embedder, ignore)

    assert report.as_json() == {
        "questions": 1,
        "r@1": None,
        "r@5": None,
        "ndcg@10": None,
        "refused": 1,
        "wrongly_refused": None,
    }


def test_shares_are_rounded_to_four_places() -> None:
    third = 1 / 3
    report = Report(3, third, third, third, third, third)

    assert set(report.as_json().values()) == {3, 0.3333}


def test_an_empty_library_is_named_before_anything_is_measured(
    store: Store, embedder: Embedder
) -> None:
    about = Questions((Question("Why is rye bread baked with sourdough?", "en", "bread.txt"),))

    with pytest.raises(LibraryEmpty):
        measure(about, store, embedder, ignore)


def test_a_library_of_other_documents_is_not_measured(store: Store, embedder: Embedder) -> None:
    add(store, embedder, "bridge.txt", BRIDGE)
    about = Questions((Question("Why is rye bread baked with sourdough?", "en", "bread.txt"),))

    with pytest.raises(QuestionsError, match=r"none of the documents.*bread\.txt"):
        measure(about, store, embedder, ignore)


def test_the_projects_own_questions_can_be_read() -> None:
    about = questions.load(PROJECT / "tests" / "measured" / "questions.json")

    assert not about.articles
    assert {q.language for q in about.asked} == {"en", "vi"}
    assert any(q.document is None for q in about.asked)


def test_a_squad_file_is_measured_on_its_own_paragraphs_with_each_article_taken_away(
    tmp_path: Path, embedder: Embedder
) -> None:
    content = squad(
        [(BREAD, [{"question": "Why is rye bread baked with sourdough?"}]), (OVEN, [])],
        [(BRIDGE, [{"question": "When was the harbour bridge opened?"}]), (CLOSED, [])],
        [(CRANES, [{"question": "Where do cranes rest at night?"}]), (NESTS, [])],
    )
    done: list[int] = []

    about = questions.load(write(tmp_path / "squad.json", content))
    report = measure_articles(about, embedder, done.append)

    assert report == Report(
        3, 1, 1, 1, refused=1, wrongly_refused=0, by_language=report.by_language
    )
    assert list(report.by_language) == ["en"]
    assert done == [1, 2, 3, 4, 5, 6]


def test_impossible_questions_of_a_squad_file_are_its_unanswerable_ones(
    tmp_path: Path, embedder: Embedder
) -> None:
    content = squad(
        [(BREAD, [{"question": "Which planets have rings of ice?", "is_impossible": True}])],
        [(BRIDGE, [{"question": "When was the harbour bridge opened?", "is_impossible": False}])],
    )
    done: list[int] = []

    about = questions.load(write(tmp_path / "squad.json", content))
    report = measure_articles(about, embedder, done.append)

    assert (report.questions, report.r_at_1, report.refused) == (2, 1, 1)
    assert done == [1, 2], "nothing is taken away where the file says what has no answer"


def test_a_single_article_cannot_be_taken_away(tmp_path: Path, embedder: Embedder) -> None:
    content = squad([(BRIDGE, [{"question": "When was the harbour bridge opened?"}])])

    about = questions.load(write(tmp_path / "squad.json", content))
    report = measure_articles(about, embedder, ignore)

    assert (report.questions, report.r_at_1, report.refused) == (1, 1, None)


def test_a_paragraph_that_occurs_twice_stays_two_documents(tmp_path: Path) -> None:
    content = squad([(BREAD, [{"question": "Why?"}]), (BREAD, [])], [(BREAD, [])])

    about = questions.load(write(tmp_path / "squad.json", content))

    assert [len(article) for article in about.articles] == [2, 1]
    assert len({name for article in about.articles for name in article}) == 3


def test_a_squad_file_has_the_language_of_most_of_its_paragraphs(tmp_path: Path) -> None:
    vietnamese = "Bánh mì đen được làm từ bột lúa mạch và men chua."
    content = squad([(vietnamese, [{"question": "Gluten?"}]), (OVEN, []), (vietnamese, [])])

    about = questions.load(write(tmp_path / "squad.json", content))

    assert [q.language for q in about.asked] == ["vi"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not JSON",
        "{}",
        "[1, 2]",
        '{"data": 1}',
        '[{"question": "Why?", "language": "fr", "document": null}]',
        '[{"question": "Why?", "language": "en"}]',
        '{"data": [{"paragraphs": [{"context": "Text."}]}]}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_neither_format_is_refused_with_what_is_allowed(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "file.json").write_text(content)

    with pytest.raises(QuestionsError, match=r"file\.json.*SQuAD"):
        questions.load(tmp_path / "file.json")


@pytest.mark.parametrize("content", ["[]", '{"data": []}', '{"data": [{"paragraphs": []}]}'])
def test_a_file_without_a_question_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "file.json").write_text(content)

    with pytest.raises(QuestionsError, match="no question"):
        questions.load(tmp_path / "file.json")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(QuestionsError, match=str(path)):
            questions.load(path)


# The command, over every kind of file


def about_rates(tmp_path: Path) -> Path:
    """Questions in both languages, more than calibrating needs in English only."""
    entries: list[dict[str, object]] = [
        {"question": f"How does {what} limit requests?", "language": "en", "document": document}
        for what in "a token bucket|a fixed window|a leaky bucket|a sliding log|a quota".split("|")
        for document in ("rate-limits.html", "caching.md")
        for _ in range(2)
    ]
    entries += [{"question": "Who won the cup?", "language": "en", "document": None}] * 2
    entries += [{"question": "Thế nào là giỏ token?", "language": "vi", "document": None}]
    return write(tmp_path / "rates.json", entries)


def test_each_kind_of_file_is_told_by_its_content(tmp_path: Path) -> None:
    tests = PROJECT / "tests" / "measured"
    assert questions.kind(tests / "questions.json") == "questions"
    assert questions.kind(tests / "support.json") == "support"
    assert questions.kind(tests / "dialogues.json") == "dialogues"
    for content in ("", "[]", "{}", '[{"first": "Why?"}]', "[" * 100_000):
        (tmp_path / "file.json").write_text(content)
        assert questions.kind(tmp_path / "file.json") == "questions"
    assert questions.kind(tmp_path / "nowhere.json") == "questions"


def test_the_labelled_sentences_give_precision_and_recall(
    run: Run, library: Path, tmp_path: Path
) -> None:
    whole = json.loads(Path(PROJECT, "tests/measured/support.json").read_text(encoding="utf-8"))
    names = [n for n, p in whole["passages"].items() if p["document"] == "rate-limits.html"]
    some = {
        "passages": {name: whole["passages"][name] for name in names},
        "pairs": [pair for pair in whole["pairs"] if pair["passage"] in names],
    }
    file = write(tmp_path / "some.json", some)

    printed = json.loads(run(str(file), "--json").stdout)

    assert printed["pairs"] == len(some["pairs"]) > 5
    assert sum(part["pairs"] for part in printed["unsupported"]) == printed["pairs"]
    assert all(0.5 < part["precision"] <= 1 for part in printed["unsupported"])
    assert "Recall" in run(str(file)).stdout


def test_the_dialogues_give_how_often_the_document_is_found(
    run: Run, library: Path, tmp_path: Path
) -> None:
    whole = json.loads(Path(PROJECT, "tests/measured/dialogues.json").read_text(encoding="utf-8"))
    some = [dialogue for dialogue in whole if dialogue["document"] == "rate-limits.html"]
    file = write(tmp_path / "some.json", some)

    printed = json.loads(run(str(file), "--json").stdout)

    assert printed["dialogues"] == len(some) > 2
    assert printed["r@5"] == 1
    assert "as typed" in run(str(file)).stdout


def test_calibrating_prints_before_and_after_and_keeps_the_profiles(
    run: Run, library: Path, tmp_path: Path, embedder: Embedder
) -> None:
    file = about_rates(tmp_path)

    first = run(str(file), "--calibrate")
    printed = json.loads(run(str(file), "--calibrate", "--json").stdout)

    assert str(library / "profiles.json") in " ".join(first.stderr.split())
    assert "en before" in first.stdout and "en after" in first.stdout
    assert "vi stays as it was: 0 answerable questions, 20 needed." in first.stdout
    kept = profiles.load(library).measured
    assert {model: set(found) for model, found in kept.items()} == {embedder.name: {"en"}}
    assert printed["profiles"] == {"en": asdict(kept[embedder.name]["en"])}
    assert printed["before"] == printed["after"], "the second time nothing is new"
    assert printed["left_out"] == {"vi": 0}


def test_a_file_with_too_few_questions_keeps_nothing(
    run: Run, library: Path, tmp_path: Path
) -> None:
    entry = {"question": "What is a quota?", "language": "en", "document": "rate-limits.html"}

    result = run(str(write(tmp_path / "one.json", [entry])), "--calibrate")

    assert "en stays as it was: 1 answerable questions" in result.stdout
    assert not (library / "profiles.json").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("tests/measured/support.json", "--calibrate"), "need questions"),
        (("tests/measured/dialogues.json", "--plot", "out.png"), "need questions"),
        (("tests/measured/questions.json", "--plot", "nowhere/out.png"), "no folder nowhere"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(
    run: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    result = run(str(PROJECT / arguments[0]), *arguments[1:])

    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("│", "").split())


# In a process of its own: app.py, which other tests import, hides matplotlib from Gradio.
DRAW = """
import sys
from pathlib import Path
from rag.measuring.search import Outcome, report
from rag.measuring.plot import draw
from rag.retrieval.profiles import BUILT_IN
from rag.measuring.questions import Question

languages = sys.argv[2].split()
kinds = [kind == "answerable" for kind in sys.argv[3].split()]
outcomes = [
    Outcome(language, kind, 1, False, (0.4 if kind else 0.1) + n / 100)
    for language in languages for kind in kinds for n in range(30)
]
asked = [Question(f"{n} {o.language}?", o.language, None) for n, o in enumerate(outcomes)]
profiles = {language: BUILT_IN.of("all-MiniLM-L6-v2", language) for language in languages}
draw(report(asked, outcomes), profiles, "questions", Path(sys.argv[1]))
"""


def drawn(path: Path, languages: str, kinds: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAW, str(path), languages, kinds],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("languages", "kinds", "height"),
    [("en vi", "answerable unanswerable", 1296), ("vi", "answerable", 691)],
)
def test_the_picture_is_a_png_of_a_sensible_size_with_lines_in_it(
    tmp_path: Path, languages: str, kinds: str, height: int
) -> None:
    done = drawn(tmp_path / "out.png", languages, kinds)

    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.format == "PNG"
        assert picture.size == (2016, height)
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 24)
    assert colours is not None and len(colours) > 100
    assert any(colour == (0, 0x72, 0xB2) and count > 500 for count, colour in colours)


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    done = drawn(tmp_path, "en", "answerable")

    assert "HeadwaterError: The picture" in done.stderr
    assert "Is a directory" in done.stderr


@pytest.mark.slow  # it loads everything; the picture and the command are tested apart
def test_the_command_draws_what_it_measured(run: Run, tmp_path: Path) -> None:
    content = squad(
        [(BREAD, [{"question": "Why is rye bread baked with sourdough?"}]), (OVEN, [])],
        [(BRIDGE, [{"question": "When was the harbour bridge opened?"}]), (CLOSED, [])],
    )
    file = write(tmp_path / "squad.json", content)

    done = subprocess.run(
        [sys.executable, "-m", "rag", "eval", str(file), "--plot", str(tmp_path / "out.png")],
        cwd=PROJECT,
        env={**os.environ, "HEADWATER_STORE_DIR": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (2016, 691)
    assert not (tmp_path / "store").exists()
