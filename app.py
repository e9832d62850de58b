"""The page: translates the events of an answer into chat messages.

`python app.py` serves it; it has no logic of its own about documents or models.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from asyncio import Task
from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.middleware import Middleware

from ingest import readers, sync, viewing
from ingest.adding import Adding
from ingest.background import Reading
from ingest.sessions import Sessions, link_of, shelf_of
from ingest.watching import following
from rag.answer import Answerer
from rag.assembly import assemble
from rag.documents.originals import Originals
from rag.documents.routes import documents
from rag.documents.uploads import uploads
from rag.doors.access import user_of
from rag.doors.mcp_api import McpDoor
from rag.doors.probes import probes, stats
from rag.doors.routes import doors, exception_handlers, gate
from rag.errors import HeadwaterError
from rag.events import Failed, Finished
from rag.page import gradio_internals, look, sidebar
from rag.page.bounds import Bounds
from rag.page.gradio_internals import gr
from rag.page.hang_up import HangUp
from rag.page.lifespan import lifespan
from rag.page.screen import Message, Screen, turns_of, without_documents
from rag.serving import memory
from rag.serving.connections import Impatient
from rag.serving.descriptors import Descriptors
from rag.serving.metrics import Metrics
from rag.serving.pacing import FRAME_SECONDS, paced
from rag.serving.request_id import log_to_stderr
from rag.serving.stopping import Stopping, told
from rag.settings import Settings, load_settings
from rag.types import UPLOADS

CLOSED = 50  # closed tabs whose turns are kept: a laptop that wakes up comes back with its session
UNREAD = 20  # updates that may wait for their reader, a second's
UNREAD_SECONDS = 30.0  # that they may wait
REFUSALS = 100  # further questions that Gradio runs beside those answered and waiting

log = logging.getLogger(__name__)


class Page:
    """The chat page of one process over its library and its way of answering."""

    def __init__(
        self, settings: Settings, reading: Reading, answerer: Answerer, sessions: Sessions
    ) -> None:
        self._settings = settings
        self._reading = reading
        self._sessions = sessions
        self._uploads: sidebar.Uploads = settings.where_uploads_go
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
        language: str | None = "Auto",
        top_k: int | None = None,
        model: str | None = "",
        temperature: str | None = "",
        max_tokens: float | None = 0,
        instructions: str | None = "",
        collection: list[str] | str | None = "",
        visitor: str | None = "",
        request: gr.Request | None = None,
    ) -> AsyncGenerator[list[Message]]:
        """Answers from the documents, sources first. `language` is Auto, Tiếng Việt or English;
        an empty model, temperature or 0 max_tokens leaves the choice to the model's server; an
        empty collection searches all documents, those of `visitor` too; it may be several."""
        session = (request and request.session_hash) or ""
        alone = without_documents(question)
        options = replace(
            look.chosen(language, top_k, model, temperature, max_tokens, instructions, collection),
            fresh=session in self._retrying,
            documents=alone is None,
            visitor=visitor or "",
        )
        self._retrying.discard(session)
        screen = Screen(question, has_model=self._settings.has_model)
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
                    if messages := screen.show(event):
                        yield messages
                    if not await self._is_read(session):
                        break
            if not ended:
                yield screen.stopped()
        finally:
            if not self._tasks.get(session):
                self._tasks.pop(session, None)
            if gradio_internals.unread(self.demo, session):  # a reader may still come
                drop = partial(gradio_internals.drop_unread, self.demo, session)
                asyncio.get_running_loop().call_later(UNREAD_SECONDS, drop)
            if session in self._closed:  # it came back
                self._closed.move_to_end(session)

    async def _is_read(self, session: str) -> bool:
        """Waits until the session's reader has taken what was shown before; False if nobody does,
        so that nothing more is written, and paid for."""
        until = time.monotonic() + UNREAD_SECONDS
        while gradio_internals.unread(self.demo, session) > UNREAD:
            if time.monotonic() > until:
                log.info("an answer was ended that nobody read")
                return False
            await asyncio.sleep(FRAME_SECONDS)
        return True

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
        self._closed[session] = None
        self._closed.move_to_end(session)
        if len(self._closed) > CLOSED:
            longest, _ = self._closed.popitem(last=False)
            gradio_internals.forget(self.demo, longest)

    def forget(self, session: str) -> None:
        """Drops what is kept of a session, unless it is being answered."""
        if not self._tasks.get(session):
            gradio_internals.forget(self.demo, session)

    def enter(self, key: str) -> tuple[str, str, str, gr.Timer]:
        """The visitor's key, a new one for who has none, twice, and the shelf."""
        key = self._sessions.enter(key) if self._uploads == "session" else ""
        return key, key, *self.shelf(key)

    def shelf(self, visitor: str = "") -> tuple[str, gr.Timer]:
        """The sidebar's list of documents, and the timer that renews it while they are read."""
        reading = self._reading
        # Asked once and first: what is read meanwhile is in the list, or the timer renews it.
        busy, below = reading.busy, None if self._settings.redact else ""
        documents = sorted(reading.documents(), key=lambda document: document.folder != UPLOADS)
        own = self._sessions.documents(visitor)
        listed = sidebar.content(
            documents,
            reading.progress if busy else None,
            [(r.name, r.reasons) for r in [*reading.failed, *reading.unsupported]],
            *(reading.error, reading.notice, reading.meanwhile),
            added=lambda each: self._uploads == "library" and each.folder == UPLOADS,
            below=below,
        )
        if own:
            under = None if below is None else f"own/{link_of(visitor)}/"
            listed = sidebar.content(own, added=lambda _: True, below=under) + listed
        shown = sidebar.shelf(listed, len(own) + len(documents), self._uploads, visitor)
        return shown, gr.Timer(active=busy)

    def collections(self, visitor: str) -> gr.Dropdown:
        has_own = bool(self._sessions.documents(visitor))
        return look.collections(self._answerer.searcher.collections, own=has_own)

    def read_again(self, visitor: str = "") -> tuple[str, gr.Timer]:
        self._reading.again()
        return self.shelf(visitor)

    @gradio_internals.one_app()
    def _build(self) -> gr.ChatInterface:
        visitor = gr.Textbox("", visible="hidden")  # as a parameter, BrowserState has no default
        options = look.options(self._settings)
        demo = gr.ChatInterface(
            self.chat,
            title="Headwater",
            description=look.description(self._settings),
            chatbot=look.chatbot(),
            textbox=look.textbox(),
            examples=[[example] for example in look.EXAMPLES],
            cache_examples=False,
            editable=True,
            save_history=True,
            api_name="chat",
            concurrency_limit=self.at_once,
            show_progress="hidden",
            additional_inputs_accordion=gr.Accordion("Tùy chọn · Options", open=False),
            additional_inputs=[*options, visitor],
        )
        with demo:
            key = gr.BrowserState("", storage_key="headwater-visitor", secret="headwater")
            with gr.Sidebar(position="right", open=False, width=340):
                gr.Markdown("### Tài liệu · Documents")
                gr.HTML(sidebar.adding(self._uploads, list(readers.READERS)), padding=False)
                listed = gr.HTML(padding=False, elem_id="headwater-listed")
                again = gr.Button("Đọc lại thư mục · Read the folder again", size="sm")
                refresh = gr.Button(elem_id="headwater-refresh")  # page.js presses it
            timer = gr.Timer(1.0)
            private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
            demo.load(self.enter, key, [key, visitor, listed, timer], **private)
            timer.tick(self.shelf, visitor, [listed, timer], **private)
            demo.load(self.collections, key, options[-1], queue=False, **private)
            refresh.click(self.collections, visitor, options[-1], queue=False, **private)
            refresh.click(self.shelf, visitor, [listed, timer], **private)
            again.click(self.read_again, visitor, [listed, timer], **private)
            demo.unload(self.leave)
            demo.chatbot.retry(self.retry, queue=False, **private)
            gradio_internals.mend(demo)
            demo.textbox.stop(self.stop, queue=False, **private)
        gradio_internals.look_for_work_less_often(demo)
        return demo


