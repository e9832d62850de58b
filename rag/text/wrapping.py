"""Takes off a question whatever its writer says around it: "my boss wants to know …, I'm so lost".
Pure; knows no index.

It cuts by kinds of words (rag.text.wrapping_words) and not by phrases, so it meets what nobody
foresaw, and cuts too much where such a word is what is asked for. So it is for a question that
found no sure answer as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .language import stem, stop_words, subject
from .wrapping_words import ENGLISH_ASKS, Kinds, kinds

_TOKEN = re.compile(r"[^\W_]+|[,;!?…](?!\d)|[.:–—-](?=\s|$)|\.{2,}|[()\n\"“”«»`]")
_WORD = re.compile(r"[^\W_]+")
_SENTENCE_END = frozenset([*".!?…\n", "..", "..."])
_QUOTES = frozenset('"“”«»`')

# So many other words may stand in what a writer says of himself: "I read it *twice* and still …".
STRANGE = 2
_WRITER = frozenset("i we my our me us mình tôi em tớ tui con cháu minh toi tui".split())
_IF = frozenset("if unless once after before as because nếu khi sau trước vì neu truoc".split())
_SPEAKING, _JOINING = (
    frozenset("i we my".split()),
    frozenset("and but so because cuz cause".split()),
)
_KNOWING = frozenset("biết biet rành ranh hiểu nhớ know knows here".split())  # "ai biết …"
_HELPING = frozenset(
    "is are was were do does did can could may might must should will would has have had".split()
)
_SOMEBODY = frozenset("you u ya me someone somebody anyone anybody".split())
# A question with one of these may mean what an earlier sentence names.
_POINTING = frozenset(
    "it its they them their this that these those there he she his her nó này đó đấy ấy kia".split()
)


class Asked(NamedTuple):
    """What a question asks for. `aside` says that whole sentences were left out which speak of
    something."""

    text: str
    aside: bool


class _Token(NamedTuple):
    word: str  # in lower case; "a_b" is two words; a mark where a sentence ends
    start: int
    end: int
    name: bool = False  # it has a capital where no sentence begins


class _Part(NamedTuple):
    """What is left of a sentence; `points` says that it may mean what an earlier one names."""

    asks: bool
    points: bool
    of_writer: bool
    first: _Token
    last: _Token


Clause = Sequence[_Token]
# Whether the library has this word, or these one after the other.
Known = Callable[..., bool]


def unwrapped(question: str, known: Known) -> Asked | None:
    """What `question` asks for, without what is said around it; None if that is all of it, or
    nothing.

    A word that the library has beside the next one, as `known` tells, is not cut from it.
    """
    text = unicodedata.normalize("NFC", question)
    return _Reading(text, known).asked()


class _Reading:
    """One question being read."""

    def __init__(self, text: str, known: Known) -> None:
        self._text, self._known = text, known
        self._kinds: Kinds = kinds(text)
        self._stop = stop_words(text)
        self._strange = (
            False  # whether other words were cut with those that are said around any question
        )

    def asked(self) -> Asked | None:
        text, kept = self._text, list[_Part]()
        for part, ended in self._parts():
            words = {token.word for clause in part for token in clause}
            asks = ended or any(map(self._asks, part))
            points, of_writer = not _POINTING.isdisjoint(words), not _WRITER.isdisjoint(words)
            kept.append(_Part(asks, points, of_writer, part[0][0], part[-1][-1]))
        asking = [place for place, part in enumerate(kept) if part.asks]
        before = len(kept)
        if asking and not any(kept[place].points for place in asking):
            named = [place for place, part in enumerate(kept) if part.asks or not part.of_writer]
            kept = kept[asking[0] : named[-1] + 1]
        if not kept:
            return None
        aside = self._strange or len(kept) < before
        start, end = kept[0].first.start, kept[-1].last.end
        end += text[end:].startswith("?")
        rest, found = text[:start] + " " + text[end:], text[start:end]
        if not _QUOTES.isdisjoint(rest) or not subject(found):
            return None
        cut = {word.lower() for word in _WORD.findall(rest)}
        return Asked(found, aside) if cut - self._stop else None

    def _parts(self) -> Iterator[tuple[Sequence[Clause], bool]]:
        """The trimmed sentences, and whether each ends as a question; what the writer says of
        himself before one or after it, within a comma, is a part of its own."""
        for sentence in self._sentences():
            ended = bool(sentence) and sentence[-1][0].word == "?"
            part = self._trimmed([c for c in sentence if c[0].word[0].isalnum()])
            while len(part) > 1 and self._of_writer(part[0]) and any(map(self._asks, part[1:])):
                yield part[:1], False
                part = part[1:]
            last = len(part)
            while last > 1 and self._of_writer(part[last - 1]) and self._asks(part[last - 2]):
                last -= 1
            if part:
                yield part[:last], ended
            if part[last:]:
                yield part[last:], False

    def _sentences(self) -> list[list[Clause]]:
        """The clauses of each sentence; the mark that ends it is a clause too."""
        sentences: list[list[list[_Token]]] = [[[]]]
        names = self._kinds.marks and not self._text.isupper()
        for match in _TOKEN.finditer(self._text):
            begins = sentences[-1] == [[]]
            name = names and not begins and match[0][0].isupper()
            token = _Token(match[0].lower(), *match.span(), name)
            clause = sentences[-1][-1]
            if token.word == "." and clause and self._is_abbreviation(clause[-1]):
                continue
            if token.word in _SENTENCE_END:
                sentences[-1].append([token])
                sentences.append([[]])
            elif not token.word[0].isalnum():
                sentences[-1].append([])
            elif clause and f"{clause[-1].word}_{token.word}" in self._kinds.pairs:
                before = clause.pop()
                clause.append(before._replace(word=f"{before.word}_{token.word}", end=token.end))
            else:
                clause.append(token)
        return [[clause for clause in sentence if clause] for sentence in sentences]

    def _is_abbreviation(self, before: _Token) -> bool:
        """Whether the dot after it ends no sentence, as in "St. Augustine" and "y. pestis"."""
        follows = self._text[before.end + 1 :].lstrip()[:1]
        short = before.end - before.start <= 2
        return (
            short
            and follows.isalpha()
            and (follows.islower() or self._text[before.start].isupper())
        )

    def _trimmed(self, clauses: Sequence[Clause]) -> Sequence[Clause]:
        """`clauses` of a sentence without what is only said at its ends."""
        left = [*clauses]
        while left and self._may_go(left[0], left[1:]):
            del left[0]
        while left and self._may_go(left[-1], left[:-1]):
            del left[-1]
        if left:
            left[0] = left[0][self._said_before(left[0]) :]
            left[-1] = left[-1][: self._said_after(left[-1])]
        return left

    def _may_go(self, clause: Clause, others: Sequence[Clause]) -> bool:
        """Whether nothing in it is asked for: at most a word in three that the library lacks. What
        alone asks, with others that name what it asks about, stays."""
        strange = [t for t in clause if not (self._may_be_said(t) or t.word in self._kinds.asks)]
        if strange and self._asks(clause):
            return False
        if others and clause[0].word in _IF and any(token.word in _WRITER for token in clause):
            return False  # "if I quit, …", not "if possible, …"
        if 2 * len(strange) > sum(stem(token.word) in self._kinds.said for token in clause):
            return False
        if any(t.name or not t.word.isalpha() or self._known(t.word) for t in strange):
            return False
        if not others or not self._asks(clause):
            return True
        return clause[0].word not in self._kinds.asks and any(map(self._asks, others))

    def _said_before(self, clause: Clause) -> int:
        """How many of the words are said before what is asked, up to `STRANGE` others among them.
        These are told by `self._strange`."""
        asks, turns = self._kinds.asks, self._kinds.turns
        cut = strange = strange_at_cut = said = 0
        of_writer = asking = False
        for place, token in enumerate(clause):
            if asking := place > 0 and token.word in asks:
                break
            if not (self._may_be_said(token) or token.word in asks):
                strange += 1
                if token.name or not of_writer or strange > STRANGE:
                    break
            of_writer = of_writer or token.word in _WRITER
            follows = clause[place + 1].word if place + 1 < len(clause) else ""
            said += self._may_be_said(token)
            near = not strange or follows in asks or (self._kinds.marks and 2 * strange < said)
            if stem(token.word) in turns and near:
                cut, strange_at_cut = place + 1, strange
        if cut and asking and strange == strange_at_cut and token.word in ENGLISH_ASKS:
            cut = place  # "what I want to know is *how* …"
        first, second = clause[0].word, clause[1].word if len(clause) > 1 else ""
        further = cut and asking and not strange
        if first in asks and not further and second not in _KNOWING:
            return 0  # it is the question: "How do I tell …", unless another begins further on
        if first in _HELPING and second not in _SOMEBODY:
            return 0
        while 0 < cut < len(clause) - 1 and self._is_between(clause[cut]):
            cut += 1
        while 0 < cut < len(clause) and self._belong_together(clause[cut - 1], clause[cut]):
            cut -= 1
        self._strange = self._strange or (0 < cut < len(clause) and strange_at_cut > 0)
        return cut if cut < len(clause) else 0

    def _said_after(self, clause: Clause) -> int:
        """Where begins what is said after what is asked."""
        cut = at = len(clause)
        while at and clause[at - 1].word not in self._kinds.asks:
            if not self._may_be_said(clause[at - 1]):
                break
            at -= 1
            if clause[at].word in _SPEAKING:  # "…, and *I* have no idea", not "what do I need"
                cut = at - 1 if at and clause[at - 1].word in _JOINING else cut
            elif stem(clause[at].word) in self._kinds.ends:
                cut = at
        while 0 < cut < len(clause) and self._belong_together(clause[cut - 1], clause[cut]):
            cut += 1
        return cut or len(clause)

    def _of_writer(self, clause: Clause) -> bool:
        strange = sum(not self._may_be_said(token) for token in clause)
        if clause[0].word in _IF or self._asks(clause) or strange > STRANGE:
            return False
        return any(token.word in _WRITER for token in clause)

    def _asks(self, clause: Clause) -> bool:
        return any(token.word in self._kinds.asks for token in clause)

    def _may_be_said(self, token: _Token) -> bool:
        if token.name:
            return False
        return token.word in self._stop or stem(token.word) in self._kinds.said

    def _is_between(self, token: _Token) -> bool:
        return not token.name and stem(token.word) in self._kinds.between

    def _belong_together(self, one: _Token, other: _Token) -> bool:
        if one.word in self._stop or other.word in self._stop:
            return False
        return self._known(one.word.split("_")[-1], other.word.split("_")[0])
