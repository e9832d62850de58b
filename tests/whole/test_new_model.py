"""A library that the packaged model has read goes on answering while it is read anew for the
multilingual one; then that one answers, and nothing fails in between. Both models are the real
ones."""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import Page
from ingest.__main__ import app as ingest_app
from ingest.background import Reading
from ingest.sessions import Sessions
from ingest.sync import locate, sync
from rag.assembly import assemble
from rag.commands.app import app as rag_app
from rag.commands.shared import Parts
from rag.events import CitationChecked, Event, Finished, Searching, SourcesFound
from rag.retrieval import earlier
from rag.retrieval.embedder import Embedder, SentenceEmbedder
from rag.retrieval.models import DIMENSION, MULTILINGUAL, PACKAGED
from rag.serving import memory
from rag.serving.metrics import Metrics
from rag.settings import PROJECT, Settings
from rag.store.library import Library
from rag.store.store import Store, fingerprint
from rag.types import Vectors

DOCUMENTS = {
    "eggs.md": "# Pancakes\n\nThe recipe needs two eggs and a cup of flour.",
    "ferry.md": "# The ferry\n\nThe last ferry leaves the island at nine in the evening.",
    "tides.md": "# Tides\n\nHigh tide is at noon, and the harbour is closed for an hour.",
}
EGGS, EGGS_VI = "How many eggs does the recipe need?", "Công thức cần bao nhiêu quả trứng?"

pytestmark = [pytest.mark.anyio, pytest.mark.slow]  # two models are loaded and unpacked


