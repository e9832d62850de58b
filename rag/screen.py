"""What one turn shows so far, as chat messages: plain dicts with Markdown and HTML in them.

The look of the sources panel and of every line about an answer. Knows events and no page.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict, assert_never

from . import pricing, summary
from .answer import MAX_QUESTION
from .events import Event, Failed, Finished, Queued, Searching, SourcesFound, TextDelta, Waiting
from .language import detect
from .types import Findings, Language, Source, Turn

EXCERPT = 220  # characters of a passage that are shown before it is unfolded
NOTE = "note"  # the id of a message that is about the answer and not part of it


class Metadata(TypedDict):
    """With a title a message is a block that folds; "pending" shows that it is being worked on."""

    title: NotRequired[str]
    status: NotRequired[Literal["pending", "done"]]
    id: NotRequired[str]


class Message(TypedDict):
    """A chat message as Gradio takes it. Only an answer's own words have empty metadata."""

    role: Literal["assistant"]
    content: str
    metadata: Metadata


class Screen:
    """What one turn shows so far, as chat messages; the only place where deltas accumulate."""

    def __init__(self, question: str, language: Language | None) -> None:
        self._language: Language = language or detect(question[:MAX_QUESTION])
        self._status: Message | None = None
        self._sources: Message | None = None
        self._text = ""
        self._note: Message | None = None

    def show(self, event: Event) -> list[Message]:
        """The messages of the turn once `event` has come."""
        vi = self._language == "vi"
        self._status = None
        match event:
            case Queued(place):
                searched = self._sources is not None
                self._status = _status(summary.queued(place, searched, self._language))
            case Waiting(done, total, detail):
                reading = "Đang đọc tài liệu" if vi else "Reading the documents"
                opening = "Đang mở thư viện" if vi else "Opening the library"
                how_far = f" {done}/{total} · {detail}" if total else ""
                self._status = _status((reading if total else opening) + how_far)
            case Searching():
                self._status = _status("Đang tìm trong tài liệu" if vi else "Searching")
            case SourcesFound(findings):
                self._sources = _sources_message(findings, vi)
                if findings.verdict != "refuse":
                    self._status = _status("Đang viết" if vi else "Writing")
            case TextDelta(text):
                self._text += text
            case Finished():
                self._note = _note(_ending(event, self._language), "headwater-quiet")
            case Failed(sentence=sentence, request_id=request):
                id_ = f' <span class="headwater-quiet">id {request}</span>'
                self._note = _note(f"⚠️ {html.escape(sentence)}{id_}", "headwater-failed")
            case _:
                assert_never(event)
        return self._messages()

    def stopped(self) -> list[Message]:
        """The messages once the reader has stopped the answer: what came so far stays."""
        self._status = None
        received = pricing.tokens(pricing.size(self._text))
        self._note = _note(summary.stopped(received, self._language), "headwater-quiet")
        return self._messages()

    def _messages(self) -> list[Message]:
        answer = _message(self._text) if self._text else None
        return [m for m in (self._sources, self._status, answer, self._note) if m is not None]


def _message(content: str, metadata: Metadata | None = None) -> Message:
    return {"role": "assistant", "content": content, "metadata": metadata or {}}


def _status(title: str) -> Message:
    return _message("", {"title": title + "…", "status": "pending"})


def _note(content: str, css_class: str) -> Message:
    return _message(f'<div class="{css_class}">{content}</div>', {"id": NOTE})


def _ending(event: Finished, language: Language) -> str:
    """The quiet line under an answer: which limits it met, that no model wrote it, and what it
    took."""
    vi = language == "vi"
    measured = " · ".join(html.escape(part) for part in summary.parts(event, language))
    if event.reason == "length":
        line = "Câu trả lời đã chạm giới hạn độ dài." if vi else "The answer met its length limit."
    elif event.reason == "content_filter":
        line = (
            "Bộ lọc của máy chủ mô hình đã dừng câu trả lời."
            if vi
            else "The model server's filter stopped the answer."
        )
    elif event.reason == "stop" and event.model is None:
        line = (
            "Chưa cấu hình mô hình: đây là các câu trích nguyên văn từ tài liệu. Đặt "
            "<code>OPENAI_API_KEY</code> hoặc <code>OPENAI_BASE_URL</code> để mô hình viết câu "
            "trả lời."
            if vi
            else "No model is configured: these sentences are quoted from the documents. Set "
            "<code>OPENAI_API_KEY</code> or <code>OPENAI_BASE_URL</code> and a model writes the "
            "answer."
        )
    else:
        return measured
    return f"{line}<br>{measured}"


