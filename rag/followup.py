"""Follow-up questions: whether one leans on the turns before it, and what to search for instead.

Pure: knows the words of the conversation and the findings of one search, no index and no client.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .text.courtesy import without_courtesy
from .text.language import detect, has_diacritics, is_syllable, keywords, subject, words
from .types import Findings, Language, Source, Turn

# Older turns are seldom meant, and an answer's beginning says what it is about.
MAX_TURNS = 3
MAX_TURN_CHARACTERS = 500
MAX_QUERY_CHARACTERS = 300
LOAN = 4  # letters of a word that is no Vietnamese syllable: a shorter one may be chat's shorthand


@dataclass(frozen=True, slots=True)
class _Wording:
    """How one way of writing leans. The patterns are for words in lower case, one space between.

    `pointing` stands where a subject should be, unless the question has more than `pointing_up_to`
    keywords and so a subject of its own. With up to `short_up_to` keywords it hardly has one.
    """

    pointing: re.Pattern[str]
    continuing: re.Pattern[str]
    naming: re.Pattern[str]
    pointing_up_to: int
    short_up_to: int


_EN = _Wording(
    pointing=re.compile(
        r"\bit\b(?! (?:takes?|ok|okay|possible|safe|better|best|necessary) to\b)"
        r"|\b(?:its|they|them|their|this|that|these|those|instead|otherwise)\b"
        r"|\bones?$|\bwhich ones?\b"
    ),
    continuing=re.compile(r"^(?:and|but|or|also|so|then|what else|what if|what about|how about)\b"),
    naming=re.compile(r"^(?:what|who) (?:is|are|s) "),
    pointing_up_to=3,
    short_up_to=1,
)
# A keyword of Vietnamese is a syllable, about half a word.
_VI = _Wording(
    pointing=re.compile(
        r"\b(?:nó|đó|đấy|ấy|này|chúng(?! (?:ta|tôi|mình)))\b|\b(?:như|lại) (?:thế|vậy)$"
    ),
    continuing=re.compile(r"^(?:còn|thế(?! nào)|vậy|rồi|và|nhưng)\b|\bthì sao$"),
    naming=re.compile(r"\blà (?:gì|ai)\b|^thế nào là\b"),
    pointing_up_to=6,
    short_up_to=3,
)
# Without diacritics "đó" is also độ, "này" also nay: only what they point at tells.
_VI_FOLDED = _Wording(
    pointing=re.compile(
        r"\bno\b|\b(?:cai|dieu|viec|chuyen|cach|luc|khi|sau|loi|gian) (?:do|ay|nay)\b"
        r"|\b(?:nhu|lai) (?:the|vay)$"
    ),
    continuing=re.compile(r"^(?:con|the(?! nao)|vay|roi|va)\b|\bthi sao$"),
    naming=re.compile(r"\bla (?:gi|ai)\b|^the nao la\b"),
    pointing_up_to=6,
    short_up_to=3,
)

_OPENING = re.compile(
    r"^(?:(?:ok|okay|thanks|thank you|great|well|vâng|dạ|cảm ơn)\b\W*)+", re.IGNORECASE
)
_CLAUSE = re.compile(r"[,;:.]\s|\s(?:and|và|va)\s")
# A name like TTFT, HTTP/2 or max_tokens is a subject, however short the question.
_NAME = re.compile(r"(?<!^)[A-ZĐ0-9_]")

_LABEL = re.compile(
    r"^\W*(?:[a-z -]{0,30}question|câu hỏi(?: (?:đã |được )?viết lại| độc lập)?)\W*:",
    re.IGNORECASE,
)
# A marker of a source, an element, a table, code: of an answer, not of a question.
_MARKUP = re.compile(r"\[\d+\]|</?\w|\||```|\*\*")
_FUSION = 61  # 60 and the first rank
_VERDICTS = ("refuse", "weak", "answer")
_QUOTES = " \t\"'“”‘’«»`*"


def leans(question: str, language: Language) -> bool:
    """Whether `question`, by its own words, leans on an earlier one."""
    continuing = _wording(question, language).continuing
    return bool(continuing.search(_plain(question))) or _is_vague(question, language)


def needed(question: str, turns: Sequence[Turn], findings: Findings) -> bool:
    """Whether to search for more than `question`, given the `findings` of a search for it alone.

    "And what about idempotency keys?" names what it asks for, and is rewritten only if that is not
    found well. "When does it close?" does not: the few words it has are found well somewhere by
    chance, so that its score says nothing.

    Right document first, tests/measured/dialogues.json held out (en / vi): 37 / 45 % of the
    questions alone; 74 / 50 % if all that lean wait for a low score; 84 / 85 % if none does; this
    rule 89 / 90 %.
    """
    if not turns or not leans(question, findings.language):
        return False
    if detect(turns[-1].question) != findings.language and not _points(question, findings.language):
        return False  # who changes the language says it in whole
    return findings.verdict != "answer" or _is_vague(question, findings.language)


def previous(turns: Sequence[Turn]) -> str:
    """The last question that does not lean, after the follow-ups that were asked since."""
    asked: list[str] = []
    for turn in reversed(turns[-MAX_TURNS:]):
        question = without_courtesy(turn.question[:MAX_TURN_CHARACTERS])
        asked.append(question)
        if not leans(question, detect(question)):
            break
    return " ".join(asked)


def joined(question: str, previous: str) -> str:
    """What to search for without a model: the question, then the keywords of the `previous` one."""
    own = set(words(question))
    return " ".join([question, *(word for word in keywords(previous) if word not in own)])


def accepted(reply: str, question: str, turns: Sequence[Turn]) -> str | None:
    """The query in a model's reply, or None if it is of no use.

    A reply that only repeats the question says that it stands alone. That is believed of one that
    names its subject. Any other is to have a word of the question and one that only the turns have,
    and to be none of the earlier questions: what small models write is often an answer, or made up.
    """
    line = next((line for line in reply.splitlines() if line.strip()), "")
    query = _LABEL.sub("", line).strip(_QUOTES)
    if len(query) > MAX_QUERY_CHARACTERS or not any(map(str.isalpha, query)):
        return None
    if _MARKUP.search(query):
        return None
    own, asked = set(words(query)), words(question)
    if words(query) == asked:
        return None if _is_vague(question, detect(question)) else query
    said = [text for turn in turns[-MAX_TURNS:] for text in (turn.question, turn.answer)]
    if any(own == set(words(turn.question)) for turn in turns):
        return None
    has_own = not keywords(question) or own & set(keywords(question))
    theirs = {word for text in said for word in keywords(text)} - set(asked)
    return query if has_own and own & theirs else None


def fused(findings: Findings, other: Findings) -> Findings:
    """What two queries for the same found, told as the one that found enough: the sources of both
    by the sum of their reciprocal ranks (Cormack, Clarke and Büttcher 2009).

    The right document first / among five in tests/measured/dialogues.json, held out, with
    queries of Qwen2.5-0.5B: the joined words 27 / 29 of 29; its queries 22 / 26 if most are taken,
    27 / 29 of those that `accepted` takes, fused or not. At equal ranks the joined words go first.
    """
    if other.overview:
        return findings
    ranks: dict[Source, float] = {}
    for found in (other, findings):
        for rank, source in enumerate(found.sources):
            chunks = set(source.chunks)
            same = next((each for each in ranks if chunks & set(each.chunks)), source)
            ranks[same] = ranks.get(same, 0.0) + 1 / (_FUSION + rank)
    best = sorted(ranks, key=lambda source: -ranks[source])
    most = max(len(findings.sources), len(other.sources))
    told = max(findings, other, key=lambda found: _VERDICTS.index(found.verdict))
    sources = tuple(replace(each, number=n) for n, each in enumerate(best[:most], 1))
    return replace(told, sources=sources)


def _points(question: str, language: Language) -> bool:
    """Whether a word of `question` goes on from an earlier one or stands for something in it."""
    wording, text = _wording(question, language), _plain(question)
    return bool(wording.continuing.search(text) or wording.pointing.search(text))


def _is_vague(question: str, language: Language) -> bool:
    """Whether `question` has a pronoun, or next to nothing, where its subject should be."""
    wording, text = _wording(question, language), _plain(question)
    about = subject(text)
    own = len(about)
    written = not question.isupper() and _NAME.search(question)
    # A loan word is one too: Vietnamese has no other word for most of what it is about.
    foreign = language == "vi" and any(len(w) >= LOAN and not is_syllable(w) for w in about)
    named = wording.naming.search(text) or written or foreign or own == len(text.split())
    if not own or (own <= wording.short_up_to and not named):
        return True
    # A pronoun in a later clause stands for what the first one names.
    clause = next(filter(subject, _CLAUSE.split(_OPENING.sub("", question))), "")
    return own <= wording.pointing_up_to and bool(wording.pointing.search(_plain(clause)))


def _wording(question: str, language: Language) -> _Wording:
    if language == "en":
        return _EN
    return _VI if has_diacritics(question) else _VI_FOLDED


def _plain(question: str) -> str:
    """The words of `question` in lower case without the thanks before it."""
    return " ".join(words(_OPENING.sub("", question)))
