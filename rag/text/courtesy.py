"""Takes the courtesies off both ends of a question: what is left is what to search for. Pure.

"Could you please tell me what nginx buffers?" and "cho mình hỏi nginx đệm gì ạ" ask for nginx and
its buffers; the other words stand in no document, and a search that counts them finds too little.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from .language import fold, subject

# A clause ends at punctuation; a version, an amount or a name may have some inside.
_TOKEN = re.compile(r"[^\W_]+|[,;!?…](?!\d)|[.:–—-](?=\s|$)|[()\n\"“”«»`]")
_QUOTES = frozenset('"“”«»`')

# A word may be typed without its marks, unless it is written with "!" here; "a_b" is two words.
_GROUPS = {
    "YOU": "you u ya someone somebody anyone anybody please pls plz kindly just mind",
    "ME": "me us",
    "I": "i we im m am was were been just ve really would greatly",
    "TELL": """tell explain show give inform clarify describe help share teach remind advise answer
        telling explaining showing giving clarifying describing helping sharing teaching""",
    "GIẢI_THÍCH": "giải_thích giải_đáp trả_lời hướng_dẫn tư_vấn nói chỉ trình_bày",
    "EVERYBODY": """there all everyone everybody guys folks team friend friends bot assistant sir
        madam""",
    "ASKING": "what how why when where who which whose is are do does did should",
    "STARTS": "can could would will may might i im please pls just quick sorry xin cho làm_ơn",
    # In Vietnamese whoever asks and whoever is asked may be called the same.
    "PEOPLE": """mình tôi em anh chị cháu con tớ tui tao e mk chúng bọn bạn bác cô chú thầy sếp ad
        admin bot shop mn mng mọi_người cả_nhà trợ_lý quý_vị
        cho_mình cho_tôi cho_em cho_anh cho_chị cho_tớ cho_tui cho_cháu cho_bạn""",
    "MAY": "có_thể hãy vui_lòng làm_ơn nhờ phiền xin cho giúp mong",
    # After these a Vietnamese question has ended.
    "ASKED": """gì nào đâu sao không chưa ai nhiêu nhiều mấy thế được này ko k j
        nhé nha vậy hả nhỉ với""",
}
# Lines of: the words before, a word that is a courtesy between these, the words after. "^" is the
# beginning of a clause, "$" its end, "*" anything.
_OPENING = """
    YOU | TELL | *
    * | TELL | ME
    as_to | TELL | *
    to i we wanna happen here YOU ME | know ask understand learn inquire asking | *
    to trying wanna | find_out figure_out | *
    * | dear | EVERYBODY PEOPLE
    ^ | ok okay | so
    any | clue | ASKING about if $
    any | idea | $
    * | please pls plz kindly | *
    I d | wonder wondering curious appreciate grateful | *
    ^ | curious sorry apologies greetings ok okay | $
    * | sorry apologies | to for but if
    * | excuse pardon | ME
    any | idea | ASKING about if
    a an one quick simple small short silly dumb basic another my | question | $ about regarding is
    a an one quick simple small short silly dumb basic another my | question | ASKING
    * | hi hello hey hiya alo chào | $ EVERYBODY PEOPLE ASKING STARTS
    * | good_morning good_afternoon good_evening good_day xin_chào | *
    PEOPLE | ơi | *
    * | !dạ !vâng thưa | PEOPLE cho xin $
    PEOPLE muốn xin được phép cho cần để nhờ | hỏi tìm_hiểu | *
    PEOPLE muốn được cho xin ai không ko có cần chưa | biết hiểu rõ | *
    MAY PEOPLE được | giúp GIẢI_THÍCH | *
    xin ít chút thêm | thông_tin | *
    * | làm_phiền | PEOPLE
    * | giúp GIẢI_THÍCH | cho giúp hộ PEOPLE
    giúp hộ GIẢI_THÍCH ơi chào xin_chào hi hello hey alo thưa !dạ nhờ | PEOPLE | *
    * | làm_ơn vui_lòng | *
    * | cảm_ơn cám_ơn | PEOPLE $
    PEOPLE có đang ^ | thắc_mắc băn_khoăn tò_mò | *
    * | câu_hỏi | là $
"""
# Words that stand among courtesies, and those that still belong to the last of an opening.
_AMONG_OPENING = """YOU ME I EVERYBODY PEOPLE MAY
    my your the a an one this it that to of in for on and but so if or with out about can could
    will would may might have has had do does did be is are not don t ll d some any very much also
    another quick quickly brief briefly small simple short silly dumb basic want wanna need like
    love hope wish try trying happen possible possibly maybe perhaps again let get take time good
    bother disturb interrupt trouble
    được phép muốn cần để đang rất hơi cũng về là một 1 chút tí xíu thêm câu này với không ko chưa
    ai các mấy kính gửi dạ ít"""
_AFTER_OPENING = """me us about if whether regarding that please but so EVERYBODY
    chút !tí ngu việc chút_xíu thêm về là rằng với này ạ nhé xem giúp một_chút
    1_chút một_câu biết"""
_CLOSING = """
    * | please pls plz thx thanks thank tks thks tysm | *
    ^ | cheers regards kind_regards best_regards | $
    * | appreciated appreciate | *
    * | !ạ !nhé !nhá !vậy !hả !nhỉ | *
    ASKED | ạ nhé nha nhá vậy hả nhỉ | *
    ASKED | với | ạ nhé nha $
    ^ | GIẢI_THÍCH | giúp hộ cho
    * | cảm_ơn cám_ơn làm_ơn | *
    * | giúp hộ | PEOPLE với $
    * | !thế | PEOPLE
