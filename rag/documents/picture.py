"""A page of a file of pictures, drawn for a browser. Knows neither the library nor HTML."""

from __future__ import annotations

import threading
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..pictures import PictureError, Pictures
from .highlight import Highlight, undrawable

if TYPE_CHECKING:
    from PIL.Image import Image

_LONGEST_SIDE = 2000  # pixels
_one = threading.Lock()  # a large picture takes a quarter of a gigabyte while it is opened


def shape(file: BinaryIO, number: int) -> Highlight:
    """Page `number`, from 1, with no place of a passage. Raises DocumentError if it cannot be
    drawn."""
    width, height = _page(file, number).size
    return Highlight(width, height, (), 0)


def draw(file: BinaryIO, number: int) -> bytes:
    """Page `number`, from 1, as a PNG. Raises DocumentError if it cannot be drawn."""
    png = BytesIO()
    _page(file, number).save(png, "PNG")
    return png.getvalue()


def _page(file: BinaryIO, number: int) -> Image:
    try:
        with _one, closing(Pictures(file)) as pictures:
            return pictures.page(number, _LONGEST_SIDE**2, _LONGEST_SIDE)
    except (PictureError, IndexError) as exc:
        raise undrawable(Path(file.name).name) from exc