class Stepwise:
    """The multilingual model, which embeds a document each time it is let go on."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name, self.dimension = embedder.name, embedder.dimension
        self.record, self.begin = embedder.record, embedder.begin
        self.has_word = embedder.has_word
        self.steps = threading.Semaphore(0)

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        assert self.steps.acquire(timeout=60)
        return self._embedder.embed(texts, progress)

    def go_on(self, steps: int = 1000) -> None:
        self.steps.release(steps)


@pytest.fixture
def settings(tmp_path: Path, embedder: Embedder) -> Settings:
    """Of a store whose documents the packaged model has read, one of them in two editions: its ids
    are not those of a library that is read in one go."""
    data = tmp_path / "data"
    data.mkdir()
    settings = Settings(
        data_dir=data, store_dir=tmp_path / "store", embedding_model=MULTILINGUAL, rate_limit=None
    )
    with Store(settings.store_dir, PACKAGED, DIMENSION, None) as store:
        for edition in ("\n\nA draft.", ""):
            for name, text in DOCUMENTS.items():
                (data / name).write_text(text + (edition if name == "eggs.md" else ""))
            list(sync(*locate(data, data), store, embedder, lambda *_: None))
    return settings


@pytest.fixture
def stepwise(multilingual: Embedder) -> Stepwise:
    return Stepwise(multilingual)


@contextmanager
def reading(settings: Settings, new: Embedder, old: Embedder) -> Iterator[Reading]:
    """The library as the app opens it, and closes it once all is read."""
    reading = Reading(settings, lambda name, _: new if name == MULTILINGUAL else old)
    try:
        reading.opening.wait()
        yield reading
    finally:
        if isinstance(new, Stepwise):
            new.go_on()
        until(lambda: not reading.busy)
        reading.close()


def until(true: Callable[[], object]) -> None:
    for _ in range(1200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it is still not so")


def found(reading: Reading, question: str) -> str | None:
    """The best document, if it is enough to answer from."""
    findings = reading.opening.wait().search(question, 1)
    return findings.sources[0].document if findings.verdict != "refuse" else None


def one_is_taken_over(reading: Reading) -> bool:
    """Whether the new library has one document and waits for the next."""
    new = reading._store
    return new is not None and new.library.count() == 1 and reading.progress.done == 1


def names(reading: Reading) -> list[str]:
    return [document.name for document in reading.documents()]


def read(settings: Settings, model: str) -> list[str]:
    """The names in the library of a model, of a store that nobody holds or another one does."""
    library = Library(settings.store_dir / fingerprint(model, DIMENSION) / "library.db")
    with closing(library):
        return [document.name for document in library.documents()]


def test_the_old_library_answers_until_the_new_one_is_complete(
    settings: Settings, stepwise: Stepwise, embedder: Embedder
) -> None:
    with reading(settings, stepwise, embedder) as library:
        stepwise.go_on(1)
        until(lambda: one_is_taken_over(library))
        assert library.busy and library.problems() == []
        assert names(library) == sorted(DOCUMENTS)
        assert found(library, EGGS) == "eggs.md"
        assert found(library, EGGS_VI) is None  # the packaged model knows English alone
        stepwise.go_on()
        until(lambda: not library.busy)
        assert (library.error, library.meanwhile, library.problems()) == (None, None, [])
        assert names(library) == sorted(DOCUMENTS)
        assert found(library, EGGS) == found(library, EGGS_VI) == "eggs.md"


def test_the_sidebar_says_in_both_languages_what_answers_and_how_far_it_is(
    settings: Settings, stepwise: Stepwise, embedder: Embedder
) -> None:
    with reading(settings, stepwise, embedder) as library:
        answerer = assemble(settings, library.opening, Metrics())
        page = Page(settings, library, answerer, Sessions(settings.store_dir, library))
        stepwise.go_on(1)
        until(lambda: one_is_taken_over(library))
        shown, timer = page.shelf()
        assert "Reading 1/3" in shown and timer.active
        assert "being read anew for the multilingual model (multilingual-e5-small)" in shown
        assert "answers come from the earlier one (all-MiniLM-L6-v2)" in shown
        assert "đang được đọc lại cho mô hình đa ngữ" in shown
        assert "câu trả lời lấy từ thư viện cũ" in shown
        stepwise.go_on()
        until(lambda: not library.busy)
        shown, timer = page.shelf()
        assert "anew" not in shown and "đọc lại" not in shown and not timer.active


async def test_no_question_fails_while_the_new_library_takes_the_place_of_the_old_one(
    settings: Settings, stepwise: Stepwise, embedder: Embedder
) -> None:
    with reading(settings, stepwise, embedder) as library:
        answerer = assemble(settings, library.opening, Metrics())
        old = library.library
        assert old
        ids = set(old.chunk_ids())
        begun = answerer.answer(EGGS)
        events: list[Event] = []
        async for event in begun:  # it is to search the old library, and to check what it cites
            events.append(event)
            if isinstance(event, Searching):
                break
        stepwise.go_on()
        ends: list[Finished] = []
        while not ends or library.busy:
            ends += [event async for event in answerer.answer(EGGS) if isinstance(event, Finished)]
        assert ends and {end.reason for end in ends} == {"stop"}
        assert library.doubled, "an answer still needs the old library"
        events += [event async for event in begun]
        assert isinstance(events[-1], Finished)
        [findings] = [event.findings for event in events if isinstance(event, SourcesFound)]
        assert {chunk for source in findings.sources for chunk in source.chunks} <= ids
        checks = [event for event in events if isinstance(event, CitationChecked)]
        assert checks and all(check.supported for check in checks)
        del begun

        def given_back() -> bool:
            gc.collect()  # as the app does
            return not library.doubled

        until(given_back)
        assert [type(event) async for event in answerer.answer(EGGS_VI)][-1] is Finished


def test_asked_by_many_threads_over_the_change_each_question_is_answered(
    settings: Settings, multilingual: Embedder, embedder: Embedder
) -> None:
    with reading(settings, multilingual, embedder) as library:

        def ask() -> set[str | None]:
            documents = {found(library, EGGS)}
            while library.doubled:
                documents.add(found(library, EGGS))
            return documents | {found(library, EGGS)}

        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask) for _ in range(4)]
        assert {name for each in asked for name in each.result()} == {"eggs.md"}


def test_what_is_added_meanwhile_is_found_at_once_and_what_is_removed_is_gone_from_both(
    settings: Settings, stepwise: Stepwise, embedder: Embedder
) -> None:
    with reading(settings, stepwise, embedder) as library:
        stepwise.go_on(1)
        until(lambda: one_is_taken_over(library))
        taken = set(read(settings, MULTILINGUAL))
        assert len(taken) == 1
        for name in taken:
            (settings.data_dir / name).unlink()
        (settings.data_dir / "bees.md").write_text("# Bees\n\nThe hive has six frames of honey.")
        library.again()
        stepwise.go_on(1)
        remaining = sorted({*DOCUMENTS, "bees.md"} - taken)
        until(lambda: names(library) == remaining)
        assert library.meanwhile
        assert found(library, "How many frames of honey has the hive?") == "bees.md"
        stepwise.go_on()
        until(lambda: not library.busy)
        assert names(library) == remaining and not library.meanwhile
        assert found(library, "Tổ ong có mấy cầu mật?") == "bees.md"
    assert read(settings, PACKAGED) == read(settings, MULTILINGUAL) == remaining


def test_a_link_from_an_old_answer_never_leads_to_another_passage(
    settings: Settings, stepwise: Stepwise, embedder: Embedder
) -> None:
    with reading(settings, stepwise, embedder) as library:
        [old] = library.opening.wait().search(EGGS, 1).sources
        before = library.library
        assert before and before.passages(old.document_id, old.page)[0].id in old.chunks
        linked = before.chunk_ids()
        open_pages = {chunk.document_id for chunk in before.chunks(linked).values()}
        stepwise.go_on()
        until(lambda: not library.busy)
        now = library.library
        assert now and now is not before and now.count() == len(linked) == len(DOCUMENTS)
        assert not set(now.chunk_ids()) & set(linked)
        assert [now.document(document_id) for document_id in open_pages] == [None] * len(DOCUMENTS)


def test_the_old_model_and_its_store_are_given_back(
    settings: Settings, stepwise: Stepwise, whole_run: Path
) -> None:
    loaded: list[weakref.ref[SentenceEmbedder]] = []

    def load(name: str, _: Path) -> Embedder:
        if name == MULTILINGUAL:
            return stepwise
        old = SentenceEmbedder(name, whole_run)
        loaded.append(weakref.ref(old))
        return old

    library = Reading(settings, load)
    try:
        assert found(library, EGGS) == "eggs.md"
        memory.settle()
        stepwise.go_on()
        until(lambda: not library.busy and not library.doubled)
        memory.settle()
        assert [model() for model in loaded] == [None]
        with closing(library):
            assert found(library, EGGS) == "eggs.md"
        Store(settings.store_dir, PACKAGED, DIMENSION, None).close()  # nobody holds it
    finally:
        gc.unfreeze()


def test_without_the_old_model_questions_wait_for_the_new_library(
    settings: Settings, multilingual: Embedder, other_weights: None
) -> None:
    def load(name: str, folder: Path) -> Embedder:
        return multilingual if name == MULTILINGUAL else SentenceEmbedder(name, folder)

    library = Reading(settings, load)
    library.settled()
    assert found(library, EGGS_VI) == "eggs.md"
    assert (library.error, library.meanwhile, library.doubled) == (None, None, False)
    library.close()


CHILD = """
import sys, time
from pathlib import Path
from ingest.background import Reading
from ingest.sessions import Sessions
from rag.retrieval.embedder import SentenceEmbedder
from rag.settings import load_settings

