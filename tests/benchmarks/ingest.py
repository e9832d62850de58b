"""What reading documents costs beside what it cannot do without: the encoder, and the readers.

`python -m tests.benchmarks.ingest [FILES]` (200 small files, which have about 240 chunks) reads a
folder of small text files and embeds the same chunks in one call, in turn; reads a PDF of the
project in the process for it and here; and reads a folder of 2000 files of which none has changed.
It prints chunks and pages a second, by the clock and by the processor, the seconds of the unchanged
ones, and the most memory that this process has held.

`python -m tests.benchmarks.ingest memory [PAGES]` has `python -m ingest` read a PDF of 2000 pages
of text, and prints the most memory that it and the process that reads the file have held together.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from ingest import chunking, isolation, readers
from ingest.sync import locate, sync
from rag.retrieval.embedder import SentenceEmbedder
from rag.retrieval.models import choose
from rag.retrieval.passages import meant
from rag.settings import PROJECT, load_settings
from rag.store.store import Store
from rag.types import Vectors
from tests.ingest.test_readers import pdf

FILES, UNCHANGED, ROUNDS, READINGS = 200, 2000, 3, 20
WORDS = (40, 80, 150, 300)  # of a small file
PDF = "retrieval-and-citations.pdf"
PAGES, LINES, WORDS_OF_A_LINE = 2000, 12, 9  # about 750 characters a page, a chunk
LOOK = 0.05  # seconds between two looks at the memory


@dataclass
class Taken:
    """Seconds by the clock, and of the processor in this process."""

    wall: float = 0.0
    cpu: float = 0.0


@dataclass
class Drawn:
    """An embedder that takes no time: its vectors say nothing."""

    name: str
    dimension: int

    def record(self) -> None:
        """Nothing to record."""

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        drawn = np.random.default_rng(len(texts)).standard_normal((len(texts), self.dimension))
        unit: Vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def begin(self, question: str) -> Future[Vectors]:
        done: Future[Vectors] = Future()
        done.set_result(self.embed([question])[0])
        return done

    def has_word(self, word: str) -> bool:
        return False


def main(files: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        name = choose(load_settings(env_file=None).embedding_model, place).name
        embedder = SentenceEmbedder(name, place)
        embedder.record()
        table = Table("", "Rate", "of the bare one", "CPU", "of the bare one", box=box.SIMPLE_HEAD)
        encoder(table, place, files, embedder)
        pages(table)
        Console().print(table)
        unchanged(place, Drawn(embedder.name, embedder.dimension))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"most memory of this process, which has the model too: {most:.0f} MB")


def encoder(table: Table, place: Path, files: int, embedder: SentenceEmbedder) -> None:
    """Chunks a second, of a reading and of the encoder alone."""
    data = written(place / "small", files)
    texts = [
        meant(content.title, text)
        for content in map(readers.read, sorted(data.iterdir()))
        for page in content.pages
        for text in chunking.split(page.text, blocks=page.blocks)
    ]
    whole, bare = Taken(), Taken()
    for number in range(ROUNDS):
        with measured(bare):
            embedder.embed(texts)
        with Store(place / str(number), embedder.name, embedder.dimension, None) as store:
            with measured(whole):
                receipts = list(sync(*locate(data, data), store, embedder, lambda *_: None))
            assert sum(receipt.chunks for receipt in receipts) == len(texts)
    row(table, f"{len(texts)} chunks of {files} files", ROUNDS * len(texts), whole, bare)


def pages(table: Table) -> None:
    """Pages a second, in the process that reads and here."""
    path = PROJECT / "data" / PDF
    data, count = path.read_bytes(), 0
    whole, bare = Taken(), Taken()
    with isolation.reading() as isolated:
        isolated.begin(path, data)()
        for _ in range(READINGS):
            with measured(whole):
                count += len(isolated.begin(path, data)().pages)
            with measured(bare):
                readers.read(path)
    whole.cpu = 0.0  # of this process alone, and the other one did the work
    row(table, f"pages of {PDF}", count, whole, bare)


def unchanged(place: Path, embedder: Drawn) -> None:
    """The seconds that a reading takes in which there is nothing to do."""
    data, taken = written(place / "many", UNCHANGED), Taken()
    with Store(place / "unchanged", embedder.name, embedder.dimension, None) as store:
        list(sync(*locate(data, data), store, embedder, lambda *_: None))
        with measured(taken):
            receipts = list(sync(*locate(data, data), store, embedder, lambda *_: None))
        assert {receipt.outcome for receipt in receipts} == {"unchanged"}
    print(f"{UNCHANGED} unchanged files: {taken.wall:.2f} s, {taken.cpu:.2f} s of the processor")


def memory(count: int) -> None:
    """The most memory that reading one PDF of so many pages takes."""
    words = [w for path in (PROJECT / "data").glob("*.md") for w in path.read_text().split()]
    words = [word for word in words if word.isascii() and word.isalnum()]
    draw = random.Random(count)
    for end in (signal.SIGINT, signal.SIGTERM):  # what has been seen until then is printed
        signal.signal(end, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        data.mkdir()
        lines = [
            [" ".join(draw.choices(words, k=WORDS_OF_A_LINE)) for _ in range(LINES)]
            for _ in range(count)
        ]
        (data / "long.pdf").write_bytes(pdf(lines))
        places = {"HEADWATER_DATA_DIR": str(data), "HEADWATER_STORE_DIR": str(Path(folder, "s"))}
        begun, most, parts = time.monotonic(), 0, {}
        with subprocess.Popen(
            [sys.executable, "-m", "ingest", "--json"],
            cwd=PROJECT,
            env={**os.environ, **places},
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                while process.poll() is None:
                    held = held_by(process.pid)
                    if sum(held.values()) > most:
                        most, parts = sum(held.values()), held
                    time.sleep(LOOK)
                assert process.stdout
                receipt = json.loads(process.stdout.read())
                what = f"{receipt['outcome']}, {receipt['chunks']} chunks"
            except KeyboardInterrupt:
                os.killpg(process.pid, signal.SIGKILL)
                what = "interrupted"
    seconds = time.monotonic() - begun
    print(f"{count} pages: {what}", end="; ")
    print(f"{seconds:.0f} s; most memory {most / 2**30:.2f} GiB of", end=" ")
    print(", ".join(f"{each / 2**20:.0f} MiB" for each in parts.values()))


def held_by(group: int) -> dict[int, int]:
    """Bytes that each process of a group holds."""
    held: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            if os.getpgid(int(folder.name)) == group:
                pages = int((folder / "statm").read_bytes().split()[1])
                held[int(folder.name)] = pages * os.sysconf("SC_PAGE_SIZE")
    return held


def row(table: Table, what: str, count: int, whole: Taken, bare: Taken) -> None:
    """How many there were in each second, and what share of the bare one's that is."""
    table.add_row(
        what,
        f"{count / whole.wall:.1f}/s",
        f"{bare.wall / whole.wall:.0%}",
        f"{count / whole.cpu:.1f}/s" if whole.cpu else "",
        f"{bare.cpu / whole.cpu:.0%}" if whole.cpu else "",
    )


def written(folder: Path, count: int) -> Path:
    """A new folder of small text files, of the words of the project's own documents."""
    words = [w for path in (PROJECT / "data").glob("*.md") for w in path.read_text().split()]
    draw = random.Random(count)
    folder.mkdir()
    for number in range(count):
        text = " ".join(draw.choices(words, k=draw.choice(WORDS)))
        (folder / f"{number:04}.md").write_text(f"# Document {number}\n\n{text}\n")
    return folder


@contextmanager
def measured(taken: Taken) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    taken.wall += time.perf_counter() - wall
    taken.cpu += time.process_time() - cpu


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        memory(int(sys.argv[2]) if sys.argv[2:] else PAGES)
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else FILES)
