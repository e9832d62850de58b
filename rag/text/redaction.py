"""Replaces personal data in a text or a stream of text by `[email]`, `[phone]`, `[card]`, `[key]`.

A text falls into segments that nothing to be redacted crosses: about a word, or a row of numbers.
Each is judged alone, once it has ended, so a stream and its whole text cannot come out differently.
Pure: knows no model.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar, cast, get_args

import regex

from ..events import Thinking
from ..types import Findings, Redacted, Source
from .language import Span

_Finder = Callable[[str], Iterable[Span]]  # spans in order, without overlap
T = TypeVar("T")

_MASK = regex.compile("|".join(rf"\[{kind}\]" for kind in get_args(Redacted)))

_SHORTEST = len("a@b.vn")

# What phone and card numbers are written with besides spaces, and what any match can be made of.
_NUMERIC = r"\d+().\-/‐-―−\u00ad\u200b\u2060"
_ATOM = rf"{_NUMERIC}\w@%'’&~=:\p{{Sc}}"
# Possessive and decided by what was read and one more character: a segment that ends before the
# text does ends there however the text goes on.
_SEGMENT = regex.compile(
    rf"""[{_ATOM}]++
    (?: (?<=[{_NUMERIC}\p{{Zs}}])\p{{Zs}} | (?<=\p{{Zs}})[{_NUMERIC}] | (?<!\p{{Zs}})[{_ATOM}]++
      | (?<=[Bb]earer)\ [\w.~+/=\-]*+
      | (?<=-----BEGIN)\ [A-Z0-9\ ]*+-{{0,5}}+
        (?:[\s\\](?:(?<!KEY-----|BLOCK-----)[A-Za-z0-9+/=\s\\:,\-])*+)?+
    )*+""",
    regex.VERBOSE,
)

# A key has a digit early: a package called sk-… or a word after “bearer” has none.
_KEY = regex.compile(
    r"""(?<![A-Za-z0-9])(?:
        (?: sk-(?=[A-Za-z_\-]{0,100}\d)
          | [sr]k_(?:live|test)_ | gh[oprsu]_ | github_pat_ | glpat- | hf_ )[A-Za-z0-9_\-]{20,}+
      | (?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])
      | AIza[A-Za-z0-9_\-]{30,}+
      | xox[a-z]-[A-Za-z0-9\-]{10,}+
      | (?<![\w\-])eyJ[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]*+
      | (?<=[Bb]earer\ )(?=[A-Za-z._~+/=\-]{0,100}\d)[A-Za-z0-9._~+/=\-]{20,}+
    )
    | -----BEGIN\ [A-Z0-9\ ]*+(?<=PRIVATE\ KEY|PRIVATE\ KEY\ BLOCK)-----
      (?:\s|\\[nr])*+(?:[A-Za-z\-]++:\ [^\n\\]++(?:\s|\\[nr])++)*+
      [A-Za-z0-9+/=]{16,}+(?:(?:\s|\\[nr])++[A-Za-z0-9+/=]++(?!\w))*+
      (?:(?:\s|\\[nr])*-----END\ [A-Z0-9\ ]*+-----)?+
    """,
    regex.VERBOSE,
)
# The last label begins with a letter: react@18.2.0 is no address.
_EMAIL = regex.compile(
    r"""(?<![\w.%+\-]['’]?)[\w.%+\-]++(?:['’][\w.%+\-]++)*+@
    (?:[\p{L}\p{M}\p{N}\-]++\.)+\p{L}[\p{L}\p{M}\p{N}]++(?:-++[\p{L}\p{M}\p{N}]++)*+""",
    regex.VERBOSE,
)

# First digits: the international networks, and 9704 for the Vietnamese one (NAPAS). Digits after a
# decimal point are no card. Where two shapes begin alike, the longer is tried first.
_CARD_START = r"(?<!\d)(?<!\d\.)(?=[3-6]|2[2-7]|9704)"
_CARDS = [
    regex.compile(rf"{_CARD_START}(?:{shape})(?!\d)")
    for shape in (
        r"\d{4}([-‐‑\p{Zs}])\d{4}\1\d{4}\1\d{4}\1\d{3}",
        r"\d{4}([-‐‑\p{Zs}])(?:\d{4}\1\d{4}\1\d{4}|\d{6}\1\d{4,5}|\d{4}\1\d{5})|\d{13,19}",
    )
]
# For numbers in a row of numbers, which the matcher takes for one that is too long.
_VIETNAMESE = [
    regex.compile(
        rf"(?<![\p{{L}}\d])\(?(?:\+84[-.\p{{Zs}}]?\d{{1,3}}|0\d{{1,3}})\)?"
        rf"(?:[-.\p{{Zs}}]\d{{2,4}}){{{groups}}}(?![\p{{L}}\d])"
    )
    for groups in (3, 2)
]
# In the national form with its 0: 1900 1975 would else be a service number, 212.55.50.123 one of a
# town. And no decimal fraction.
_POINT = regex.compile(r"\d\.")
_VIETNAMESE_START = regex.compile(r"\(?(?:[+＋]|0(?!\.\d+$)|84)")


def unmasked(text: str) -> str:
    """A redacted text with blanks for its masks, whose words nobody wrote; all else keeps its
    place."""
    return str(_MASK.sub(lambda mask: " " * len(mask[0]), text))


class Redactor:
    """Redacts the given kinds; with none, everything passes unchanged and at once."""

    def __init__(self, kinds: Collection[Redacted]) -> None:
        # Where kinds overlap, the earlier one has it, and the later ones see only what is left.
        self._finders: list[tuple[Redacted, _Finder]] = []
        if "key" in kinds:
            self._finders.append(("key", _all(_KEY)))
        if "email" in kinds:
            self._finders.append(("email", _all(_EMAIL)))
        if "card" in kinds:
            self._finders += [("card", finder) for finder in _card_finders()]
        if "phone" in kinds:
            self._finders += [("phone", finder) for finder in _phone_finders()]

    def text(self, text: str) -> str:
        return _replaced(text, self._matches(text))

    def findings(self, findings: Findings) -> Findings:
        """The findings with their query and their sources' titles and texts redacted, and without
        the words that this hides.

        The sources have no `document_id`: their pages would show what is hidden here.
        """
        if not self._finders:
            return findings
        query = self.text(findings.query)
        left = set(regex.findall(r"[^\W_]+", unmasked(query)))
        return replace(
            findings,
            query=query,
            absent=tuple(word for word in findings.absent if word in left),
            sources=tuple(self._source(source) for source in findings.sources),
            missing=tuple(map(self.text, findings.missing)),
        )

    def stream(self, pieces: AsyncGenerator[str | T]) -> AsyncGenerator[str | T]:
        """The pieces with their text redacted; `pieces` itself where nothing is to be."""
        if not self._finders:
            return pieces
        # Thinking comes out only where it went in.
        return cast("AsyncGenerator[str | T]", self._stream(pieces))

    async def _stream(self, pieces: AsyncGenerator[str | T]) -> AsyncGenerator[str | T | Thinking]:
        """The pieces as they come, held back while what they end in could still be redacted.

        Thinking is a text of its own. What is none passes in its place and ends what is held, as
        the end does, or an error of `pieces`, which is raised after it. `pieces` is closed when the
        iteration ends or this generator is closed; then what is held is dropped.
        """
        held, thought = _Held(), _Held()
        async with aclosing(pieces):
            try:
                async for piece in pieces:
                    if isinstance(piece, Thinking):
                        if piece.so_far:
                            held.take()
                            yield Thinking(so_far=True)
                        if ended := thought.add(piece.text):
                            yield Thinking(self.text(ended))
                        continue
                    if left := thought.take():
                        yield Thinking(self.text(left))
                    if isinstance(piece, str):
                        if ended := held.add(piece):
                            yield self.text(ended)
                    else:
                        if left := held.take():
                            yield self.text(left)
                        yield piece
            except Exception:  # not a cancellation: nobody would read the rest
                for rest in self._rest(thought, held):
                    yield rest
                raise
            for rest in self._rest(thought, held):
                yield rest

    def _rest(self, thought: _Held, held: _Held) -> Iterator[str | Thinking]:
        if rest := thought.take():
            yield Thinking(self.text(rest))
        if rest := held.take():
            yield self.text(rest)

    def _source(self, source: Source) -> Source:
        return replace(
            source,
            title=self.text(source.title),
            text=self.text(source.text),
            page_name=self.text(source.page_name),
            document_id=0,
        )

    def _matches(self, text: str) -> Iterator[_Match]:
        if self._finders:
            for segment in _SEGMENT.finditer(text):
                yield from _search(segment[0], self._finders, segment.start())


class _Held:
    """The segment at the end of a stream's text that may still go on."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = self._due = 0

    def add(self, piece: str) -> str:
        """The text that has ended with `piece`, "" while all of it is held."""
        self._parts.append(piece)
        self._length += len(piece)
        if self._length < self._due:
            return ""
        text = self.take()
        start = len(text)
        for segment in _SEGMENT.finditer(text):
            if segment.end() == len(text):
                start = segment.start()
        self._parts, self._length = [text[start:]], len(text) - start
        # A long segment is looked at again only when it has grown: else each piece would cost as
        # much as all before it.
        self._due = self._length + self._length // 16
        return text[:start]

    def take(self) -> str:
        text = "".join(self._parts)
        self._parts, self._length, self._due = [], 0, 0
        return text


