"""The store of the settings, opened for the length of a command. What is heavy is imported then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .terminal import loading

if TYPE_CHECKING:
    from .embedder import Embedder
    from .index import Index
    from .retriever import Retriever
    from .settings import Settings


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Index, Embedder]]:
    """The store and the embedding model of `settings`; the store is given back at the end."""
    with loading():
        from .embedder import Embedder
        from .index import Index

        embedder = Embedder(settings.embedding_model)
    url = str(settings.chroma_url) if settings.chroma_url else None
    with Index(settings.store_dir, embedder.name, embedder.dimension, url) as index:
        yield index, embedder


@contextmanager
def retrieving(settings: Settings) -> Iterator[Retriever]:
    """The search of that store, with the profiles measured for it."""
    with loading():
        from . import profiles
        from .retriever import Retriever

    measured = profiles.load(settings.store_dir)
    with opened(settings) as (index, embedder):
        yield Retriever(index, embedder, measured)
