"""What the commands share: the parts that they are made of, the store opened for the length of one,
and how an error is said. What is heavy is imported when it is needed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import HeadwaterError
from ..serving.request_id import log_to_stderr
from ..store.lock import hold
from .terminal import loading, printable, say

if TYPE_CHECKING:
    from ..retrieval.embedder import Embedder
    from ..retrieval.retriever import Retriever
    from ..settings import Settings
    from ..store.store import Store

__all__ = ["printable", "say"]  # ingest draws with them as well

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")]


def _settings() -> Settings:
    from ..settings import load_settings

    return load_settings()


def _embedder(name: str, store: Path | None) -> Embedder:
    from ..retrieval.embedder import SentenceEmbedder

    return SentenceEmbedder(name, store)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a command is made of; typer's `obj`, so that others can be passed in."""

    settings: Callable[[], Settings] = _settings
    embedder: Callable[[str, Path | None], Embedder] = _embedder


def parts_of(context: typer.Context) -> Parts:
    """Those that were passed in, else the usual ones."""
    return context.obj if isinstance(context.obj, Parts) else Parts()


@contextmanager
def told() -> Iterator[None]:
    """Says a HeadwaterError in one line on stderr and ends the command with status 2."""
    try:
        yield
    except HeadwaterError as exc:
        say(exc.en)
        raise typer.Exit(2) from exc


def prepare(verbose: bool) -> None:
    """Sets this process's streams to UTF-8 and its log to stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Half a surrogate pair from a model must not end the answer; in JSON it stays valid.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    log_to_stderr(logging.INFO if verbose else logging.WARNING)


@contextmanager
def opened(parts: Parts, settings: Settings) -> Iterator[tuple[Store, Embedder]]:
    """The store and the embedding model of `settings`; the store is given back at the end."""
    store = settings.store_dir
    held = hold(store)  # first: a second process is refused before it has loaded anything
    try:
        with loading():
            from ..store.store import Store

            embedder = parts.embedder(settings.embedding_model, store)
        url = str(settings.chroma_url) if settings.chroma_url else None
        index = Store(store, embedder.name, embedder.dimension, url, held)
    except BaseException:
        held.release()
        raise
    with index:
        yield index, embedder


@contextmanager
def retrieving(parts: Parts, settings: Settings) -> Iterator[Retriever]:
    """The search of that store, with the profiles measured for it."""
    with opened(parts, settings) as (index, embedder):
        with loading():
            from ..retrieval import profiles
            from ..retrieval.retriever import Retriever

        yield Retriever(index, embedder, profiles.load(settings.store_dir))
