"""Each thing that is mended in Gradio is checked at the start, by its name."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette

from rag.errors import PageError
from rag.page import gradio_internals
from rag.page.gradio_internals import gr
from rag.settings import PROJECT


def test_importing_gradio_writes_no_stubs_and_leaves_nothing_changed() -> None:
    code = """if True:
        import gc, inspect, sys
        found, written = inspect.getfile, []
        sys.addaudithook(
            lambda event, of: written.append(of[0])
            if event == "open" and str(of[0]).endswith(".pyi")
            else None
        )
        import rag.page.gradio_internals
        assert inspect.getfile is found and gc.isenabled()
        assert not written, written
    """
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True, timeout=60)


def built() -> gr.ChatInterface:
    return gr.ChatInterface(lambda question, history: question, save_history=True)


def without_stop(demo: gr.ChatInterface) -> None:
    for event in demo.fns.values():
        event.cancels = []


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda demo: delattr(demo.state_holder, "session_data"), "session_data"),
        (lambda demo: delattr(demo, "saved_conversations"), "saved_conversations"),
        (lambda demo: delattr(demo, "new_chat_button"), "new_chat_button"),
        (without_stop, "Stop that cancels"),
    ],
)
def test_another_gradio_is_named_with_what_it_lacks(
    change: Callable[[gr.ChatInterface], None], part: str
) -> None:
    demo = built()
    change(demo)

    with pytest.raises(PageError, match=part) as refused:
        gradio_internals.mend(demo)
    assert gr.__version__ in refused.value.en and gr.__version__ in refused.value.vi


def test_this_gradio_is_mended() -> None:
    demo = built()
    gradio_internals.mend(demo)
    gradio_internals.look_for_work_less_often(demo)

    session = demo.state_holder["a tab"]
    session[demo.textbox._id] = demo.textbox
    session._update_value_in_config(demo.textbox._id, "as it is typed")
    assert not session.config_values  # it would be most of what is kept of a stranger's call
    gradio_internals.forget(demo, "a tab")
    assert not demo.state_holder.session_data and not demo.state_holder.time_last_used
    stop = (demo.textbox._id, "stop")
    assert not any(event.cancels for event in demo.fns.values() if stop in event.targets)
    assert demo._queue.sleep_when_free == gradio_internals.POLL_SECONDS
    assert str(Path(gr.__file__).parent) not in json.dumps(demo.get_config_file(), default=str)


def test_a_gradio_that_does_not_serve_with_uvicorn_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gradio_internals, "_Server", object)
    with pytest.raises(PageError, match=r"http_server\.Server"):
        gradio_internals.speak(asyncio.Protocol)


def test_an_app_without_gradios_layer_for_origins_is_no_gradio() -> None:
    app = Starlette()
    app.middleware_stack = app.build_middleware_stack()
    with pytest.raises(PageError, match="CustomCORSMiddleware"):
        gradio_internals.leave_origins_to_us(app)


def test_a_page_has_no_app_with_routes_before_it_is_launched() -> None:
    made = gr.routes.App.create_app
    with gradio_internals.one_app():
        demo = built()
    assert not any("queue" in getattr(route, "path", "") for route in demo.app.routes)
    assert demo.state_holder is demo.app.state_holder
    assert gr.routes.App.create_app is made


def test_a_gradio_that_makes_no_app_while_building_is_named() -> None:
    with pytest.raises(PageError, match=r"App\.create_app"), gradio_internals.one_app():
        pass


def test_the_hint_of_the_text_box_stays_with_each_question() -> None:
    demo = built()
    gradio_internals.mend(demo)
    [taken] = [event for event in demo.fns.values() if "clear_and_save" in str(event.name)]
    assert taken.fn is not None
    box, message = taken.fn("Why?")
    assert message == "Why?"
    assert (
        "placeholder" not in box.constructor_args and box.constructor_args["interactive"] is False
    )
