"""How long a search takes in a small library and in a large one, and what a question costs.

`python -m tests.benchmarks.search_time [CHUNKS …]` (1000 and 100,000) builds each library in a
temporary folder, of the words of the project's own documents with random vectors, so that nothing
of it is embedded; the questions are. It prints the median and the 99th percentile of a search with
a question that nobody has asked, what the search alone takes of that, the processor's seconds for a
whole question, and how long the library took to build.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from ingest.readers import read
from rag.retrieval.embedder import SentenceEmbedder
from rag.retrieval.models import choose
from rag.retrieval.retriever import Retriever
from rag.settings import PROJECT, load_settings
from rag.store.store import Store
from rag.types import Document, Vectors

SIZES = (1_000, 100_000)
WORDS, OF_A_DOCUMENT = 140, 100  # of a chunk, and chunks of a document
QUESTIONS, WARM_UP, TOP_K = 200, 10, 5


@dataclass(frozen=True, slots=True)
class Taken:
    """Of each question: ms until its sources are there, ms of that for the search alone, and ms of
    the processor, of all threads."""

    whole: list[float]
    search: list[float]
    processor: list[float]


def main(sizes: Sequence[int]) -> None:
    heads = ("p50", "p99", "search alone p50", "p99", "CPU p50", "CPU mean", "built in")
    table = Table("Chunks (ms)", *heads, box=box.SIMPLE_HEAD)
    texts = [page.text for path in documents() for page in read(path).pages]
    with tempfile.TemporaryDirectory() as place:
        name = choose(load_settings(env_file=None).embedding_model, Path(place)).name
        embedder = SentenceEmbedder(name, Path(place))
        embedder.record()
        for size in sizes:
            start = time.perf_counter()
            with Store(Path(place, str(size)), embedder.name, embedder.dimension, None) as index:
                fill(index, size, texts, embedder.dimension)
                built = time.perf_counter() - start
                taken = measure(Retriever(index, embedder), embedder)
            columns = (
                *(f"{_percentile(taken.whole, p):.1f}" for p in (50, 99)),
                *(f"{_percentile(taken.search, p):.1f}" for p in (50, 99)),
                f"{_percentile(taken.processor, 50):.1f}",
                f"{statistics.mean(taken.processor):.1f}",
                f"{built:.0f} s",
            )
            table.add_row(f"{size:,}", *columns)
    Console(width=110).print(table)


def documents() -> list[Path]:
    return sorted(path for path in (PROJECT / "data").iterdir() if path.is_file())


def fill(index: Store, size: int, texts: Sequence[str], dimension: int) -> None:
    """Gives the library `size` chunks, each of words as they follow one another in one text."""
    chance, numbers = random.Random(1), np.random.default_rng(1)
    cut = [text.split() for text in texts if len(text.split()) > WORDS]
    for start in range(0, size, OF_A_DOCUMENT):
        count = min(OF_A_DOCUMENT, size - start)
        passages = [(1, " ".join(_piece(cut, chance))) for _ in range(count)]
        document = Document("", f"{start}.txt", "", "", pages=1, pages_with_text=1, chunks=count)
        index.library.replace(document, passages, _unit(numbers, count, dimension))
    index.rebuild()


def measure(retriever: Retriever, embedder: SentenceEmbedder) -> Taken:
    """Asks the project's own questions, each with a number, so that none is remembered."""
    entries = json.loads((PROJECT / "tests/measured/questions.json").read_text(encoding="utf-8"))
    usual = [entry["question"] for entry in entries if "kind" not in entry]
    taken = Taken([], [], [])
    for number in range(WARM_UP + QUESTIONS):
        question = f"{usual[number % len(usual)]} ({number})"
        whole, processor = _seconds(retriever, question)
        search, _ = _seconds(retriever, question)  # its vector is known now
        if number >= WARM_UP:
            taken.whole.append(1000 * whole)
            taken.search.append(1000 * search)
            taken.processor.append(1000 * processor)
    return taken


def _seconds(retriever: Retriever, question: str) -> tuple[float, float]:
    """Of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    retriever.search(question, TOP_K)
    return time.perf_counter() - clock, time.process_time() - processor


def _piece(cut: Sequence[Sequence[str]], chance: random.Random) -> Iterator[str]:
    """Neighbouring words of one text, every fifth one of any, so that no two pieces are alike."""
    words = chance.choice(cut)
    start = chance.randrange(len(words) - WORDS)
    for i, word in enumerate(words[start : start + WORDS]):
        yield chance.choice(chance.choice(cut)) if i % 5 == 4 else word


def _unit(numbers: np.random.Generator, count: int, dimension: int) -> Vectors:
    vectors = numbers.standard_normal((count, dimension), dtype=np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or SIZES)
