"""One process at a time holds a store. Loads nothing heavy: a second is refused at once."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import StoreError, StoreLocked
from . import private


def hold(store: Path) -> FileLock:
    """The lock of `store`, a folder that is made if need be, acquired; whoever opens the store with
    it releases it. What lies in the store is private then.

    Raises StoreLocked when another process holds it, StoreError when the folder cannot be used.
    """
    try:
        private.folder(store)
        lock = FileLock(store / "lock", mode=0o600, thread_local=False)
        lock.acquire(timeout=0)
        private.store(store)
    except Timeout as exc:
        raise StoreLocked(
            "Another Headwater process is using this store. Stop it first, or give this one "
            "another HEADWATER_STORE_DIR.",
            "Một tiến trình Headwater khác đang dùng kho lưu trữ này. Hãy dừng nó trước, hoặc đặt "
            "HEADWATER_STORE_DIR khác cho tiến trình này.",
            owner=str(store),
        ) from exc
    except OSError as exc:
        raise unusable(store, exc) from exc
    return lock


def unusable(store: Path, exc: OSError) -> StoreError:
    """Says that the folder of a store cannot be used."""
    reason = exc.strerror or type(exc).__name__
    return StoreError(
        f"The store directory cannot be used ({reason}). Give it back its permissions, or set "
        "HEADWATER_STORE_DIR to a folder that may be written.",
        f"Không dùng được thư mục lưu trữ ({reason}). Hãy cấp lại quyền, hoặc đặt "
        "HEADWATER_STORE_DIR tới một thư mục ghi được.",
        owner=str(store),
    )
