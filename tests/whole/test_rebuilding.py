"""`kill -9` of the whole process group while a library is built anew, for another way to cut
documents or another embedding model: it opens again and comes to what one start in peace gives.

`python -m tests.whole.test_rebuilding` is the process that has loaded both models and forks off
those that are killed; each opens the store as the page does.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ingest import chunking, storing
from ingest.background import Reading
from rag.retrieval import earlier
from rag.retrieval.embedder import Embedder, SentenceEmbedder
from rag.retrieval.models import MULTILINGUAL, PACKAGED
from rag.settings import Settings
from tests.whole.test_kill import DOCUMENTS, Readers, held, write_documents

KILLS = 4  # eight passed too, on 30 November 2026; CI is to take a quarter of an hour

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def readers(whole_run: Path, embedder: Embedder, multilingual: Embedder) -> Iterator[Readers]:
    process = Readers(whole_run, "tests.whole.test_rebuilding")
    try:
        yield process
    finally:
        process.close()


def test_eight_kills_while_documents_are_cut_in_another_way_give_what_one_start_in_peace_gives(
    readers: Readers, embedder: Embedder, tmp_path: Path
) -> None:
    data, store, in_peace = tmp_path / "data", tmp_path / "store", tmp_path / "peace"
    data.mkdir()
    write_documents(data, revision=0)
    assert readers.read(data, store, None, PACKAGED, 1000)[0] == 0
    status, working_time = readers.read(data, in_peace, None, PACKAGED, 500)
    assert status == 0
    draw, killed, size = random.Random(16), 0, 500
    for _ in range(5 * KILLS):
        after = draw.uniform(0, working_time)
        status, _ = readers.read(data, store, after, PACKAGED, size)
        assert status in (0, -signal.SIGKILL)
        killed += status == -signal.SIGKILL
        if killed == KILLS:
            break
        if status == 0 or draw.random() < 0.3:  # another change of mind, also in the middle
            size = 1500 - size
    assert killed == KILLS
    assert readers.read(data, store, None, PACKAGED, 500)[0] == 0
    assert readers.read(data, in_peace, None, PACKAGED, 500)[0] == 0
    documents, *_ = found = held(store, embedder)
    assert found == held(in_peace, embedder)
    assert isinstance(documents, list) and len(documents) == DOCUMENTS


def test_eight_kills_while_another_model_takes_over_give_what_one_start_in_peace_gives(
    readers: Readers, embedder: Embedder, multilingual: Embedder, tmp_path: Path
) -> None:
    data, store, in_peace = tmp_path / "data", tmp_path / "store", tmp_path / "peace"
    data.mkdir()
    write_documents(data, revision=0)
    assert readers.read(data, tmp_path / "before", None, PACKAGED, 1000)[0] == 0
    shutil.copytree(tmp_path / "before", in_peace)
    status, working_time = readers.read(data, in_peace, None, MULTILINGUAL, 1000)
    assert status == 0
    draw, killed, ended = random.Random(17), 0, 0
    shutil.copytree(tmp_path / "before", store)
    for _ in range(5 * KILLS):
        after = draw.uniform(0, working_time * 0.6)
        status, _ = readers.read(data, store, after, MULTILINGUAL, 1000)
        assert status in (0, -signal.SIGKILL)
        killed += status == -signal.SIGKILL
        if killed == KILLS:
            break
        if status == 0:  # from the beginning
            ended += 1
            assert earlier.pending(store, MULTILINGUAL) is None
            shutil.rmtree(store)
            shutil.copytree(tmp_path / "before", store)
    assert killed == KILLS
    assert readers.read(data, store, None, MULTILINGUAL, 1000)[0] == 0
    assert earlier.pending(store, MULTILINGUAL) is None
    documents, *_ = found = held(store, multilingual)
    assert found == held(in_peace, multilingual)
    assert isinstance(documents, list) and len(documents) == DOCUMENTS
    held(store, embedder)  # the earlier one is whole, too


def main() -> None:
    known = Path(sys.argv[1])
    embedders = {name: SentenceEmbedder(name, known) for name in (PACKAGED, MULTILINGUAL)}
    storing.TOGETHER = 4  # so that so few documents are several lots
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        data, store, model, size = json.loads(line)
        if not (pid := os.fork()):
            os.setpgid(0, 0)
            chunking.split = partial(chunking.split, size=size, overlap=100)
            chunking.VERSION = f"recursive-2:{size}:100"
            settings = Settings(data_dir=data, store_dir=store, embedding_model=model)
            reading = Reading(settings, lambda name, _: embedders[name])
            reading.settled()
            reading.close()
            os._exit(1 if reading.error or reading.failed else 0)
        print(pid, flush=True)
        sys.stdin.readline()
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
