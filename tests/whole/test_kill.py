"""`kill -9` while documents are read: nothing is lost, doubled or mixed.

The processes that are killed are real ones, forked off a process that has loaded the embedding
model already: loading it takes far longer than the work. `python -m tests.whole.test_kill` is that
process; each line it is given is a data folder and a store, and it answers with the process id of
the child that reads the one into the other, then with how that child ended.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ingest import storing
from ingest.__main__ import app as ingest_app
from ingest.background import Reading
from ingest.sync import locate, sync
from rag.commands.shared import Parts
from rag.retrieval.embedder import Embedder, SentenceEmbedder
from rag.retrieval.models import PACKAGED
from rag.retrieval.retriever import Retriever
from rag.settings import PROJECT, Settings
from rag.store.library import Library
from rag.store.store import Store

DOCUMENTS = 30
KILLS = 20
QUERIES = [
    "Which pump is checked by the harbour master?",
    "When does the ferry leave the island?",
    "How often is the archive copied?",
    "Who may open the valve at night?",
    "What does the lighthouse keeper write down?",
    "Máy bơm nào do trạm phía bắc kiểm tra?",
    "Kho lưu trữ được sao lưu bao lâu một lần?",
    "bao lau thi kiem tra van mot lan",
    "revision seven",
    "anything about the generator and its fuel",
]
WHO = ["The harbour master", "The lighthouse keeper", "Trạm phía bắc", "Người trực đêm", "A guard"]
DOES = ["checks", "opens", "repairs", "kiểm tra", "ghi lại", "writes a report on", "sao lưu"]
WHAT = ["pump", "the valve", "van số", "the generator", "kho lưu trữ", "the ferry", "the archive"]
WHEN = ["every week", "at noon", "mỗi tháng một lần", "when the tide turns", "vào ban đêm"]


def write_documents(folder: Path, revision: int, spared: int = 0) -> None:
    """Thirty documents of one or two passages; `spared` of them are left as they were."""
    draw = random.Random(revision)
    for number in range(spared, DOCUMENTS):
        sentences = [
            f"{draw.choice(WHO)} {draw.choice(DOES)} {draw.choice(WHAT)} {draw.randint(1, 999)} "
            f"{draw.choice(WHEN)}, revision {revision}."
            for _ in range(draw.choice([2, 2, 4, 16]))
        ]
        (folder / f"{number:02}.md").write_text(f"# Document {number}\n\n{' '.join(sentences)}\n")


class Readers:
    """The process that forks off those that read."""

    def __init__(self, precisions: Path, module: str = "tests.whole.test_kill") -> None:
        alone = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, str(precisions)],
            cwd=PROJECT,
            env={**os.environ, **alone},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def read(
        self, data: Path, store: Path, kill_after: float | None = None, *more: object
    ) -> tuple[int, float]:
        """Reads `data` into `store`: the exit status, as of subprocess, and the seconds it took.

        `kill_after` counts from when the store's lock is there, that is, when work begins. `more`
        is told to the process; who is told more has a group of its own, which is killed.
        """
        (store / "lock").unlink(missing_ok=True)
        self._tell([str(data), str(store), *more])
        pid = self._line()
        while not (store / "lock").exists():
            time.sleep(0.001)
        begun = time.monotonic()
        if kill_after is not None:
            time.sleep(kill_after)
            kill = os.killpg if more else os.kill
            kill(pid, signal.SIGKILL)  # its parent has not waited for it yet, or it is a zombie
        self._tell("wait")
        status: int = self._line()
        return status, time.monotonic() - begun

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def _tell(self, line: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def _line(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def readers(whole_run: Path, embedder: Embedder) -> Iterator[Readers]:
    process = Readers(whole_run)
    try:
        yield process
    finally:
        process.close()


def held(store: Path, embedder: Embedder) -> tuple[object, object, object]:
    """What a store holds and finds, its ids aside."""
    with Store(store, embedder.name, embedder.dimension, None) as index:
        documents = index.library.documents()
        ids = index.library.chunk_ids()
        chunks = index.library.chunks(ids)
        assert index.vectors.count() == index.library.count() == len(ids)
        texts = sorted((c.document, c.page, c.text) for c in chunks.values())
        retriever = Retriever(index, embedder)
        results = [
            [(s.document, s.page, s.text, round(s.score, 3)) for s in found.sources]
            for found in (retriever.search(query, 5) for query in QUERIES)
        ]
    return documents, texts, results


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_kills_and_one_reading_in_peace_give_the_library_of_one_reading_in_peace(
    readers: Readers, embedder: Embedder, tmp_path: Path
) -> None:
    data, store, in_peace = tmp_path / "data", tmp_path / "store", tmp_path / "peace"
    data.mkdir()
    write_documents(data, revision=0)
    status, working_time = readers.read(data, in_peace)
    assert status == 0
    shutil.rmtree(in_peace)

    draw = random.Random(20)
    killed, counts = 0, []
    for revision in range(1, 3 * KILLS):
        # Ever new documents, so that there is something left to do; some stay as they were.
        write_documents(data, revision, spared=draw.choice([0, 0, 10]))
        status, seconds = readers.read(data, store, kill_after=draw.uniform(0, working_time))
        assert status in (0, -signal.SIGKILL)
        if status == 0:  # it was done before the kill
            working_time = min(working_time, seconds)
        killed += status == -signal.SIGKILL
        counts.append(documents_of_revision(store, tmp_path / "copy", revision))
        if killed == KILLS:
            break
    assert killed == KILLS
    print(f"{working_time:.2f} s of work; read when killed, of {DOCUMENTS}: {counts}")
    assert len(set(counts)) > KILLS // 4, "the kills were not spread over the work"

    assert readers.read(data, store)[0] == 0
    assert readers.read(data, in_peace)[0] == 0
    assert held(store, embedder) == held(in_peace, embedder)


def documents_of_revision(store: Path, place: Path, revision: int) -> int:
    """How many documents of this revision are in the store.

    Looks at a copy under `place`: opening the file would mend what the kill left in it.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for path in store.glob("*/library.db*"):
        shutil.copy(path, place)
    library = Library(place / "library.db")
    chunks = library.chunks(library.chunk_ids()).values()
    library.close()
    return len({c.document for c in chunks if f"revision {revision}." in c.text})


