"""The store of the settings, opened for the length of a command. What is heavy is imported then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..store.lock import hold
from .terminal import loading

if TYPE_CHECKING:
    from ..retrieval.embedder import Embedder
    from ..retrieval.retriever import Retriever
    from ..settings import Settings
    from ..store.store import Index


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Index, Embedder]]:
    """The store and the embedding model of `settings`; the store is given back at the end."""
    store = settings.store_dir
    held = hold(store)  # first: a second process is refused before it has loaded anything
    try:
        with loading():
            from ..retrieval.embedder import Embedder
            from ..store.store import Index

            embedder = Embedder(settings.embedding_model, store)
        url = str(settings.chroma_url) if settings.chroma_url else None
        index = Index(store, embedder.name, embedder.dimension, url, held)
    except BaseException:
        held.release()
        raise
    with index:
        yield index, embedder


@contextmanager
def retrieving(settings: Settings) -> Iterator[Retriever]:
    """The search of that store, with the profiles measured for it."""
    with opened(settings) as (index, embedder):
        with loading():
            from ..retrieval import profiles
            from ..retrieval.retriever import Retriever

        yield Retriever(index, embedder, profiles.load(settings.store_dir))
