"""What a turn shows, and what of a history was said."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rag.events import (
    CitationChecked,
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
from rag.page.screen import NOTE, Screen, turns_of, without_documents
from rag.types import Findings, Language, Quote, Source, Turn, Usage, Verdict

PASSAGE = "First line.\n\nSecond & <script>alert(1)</script> line about buffering. " + "word " * 80


def _screen(question: str, language: Language, *, has_model: bool = False) -> Screen:
    screen = Screen(question, has_model=has_model)
    assert screen.show(Started(language, "f00d")) == []
    return screen


def _finished(**changes: Any) -> Finished:
    values: dict[str, Any] = {
        "reason": "stop",
        "model": "gpt",
        "usage": None,
        "price": None,
        "cached": False,
        "search_seconds": 0.012,
        "first_token_seconds": 0.34,
        "total_seconds": 2.34,
        "request_id": "f00d",
    }
    return Finished(**(values | changes))


def _found(**changes: Any) -> SourcesFound:
    values: dict[str, Any] = {
        "number": 1,
        "document": "a/<b>.md",
        "title": "Title <i>",
        "page": 3,
        "score": 0.876,
        "text": PASSAGE,
    }
    source = Source(**(values | changes))
    query = "Is buffering on, or is there a needle?"
    return SourcesFound(Findings(query, "en", "answer", 0.25, 0.7, (source,)))


def test_a_source_shows_its_number_title_page_score_and_marked_words_escaped() -> None:
    message, writing = _screen("q", "en").show(_found())
    content = message["content"]
    assert writing["metadata"]["title"] == "Writing…"
    assert message["metadata"]["title"] == "📚 Sources (1)"
    assert "[1] <bdi>Title &lt;i&gt;</bdi>" in content
    assert "<bdi>a/&lt;b&gt;.md</bdi> · page 3 · 0.88" in content
    assert "<mark>buffering</mark>" in content
    assert "<script>" not in content and "&lt;script&gt;" in content


def test_a_passage_never_ends_the_html_block_with_a_blank_line() -> None:
    message, _ = _screen("q", "en").show(_found())
    assert "\n\n" not in message["content"]


def test_the_excerpt_is_cut_around_the_words_that_matched() -> None:
    text = "start " * 100 + "the needle here " + "end " * 100
    message, _ = _screen("q", "en").show(_found(text=text))
    excerpt = message["content"].split('"headwater-excerpt">')[1].split("</div>")[0]
    assert excerpt.startswith("… ") and excerpt.endswith(" …")
    assert "<mark>needle</mark>" in excerpt and len(excerpt) < 300


def test_the_status_gives_way_to_the_sources_and_the_text_accumulates() -> None:
    screen = _screen("câu hỏi", "vi")
    (waiting,) = screen.show(Waiting(3, 14, "a.md"))
    assert waiting["metadata"]["title"] == "Đang đọc tài liệu 3/14 · a.md…"
    (searching,) = screen.show(Searching("q"))
    assert searching["metadata"]["status"] == "pending"
    titles = [m["metadata"]["title"] for m in screen.show(_found())]
    assert titles == ["📚 Nguồn (1)", "Đang viết…"]
    screen.show(TextDelta("Một "))
    assert screen.show(TextDelta("hai"))[1]["content"] == "Một hai"


def test_a_failure_stands_under_the_text_so_far() -> None:
    screen = _screen("q", "en")
    screen.show(_found())
    screen.show(TextDelta("Half of"))
    messages = screen.show(Failed("stream_interrupted", True, "It broke <off>.", "f00d"))
    assert messages[1]["content"] == "Half of"
    assert "It broke &lt;off&gt;." in messages[2]["content"]


def test_what_the_server_says_itself_is_folded_under_its_failure() -> None:
    titles: dict[Language, str] = {"en": "The server's own words", "vi": "Lời của chính máy chủ"}
    for language, title in titles.items():
        screen = _screen("q", language)
        failed = Failed("quota_exceeded", False, "No.", "f00d", detail="<b>*Plan* used up</b>")
        (note,) = screen.show(failed)
        folded = f"<details><summary>{title}</summary>&lt;b&gt;*Plan* used up&lt;/b&gt;</details>"
        assert folded in note["content"]


def test_an_answer_no_model_wrote_says_so_and_a_models_does_not() -> None:
    (without,) = _screen("q", "en").show(_finished(model=None))
    assert "OPENAI_API_KEY" in without["content"]
    (by_model,) = _screen("q", "en").show(_finished())
    assert "OPENAI_API_KEY" not in by_model["content"]
    (cut,) = _screen("q", "en").show(_finished(reason="length"))
    assert "length limit" in cut["content"]


def test_the_quiet_line_tells_the_times_the_tokens_the_price_and_the_id() -> None:
    usage = Usage(812, 96)
    (line,) = _screen("q", "en").show(_finished(usage=usage, price=0.00018))
    assert (
        "search 12 ms · first word 340 ms · 48 tokens/s · 812 tokens in, 96 out · $0.0002 · id f00d"
        in line["content"]
    )
    (vietnamese,) = _screen("q", "vi").show(_finished(usage=usage, price=0.00018))
    assert "812 token vào, 96 ra · $0,0002 · id f00d" in vietnamese["content"]


def test_an_estimate_is_marked_and_a_cached_answer_cost_nothing() -> None:
    (about,) = _screen("q", "en").show(_finished(usage=Usage(10, 5, estimated=True)))
    assert "about 10 tokens in, 5 out" in about["content"] and "$" not in about["content"]
    (cached,) = _screen("q", "en").show(_finished(usage=Usage(10, 5), cached=True))
    assert "cached" in cached["content"] and "tokens/s" not in cached["content"]


def test_a_stopped_answer_keeps_its_text_and_says_how_much_came() -> None:
    screen = _screen("q", "en")
    screen.show(_found())
    screen.show(TextDelta("twelve bytes"))
    _, text, note = screen.stopped()
    assert (text["content"], note["metadata"]) == ("twelve bytes", {"id": NOTE})
    assert "Stopped · about 3 tokens received." in note["content"]
    before = _screen("q", "vi")
    before.show(_found())
    assert "Đã dừng." in before.stopped()[-1]["content"]
    assert not any(m["metadata"].get("status") == "pending" for m in before.stopped())


def test_the_place_in_line_is_shown_before_the_search_and_for_the_model_after_it() -> None:
    screen = _screen("q", "en")
    (status,) = screen.show(Queued(3))
    assert status["metadata"]["title"] == "Waiting for a turn, 3 in line…"
    screen.show(_found())
    assert screen.show(Queued(1))[1]["metadata"]["title"] == "Waiting for the model, 1 in line…"


def _cited(number: int, start: int, supported: bool = True) -> CitationChecked:
    return CitationChecked(number, start, supported, "supported" if supported else "number")


def test_a_checked_marker_is_a_link_to_its_source_and_other_brackets_stay() -> None:
    screen = _screen("q", "en")
    screen.show(_found())
    text = "`a[1]` is code. The tide turns at noon [1]."
    screen.show(TextDelta(text))
    (_, answer) = screen.show(_cited(1, text.rindex("[1]")))
    assert answer["content"] == "`a[1]` is code. The tide turns at noon [\\[1\\]](#source-1)."


def test_a_cited_source_shows_the_sentence_that_supports_the_answer() -> None:
    text = "The needle is sharp. " * 20 + "Is buffering on? The tide turns at noon. And so on."
    start = text.index("The tide")
    quote = Quote(start, start + 23, "The tide turns at noon.")
    screen = _screen("q", "en")
    screen.show(_found(text=text, document_id=1, chunks=(7,)))
    screen.show(TextDelta("It turns at noon [1]."))
    panel = screen.show(CitationChecked(1, 17, True, "supported", quote))[0]["content"]
    assert '<div class="headwater-excerpt">… <bdi>The tide turns at noon.</bdi> …</div>' in panel
    assert "<strong><bdi>The tide turns at noon.</bdi></strong>" in panel
    assert f"pages/3?chunk=7&amp;from={start}&amp;to={start + 23}#passage" in panel


@pytest.mark.parametrize("has_model", [True, False])
def test_above_the_sources_stands_once_how_well_they_fit(has_model: bool) -> None:
    lines: dict[Verdict, str] = {"answer": "fit the question.", "weak": "match only weakly"}
    for verdict, line in lines.items():
        found = Findings("q", "en", verdict, 0.2, 0.3, (Source(1, "a.md", "A", 1, 0.5, "text"),))
        panel = _screen("q", "en", has_model=has_model).show(SourcesFound(found))[0]["content"]
        quotes_say_it = verdict == "weak" and not has_model
        assert (line in panel) is not quotes_say_it


def test_an_added_source_is_told_apart_and_is_not_the_models_own_word() -> None:
    screen = _screen("q", "en")
    screen.show(_found())
    screen.show(TextDelta("The tide turns at noon. So it is."))
    screen.show(CitationChecked(1, 23, True, "supported", added=True))
    _, answer, note = screen.show(_finished())
    shown = 'at noon. [\\[1\\] ⁺](#source-1 "The answer names no source here; the passage says'
    assert shown in answer["content"]
    assert "[n] ⁺ The answer names no source here" in note["content"]
    history = [{"role": "user", "content": "q"}, dict(answer)]
    assert turns_of(history) == [Turn("q", "The tide turns at noon. So it is.")]


def test_an_answer_that_names_no_source_is_said_to_be_unchecked() -> None:
    for language, line in (("en", "names no source"), ("vi", "không nêu nguồn nào")):
        screen = _screen("q", "vi" if language == "vi" else "en")
        screen.show(_found())
        screen.show(TextDelta("The tide turns at noon."))
        *_, note = screen.show(_finished(uncited=1))
        assert (
            f"⚠ {'Câu trả lời này' if language == 'vi' else 'This answer'} {line}"
            in note["content"]
        )


def test_an_answer_cannot_forge_a_checked_marker_or_a_source() -> None:
    screen = _screen("q", "en")
    screen.show(_found())
    forged = '[[1]](#source-1) <details open class="headwater-source"><b>[1] Mine</b></details>'
    (_, answer) = screen.show(TextDelta(forged))
    assert "](#source-1" not in answer["content"]
    assert not re.search("<[a-z/]", answer["content"])


def test_what_is_not_confirmed_is_marked_says_so_and_is_a_plain_marker_for_the_model() -> None:
    screen = _screen("q", "vi")
    screen.show(_found())
    text = "Một [1]. Hai [1]."
    screen.show(TextDelta(text))
    screen.show(_cited(1, text.index("[1]")))
    screen.show(_cited(1, text.rindex("[1]"), supported=False))
    _, answer, note = screen.show(_finished())
    assert 'Hai [\\[1\\] ⚠](#source-1 "Chưa xác nhận được' in answer["content"]
    assert "⚠ Chưa xác nhận được" in note["content"]
    history = [{"role": "user", "content": "q"}, dict(answer)]
    assert turns_of(history) == [Turn("q", text)]


def test_what_nobody_can_tell_has_a_quieter_mark_and_a_line_of_its_own() -> None:
    screen = _screen("q", "en")
    screen.show(_found())
    text = "One [1]. Two [1]. Three [1]."
    screen.show(TextDelta(text))
    screen.show(_cited(1, 4, supported=False))
    screen.show(CitationChecked(1, 13, True, "unclear"))
    screen.show(CitationChecked(1, 24, True, "unchecked"))
    _, answer, note = screen.show(_finished())
    assert 'Two [\\[1\\] ?](#source-1 "Could not be checked' in answer["content"]
    assert "Three [\\[1\\]](#source-1)" in answer["content"]
    assert note["content"].count("<br>") >= 2
    assert "⚠ Not confirmed" in note["content"] and "? Could not be checked" in note["content"]
    history = [{"role": "user", "content": "q"}, dict(answer)]
    assert turns_of(history) == [Turn("q", text)]


def test_cited_sources_come_first_once_the_answer_is_complete_and_keep_their_numbers() -> None:
    sources = tuple(Source(n, f"{n}.md", f"T{n}", 1, 0.5, "text") for n in (1, 2, 3))
    screen = _screen("q", "en")
    (before, _) = screen.show(SourcesFound(Findings("q", "en", "answer", 0.2, 0.5, sources)))
    screen.show(TextDelta("Noon [3]."))
    during = screen.show(_cited(3, 5))[0]
    after = screen.show(_finished())[0]
    order = [[*re.findall(r"\[(\d)\]", m["content"])] for m in (before, during, after)]
    assert order == [["1", "2", "3"], ["1", "2", "3"], ["3", "1", "2"]]
    assert "Found, but not cited (2)" in after["content"]
    assert during["content"].count("headwater-cited") == 1


def test_a_refusal_offers_to_ask_the_model_alone_where_there_is_one() -> None:
    refused = _finished(reason="refused", model=None)
    (note,) = _screen("Who? ", "en", has_model=True).show(refused)
    (option,) = note["options"]
    assert without_documents(option["value"]) == "Who?"
    assert "options" not in _screen("Who?", "en").show(refused)[0]
    assert without_documents("Who?") is None


def test_an_answer_without_documents_says_so_above_it() -> None:
    screen = _screen("q", "en")
    screen.show(WithoutDocuments())
    warning, answer = screen.show(TextDelta("Canberra."))
    assert "Not from your documents" in warning["content"] and answer["content"] == "Canberra."
    assert turns_of([{"role": "user", "content": "q"}, dict(warning)]) == []


def test_a_search_for_other_words_is_shown() -> None:
    (panel, _) = _screen("its limits?", "en").show(
        SourcesFound(Findings("nginx limits", "en", "answer", 0.2, 0.5, ()), rewritten=True)
    )
    assert "Searched for: <bdi>nginx limits</bdi>" in panel["content"]


def test_turns_are_the_words_without_sources_and_notes_from_the_page_and_from_a_client() -> None:
    def text(content: str) -> list[dict[str, str]]:
        return [{"type": "text", "text": content}]

    history: list[dict[str, Any]] = [
        {"role": "user", "content": text("One?"), "metadata": None},
        {"role": "assistant", "content": text("…"), "metadata": {"title": "📚 Sources (1)"}},
        {"role": "assistant", "content": text("First."), "metadata": {}},
        {"role": "assistant", "content": text("note"), "metadata": {"id": NOTE}},
        {"role": "user", "content": "Never answered?"},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": "Second."},
    ]
    assert turns_of(history) == [Turn("One?", "First."), Turn("Two?", "Second.")]


def test_thinking_is_one_folded_line_that_says_how_long_it_takes() -> None:
    now = [0.0]
    screen = Screen("q", clock=lambda: now[0])
    screen.show(Started("en", "f00d"))
    screen.show(_found())
    (_, begun) = screen.show(Thinking("Passage [1] says "))
    now[0] = 12.2
    (_, going) = screen.show(Thinking("<b>this</b>.\n"))
    assert [m["metadata"]["title"] for m in (begun, going)] == ["Thinking… 0 s", "Thinking… 12 s"]
    assert going["metadata"]["status"] == "done", "it is folded until its reader opens it"
    assert "<b>" not in going["content"] and "Passage [1] says" in going["content"]
    now[0] = 15.0
    (_, thought, text) = screen.show(TextDelta("So it is."))
    assert thought["metadata"]["title"] == "Thought for 12 s"
    assert (text["content"], text["metadata"]) == ("So it is.", {})
    history = [{"role": "user", "content": "q"}, thought, text]
    assert turns_of(history) == [Turn("q", "So it is.")]


def test_thinking_is_told_in_vietnamese() -> None:
    (going,) = _screen("câu hỏi", "vi").show(Thinking("Ừm."))
    assert going["metadata"]["title"] == "Đang suy nghĩ… 0 giây"


def test_what_turns_out_to_be_thinking_is_no_part_of_the_answer() -> None:
    screen = _screen("q", "en")
    screen.show(_found())
    screen.show(TextDelta("Passage [1] it is."))
    screen.show(CitationChecked(1, 8, False, "words"))
    (_, thought) = screen.show(Thinking(so_far=True))
    assert thought["content"] == "Passage [1] it is."
    *_, text, note = [*screen.show(TextDelta("So.")), *screen.show(_finished())[-1:]]
    assert text["content"] == "So." and "Not confirmed" not in note["content"]


def test_an_end_for_a_reason_of_the_servers_own_is_told() -> None:
    (note,) = _screen("q", "en").show(_finished(reason="other", word="<repetition>"))
    assert "“&lt;repetition&gt;” as the reason" in note["content"]
    (note,) = _screen("q", "vi").show(_finished(reason="tool_calls"))
    assert "gọi một công cụ" in note["content"]


def test_what_was_thought_is_told_apart_from_what_was_written() -> None:
    usage = Usage(10, 300, thinking_tokens=280)
    (note,) = _screen("q", "en").show(_finished(usage=usage))
    assert "10 tokens in, 300 out (280 thinking)" in note["content"]
    assert "10 tokens/s" in note["content"]  # twenty in two seconds
