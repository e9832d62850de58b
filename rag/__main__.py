"""The terminal: `python -m rag ask`, `search` and `eval`.

Only translates: a command line into a call, events and values into text or JSON lines. The result
goes to stdout, everything else to stderr. What is heavy is imported by the command that needs it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self, assert_never

import typer
from rich import box
from rich.console import Console, Group
from rich.status import Status
from rich.table import Table
from rich.text import Text

from .errors import HeadwaterError
from .events import (
    Event,
    Failed,
    Finished,
    Searching,
    SourcesFound,
    TextDelta,
    Waiting,
    as_json,
    findings_as_json,
)
from .types import Findings, Language, Options, Source

if TYPE_CHECKING:
    from .embedder import Embedder
    from .evaluation import Report
    from .index import Index
    from .retriever import Retriever
    from .settings import Settings

EXCERPT = 200  # characters of a passage
LEAD = 40  # of them before the first word that the question also has

# What would steer a terminal instead of being read on it; a file name or a model may send anything.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

_ABOUT = "Ask your own documents: the sources first, then the answer."
app = typer.Typer(
    help=_ABOUT, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

Words = Annotated[
    str, typer.Argument(metavar="QUESTION", help="The question; - reads it on stdin.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")]
TopK = Annotated[
    int | None, typer.Option("--top-k", min=1, max=20, help="Sources; else HEADWATER_TOP_K.")
]


@contextmanager
def told() -> Iterator[None]:
    """Says a HeadwaterError in one line on stderr and ends the command with status 2."""
    try:
        yield
    except HeadwaterError as exc:
        say(exc.en)
        raise typer.Exit(2) from exc


def say(sentence: str) -> None:
    """One line on stderr, from Headwater."""
    print(f"headwater: {' '.join(printable(sentence).split())}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """`text` without the characters that would steer a terminal."""
    return _STEERING.sub("", text)


def prepare(verbose: bool) -> None:
    """Sets this process's streams to UTF-8 and its log to stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Half a surrogate pair from a model must not end the answer; in JSON it stays valid.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING)


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Index, Embedder]]:
    """The store and the embedding model of `settings`; the store is given back at the end."""
    from .embedder import Embedder
    from .index import Index

    embedder = Embedder(settings.embedding_model)
    url = str(settings.chroma_url) if settings.chroma_url else None
    with Index(settings.store_dir, embedder.name, embedder.dimension, url) as index:
        yield index, embedder


@app.callback()
def common(
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log more, to stderr.")] = False,
) -> None:
    prepare(verbose)


@app.command()
@told()
def ask(
    question: Words,
    in_json: AsJson = False,
    top_k: TopK = None,
    language: Annotated[
        Language | None, typer.Option(help="Of the answer; else the question's.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Else OPENAI_MODEL.")] = None,
) -> None:
    """Answer a question from the documents: the sources, then the text as it is written."""
    from .answer import _checked
    from .retriever import Retriever
    from .settings import load_settings

    options = Options(language=language, top_k=top_k, model=model)
    with _Terminal() as terminal:
        show = _print_event if in_json else terminal.show
        try:
            settings = load_settings()
            query = _checked(_typed(question))
            show(Waiting(0, 0, ""))
            with opened(settings) as (index, embedder):
                retriever = Retriever(index, embedder)
                last = asyncio.run(_answer(settings, retriever, query, options, show))
        except HeadwaterError as exc:
            if in_json:
                show(Failed(exc.code, exc.retryable, exc.en))
            raise
    if isinstance(last, Failed):
        raise typer.Exit(2)


@app.command()
@told()
def search(question: Words, in_json: AsJson = False, top_k: TopK = None) -> None:
    """List the passages that answer a question, best first, and whether they are enough."""
    from .answer import _checked
    from .retriever import Retriever
    from .settings import load_settings

    settings = load_settings()
    query = _checked(_typed(question))
    with _status("Opening the library…"), opened(settings) as (index, embedder):
        findings = Retriever(index, embedder).search(query, top_k or settings.top_k)
    if in_json:
        _print_json(findings_as_json(findings))
    else:
        Console().print(_findings_table(findings), _verdict(findings))


@app.command("eval")
@told()
def evaluate(
    file: Annotated[
        Path, typer.Argument(help="Questions about the library, or a file in SQuAD's format.")
    ],
    in_json: AsJson = False,
) -> None:
    """Measure search and refusal on questions whose right document is known."""
    from . import evaluation
    from .embedder import Embedder
    from .settings import load_settings

    settings = load_settings()
    questions = evaluation.load(file)
    with _status("Opening the library…") as status:

        def progress(done: int) -> None:
            status.update(f"{done} searches done…")

        if questions.articles:
            embedder = Embedder(settings.embedding_model)
            report = evaluation.measure_articles(questions, embedder, progress)
        else:
            with opened(settings) as (index, embedder):
                report = evaluation.measure(questions, index, embedder, progress)
    if in_json:
        _print_json(report.as_json())
    else:
        Console().print(_report_table(report))


