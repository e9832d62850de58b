"""A cross-encoder in place of our own check: a tiny one, made here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from rag.assembly import assemble
from rag.citations.entailment import Entailment, _label
from rag.errors import EmbedderError, SettingsError
from rag.events import CitationChecked
from rag.retrieval.retriever import Retriever
from rag.serving.metrics import Metrics
from rag.settings import Settings
from rag.store.opening import Opening
from rag.types import Source

pytestmark = pytest.mark.anyio

WORDS = "the ferry leaves at nine noon tide turns . it".split()
PASSAGE = "The ferry leaves at nine. The tide turns at noon."


def saved(folder: Path, labels: dict[int, str], favoured: int) -> Path:
    """A model of a few hundred parameters that always says `favoured`, in `folder`."""
    folder.mkdir()
    vocabulary = folder / "words.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    BertTokenizer(str(vocabulary)).save_pretrained(folder)
    config = BertConfig(
        vocab_size=5 + len(WORDS),
        hidden_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=4,
        max_position_embeddings=64,
        id2label=labels,
        label2id={label: number for number, label in labels.items()},
    )
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([4.0 * (i == favoured) for i in labels]))
    model.save_pretrained(folder)
    return folder


NLI = {0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}


@pytest.mark.parametrize(
    ("labels", "favoured", "outcome"),
    [
        (NLI, 2, "confirmed"),
        (NLI, 1, "unconfirmed"),
        (NLI, 0, "unconfirmed"),
        (NLI, 3, "unclear"),
        ({0: "supported", 1: "unsupported"}, 0, "confirmed"),
        ({0: "LABEL_0", 1: "LABEL_1"}, 1, "confirmed"),
        ({0: "LABEL_0"}, 0, "confirmed"),
    ],
)
def test_what_the_model_says_is_what_the_check_found(
    tmp_path: Path, retriever: Retriever, labels: dict[int, str], favoured: int, outcome: str
) -> None:
    check = Entailment(str(saved(tmp_path / "model", labels, favoured))).supports
    sources = [Source(n, "tide.md", "Tides", 1, 0.9, PASSAGE) for n in (1, 2)]
    sentence = "The ferry leaves at nine."

    first, second = check(retriever, sentence, sources)

    assert first.outcome == second.outcome == outcome
    assert first.supported == (outcome != "unconfirmed")
    if outcome == "confirmed":
        assert first.quote and first.quote.text == sentence
    assert check(retriever, "Here are the times:", sources)[0].outcome == "unchecked"


async def test_the_setting_puts_it_in_the_place_of_our_own(
    tmp_path: Path, retriever: Retriever, configured: Callable[..., Settings]
) -> None:
    folder = saved(tmp_path / "model", NLI, favoured=0)
    opening = Opening(lambda report: retriever)
    opening.wait()
    answerer = assemble(configured(HEADWATER_CHECK_MODEL=folder), opening, Metrics())
    async with aclosing(answerer.answer("What does X-Accel-Buffering do?")) as stream:
        checked = [e async for e in stream if isinstance(e, CitationChecked)]
    assert checked and {e.outcome for e in checked} == {"unconfirmed"}, "quotes, word for word"


def test_a_model_that_tells_nothing_of_the_kind_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", {0: "joy", 1: "anger", 2: "fear"}, 0)
    with pytest.raises(SettingsError, match="joy, anger, fear"):
        Entailment(str(folder))
    assert _label(2, {0: "entailment", 1: "not_entailment"}) == 0


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="HEADWATER_CHECK_MODEL"):
        Entailment(str(tmp_path))
