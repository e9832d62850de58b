"""JSON and JSON Lines, written out so that a value stands under its keys: a list of flat objects as
a table, other objects as lines "key.key: value", those of one object in one block.

Numbers stay as they are written, however long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, TypeGuard, Union

from rag.errors import DocumentError
from rag.types import Content, Remark

from ..limits import too_large
from .tables import ROWS, marked, single, spanned
from .text import END, FITS, MARKS, START, several, written

VERSION = "2"

Json: TypeAlias = Union[bool, str, "list[Json]", "dict[str, Json]", None]
Piece = tuple[int, int, str]  # its first and last record, from 1, or 0 if there are none; its text

_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False)
_SPACE = re.compile(r"[ \t\r\n]*")
_MOST_BYTES = 20_000_000  # of one value, which takes ten times that in memory
_LONG = 12_000  # characters of a page
_LONGEST_PATH = 100  # characters of the keys above a value, of which the last say most
_LONGEST_CELL = 200  # characters of a value that stands in a table
_FILLED = 0.5  # share of a table's cells that are not empty
_LISTED = 10  # lines that a remark names


def read(data: bytes, name: str) -> Content:
    """Pages called by the records on them, if the file is a list of such. Raises DocumentError,
    with the line and the column where it is not JSON."""
    text = written(data, name)
    if Path(name).suffix.lower() == ".jsonl":
        return _read_lines(text, name)
    if len(data) > _MOST_BYTES:
        raise too_large(name, _MOST_BYTES)
    try:
        values = list(_values(text))
    except (json.JSONDecodeError, RecursionError) as exc:
        if _starts_with_a_record(text):
            return _read_lines(text, name)
        raise _fault(name, exc) from exc
    if len(values) == 1:
        return several("", _pages(_pieces(values[0])), name)
    records = enumerate(values, start=1)
    pieces = ((n, n, block) for n, value in records for block in _record(value))
    return several("", _pages(pieces), name)


def _values(text: str) -> Iterator[Json]:
    """The values that follow one another, most often a single one. Raises JSONDecodeError."""
    at = _behind_space(text, 0)
    while at < len(text):
        value, end = _JSON.raw_decode(text, at)
        yield value
        at = _behind_space(text, end)
        if end == at < len(text) and text[end - 1] not in "]}":
            raise json.JSONDecodeError("Extra data", text, end)


def _behind_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _starts_with_a_record(text: str) -> bool:
    """Whether the first line is a value by itself, as in a file of one in each line."""
    try:
        _parsed(text.lstrip().partition("\n")[0])
    except (json.JSONDecodeError, RecursionError):
        return False
    return "\n" in text.strip()


def _read_lines(text: str, name: str) -> Content:
    """What stands in each line is a record; lines that are no JSON are left out."""
    faults: list[tuple[int, json.JSONDecodeError | RecursionError]] = []

    def pieces() -> Iterator[Piece]:
        for number, line in enumerate(_lines(text), start=1):
            try:
                value = _parsed(line) if line.strip() else None
            except (json.JSONDecodeError, RecursionError) as exc:
                faults.append((number, exc))
                continue
            if line.strip():
                yield from ((number, number, block) for block in _record(value))

    parts = list(_pages(pieces()))
    if faults and not parts:
        number, fault = faults[0]
        raise _fault(name, fault, number) from fault
    return several("", parts, name, _remarks([number for number, _ in faults]))


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


def _parsed(text: str) -> Json:
    value: Json = _JSON.decode(text)
    return value


def _pages(pieces: Iterable[Piece]) -> Iterator[tuple[str, str]]:
    """Fifty records each, or fewer long ones."""
    page: list[Piece] = []
    length = 0
    for piece in pieces:
        full = length + len(piece[2]) > _LONG or (page and piece[1] - page[0][0] >= ROWS)
        if page and full:
            yield _page(page)
            page, length = [], 0
        page.append(piece)
        length += len(piece[2])
    if page:
        yield _page(page)


def _page(pieces: Sequence[Piece]) -> tuple[str, str]:
    first, last = pieces[0][0], pieces[-1][1]
    return spanned(first, last) if last else "", "\n\n".join(text for _, _, text in pieces)


def _pieces(value: Json) -> Iterator[Piece]:
    """A list's objects one by one, or those of a table so many together; any other value by its
    blocks."""
    while isinstance(value, list) and len(value) == 1:
        (value,) = value
    if _is_table(value):
        for at, table in enumerate(_tables(value)):
            yield at * ROWS + 1, min((at + 1) * ROWS, len(value)), table
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value, start=1):
            yield from ((number, number, block) for block in _record(item))
    else:
        yield from ((0, 0, block) for block in _blocks(value))


def _record(value: Json) -> Iterator[str]:
    """What one says: a block, while that fits a chunk."""
    blocks = list(_blocks(value))
    if sum(map(len, blocks)) <= FITS:
        blocks = [_block([MARKS.sub("", block) for block in blocks])]
    yield from blocks


def _blocks(value: Json) -> Iterator[str]:
    """What a value says; iterative, because a document chooses its own depth."""
    block: list[str] = []
    owner = ""
    todo: list[tuple[str, str, Json]] = [("", "", value)]
    while todo:
        above, path, value = todo.pop()
        if isinstance(value, dict) and value:
            todo += [(path, _path(path, key), value[key]) for key in reversed(value)]
            continue
        if isinstance(value, list) and not _is_table(value) and not all(map(_is_flat, value)):
            items = [(path, f"{path}[{at}]", item) for at, item in enumerate(value)]
            todo += reversed(items)
            continue
        if block and (above != owner or _is_table(value)):
            yield _block(block)
            block = []
        owner = above
        if _is_table(value):
            title = f"{path}:\n" if path else ""
            yield from (title + table for table in _tables(value))
        else:
            block.append(f"{path}: {_shown(value)}" if path else _shown(value))
    if block:
        yield _block(block)


def _block(lines: Sequence[str]) -> str:
    return START + "\n".join(lines) + END


def _path(above: str, key: str) -> str:
    path = f"{above}.{single(key)}" if above else single(key)
    return path if len(path) <= _LONGEST_PATH else "…" + path[-_LONGEST_PATH:]


def _shown(value: Json) -> str:
    """A value without keys."""
    match value:
        case list() if value:
            return ", ".join(_shown(item) for item in value)
        case str():
            return value.strip()
        case _:
            return json.dumps(value)


def _is_flat(value: Json) -> bool:
    return not isinstance(value, dict | list) or not value


def _is_table(value: Json) -> TypeGuard[list[dict[str, Json]]]:
    """Whether it is a list of objects with about the same keys and short values."""
    if not isinstance(value, list) or len(value) < 2:
        return False
    filled, names = 0, set[str]()
    for item in value:
        if not isinstance(item, dict) or not item or not all(map(_is_cell, item.values())):
            return False
        filled += len(item)
        names |= item.keys()
    return filled >= _FILLED * len(names) * len(value)


def _is_cell(value: Json) -> bool:
    if isinstance(value, list):
        return all(map(_is_flat, value)) and len(_shown(value)) <= _LONGEST_CELL
    return _is_flat(value) and (not isinstance(value, str) or len(value) <= _LONGEST_CELL)


def _tables(records: Sequence[dict[str, Json]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for record in records for name in record))
    for start in range(0, len(records), ROWS):
        some = records[start : start + ROWS]
        yield marked(names, [[_shown(record.get(name, "")) for name in names] for record in some])


def _remarks(lines: Sequence[int]) -> list[Remark]:
    if not lines:
        return []
    shown = ", ".join(map(str, lines[:_LISTED]))
    shown += f" … ({len(lines)})" if len(lines) > _LISTED else ""
    return [
        Remark(
            f"Line {shown} is not valid JSON and was left out.",
            f"Dòng {shown} không phải JSON hợp lệ nên bị bỏ qua.",
        )
    ]


def _fault(name: str, fault: Exception, line: int = 0) -> DocumentError:
    """What to say of it; `line` is where it stands, if it does not know that itself."""
    if not isinstance(fault, json.JSONDecodeError):
        return DocumentError(
            f"{name} is JSON nested too deeply to be read; save it in a flatter form.",
            f"{name} là JSON lồng quá sâu nên không đọc được; hãy lưu ở dạng phẳng hơn.",
        )
    line = line or fault.lineno
    return DocumentError(
        f"{name} is not valid JSON at line {line}, column {fault.colno}; mend it there.",
        f"{name} không phải JSON hợp lệ ở dòng {line}, cột {fault.colno}; hãy sửa chỗ đó.",
    )
