"""What Tesseract reads on a picture. The only one who runs it; knows no format and no page.

It is a program of its own: it may be missing, and then there is a sentence that says how it comes.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rag.types import Remark

from .pace import goes_on

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

MOST_PAGES = 500
"""Of one document that are read: about a quarter of an hour."""

PAGE = "{} · OCR"
"""What a page is called that was read so."""

_APT = "apt-get install tesseract-ocr tesseract-ocr-vie"
_BREW = "brew install tesseract tesseract-lang"
INSTALL = _BREW if sys.platform == "darwin" else _APT

_MOST_BYTES = 1_000_000  # of a page's text that are taken
_KEPT = ("PATH", "TESSDATA_PREFIX")  # of the environment: no key is Tesseract's business
# Finds how a page was turned, columns and lines; pixels an inch are not known from the pixels.
_LAYOUT = ("--psm", "1", "--dpi", "300")


@dataclass(frozen=True, slots=True)
class Tesseract:
    """The program, and the languages that it is to read: "vie+eng"."""

    command: str
    languages: str
    seconds: float = 120  # for a page; most take 1 to 4

    def read(self, picture: Image) -> str:
        """The text of a grey or coloured picture, as lines and paragraphs. Nothing if there is
        none, or if Tesseract fails or takes too long, which is logged."""
        darkest, lightest = picture.convert("L").getextrema()
        if darkest == lightest:
            return ""
        with tempfile.TemporaryFile() as pixels:
            picture.save(pixels, "PPM")
            pixels.seek(0)
            try:
                text = self._answer(pixels)
            except (OSError, subprocess.SubprocessError) as exc:
                log.warning("a page could not be read by OCR (%s)", exc)
                return ""
        return text if any(map(str.isalnum, text)) else ""

    def _answer(self, pixels: IO[bytes]) -> str:
        with subprocess.Popen(
            [self.command, "stdin", "stdout", "-l", self.languages, *_LAYOUT],
            stdin=pixels,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        ) as process:
            assert process.stdout is not None
            end = threading.Timer(self.seconds, process.kill)
            end.start()
            try:
                text = process.stdout.read(_MOST_BYTES)
                if len(text) == _MOST_BYTES:
                    process.kill()
                elif code := process.wait():
                    raise subprocess.CalledProcessError(code, "tesseract")
            finally:
                end.cancel()
                process.kill()
        return text.decode("utf-8", "replace")


def tesseract() -> Tesseract | None:
    """None unless it is installed with Vietnamese: read as English, a quarter of the letters of a
    Vietnamese page come out wrong, and nobody would find them."""
    command = shutil.which("tesseract")
    if command is None:
        return None
    try:
        known = _languages(command, Path(command).stat().st_mtime_ns)
    except (OSError, subprocess.SubprocessError):
        return None
    languages = [language for language in ("vie", "eng") if language in known]
    return Tesseract(command, "+".join(languages)) if "vie" in languages else None


@lru_cache(maxsize=4)
def _languages(command: str, changed: int) -> frozenset[str]:
    """Those that the program has, asked once as long as it is not `changed`: one that is installed
    later is seen at the next start. Raises OSError, SubprocessError."""
    listed = subprocess.run(
        [command, "--list-langs"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
        check=True,
        env=_environment(),
    )
    return frozenset(listed.stdout.decode("utf-8", "replace").split())


def turns(pages: Sequence[int]) -> Iterator[int]:
    """Those of a document's pages that are read, said to be begun one after another."""
    read = pages[:MOST_PAGES]
    for at, number in enumerate(read, start=1):
        goes_on(at, len(read))
        yield number


def remark(pages: Sequence[int]) -> Remark:
    """That the text of these pages was read so."""
    which = ranges(pages)
    return Remark(
        f"The text of page {which} was read by OCR and may have mistakes.",
        f"Chữ của trang {which} do OCR đọc nên có thể có lỗi.",
    )


def too_many(pages: Sequence[int]) -> Remark:
    """That these pages are behind those that are read of one document."""
    which = ranges(pages)
    return Remark(
        f"OCR reads {MOST_PAGES} pages of a document, so page {which} was left out; split it.",
        f"OCR chỉ đọc {MOST_PAGES} trang mỗi tài liệu nên bỏ qua trang {which}; hãy chia nhỏ tệp.",
    )


def lacking() -> Remark:
    """Why a picture has no text, as the end of a sentence, and what to do."""
    if tesseract():
        return Remark("OCR found no text there.", "OCR không tìm thấy chữ ở đó.")
    return Remark(
        f"for OCR install Tesseract ({INSTALL}).",
        f"để chạy OCR, hãy cài Tesseract ({INSTALL}).",
    )


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in their order, shortened: 1–12, 15."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    ]
    shown = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    return ", ".join(shown[:10]) + (f" … ({len(numbers)})" if len(runs) > 10 else "")


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "OMP_THREAD_LIMIT": "1"}
