"""Tells when the files in some folders change, a burst at a time. The only importer of watchfiles;
knows no library."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from watchfiles import Change, watch

from rag.errors import DocumentError, HeadwaterError

from .background import Reading

log = logging.getLogger(__name__)

QUIET = 500  # milliseconds without a change that end a burst
LONGEST = 10_000  # milliseconds of changes after which a burst is read in any case
POLLING = 2000  # milliseconds between two looks, where the system tells nobody of changes


def bursts(
    folders: Sequence[Path],
    *,
    poll: bool = False,
    stop: threading.Event | None = None,
    quiet: int = QUIET,
) -> Iterator[None]:
    """One item once the folders are watched, then one for each burst of changes, until `stop`; what
    changes while an item is used is the next one. Hidden files and folders do not count.

    With `poll` the folders are looked through, as is needed on network drives. In the main thread
    an interrupt is raised. Raises DocumentError if a folder cannot be watched, or with `poll` not
    looked through.
    """
    roots = [folder.expanduser().resolve() for folder in folders]

    def visible(change: Change, name: str) -> bool:
        path = Path(name)
        if change is Change.modified and path.is_dir():  # what changed in it comes by itself
            return False
        inside = [path.relative_to(root).parts for root in roots if path.is_relative_to(root)]
        return not any(part.startswith(".") for parts in inside for part in parts)

    try:
        started = False
        for changes in watch(
            *roots,
            watch_filter=visible,
            debounce=LONGEST,
            step=quiet,
            stop_event=stop,
            rust_timeout=500,
            yield_on_timeout=True,  # once at the start, when the watch stands
            force_polling=poll,
            poll_delay_ms=POLLING,
        ):
            if changes or not started:
                started = True
                yield
    except OSError as exc:
        reason = str(exc).partition("(")[0].strip().rstrip(".") or type(exc).__name__
        raise (_not_looked_through if poll else _not_watched)(reason) from exc


def _not_watched(reason: str) -> DocumentError:
    return DocumentError(
        f"The folder cannot be watched ({reason}). With --poll, `python -m ingest --watch` looks "
        "through it every two seconds instead.",
        f"Không theo dõi được thư mục ({reason}). Với --poll, `python -m ingest --watch` xem qua "
        "thư mục mỗi hai giây thay vào đó.",
    )


def _not_looked_through(reason: str) -> DocumentError:
    return DocumentError(
        f"The folder cannot be looked through ({reason}). Check that it is there and may be "
        "opened, then start again.",
        f"Không xem qua được thư mục ({reason}). Hãy kiểm tra thư mục còn đó và có quyền mở, rồi "
        "khởi động lại.",
    )


@contextmanager
def following(reading: Reading, folder: Path) -> Iterator[None]:
    """Has the library of a running page read the folder again after each burst of changes, until
    the end; where the system cannot tell of them, the folder is looked through."""
    stop = threading.Event()

    def follow(poll: bool) -> None:
        for _ in bursts([folder], poll=poll, stop=stop):
            while reading.busy and not stop.wait(0.1):
                pass  # what it has passed already it would not see
            if not stop.is_set():
                reading.again()

    def run() -> None:
        try:
            try:
                follow(poll=False)
            except HeadwaterError as exc:
                log.warning("the data folder is looked through instead: %s", exc.__cause__)
                follow(poll=True)
        except HeadwaterError as exc:
            log.error("%s", exc)

    thread = threading.Thread(target=run, name="watching", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
