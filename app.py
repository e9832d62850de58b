"""The page: translates the events of an answer into chat messages. The only importer of gradio.

`python app.py` serves it; it has no logic of its own about documents or models.
"""

from __future__ import annotations

import hashlib
import html
import logging
import os
import sys
from asyncio import Task
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, assert_never

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from starlette.middleware import Middleware

from ingest.reading import Reading
from rag.answer import Answerer
from rag.errors import HeadwaterError
from rag.events import Event, Failed, Finished, Searching, SourcesFound, TextDelta, Waiting
from rag.http import Guard
from rag.language import detect
from rag.llm import Model
from rag.pacing import paced
from rag.settings import PROJECT, Settings, load_settings
from rag.types import Findings, Language, Options, Source, Turn

STREAMS = 200  # answers Gradio runs at once
EXAMPLES = [
    "X-Accel-Buffering dùng để làm gì?",
    "What does X-Accel-Buffering do?",
    "Bấm nút Dừng thì máy chủ mô hình có ngừng tính tiền không?",
    "How are BM25 and embeddings combined?",
]
EXCERPT = 220  # characters of a passage that are shown before it is unfolded
NOTE = "note"  # the id of a message that is about the answer and not part of it

_LANGUAGES: dict[str, Language | None] = {"Auto": None, "Tiếng Việt": "vi", "English": "en"}


class Screen:
    """What one turn shows so far, as chat messages; the only place where deltas accumulate."""

    def __init__(self, question: str, language: Language | None) -> None:
        self._language: Language = language or detect(question)
        self._status: gr.ChatMessage | None = None
        self._sources: gr.ChatMessage | None = None
        self._text = ""
        self._note: gr.ChatMessage | None = None

    def show(self, event: Event) -> list[gr.ChatMessage]:
        """The messages of the turn once `event` has come."""
        vi = self._language == "vi"
        self._status = None
        match event:
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
                self._note = _ending(event, vi)
            case Failed(sentence=sentence):
                self._note = _note(f"⚠️ {html.escape(sentence)}", "headwater-failed")
            case _:
                assert_never(event)
        answer = gr.ChatMessage(self._text) if self._text else None
        return [m for m in (self._sources, self._status, answer, self._note) if m is not None]


def _status(title: str) -> gr.ChatMessage:
    return gr.ChatMessage("", metadata={"title": title + "…", "status": "pending"})


def _note(content: str, css_class: str) -> gr.ChatMessage:
    return gr.ChatMessage(f'<div class="{css_class}">{content}</div>', metadata={"id": NOTE})


def _ending(event: Finished, vi: bool) -> gr.ChatMessage | None:
    """The quiet line under an answer: which limits it met, and that no model wrote it."""
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
        return None
    return _note(line, "headwater-quiet")


def _sources_message(findings: Findings, vi: bool) -> gr.ChatMessage:
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
        return gr.ChatMessage(
            content, metadata={"title": f"📚 {title} ({count})", "status": "done"}
        )
    return gr.ChatMessage(content, metadata={"title": f"📚 {title} ({count})"})


