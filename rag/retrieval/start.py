"""Opens the store of the settings with its embedding model: the lock first, then what is heavy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..store.lock import hold

if TYPE_CHECKING:
    from ..settings import Settings
    from ..store.store import Store
    from .embedder import Embedder


def open_store(settings: Settings, load: Callable[[str, Path], Embedder]) -> tuple[Store, Embedder]:
    """The store, to be closed by the caller, and what `load` gives for the model's name and the
    store's folder. A second process is refused before anything is loaded. Raises StoreError,
    StoreLocked, EmbedderError."""
    folder, url = settings.store_dir, settings.chroma_url
    held = hold(folder)
    try:
        embedder = load(settings.embedding_model, folder)
        from ..store.store import Store

        address = str(url) if url else None
        return Store(folder, embedder.name, embedder.dimension, address, held), embedder
    except BaseException:  # an interrupt too must give the lock back
        held.release()
        raise
