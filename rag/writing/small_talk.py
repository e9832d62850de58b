"""Answers greetings, thanks and goodbyes, which are no questions about documents. Pure."""

from __future__ import annotations

from ..text.language import fold, words
from ..types import Language

_SAID = {
    "greeting": """hi; hello; hey; hi there; hello there; hey there; good morning; good afternoon;
        good evening; xin chao; chao; chao ban; xin chao ban; chao em; chao anh; chao chi; alo;
        hello ban; hi ban; chao buoi sang; chao buoi chieu; chao buoi toi""",
    "thanks": """thanks; thank you; thank you very much; thanks a lot; many thanks; great thanks;
        ok thanks; cam on; cam on ban; cam on nhieu; cam on ban nhieu; xin cam on; ok cam on;
        cam on nhe; cam on ban nhe; cam on rat nhieu; cam on ban rat nhieu""",
    "goodbye": """bye; goodbye; bye bye; see you; good night; tam biet; hen gap lai; chao tam biet;
        bye nhe; chuc ngu ngon""",
}
_KIND = {said.strip(): kind for kind, line in _SAID.items() for said in line.split(";")}
_KIND = {" ".join(said.split()): kind for said, kind in _KIND.items()}
_REPLY: dict[tuple[str, Language], str] = {
    ("greeting", "en"): "Hello! Ask me something about the documents.",
    ("greeting", "vi"): "Xin chào! Bạn hãy hỏi một điều về các tài liệu.",
    ("thanks", "en"): "You are welcome! Ask on whenever you like.",
    ("thanks", "vi"): "Không có gì! Bạn cứ hỏi tiếp nhé.",
    ("goodbye", "en"): "Goodbye! The documents will be here.",
    ("goodbye", "vi"): "Tạm biệt! Tài liệu vẫn ở đây.",
}


def reply(text: str, language: Language) -> str | None:
    """A short friendly line if `text` is nothing but a greeting, thanks or a goodbye."""
    kind = _KIND.get(fold(" ".join(words(text))))
    return kind and _REPLY[kind, language]
