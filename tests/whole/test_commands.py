"""The commands say in one sentence what is wrong, and put nothing but the result on stdout.

What only a process shows (signals, pipes, locks, exit status) is asked of real ones; the rest runs
in this process, against the same store.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock
from limits import RateLimitItemPerSecond
from typer.testing import CliRunner, Result

from ingest import readers
from ingest.__main__ import app as ingest_app
from rag.commands.app import app as rag_app
from rag.commands.shared import Parts, loading
from rag.retrieval.embedder import Embedder
from rag.settings import PROJECT, load_settings
from rag.types import Content
from tests import MODEL
from tests.harness.upstream import Script, Upstream

DOCUMENTS = {
    "bridge.md": "# The bridge\n\nThe harbour bridge was opened in 1932 after eight years.",
    "bread.txt": "Rye bread is baked with sourdough, because rye flour has little gluten.",
    "den.txt": "Đèn biển Kê Gà cao 65 mét và được xây dựng từ năm 1897 đến năm 1899.",
}
QUESTION = "When was the harbour bridge opened?"
OFF_TOPIC = "Which planets have rings of ice?"

Run = Callable[..., Result]
Reading = tuple[int, str, str]


def lines(output: str) -> list[Any]:
    return [json.loads(line) for line in output.splitlines()]


def refused(result: Result, sentence: str) -> None:
    """Asserts exit status 2, the sentence alone on stderr, and nothing on stdout."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("headwater: ")
    assert sentence in result.stderr


class Place:
    """A data folder with three documents and a damaged one, and the store they were read into."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self.store = root / "store"
        self.data.mkdir()
        for name, text in DOCUMENTS.items():
            (self.data / name).write_text(text, encoding="utf-8")
        (self.data / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of the kind")

    @property
    def settings(self) -> dict[str, str]:
        places = {"HEADWATER_DATA_DIR": str(self.data), "HEADWATER_STORE_DIR": str(self.store)}
        return MODEL | places

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """A real process with these settings and no others from outside."""
        foreign = ("OPENAI_", "HEADWATER_", "HF_", "GRADIO_", "SPACE_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=PROJECT,
            env={**kept, **self.settings, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def finish(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """The exit status, stdout and stderr of such a process."""
        with self.start(*arguments, **variables) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, known_model: Callable[[Path], None]) -> Place:
    place = Place(tmp_path_factory.mktemp("commands"))
    known_model(place.store)
    return place


@pytest.fixture(scope="module")
def reading(place: Place) -> Reading:
    """What the process said that read the documents into the store."""
    return place.finish("ingest", "--json")


@pytest.fixture
def run(
    place: Place,
    reading: Reading,
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs a command in this process, in the same place unless variables name another."""
    parts = Parts(lambda: load_settings(env_file=None), lambda *_: embedder)

    def invoke(program: str, *arguments: str, typed: bytes = b"", **variables: object) -> Result:
        environment = {**place.settings, **{k: str(v) for k, v in variables.items()}}
        app = {"rag": rag_app, "ingest": ingest_app}[program]
        result = CliRunner().invoke(app, arguments, input=typed, env=environment, obj=parts)
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        return result

    return invoke


# ask


def test_the_sources_come_before_the_answer_and_a_quiet_line_names_the_missing_model(
    run: Run,
) -> None:
    result = run("rag", "ask", QUESTION)

    assert result.exit_code == 0
    sources, answer = result.stdout.split("\n\n", 1)
    assert "[1] The bridge  bridge.md, page 1" in sources
    assert "opened in 1932" in answer
    assert "OPENAI_API_KEY" in result.stderr


def test_a_question_that_nothing_answers_is_refused_without_a_hint_about_models(run: Run) -> None:
    result = run("rag", "ask", OFF_TOPIC)

    assert result.exit_code == 0
    assert "I found no relevant information in the documents." in result.stdout
    assert "OPENAI_API_KEY" not in result.stderr


