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
# Behind these a question is what is told of.
_TELLS = r"(?:biết|cho|xem|tính|đo|đếm|nói|ghi|để|tùy|báo|quyết định|xác định)"
_ASKS = re.compile(
    r"^\W*(?:question|title|câu hỏi|câu|tiêu đề)\W*:"
    r"|^\W*(?:what|who|which) (?:do|does|did|should|happens|happened)\b[^,;]*$"
    r"|^\W*(?:why|how|when|where) (?:is|are|was|were|do|does|did|can|could|should|will|would|many"
    r"|much|long|far|often)\b[^,;]*$"
    r"|^\W*(?:có đúng (?:là )?.*không|bao nhiêu|bao lâu|vì sao|tại sao|làm sao|làm thế nào)\b"
    r"[^,;]*$"
    rf"|^(?!.*\b{_TELLS}\b)[^,;]*(?:\b(?:bao nhiêu|bao lâu)\b|\b(?:là gì|(?:điều|cái|làm) gì"
    r"|thế nào|ra sao|khi nào|ở đâu|vì sao|tại sao)$|\b(?:có|nên) [^;,.\"“”]{1,80}(?<!hay) không$)",
    re.IGNORECASE,
)
_OFFERS = re.compile(
    r"\b(?:i will|i['’]ll|i can(?:not|['’]t)?|i am (?:sorry|unable)|i['’]m (?:sorry|unable)"
    r"|let me|let['’]s|xin lỗi|tôi (?:sẽ|không thể|có thể|xin|cần))\b"
    r"|^\W*(?:answer|summari[sz]e|translate|rewrite|(?:hãy )?(?:trả lời (?:bằng|câu hỏi)|tóm tắt"
    r"|dịch (?:các|đoạn|sang)|viết lại|lập bảng|tạo bảng|giải thích (?:bằng|cho)))\b",
    re.IGNORECASE,
)
# What is asked of an answer: its form, or the passage as such.
_INSTRUCTS = re.compile(
    r"^\W*(?:please |to |now |first,? )?(?:describe|explain|compare|identify|summari[sz]e|fill"
    r"|make)\b.*\b(?:(?:this|the) (?:passage|text|table)|table structure|columns)\b"
    r"|^\W*(?:hãy |để )?(?:nêu|kể|liệt kê|đổi|chuyển|điền|đưa|mô tả|phân tích|so sánh|lập|tạo|viết)"
    r"\b.*\b(?:đoạn (?:văn|này|trích)|bảng|cột|ví dụ)\b"
    r"|\b(?:the (?:first|second|other) column|table structure|two columns|bảng so sánh|hai cột)\b",
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


# Its number in a list, and a bold label in front of a colon: they claim nothing of their own.
_NUMBERED = re.compile(
    r"\s*(?:\(?\d{1,2}[.)]|[-*•])\s+|\s*(?:step|bước|phần|part) \d{1,2}\s*:\s*", re.I
)
_LABELLED = re.compile(r"\s*\*\*[^*:]{1,60}(?::\*\*|\*\*:)\s+(?=\S)")
LABEL = 4  # words of one


def claimed(sentence: str) -> str:
    """What `sentence` claims, without “The passage says that”, a number or a label in front."""
    sentence = _NUMBERED.sub("", sentence, count=1) if _NUMBERED.match(sentence) else sentence
    label = _LABELLED.match(sentence)
    if label and len(words(label[0])) <= LABEL and words(sentence[label.end() :]):
        sentence = sentence[label.end() :]
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
        or any(
            form.search(said) is not None
            for form in (_INTRODUCES, _ASKS, _OFFERS, _INSTRUCTS, _LACKS)
        )
    )
