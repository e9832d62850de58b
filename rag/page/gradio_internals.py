"""Everything that reaches into Gradio's private parts: what it mends, and a check for each at the
start, so that another Gradio fails with a sentence and not in the middle of a conversation.

Written against gradio 6.31; none of it has an issue upstream. Import Gradio from here.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match

from ..errors import PageError

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Gradio reads its port when it is imported, and fails with a traceback where our settings have a
# sentence.
_port = os.environ.pop("GRADIO_SERVER_PORT", None)
# It looks for matplotlib twice at every update; where that is not installed, 64 µs.
sys.modules.setdefault("matplotlib", None)  # type: ignore[arg-type]


@contextmanager
def _quickly() -> Iterator[None]:
    """Halves the 3 s of CPU that `import gradio` takes. Each time it parses its own source to
    write stubs for editors beside it (`component_meta.create_or_modify_pyi`), but not for classes
    without a file. And of its million objects none is garbage."""

    def file_of(object: Any) -> str:
        if getattr(object, "__module__", "").startswith("gradio."):
            raise OSError
        return found(object)

    found, inspect.getfile = inspect.getfile, file_of
    gc.disable()
    try:
        yield
    finally:
        inspect.getfile = found
        gc.enable()


with _quickly():
    import gradio as gr
    from gradio import http_server, route_utils, state_holder
    from gradio.route_utils import CustomCORSMiddleware
    from gradio.routes import App
    from gradio.state_holder import SessionState

if _port is not None:
    os.environ["GRADIO_SERVER_PORT"] = _port

__all__ = ["gr"]

POLL_SECONDS = 0.01
CLOSING_SECONDS = 2
_Server: Any = getattr(http_server, "Server", None)
# The streams whose ends rag.page.hang_up watches.
_STREAMS = ("/gradio_api/queue/data", "/gradio_api/call/chat/id", "/gradio_api/call/v2/chat/id")


class _Session(SessionState):
    """What Gradio keeps of a tab or a single call, without a copy of every component as JSON. That
    is 58 of its 62 kB, and made for each takes 2 ms in which nothing else is answered; Gradio has
    it for deep links, which the page does not have. The turns stay."""

    def __init__(self, blocks: Any) -> None:
        super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks=()))  # type: ignore[arg-type]

    def __setitem__(self, key: int, value: Any) -> None:
        super().__setitem__(key, value)
        self.config_values.clear()

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


def mend(demo: gr.ChatInterface) -> None:
    """Mends a built page, before it is served. Raises PageError if this Gradio is built otherwise
    than all that stands here expects."""
    for kept in ("session_data", "time_last_used"):
        _need(hasattr(demo.state_holder, kept), f"sessions (state_holder.{kept})")
    state_holder.SessionState = route_utils.SessionState = _Session  # type: ignore[misc,attr-defined]
    session = demo.state_holder[""]
    has_no_copies = isinstance(session, _Session) and session.__dict__.get("config_values") == {}
    _need(has_no_copies, "copies (SessionState.config_values)")
    forget(demo, "")
    for kept in ("pending_messages_per_session", "pending_event_ids_session"):
        _need(hasattr(getattr(demo, "_queue", None), kept), f"updates that wait (_queue.{kept})")
    _keep_conversations(demo)
    _stop_by_ourselves(demo)
    _keep_hint(demo)


def _keep_conversations(demo: gr.ChatInterface) -> None:
    """Saved conversations are lost at every restart unless their key and secret are fixed. Both
    reach the browser: they protect nothing."""
    saved = getattr(demo, "saved_conversations", None)
    has_both = hasattr(saved, "storage_key") and hasattr(saved, "secret")
    _need(has_both, "saved conversations (saved_conversations.storage_key and .secret)")
    demo.saved_conversations.storage_key = "headwater-conversations"
    demo.saved_conversations.secret = hashlib.sha256(b"headwater").hexdigest()[:16]
    _need(hasattr(demo, "new_chat_button"), "button for a new chat (new_chat_button)")
    demo.new_chat_button.value = "+ Trò chuyện mới · New chat"
    # Gradio names the file of its plus sign to everybody, with the folder it is installed in.
    _need(hasattr(demo.new_chat_button, "icon"), "picture on a button (new_chat_button.icon)")
    demo.new_chat_button.icon = None


def _stop_by_ourselves(demo: gr.ChatInterface) -> None:
    """Gradio's own Stop throws the generator away, and nothing can be said under the text."""
    stops = [event for event in demo.fns.values() if (demo.textbox._id, "stop") in event.targets]
    _need(any(event.cancels for event in stops), "Stop that cancels (fns, targets, cancels)")
    for event in stops:
        event.cancels = []


