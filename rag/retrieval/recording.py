"""Makes an embedding model quick for one question on the CPU: its operations are recorded, with the
weights in the order in which the CPU reads them. The vectors stay the same.

Importing it loads torch.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear, Module, ModuleList, Sequential

log = logging.getLogger(__name__)

Features = dict[str, Any]  # what the first part of a model takes
Forward = Callable[[Features], Tensor]  # the vectors, shape (texts, dimension)
Preprocess = Callable[[Sequence[str]], Features]

_ROWS = 16  # about the tokens of a question, for which weights are ordered; long texts gain too
# What a recording of the model is made with, and what it is then compared with: other lengths and
# other numbers of texts.
_RECORDED = ["When is high tide at the harbour?", "Khi nào triều lên?"]
_COMPARED = [["Why"], ["Bến cảng mở cửa khi nào?", "a", "word " * 300], ["tide and time"] * 16]


def quickest(model: Sequential, preprocess: Preprocess) -> Forward:
    """The recording of `packed(model)`, else of `model`, else the model itself: the first that can
    be made and gives the same vectors for other texts than the recorded ones."""
    from transformers.utils import logging as transformers_logging

    def plain(features: Features) -> Tensor:
        vectors: Tensor = model(features)["sentence_embedding"]
        return vectors

    # It warns of attributes that nobody but the recorder looks at.
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        for version in (packed, lambda model: model):
            try:
                with torch.inference_mode(), warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # deprecated, and what is checked here
                    forward = recorded(version(model), preprocess)
                    for texts in _COMPARED:
                        features = preprocess(texts)
                        vectors, wanted = forward(features).float(), plain(features).float()
                        if torch.cosine_similarity(vectors, wanted).min() < 0.999:
                            raise ValueError("the recording gives other vectors")
                return forward
            except Exception as exc:  # whatever it is, the model itself works
                log.info("the embedding model could not be recorded: %s", exc)
    finally:
        transformers_logging.set_verbosity(verbosity)
    return plain


def recorded(model: Sequential, preprocess: Preprocess) -> Forward:
    """The operations of `model` on two short texts, without Python, a third of a question's time.
    What the model does only to other texts is not in it."""
    features = preprocess(_RECORDED)
    names = [name for name, value in features.items() if isinstance(value, Tensor)]
    constant = {name: value for name, value in features.items() if name not in names}

    class Parts(Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = ModuleList(model)

        def forward(self, *tensors: Tensor) -> Tensor:
            features = constant | dict(zip(names, tensors, strict=True))
            for part in self.parts:
                features = part(features)
            vectors: Tensor = features["sentence_embedding"]
            return vectors

    given = tuple(features[name] for name in names)
    recording = torch.jit.trace(Parts().eval(), given)  # type: ignore[no-untyped-call]
    recording = torch.jit.freeze(recording)

    def forward(features: Features) -> Tensor:
        vectors: Tensor = recording(*(features[name] for name in names))
        return vectors

    return forward


def packed(model: Sequential) -> Sequential:
    """A copy of the model whose linear layers keep their weights in the order in which the CPU
    reads them; torch otherwise makes that order anew for every text, a third of a question's time.
    Only these weights are in memory twice. The model itself where torch has no oneDNN.

    These are the operations that `torch.compile` writes; they have no public name.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return model
    # A script, because the recorder cannot write the empty list down.
    script = torch.jit.CompilationUnit(
        "def linear(x, weight, bias: Optional[Tensor]):\n"
        '    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")\n'
    )

    class Packed(Module):
        def __init__(self, linear: Linear) -> None:
            super().__init__()
            weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight, _ROWS)
            self.register_buffer("weight", weight)
            self.register_buffer("bias", linear.bias)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = script.linear(x, self.weight, self.bias)
            return result

    copied = copy.deepcopy(model, {id(p): p for p in model.parameters()})
    for module in list(copied.modules()):
        for name, child in module.named_children():
            if type(child) is Linear:
                setattr(module, name, Packed(child))
    return copied
