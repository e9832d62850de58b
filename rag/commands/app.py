"""The terminal: `python -m rag ask`, `search` and `eval`.

Only translates a command line into a call; rag.commands.terminal draws what comes of it. The result
goes to stdout, everything else to stderr. What is heavy is imported by the command that needs it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_never

import typer
from rich.console import Console

from ..errors import HeadwaterError
from ..event_lines import EventLines
from ..events import Event, Failed, Waiting, findings_as_json
from ..types import Language, Options
from . import terminal
from .shared import (
    AsJson,
    Parts,
    embedding,
    loading,
    opened,
    parts_of,
    prepare,
    retrieving,
    say,
    told,
)

if TYPE_CHECKING:
    from ..answer import Answerer
    from ..retrieval.retriever import Retriever
    from ..settings import Settings

ANSWERS = Path("tests/measured/prose.json")  # what eval --answers reads when no file is named

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Words = Annotated[
    str, typer.Argument(metavar="QUESTION", help="The question; - reads it on stdin.")
]
TopK = Annotated[
    int | None, typer.Option("--top-k", min=1, max=20, help="Sources; else HEADWATER_TOP_K.")
]

In = Annotated[
    list[str] | None,
    typer.Option(
        "--in",
        metavar="NAME",
        help="Only this collection (a folder) or document, by its name; may be given several "
        "times.",
        show_default=False,
    ),
]


@app.callback()
def common(
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log more, to stderr.")] = False,
) -> None:
    """Ask your own documents: the sources first, then the answer."""
    prepare(verbose)


@app.command()
@told()
def ask(
    context: typer.Context,
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help="The question; - reads it on stdin.")
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Answer a file of questions, one a line or JSON lines, several at once: a JSON "
            "line an answer, also into FILE.answers.jsonl, where a later run goes on.",
        ),
    ] = None,
    in_json: AsJson = False,
    top_k: TopK = None,
    places: In = None,
    language: Annotated[
        Language | None, typer.Option(help="Of the answer; else the question's.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Else OPENAI_MODEL.")] = None,
) -> None:
    """Answer a question from the documents: the sources, then the text as it is written."""
    from ..question import checked

    parts = parts_of(context)
    options = Options(language=language, top_k=top_k, model=model, places=tuple(places or ()))
    if batch is not None and question is None:
        _ask_batch(parts, batch, options)
        return
    if batch is not None or question is None:
        raise typer.BadParameter("give a QUESTION, or --batch FILE, and not both")
    lines = EventLines()

    def print_lines(event: Event) -> None:
        for line in lines.feed(event):
            terminal.print_json(line)

    try:
        settings = parts.settings()
        query = checked(_typed(question))
        with terminal.Terminal(quotes=not settings.has_model) as screen:
            show = print_lines if in_json else screen.show
            show(Waiting(0, 0, ""))
            with retrieving(parts, settings) as retriever:
                last = asyncio.run(_answer(settings, retriever, query, options, show))
    except HeadwaterError as exc:
        if in_json:
            print_lines(Failed(exc.code, exc.retryable, str(exc), "-"))
        raise
    if isinstance(last, Failed):
        raise typer.Exit(2)


def _ask_batch(parts: Parts, file: Path, options: Options) -> None:
    """`ask --batch`: answers to stdout and beside the file, how far it is to stderr. Exit status 1
    if some failed, 2 if the rest would have failed as well."""
    from . import batch

    settings = parts.settings()
    items, out = batch.load(file), batch.answers_file(file)
    with Console(stderr=True).status("Opening the library…") as status:
        shown = 0

        def show(line: dict[str, object]) -> None:
            nonlocal shown
            shown += 1
            status.update(f"{shown} answered…")
            terminal.print_json(line)

        async def answers(retriever: Retriever) -> batch.Outcome:
            async with aclosing(_answerer(settings, retriever, patience=86_400)) as answerer:
                return await batch.run(
                    items, out, lambda question: answerer.answer(question, options=options), show
                )

        with retrieving(parts, settings) as retriever:
            outcome = asyncio.run(answers(retriever))
    say(
        f"{outcome.answered} answered, {outcome.skipped} were answered before, "
        f"{outcome.failed} failed. All answers: {out}"
    )
    if outcome.stopped_by:
        say(f"Stopped, the others would fail as well: {outcome.stopped_by}")
        raise typer.Exit(2)
    if outcome.failed:
        raise typer.Exit(1)


@app.command()
@told()
def search(
    context: typer.Context,
    question: Words,
    in_json: AsJson = False,
    top_k: TopK = None,
    places: In = None,
) -> None:
    """List the passages that answer a question, best first, and whether they are enough."""
    from ..question import checked

    parts = parts_of(context)
    settings = parts.settings()
    query = checked(_typed(question))
    with (
        Console(stderr=True).status("Opening the library…"),
        retrieving(parts, settings) as retriever,
    ):
        findings = retriever.search(query, top_k or settings.top_k, *(places or ()))
    if in_json:
        terminal.print_json(findings_as_json(findings))
    else:
        if findings.query != query:
            say(f"Searched for: {findings.query}")
        Console().print(terminal.findings_table(findings), terminal.verdict_line(findings))


@app.command("eval")
@told()
def evaluate(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Questions about the library, or in SQuAD's format; or labelled sentences, or "
            "dialogues, as in tests/measured/support.json and tests/measured/dialogues.json.",
            show_default=False,
        ),
    ] = None,
    in_json: AsJson = False,
    answers: Annotated[
        bool,
        typer.Option(
            "--answers",
            help="Measure the check of citations on labelled sentences of models: FILE … as "
            f"{ANSWERS} (read if there is none) and the articles they are about, in SQuAD's "
            "format.",
        ),
    ] = False,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Fit weights and thresholds to one half of the questions, measure with the other, "
            "and keep them beside the store.",
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw how many questions each threshold would refuse."),
    ] = None,
    translated: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The same questions and paragraphs in the other language, both in SQuAD's format: "
            "measure asking across languages, in a library of both, and in small ones.",
        ),
    ] = None,
    quotes: Annotated[
        bool,
        typer.Option(
            "--quotes",
            help="Measure what is quoted without a model: whether the first quote has the words "
            "of the answer, of questions that say these.",
        ),
    ] = False,
) -> None:
    """Measure search and refusal on questions whose right document is known; or the check of
    citations on labelled sentences; or the search for a dialogue's second question."""
    chosen = files or ([ANSWERS] if answers else [])
    if answers and (calibrate or plot or translated):
        raise typer.BadParameter("--answers goes with none of --calibrate, --plot, --translated")
    if not answers and len(chosen) != 1:
        raise typer.BadParameter("one FILE is measured at a time, except with --answers")
    from ..measuring import questions
    from ..measuring import run as measuring

    parts = parts_of(context)
    settings = parts.settings()
    file = chosen[0]
    kind = questions.kind(file)
    if kind != "questions" and (calibrate or plot):
        raise typer.BadParameter(f"--calibrate and --plot need questions; {file} has none")
    if translated and (kind != "questions" or calibrate or plot):
        raise typer.BadParameter("--translated needs questions, and neither --calibrate nor --plot")
    if quotes and (kind != "questions" or calibrate or plot or translated):
        raise typer.BadParameter("--quotes needs questions, and no other option but --json")
    if plot and not plot.parent.is_dir():  # before minutes of searching
        raise typer.BadParameter(f"there is no folder {plot.parent} for the picture")
    if plot and find_spec("matplotlib") is None:
        raise typer.BadParameter("--plot needs matplotlib: pip install -r requirements-dev.txt")
    with Console(stderr=True).status("Opening the library…") as status:

        def progress(done: int) -> None:
            status.update(f"{done} done…")

        bench = measuring.Bench(
            settings,
            lambda: opened(parts, settings),
            lambda: embedding(parts, settings),
            progress,
        )
        match kind:
            case _ if answers:
                measured = measuring.answers(bench, chosen)
            case "questions" if translated:
                measured = measuring.translated(bench, file, translated)
            case "questions" if quotes:
                measured = measuring.quotes(bench, file)
            case "questions":
                measured = measuring.questions(bench, file, calibrate, plot)
            case "support":
                measured = measuring.support(bench, file)
            case "dialogues":
                measured = measuring.dialogues(bench, file)
            case _:
                assert_never(kind)
    if measured.kept:
        say(f"Kept in {measured.kept}, for what starts from now on. Delete that file to go back.")
    if in_json:
        terminal.print_json(measured.values)
    else:
        Console().print(measured.shown)


async def _answer(
    settings: Settings,
    retriever: Retriever,
    query: str,
    options: Options,
    show: Callable[[Event], None],
) -> Event | None:
    """Shows the events of one answer as they come; the last of them."""
    event = None
    answerer = _answerer(settings, retriever)
    async with aclosing(answerer), aclosing(answerer.answer(query, options=options)) as events:
        async for event in events:
            show(event)
    return event


def _answerer(settings: Settings, retriever: Retriever, patience: float | None = None) -> Answerer:
    with loading():
        from ..assembly import PATIENCE, assemble
        from ..serving.metrics import Metrics
        from ..store.opening import Opening

    opening = Opening(lambda _: retriever)
    return assemble(settings, opening, Metrics(), PATIENCE if patience is None else patience)


def _typed(question: str) -> str:
    """The question as Unicode, from stdin for "-". Bytes that are not UTF-8 become "�"."""
    typed = question.encode(errors="surrogateescape")
    return (sys.stdin.buffer.read() if question == "-" else typed).decode(errors="replace")
