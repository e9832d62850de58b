"""What the commands share: the parts that they are made of, the store opened for the length of one,
and how an error is said. What is heavy is imported when it is needed."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType

from ..errors import HeadwaterError
from ..retrieval.start import open_store
from ..serving import memory
from ..serving.request_id import log_to_stderr

if TYPE_CHECKING:
    from ..retrieval.embedder import Embedder
    from ..retrieval.retriever import Retriever
    from ..settings import Settings
    from ..store.store import Store

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")]


# What would steer a terminal instead of being read on it; a file name or a model may send anything.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def say(sentence: str) -> None:
    """One line on stderr, from Headwater."""
    print(f"headwater: {' '.join(printable(sentence).split())}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """`text` without the characters that would steer a terminal."""
    return STEERING.sub("", text)


@contextmanager
def loading() -> Iterator[None]:
    """While libraries are loaded, an interrupt ends the process at once: the exception that it is
    elsewhere may break one in the middle, and come out as a traceback of that. Nothing is left half
    done then. Only the main thread can say so to the process; in another one nothing is changed."""

    def end(*_: object) -> None:
        codes = (ControlType.CARRIAGE_RETURN,), (ControlType.ERASE_IN_LINE, 2)
        Console(stderr=True).control(Control(*codes, (ControlType.SHOW_CURSOR,)))
        os._exit(130)

    before = signal.getsignal(signal.SIGINT)
    in_background = before is signal.SIG_IGN  # started by a script that goes on
    if in_background or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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


def run(app: typer.Typer, name: str) -> None:
    """A process of its own for the command line of `app`."""
    memory.start()
    app(prog_name=name)


def parts_of(context: typer.Context) -> Parts:
    """Those that were passed in, else the usual ones."""
    return context.obj if isinstance(context.obj, Parts) else Parts()


@contextmanager
def told() -> Iterator[None]:
    """Says a HeadwaterError in one line on stderr and ends the command with status 2."""
    try:
        yield
    except HeadwaterError as exc:
        say(str(exc))
        raise typer.Exit(2) from exc


def prepare(verbose: bool) -> None:
    """Sets this process's streams to UTF-8 and its log to stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Half a surrogate pair from a model must not end the answer; in JSON it stays valid.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    log_to_stderr(logging.INFO if verbose else logging.WARNING)


def embedding(parts: Parts, settings: Settings) -> Embedder:
    """The model of the settings alone, without their store."""
    from ..retrieval.models import choose

    folder = settings.store_dir
    return parts.embedder(choose(settings.embedding_model, folder).name, folder)


@contextmanager
def opened(
    parts: Parts, settings: Settings, *, whole: bool = True, later: bool = False
) -> Iterator[tuple[Store, Embedder]]:
    """The store and the embedding model of `settings`; the store is given back at the end. A
    `whole` one is the earlier one, as long as not all of that was taken over; a model of ours may
    be loaded `later`, when it is first needed."""

    def load(name: str, store: Path) -> Embedder:
        with loading():
            return parts.embedder(name, store)

    index, embedder, _ = open_store(
        settings, load, whole=whole, later=later
    )  # the log has the notice
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