def _source(source: Source, vi: bool) -> str:
    """One source as HTML without blank lines, which would end Markdown's HTML block: a line that
    says where it is from and the best stretch of the passage, unfolding to the whole."""
    place = f"{'trang' if vi else 'p.'} {source.page}"
    start, end = _excerpt(source)
    excerpt = "… " * (start > 0) + _marked(source, start, end) + " …" * (end < len(source.text))
    return (
        '<details class="headwater-source"><summary>'
        f"<b>[{source.number}] {html.escape(source.title)}</b> "
        f"<span>{html.escape(source.document)} · {place} · {source.score:.2f}</span>"
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


class Page:
    """The chat page of one process over its library and its way of answering."""

    def __init__(self, settings: Settings, reading: Reading, answerer: Answerer) -> None:
        self._settings = settings
        self._reading = reading
        self._answerer = answerer
        self._tasks: defaultdict[str, set[Task[None]]] = defaultdict(set)

    async def chat(
        self,
        question: str,
        history: list[dict[str, Any]],
        language: str = "Auto",
        top_k: int | None = None,
        model: str = "",
        temperature: str = "",
        max_tokens: float | None = 0,
        instructions: str = "",
        request: gr.Request | None = None,
    ) -> AsyncGenerator[list[gr.ChatMessage]]:
        """Answers from the documents, sources first. `language` is Auto, Tiếng Việt or English;
        an empty model, temperature or 0 max_tokens leaves the choice to the model's server."""
        options = Options(
            language=_LANGUAGES.get(language),
            top_k=top_k,
            model=model.strip() or None,
            temperature=float(temperature) if temperature else None,
            max_tokens=int(max_tokens) if max_tokens and max_tokens > 0 else None,
            instructions=instructions,
        )
        screen = Screen(question, options.language)
        answer = self._answerer.answer(question, turns_of(history), options)
        tasks = self._tasks[(request and request.session_hash) or ""]
        async with aclosing(paced(answer, tasks)) as events:
            async for event in events:
                yield screen.show(event)

    async def leave(self, request: gr.Request) -> None:
        """A closed tab ends its answers, also those that wait for a silent model."""
        for task in self._tasks.pop(request.session_hash or "", set()):
            task.cancel()

    def shelf(self) -> tuple[str, gr.Timer]:
        """The sidebar's list of documents, and the timer that renews it while they are read."""
        return _shelf(self._reading), gr.Timer(active=self._reading.busy)

    def read_again(self) -> tuple[str, gr.Timer]:
        self._reading.again()
        return self.shelf()

    def build(self) -> gr.ChatInterface:
        has_model = self._settings.has_model
        demo = gr.ChatInterface(
            self.chat,
            title="Headwater",
            description="<center>Nguồn trước, câu trả lời sau · Sources first, then the stream"
            "</center>",
            chatbot=gr.Chatbot(
                show_label=False,
                height="calc(100dvh - 280px)",
                min_height=300,
                latex_delimiters=[],
                buttons=["copy"],
                placeholder="Hỏi bằng tiếng Việt hoặc tiếng Anh · Ask in Vietnamese or English",
                elem_id="headwater-chat",
            ),
            textbox=gr.Textbox(
                placeholder="Hỏi về tài liệu… · Ask about the documents…",
                show_label=False,
                autofocus=True,
                submit_btn=True,
                stop_btn=True,
                scale=7,
            ),
            examples=[[example] for example in EXAMPLES],
            cache_examples=False,
            editable=True,
            save_history=True,
            api_name="chat",
            concurrency_limit=STREAMS,
            show_progress="hidden",
            additional_inputs_accordion=gr.Accordion("Tùy chọn · Options", open=False),
            # No bounds on these: a value that Gradio itself refuses locks the text box.
            additional_inputs=[
                gr.Radio(
                    list(_LANGUAGES), value="Auto", label="Ngôn ngữ trả lời · Answer language"
                ),
                gr.Dropdown(
                    sorted({1, 3, 5, 8, 12, 20, self._settings.top_k}),
                    value=self._settings.top_k,
                    label="Số nguồn · Sources",
                ),
                gr.Textbox(
                    "",
                    label="Mô hình · Model",
                    placeholder=self._settings.openai_model,
                    visible=has_model,
                ),
                gr.Dropdown(
                    [("Theo mô hình · The model's own", ""), "0", "0.3", "0.7", "1", "1.5"],
                    value="",
                    label="Temperature",
                    visible=has_model,
                ),
                gr.Number(
                    0,
                    label="Độ dài tối đa (token) · Longest answer (tokens)",
                    info="0: không giới hạn · no limit",
                    precision=0,
                    visible=has_model,
                ),
                gr.Textbox(
                    "", label="Yêu cầu thêm · Extra instructions", lines=2, visible=has_model
                ),
            ],
        )
        demo.new_chat_button.value = "Trò chuyện mới · New chat"
        # Fixed, or saved conversations are lost at every restart. Both reach the browser: they
        # protect nothing.
        demo.saved_conversations.storage_key = "headwater-conversations"
        demo.saved_conversations.secret = hashlib.sha256(b"headwater").hexdigest()[:16]
        with demo:
            with gr.Sidebar(position="right", open=False, width=340):
                gr.Markdown("### Tài liệu · Documents")
                shelf = gr.HTML(padding=False)
                again = gr.Button("Đọc lại thư mục · Read the folder again", size="sm")
            timer = gr.Timer(1.0)
            private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
            demo.load(self.shelf, None, [shelf, timer], **private)
            timer.tick(self.shelf, None, [shelf, timer], **private)
            again.click(self.read_again, None, [shelf, timer], **private)
            demo.unload(self.leave)
        demo.queue(max_size=None)
        return demo


def _shelf(reading: Reading) -> str:
    rows = []
    if reading.error:
        sentence = html.escape(f"{reading.error.vi} · {reading.error.en}")
        rows.append(f'<div class="headwater-failed">⚠️ {sentence}</div>')
    if reading.busy and not reading.error:
        at = reading.progress
        rows.append(
            f'<progress max="{at.total or 1}" value="{at.done}"></progress>'
            f'<div class="headwater-quiet">Đang đọc · Reading {at.done}/{at.total or "…"} '
            f"{html.escape(at.detail)}</div>"
        )
    documents = reading.documents()
    for document in documents:
        rows.append(
            f'<div class="headwater-document"><b>{html.escape(document.title)}</b>'
            f"<span>{html.escape(document.name)}</span>"
            f"<span>{document.pages} trang · pages, {document.chunks} đoạn · chunks</span></div>"
        )
    for receipt in reading.failed:
        rows.append(
            f'<div class="headwater-failed"><b>{html.escape(receipt.name)}</b><br>'
            f"{html.escape(receipt.reason)}</div>"
        )
    if not documents and not reading.busy and not reading.error:
        rows.append(
            '<div class="headwater-quiet">Chưa có tài liệu. Đặt tệp .md, .txt, .html, .pdf vào thư '
            "mục data rồi bấm nút dưới. · No documents yet. Put .md, .txt, .html or .pdf files "
            "into the data folder, then press the button below.</div>"
        )
    return "\n".join(rows)


THEME = gr.themes.Soft(
    primary_hue="teal",
    neutral_hue="slate",
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "monospace"],
)


def serve(settings: Settings, reading: Reading, *, block: bool) -> gr.ChatInterface:
    """Serves the page over `reading`, with the model that the settings name or without one.

    Returns when the server has stopped, or at once if not `block`. Raises OSError if the port is
    taken.
    """
    model = Model(settings) if settings.has_model else None
    demo = Page(settings, reading, Answerer(reading.opening, model, settings.top_k)).build()
    demo.launch(
        server_port=settings.server_port,
        max_threads=STREAMS,
        app_kwargs={"middleware": [Middleware(Guard)]},
        theme=THEME,
        css_paths=PROJECT / "rag" / "page.css",
        footer_links=["settings"],
        ssr_mode=False,
        prevent_thread_lock=not block,
    )
    return demo


def main() -> int:
    """Reads the documents and serves the page until it is interrupted; 2 if it cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "httpx2", "openai", "sentence_transformers"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = load_settings()
        reading = Reading(settings)
        serve(settings, reading, block=True)
        reading.close()
    except (HeadwaterError, OSError) as exc:
        print(f"headwater: {exc}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
