"""Tells what of an answer claims something: introductions, questions, headings, offers and refusals
do not, and no passage could support them. Pure; knows no passage."""

from __future__ import annotations

import re

from ..text.language import words

# Fewer words and no number are a heading or a label.
FEW_WORDS = 4

_CLOSING = " \t*_\"”’'»)`"
_INTRODUCES = re.compile(
    r"^(?:here (?:is|are)|here['’]s|dưới đây là|sau đây là)\b\D*$"
    r"|\b(?:as follows|(?:the|these) following(?: \w+){0,2}|like this|dưới đây|sau đây|như sau"
    r"|(?:một số|các|những|hai|ba|bốn) (?:\w+ ){1,3}sau)$",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"^\W*(?:question|câu hỏi|câu)\W*:"
    r"|^\W*(?:có đúng (?:là )?.*không|bao nhiêu|bao lâu|vì sao|tại sao|làm sao|làm thế nào)\b"
    r"|\b(?:là gì|thế nào|bao nhiêu|bao lâu|khi nào|ở đâu|vì sao|tại sao"
    r"|(?:có|nên) [^;,.\"“”]{1,80}(?<!hay) không)$",
    re.IGNORECASE,
)
_OFFERS = re.compile(
    r"\b(?:i will|i['’]ll|i can(?:not|['’]t)?|i am (?:sorry|unable)|i['’]m (?:sorry|unable)"
    r"|let me|let['’]s|xin lỗi|tôi (?:sẽ|không thể|có thể|xin|cần))\b"
    r"|^\W*(?:answer|summari[sz]e|translate|rewrite|(?:hãy )?(?:trả lời (?:bằng|câu hỏi)|tóm tắt"
    r"|dịch (?:các|đoạn|sang)|viết lại|lập bảng|tạo bảng|giải thích (?:bằng|cho)))\b",
    re.IGNORECASE,
)
_DOCUMENT = r"(?:passages?|documents?|texts?|sources?|context|excerpts?)"
_SAYS = "say|state|mention|provide|contain|specify|include|give|tell|explain|describe|answer"
_LACKS = re.compile(
    rf"^(?:\w+, )?(?:the|this|these) (?:\w+ )?{_DOCUMENT} (?:do|does|did)(?: not|n['’]t) (?:\w+ )?"
    rf"(?:{_SAYS})\b"
    rf"|\b(?:not|n['’]t) (?:\w+ )?(?:mentioned|stated|specified|provided|given|found) in"
    rf" (?:the|this|these) (?:\w+ )?{_DOCUMENT}\b"
    r"|^(?:\w+, )?(?:các |trong )?(?:đoạn(?: văn| trích)?|tài liệu|văn bản|nguồn|bài)(?: này)?,? "
    r"(?:không|chưa) (?:hề )?(?:nói|nêu|đề cập|cung cấp|cho biết|ghi|trả lời|có thông tin)\b",
    re.IGNORECASE,
)


# What is said before a claim, of where it is from.
_ANNOUNCED = re.compile(
    r"\s*(?:\*\*)?(?:the answer is|answer|đáp án(?: là)?|trả lời)(?:\*\*)?\s*:\s*"
    rf"|\s*(?:the|this) {_DOCUMENT}(?: also)? (?:states?|says?|mentions?|notes?|explains?"
    r"|describes?|discusses)(?: that)?,? "
    r"|\s*(?:đoạn(?: văn| trích)?|tài liệu|văn bản|nguồn|bài)(?: này)?(?: cũng)? (?:nói|nêu"
    r"|cho biết|đề cập|viết)(?: rằng)?,? ",
    re.IGNORECASE,
)


def claimed(sentence: str) -> str:
    """`sentence` without “The passage says that” in front."""
    announced = _ANNOUNCED.match(sentence)
    return sentence[announced.end() :] if announced else sentence


def claims_nothing(sentence: str) -> bool:
    """Whether `sentence` says nothing that could be wrong."""
    bare = sentence.strip().rstrip(_CLOSING)
    cut = words(bare)
    named = not any(map(str.isdigit, bare)) and (len(cut) < FEW_WORDS or bare.isupper())
    said = bare.rstrip(".!…:" + _CLOSING)
    return (
        not any(len(word) > 1 for word in cut)
        or named
        or bare.endswith(("?", ":"))
        or bare.startswith("#")
        or any(form.search(said) is not None for form in (_INTRODUCES, _ASKS, _OFFERS, _LACKS))
    )