async def _answer(
    settings: Settings,
    retriever: Retriever,
    query: str,
    options: Options,
    show: Callable[[Event], None],
) -> Event | None:
    """Shows the events of one answer as they come; the last of them."""
    from .answer import Answerer
    from .llm import Model
    from .opening import Opening

    event = None
    async with AsyncExitStack() as closing:
        model = Model(settings) if settings.has_model else None
        if model:
            closing.push_async_callback(model.close)
        answerer = Answerer(Opening(lambda _: retriever), model, settings.top_k)
        events = answerer.answer(query, options=options)
        async for event in await closing.enter_async_context(aclosing(events)):
            show(event)
    return event


class _Terminal:
    """Shows one answer to a reader: sources and text on stdout, what else there is on stderr."""

    def __init__(self) -> None:
        self._status = _status("")
        self._in_text = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._status.stop()

    def show(self, event: Event) -> None:
        match event:
            case Waiting():
                self._status.update("Opening the library…")
                self._status.start()
            case Searching():
                self._status.update("Searching…")
            case SourcesFound(findings):
                self._status.stop()
                _print_sources(findings)
            case TextDelta(text):
                self._in_text = True
                print(printable(text), end="", flush=True)
            case Finished():
                self._end_text()
                Console(stderr=True).print(Text(_ending(event), style="dim"))
            case Failed(sentence=sentence):
                self._status.stop()
                self._end_text()
                say(sentence)
            case _:
                assert_never(event)

    def _end_text(self) -> None:
        if self._in_text:
            print(flush=True)
        self._in_text = False


def _status(text: str) -> Status:
    return Console(stderr=True).status(text)


def _typed(question: str) -> str:
    """The question as Unicode, from stdin for "-". Bytes that are not UTF-8 become "�"."""
    typed = question.encode(errors="surrogateescape")
    return (sys.stdin.buffer.read() if question == "-" else typed).decode(errors="replace")


def _print_json(values: dict[str, object]) -> None:
    print(json.dumps(values, ensure_ascii=False), flush=True)


def _print_event(event: Event) -> None:
    _print_json(as_json(event))


def _print_sources(findings: Findings) -> None:
    grid = Table.grid(padding=(0, 1))
    for s in findings.sources:
        place = f"{s.document}, page {s.page} · {s.score:.2f}"
        heading = Text.assemble((printable(s.title), "bold"), "  ", (printable(place), "dim"))
        grid.add_row(Text(f"[{s.number}]", style="cyan"), Group(heading, _excerpt(s)))
    console = Console()
    console.print(grid)
    if findings.verdict != "answer":
        console.print(_verdict(findings))
    console.print()


def _findings_table(findings: Findings) -> Table:
    table = Table("", "Document", "Page", "Score", "Passage", box=box.SIMPLE_HEAD)
    for s in findings.sources:
        name = Text(printable(s.document), overflow="fold")
        table.add_row(str(s.number), name, str(s.page), f"{s.score:.2f}", _excerpt(s))
    return table


def _verdict(findings: Findings) -> Text:
    said = {
        "answer": ("Enough to answer from", "green"),
        "weak": ("Weak: this may not answer the question", "yellow"),
        "refuse": ("No relevant information; these come nearest", "red"),
    }
    words, colour = said[findings.verdict]
    scores = f" (evidence {findings.best_score:.2f}, refused below {findings.threshold:.2f})."
    return Text(words + scores, style=colour)


def _excerpt(source: Source) -> Text:
    """A part of the passage around the first word that the question also has, such words bold."""
    start = max(source.marks[0][0] - LEAD, 0) if source.marks else 0
    if start:
        start = source.text.find(" ", start, source.marks[0][0]) + 1 or start
    end = min(start + EXCERPT, len(source.text))
    if end < len(source.text) and (space := source.text.rfind(" ", start + LEAD, end)) > 0:
        end = space
    passage = Text(re.sub(r"\s", " ", _STEERING.sub(" ", source.text)), style="dim")
    for mark_start, mark_end in source.marks:
        passage.stylize("bold", mark_start, mark_end)
    ends = ("…" if start else "", "…" if end < len(source.text) else "")
    return Text.assemble(ends[0], passage[start:end], ends[1], style="dim")


def _ending(event: Finished) -> str:
    """The quiet line under an answer."""
    seconds = f"{event.total_seconds:.1f} s"
    if event.reason == "refused":
        return f"No model was asked · {seconds}"
    if event.model is None:
        return (
            "No model is configured: these are quotations. For written answers set OPENAI_API_KEY, "
            f"or OPENAI_BASE_URL for a server of your own · {seconds}"
        )
    parts = [printable(event.model), seconds]
    if event.usage:
        parts.append(f"{event.usage.input_tokens} + {event.usage.output_tokens} tokens")
    if event.reason != "stop":
        parts.append({"length": "length limit", "content_filter": "filtered"}[event.reason])
    return " · ".join(parts)


def _report_table(report: Report) -> Table:
    heads = ("Questions", "R@1", "R@5", "nDCG@10", "Refused", "Wrongly refused")
    table = Table("", *heads, box=box.SIMPLE_HEAD)
    for language, part in [("all", report), *report.by_language.items()]:
        shares = list(part.as_json().values())[1:]
        shown = ("—" if share is None else f"{share:.3f}" for share in shares)
        table.add_row(language, str(part.questions), *shown)
    return table


if __name__ == "__main__":
    app(prog_name="python -m rag")
