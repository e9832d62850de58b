"""What was measured, as tables for a terminal. Draws, and measures nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .answers import AnswersReport
from .calibration import Calibration
from .cases import Part, place
from .dialogues import DialogueReport
from .directions import Directions
from .quotes import Figures
from .quotes import Part as PartOfQuotes
from .search import Outcome, Report
from .support import SupportReport


def report_table(report: Report, table: Table | None = None, when: str = "") -> Table:
    """The figures of `report`, in rows of a table of their own or of `table`; `when` tells them
    apart there."""
    heads = ("Questions", "R@1", "R@5", "nDCG@10", "Refused", "Wrongly refused")
    table = table or Table("", *heads, box=box.SIMPLE_HEAD)
    for language, part in [("all", report), *report.by_language.items()]:
        shares = (part.r_at_1, part.r_at_5, part.ndcg_at_10, part.refused, part.wrongly_refused)
        table.add_row(f"{language} {when}".strip(), str(part.questions), *map(_share, shares))
    return table


def parts_table(parts: Mapping[Part, Report]) -> Table:
    """The figures of each kind of question and each half; "Passage@5" is about the very passage,
    the others about its document."""
    heads = ("Questions", "R@1", "R@5", "Passage@5", "Refused", "Wrongly refused")
    table = Table("Kind", "Half", *heads, box=box.SIMPLE_HEAD)
    for (kind, half), part in parts.items():
        shares = (part.r_at_1, part.r_at_5, part.passage_at_5, part.refused, part.wrongly_refused)
        table.add_row(kind or "—", half or "—", str(part.questions), *map(_share, shares))
    return table


def worst_table(cases: Sequence[Outcome]) -> Table:
    """The cases, with what should have come first and what did."""
    heads = ("Right document", "Rank", "Verdict", "Best score", "Came first")
    table = Table("The worst", *heads, box=box.SIMPLE_HEAD)
    for case in cases:
        question, first, rank = case.question, case.first, place(case)
        right = question.document if question and case.answerable else None
        table.add_row(
            Text(question.text if question else ""),
            Text(right or "none"),
            "—" if not case.answerable or rank == math.inf else str(int(rank)),
            case.verdict,
            f"{case.evidence:.3f}",
            Text(f"{first.document}: {' '.join(first.text.split())[:60]}" if first else "nothing"),
        )
    return table


def directions_tables(found: Directions) -> Group:
    """Each direction, the library in both languages, and the libraries of a few paragraphs."""
    heads = ("Questions", "R@1", "R@5", "nDCG@10", "Refused", "Wrongly refused")
    titled = {
        "Asked, of": found.directions,
        "Of both": found.both,
        "Paragraphs": found.sizes,
    }
    tables = []
    for title, rows in titled.items():
        table = Table(title, *heads, box=box.SIMPLE_HEAD)
        for name, part in rows.items():
            shares = (part.r_at_1, part.r_at_5, part.ndcg_at_10, part.refused, part.wrongly_refused)
            table.add_row(name, str(part.questions), *map(_share, shares))
        tables.append(table)
    return Group(*tables)


def calibration_tables(calibration: Calibration) -> Group:
    """What was measured before and after, and the profiles."""
    table = report_table(calibration.before, when="before")
    table.add_section()
    report_table(calibration.after, table, "after")
    heads = ("Cosine", "Spread", "Evidence", "Refused below", "Weak below")
    profiles = Table("", *heads, box=box.SIMPLE_HEAD)
    for when, found in (("before", calibration.used), ("after", calibration.found)):
        for language, profile in found.items():
            profiles.add_row(
                f"{language} {when}",
                f"{profile.cosine:.2f}",
                "yes" if profile.spread else "no",
                "meaning" if profile.by_meaning else "keywords",
                f"{profile.refuse_below:.3f}",
                f"{profile.weak_below:.3f}",
            )
    left_out = [
        Text(
            f"{language} stays as it was: {count} answerable questions, {calibration.least} needed."
        )
        for language, count in calibration.left_out.items()
    ]
    return Group(table, profiles, *left_out)


def quotes_table(found: Mapping[PartOfQuotes, Figures]) -> Table:
    """How often the first quote has the answer's words; more cannot than first sources have."""
    heads = ("Questions", "First source", "First quote", "Its best parts", "Characters")
    table = Table("The answer is in the", "Half", *heads, box=box.SIMPLE_HEAD)
    for (of, half), part in found.items():
        shares = map(_share, (part.source, part.quote, part.best))
        table.add_row(of, half or "—", str(part.questions), *shares, f"{part.length:.0f}")
    return table


def support_table(report: SupportReport) -> Table:
    """How often the check is right when it says “unsupported”, and how many it finds."""
    heads = ("Pairs", "Precision of “unsupported”", "Recall")
    table = Table("", *heads, box=box.SIMPLE_HEAD)
    for (half, language), part in report.parts().items():
        shares = map(_share, (part.precision, part.recall))
        table.add_row(f"{language} {half.replace('_', ' ')}", str(part.pairs), *shares)
    return table


def answers_tables(report: AnswersReport) -> Group:
    """How often a mark is right and what it finds, and the worst of what was told wrongly."""
    heads = ("All", "To find", "Precision", "Recall", "False alarms", "No claim, marked")
    shown: list[RenderableType] = []
    for half, rows in groupby(report.parts().items(), lambda part: part[0][0]):
        table = Table(half.replace("_", " "), *heads, "Cannot tell", box=box.SIMPLE_HEAD)
        table.collapse_padding, table.pad_edge = True, False  # else a terminal of 80 cuts heads off
        for (_, row), part in rows:
            shares = map(_share, (part.precision, part.recall, part.false_alarms, part.no_claim))
            counts = str(part.sentences), str(part.unsupported)
            table.add_row(row, *counts, *shares, str(part.untold))
        shown.append(table)
    if report.left_out:
        shown.append(Text(f"{report.left_out} sentences left out: their articles were not given."))
    if worst := report.worst():
        cases = Table("The worst", "Is", "Told", "Passage", box=box.SIMPLE_HEAD)
        for judged in worst:
            claim = judged.claim
            passage = f"{claim.passage}: {' '.join(report.passages[claim.passage].split())}"
            cases.add_row(
                Text(claim.sentence),
                f"{claim.label.replace('_', ' ')} ({claim.kind})",
                judged.support.reason,
                Text(passage),
            )
        shown.append(cases)
    return Group(*shown)


def dialogues_table(report: DialogueReport) -> Table:
    """How often the second question finds its document, rewritten and as typed."""
    heads = ("Dialogues", "Rewritten", "R@1", "R@5", "R@1 as typed", "R@5 as typed")
    table = Table("", *heads, box=box.SIMPLE_HEAD)
    for language, part in [("all", report), *report.by_language.items()]:
        shares = (part.r_at_1, part.r_at_5, part.raw_r_at_1, part.raw_r_at_5)
        counts = str(part.dialogues), str(part.rewritten)
        table.add_row(language, *counts, *map(_share, shares))
    return table


def _share(share: float | None) -> str:
    return "—" if share is None else f"{share:.3f}"
