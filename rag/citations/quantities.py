"""Reads the numbers, durations and dates of English and Vietnamese text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NUMBER_WORDS: Mapping[str, int] = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "sixteen": 16, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "hundred": 100, "thousand": 1000,
    "hai": 2, "ba": 3, "bốn": 4, "năm": 5, "sáu": 6, "bảy": 7, "tám": 8, "chín": 9, "mười": 10,
    "trăm": 100, "nghìn": 1000, "ngàn": 1000, "twice": 2,
}  # fmt: skip
# Words of a number or of its unit, and of nothing else.
MEASURING = frozenset(_NUMBER_WORDS) - {"năm", "ba", "hai"} | frozenset(
    """one second seconds minute minutes hour hours day days week weeks ms giây phút""".split()
)
_SECONDS: Mapping[str, float] = {
    r"milliseconds?|mili ?giây|ms": 0.001,
    r"seconds?|secs?|giây|s": 1,
    r"minutes?|mins?|phút": 60,
    r"hours?|giờ": 3600,
    r"days?|ngày": 86400,
    r"weeks?|tuần": 604800,
}
_DIGITS = r"(?<![\w.,])\d+(?:[.,]\d+)*(?:/\d+)?(?!\w*\d)"
_QUANTITY = re.compile(
    rf"(?:(?<!thứ )(?<!cả )\b(?P<word>{'|'.join(_NUMBER_WORDS)})(?P<tens> mươi)?\b"
    rf"|(?P<digits>{_DIGITS}))"
    + "(?:[ -]?(?:"
    + "|".join(rf"(?P<u{i}>{unit})" for i, unit in enumerate(_SECONDS))
    + r")\b)?",
    re.IGNORECASE,
)
# “năm” is five or year.
_YEAR = re.compile(
    r"(?i:\d|hằng|hàng|mỗi|mấy|trong|các|những|nhiều|vài|một|từng|cả|đầu|cuối) năm|năm (?:\d|nay)"
)
_MONTHS = """January February March April May June July August September October November
December""".split()
_MONTH = rf"(?P<m>{'|'.join(f'{name}|{name[:3]}' for name in _MONTHS)})\.?"
_DAY = r"(?P<d>\d\d?)(?:st|nd|rd|th)?"
_DATES = [
    re.compile(rf"\b{date}\b")
    for date in (
        r"(?P<y>\d{4})-(?P<m>\d\d?)-(?P<d>\d\d?)",
        r"(?P<d>\d\d?)[/.-](?P<m>\d\d?)[/.-](?P<y>\d{4})",
        r"[Nn]gày (?P<d>\d\d?) tháng (?P<m>\d\d?)(?:,? năm (?P<y>\d{4}))?",
        rf"{_MONTH} {_DAY}(?:,? (?P<y>\d{{4}}))?",
        rf"{_DAY} {_MONTH}(?: (?P<y>\d{{4}}))?",
    )
]


def without_dates(text: str) -> str:
    for pattern in _DATES:
        text = pattern.sub(" ", text)
    return text


def _date(match: re.Match[str]) -> Iterator[frozenset[str]]:
    """Its day, its month and its year, and the date itself with and without the year."""
    names = [name[:3] for name in _MONTHS]
    month = str(names.index(match["m"][:3]) + 1 if match["m"].isalpha() else int(match["m"]))
    day = str(int(match["d"]))
    yield from (frozenset({part}) for part in (day, month, match["y"], f"{month}-{day}") if part)
    if match["y"]:
        yield frozenset({f"{match['y']}-{month}-{day}"})


def quantities(
    text: str, spelt: bool = True
) -> tuple[list[tuple[float, frozenset[str]]], list[frozenset[str]]]:
    """The durations of `text`, each in seconds with the readings of its number, and the readings
    of each other number; a date is its parts and itself. Readings are plain: 1234.5. Without
    `spelt` only numbers that are written in digits."""
    durations: list[tuple[float, frozenset[str]]] = []
    dates = [match for pattern in _DATES for match in pattern.finditer(text)]
    numbers = [readings for match in dates for readings in _date(match)]
    text = without_dates(text)
    for match in _QUANTITY.finditer(text):
        word = (match["word"] or "").lower()
        if word and not spelt:
            continue
        if word == "năm" and _YEAR.search(text, max(0, match.start() - 6), match.end() + 5):
            continue
        readings = _readings(
            match["digits"] or str(_NUMBER_WORDS[word]) + "0" * bool(match["tens"])
        )
        factor = next((f for i, f in enumerate(_SECONDS.values()) if match[f"u{i}"]), None)
        plain = [reading for reading in readings if re.fullmatch(r"\d+(?:\.\d+)?", reading)]
        if factor is None or not plain:
            numbers.append(readings)
        else:
            durations += [(round(float(reading) * factor, 6), readings) for reading in plain]
    return durations, numbers


def _readings(number: str) -> frozenset[str]:
    """What `number` can mean: 1.234 is 1234 where a point divides thousands."""
    *groups, last = re.split("[.,]", number)
    marks = re.sub(r"[\d/]", "", number)
    if "/" in number or not marks:
        return frozenset({number})
    thousands, decimal = "".join([*groups, last]), f"{''.join(groups)}.{last}"
    if len(set(marks)) < len(marks):  # 1.234.567 or 127.0.0.1
        in_threes = all(len(group) == 3 for group in [*groups[1:], last])
        return frozenset({thousands if in_threes else number})
    readings = {decimal.rstrip("0").rstrip(".")}
    if len(marks) == 1 and len(last) == 3 and groups[0] != "0":
        readings.add(thousands)
    return frozenset(readings)
