"""The library of the packaged model: it answers as long as the multilingual one's has not all that
it has. Knows nobody who takes it over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import HeadwaterError
from ..store import private
from ..store.store import Store, fingerprint
from ..types import Notice
from .embedder import Embedder
from .models import DIMENSION, MULTILINGUAL, PACKAGED

log = logging.getLogger(__name__)

MARK = "carried"  # an empty file beside the new library: what is forgotten later stays so
ANSWERS = Notice(
    f"The library is being read anew for the multilingual model ({MULTILINGUAL}). Until that is "
    f"done, answers come from the earlier one ({PACKAGED}), which knows English alone.",
    f"Thư viện đang được đọc lại cho mô hình đa ngữ ({MULTILINGUAL}). Cho đến khi xong, câu trả "
    f"lời lấy từ thư viện cũ ({PACKAGED}), vốn chỉ hiểu tiếng Anh.",
)
UNFINISHED = Notice(
    f"The library has yet to be read anew for the multilingual model ({MULTILINGUAL}): this comes "
    f"from the earlier one ({PACKAGED}). `python -m ingest` or the page reads on.",
    f"Thư viện chưa được đọc lại xong cho mô hình đa ngữ ({MULTILINGUAL}): kết quả này lấy từ thư "
    f"viện cũ ({PACKAGED}). `python -m ingest` hoặc trang web sẽ đọc tiếp.",
)


class Earlier(NamedTuple):
    """The opened store of the packaged model, to be closed by the caller, and that model."""

    store: Store
    embedder: Embedder


def pending(folder: Path, model: str) -> Path | None:
    """The earlier library in the store `folder` that the one of `model` has not taken over; None if
    there is none."""
    library = folder / fingerprint(PACKAGED, DIMENSION) / private.LIBRARY
    waits = model == MULTILINGUAL and not _mark(folder).exists() and library.is_file()
    return library if waits else None


def finish(folder: Path) -> None:
    """From now on there is nothing to take over."""
    private.file(_mark(folder))


def opened(
    store: Store, model: str, folder: Path, load: Callable[[str, Path], Embedder]
) -> Earlier | None:
    """The earlier library that `store`, of `model` and in `folder`, has not taken over, beside it.
    None if there is nothing in it, or it cannot answer, which the log says."""
    if not pending(folder, model):
        return None
    try:
        earlier = store.beside(PACKAGED, DIMENSION)
    except HeadwaterError as exc:
        log.warning("the earlier library cannot answer: %s", exc)
        return None
    try:
        if earlier.library.count():
            return Earlier(earlier, load(PACKAGED, folder))
    except HeadwaterError as exc:
        log.warning("the earlier library cannot answer: %s", exc)
    except BaseException:
        earlier.close()
        raise
    earlier.close()
    return None


def _mark(folder: Path) -> Path:
    return folder / fingerprint(MULTILINGUAL, DIMENSION) / MARK