known = Path(sys.argv[1])
library = Reading(load_settings(env_file=None), lambda name, _: SentenceEmbedder(name, known))
library.opening.wait()
while len(library._store.library.documents()) < 2:
    time.sleep(0.001)
print("two", flush=True)
time.sleep(60)
"""


@pytest.mark.timeout(300)
@pytest.mark.slow  # it loads everything, to be killed
def test_a_kill_in_the_middle_costs_nothing_and_the_next_start_goes_on(
    settings: Settings, stepwise: Stepwise, embedder: Embedder, whole_run: Path
) -> None:
    for number in range(40):
        text = f"# Log {number}\n\n" + f"On day {number} the valve {number * 7} was oiled. " * 15
        (settings.data_dir / f"log{number:02}.md").write_text(text)
    with Store(settings.store_dir, PACKAGED, DIMENSION, None) as store:
        place = locate(settings.data_dir, settings.data_dir)
        list(sync(*place, store, embedder, lambda *_: None))
    environment = {
        "HEADWATER_DATA_DIR": str(settings.data_dir),
        "HEADWATER_STORE_DIR": str(settings.store_dir),
        "HEADWATER_EMBEDDING_MODEL": MULTILINGUAL,
        "OMP_NUM_THREADS": "1",
        "PATH": "",
    }
    command = [sys.executable, "-c", CHILD, str(whole_run)]
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE) as child:
        assert child.stdout and child.stdout.readline() == b"two\n"
        child.send_signal(signal.SIGKILL)
    taken = read(settings, MULTILINGUAL)
    assert 2 <= len(taken) < 43
    assert earlier.pending(settings.store_dir, MULTILINGUAL)
    with reading(settings, stepwise, embedder) as library:
        assert library.meanwhile and found(library, EGGS) == "eggs.md"
        stepwise.go_on(43 - len(taken))  # none of them twice
        until(lambda: not library.busy)
        assert len(names(library)) == 43 and not library.meanwhile
        assert found(library, EGGS_VI) == "eggs.md"


Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, multilingual: Embedder, embedder: Embedder) -> Run:
    """Runs a command in this process."""

    def load(name: str, _: Path | None) -> Embedder:
        return multilingual if name == MULTILINGUAL else embedder

    parts = Parts(lambda: settings, load)

    def invoke(program: str, *arguments: str) -> Result:
        app = {"rag": rag_app, "ingest": ingest_app}[program]
        result = CliRunner().invoke(app, arguments, obj=parts)
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        return result

    return invoke


def test_commands_answer_from_the_old_library_and_say_so_until_one_has_read_it_anew(
    settings: Settings, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    searched = run("rag", "search", "--json", EGGS)
    assert json.loads(searched.stdout)["sources"][0]["document"] == "eggs.md"
    assert "comes from the earlier one (all-MiniLM-L6-v2)" in caplog.text
    assert "`python -m ingest`" in caplog.text
    assert "two eggs" in run("rag", "ask", EGGS).stdout
    ingested = run("ingest", "--json")
    assert "is read anew for multilingual-e5-small first" in ingested.stderr
    receipts = [json.loads(line) for line in ingested.stdout.splitlines()]
    assert [(r["name"], r["outcome"]) for r in receipts] == [
        (name, "unchanged") for name in sorted(DOCUMENTS)
    ]
    caplog.clear()
    searched = run("rag", "search", "--json", EGGS_VI)
    assert json.loads(searched.stdout)["sources"][0]["document"] == "eggs.md"
    assert "earlier" not in caplog.text
    assert "anew" not in run("ingest").stderr


def test_what_is_forgotten_before_all_is_taken_over_is_gone_from_both(
    settings: Settings, run: Run
) -> None:
    forgotten = run("ingest", "--json", "--forget", str(settings.data_dir / "eggs.md"))
    assert [json.loads(line)["outcome"] for line in forgotten.stdout.splitlines()] == ["removed"]
    rest = ["ferry.md", "tides.md"]
    assert read(settings, PACKAGED) == read(settings, MULTILINGUAL) == rest
