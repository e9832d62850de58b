"""The terminal's `python -m ingest`: reads documents into the library.

Only translates: paths into calls, receipts into a table or JSON lines. The result goes to stdout,
everything else to stderr.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from rag.commands.shared import AsJson, Parts, opened, parts_of, prepare, printable, run, say, told

if TYPE_CHECKING:
    from rag.retrieval.embedder import Embedder
    from rag.settings import Settings
    from rag.store.store import Store

    from .listing import Folder
    from .receipts import Receipt

NAME = 40  # characters of a file's name beside the bar
_STYLE = {"unsupported": "yellow", "removed": "yellow"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@told()
def ingest(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Files or folders; else HEADWATER_DATA_DIR."),
    ] = None,
    in_json: AsJson = False,
    forget: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Remove what was read from this file or folder."),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Write the library and its files into FILE."),
    ] = None,
    taken: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Take in a library that was exported."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="--import replaces other files of the same name.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on reading what changes, until Ctrl-C or SIGTERM.")
    ] = False,
    poll: Annotated[
        bool, typer.Option("--poll", help="--watch by looking, as network drives need it.")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log more, to stderr.")] = False,
) -> None:
    """Make the library equal to files and folders: read what is new, remove what is gone.

    The exit status is 1 if a file could not be read, or one was named that nobody reads, or the
    vector index could not be told of all of them; the others are in the library then.
    """
    prepare(verbose)
    if not verbose:  # what pypdf remarks about a damaged file, its receipt says
        logging.getLogger("pypdf").setLevel(logging.ERROR)
    from . import readers
    from .sync import locate

    parts = parts_of(context)
    settings = parts.settings()
    if into or taken:
        if paths or forget or (into and taken):
            raise typer.BadParameter("--export and --import each go alone.")
        _carry(settings, into, taken, overwrite, in_json)
        return
    if watch:
        if forget:
            raise typer.BadParameter("--watch and --forget each go alone.")
        _watch(parts, settings, paths or [settings.data_dir], poll, in_json)
        return
    wanted = paths or ([] if forget else [settings.data_dir])
    places = [locate(path, settings.data_dir, settings.follow_links) for path in wanted]
    receipts = []
    with (
        _Bar(len(places), hidden=in_json and sys.stdout.isatty()) as bar,
        opened(parts, settings, whole=False, later=True) as (store, embedder),
    ):
        for receipt in _receipts(forget or [], settings, places, store, embedder, bar):
            receipts.append(receipt)
            if in_json:
                _print_json(receipt)
        if any(receipt.outcome in ("added", "replaced") for receipt in receipts):
            embedder.record()  # what it has read with, so that the next start is light
        problems = store.problems()
    if not receipts:
        say(f"There is nothing to read in {', '.join(map(str, wanted))}. Formats: {readers.USUAL}.")
    elif not in_json:
        _print_summary(receipts)
    for problem in problems:
        say(problem)
    named = {path.name for path in wanted if path.is_file()}
    if problems or any(
        r.is_failure or (r.outcome == "unsupported" and Path(r.name).name in named)
        for r in receipts
    ):
        raise typer.Exit(1)


def _carry(
    settings: Settings, into: Path | None, taken: Path | None, overwrite: bool, in_json: bool
) -> None:
    """Exports the library, or takes an exported one in."""
    from . import backup

    with _Bar(1, hidden=in_json and sys.stdout.isatty()) as bar:
        if into:
            exported = backup.export(settings, into, bar.show)
        elif taken:
            receipts = backup.restore(settings, taken, bar.show, overwrite=overwrite)
    if taken:
        for receipt in receipts if in_json else ():
            _print_json(receipt)
        if not in_json:
            _print_summary(receipts)
    elif in_json:
        print(json.dumps(asdict(exported), ensure_ascii=False))
    else:
        print(
            f"{exported.documents} documents with {exported.passages} passages and "
            f"{exported.originals} files are in {into}."
        )
    if into and exported.missing:
        say(
            f"Without their files, which are gone or were changed since they were read: "
            f"{', '.join(exported.missing)}. `python -m ingest` reads them; then export again."
        )
    if into and exported.unreadable:
        names = (f"{name} ({why})" for name, why in exported.unreadable.items())
        say(f"Without the files that cannot be read now: {', '.join(names)}.")


def _watch(
    parts: Parts, settings: Settings, paths: Sequence[Path], poll: bool, in_json: bool
) -> None:
    """Reads the folders, and again after each burst of changes; a line for each file that changed,
    or that cannot be read for another reason than before."""
    from .sync import locate
    from .watching import bursts

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    places = [locate(path, settings.data_dir, settings.follow_links) for path in paths]
    folders = [folder.path / scope for folder, scope in places]
    if not all(map(Path.is_dir, folders)):
        raise typer.BadParameter("--watch takes folders.")
    known: dict[str, Receipt] = {}
    with opened(parts, settings, whole=False) as (store, embedder):
        signal.signal(signal.SIGTERM, interrupt)
        try:
            for _ in bursts(folders, poll=poll):
                with _Bar(len(places), hidden=in_json) as bar:
                    for receipt in _receipts([], settings, places, store, embedder, bar):
                        news = receipt.outcome in ("added", "replaced", "removed")
                        if receipt.outcome != "unchanged" and (
                            news or receipt != known.get(receipt.name)
                        ):
                            _print_json(receipt) if in_json else _print_line(receipt)
                        known[receipt.name] = receipt
                if problems := store.problems():
                    say(" ".join(problems))
        except KeyboardInterrupt:
            say("The watching has ended; what was read is in the library.")


def _receipts(
    forgotten: Sequence[Path],
    settings: Settings,
    places: Sequence[tuple[Folder, str]],
    store: Store,
    embedder: Embedder,
    bar: _Bar,
) -> Iterator[Receipt]:
    from rag.retrieval import earlier, models

    from .carrying import carried
    from .sync import forget, sync

    pending = earlier.pending(settings.store_dir, embedder.name)
    with ExitStack() as stack:
        stores = [store]
        if forgotten and pending:
            stores.append(stack.enter_context(store.beside(models.PACKAGED, models.DIMENSION)))
        for path in forgotten:
            yield from forget(path, settings.data_dir, *stores)
    if pending:
        say(f"What was read for {models.PACKAGED} is read anew for {embedder.name} first.")
    for _ in carried(settings.store_dir, store, embedder, bar.show):
        pass  # their files are not asked for: what they are now, the receipts say
    for folder, scope in places:
        yield from sync(folder, scope, store, embedder, bar.show)
        bar.end_place()


class _Bar:
    """One bar on stderr for all places; one that was not looked at yet counts as one file."""

    def __init__(self, places: int, hidden: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            redirect_stdout=False,  # the receipts are not to end up on stderr
            disable=hidden or not console.is_terminal,
        )
        self._task = self._progress.add_task("Opening the library…", total=None)
        self._places = places
        self._ended = 0  # files of the places that are done
        self._files = 0  # of the place in work

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, done: int, files: int, name: str) -> None:
        self._files = files
        self._progress.update(
            self._task,
            completed=self._ended + done,
            total=self._ended + files + self._places - 1,
            description=_line(name if len(name) <= NAME else "…" + name[-NAME:]),
        )

    def end_place(self) -> None:
        self._ended, self._files = self._ended + self._files, 0
        self._places -= 1


def _print_json(receipt: Receipt) -> None:
    print(json.dumps(asdict(receipt), ensure_ascii=False), flush=True)


def _print_line(receipt: Receipt) -> None:
    words = (receipt.outcome, receipt.name, receipt.reason and f"({receipt.reason})")
    print(printable(" ".join(filter(None, words))), flush=True)


def _print_summary(receipts: Sequence[Receipt]) -> None:
    """A row a file, unchanged ones only if there are no others, and how many there are of each."""
    changed = [r for r in receipts if r.outcome != "unchanged"]
    table = Table("File", "Outcome", box=box.SIMPLE_HEAD)
    for head in ("Pages", "With text", "Chunks", "Seconds"):
        table.add_column(head, justify="right")
    table.add_column("Reason")
    for r in changed or receipts:
        counts = (r.pages, r.pages_with_text, r.chunks)
        reasons = (r.reason, r.reason_vi) if r.reason else ()
        table.add_row(
            Text(_line(r.name), overflow="fold"),
            Text(r.outcome, style="red" if r.is_failure else _STYLE.get(r.outcome, "")),
            *(str(count) if r.pages else "" for count in counts),
            f"{r.seconds:.1f}" if r.seconds else "",
            Text("\n".join(map(_line, reasons))),
        )
    outcomes = Counter(r.outcome for r in receipts)
    told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    Console(file=sys.stdout).print(table, Text(told + "."))


def _line(text: str) -> str:
    """`text` on one line; the name of a file may have several."""
    return " ".join(printable(text).split())


if __name__ == "__main__":
    run(app, "python -m ingest")
