"""How the page looks: its theme, its words and its components. Asks nothing and shows no answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..settings import Settings
from ..text.inert import LINKS
from ..types import OWN, Language, Options
from .gradio_internals import gr

CSS = Path(__file__).parent / "page.css"
_JS = Path(__file__).parent / "page.js"
_DOCUMENTS = Path(__file__).parent / "documents.js"
EXAMPLES = [
    "X-Accel-Buffering dùng để làm gì?",
    "What does X-Accel-Buffering do?",
    "Bấm nút Dừng thì máy chủ mô hình có ngừng tính tiền không?",
    "How are BM25 and embeddings combined?",
]
LANGUAGES: dict[str, Language | None] = {"Auto": None, "Tiếng Việt": "vi", "English": "en"}
OWN_DOCUMENTS = [("Tài liệu của tôi · My documents", OWN)]
THEME = gr.themes.Soft(
    primary_hue="teal",
    neutral_hue="slate",
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "monospace"],
)


def script() -> str:
    """What the page runs, as one function."""
    links = LINKS.read_text(encoding="utf-8")
    documents = _DOCUMENTS.read_text(encoding="utf-8")
    first = f"() => {{\n{links}{{\n{documents}}}\n"
    return _JS.read_text(encoding="utf-8").replace("() => {\n", first, 1)


def description(settings: Settings) -> str:
    """The lines under the title, as HTML."""
    lines = ["Nguồn trước, câu trả lời sau · Sources first, then the stream"]
    if settings.store_is_temporary:
        lines.append(
            "Thư viện nằm trong thư mục tạm, có thể phải đọc lại sau khi khởi động lại · "
            "The library is in a temporary folder and may have to be read again after a restart"
        )
    return f"<center>{'<br>'.join(lines)}</center>"


def chatbot() -> gr.Chatbot:
    """Where the conversation stands."""
    return gr.Chatbot(
        show_label=False,
        height="calc(100dvh - 280px)",
        min_height=300,
        latex_delimiters=[],
        autoscroll=False,  # page.js does it
        buttons=["copy"],
        placeholder="Hỏi bằng tiếng Việt hoặc tiếng Anh · Ask in Vietnamese or English",
        elem_id="headwater-chat",
    )


def textbox() -> gr.Textbox:
    """Where the question is typed."""
    return gr.Textbox(
        placeholder="Hỏi về tài liệu… · Ask about the documents…",
        label="Câu hỏi · Question",
        show_label=False,
        autofocus=True,
        submit_btn=True,
        stop_btn=True,
        scale=7,
    )


def options(settings: Settings) -> list[gr.Component]:
    """What may be chosen for an answer, in the order of the chat function's parameters."""
    has_model = settings.has_model
    # No bounds on these: a value that Gradio itself refuses locks the text box.
    return [
        gr.Radio(list(LANGUAGES), value="Auto", label="Ngôn ngữ trả lời · Answer language"),
        gr.Dropdown(
            sorted({1, 3, 5, 8, 12, 20, settings.top_k}),
            value=settings.top_k,
            label="Số nguồn · Sources",
        ),
        _models(settings),
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
        gr.Textbox("", label="Yêu cầu thêm · Extra instructions", lines=2, visible=has_model),
        gr.Dropdown(
            [],
            value=[],
            multiselect=True,
            label="Tìm trong · Search in",
            info="Thư mục, hoặc tên tài liệu; để trống: mọi tài liệu · "
            "Folders, or names of documents; empty: all of them",
            allow_custom_value=True,
        ),
    ]


def collections(names: Sequence[str], *, own: bool) -> gr.Dropdown:
    """The last of the options with these collections to choose from, and the visitor's `own`
    documents, if there are any; what is chosen stays."""
    offered = OWN_DOCUMENTS if own else []
    return gr.Dropdown([*offered, *((name, name) for name in names)])


def chosen(
    language: str | None,
    top_k: int | None,
    model: str | None,
    temperature: str | None,
    max_tokens: float | None,
    instructions: str | None,
    places: Sequence[str] | str | None,
) -> Options:
    """What was chosen there; a program may leave anything null, and name one place or several."""
    names = [places] if isinstance(places, str) else places or []
    return Options(
        language=LANGUAGES.get(language or "Auto"),
        top_k=top_k,
        model=(model or "").strip() or None,
        temperature=float(temperature) if temperature else None,
        max_tokens=int(max_tokens) if max_tokens and max_tokens > 0 else None,
        instructions=instructions or "",
        places=tuple(name for name in map(str.strip, names) if name),
    )


def _models(settings: Settings) -> gr.Textbox | gr.Dropdown:
    """The choice of a model: any, unless the settings offer some."""
    named: dict[str, Any] = {"label": "Mô hình · Model", "visible": settings.has_model}
    if not settings.models:
        return gr.Textbox("", placeholder=settings.openai_model, **named)
    offered = [(settings.openai_model, ""), *((name, name) for name in settings.models)]
    return gr.Dropdown(offered, value="", allow_custom_value=True, **named)
