"""The lines under an answer, in words: what it took, what it cost, what was not confirmed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..events import CitationChecked, Finished, FinishReason
from ..types import Fit, Language, Outcome


def parts(event: Finished, language: Language) -> list[str]:
    """What was measured, one short phrase each; what is not known is left out."""
    vi = language == "vi"
    told = []
    if event.search_seconds is not None:
        told.append(f"{'tìm' if vi else 'search'} {_milliseconds(event.search_seconds, vi)}")
    if event.first_token_seconds is not None:
        first = _milliseconds(event.first_token_seconds, vi)
        told.append(f"{'chữ đầu' if vi else 'first word'} {first}")
    if event.tokens_per_second is not None:
        told.append(f"{event.tokens_per_second:.0f} {'token/giây' if vi else 'tokens/s'}")
    usage = event.usage
    if usage and event.rewriting:
        usage += event.rewriting
    if usage is not None:
        about = ("khoảng " if vi else "about ") if usage.estimated else ""
        words = ("token vào", "ra") if vi else ("tokens in", "out")
        thought = "suy nghĩ" if vi else "thinking"
        among = f" ({usage.thinking_tokens} {thought})" if usage.thinking_tokens else ""
        out = f"{usage.output_tokens} {words[1]}{among}"
        told.append(f"{about}{usage.input_tokens} {words[0]}, {out}")
    if event.price is not None:
        told.append(_decimal(f"${event.price:.4f}" if event.price >= 0.0001 else "< $0.0001", vi))
    if event.dropped:
        citations = "trích dẫn" if vi else "citation" if event.dropped == 1 else "citations"
        removed = "không có nguồn đã bỏ" if vi else "without a source removed"
        told.append(f"{event.dropped} {citations} {removed}")
    if event.uncited:
        named = "câu không nêu nguồn" if vi else "sentence" if event.uncited == 1 else "sentences"
        told.append(f"{event.uncited} {named}" + ("" if vi else " without a source"))
    if event.cached:
        told.append("từ bộ nhớ đệm" if vi else "cached")
    return [*told, f"id {event.request_id}"]


# Above what the model's server itself says of a failure.
WORDS: Mapping[Language, str] = {
    "en": "The server's own words",
    "vi": "Lời của chính máy chủ",
}
_MET: Mapping[FinishReason, Mapping[Language, str]] = {
    "length": {
        "en": "The answer met its length limit.",
        "vi": "Câu trả lời đã chạm giới hạn độ dài.",
    },
    "content_filter": {
        "en": "The model server's filter stopped the answer.",
        "vi": "Bộ lọc của máy chủ mô hình đã dừng câu trả lời.",
    },
    "tool_calls": {
        "en": "The model then wished to call a tool; there are none here. The answer may lack "
        "something.",
        "vi": "Sau đó mô hình muốn gọi một công cụ, mà ở đây không có. Câu trả lời có thể chưa đủ.",
    },
    "other": {
        "en": "The model's server ended the answer and gives “{word}” as the reason: it may lack "
        "something.",
        "vi": "Máy chủ mô hình đã dừng câu trả lời và nêu lý do “{word}”: câu trả lời có thể chưa "
        "đủ.",
    },
}


def met(event: Finished, language: Language) -> str:
    """On what ended the answer before the model did, and on what the model did not get to see; ""
    if nothing."""
    said = _MET.get(event.reason)
    ended = said[language].format(word=event.word) if said else ""
    cut = _CUT[language].format(limit=event.cut_at) if event.cut_at else ""
    return " ".join(filter(None, (ended, _fitted(event.fit, language), cut)))


_CUT: Mapping[Language, str] = {
    "en": "The model's server has probably cut the prompt at {limit} tokens, so that the answer "
    "may lack something. Ollama does so without a word: raise its OLLAMA_CONTEXT_LENGTH, or set "
    "HEADWATER_MODEL_CONTEXT={limit} and the prompt is made to fit.",
    "vi": "Máy chủ mô hình có lẽ đã cắt lời nhắc ở {limit} token, nên câu trả lời có thể chưa đủ. "
    "Ollama làm vậy mà không báo: hãy tăng OLLAMA_CONTEXT_LENGTH, hoặc đặt "
    "HEADWATER_MODEL_CONTEXT={limit} để lời nhắc được rút gọn cho vừa.",
}


def _fitted(fit: Fit | None, language: Language) -> str:
    """What of sources and turns was sent where not all fitted."""
    if fit is None:
        return ""
    vi = language == "vi"
    told = []
    if fit.sources < fit.of_sources:
        named = "nguồn" if vi else "sources"
        of = "trên" if vi else "of"
        told.append(f"{fit.sources} {of} {fit.of_sources} {named}")
    if fit.turns < fit.of_turns:
        told.append(
            f"{fit.turns} trên {fit.of_turns} lượt trước"
            if vi
            else f"{fit.turns} of {fit.of_turns} earlier turns"
        )
    if vi:
        return f"{' và '.join(told)} vừa ngữ cảnh của mô hình."
    return f"{' and '.join(told)} fitted the model's context."


def stopped(tokens: int, language: Language) -> str:
    """Said under an answer that its reader stopped."""
    if language == "vi":
        return f"Đã dừng · đã nhận khoảng {tokens} token." if tokens else "Đã dừng."
    return f"Stopped · about {tokens} tokens received." if tokens else "Stopped."


def thinking(seconds: float, language: Language, *, over: bool) -> str:
    """Of a model that thinks before it answers, or that has thought."""
    if language == "vi":
        return f"Đã suy nghĩ {seconds:.0f} giây" if over else f"Đang suy nghĩ… {seconds:.0f} giây"
    return f"Thought for {seconds:.0f} s" if over else f"Thinking… {seconds:.0f} s"


def queued(place: int, searched: bool, language: Language) -> str:
    """Said while others are answered first."""
    if language == "vi":
        return f"Đang chờ {'mô hình' if searched else 'đến lượt'}, vị trí {place}"
    return f"Waiting for {'the model' if searched else 'a turn'}, {place} in line"


def _milliseconds(seconds: float, vi: bool) -> str:
    return _decimal(f"{seconds:.1f} s", vi) if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _decimal(number: str, vi: bool) -> str:
    return number.replace(".", ",") if vi else number


_DOUBTS: Mapping[Outcome, str] = {
    "unconfirmed": "Not confirmed by the passage that is cited: {}. Check it.",
    "unclear": "Could not be checked against the passage that is cited: {}.",
}


def doubts(citations: Sequence[CitationChecked]) -> Iterator[str]:
    """A sentence for each kind of citations that was not confirmed."""
    for outcome, sentence in _DOUBTS.items():
        numbers = sorted({c.number for c in citations if c.outcome == outcome})
        if numbers:
            yield sentence.format("".join(f"[{number}]" for number in numbers))