def test_a_question_is_asked_of_one_document_or_collection_alone(run: Run) -> None:
    found = json.loads(run("rag", "search", QUESTION, "--in", "bread.txt", "--json").stdout)
    assert {source["document"] for source in found["sources"]} == {"bread.txt"}
    two = ("--in", "bread.txt", "--in", "den.txt")
    several = json.loads(run("rag", "search", QUESTION, *two, "--json").stdout)
    assert {source["document"] for source in several["sources"]} == {"bread.txt", "den.txt"}
    answer = run("rag", "ask", "What is rye bread baked with?", "--in", "bread.txt")
    assert answer.exit_code == 0 and "bridge.md" not in answer.stdout
    refused(run("rag", "search", QUESTION, "--in", "nowhere"), "no collection or document nowhere")
    unknown = run("rag", "ask", QUESTION, "--in", "nowhere")
    assert unknown.exit_code == 2 and "no collection or document nowhere" in unknown.stderr


def test_a_question_can_come_from_stdin_and_choose_its_language_and_number_of_sources(
    run: Run,
) -> None:
    result = run("rag", "ask", "-", "--top-k", "2", "--language", "vi", typed=OFF_TOPIC.encode())

    assert "[2]" in result.stdout
    assert "[3]" not in result.stdout
    assert "Tôi không tìm thấy thông tin liên quan trong tài liệu." in result.stdout


def test_bytes_that_are_no_text_are_asked_all_the_same(run: Run) -> None:
    result = run("rag", "ask", "-", "--json", typed=b"harbour \xff bridge")

    searching = {"type": "status", "event": "searching", "query": "harbour � bridge"}
    assert lines(result.stdout)[2] == searching


def test_in_json_there_is_one_event_a_line_sources_first(run: Run) -> None:
    result = run("rag", "ask", "Đèn biển Kê Gà cao bao nhiêu mét?", "--json")

    events = [event["event"] for event in lines(result.stdout)]
    assert [*dict.fromkeys(events)] == [
        "waiting",
        "started",
        "searching",
        "found",
        "sources_found",
        "text_delta",
        "citation_checked",
        "finished",
    ]
    kinds = [event["type"] for event in lines(result.stdout)]
    assert [*dict.fromkeys(kinds)] == ["status", "context_ready", "text", "citations", "done"]
    assert "Đèn biển" in result.stdout, "text is not escaped"
    assert result.stderr == ""


def test_what_a_model_writes_streams_under_the_sources(run: Run) -> None:
    with Upstream(Script(["In 1932", "\x1b[2J", " [1]."])) as upstream:
        result = run("rag", "ask", QUESTION, "--model", "large", OPENAI_BASE_URL=upstream.base_url)

    assert result.exit_code == 0
    assert "In 1932[2J [1].\n" in result.stdout, "the terminal is not steered by a model"
    assert "large · " in result.stderr
    assert "Not confirmed by the passage that is cited: [1]" in result.stderr
    assert "tokens" in result.stderr
    assert upstream.calls[0].body["model"] == "large"


def test_a_refused_key_is_said_and_the_sources_stay(run: Run) -> None:
    with Upstream(require_key="right") as upstream:
        result = run(
            "rag", "ask", QUESTION, OPENAI_BASE_URL=upstream.base_url, OPENAI_API_KEY="sk-wrong"
        )

    assert result.exit_code == 2
    assert "bridge.md" in result.stdout
    assert "headwater: The model's server refused the key. Check OPENAI_API_KEY." in result.stderr
    assert "sk-wrong" not in result.output


