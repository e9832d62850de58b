"""Opens the store of the settings with its embedding model: the lock first, then what is heavy."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..store.lock import hold

if TYPE_CHECKING:
    from ..settings import Settings
    from ..store.store import Store
    from ..types import Notice
    from .embedder import Embedder

log = logging.getLogger(__name__)


class Opened(NamedTuple):
    """The store, to be closed by the caller, its model, and what the reader has to know of that."""

    store: Store
    embedder: Embedder
    notice: Notice | None


def open_store(
    settings: Settings,
    load: Callable[[str, Path], Embedder],
    *,
    whole: bool = False,
    later: bool = False,
) -> Opened:
    """The store with what `load` gives for the model's name and the store's folder; a `whole` one
    is the earlier one, as long as not all of that was taken over, which the log says. A model of
    ours may be loaded `later`, when it is first needed.

    A second process is refused before anything is loaded. Raises StoreError, StoreLocked,
    EmbedderError."""
    folder, url = settings.store_dir, settings.chroma_url
    held = hold(folder)
    try:
        from . import earlier, models

        choice = models.choose(settings.embedding_model, folder)
        if whole and earlier.pending(folder, choice.name):
            choice = models.Choice(models.PACKAGED, earlier.UNFINISHED)
            log.warning("%s", earlier.UNFINISHED.en)
        name = choice.name.removeprefix("sentence-transformers/")
        if later and name in (models.MULTILINGUAL, models.PACKAGED):
            from .later import Later

            embedder: Embedder = Later(name, models.DIMENSION, partial(load, choice.name, folder))
        else:
            embedder = load(choice.name, folder)
        from ..store.store import Store

        address = str(url) if url else None
        store = Store(folder, embedder.name, embedder.dimension, address, held)
        return Opened(store, embedder, choice.notice)
    except BaseException:  # an interrupt too must give the lock back
        held.release()
        raise
