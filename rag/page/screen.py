"""What one turn shows so far, as chat messages: plain dicts with Markdown and HTML in them.

The look of every line about an answer. Knows events and no page.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NotRequired, TypedDict, assert_never

from ..events import (
    CitationChecked,
    Event,
    Failed,
    Finished,
    Queued,
    Searching,
    SourcesFound,
    Started,
    TextDelta,
    Thinking,
    Waiting,
    WithoutDocuments,
)
from ..text import markdown, summary, tokens, verdict
from ..text.inert import as_written, inert
from ..types import Language, Outcome, Quote, Turn
from . import panel

NOTE = "note"  # the id of a message that is about the answer and not part of it

_ALONE: dict[Language, str] = {
    "en": "Without the documents:",
    "vi": "Không dùng tài liệu:",
}
_OFFER: dict[Language, str] = {
    "en": "Ask the model, without the documents",
    "vi": "Hỏi mô hình, không dùng tài liệu",
}
_OWN_KNOWLEDGE: dict[Language, str] = {
    "en": "⚠️ Not from your documents: the model answers from its own knowledge, and nobody has "
    "checked it.",
    "vi": "⚠️ Không phải từ tài liệu của bạn: mô hình trả lời theo hiểu biết riêng, chưa được kiểm "
    "chứng.",
}
# What a check that did not confirm a sentence puts behind its marker, and what that means.
_MARKS: dict[Outcome, str] = {"unconfirmed": " ⚠", "unclear": " ?"}
_HINTS: dict[Outcome, dict[Language, str]] = {
    "unconfirmed": {
        "en": "Not confirmed: the passage does not clearly say this. Check it.",
        "vi": "Chưa xác nhận được: đoạn trích không nói rõ điều này. Hãy kiểm tra.",
    },
    "unclear": {
        "en": "Could not be checked: it is not clear whether the passage says this.",
        "vi": "Không kiểm tra được: không rõ đoạn trích có nói điều này hay không.",
    },
}
_ADDED: dict[Language, str] = {
    "en": "The answer names no source here; the passage says the same.",
    "vi": "Câu trả lời không nêu nguồn ở đây; đoạn trích nói điều tương tự.",
}
_UNCHECKED: dict[Language, str] = {
    "en": "This answer names no source: nothing in it is confirmed.",
    "vi": "Câu trả lời này không nêu nguồn nào: chưa có gì được xác nhận.",
}
_PLACE = re.compile("\ue000([0-9]+)\ue001")  # of a checked marker in the text, by its order
_NO_PLACE = str.maketrans("\ue000\ue001", "\ufffd\ufffd")
_LINK = re.compile(r"\[\\\[(\d+)\\\](?: [⚠?])?\]\(#source-\d+(?: \"[^\"]*\")?\)")
_ADDED_LINK = re.compile(r" \[\\\[\d+\\\] ⁺\]\(#source-\d+ \"[^\"]*\"\)")


class Option(TypedDict):
    """A question that is asked when its label is pressed."""

    label: str
    value: str


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
    options: NotRequired[list[Option]]


class Screen:
    """What one turn shows so far, as chat messages; the only place where deltas accumulate."""

    def __init__(
        self,
        question: str,
        *,
        has_model: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """With a model, a refusal offers to ask it without the documents."""
        self._clock = clock
        self._thought = ""
        self._thinking: tuple[float, float] | None = None  # since when, until when
        self._language: Language = "en"
        self._question = question
        self._has_model = has_model
        self._status: Message | None = None
        self._found: SourcesFound | None = None
        self._alone = False  # without documents
        self._text = ""
        self._citations: list[CitationChecked] = []
        self._sources: Message | None = None
        self._note: Message | None = None

    def show(self, event: Event) -> list[Message]:
        """The messages of the turn once `event` has come."""
        self._status = None
        vi = self._language == "vi"
        match event:
            case Started(language):
                self._language = language
            case Queued(place):
                searched = self._found is not None or self._alone
                self._status = _status(summary.queued(place, searched, self._language))
            case Waiting(done, total, detail):
                reading = "Đang đọc tài liệu" if vi else "Reading the documents"
                opening = "Đang mở thư viện" if vi else "Opening the library"
                how_far = (
                    f" {done}/{total} · {markdown.escape(markdown.line(detail))}" if total else ""
                )
                self._status = _status((reading if total else opening) + how_far)
            case Searching():
                self._status = _status("Đang tìm trong tài liệu" if vi else "Searching")
            case SourcesFound(findings):
                self._found = event
                self._sources = self._panel()
                if findings.verdict != "refuse":
                    self._status = _status("Đang viết" if vi else "Writing")
            case WithoutDocuments():
                self._alone = True
                self._status = _status("Đang viết" if vi else "Writing")
            case Thinking(text, so_far):
                if so_far:
                    self._thought += self._text
                    self._text = ""
                    self._citations.clear()
                    self._sources = self._panel()
                now = self._clock()
                self._thought += text
                self._thinking = (self._thinking or (now, now))[0], now
            case TextDelta(text):
                self._text += text
            case CitationChecked():
                self._citations.append(event)
                self._sources = self._panel()
            case Finished():
                self._sources = self._panel(complete=True)
                if event.reason != "small_talk":
                    ending = _ending(event, self._language)
                    outcomes = {citation.outcome for citation in self._citations}
                    lines = [
                        f"{mark.strip()} {_HINTS[outcome][self._language]}<br>"
                        for outcome, mark in _MARKS.items()
                        if outcome in outcomes
                    ]
                    if event.uncited and not self._citations:
                        lines.append(f"⚠ {_UNCHECKED[self._language]}<br>")
                    if any(citation.added for citation in self._citations):
                        lines.append(f"[n] ⁺ {_ADDED[self._language]}<br>")
                    ending = "".join([*lines, ending])
                    self._note = _note(ending, "headwater-quiet")
                if event.reason == "refused" and self._has_model and self._note:
                    alone = f"{_ALONE[self._language]} {self._question.strip()}"
                    self._note["options"] = [{"label": _OFFER[self._language], "value": alone}]
            case Failed(sentence=sentence, request_id=request):
                id_ = f' <span class="headwater-quiet">id {request}</span>'
                words = _folded(event.detail, self._language)
                self._note = _note(f"⚠️ {html.escape(sentence)}{id_}{words}", "headwater-failed")
            case _:
                assert_never(event)
        return self._messages()

    def stopped(self) -> list[Message]:
        """The messages once the reader has stopped the answer: what came so far stays."""
        self._status = None
        received = tokens.count(tokens.size(self._text))
        self._note = _note(summary.stopped(received, self._language), "headwater-quiet")
        return self._messages()

    def _messages(self) -> list[Message]:
        shown = [
            *(self._sources, self._warning(), self._status),
            *(self._thoughts(), self._answer(), self._note),
        ]
        return [message for message in shown if message is not None]

    def _panel(self, *, complete: bool = False) -> Message | None:
        """The sources; not for every piece of text, because their HTML is long."""
        if self._found is None:
            return None
        findings, vi = self._found.findings, self._language == "vi"
        cited: dict[int, Quote | None] = {}
        for citation in self._citations:
            cited[citation.number] = cited.get(citation.number) or citation.quote
        begun = findings.verdict == "weak" and not self._has_model  # its quotes begin with it
        content = panel.content(
            findings,
            vi,
            rewritten=self._found.rewritten,
            cited=cited,
            complete=complete,
            fit="" if begun else verdict.said(findings, self._language),
        )
        metadata: Metadata = {"title": panel.title(findings, vi)}
        if findings.verdict == "refuse":
            metadata["status"] = "done"  # folded
        return _message(content, metadata)

    def _warning(self) -> Message | None:
        return _note(_OWN_KNOWLEDGE[self._language], "headwater-failed") if self._alone else None

    def _thoughts(self) -> Message | None:
        """What the model thinks, folded: its title says for how long."""
        if self._thinking is None:
            return None
        since, until = self._thinking
        over = bool(self._text or self._note)
        title = summary.thinking(until - since, self._language, over=over)
        return _message(inert(self._thought), {"title": title, "status": "done"})

    def _answer(self) -> Message | None:
        if not self._text:
            return None
        return _message(_linked(self._text, self._citations, self._language == "vi"))


def _message(content: str, metadata: Metadata | None = None) -> Message:
    return {"role": "assistant", "content": content, "metadata": metadata or {}}


def _status(title: str) -> Message:
    return _message("", {"title": title + "…", "status": "pending"})


def _note(content: str, css_class: str) -> Message:
    return _message(f'<div class="{css_class}">{content}</div>', {"id": NOTE})


def _folded(detail: str, language: Language) -> str:
    """What the model's server itself says of a failure."""
    if not detail:
        return ""
    title = summary.WORDS[language]
    return f"<details><summary>{title}</summary>{html.escape(detail)}</details>"