def test_a_server_that_is_not_there_is_the_last_line_in_json(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"

    result = run("rag", "ask", QUESTION, "--json", OPENAI_BASE_URL=closed)

    last = lines(result.stdout)[-1]
    assert result.exit_code == 2
    assert (last["event"], last["code"], last["retryable"]) == ("failed", "network_error", True)
    assert result.stderr == ""


# ask --batch


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    file = tmp_path / "questions.txt"
    file.write_text(f"{QUESTION}\n\nHow tall is the lighthouse?\n{OFF_TOPIC}\n", encoding="utf-8")
    return file


def test_a_file_of_questions_is_answered_a_json_line_each_and_not_again(
    run: Run, batch: Path
) -> None:
    first = run("rag", "ask", "--batch", str(batch))
    assert first.exit_code == 0
    answers = sorted(lines(first.stdout), key=lambda line: int(line["number"]))
    assert [line["number"] for line in answers] == [1, 3, 4]
    assert "1932" in answers[0]["answer"] and answers[0]["sources"][0]["document"] == "bridge.md"
    assert answers[2]["verdict"] == "refuse"
    written = Path(f"{batch}.answers.jsonl").read_text(encoding="utf-8")
    assert sorted(written.splitlines()) == sorted(first.stdout.splitlines())
    with batch.open("a") as file:
        file.write("What is rye bread baked with?\n")
    second = run("rag", "ask", "--batch", str(batch))
    assert [line["number"] for line in lines(second.stdout)] == [5]
    assert "1 answered, 3 were answered before, 0 failed" in second.stderr.replace("\n", " ")


def test_a_batch_stops_at_a_key_that_is_refused_and_goes_on_with_a_good_one(
    run: Run, batch: Path, upstream: Upstream
) -> None:
    batch.write_text("".join(f"{QUESTION} Number {n}?\n" for n in range(6)), encoding="utf-8")
    upstream.require_key = "sk-good"
    settings = {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "sk-bad"}
    refused_key = run("rag", "ask", "--batch", str(batch), **settings)
    assert refused_key.exit_code == 2
    assert "OPENAI_API_KEY" in refused_key.stderr
    assert not Path(f"{batch}.answers.jsonl").read_text(encoding="utf-8")
    good = run("rag", "ask", "--batch", str(batch), **settings | {"OPENAI_API_KEY": "sk-good"})
    assert good.exit_code == 0
    assert [line["answer"] for line in lines(good.stdout)] == ["Hello, world."] * 6


def test_a_batch_keeps_to_the_budget_and_waits_instead_of_failing(
    run: Run, batch: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.assembly.RateLimitItemPerMinute", RateLimitItemPerSecond)
    batch.write_text("".join(f"{QUESTION} Number {n}?\n" for n in range(6)), encoding="utf-8")
    settings = {"OPENAI_BASE_URL": upstream.base_url, "HEADWATER_UPSTREAM_RPM": 2}
    assert run("rag", "ask", "--batch", str(batch), **settings).exit_code == 0
    started = [call.started for call in upstream.calls]
    assert len(started) == 6 and started[-1] - started[0] > 1.5


def test_a_question_and_a_batch_are_not_asked_together(run: Run, batch: Path) -> None:
    for arguments in [(), (QUESTION, "--batch", str(batch))]:
        assert run("rag", "ask", *arguments).exit_code == 2


# search


def test_search_prints_one_object_with_the_ranked_sources(run: Run) -> None:
    result = run("rag", "search", QUESTION, "--top-k", "2", "--json")

    (findings,) = lines(result.stdout)
    assert list(findings) == ["query", "verdict", "threshold", "best_score", "absent", "sources"]
    assert findings["verdict"] == "answer"
    assert [list(source) for source in findings["sources"]] == [
        ["number", "document", "page", "score", "text"]
    ] * 2
    assert findings["sources"][0]["document"] == "bridge.md"


def test_search_shows_a_table_and_the_verdict(run: Run) -> None:
    found, nothing = run("rag", "search", QUESTION), run("rag", "search", OFF_TOPIC)

    assert "bridge.md" in found.stdout
    assert "Enough to answer from" in found.stdout
    assert "No relevant information" in nothing.stdout


# eval


def test_eval_measures_the_library_and_prints_the_six_figures(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "questions.json"
    asked = [{"question": QUESTION, "language": "en", "document": "bridge.md", "page": 1}]
    file.write_text(json.dumps(asked))

    (figures,) = lines(run("rag", "eval", str(file), "--json").stdout)
    table = run("rag", "eval", str(file)).stdout

    assert figures == {
        "questions": 1,
        "r@1": 1.0,
        "r@5": 1.0,
        "ndcg@10": 1.0,
        "refused": None,
        "wrongly_refused": 0.0,
    }
    assert "1.000" in table
    assert "—" in table


def test_eval_of_a_squad_file_needs_no_library_and_leaves_none(run: Run, tmp_path: Path) -> None:
    file, store = tmp_path / "squad.json", tmp_path / "store"
    paragraph = {"context": DOCUMENTS["bridge.md"], "qas": [{"question": QUESTION}]}
    file.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))

    (figures,) = lines(run("rag", "eval", str(file), "--json", HEADWATER_STORE_DIR=store).stdout)

    assert (figures["questions"], figures["r@1"]) == (1, 1.0)
    assert not store.exists()


# What cannot be done


@pytest.mark.parametrize("command", ["ask", "search"])
@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("  ", "The question is empty."),
        ("?! …", "The question has no letters or digits"),
        ("a" * 20_000, "The question has 20,000 characters; at most 4,000 are allowed."),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(
    run: Run, command: str, question: str, sentence: str
) -> None:
    refused(run("rag", command, question), sentence)


def test_a_refused_question_is_the_last_line_in_json(run: Run) -> None:
    result = run("rag", "ask", " ", "--json")

    assert result.exit_code == 2
    assert lines(result.stdout)[-1]["code"] == "invalid_question"
    assert "headwater: The question is empty." in result.stderr


def test_an_empty_library_says_how_to_fill_it(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "questions.json"
    file.write_text(json.dumps([{"question": QUESTION, "language": "en", "document": "a.md"}]))

    for arguments in (["ask", QUESTION], ["search", QUESTION], ["eval", str(file)]):
        refused(run("rag", *arguments, HEADWATER_STORE_DIR=tmp_path / "store"), "python -m ingest")


@pytest.mark.parametrize(
    "arguments",
    [("rag", "ask", "Why?"), ("rag", "search", "Why?"), ("rag", "eval", "x"), ("ingest",)],
)
def test_a_setting_that_is_not_allowed_is_named_with_its_value(
    run: Run, arguments: tuple[str, ...]
) -> None:
    refused(run(*arguments, HEADWATER_TOP_K="99"), "HEADWATER_TOP_K='99'")
    refused(run(*arguments, HEADWATER_TOPK="5"), "There is no setting HEADWATER_TOPK.")


def test_a_questions_file_that_cannot_be_read_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "picture.json").write_bytes(b"\x89PNG\r\n")

    refused(run("rag", "eval", str(tmp_path / "picture.json")), "picture.json")
    refused(run("rag", "eval", str(tmp_path / "nowhere.json")), "No such file or directory")


def test_a_store_that_another_process_holds_is_named(place: Place, reading: Reading) -> None:
    with FileLock(place.store / "lock"):
        status, out, err = place.finish("rag", "search", QUESTION, "--json")

    assert (status, out) == (2, "")
    assert err.startswith("headwater: Another Headwater process is using")
    assert err.count("\n") == 1


def test_an_interrupted_command_ends_silently(place: Place, reading: Reading) -> None:
    with place.start("rag", "ask", QUESTION, "--json") as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["event"] == "waiting"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)

    assert (process.returncode, err) == (130, "")


