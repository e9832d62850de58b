"""The page: translates the events of an answer into chat messages. The only importer of gradio.

`python app.py` serves it; it has no logic of its own about documents or models.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import os
import sys
from asyncio import Task
from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from types import SimpleNamespace
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from ingest import readers, sync
from ingest.background import Reading
from rag.answer import Answerer
from rag.assembly import assemble
from rag.documents.routes import Originals, documents
from rag.doors.access import user_of
from rag.doors.mcp_api import McpDoor
from rag.doors.probes import probes
from rag.doors.routes import doors, exception_handlers, gate
from rag.errors import HeadwaterError
from rag.events import Failed, Finished
from rag.page import sidebar as shelf
from rag.page.hang_up import HangUp
from rag.page.screen import Message, Screen, turns_of, without_documents
from rag.serving.metrics import Metrics
from rag.serving.pacing import paced
from rag.serving.request_id import log_to_stderr
from rag.settings import PROJECT, Settings, load_settings
from rag.types import Language, Options

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Gradio reads its port when it is imported, and fails with a traceback where our settings have a
# sentence.
_port = os.environ.pop("GRADIO_SERVER_PORT", None)
# It looks for matplotlib twice at every update; where that is not installed, 64 µs.
sys.modules.setdefault("matplotlib", None)  # type: ignore[arg-type]
import gradio as gr  # noqa: E402
from gradio.route_utils import CustomCORSMiddleware  # noqa: E402

if _port is not None:
    os.environ["GRADIO_SERVER_PORT"] = _port

CLOSED = 50  # closed tabs whose turns are kept: a laptop that wakes up comes back with its session
REFUSALS = 100  # further questions that Gradio runs beside those answered and waiting
EXAMPLES = [
    "X-Accel-Buffering dùng để làm gì?",
    "What does X-Accel-Buffering do?",
    "Bấm nút Dừng thì máy chủ mô hình có ngừng tính tiền không?",
    "How are BM25 and embeddings combined?",
]
_LANGUAGES: dict[str, Language | None] = {"Auto": None, "Tiếng Việt": "vi", "English": "en"}


class Page:
    """The chat page of one process over its library and its way of answering."""

    def __init__(self, settings: Settings, reading: Reading, answerer: Answerer) -> None:
        self._settings = settings
        self._reading = reading
        self._answerer = answerer
        self._tasks: defaultdict[str, set[Task[None]]] = defaultdict(set)
        self._retrying: set[str] = set()  # sessions that ask for another answer
        self._closed: OrderedDict[str, None] = OrderedDict()  # sessions, the last one used last
        # What this process can have at once; beyond it Gradio's own queue would wait in silence.
        self.at_once = settings.max_streams + settings.max_waiting + REFUSALS
        self.demo = self._build()

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
    ) -> AsyncGenerator[list[Message]]:
        """Answers from the documents, sources first. `language` is Auto, Tiếng Việt or English;
        an empty model, temperature or 0 max_tokens leaves the choice to the model's server."""
        session = (request and request.session_hash) or ""
        alone = without_documents(question)
        options = Options(
            language=_LANGUAGES.get(language),
            top_k=top_k,
            model=model.strip() or None,
            temperature=float(temperature) if temperature else None,
            max_tokens=int(max_tokens) if max_tokens and max_tokens > 0 else None,
            instructions=instructions,
            fresh=session in self._retrying,
            documents=alone is None,
        )
        self._retrying.discard(session)
        screen = Screen(question, options.language, has_model=self._settings.has_model)
        answer = self._answerer.answer(
            alone or question,
            turns_of(history),
            options,
            user_of(request.request.scope) if request and request.request else None,
        )
        ended = False
        try:
            async with aclosing(paced(answer, self._tasks[session])) as events:
                async for event in events:
                    ended = isinstance(event, Finished | Failed)
                    yield screen.show(event)
            if not ended:
                yield screen.stopped()
        finally:
            if not self._tasks.get(session):
                self._tasks.pop(session, None)
            self._trim(session)
            if session in self._closed:  # it came back
                self._closed.move_to_end(session)

    def hang_up(self, session: str) -> None:
        """Ends the session's answers, also those that wait for a silent model."""
        for task in self._tasks.get(session, set()):
            if not task.cancelling():  # a closed tab is noticed twice
                task.cancel()

    async def stop(self, request: gr.Request) -> None:
        self.hang_up(request.session_hash or "")

    async def retry(self, request: gr.Request) -> None:
        """Retry wants another answer than the one that may be kept."""
        self._retrying.add(request.session_hash or "")

    async def leave(self, request: gr.Request) -> None:
        self.close(request.session_hash or "")

    def close(self, session: str) -> None:
        """Ends what a session that has gone still had running, and forgets those gone longest."""
        self.hang_up(session)
        self._retrying.discard(session)
        self._trim(session)
        self._closed[session] = None
        self._closed.move_to_end(session)
        if len(self._closed) > CLOSED:
            longest, _ = self._closed.popitem(last=False)
            self.demo.state_holder.session_data.pop(longest, None)

    def _trim(self, session: str) -> None:
        """Drops the session's copy of every component as JSON, 58 of its 62 kB: Gradio keeps it for
        deep links, which the page does not have. The turns stay."""
        if state := self.demo.state_holder.session_data.get(session):
            state.config_values.clear()

    def shelf(self) -> tuple[str, gr.Timer]:
        """The sidebar's list of documents, and the timer that renews it while they are read."""
        reading = self._reading
        # Asked once and first: what is read meanwhile is in the list, or the timer renews it.
        busy = reading.busy
        problems = [(r.name, r.reason) for r in [*reading.failed, *reading.unsupported]]
        content = shelf.content(
            reading.documents(), reading.progress if busy else None, problems, reading.error
        )
        return content, gr.Timer(active=busy)

    def read_again(self) -> tuple[str, gr.Timer]:
        self._reading.again()
        return self.shelf()

    def _models(self) -> gr.Textbox | gr.Dropdown:
        """The choice of a model: any, unless the settings offer some."""
        settings = self._settings
        named: dict[str, Any] = {"label": "Mô hình · Model", "visible": settings.has_model}
        if not settings.models:
            return gr.Textbox("", placeholder=settings.openai_model, **named)
        offered = [(settings.openai_model, ""), *((name, name) for name in settings.models)]
        return gr.Dropdown(offered, value="", allow_custom_value=True, **named)

    def _build(self) -> gr.ChatInterface:
        has_model = self._settings.has_model
        demo = gr.ChatInterface(
            self.chat,
            title="Headwater",
            description=_description(self._settings),
            chatbot=gr.Chatbot(
                show_label=False,
                height="calc(100dvh - 280px)",
                min_height=300,
                latex_delimiters=[],
                autoscroll=False,  # page.js does it
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
            concurrency_limit=self.at_once,
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
                self._models(),
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
                listed = gr.HTML(padding=False)
                again = gr.Button("Đọc lại thư mục · Read the folder again", size="sm")
            timer = gr.Timer(1.0)
            private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
            demo.load(self.shelf, None, [listed, timer], **private)
            timer.tick(self.shelf, None, [listed, timer], **private)
            again.click(self.read_again, None, [listed, timer], **private)
            demo.unload(self.leave)
            demo.chatbot.retry(self.retry, queue=False, **private)
            # Gradio's own Stop throws the generator away, and nothing can be said under the text.
            for event in demo.fns.values():
                if (demo.textbox._id, "stop") in event.targets:
                    event.cancels = []
            demo.textbox.stop(self.stop, queue=False, **private)
        demo.queue(max_size=None)
        # Gradio asks 1000 times a second whether there is work, 6 % of an idle laptop's core; 100
        # times take 2 %, and the first word comes no later.
        demo._queue.sleep_when_free = 0.01
        return demo


def _description(settings: Settings) -> str:
    lines = ["Nguồn trước, câu trả lời sau · Sources first, then the stream"]
    if settings.store_is_temporary:
        lines.append(
            "Thư viện nằm trong thư mục tạm, có thể phải đọc lại sau khi khởi động lại · "
            "The library is in a temporary folder and may have to be read again after a restart"
        )
    return f"<center>{'<br>'.join(lines)}</center>"


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
    metrics = Metrics()
    answerer = assemble(settings, reading.opening, metrics)
    page = Page(settings, reading, answerer)
    assistants = McpDoor(answerer, user_of)
    originals = Originals(settings.data_dir, sync.digest, readers.read)
    pages = documents(lambda: reading.library, originals)
    # uvicorn reads it when it starts; without it it would believe whoever connects from here.
    os.environ["FORWARDED_ALLOW_IPS"] = ",".join(settings.trusted_proxies)
    page.demo.launch(
        server_name=settings.server_name,
        server_port=settings.server_port,
        max_threads=page.at_once,
        app_kwargs={
            "middleware": [
                *gate(settings),
                Middleware(HangUp, gone=page.hang_up, over=page.close),
            ],
            "routes": [
                *probes(metrics.exposition, reading.problems),
                *([] if settings.redact else pages),
                *doors(answerer, settings),
                *assistants.routes,
            ],
            "lifespan": _lifespan(assistants, reading),
            "exception_handlers": exception_handlers,
        },
        root_path=settings.root_path,
        theme=THEME,
        css_paths=PROJECT / "rag" / "page" / "page.css",
        js=(PROJECT / "rag" / "page" / "page.js").read_text(),
        footer_links=["settings"],
        ssr_mode=False,
        run_history=False,  # saved conversations are enough, and can be deleted
        enable_monitoring=False,  # /metrics is ours; Gradio's would show itself to everybody
        # More tabs than can be answered; a caller may have megabytes kept for each that it invents.
        state_session_capacity=4 * page.at_once,
        max_file_size=1,  # nothing is uploaded here
        prevent_thread_lock=not block,
    )
    return page.demo


def _lifespan(
    assistants: McpDoor, reading: Reading
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    async def settle() -> None:
        async for _ in reading.opening.waiting():
            pass
        # What is loaded now stays. A collection that looks through it, 730,000 objects, would stop
        # every stream for half a second, each time.
        gc.collect()
        gc.freeze()

    @asynccontextmanager
    async def started(app: Starlette) -> AsyncGenerator[None]:
        # Gradio's own layer lets every site read what a public server answers. It steps back where
        # the app that it is mounted in decides, by having this layer; here rag.doors.routes does.
        decided = SimpleNamespace(user_middleware=[Middleware(CORSMiddleware)])
        layer = app.middleware_stack
        while layer is not None:
            if isinstance(layer, CustomCORSMiddleware):
                layer.parent_app = decided
            layer = getattr(layer, "app", None)
        settling = asyncio.create_task(settle())
        async with assistants.lifespan(app):
            yield
        settling.cancel()

    return started


def main() -> int:
    """Reads the documents and serves the page until it is interrupted; 2 if it cannot start."""
    log_to_stderr(logging.INFO)
    for chatty in ("httpx", "httpx2", "mcp", "openai", "sentence_transformers"):
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
