"""Draws how refusing depends on its threshold, as a PNG. The only importer of matplotlib; knows
neither where the figures come from nor the display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..errors import HeadwaterError
from ..retrieval.profiles import Profile
from ..types import Language
from .search import Report

FEW_BINS, BINS, MANY = 24, 48, 200  # with MANY questions there are more bins
DOTS_PER_INCH = 144
# Okabe and Ito's, which colour-blind readers tell apart as well.
_GROUPS = (("answerable", "#0072B2", "-", True), ("unanswerable", "#D55E00", "--", False))
MARK = "#444444"
_NAMES: Mapping[Language, str] = {"en": "English", "vi": "Vietnamese"}


def draw(report: Report, profiles: Mapping[Language, Profile], title: str, path: Path) -> None:
    """Two pictures a language: the share of questions refused over the threshold, and how the
    evidence is spread; the thresholds of `profiles` marked. Writes a PNG.

    Raises HeadwaterError if `path` cannot be written.
    """
    rows = len(report.by_language)
    figure = Figure(figsize=(14, 4.2 * rows + 0.6), dpi=DOTS_PER_INCH, layout="constrained")
    figure.suptitle(title, fontsize=13)
    axes = figure.subplots(rows, 2, squeeze=False)
    for (curve, histogram), (language, part) in zip(axes, report.by_language.items(), strict=True):
        profile = profiles[language]
        groups = [
            (name, colour, style, sorted(o.evidence for o in part.outcomes if o.answerable == can))
            for name, colour, style, can in _GROUPS
        ]
        highest = max([profile.weak_below, *(o.evidence for o in part.outcomes)]) * 1.05 or 1.0
        bins = np.linspace(0, highest, (FEW_BINS if part.questions < MANY else BINS) + 1)
        for name, colour, style, evidence in groups:
            if evidence:
                _draw_curve(curve, evidence, profile.refuse_below, highest, colour, style)
                _draw_histogram(histogram, evidence, bins, colour, f"{len(evidence)} {name}")
        for each in (curve, histogram):
            _mark(each, profile)
            each.set_xlim(0, highest)
            each.grid(alpha=0.25)
            each.spines[["top", "right"]].set_visible(False)
        curve.set(ylim=(0, 105), xlabel="Threshold", ylabel="Questions refused, %")
        curve.set_title(f"{_NAMES[language]}: what a threshold refuses", loc="left")
        histogram.set(xlabel="Evidence for an answer", ylabel="Questions of the kind, %")
        histogram.set_title(f"{_NAMES[language]}: where the questions lie", loc="left")
        histogram.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    try:
        figure.savefig(path, format="png")
    except OSError as exc:
        raise HeadwaterError(
            f"The picture {path} cannot be written ({exc.strerror or exc}). Give --plot a file in "
            "a folder that may be written.",
            f"Không ghi được hình {path} ({exc.strerror or exc}). Hãy cho --plot một tệp trong thư "
            "mục ghi được.",
        ) from exc


def _draw_curve(
    axes: Axes,
    evidence: Sequence[float],
    threshold: float,
    highest: float,
    colour: str,
    style: str,
) -> None:
    """The share of the questions with this `evidence`, ascending, that a threshold refuses."""

    def refused(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.searchsorted(evidence, thresholds) / len(evidence) * 100

    across = np.linspace(0, highest, 500)
    axes.plot(across, refused(across), color=colour, linestyle=style, linewidth=2)
    here = float(refused(np.array([threshold]))[0])
    axes.plot(threshold, here, "o", color=colour, clip_on=False, zorder=3)
    axes.annotate(
        f"{here:.0f} %",
        (threshold, here),
        xytext=(-8, 5),
        textcoords="offset points",
        ha="right",
        color=colour,
        fontweight="bold",
    )


def _draw_histogram(
    axes: Axes, evidence: Sequence[float], bins: NDArray[np.float64], colour: str, label: str
) -> None:
    axes.hist(
        evidence,
        bins=list(bins),
        weights=[100 / len(evidence)] * len(evidence),
        color=colour,
        edgecolor="white",
        linewidth=0.4,
        alpha=0.6,
        label=label,
    )


def _mark(axes: Axes, profile: Profile) -> None:
    refuse, weak = profile.refuse_below, profile.weak_below
    axes.axvline(refuse, color=MARK, linewidth=1.5, label=f"refused below {refuse:.3f}")
    axes.axvline(weak, color=MARK, linewidth=1.2, linestyle=":", label=f"weak below {weak:.3f}")
