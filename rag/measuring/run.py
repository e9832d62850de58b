"""What `python -m rag eval` does with each kind of file: measures it, keeps and draws what is asked
for. Knows no command line.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType

from ..commands import terminal
from ..commands.shared import opened, retrieving
from ..retrieval import profiles
from ..retrieval.profiles import Profiles
from ..settings import Settings
from . import calibration
from . import dialogues as dialogue_files
from . import questions as question_files
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


def questions(
    settings: Settings, file: Path, calibrate: bool, plot: Path | None, progress: Progress
) -> Measured:
    """Search and refusal; with `calibrate` the profiles found are kept, and `plot` is a PNG to draw
    (see rag.measuring.plot). `progress` is told how many searches are done."""
    asked = question_files.load(file)
    used = profiles.load(settings.store_dir)
    with _searches(settings, asked, used) as (model, searches):
        if calibrate:
            found = calibration.calibrate(asked, searches, model, used, progress)
            used = used.having(model, found.found)
            kept = profiles.save(settings.store_dir, used) if found.found else None
            report, values, shown = found.after, found.as_json(), terminal.calibration_tables(found)
            measured = Measured(values, shown, kept)
        else:
            report = evaluation.measure(asked, searches, progress)
            measured = Measured(report.as_json(), terminal.report_table(report))
    if plot:
        half = ", the half of it that did not calibrate" if calibrate else ""
        _draw(report, used, model, f"{file.name}{half}", plot)
    return measured


def support(settings: Settings, file: Path, progress: Progress) -> Measured:
    """The check of citations on labelled sentences."""
    labelled = support_eval.load(file)
    with opened(settings) as (index, embedder):
        report = support_eval.measure(labelled, index, embedder, progress)
    return Measured(report.as_json(), terminal.support_table(report))


def dialogues(settings: Settings, file: Path, progress: Progress) -> Measured:
    """The search for the second question of dialogues."""
    loaded = dialogue_files.load(file)
    with retrieving(settings) as retriever:
        report = dialogue_files.measure(loaded, retriever, progress)
    return Measured(report.as_json(), terminal.dialogues_table(report))


@contextmanager
def _searches(
    settings: Settings, asked: Questions, used: Profiles
) -> Iterator[tuple[str, Generator[Search]]]:
    """The model's name, and the searches: in the store, or in documents that came with them."""
    from ..retrieval.embedder import Embedder

    if asked.articles:
        embedder = Embedder(settings.embedding_model)
        yield embedder.name, evaluation.searches_of_articles(asked, embedder, used)
    else:
        with opened(settings) as (index, embedder):
            yield embedder.name, evaluation.searches(asked, index, embedder, used)


def _draw(report: Report, used: Profiles, model: str, title: str, path: Path) -> None:
    from .plot import draw  # matplotlib takes half a second

    draw(report, {lang: used.of(model, lang) for lang in report.by_language}, title, path)
