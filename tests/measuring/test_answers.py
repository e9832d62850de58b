"""Sentences of models, labelled by hand: how their files are read, and what the figures mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.citations.support import Support
from rag.errors import QuestionsError
from rag.measuring import answers, labelled
from rag.measuring.answers import AnswersReport, Judged
from rag.measuring.labelled import Answers, Claim, Label
from rag.measuring.support import Half
from rag.retrieval.embedder import Embedder
from rag.retrieval.profiles import BUILT_IN
from rag.settings import PROJECT
from rag.types import Language, Reason, outcome
from tests.measuring.conftest import Run
from tests.measuring.test_search import write

BRIDGE = "The harbour bridge was opened in 1932 after eight years of building."
CẦU = "Cây cầu ở bến cảng được khánh thành năm 1932 sau tám năm xây dựng."
BREAD = "Rye bread is baked with sourdough, because rye flour has little gluten."
OVEN = "A baker's oven is fired with beech wood and holds forty loaves."

OWN = {"document": "bread.md", "page": 1, "language": "en", "half": "tuning", "text": BREAD}


def paragraph(language: Language) -> dict[str, object]:
    return {"title": "Bridge", "paragraph": 0, "language": language, "half": "held_out"}


def entry(
    passage: str, sentence: str, label: Label = "supported", language: Language = "en"
) -> dict[str, str]:
    said = {"passage": passage, "language": language, "model": "qwen", "question": "Why?"}
    return {**said, "sentence": sentence, "label": label, "kind": "faithful"}


def article(*texts: str, title: str = "Bridge") -> dict[str, object]:
    paragraphs = [{"context": text, "qas": [{"question": "Who built it?"}]} for text in texts]
    return {"data": [{"title": title, "paragraphs": paragraphs}]}


def file(tmp_path: Path, *sentences: dict[str, str]) -> Path:
    passages = {"bread": OWN, "bridge.en": paragraph("en"), "bridge.vi": paragraph("vi")}
    return write(tmp_path / "answers.json", {"passages": passages, "sentences": sentences})


def judged(label: Label, reason: Reason, share: float = 0.5, half: Half = "tuning") -> Judged:
    claim = Claim("bread", half, "en", "en", "qwen", "Why?", f"{label} {share}", label, "faithful")
    return Judged(claim, Support(outcome(reason) != "unconfirmed", reason, share, 0.0))


def test_what_a_sentence_copied_is_read_from_the_articles_beside_it(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        entry("bread", "Braces {en 0:3} of our own stay."),
        entry("bridge.en", "In short: {en 4:18} {en 23:37}."),
        entry("bridge.en", "{en 69:81} – nobody says."),
        entry("bridge.en", "{vi 0:7} mở năm 1932.", language="vi"),
    )
    en = write(tmp_path / "en.json", article(BRIDGE, OVEN))
    vi = write(tmp_path / "vi.json", article(CẦU))

    found = labelled.load([path, en, vi])

    assert [claim.sentence for claim in found.claims] == [
        "Braces {en 0:3} of our own stay.",
        "In short: harbour bridge opened in 1932.",
        "Who built it – nobody says.",
        "Cây cầu mở năm 1932.",
    ]
    assert [claim.row for claim in found.claims] == ["en", "en", "en", "across"]
    assert [claim.half for claim in found.claims] == ["tuning", *["held_out"] * 3]
    assert sorted(found.passages.values()) == sorted([BREAD, BRIDGE, OVEN, CẦU])


def test_sentences_whose_article_was_not_given_are_left_out_and_counted(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        entry("bread", BREAD),
        entry("bridge.vi", "Cầu mở năm 1932.", language="vi"),
        entry("bridge.en", "{vi 0:7} mở năm 1932.", language="vi"),
    )
    en = write(tmp_path / "en.json", article(BRIDGE))
    other = write(tmp_path / "other.json", article(BRIDGE, title="Tower"))

    assert labelled.load([path]).left_out == 2
    assert labelled.load([path, en]).left_out == 2, "the third copied from the other language"
    assert [*labelled.load([path, other]).passages.values()] == [BREAD]


def test_what_holds_no_labelled_sentence_is_named(tmp_path: Path) -> None:
    en = write(tmp_path / "en.json", article(BRIDGE))
    with pytest.raises(QuestionsError, match="cannot be read"):
        labelled.load([tmp_path / "nowhere.json"])
    with pytest.raises(QuestionsError, match="has no sentences that can be read"):
        labelled.load([write(tmp_path / "list.json", [])])
    with pytest.raises(QuestionsError, match="no labelled sentence"):
        labelled.load([en])
    with pytest.raises(QuestionsError, match="no passage 'oven'"):
        labelled.load([file(tmp_path, entry("oven", OVEN))])


def test_the_figures_are_shares_of_what_their_names_say() -> None:
    report = AnswersReport(
        (
            judged("unsupported", "number"),
            judged("unsupported", "words"),
            judged("unsupported", "supported"),
            judged("unsupported", "unclear"),
            judged("supported", "supported"),
            judged("supported", "name"),
            judged("no_claim", "words"),
            judged("no_claim", "unchecked"),
            judged("supported", "supported", half="held_out"),
        ),
        {"bread": BREAD},
        left_out=0,
    )

    part = report.parts()["tuning", "en"]

    assert (part.sentences, part.unsupported, part.untold) == (8, 4, 1)
    assert part.precision == 2 / 4, "a mark on what claims nothing is wrong, too"
    assert part.recall == 2 / 4
    assert part.false_alarms == 1 / 2
    assert part.no_claim == 1 / 2
    apart = report.parts()["held_out", "en"]
    assert (apart.precision, apart.recall, apart.false_alarms) == (None, None, 0)


def test_the_worst_are_those_nearest_to_their_passage_and_never_of_the_half_kept_apart() -> None:
    report = AnswersReport(
        (
            judged("unsupported", "supported", 0.4),
            judged("unsupported", "unchecked", 1.0),
            judged("unsupported", "supported", 0.9, half="held_out"),
            judged("supported", "name", 0.8),
            judged("supported", "supported", 1.0),
            judged("no_claim", "words", 0.1),
        ),
        {"bread": BREAD},
        left_out=0,
    )

    assert [j.claim.sentence for j in report.worst()] == [
        "supported 0.8",
        "unsupported 0.4",
        "no_claim 0.1",
    ]
    assert len(report.worst(2)) == 2


def test_each_sentence_is_judged_against_its_own_passage(
    tmp_path: Path, embedder: Embedder
) -> None:
    path = file(
        tmp_path,
        entry("bread", "Rye bread is baked with sourdough."),
        entry("bridge.en", "Rye bread is baked with sourdough.", "unsupported"),
        entry("bridge.en", "The harbour bridge was opened in 1933.", "unsupported"),
    )
    found = labelled.load([path, write(tmp_path / "en.json", article(BRIDGE, OVEN))])
    done: list[int] = []

    report = answers.measure(found, embedder, BUILT_IN, done.append)

    assert [j.marked for j in report.judged] == [False, True, True]
    assert report.judged[2].support.reason == "number"
    assert done == [1, 2, 3]


def test_the_command_prints_the_figures_of_the_files_that_it_is_given(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWATER_STORE_DIR", str(tmp_path / "store"))
    path = file(
        tmp_path,
        entry("bread", "Rye bread is baked with sourdough."),
        entry("bread", "Rye bread is baked in 12 minutes.", "unsupported"),
        entry("bread", "Rye flour has much gluten.", "unsupported"),
        entry("bridge.en", "{en 0:40}."),
        entry("bridge.vi", "Cầu mở năm 1932.", language="vi"),
    )
    en = write(tmp_path / "en.json", article(BRIDGE))

    printed = json.loads(run("--answers", str(path), str(en), "--json").stdout)
    shown = " ".join(run("--answers", str(path), str(en)).stdout.split())

    assert (printed["sentences"], printed["left_out"]) == (4, 1)
    assert [(p["half"], p["language"], p["recall"]) for p in printed["parts"]] == [
        ("tuning", "en", 0.5),
        ("held_out", "en", None),
    ]
    assert [w["sentence"] for w in printed["worst"]] == ["Rye flour has much gluten."]
    assert printed["worst"][0]["text"] == BREAD
    assert "1 sentences left out" in shown and "held out" in shown and "Precision" in shown


@pytest.mark.parametrize("arguments", [("--answers", "--calibrate"), (), ("a.json", "b.json")])
def test_what_does_not_go_together_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.slow  # a thousand sentences
def test_what_models_made_up_is_mostly_found_and_what_they_read_is_rarely_marked(
    multilingual: Embedder,
) -> None:
    found = labelled.load([PROJECT / "tests" / "measured" / "prose.json"])
    tuning = tuple(claim for claim in found.claims if claim.half == "tuning")
    cited = {claim.passage: found.passages[claim.passage] for claim in tuning}

    report = answers.measure(Answers(tuning, cited), multilingual, BUILT_IN, lambda done: None)

    for (_, row), part in report.parts().items():
        print(row, part)
        assert part.precision is not None and part.recall is not None
        assert part.false_alarms is not None and part.no_claim is not None
        assert part.false_alarms <= 0.1 and part.no_claim <= 0.2
        assert part.precision >= 0.75
        assert part.untold > part.sentences / 3 if row == "across" else part.recall >= 0.5


def test_the_project_s_own_sentences_hold_no_text_of_xquad_and_are_enough() -> None:
    content = json.loads(Path(PROJECT, "tests/measured/prose.json").read_text(encoding="utf-8"))
    halves: dict[str, list[dict[str, str]]] = {"tuning": [], "held_out": []}
    for sentence in content["sentences"]:
        halves[content["passages"][sentence["passage"]]["half"]].append(sentence)

    for passage in content["passages"].values():
        assert ("text" in passage) != ("title" in passage)
    assert len(content["sentences"]) >= 400
    for sentences in halves.values():
        claims = [s["label"] for s in sentences if s["label"] != "no_claim"]
        assert claims.count("unsupported") >= 0.4 * len(claims)
        assert {s["language"] for s in sentences} == {"en", "vi"}
        assert {s["model"] for s in sentences} == {"qwen", "smol"}