def _ending(event: Finished, language: Language) -> str:
    """The quiet line under an answer: which limits it met, that no model wrote it, and what it
    took."""
    vi = language == "vi"
    measured = " · ".join(html.escape(part) for part in summary.parts(event, language))
    line = html.escape(summary.met(event, language))
    if event.reason == "stop" and event.model is None:
        line = (
            "Chưa cấu hình mô hình: đây là các câu trích nguyên văn từ tài liệu. Đặt "
            "<code>OPENAI_API_KEY</code> hoặc <code>OPENAI_BASE_URL</code> để mô hình viết câu "
            "trả lời."
            if vi
            else "No model is configured: these sentences are quoted from the documents. Set "
            "<code>OPENAI_API_KEY</code> or <code>OPENAI_BASE_URL</code> and a model writes the "
            "answer."
        )
    return f"{line}<br>{measured}" if line else measured


def _linked(text: str, citations: Sequence[CitationChecked], vi: bool) -> str:
    """The text with each checked marker as a link to its source, which page.js opens."""
    language: Language = "vi" if vi else "en"
    plain, at = text.translate(_NO_PLACE), 0
    pieces: list[str] = []
    links: list[str] = []
    for citation in sorted(citations, key=lambda c: c.start):
        mark = " ⁺" if citation.added else _MARKS.get(citation.outcome, "")
        hints = _ADDED if citation.added else _HINTS.get(citation.outcome)
        hint = f' "{hints[language]}"' if mark and hints else ""
        space = " " if citation.added else ""
        pieces.append(f"{plain[at : citation.start]}{space}\ue000{len(links)}\ue001")
        links.append(f"[\\[{citation.number}\\]{mark}](#source-{citation.number}{hint})")
        at = citation.start + (0 if citation.added else len(f"[{citation.number}]"))
    shown = inert("".join([*pieces, plain[at:]]))
    return _PLACE.sub(lambda place: links[int(place[1])], shown)


def without_documents(question: str) -> str | None:
    """What is asked in a question that its reader wants answered by the model alone: it begins with
    the words that the refusal offers."""
    for words in _ALONE.values():
        if question.startswith(words):
            return question.removeprefix(words).strip()
    return None


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
            turns.append(Turn(without_documents(content) or content, ""))
        elif turns and not message.get("metadata"):
            answer = _LINK.sub(r"[\1]", _ADDED_LINK.sub("", content))
            turns[-1] = Turn(turns[-1].question, as_written(answer))
    return [turn for turn in turns if turn.answer]
