"""What `python -m rag eval` does with each kind of file: measures it, keeps and draws what is asked
for. Knows no command line.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType

from ..retrieval import profiles
from ..retrieval.embedder import Embedder
from ..retrieval.profiles import Profiles
from ..retrieval.retriever import Retriever
from ..settings import Settings
from ..store.store import Store
from . import answers as answers_eval
from . import calibration, cases, directions, labelled, tables
from . import dialogues as dialogue_files
from . import questions as question_files
from . import quotes as quotes_eval
from . import search as evaluation
from . import support as support_eval
from .questions import Questions
from .search import Progress, Report, Search


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures as JSON and as tables, and the file in which calibrated profiles were kept."""

    values: dict[str, object]
    shown: RenderableType
    kept: Path | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """Where it is measured: the settings, what opens their store with its embedding model, what
    loads that model alone, and who is told how many searches are done."""

    settings: Settings
    opened: Callable[[], AbstractContextManager[tuple[Store, Embedder]]]
    embedder: Callable[[], Embedder]
    progress: Progress


def questions(bench: Bench, file: Path, calibrate: bool, plot: Path | None) -> Measured:
    """Search and refusal; with `calibrate` the profiles found are kept, and `plot` is a PNG to draw
    (see rag.measuring.plot)."""
    asked = question_files.load(file)
    progress, store_dir = bench.progress, bench.settings.store_dir
    used = profiles.load(store_dir)
    with _searches(bench, asked, used) as (model, searches):
        if calibrate:
            found = calibration.calibrate(asked, searches, model, used, progress)
            used = used.having(model, found.found)
            kept = profiles.save(store_dir, used) if found.found else None
            report, values, shown = found.after, found.as_json(), tables.calibration_tables(found)
            measured = Measured(values, shown, kept)
        else:
            report = evaluation.measure(asked, searches, progress)
            measured = _measured(report)
    if plot:
        half = ", the half of it that did not calibrate" if calibrate else ""
        _draw(report, used, model, f"{file.name}{half}", plot)
    return measured


def translated(bench: Bench, file: Path, other: Path) -> Measured:
    """Search across languages and in small libraries; the files hold the same in both languages."""
    first, second = question_files.load(file), question_files.load(other)
    used = profiles.load(bench.settings.store_dir)
    found = directions.measure(first, second, bench.embedder(), used, bench.progress)
    return Measured(found.as_json(), tables.directions_tables(found))


def quotes(bench: Bench, file: Path) -> Measured:
    """What is quoted where no model answers, on questions whose answer is known."""
    asked = question_files.load(file)
    with _searches(bench, asked, profiles.load(bench.settings.store_dir)) as (_, searches):
        found = quotes_eval.measure(asked, searches, bench.progress)
    rows = [{"of": of, "half": half, **part.as_json()} for (of, half), part in found.items()]
    return Measured({"quotes": rows}, tables.quotes_table(found))


def support(bench: Bench, file: Path) -> Measured:
    """The check of citations on labelled sentences."""
    labelled = support_eval.load(file)
    with bench.opened() as (store, embedder):
        report = support_eval.measure(labelled, store, embedder, bench.progress)
    return Measured(report.as_json(), tables.support_table(report))


def answers(bench: Bench, files: Sequence[Path]) -> Measured:
    """The check of citations on labelled sentences of models; `files` are those, and the articles
    that they are about."""
    sentences = labelled.load(files)
    used = profiles.load(bench.settings.store_dir)
    report = answers_eval.measure(sentences, bench.embedder(), used, bench.progress)
    return Measured(report.as_json(), tables.answers_tables(report))


def dialogues(bench: Bench, file: Path) -> Measured:
    """The search for the second question of dialogues."""
    loaded = dialogue_files.load(file)
    with bench.opened() as (store, embedder):
        retriever = Retriever(store, embedder, profiles.load(bench.settings.store_dir))
        report = dialogue_files.measure(loaded, retriever, bench.progress)
    return Measured(report.as_json(), tables.dialogues_table(report))


def _measured(report: Report) -> Measured:
    """The figures of `report`, those of each kind where the questions have one, and the worst."""
    parts, worst = cases.parts(report), cases.worst(report)
    values, shown = report.as_json(), [tables.report_table(report)]
    if parts:
        values |= {"kinds": cases.parts_as_json(parts), "worst": cases.worst_as_json(worst)}
        shown.append(tables.parts_table(parts))
    if worst:
        shown.append(tables.worst_table(worst))
    return Measured(values, Group(*shown))


@contextmanager
def _searches(
    bench: Bench, asked: Questions, used: Profiles
) -> Iterator[tuple[str, Generator[Search]]]:
    """The model's name, and the searches: in the store, or in documents that came with them."""
    if asked.articles:
        embedder = bench.embedder()
        yield embedder.name, evaluation.searches_of_articles(asked, embedder, used)
    else:
        with bench.opened() as (store, embedder):
            yield embedder.name, evaluation.searches(asked, store, embedder, used)


def _draw(report: Report, used: Profiles, model: str, title: str, path: Path) -> None:
    from .plot import draw  # matplotlib takes half a second

    draw(report, {lang: used.of(model, lang) for lang in report.by_language}, title, path)