SWALLOWS = """
import signal, sys, time
from rag.commands.shared import loading
if sys.argv[1:]:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
with loading():
    print("loading", flush=True)
    try:
        time.sleep(0.5 if sys.argv[1:] else 60)
    except BaseException:
        print("went on")
"""


@pytest.mark.parametrize("ignored", [False, True], ids=["at a terminal", "in the background"])
def test_a_library_that_swallows_the_interrupt_does_not_keep_the_command_alive(
    ignored: bool,
) -> None:
    command = [sys.executable, "-c", SWALLOWS, *(["ignored"] if ignored else [])]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == ((0, "") if ignored else (130, ""))


def test_libraries_are_loaded_in_any_thread() -> None:
    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor() as thread:
        thread.submit(_load).result()
    assert signal.getsignal(signal.SIGINT) is before is signal.default_int_handler


def _load() -> None:
    with loading():
        pass


def test_a_reader_that_has_seen_enough_is_not_answered_with_a_traceback(
    place: Place, reading: Reading
) -> None:
    with place.start("rag", "search", QUESTION, "--json") as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""


def test_help_does_not_wait_for_the_libraries_that_answer() -> None:
    heavy = "{'torch', 'sentence_transformers', 'chromadb', 'openai', 'numpy'}"
    program = f"import sys, rag.commands.app, ingest.__main__; print({heavy} & set(sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )

    assert done.stdout == "set()\n"
    assert "eval" in CliRunner().invoke(rag_app, ["--help"]).stdout


