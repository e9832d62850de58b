"""Pictures as Pillow opens them: each page of a file upright, on white and within bounds. Knows no
document of the library and no words."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from PIL import Image, ImageOps

MOST_PIXELS = 89_478_485
"""Of a picture that is opened: where Pillow begins to warn of a "decompression bomb"."""

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
_LOST = 100  # damaged pages in a row, behind which no other is looked for
# A damaged picture makes Pillow raise what its parsers come upon.
_FAULTS = (OSError, SyntaxError, EOFError, ValueError, TypeError, struct.error, zlib.error)
_PYTHON_FAULTS = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError)


class PictureError(Exception):
    """It is damaged, or no picture."""


class TooManyPixels(PictureError):
    pass


class Pictures:
    """A file of pictures that is open. To be closed.

    Only those of a TIFF are pages: those of other formats are an animation, or one picture in
    several sizes. Raises PictureError if it cannot be opened.
    """

    def __init__(self, file: BinaryIO) -> None:
        with _translated():
            self._image = Image.open(file, formats=_FORMATS)
            is_tiff = self._image.format == "TIFF"
            self.pages = _count(self._image) if is_tiff else 1

    def close(self) -> None:
        self._image.close()

    def page(self, number: int, most_pixels: int, longest_side: int) -> Image.Image:
        """Page `number`, from 1, in grey or RGB, made smaller where it is larger. Raises
        PictureError, and IndexError if there is no such page."""
        if not 1 <= number <= self.pages:
            raise IndexError(number)
        with _translated():
            if self.pages > 1:
                self._image.seek(number - 1)
            if self._image.width * self._image.height > MOST_PIXELS:
                raise TooManyPixels
            picture = _plain(ImageOps.exif_transpose(self._image))
            most = (most_pixels / (picture.width * picture.height)) ** 0.5
            scale = min(1, most, longest_side / max(picture.size))
            picture.thumbnail((max(picture.width * scale, 1), max(picture.height * scale, 1)))
            return picture


def _count(image: Image.Image) -> int:
    """The pages of a TIFF, the damaged ones too: those behind them may be whole."""
    pages = lost = 0
    while lost < _LOST:
        try:
            image.seek(pages)
            lost = 0
        except EOFError:
            break
        except (*_FAULTS, *_PYTHON_FAULTS):
            lost += 1
        pages += 1
    return pages


def _plain(image: Image.Image) -> Image.Image:
    """A copy with 8 bits a colour, and white where one sees through it."""
    if image.mode[0] in "IF":  # 16 bits and more
        deep = image.convert("F")
        extrema: Any = deep.getextrema()
        low, high = extrema
        scale = 255 / max(high - low, 1)
        return deep.point(lambda value: value * scale - low * scale).convert("L")
    if image.has_transparency_data:
        above = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        with warnings.catch_warnings():  # of damaged metadata; and of pixels, which are counted
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as exc:
        raise TooManyPixels from exc
    except (*_FAULTS, *_PYTHON_FAULTS) as exc:
        raise PictureError(type(exc).__name__) from exc