@pytest.mark.slow  # it loads everything, to run what the test above kills
@pytest.mark.timeout(600)
def test_the_command_itself_survives_a_kill(
    tmp_path: Path, known_model: Callable[[Path], None], embedder: Embedder
) -> None:
    data, store = tmp_path / "data", tmp_path / "store"
    data.mkdir()
    known_model(store)
    write_documents(data, revision=0)
    for path in data.iterdir():  # so that they are several lots
        path.write_text(path.read_text() * 8)
    command = [sys.executable, "-m", "ingest", "--json"]
    environment = {
        **os.environ,
        "HEADWATER_DATA_DIR": str(data),
        "HEADWATER_STORE_DIR": str(store),
        "OMP_NUM_THREADS": "1",
    }
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout
        first = json.loads(killed.stdout.readline())
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    # Done here: it takes another process ten seconds to load what this one has.
    parts = Parts(embedder=lambda *_: embedder)
    finished = CliRunner().invoke(ingest_app, ["--json"], env=environment, obj=parts)
    assert finished.exit_code == 0
    outcomes = {r["name"]: r["outcome"] for r in map(json.loads, finished.stdout.splitlines())}
    assert len(outcomes) == DOCUMENTS
    assert set(outcomes.values()) == {"unchanged", "added"}
    assert outcomes[first["name"]] == "unchanged"


def main() -> None:
    embedder = SentenceEmbedder(store=Path(sys.argv[1]))  # its precision was measured before
    storing.TOGETHER = 4  # so that so few documents are several lots
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        data, store = map(Path, json.loads(line))
        if not (pid := os.fork()):
            with Store(store, embedder.name, embedder.dimension, None) as index:
                for _ in sync(*locate(data, data), index, embedder, lambda *_: None):
                    pass
            os._exit(0)
        print(pid, flush=True)
        sys.stdin.readline()  # the parent waits only now, so that the id stays the child's
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()


ADDING = """
import asyncio, sys
from pathlib import Path
from ingest.adding import Adding
from ingest.background import Reading
from rag.retrieval.embedder import SentenceEmbedder
from rag.settings import load_settings

first, known = int(sys.argv[1]), Path(sys.argv[2])
reading = Reading(load_settings(env_file=None), lambda name, _: SentenceEmbedder(name, known))
reading.opening.wait()
adding = Adding(reading)

async def body(number):
    for part in range(4):
        yield f"Ledger {number}, part {part}: {number * part} crates of rope.\\n\\n".encode() * 9
        await asyncio.sleep(0.001)

async def main():
    print("begun", flush=True)
    for number in range(first, first + 500):
        async for line in adding.add("", "", f"ledger{number}.txt", body(number)):
            if "receipt" in line:
                print(line["receipt"]["name"], flush=True)

asyncio.run(main())
"""


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_kills_while_files_are_added_lose_none_that_had_a_receipt(
    tmp_path: Path, embedder: Embedder, whole_run: Path
) -> None:
    (tmp_path / "data").mkdir()
    settings = Settings(
        data_dir=tmp_path / "data", store_dir=tmp_path / "store", embedding_model=PACKAGED
    )
    environment = {
        "HEADWATER_DATA_DIR": str(settings.data_dir),
        "HEADWATER_STORE_DIR": str(settings.store_dir),
        "HEADWATER_EMBEDDING_MODEL": PACKAGED,
        "OMP_NUM_THREADS": "1",
        "PATH": "",
    }
    chance, told = random.Random(20261129), set[str]()
    for run in range(8):
        command = [sys.executable, "-c", ADDING, str(run * 500), str(whole_run)]
        with subprocess.Popen(
            command,
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as child:
            assert child.stdout and child.stdout.readline() == "begun\n"
            time.sleep(chance.uniform(0.02, 1.0))
            os.killpg(child.pid, signal.SIGKILL)
            told.update(child.stdout.read().split())
    reading = Reading(settings, lambda *_: embedder)
    store = reading.settled().store
    names = {document.name for document in reading.documents()}
    there = {path.name for path in reading.uploads.path.iterdir() if path.suffix == ".txt"}
    assert told and told <= names == there
    assert store.library.count() == store.vectors.count() > 0
    reading.close()
