"""What was measured for each embedding model and language: how scores are weighed, what is refused.

The built-in profiles, and those that a reader measured (`python -m rag eval --calibrate`), which
lie in a small file beside the store. Knows no search.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ..errors import StoreError
from ..store import private
from ..types import Form
from .models import MULTILINGUAL, PACKAGED

FILE = "profiles.json"

Number = TypeVar("Number", float, NDArray[np.float64])
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Across:
    """What was measured of passages in another language. A model that reads several likes the
    question's own better: the others' score gets `more`, or `alone` where none in the question's
    own would be enough. The thresholds are of the score itself, not of Profile's evidence."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    more: Share
    alone: Share
    refuse_below: Share
    weak_below: Share


@dataclass(frozen=True, slots=True)
class Profile:
    """What was measured for one embedding model and one language of questions.

    A source's score is `cosine`·likeness + (1 - `cosine`)·keyword score; `spread` first spreads
    both to 0..1 over the candidates. The likeness is the cosine, from `floor`, that of texts which
    have nothing in common, to one. The evidence for an answer is that score itself and `covered`
    times the share of the keywords that the passage has (`by_score`); else the mean of the keyword
    score with stop words dropped and of the likeness, where the model knows the language
    (`by_meaning`), else of the whole keyword score.

    With an `across` passages in another language than the question's are looked for and weighed
    apart.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    cosine: Share
    by_meaning: bool
    refuse_below: Share
    weak_below: Share
    spread: bool = False
    floor: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    by_score: bool = False
    covered: Share = 0.0
    across: Across | None = None

    def likeness(self, cosine: Number) -> Number:
        """How much two texts of this cosine have in common; below 0 for less than nothing. All that
        weighs a cosine against something else takes it from here: then one scale fits all models.
        """
        return (cosine - self.floor) / (1 - self.floor)

    def evidence_across(self, score: float) -> float:
        """That of a passage in another language with this score."""
        if self.across is None:
            return 0.0
        between = max(self.across.weak_below - self.across.refuse_below, 0.001)
        step = (self.weak_below - self.refuse_below) / between
        return max(self.refuse_below + (score - self.across.refuse_below) * step, 0.0)


def _multilingual(
    cosine: float, refuse_below: float, weak_below: float, covered: float, across: Across
) -> Profile:
    return Profile(
        *(cosine, True, refuse_below, weak_below),
        floor=0.75,
        by_score=True,
        covered=covered,
        across=across,
    )


# Measured on the even articles of XQuAD (dev half); the odd ones judge. The thresholds keep 97 % of
# the answerable questions, "weak" is the next 7 %. all-MiniLM-L6-v2 does not know Vietnamese: there
# the keywords decide.
_MEASURED: Mapping[tuple[str, Form], Profile] = {
    (PACKAGED, "en"): Profile(0.3, by_meaning=True, refuse_below=0.27, weak_below=0.35),
    (PACKAGED, "vi"): Profile(0.1, by_meaning=False, refuse_below=0.209, weak_below=0.266),
    (PACKAGED, "plain"): Profile(0.1, by_meaning=False, refuse_below=0.23, weak_below=0.281),
    # Plain Vietnamese, which the model hardly reads, is carried by the keywords. Across languages
    # 71 to 77 % of the answerable questions are kept: no evidence tells more of them from others.
    (MULTILINGUAL, "en"): _multilingual(0.35, 0.21, 0.295, 0.2, Across(0.03, 0.09, 0.07, 0.12)),
    (MULTILINGUAL, "vi"): _multilingual(0.35, 0.21, 0.266, 0.0, Across(0.05, 0.11, 0.07, 0.115)),
    (MULTILINGUAL, "plain"): _multilingual(0.27, 0.223, 0.275, 0.1, Across(0.03, 0.05, 0.1, 0.13)),
}
# With a model that nobody measured nothing is refused: its evidence may be in another language.
_UNMEASURED = Profile(0.5, by_meaning=False, refuse_below=0.0, weak_below=0.25, spread=True)

Measured = Mapping[str, Mapping[Form, Profile]]
_FORMAT: TypeAdapter[Measured] = TypeAdapter(Measured)


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profiles of one store: `measured` by its reader, by model and form of the question, and
    the built-in ones for all others. Without one for plain Vietnamese it has Vietnamese's."""

    measured: Measured = field(default_factory=dict)

    def of(self, model: str, form: Form) -> Profile:
        """The reader's own, else the built-in one, else one that refuses nothing."""
        own = self.measured.get(model, {})
        forms: list[Form] = ["plain", "vi"] if form == "plain" else [form]
        known = [own[each] for each in forms if each in own]
        known += [_MEASURED[model, each] for each in forms if (model, each) in _MEASURED]
        return known[0] if known else _UNMEASURED

    def having(self, model: str, found: Mapping[Form, Profile]) -> Profiles:
        """These with others for `model`; its forms that `found` lacks stay as they are."""
        return Profiles({**self.measured, model: {**self.measured.get(model, {}), **found}})


BUILT_IN = Profiles()


def load(store: Path) -> Profiles:
    """The profiles beside the store in `store`; without a file the built-in ones.

    Raises StoreError if the file cannot be read or is not one of profiles.
    """
    path = store / FILE
    try:
        return Profiles(_FORMAT.validate_json(path.read_bytes()))
    except FileNotFoundError:
        return BUILT_IN
    except OSError as exc:
        raise _unreadable(path, exc.strerror or type(exc).__name__) from exc
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        place = " → ".join(map(str, fault["loc"]))
        raise _unreadable(path, f"{place}: {fault['msg']}" if place else fault["msg"]) from exc


def save(store: Path, profiles: Profiles) -> Path:
    """Writes the measured profiles beside the store, whole or not at all; the file's path.

    Raises StoreError if the file cannot be written.
    """
    path = store / FILE
    try:
        private.folder(store)
        new = path.with_name(f"{FILE}.{os.getpid()}")
        try:
            private.file(new)
            new.write_bytes(_FORMAT.dump_json(profiles.measured, indent=1) + b"\n")
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise StoreError(
            f"{FILE} cannot be written ({reason}). Give the folder back its permissions, or set "
            "HEADWATER_STORE_DIR to one that may be written.",
            f"Không ghi được {FILE} ({reason}). Hãy cấp lại quyền cho thư mục, hoặc đặt "
            "HEADWATER_STORE_DIR tới một thư mục ghi được.",
            owner=str(path),
        ) from exc
    return path


def _unreadable(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"The measured profiles in {FILE} cannot be read ({reason}). Delete the file to go back to "
        "the built-in ones, or measure anew (python -m rag eval FILE --calibrate).",
        f"Không đọc được các ngưỡng đã đo trong {FILE} ({reason}). Hãy xóa tệp này để dùng lại các "
        "ngưỡng có sẵn, hoặc đo lại (python -m rag eval FILE --calibrate).",
        owner=str(path),
    )