# ingest


def test_one_broken_file_ends_with_status_1_and_the_good_ones_are_in(
    reading: Reading,
) -> None:
    status, out, err = reading

    receipts = {receipt["name"]: receipt for receipt in lines(out)}
    assert status == 1
    assert err == ""
    assert receipts.keys() == {*DOCUMENTS, "broken.pdf"}
    assert receipts["bridge.md"].pop("seconds") > 0
    assert receipts["bridge.md"] == {
        "name": "bridge.md",
        "outcome": "added",
        "pages": 1,
        "pages_with_text": 1,
        "chunks": 1,
        "reason": "",
        "reason_vi": "",
    }
    assert receipts["broken.pdf"]["outcome"] == "failed"
    assert "damaged" in receipts["broken.pdf"]["reason"]
    assert "bị hỏng" in receipts["broken.pdf"]["reason_vi"]


def test_unchanged_files_are_counted_and_not_listed_beside_others(run: Run, place: Place) -> None:
    result = run("ingest")

    assert result.exit_code == 1
    assert "broken.pdf" in result.stdout
    assert "bridge.md" not in result.stdout
    assert "1 failed" in result.stdout
    assert "3 unchanged" in result.stdout


def test_unchanged_files_are_listed_when_there_are_no_others(run: Run, place: Place) -> None:
    result = run("ingest", str(place.data / "bridge.md"), str(place.data / "bread.txt"))

    assert result.exit_code == 0
    assert "bridge.md" in result.stdout
    assert "2 unchanged." in result.stdout


def test_unchanged_gone_and_broken_files_are_told_without_the_embedding_model(
    run: Run, tmp_path: Path, embedder: Embedder
) -> None:
    notes, store = tmp_path / "notes", tmp_path / "store"
    notes.mkdir()
    (notes / "crane.txt").write_text("Cranes fly south in October.")
    (notes / "stork.txt").write_text("Storks nest on chimneys.")
    assert run("ingest", str(notes), HEADWATER_STORE_DIR=store).exit_code == 0
    (notes / "stork.txt").unlink()
    (notes / "broken.pdf").write_bytes(b"%PDF-1.7")
    loaded: list[str] = []

    def load(name: str, _: Path | None) -> Embedder:
        loaded.append(name)
        return embedder

    environment = {"HEADWATER_STORE_DIR": str(store)}

    def outcomes() -> list[str]:
        parts = Parts(embedder=load)
        result = CliRunner().invoke(ingest_app, ["--json", str(notes)], env=environment, obj=parts)
        return [receipt["outcome"] for receipt in lines(result.stdout)]

    assert outcomes() == ["failed", "unchanged", "removed"]
    assert loaded == []
    (notes / "heron.txt").write_text("Herons fish at dawn.")
    assert outcomes() == ["failed", "unchanged", "added"]
    assert loaded == [embedder.name]