"""
_AMONG_CLOSING = """PEOPLE EVERYBODY với các mấy
    and you u so very much many a lot bunch in advance again for your the any help advice would will
    is be greatly highly if possible i we d me it really
    xin chân_thành rất nhiều lắm trước được giúp hộ"""
# Before a courtesy that is itself asked about: "mẫu thư cảm ơn", "how do I say thanks".
_ABOUT = """say saying mean means word of the a an for to như lại vì nói từ chữ nghĩa lời câu thư
    thiệp bài mẫu email"""


class _Token(NamedTuple):
    word: str  # in lower case; "" is where a clause ends
    start: int
    end: int


Clause = list[_Token]
Rules = Mapping[str, Sequence[tuple[frozenset[str], frozenset[str]]]]


def _set(text: str) -> frozenset[str]:
    """The words of `text`, as they may be typed."""
    found: set[str] = set()
    for word in text.split():
        if word in _GROUPS:
            found |= _set(_GROUPS[word])
        else:
            found |= {word[1:]} if word[0] == "!" else {word, fold(word)}
    return frozenset(found)


def _rules(text: str) -> Rules:
    rules: dict[str, list[tuple[frozenset[str], frozenset[str]]]] = {}
    for line in filter(str.strip, text.splitlines()):
        before, courtesies, after = map(_set, line.split("|"))
        for word in courtesies:
            rules.setdefault(word, []).append((before, after))
    return rules


_OPENS, _CLOSES = _rules(_OPENING), _rules(_CLOSING)
_AMONG, _AFTER = _set(_AMONG_OPENING), _set(_AFTER_OPENING)
_BEFORE, _ASKED_ABOUT = _set(_AMONG_CLOSING), _set(_ABOUT)
_EVERY = " ".join([_OPENING, _AMONG_OPENING, _AFTER_OPENING, _CLOSING, _AMONG_CLOSING])
_PAIRS = frozenset(word for word in _set(_EVERY) if "_" in word)


@lru_cache(maxsize=1024)
def without_courtesy(question: str) -> str:
    """`question` without the courtesies at its ends; as it is where nothing else would be left to
    search for."""
    text = unicodedata.normalize("NFC", question)
    clauses = _clauses(text)
    asked = _without_closing(_without_opening(clauses))
    if not asked or asked == clauses:
        return question
    first, last = asked[0][0], asked[-1][-1]
    start = 0 if first == clauses[0][0] else first.start
    end = len(text) if last == clauses[-1][-1] else last.end + text[last.end :].startswith("?")
    quoted = not _QUOTES.isdisjoint(text[:start] + text[end:])
    return question if quoted or not subject(text[start:end]) else text[start:end]


def _clauses(text: str) -> list[Clause]:
    clauses: list[Clause] = [[]]
    for match in _TOKEN.finditer(text):
        word, (start, end) = match[0].lower(), match.span()
        if not word[0].isalnum():
            clauses.append([])
        elif clauses[-1] and f"{clauses[-1][-1].word}_{word}" in _PAIRS:
            before = clauses[-1].pop()
            clauses[-1].append(_Token(f"{before.word}_{word}", before.start, end))
        else:
            clauses[-1].append(_Token(word, start, end))
    return [clause for clause in clauses if clause]


def _without_opening(clauses: Sequence[Clause]) -> Sequence[Clause]:
    for place, clause in enumerate(clauses):
        cut = _opening(clause) if _closing(clause) else len(clause)
        cut += place > 0 and not cut and clause[0].word == "but"  # sorry to bother you, but
        if rest := clause[cut:]:
            return [rest, *clauses[place + 1 :]]
    return []


def _without_closing(clauses: Sequence[Clause]) -> Sequence[Clause]:
    for place in reversed(range(len(clauses))):
        clause = clauses[place]
        cut = _closing(clause) if _opening(clause) < len(clause) else 0  # X, can you help me?
        if rest := clause[:cut]:
            return [*clauses[:place], rest]
    return []


def _opening(clause: Clause) -> int:
    """How many of its words are courtesies in front of what is asked; all if it has no others."""
    cut = 0
    for place, token in enumerate(clause):
        if _is_courtesy(_OPENS, clause, place):
            cut = place + 1
        elif token.word not in _AMONG:
            break
    else:
        return len(clause) if cut else 0
    while 0 < cut < len(clause) and clause[cut].word in _AFTER:
        cut += 1
    return cut


def _closing(clause: Clause) -> int:
    """Where the courtesies begin that it ends with; a clause of nothing else is one."""
    cut = at = len(clause)
    while at and (_is_courtesy(_CLOSES, clause, at - 1) or clause[at - 1].word in _BEFORE):
        at -= 1
        if _is_courtesy(_CLOSES, clause, at):
            cut = at
    if not at and cut < len(clause):
        return 0
    return len(clause) if cut and clause[cut - 1].word in _ASKED_ABOUT else cut


def _is_courtesy(rules: Rules, clause: Clause, place: int) -> bool:
    before = clause[place - 1].word if place else "^"
    after = clause[place + 1].word if place + 1 < len(clause) else "$"
    return any(
        not befores.isdisjoint({before, "*"}) and not afters.isdisjoint({after, "*"})
        for befores, afters in rules.get(clause[place].word, ())
    )
