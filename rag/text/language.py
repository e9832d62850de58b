"""Words of English and Vietnamese text: how they are cut, folded, weighed out and recognised.

Pure functions; knows nothing of documents, indexes or models.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from Stemmer import Stemmer

from ..types import Language

Span = tuple[int, int]  # start and end in a text

_WORD = re.compile(r"[^\W_]+")
_CAPITALS = re.compile(r"\b[A-Z]{2,}\b")
_DIACRITIC = re.compile("[\u0300-\u036f]+")

# Function words and the words questions are made of. They carry no subject, and dropping them from
# the keyword query took a search over 100,000 chunks from 115 to 9.8 ms (DESIGN.md).
_STOP_EN = frozenset(
    """
    a about after all also am an and any are as at be because been before being between both but by
    can could did do does doing during each for from further had has have having he her here him his
    how i if in into is it its itself just me more most my no nor not of off on once only or other
    our out over own s same she should so some such t than that the their them then there these they
    this those through to too under until up us very was we were what when where which while who
    whom why will with would you your
    """.split()
)
_STOP_VI = frozenset(
    """
    ai bao bị bởi các cái cần cho chưa có còn cũng của cứ đã đang đâu để đến đều do đó được gì hay
    hoặc khi không là lại làm lên loại mà mấy mỗi một nào này nên nếu ngoài ngay nhiêu như nhưng
    những nó ở ra rằng rất rồi sao sau sẽ tại tất thế thể theo thì trên trong trước từ và vào vẫn
    về vì việc với vừa
    """.split()
)

# A Vietnamese syllable once its diacritics are gone.
_SYLLABLE = re.compile(
    r"(?:ngh|ng|gh|gi|kh|nh|ph|qu|th|tr|ch|[bcdghklmnpqrstvx])?"
    r"(?:[aeiouy]|ai|ao|au|ay|eo|eu|ia|ie|ieu|iu|oa|oai|oay|oe|oi|oo|ua|uan|uay|ue|ui|uo|uoi|uou|uu|"
    r"uy|uye|uya|ye|yeu)(?:ng|nh|ch|[cmnpt])?"
)


def fold(text: str) -> str:
    """`text` in lower case without its diacritics, đ→d as well. The length may change."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFD", text.lower())
    return _DIACRITIC.sub("", decomposed).replace("đ", "d")


_STOP_VI_FOLDED = frozenset(map(fold, _STOP_VI))
_STOP = _STOP_EN | _STOP_VI
STOP_WORDS = _STOP_EN | _STOP_VI_FOLDED  # of both languages, without diacritics


def words(text: str) -> list[str]:
    """The words of `text` in lower case, in order, exactly as SQLite's `unicode61` cuts them."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


_english, _stemming = Stemmer("english", 0), threading.Lock()


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """An English word without its inflection, by Snowball's rules (Porter 2): "cancels" and
    "cancelled" are "cancel". What may be a Vietnamese syllable stays as it is, like all that has a
    diacritic or a digit."""
    if not (word.isascii() and word.isalpha()) or _SYLLABLE.fullmatch(word):
        return word
    with _stemming:  # its stemmers are not for two threads at once
        return str(_english.stemWord(word))


def stems(cut: Sequence[str]) -> list[str]:
    """The words, as `words` or `folded` gives them, without their inflections."""
    return list(map(stem, cut))


def terms(cut: Sequence[str]) -> list[str]:
    """What is indexed and matched: the words, and each two neighbours as one term, "a_b".

    A Vietnamese word is mostly two syllables, and a pair of them is far rarer than either. On XQuAD
    (dev half) pairs took BM25's part of the ranking from R@1 86.9 to 91.8 for Vietnamese typed
    without diacritics and English from 95.3 to 95.9.
    """
    return [*cut, *(f"{a}_{b}" for a, b in pairwise(cut))]


def folded(cut: Sequence[str]) -> list[str]:
    """The words, as `words` cuts them, without their diacritics."""
    return fold(" ".join(cut)).split()


def has_diacritics(text: str) -> bool:
    return fold(text) != text.lower()


def keywords(query: str) -> list[str]:
    """The distinct words of `query` that carry its subject, in order; all of them if none does."""
    return subject(query) or list(dict.fromkeys(words(query)))


def subject(query: str) -> list[str]:
    """The distinct words of `query` that carry its subject, in order.

    A query typed without diacritics may be Vietnamese, so it also loses the folded forms of the
    Vietnamese stop words, unless it reads as English. A stop word in capitals is none: AI, IT, WHO.
    """
    stop = _STOP
    if not has_diacritics(query):
        stop = _STOP_EN | _STOP_VI_FOLDED if detect(query) == "vi" else _STOP_EN
    if not query.isupper():
        stop = stop - {word.lower() for word in _CAPITALS.findall(query)}
    return [w for w in dict.fromkeys(words(query)) if w not in stop]


@lru_cache(maxsize=1024)
def detect(text: str) -> Language:
    """The language of a question, Vietnamese typed without diacritics included.

    Vietnamese letters decide; without any, function words do; without these, the shape of the
    words.
    """
    if any("\u1ea0" <= c <= "\u1ef9" or c in "ăĂđĐơƠưƯ" for c in text):
        return "vi"
    plain = words(text)
    if not plain:
        return "en"
    en = sum(w in _STOP_EN for w in plain)
    vi = sum(fold(w) in _STOP_VI_FOLDED for w in plain)
    if en != vi:
        return "vi" if vi > en else "en"
    shaped = sum(bool(_SYLLABLE.fullmatch(fold(w))) for w in plain)
    return "vi" if len(plain) > 1 and shaped >= 0.8 * len(plain) else "en"


@lru_cache(maxsize=1024)  # the sources are drawn again with each citation
def marks(text: str, query: str) -> tuple[Span, ...]:
    """The (start, end) offsets of the words of `text` that are keywords of `query`, in order."""
    wanted = set(keywords(query))
    if not has_diacritics(query):
        found = (m for m in _WORD.finditer(text) if fold(m.group()) in wanted)
    else:
        found = (m for m in _WORD.finditer(text) if m.group().lower() in wanted)
    spans: list[Span] = []
    for match in found:
        start, end = match.span()
        if spans and start == spans[-1][1] + 1 and not text[start - 1].isspace():
            spans[-1] = (spans[-1][0], end)  # "X-Accel-Buffering" is one mark, not three
        else:
            spans.append((start, end))
    return tuple(spans)
