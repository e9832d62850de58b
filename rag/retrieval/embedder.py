"""Turns text into vectors. Knows no storage, and not where a model comes from."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..types import Vectors
from . import models
from .models import PACKAGED

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer
    from torch import Tensor

log = logging.getLogger(__name__)

BATCH = 16
QUESTIONS = 1024  # whose vectors are kept, 3 kB each


class Embedder(Protocol):
    """What turns text into unit vectors; safe to share between threads."""

    name: str
    dimension: int

    def record(self) -> None:
        """Makes single questions quicker, where that takes a while to prepare."""

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Unit vectors, shape (len(texts), dimension), float32, in the order given. `progress` is
        told how many texts are done."""

    def begin(self, question: str) -> Future[Vectors]:
        """A future of the question's vector, shape (dimension,). It is shared with others who ask
        the same: not to be cancelled."""

    def has_word(self, word: str) -> bool:
        """Whether the model knows `word` as a whole, as it does common words, and no misspelt one:
        those it takes apart."""


class SentenceEmbedder:
    """A sentence-transformers model on the CPU, or the recording that was made of it.

    `name` is the model as it was asked for, without a hub's organisation for the packaged one;
    `dimension` the length of its vectors. What was measured and recorded is kept in `store`, if it
    is given, and taken from there. Raises EmbedderError if it cannot be loaded.
    """

    def __init__(self, name: str = PACKAGED, store: Path | None = None) -> None:
        self.name = name.removeprefix("sentence-transformers/")
        self._store = store
        self._lock = threading.RLock()
        self._recording = threading.Lock()
        self._waiting: deque[tuple[str, Future[Vectors]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedder")
        # The same question is embedded for its search, its quotes, its retry, and for others.
        self._question = lru_cache(maxsize=QUESTIONS)(self._queued)
        import torch

        self._model: SentenceTransformer | None = None
        self._tokenizer: Tokenizer | None = None
        self._vectors = self._recorded() or self._loaded()
        self._no_gradients = torch.inference_mode
        self._set_threads, self._threads = torch.set_num_threads, torch.get_num_threads()
        self.dimension: int = self._encode([self.name]).shape[1]

    def record(self) -> None:
        """Makes single questions take half the time, and the next start with `store` a third of it
        (rag.retrieval.recording). Takes a few seconds of a processor, once."""
        if self._model is None or not self._recording.acquire(blocking=False):
            return
        with tempfile.TemporaryDirectory() as folder:
            file = self._file() or Path(folder, "recording.pt")
            from .recording import Recording, record

            # Questions are embedded meanwhile.
            if record(self._model, self._features, file):
                recording = Recording(file)
                with self._lock:
                    self._vectors, self._model = recording.vectors, None
                    self._tokenizer = recording.tokenizer

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

    def has_word(self, word: str) -> bool:
        """Whether the model knows `word` as a whole, as it does common words, and no misspelt one:
        those it takes apart."""
        with self._lock:  # a tokenizer is for one thread at a time
            if self._tokenizer is None:
                return False
            pieces = self._tokenizer.encode(word, add_special_tokens=False)
        return sum(pieces.attention_mask) == 1

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
            vectors: Vectors = self._vectors(texts).float().numpy()
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = vectors / np.maximum(norms, 1e-12)
        unit.flags.writeable = False  # it may be kept
        return unit

    def _file(self) -> Path | None:
        return self._store and models.recording(self.name, self._store)

    def _recorded(self) -> Callable[[Sequence[str]], Tensor] | None:
        """What an earlier start recorded; None if there is nothing that can be used."""
        file = self._file()
        if file is None or not file.is_file():
            return None
        from safetensors import SafetensorError

        from .recording import Recording

        try:
            recording = Recording(file)
            self._tokenizer = recording.tokenizer
            return recording.vectors
        except (OSError, RuntimeError, ValueError, SafetensorError) as exc:
            log.warning("%s cannot be used and is made anew: %s", file, exc)
            return None

    def _loaded(self) -> Callable[[Sequence[str]], Tensor]:
        model = self._model = models.load(self.name, self._store)
        self._tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)

        def vectors(texts: Sequence[str]) -> Tensor:
            raw: Tensor = model(self._features(texts))["sentence_embedding"]
            return raw[:, : model.truncate_dim]

        return vectors

    def _features(self, texts: Sequence[str]) -> dict[str, Any]:
        """What the model's first part takes, as its tokenizer gives it."""
        model = self._model
        assert model
        prompt = model.prompts.get(model.default_prompt_name or "")
        with self._lock:  # a tokenizer is for one thread at a time
            return model.preprocess(list(texts), prompt=prompt)
