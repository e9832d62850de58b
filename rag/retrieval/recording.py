"""A recording of an embedding model: its operations as a file that torch runs without the
libraries that the model was made with, and quicker. The vectors stay the same.

The vectors of its tokens, which are most of it, lie in a second file: of that only the rows of a
text are ever read.

Importing it loads torch, and neither sentence_transformers nor transformers.
"""

from __future__ import annotations

import json
import logging
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import Module, ModuleList
from torch.nn.functional import embedding

from ..store import private

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

log = logging.getLogger(__name__)

Features = dict[str, Any]  # what the first part of a model takes

_ROWS = 16  # about the tokens of a question, for which weights are ordered; long texts gain too
# What a recording is made with, and what it is then compared with: other lengths and other numbers
# of texts.
_RECORDED = ["When is high tide at the harbour?", "Khi nào triều lên?"]
_COMPARED = [["Why"], ["Bến cảng mở cửa khi nào?", "a", "word " * 300], ["tide and time"] * 16]
# Beside the operations, in the same file.
_ROWS_OF_TOKENS = "tokens"  # in the second file
_TOKENIZER, _INPUTS, _PROMPT = "tokenizer.json", "inputs.json", "prompt.txt"
_OF_ENCODING = {
    "input_ids": "ids",
    "attention_mask": "attention_mask",
    "token_type_ids": "type_ids",
}


class Recording:
    """The recording in `file`. Raises OSError, RuntimeError, ValueError, SafetensorError if it
    cannot be used."""

    def __init__(self, file: Path) -> None:
        beside: dict[str, Any] = {_TOKENIZER: "", _INPUTS: "", _PROMPT: ""}
        self._operations = operations(file, beside)
        self._inputs: list[str] = json.loads(beside[_INPUTS])
        self.tokenizer = Tokenizer.from_str(beside[_TOKENIZER].decode())
        self._prompt: str = beside[_PROMPT].decode()
        with safe_open(table(file), "pt") as opened:
            self._table: Tensor = opened.get_tensor(_ROWS_OF_TOKENS)  # mapped, not read
        pack(self._operations)

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """Shape (len(texts), dimension), in the model's own precision and not of unit length."""
        encodings = self.tokenizer.encode_batch([self._prompt + text for text in texts])
        inputs = (
            torch.tensor([getattr(encoding, _OF_ENCODING[name]) for encoding in encodings])
            for name in self._inputs
        )
        ids = torch.tensor([encoding.ids for encoding in encodings])
        vectors: Tensor = self._operations(embedding(ids, self._table), *inputs)
        return vectors


def table(file: Path) -> Path:
    """Where the vectors of the tokens lie that belong to the recording in `file`."""
    return file.with_suffix(".safetensors")