def test_an_index_that_breaks_while_a_command_reads_is_said_and_costs_no_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, store, txt = tmp_path / "notes", tmp_path / "store", readers.READERS[".txt"]
    notes.mkdir()
    (notes / "crane.txt").write_text("Cranes fly south in October.")
    (notes / "stork.txt").write_text("Storks nest on chimneys.")

    def breaking(data: bytes, name: str) -> Content:
        for place in store.glob("*/vectors/"):
            shutil.rmtree(place)
            place.write_text("no folder")
        return txt.read(data, name)

    with monkeypatch.context() as broken:
        spoiler = SimpleNamespace(read=breaking, VERSION=txt.VERSION)
        broken.setitem(readers.READERS, ".txt", spoiler)
        result = run("ingest", "--json", str(notes), HEADWATER_STORE_DIR=store)
    assert [receipt["outcome"] for receipt in lines(result.stdout)] == ["added", "added"]
    assert result.exit_code == 1
    assert "headwater: The vector index" in result.stderr

    next(store.glob("*/vectors")).unlink()
    assert run("ingest", str(notes), HEADWATER_STORE_DIR=store).exit_code == 0
    found = run("rag", "search", "Where do storks nest?", "--json", HEADWATER_STORE_DIR=store)
    assert "stork.txt" in found.stdout


def test_what_was_read_is_forgotten_though_its_folder_is_gone(run: Run, tmp_path: Path) -> None:
    notes, store = tmp_path / "notes", tmp_path / "store"
    notes.mkdir()
    (notes / "crane.txt").write_text("Cranes fly south in October.")
    (notes / "stork.txt").write_text("Storks nest on chimneys.")
    assert run("ingest", str(notes), HEADWATER_STORE_DIR=store).exit_code == 0
    (notes / "crane.txt").unlink()
    (notes / "stork.txt").unlink()
    notes.rmdir()

    refused(run("ingest", str(notes), HEADWATER_STORE_DIR=store), "There is no file or folder")
    first = run("ingest", "--json", "--forget", str(notes / "crane.txt"), HEADWATER_STORE_DIR=store)
    rest = run("ingest", "--json", "--forget", str(notes), HEADWATER_STORE_DIR=store)

    assert [(r["name"], r["outcome"]) for r in lines(first.stdout)] == [("crane.txt", "removed")]
    assert [(r["name"], r["outcome"]) for r in lines(rest.stdout)] == [("stork.txt", "removed")]
    refused(
        run("ingest", "--forget", str(notes), HEADWATER_STORE_DIR=store),
        f"The library has no document from {notes}",
    )


def test_a_missing_path_is_refused_before_anything_is_changed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("A new document.")
    store = tmp_path / "store"
    paths = [str(tmp_path / "new.txt"), str(tmp_path / "nowhere")]

    refused(run("ingest", *paths, HEADWATER_STORE_DIR=store), f"{tmp_path / 'nowhere'}")
    assert not store.exists()


def test_a_named_file_that_nobody_reads_ends_with_status_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    report, store = tmp_path / "notes" / "report.doc", tmp_path / "store"
    report.write_bytes(b"PK")

    named = run("ingest", "--json", str(report), HEADWATER_STORE_DIR=store)
    found = run("ingest", "--json", str(report.parent), HEADWATER_STORE_DIR=store)

    assert [r["outcome"] for r in lines(named.stdout + found.stdout)] == ["unsupported"] * 2
    assert (named.exit_code, found.exit_code) == (1, 0)


def test_an_empty_folder_says_which_formats_can_be_read(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    result = run("ingest", str(empty), HEADWATER_STORE_DIR=tmp_path / "store")

    assert (result.exit_code, result.stdout) == (0, "")
    assert f"nothing to read in {empty}" in result.stderr
    assert "PDF" in result.stderr