def _sources_message(findings: Findings, vi: bool) -> Message:
    count = len(findings.sources)
    match findings.verdict:
        case "answer":
            title = "Nguồn" if vi else "Sources"
        case "weak":
            title = "Nguồn, khớp yếu" if vi else "Sources, weak matches"
        case "refuse":
            title = "Gần nhất, nhưng chưa đủ" if vi else "Nearest, but not enough"
    content = "\n".join(_source(source, vi) for source in findings.sources)
    if findings.verdict == "refuse":
        compared = (
            "Điểm cao nhất {:.2f}, cần {:.2f}." if vi else "Best score {:.2f}, needed {:.2f}."
        )
        compared = compared.format(findings.best_score, findings.threshold)
        content = f'<div class="headwater-quiet">{compared}</div>\n{content}'
        return _message(content, {"title": f"📚 {title} ({count})", "status": "done"})
    return _message(content, {"title": f"📚 {title} ({count})"})


def _source(source: Source, vi: bool) -> str:
    """One source as HTML without blank lines, which would end Markdown's HTML block: a line that
    says where it is from and the best stretch of the passage, unfolding to the whole."""
    name, title = (html.escape(" ".join(t.split())) for t in (source.document, source.title))
    place = f"{'trang' if vi else 'p.'} {source.page}"
    start, end = _excerpt(source)
    excerpt = "… " * (start > 0) + _marked(source, start, end) + " …" * (end < len(source.text))
    return (
        '<details class="headwater-source"><summary>'
        f"<b>[{source.number}] {title}</b> "
        f"<span>{name} · {place} · {source.score:.2f}</span>"
        f'<div class="headwater-excerpt">{excerpt}</div></summary>'
        f"<p>{_marked(source, 0, len(source.text))}</p></details>"
    )


def _excerpt(source: Source) -> tuple[int, int]:
    """The stretch of the passage, cut at spaces, that has the most of the question's words."""
    text = source.text
    if len(text) <= EXCERPT:
        return 0, len(text)
    starts = [0, *(max(0, start - 30) for start, _ in source.marks)]
    best = max(starts, key=lambda s: sum(s <= a and b <= s + EXCERPT for a, b in source.marks))
    start = text.find(" ", best) + 1 if best else 0
    end = text.rfind(" ", start, start + EXCERPT)
    return start, len(text) if start + EXCERPT >= len(text) or end <= start else end


def _marked(source: Source, start: int, end: int) -> str:
    """The stretch as escaped HTML on one line, the question's words marked."""
    pieces, at = [], start
    for a, b in source.marks:
        if start <= a and b <= end:
            pieces += [
                html.escape(source.text[at:a]),
                f"<mark>{html.escape(source.text[a:b])}</mark>",
            ]
            at = b
    pieces.append(html.escape(source.text[at:end]))
    return " ".join("".join(pieces).split())


def turns_of(history: Sequence[Any]) -> list[Turn]:
    """The earlier turns: questions with the words that answered them. Sources, states and notes
    are the messages with metadata.

    In the page a content is a list of parts, through gradio_client a plain string.
    """
    turns: list[Turn] = []
    for message in history:
        content = message["content"]
        if not isinstance(content, str):
            content = "".join(part.get("text", "") for part in content)
        if message["role"] == "user":
            turns.append(Turn(content, ""))
        elif turns and not message.get("metadata"):
            turns[-1] = Turn(turns[-1].question, content)
    return [turn for turn in turns if turn.answer]
