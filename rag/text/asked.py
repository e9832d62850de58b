"""What a question asks for, by its question words, and whether a text has something of that kind: a
name, a time, a number. English and Vietnamese, with or without diacritics. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from .language import (
    STOP_WORDS,
    Span,
    detect,
    fold,
    has_diacritics,
    keywords,
    stem,
    stems,
    words,
)

Asked = Literal["who", "when", "where", "long", "number", "how", "why", "what", ""]

TERM = 2  # words of a question that is only a term
NEAR = 30  # characters behind a number in which what it counts stands


def _any(*alternatives: str) -> str:
    """A pattern of one of these, which are divided by " / "."""
    return rf"\b(?:{'|'.join(' / '.join(alternatives).split(' / '))})\b"


_UNITS = "mili ?giây / giây / phút / giờ / ngày / tuần / tháng / năm"
# The first that matches: “how long” is no “how”.
_ENGLISH: Mapping[Asked, str] = {
    "long": r"\bhow (?:long|often|soon)\b",
    "number": r"\bhow (?:many|much|big|large|high|old|far|fast|tall|deep|wide|few)\b"
    r"|\b(?:what|which) (?:number|percent\w*|share|size|amount|fraction|proportion)\b",
    "when": r"^(?:\w+,? )?when\b|\b(?:since|until) when\b"
    r"|\b(?:what|which) (?:year|day|date|month|time|century|decade)\b",
    "who": r"^(?:\w+,? )?who(?:m|se)?\b|\b(?:what|which) (?:person|people|man|woman|king|queen)\b",
    "where": r"\bwhere\b",
    "why": r"\bwhy\b|\bhow come\b",
    "how": r"\bhow\b",
    "what": r"\bwhat (?:is|are|does)\b",
}
_VIETNAMESE: Mapping[Asked, str] = {
    "long": rf"\bbao lâu\b|\b(?:mấy|bao nhiêu) {_any(_UNITS)}",
    # "may" is more often a machine, where it is typed without its mark.
    "number": r"\bbao nhiêu\b|\bmấy\b(?! (?:chủ|khách|tính|móc|ảo|nào))"
    r"|\b(?:con số|tỷ lệ|tỉ lệ|phần trăm) nào\b",
    "when": r"\b(?:khi nào|bao giờ|(?:năm|ngày|tháng|lúc|thời điểm|thế kỷ|thời gian) nào)\b",
    "who": r"^ai\b|\b(?:cho|bởi|của|là|do|với|người|tên|những) ai\b|\bngười nào\b"
    r"|\bai (?:là|đã|đang|sẽ|được|có|phải|cần|nên)\b",
    "where": r"\b(?:ở đâu|nơi nào|từ đâu)\b",
    "why": r"\b(?:tại sao|vì sao|do đâu|vì đâu)\b|^sao\b(?! (?:lưu|chép))",
    "how": r"\b(?:làm sao|thế nào|cách nào|ra sao)\b|^cách\b",
    "what": r"\b(?:là gì|nghĩa là|là cái gì)\b",
}
_FORMS = {
    "en": {kind: re.compile(pattern) for kind, pattern in _ENGLISH.items()},
    "vi": {kind: re.compile(pattern) for kind, pattern in _VIETNAMESE.items()},
    "plain": {kind: re.compile(fold(pattern)) for kind, pattern in _VIETNAMESE.items()},
}

_LANGUAGES = "python / javascript / typescript / java / go / rust / sql / bash / nginx / css / curl"
_CODE_ASKED = "|".join(
    [
        _any(
            r"code / snippet / script / commands? / config\w* / syntax / function / class / regex"
        ),
        rf"\b(?:in|trong|bằng) {_any(_LANGUAGES)}",
        _any("đoạn mã / mã nguồn / mã mẫu / câu lệnh / lệnh nào / cú pháp / cấu hình / hàm"),
    ]
)
_CODE, _CODE_PLAIN = re.compile(_CODE_ASKED), re.compile(fold(_CODE_ASKED))

_NUMBERS = _any(
    "two / three / four / five / six / seven / eight / nine / ten / eleven / twelve / fifteen",
    "twenty / thirty / forty / fifty / sixty / seventy / eighty / ninety / hundred / thousand",
    "million / billion / dozen / half / twice / hai / ba / bốn / sáu / bảy / tám / chín / mười",
    "trăm / nghìn / ngàn / triệu / tỷ / tỉ / nửa / gấp",
)
_MONTHS = _any(
    "January / February / March / April / May / June / July / August / September / October",
    "November / December",
)
_FIGURE = rf"(?:(?<![\w./-])\d(?:[\d.,/]*\d)?%?|{_NUMBERS})"
_OF_SUCH = _any("percent / million / billion / thousand / hundred / triệu / tỷ / nghìn / trăm")
_NUMBER = re.compile(rf"{_FIGURE}(?: {_OF_SUCH})?", re.IGNORECASE)
_ONE = rf"(?:{_FIGURE}|{_any('one / một / năm')})"
_LASTS = _any(
    "(?:millisecond|second|sec|minute|min|hour|day|week|month|year|decade)s? / centur(?:y|ies)",
    "times / thế kỷ / thập kỷ / lần",
    _UNITS,
)
_LASTING = re.compile(rf"{_ONE}(?:[ -]{_ONE})*(?:ms|[ -]?{_LASTS})", re.IGNORECASE)
_DATE = re.compile(
    rf"\b(?:1[0-9]{{3}}|20[0-9]{{2}})s?\b|\b\d{{1,2}}(?:st|nd|rd|th)? (?:century|{_MONTHS})"
    rf"|{_MONTHS} \d+|\bthế k[ỷỉ] (?:thứ )?\w+|\b(?:ngày|tháng|năm) \d+|\bcentury\b"
)
_TIME = re.compile(
    _any(
        r"\d{1,2}[:/.-]\d{1,2} / centur(?:y|ies) / decades? / today / yesterday / since / until",
        "during / after / before / when / while / once / if",
        "(?:mon|tues|wednes|thurs|fri|satur|sun)day",
        "thập niên / thập kỷ / năm / ngày / tháng / tuần / hôm / khi / lúc / nếu",
    ),
    re.IGNORECASE,
)
# Not where a sentence begins.
_NAME = re.compile(r"(?<=[\w,;:)”\"'’] )[^\W\d_a-z][\w’'-]+|(?<=[\w,;:)] [“\"‘(])[^\W\d_a-z]\w+")
_ROLE = re.compile(
    _any(
        "people / person / users? / readers? / clients? / owners? / operators? / teams?",
        "engineers? / developers? / managers? / người / bộ phận / nhóm / nhân viên / khách",
    ),
    re.IGNORECASE,
)
_ORDERS = _any(
    "hãy / nên / cần / phải / dùng / đặt / chạy / thêm / mở / bật / tắt / xem / gọi / chọn / cách",
    "đừng / không nên / use / set / run / add / open / put / keep / send / read / call / check",
    "count / give / make / take / let / write / limit / store / start / stop / test / do not",
    r"to \w+ / retry / repeat / wait / look / measure / return / release",
)
_WAYS = _any(
    "hãy / nên / bằng cách / dùng lệnh / cách (?:sửa|làm|đơn giản|chắc|lấy)",
    r"by \w+ing / must / should / can be / the remedy / the way",
)
_ORDER = re.compile(rf"^(?:\d+[.)] )?{_ORDERS}|{_WAYS}", re.IGNORECASE)
_REASONS = _any(
    "because / since / so that / therefore / reason / due to / otherwise / leads? to",
    "as a result / danger / vì / do đó / bởi / nên / để / nguyên nhân / khiến / nếu không / nhờ",
)
_BECAUSE = re.compile(rf"{_REASONS}|;", re.IGNORECASE)
_COUNTED = re.compile(r"\bhow (?:many|much) (\w+)|\b(?:bao nhiêu|mấy) (\w+)")
_DEFINING = _any("is / are / means? / stands? for / refers? to / là / nghĩa là / viết tắt")
_IS = re.compile(rf"(.{{1,80}}?)\s{_DEFINING}\s")
_BRACKETS = re.compile(r"\([^()]*\)?")
_CALLED = re.compile(_any("called / known as / named / short for / gọi là / viết tắt là"))

_PARTS: Mapping[Asked, re.Pattern[str]] = {
    "number": _NUMBER,
    "long": _LASTING,
    "when": _DATE,
    "who": _NAME,
    "where": _NAME,
}
_PERHAPS: Mapping[Asked, re.Pattern[str]] = {
    "when": _TIME,
    "who": _ROLE,
    "how": _ORDER,
    "why": _BECAUSE,
}
SURE = frozenset(_PARTS)  # what a text has or has not


@lru_cache(maxsize=256)
def asked(question: str) -> Asked:
    """What `question` asks for; "" if its words do not say."""
    line = " ".join(question.lower().split())
    form = "en" if detect(question) == "en" else "vi" if has_diacritics(question) else "plain"
    for kind, pattern in _FORMS[form].items():
        if pattern.search(line):
            return kind
    return "what" if len(line.split()) <= TERM else ""


def parts(kind: Asked, question: str, text: str) -> list[Span]:
    """Where `text` has a number, a time or a name that `question` asks for and has not itself."""
    own, found = set(words(question)), list[Span]()
    for match in _PARTS[kind].finditer(text) if kind in _PARTS else ():
        small = kind in ("who", "where") and not match[0][0].isupper()  # "đ" is none of a-z
        if small or set(words(match[0])) <= own:
            continue
        if found and match.start() - found[-1][1] <= 1:  # "ngày 1 tháng 7 năm 2023" is one
            found[-1] = found[-1][0], match.end()
        else:
            found.append(match.span())
    return found


def answers(kind: Asked, question: str, text: str) -> float:
    """How surely `text` has what `question` asks for, in 0..1; half where nobody could tell."""
    if kind == "what":
        return 1.0 if _defines(question, text) else 0.5
    if kind in _PARTS and (found := parts(kind, question, text)):
        counted = _COUNTED.search(question.lower()) if kind == "number" else None
        return 1.0 if not counted or _counts(text, found, counted[1] or counted[2]) else 0.5
    if pattern := _PERHAPS.get(kind):
        return (0.5 if kind in _PARTS else 1.0) if pattern.search(text) else 0.0
    return 0.0 if kind in _PARTS else 0.5


def lacks(kind: Asked, question: str, text: str) -> bool:
    """Whether `text` surely has not what `question` asks for. Letters like SSE or HTTP alone are no
    answer to who: of 153 sentences with the answer to such a question of XQuAD one has no other."""
    named = [text[start:end] for start, end in parts(kind, question, text)]
    if kind == "who" and named and all(map(str.isupper, named)):
        return _ROLE.search(text) is None
    return not answers(kind, question, text)


def _counts(text: str, numbers: list[Span], thing: str) -> bool:
    """Whether one of the numbers is of what is counted: “six connections” of “connections”."""
    return any(stem(thing) in stems(words(text[end : end + NEAR])) for _, end in numbers)


def _defines(question: str, text: str) -> bool:
    """Whether `text` says what the words of the question are: it begins with them, or has them in
    brackets before its “is”, or calls something so."""
    wanted, match = set(stems(keywords(question))), _IS.match(text)
    named = stems(words(match[1])) if match else []
    begins = [word for word in named if word not in STOP_WORDS][: len(wanted)]
    if match and (wanted == set(begins) or wanted <= _bracketed(match[1])):
        return True
    called = _CALLED.search(text)
    return called is not None and wanted <= set(stems(words(text[called.end() :])))


def _bracketed(text: str) -> set[str]:
    return set(stems(words(" ".join(_BRACKETS.findall(text)))))


def wants_code(question: str) -> bool:
    """Whether it asks for what is to be typed or copied."""
    pattern = _CODE if has_diacritics(question) else _CODE_PLAIN
    return pattern.search(question.lower()) is not None
