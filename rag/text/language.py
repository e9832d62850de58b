"""Words of English and Vietnamese text: how they are cut, folded, weighed out and recognised.

Pure functions; knows nothing of documents, indexes or models.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from Stemmer import Stemmer

from ..types import Column, Language

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
STOP_WORDS = _STOP_EN | _STOP_VI_FOLDED  # of both languages, without diacritics
# Words that questions are made of too, though a search needs them.
_TELLING_VI = _STOP_VI | frozenset(
    """
    ạ bạn bằng cách chú chưa dùng giải giúp hả hỏi hơn hướng kiểu mình muốn nghĩa nhé nhỉ sánh ta
    thay thích tôi vậy với xem
    """.split()
)
_TELLING_VI_FOLDED = frozenset(map(fold, _TELLING_VI)) - {"a"}
# Words for what is to be done with a subject; the English ones without their inflections.
_TASKS = frozenset(
    """
    best better compar comparison describ differ distinguish exampl explain general give happen kind
    list mean name outlin say show sort summar summari summaris tell type versus vs
    """.split()
)
_TASKS_VI = _TELLING_VI | frozenset("bày biệt kê kể liệt nêu nói tả tắt tóm trình".split())
_COMPARES = re.compile(
    r"\b(?:compar\w+|versus|vs|differ\w*|distinguish|so sanh|khac (?:nhau|gi|biet))\b"
)
# What a word tells of its text's language that is no function word of it: a Vietnamese one by its
# marks, another by its shape. Chosen on the tuning half of tests/measured/mixed.json.
MARKED, FOREIGN = 0.5, 0.25
_VIETNAMESE = re.compile("[\u1ea0-\u1ef9ăđơư]")  # letters of no other language, misspelt or not
_QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"|«[^»]*»|`[^`]*`")
_SENTENCE_END = re.compile(r"(?<=[.!?…;:])\s+|\n+")


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

    An English question keeps the Vietnamese stop words that a name in it may have. A Vietnamese one
    typed without diacritics loses their folded forms. A stop word in capitals is none: AI, IT, WHO.
    """
    stop = stop_words(query)
    if not query.isupper():
        stop = stop - {word.lower() for word in _CAPITALS.findall(query)}
    return [w for w in dict.fromkeys(words(query)) if w not in stop]


def topics(query: str) -> list[str]:
    """The words of `subject` that are not about what to do with it ("compare"), as written."""
    cut = _WORD.findall(unicodedata.normalize("NFKC", query))
    written = {word.lower(): word for word in reversed(cut)}
    tasks = _TASKS_VI if detect(query) == "vi" else _TASKS
    return [written.get(w, w) for w in subject(query) if stem(w) not in tasks]


def compares(query: str) -> bool:
    """Whether two things are to be told apart: who lacks one of them has half an answer."""
    return _COMPARES.search(fold(query)) is not None


def stop_words(query: str) -> frozenset[str]:
    """The function words of the language of `query`, as it is typed."""
    if detect(query) == "en":
        return _STOP_EN
    return _STOP_EN | (_STOP_VI if has_diacritics(query) else _STOP_VI_FOLDED)


def column(query: str) -> Column:
    """The form of a document's words that `query` is compared with. English writes names with their
    marks or without; in Vietnamese other marks are another word, for whoever types them."""
    return "exact" if has_diacritics(query) and detect(query) == "vi" else "folded"


@lru_cache(maxsize=1024)
def detect(text: str) -> Language:
    """The language of a question, Vietnamese typed without diacritics included.

    The function words of each language decide, and the other words by how surely they are of one:
    a Vietnamese letter, if not in a name; a shape that no Vietnamese syllable has. Where there is
    nothing of these, the shape of all words does. What is quoted is not asked.
    """
    written = _WORD.findall(unicodedata.normalize("NFKC", _QUOTED.sub(" ", text)))
    written = written or _WORD.findall(unicodedata.normalize("NFKC", text))
    if not written:
        return "en"
    en = vi = shaped = 0.0
    capitals = text.isupper()
    for place, word in enumerate(written):
        lower, plain = word.lower(), fold(word)
        marked = plain != lower
        fits = is_syllable(word) or _VIETNAMESE.search(lower) is not None
        shaped += fits
        if lower in _STOP_EN:
            en += 1
        elif not fits and word.isalpha():
            en += FOREIGN
        if word[0].isupper() and not capitals and (place or word[1:].isupper()):
            continue  # a name, "Minh", "AI" or "Đà Nẵng", is no sign of either
        if lower in (_TELLING_VI if marked else _TELLING_VI_FOLDED):
            vi += 1
        elif fits and marked:
            vi += MARKED
    if en != vi:
        return "vi" if vi > en else "en"
    return "vi" if len(written) > 1 and shaped >= 0.8 * len(written) else "en"


def is_syllable(word: str) -> bool:
    """Whether `word` has the shape of a Vietnamese one, with its marks or without, as all words of
    that language have."""
    return _SYLLABLE.fullmatch(fold(word)) is not None


@lru_cache(maxsize=1024)
def of_passage(text: str) -> Language:
    """The language of most words of a passage, each sentence being of one."""
    votes = Counter[Language]()
    for sentence in _SENTENCE_END.split(text):
        votes[detect(sentence)] += len(sentence.split())
    return "vi" if votes["vi"] > votes["en"] else "en"


@lru_cache(maxsize=1024)  # the sources are drawn again with each citation
def marks(text: str, query: str) -> tuple[Span, ...]:
    """The (start, end) offsets of the words of `text` that are keywords of `query`, in order."""
    form = fold if column(query) == "folded" else str.lower
    wanted = set(map(form, keywords(query)))
    found = (m for m in _WORD.finditer(text) if form(m.group()) in wanted)
    spans: list[Span] = []
    for match in found:
        start, end = match.span()
        if spans and start == spans[-1][1] + 1 and not text[start - 1].isspace():
            spans[-1] = (spans[-1][0], end)  # "X-Accel-Buffering" is one mark, not three
        else:
            spans.append((start, end))
    return tuple(spans)