def _keep_hint(demo: gr.ChatInterface) -> None:
    """Gradio takes the hint out of the text box with each question and never puts it back."""

    def kept(shown: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(shown)
        def call(*arguments: Any) -> Any:
            result = shown(*arguments)
            box = result[0] if isinstance(result, tuple) else result
            (box if isinstance(box, dict) else box.constructor_args).pop("placeholder", None)
            return result

        return call

    asked = getattr(demo, "_clear_and_save_textbox", lambda _: ("", ""))("")[0]
    emptied = asked.constructor_args if isinstance(asked, gr.Textbox) else {}
    _need(emptied.get("placeholder") == "", "question taken (_clear_and_save_textbox)")
    for event in demo.fns.values():
        is_ours = event.outputs and event.outputs[0] is demo.textbox
        if is_ours and event.fn is not None and not inspect.iscoroutinefunction(event.fn):
            event.fn = kept(event.fn)


@contextmanager
def one_app() -> Iterator[None]:
    """Around the building of a page: Gradio makes its web app anew at each of four steps, a second
    of CPU together, and serves only the one that `launch` makes. Until then it has one without
    routes. Raises PageError if it does not ask for any."""
    made, asked = App.create_app, 0

    def without_routes(blocks: gr.Blocks, **_: Any) -> App:
        nonlocal asked
        asked += 1
        app = App()
        app.configure_app(blocks)
        return app

    App.create_app = without_routes  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        App.create_app = made  # type: ignore[method-assign]
    _need(asked > 0, "web app that is made while the page is built (App.create_app)")


def look_for_work_less_often(demo: gr.ChatInterface) -> None:
    """Gradio asks 1000 times a second whether there is work, 6 % of an idle laptop's core; 100
    times take 2 %, and the first word comes no later."""
    _need(hasattr(demo._queue, "sleep_when_free"), "pause of its queue (_queue.sleep_when_free)")
    demo._queue.sleep_when_free = POLL_SECONDS


def speak(protocol: type[asyncio.Protocol]) -> None:
    """Has the servers that are made from now on speak to each connection by this protocol; Gradio
    makes its server itself and lets nobody choose."""
    from_uvicorn = isinstance(_Server, type) and issubclass(_Server, uvicorn.Server)
    _need(from_uvicorn, "server made by uvicorn (http_server.Server)")

    class Speaking(_Server):  # type: ignore[misc]
        def __init__(self, config: uvicorn.Config, *arguments: Any, **named: Any) -> None:
            config.http = protocol
            super().__init__(config, *arguments, **named)

    http_server.Server = Speaking  # type: ignore[misc]


def forget(demo: gr.ChatInterface, session: str) -> None:
    """Drops all that is kept of a session; Gradio itself keeps those that left until others have
    taken their places."""
    demo.state_holder.session_data.pop(session, None)
    demo.state_holder.time_last_used.pop(session, None)


def unread(demo: gr.ChatInterface, session: str) -> int:
    """How many updates wait in Gradio's queue for the session's reader."""
    waiting = demo._queue.pending_messages_per_session.get(session)
    return waiting.qsize() if waiting else 0


def drop_unread(demo: gr.Blocks, session: str) -> None:
    """Drops those of a single call, whose session is its event's id; Gradio itself keeps those of
    2000 for ever. A tab's stay: its next event writes to the same queue."""
    if session in demo._queue.pending_event_ids_session.get(session, ()):
        demo._queue.pending_messages_per_session.pop(session, None)
        demo._queue.pending_event_ids_session.pop(session, None)


def close(demo: gr.ChatInterface) -> None:
    """Ends the server, and with it what tabs hold open; within 5 s, as Gradio waits for it."""
    _need(isinstance(getattr(demo, "server", None), uvicorn.Server), "server (server)")
    demo.server.config.timeout_graceful_shutdown = CLOSING_SECONDS
    demo.close(verbose=False)


def leave_origins_to_us(app: Starlette) -> None:
    """Gradio's own layer lets every site read what a public server answers. It steps back where the
    app that it is mounted in decides, by having this layer; here rag.doors does. Raises PageError
    if there is no such layer, or not the streams that are watched for their end."""
    decided = SimpleNamespace(user_middleware=[Middleware(CORSMiddleware)])
    layer, mended = app.middleware_stack, False
    while layer is not None:
        if isinstance(layer, CustomCORSMiddleware):
            layer.parent_app = decided
            mended = layer.parent_configures_cors()
        layer = getattr(layer, "app", None)
    _need(mended, "layer for foreign origins (CustomCORSMiddleware.parent_app)")
    for path in _STREAMS:
        asked = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
        found = any(route.matches(asked)[0] is Match.FULL for route in app.routes)
        _need(found, f"stream {path}")


def _need(there: bool, part: str) -> None:
    if not there:
        raise PageError(
            f"Gradio {gr.__version__} has no {part} as the page expects it. Install the version "
            "that requirements.txt names.",
            f"Gradio {gr.__version__} không có {part} như trang này cần. Hãy cài phiên bản ghi "
            "trong requirements.txt.",
        )
