"""Where a passage stands on a page of a PDF, and the page drawn.

Knows neither the library nor HTML. The passage may come from another reader of PDFs, which orders
columns in another way, and was cleaned, so the two texts are compared by their letters.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .. import pdfium
from ..errors import DocumentError
from ..text import tcvn3, vni
from ..text.language import Span

if TYPE_CHECKING:
    from pypdfium2 import PdfPage, PdfTextPage

SIMILAR = 0.9
"""Below it a passage counts as not found: a wrong highlight is worse than none."""

_SHORTEST = 12  # letters that two texts must have in common at a stretch to be the same place
_REPEATED = 50  # places of one stretch on a page above which it says nothing about the place
_SCALE = 2.0  # pixels a point: sharp on most screens, about 200 KB an A4 page
_LONGEST_SIDE = 3000  # pixels: a page may claim to be 14400 points wide


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the page as it is drawn, in shares of its width and height from the top
    left."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Highlight:
    """The boxes of a passage, about one a line, in reading order; none if `similarity`, 0..1, is
    below SIMILAR; and those of the `part` of it that was asked for. `width` and `height` are the
    drawn page's, in points."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    similarity: float
    part: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rectangle:
    """In points from the top left of the page as it is drawn."""

    left: float
    top: float
    right: float
    bottom: float

    def is_beside(self, other: _Rectangle) -> bool:
        """Whether the two are level, and not a column apart."""
        tall = self.bottom - self.top, other.bottom - other.top
        level = min(self.bottom, other.bottom) - max(self.top, other.top)
        apart = max(other.left - self.right, self.left - other.right)
        return level * 2 >= min(tall) and apart <= 1.5 * max(tall)

    def with_(self, other: _Rectangle) -> _Rectangle:
        return _Rectangle(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def share(self, width: float, height: float) -> Box:
        across, down = self.right - self.left, self.bottom - self.top
        return Box(self.left / width, self.top / height, across / width, down / height)


@dataclass(frozen=True, slots=True)
class _Tile:
    """A stretch that passage and page have in common: its starts in their letters, its length."""

    passage: int
    page: int
    length: int


def find(pdf: Path | BinaryIO, number: int, passage: str, part: str = "") -> Highlight:
    """Where `passage` stands on page `number`, from 1, and in it the `part`. The same text twice:
    its first place.

    Raises DocumentError if the page cannot be opened.
    """
    with _opened(pdf, number) as page:
        width, height = page.get_size()
        text = page.get_textpage()
        shown = pdfium.characters(text)
        letters = shown
        spans, similarity = match(passage, letters)
        for drawn in (tcvn3.unicode_of, vni.letter_by_letter):
            if similarity < SIMILAR:  # perhaps it was read as what its font draws
                letters = drawn(shown)
                spans, similarity = match(passage, letters)
        if similarity < SIMILAR:
            return Highlight(width, height, (), similarity)

        def boxes(spans: Iterable[Span]) -> tuple[Box, ...]:
            indices = (at for start, end in spans for at in range(start, end))
            characters = (_placed(page, text, at) for at in indices if not shown[at].isspace())
            return tuple(line.share(width, height) for line in _lines(characters))

        first, last = min(start for start, _ in spans), max(end for _, end in spans)
        inside, alike = match(part, letters[first:last]) if part else ([], 0.0)
        exact = ((first + start, first + end) for start, end in inside if alike >= SIMILAR)
        return Highlight(width, height, boxes(spans), similarity, boxes(exact))


def draw(pdf: Path | BinaryIO, number: int) -> bytes:
    """Page `number`, from 1, as a PNG. Raises DocumentError if it cannot be drawn."""
    with _opened(pdf, number) as page:
        scale = min(_SCALE, _LONGEST_SIDE / max(page.get_size()))
        bitmap = page.render(scale=scale)
        image = bitmap.to_pil().copy()
        bitmap.close()
    png = BytesIO()
    image.save(png, "PNG")
    return png.getvalue()


def match(passage: str, shown: str) -> tuple[list[tuple[int, int]], float]:
    """The (start, end) stretches of `shown` that are the passage, in the passage's order, and how
    similar they are to it: 2 × common letters / letters of both, 0..1.

    Spaces, dashes, accents and how a letter is encoded do not count. Deterministic.
    """
    wanted, _ = _letters(passage)
    letters, origins = _letters(shown)
    tiles = _tiles(wanted, letters)
    spans = _filled(tiles)
    common = sum(tile.length for tile in tiles)
    taken = sum(end - start for start, end in spans)
    similarity = 2 * common / (len(wanted) + taken) if common else 0.0
    return [(origins[start], origins[end - 1] + 1) for start, end in spans], similarity


def _letters(text: str) -> tuple[str, list[int]]:
    """What of `text` is compared, and the offset in it that each of these letters comes from.

    Spaces and dashes fall differently where a line ends, accents where they are letters of their
    own; pdfium writes a hyphen at a line's end as a control character.
    """
    letters: list[str] = []
    origins: list[int] = []
    for at, character in enumerate(text):
        for part in unicodedata.normalize("NFKD", character):
            if unicodedata.category(part)[0] not in "CZM" and unicodedata.category(part) != "Pd":
                letters.append(part)
                origins.append(at)
    return "".join(letters), origins


def _tiles(passage: str, page: str) -> list[_Tile]:
    """What the two have in common, in the passage's order: the longest stretches first, none
    overlapping (greedy string tiling, Wise 1993)."""
    at = page.find(passage)
    if not passage or at >= 0:
        return [_Tile(0, at, len(passage))] if passage else []
    common = sorted(_common(passage, page), key=lambda tile: -tile.length)
    # Of stretches that the page has several times, the one nearest to where the longest is.
    shift = common[0].page - common[0].passage if common else 0
    common.sort(key=lambda tile: (-tile.length, abs(tile.page - tile.passage - shift)))
    in_passage, in_page = bytearray(len(passage)), bytearray(len(page))
    taken: list[_Tile] = []
    for tile in common:
        free = _free(tile, in_passage, in_page)
        if free.length >= _SHORTEST:
            taken.append(free)
            ones = b"\1" * free.length
            in_passage[free.passage : free.passage + free.length] = ones
            in_page[free.page : free.page + free.length] = ones
    return sorted(taken, key=lambda tile: tile.passage)


def _common(passage: str, page: str) -> Iterator[_Tile]:
    """All stretches of at least _SHORTEST letters in both that cannot be made longer."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for at in range(len(page) - _SHORTEST + 1):
        places[page[at : at + _SHORTEST]].append(at)
    for start in range(len(passage) - _SHORTEST + 1):
        found = places.get(passage[start : start + _SHORTEST], [])
        for at in found if len(found) <= _REPEATED else []:
            if start and at and passage[start - 1] == page[at - 1]:
                continue
            length, longest = _SHORTEST, min(len(passage) - start, len(page) - at)
            while length < longest and passage[start + length] == page[at + length]:
                length += 1
            yield _Tile(start, at, length)


def _free(tile: _Tile, in_passage: bytearray, in_page: bytearray) -> _Tile:
    """The first stretch of the tile that is not taken yet on either side."""
    start, length = 0, 0
    for step in range(tile.length):
        if in_passage[tile.passage + step] or in_page[tile.page + step]:
            if length:
                break
            start = step + 1
        else:
            length += 1
    return _Tile(tile.passage + start, tile.page + start, length)


def _filled(tiles: Sequence[_Tile]) -> list[tuple[int, int]]:
    """The tiles as spans of the page's letters; a few letters between two of them that stand
    between them in the passage too, only read differently, are part of it."""
    spans: list[tuple[int, int]] = []
    passage_end = 0
    for tile in tiles:
        start, end = tile.page, tile.page + tile.length
        missing = tile.passage - passage_end
        if spans and 0 <= start - spans[-1][1] <= min(missing + 2, _SHORTEST):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
        passage_end = tile.passage + tile.length
    return spans


def _placed(page: PdfPage, text: PdfTextPage, index: int) -> tuple[_Rectangle, _Rectangle]:
    """Where a character's ink is, and the room that its font gives every character: equal in
    height along a line, be it a comma or a quotation mark."""
    ink = pdfium.drawn(page, text.get_charbox(index))
    room = pdfium.drawn(page, text.get_charbox(index, loose=True))
    return _Rectangle(*ink), _Rectangle(*room)


def _lines(characters: Iterable[tuple[_Rectangle, _Rectangle]]) -> Iterator[_Rectangle]:
    """Characters that follow one another on a line as one rectangle."""
    line: _Rectangle | None = None
    before: _Rectangle | None = None
    for ink, room in characters:
        if ink.right <= ink.left or ink.bottom <= ink.top:
            continue
        if line and before and before.is_beside(room):
            line = line.with_(ink)
        else:
            if line:
                yield line
            line = ink
        before = room
    if line:
        yield line


@contextmanager
def _opened(pdf: Path | BinaryIO, number: int) -> Iterator[PdfPage]:
    try:
        with pdfium.opened(pdf, number) as page:
            yield page
    except (pdfium.PdfiumError, OSError, IndexError) as exc:
        raise undrawable(Path(pdf.name).name) from exc


def undrawable(name: str) -> DocumentError:
    """That no page of this file can be shown as a picture."""
    return DocumentError(
        f"The page of {name} cannot be drawn; open the original file.",
        f"Không vẽ được trang của {name}; hãy mở tệp gốc.",
    )