@dataclass(frozen=True, slots=True)
class _Match:
    start: int
    end: int
    mask: str


def _search(text: str, finders: list[tuple[Redacted, _Finder]], offset: int) -> Iterator[_Match]:
    if not finders or len(text) < _SHORTEST:
        return
    (kind, find), *others = finders
    at = 0
    for start, end in find(text):
        yield from _search(text[at:start], others, offset + at)
        yield _Match(offset + start, offset + end, f"[{kind}]")
        at = end
    yield from _search(text[at:], others, offset + at)


def _all(pattern: regex.Pattern[str], accept: Callable[[str], bool] | None = None) -> _Finder:
    """Finds the pattern where `accept` agrees, also where it begins inside one it refused."""

    def find(text: str) -> Iterator[Span]:
        at = 0
        for match in pattern.finditer(text, overlapped=accept is not None):
            if match.start() >= at and (accept is None or accept(match[0])):
                at = match.end()
                yield match.span()

    return find


def _card_finders() -> list[_Finder]:
    from stdnum import luhn  # 25 ms, for those who want it

    def has_check_digit(text: str) -> bool:
        return bool(luhn.is_valid("".join(filter(str.isdigit, text))))

    return [_all(pattern, has_check_digit) for pattern in _CARDS]


def _phone_finders() -> list[_Finder]:
    import phonenumbers  # 20 to 40 ms, for those who want it

    def in_region(region: str, leniency: int, start: regex.Pattern[str] | None) -> _Finder:
        def find(text: str) -> Iterator[Span]:
            for match in phonenumbers.PhoneNumberMatcher(text, region, leniency):
                is_fraction = _POINT.match(text, max(0, match.start - 2), match.start)
                if not is_fraction and (start is None or start.match(match.raw_string)):
                    yield match.start, match.end

        return find

    def is_valid(text: str) -> bool:
        try:
            return phonenumbers.is_valid_number(phonenumbers.parse(text, "VN"))
        except phonenumbers.NumberParseException:  # 00.80.00: too short after a 00 for abroad
            return False

    leniency = phonenumbers.Leniency
    return [
        in_region("VN", leniency.VALID, _VIETNAMESE_START),
        # Strict, or 2026-11-21 08 and 2.125.550.123 would be American numbers.
        in_region("US", leniency.STRICT_GROUPING, None),
        *(_all(pattern, is_valid) for pattern in _VIETNAMESE),
    ]


def _replaced(text: str, matches: Iterable[_Match]) -> str:
    parts, at = [], 0
    for match in matches:
        parts += [text[at : match.start], match.mask]
        at = match.end
    return "".join([*parts, text[at:]]) if parts else text