def serve(settings: Settings, reading: Reading, *, block: bool) -> gr.ChatInterface:
    """Serves the page over `reading`, with the model that the settings name or without one.

    Returns at once or, with `block`, in the main thread, when SIGTERM or Ctrl-C has ended all
    answers and the server. Raises OSError if the port is taken.
    """
    metrics, stopping = Metrics(), Stopping()
    sessions = Sessions(settings.store_dir, reading)
    answerer = assemble(
        settings, reading.opening, metrics, stopping=stopping, own=sessions.together
    )
    page = Page(settings, reading, answerer, sessions)
    assistants = McpDoor(answerer, user_of)
    data, follow = settings.data_dir, settings.follow_links
    originals = Originals(data, sync.digest, viewing, follow, reading.uploads.path)
    pages = [] if settings.redact else documents(shelf_of(reading, sessions), originals)
    if settings.where_uploads_go != "off":
        adding = Adding(reading) if settings.where_uploads_go == "library" else sessions
        pages += uploads(adding, user_of)
    descriptors = Descriptors()
    gradio_internals.speak(Impatient)
    # uvicorn reads it when it starts; without it it would believe whoever connects from here.
    os.environ["FORWARDED_ALLOW_IPS"] = ",".join(settings.trusted_proxies)
    page.demo.launch(
        server_name=settings.server_name,
        server_port=settings.server_port,
        max_threads=page.at_once,
        app_kwargs={
            "middleware": [
                *gate(settings, stopping),
                Middleware(
                    Bounds,
                    admits=lambda scope: answerer.searcher.check(user_of(scope)),
                    forget=page.forget,
                ),
                Middleware(HangUp, gone=page.hang_up, over=page.close),
            ],
            "routes": [
                *probes(
                    metrics.exposition,
                    lambda: stopping.problems() or descriptors.problems() or reading.problems(),
                    lambda: stats(settings, answerer.line, metrics.recent),
                ),
                *pages,
                *doors(answerer, settings),
                *assistants.routes,
            ],
            "lifespan": lifespan(
                assistants.lifespan, reading.settle, descriptors.watch, sessions.watch
            ),
            "exception_handlers": exception_handlers,
        },
        root_path=settings.root_path,
        theme=look.THEME,
        css_paths=look.CSS,
        js=look.script(),
        footer_links=["settings"],
        ssl_verify=False,  # of its call to itself, by HTTP: certificates take 0.2 s to load
        ssr_mode=False,
        run_history=False,  # saved conversations are enough, and can be deleted
        enable_monitoring=False,  # /metrics is ours; Gradio's would show itself to everybody
        # More tabs than can be answered; a caller may have megabytes kept for each that it invents.
        state_session_capacity=4 * page.at_once,
        max_file_size=1,  # nothing comes Gradio's way
        prevent_thread_lock=True,
    )
    if block:
        told()
        stopping.end(answerer.aclose)
        gradio_internals.close(page.demo)
    return page.demo


def main() -> int:
    """Reads the documents and serves the page until it is interrupted; 2 if it cannot start."""
    memory.start()
    log_to_stderr(logging.INFO)
    for chatty in ("httpx", "httpx2", "mcp", "openai", "sentence_transformers"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = load_settings()
        reading = Reading(settings)
        watch = following(reading, settings.data_dir) if settings.watch else nullcontext()
        with watch:
            serve(settings, reading, block=True)
        reading.close()
    except (HeadwaterError, OSError) as exc:
        print(f"headwater: {exc}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