def operations(file: Path, beside: dict[str, Any] | None = None) -> torch.jit.ScriptModule:
    """What `file` holds, and in `beside` the texts of these names. torch says that all this is
    deprecated; its successor takes seconds to load."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        loaded: torch.jit.ScriptModule = torch.jit.load(file, "cpu", beside)  # type: ignore[no-untyped-call]
        return loaded.eval()


def record(
    model: SentenceTransformer, preprocess: Callable[[Sequence[str]], Features], file: Path
) -> bool:
    """Writes the recording of `model` into `file`; whether there is one now. There is none of a
    model that gives other vectors for other texts than the recorded ones."""
    from transformers.utils import logging as transformers_logging

    # It warns of attributes that nobody but the recorder looks at.
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    aside = file.with_name(f"new-{file.name}")
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated, and what is checked here
            _write(model, preprocess(_RECORDED), aside)
            recording = Recording(aside)
            for texts in _COMPARED:
                vectors = recording.vectors(texts).float()
                wanted = model(preprocess(texts))["sentence_embedding"].float()
                wanted = wanted[:, : model.truncate_dim]
                if torch.cosine_similarity(vectors, wanted).min() < 0.999:
                    raise ValueError("the recording gives other vectors")
        table(aside).replace(table(file))
        aside.replace(file)
    except Exception as exc:  # whatever it is, the model itself works
        log.info("the embedding model could not be recorded: %s", exc)
        for written in (aside, table(aside)):
            written.unlink(missing_ok=True)
        return False
    finally:
        transformers_logging.set_verbosity(verbosity)
    return True


def _write(model: SentenceTransformer, features: Features, file: Path) -> None:
    """The operations on `features`, without Python, which is a third of a question's time. What the
    model does only to other texts is not in it."""
    inputs = [name for name, value in features.items() if isinstance(value, Tensor)]
    constant = {name: value for name, value in features.items() if name not in inputs}
    transformer: Any = model[0]
    tokens = transformer.auto_model.get_input_embeddings()

    class Parts(Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = ModuleList(model)
            self.rows = torch.empty(0)

        def forward(self, rows: Tensor, *tensors: Tensor) -> Tensor:
            self.rows = rows
            features = constant | dict(zip(inputs, tensors, strict=True))
            for part in self.parts:
                features = part(features)
            vectors: Tensor = features["sentence_embedding"]
            return vectors[:, : model.truncate_dim]

    parts = Parts().eval()

    def given(_module: Module, _ids: object, rows: Tensor) -> Tensor | None:
        # Others embed with the same model meanwhile, and are not being recorded.
        return parts.rows.to(rows.dtype) if threading.get_ident() == recorder else None

    recorder = threading.get_ident()
    inside = tokens.register_forward_hook(given)
    try:
        tensors = [features[name] for name in inputs]
        rows = embedding(features["input_ids"], tokens.weight)
        traced = torch.jit.trace(parts, (rows, *tensors))  # type: ignore[no-untyped-call]
        recorded = torch.jit.freeze(traced)
    finally:
        inside.remove()
    tokenizer = model.tokenizer.backend_tokenizer.to_str()
    prompt = model.prompts.get(model.default_prompt_name or "") or ""
    beside = {_TOKENIZER: tokenizer, _INPUTS: json.dumps(inputs), _PROMPT: prompt}
    for written in (file, table(file)):
        private.file(written)
    save_file({_ROWS_OF_TOKENS: tokens.weight.contiguous()}, table(file))
    torch.jit.save(recorded, file, beside)


def pack(operations: torch.jit.ScriptModule) -> int:
    """Gives linear layers their weights in the order in which the CPU reads them; torch otherwise
    makes that order anew for every text, a third of a question's time. How many have them now: none
    where torch has no oneDNN.

    These are the operations that `torch.compile` writes; they have no public name. A weight in that
    order cannot be written into a file, so it is done when one was read.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return 0
    graph: Any = operations.graph  # its type leaves out what it can do
    module = next(operations.graph.inputs())
    packed = 0
    for layer in [node for node in graph.nodes() if node.kind() == "aten::linear"]:
        x, weight, bias = layer.inputs()
        if weight.node().kind() != "prim::Constant":
            continue
        name = f"packed_{packed}"
        ordered = torch.ops.mkldnn._reorder_linear_weight(weight.node().t("value"), _ROWS)
        operations._c._register_attribute(name, torch._C.TensorType.get(), ordered)
        with graph.insert_point_guard(layer):
            read = graph.insertNode(graph.create("prim::GetAttr", [module], 1))
            read.s_("name", name)
            read.output().setType(torch._C.TensorType.get())
            no_scalars = graph.insertNode(graph.create("prim::ListConstruct", [], 1))
            number = torch._C.OptionalType(torch._C.NumberType.get())
            no_scalars.output().setType(torch._C.ListType(number))
            none, plain = (graph.insertConstant(text) for text in ("none", ""))
            inputs = [x, read.output(), bias, none, no_scalars.output(), plain]
            product = graph.insertNode(graph.create("mkldnn::_linear_pointwise", inputs, 1))
            product.output().setType(layer.output().type())
        layer.output().replaceAllUsesWith(product.output())
        layer.destroy()
        packed += 1
    torch._C._jit_pass_dce(graph)  # the weights in the other order
    return packed
