"""Which pictures OCR has found no text on, so that it does not look for some at each reading: kept
beside the store as digests of the files, which tell nothing of what they show."""

from __future__ import annotations

import logging
from pathlib import Path

from rag.store import private

log = logging.getLogger(__name__)

MOST = 100_000
"""Above which all are forgotten, as those are that are long gone."""

_DIGEST = 64  # characters


class Blank:
    """The digests in the file of a store; what cannot be kept is known until the end."""

    def __init__(self, store: Path) -> None:
        self._path = store / private.BLANK
        self._known: set[str] | None = None  # read once somebody asks

    def __contains__(self, digest: str) -> bool:
        return digest in self._digests()

    def add(self, digest: str) -> None:
        known = self._digests()
        if digest in known:
            return
        if len(known) >= MOST:
            known.clear()
        known.add(digest)
        try:
            private.file(self._path)
            with self._path.open("w" if len(known) == 1 else "a", encoding="ascii") as file:
                file.write(f"{digest}\n")
        except OSError as exc:
            log.warning("which pictures have no text could not be kept: %s", exc.strerror)

    def _digests(self) -> set[str]:
        if self._known is None:
            try:
                lines = self._path.read_text(encoding="ascii", errors="replace").split("\n")
            except OSError:
                lines = []
            self._known = {line for line in lines if len(line) == _DIGEST}  # one may be cut off
        return self._known
