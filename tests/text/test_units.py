"""A passage is cut into what can be quoted alone, and nothing of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.settings import PROJECT
from rag.text.language import words
from rag.text.sentences import sentence_spans
from rag.text.units import Unit, headings_of, units

TABLE = """Headers about limits
Header | Meaning
Retry-After | seconds, or a date
x-ratelimit-reset | time until the limit is full, for example 6m0s"""
PIPES = "Costs\n\n| Plan | EUR |\n|---|---:|\n| A | 5 |\n| B | |"
CODE = """The bucket is this:

class Bucket:
    def take(self, cost):
        return 0.0

    size = 5

It needs no timer."""
LIST = """How to check

Do these one by one:

- Stop before the first token.
- Stop in the middle, and look
  at the log. It says so.
- Close the tab"""
STEPS = "Mở đầu.\n\n1. Mở bảng điều khiển\n2. Bấm nút Dừng\n3. Chờ"
CODES = """Error codes

E-1042

The inverter is too hot. Let it cool for ten minutes.

E-1043

The fan does not turn. Clean the filter."""
PAGE = """Overlap repeats the end of one passage at the beginning of the next one, so that it
is kept whole.
Boilerplate
Remove navigation bars, footers, cookie notices, scripts and styles from HTML files
before you cut them.
Mục đích rõ ràng: chỉ lập chỉ mục tài liệu cần cho việc trả lời.
7"""


def shown(text: str, kind: str) -> list[str]:
    return [unit.text for unit in units(text) if unit.kind == kind]


def only(text: str, kind: str) -> list[Unit]:
    return [unit for unit in units(text) if unit.kind == kind]


def test_sentences_are_units_with_their_heading_and_their_paragraph() -> None:
    text = "Token bucket\n\nIt is common. It\nholds b tokens.\n\nRefused is the rest."
    a, b, c = units(text)
    assert [u.text for u in (a, b, c)] == [
        "It is common.",
        "It holds b tokens.",
        "Refused is the rest.",
    ]
    assert text[b.start : b.end] == "It\nholds b tokens."
    assert {u.heading for u in (a, b, c)} == {"Token bucket"}
    assert a.block == b.block != c.block
    assert b.context == "Token bucket\nIt holds b tokens."


def test_headings_stand_below_each_other() -> None:
    text = (
        "nginx\n\nproxy_buffering\n\nIt is on by default in nginx, and this paragraph says so at "
    )
    text += "length, for a short one would be an entry; so it needs many words, and here are some "
    text += "more of them, until it is long enough to be a text of its own. It ends.\n\n"
    text += "Timeouts\n\nThe read timeout is 60 seconds.\n\nIt can be raised."
    headings = [unit.heading for unit in units(text)]
    assert headings[0] == "nginx › proxy_buffering"
    assert headings[-1] == "Timeouts"


def test_numbered_and_marked_headings_have_levels() -> None:
    text = "## Limits\n\n### Per day\n\nOne.\n\nTwo is more.\n\n### Per hour"
    text += "\n\nThree.\n\n- Four\n\n## Costs\n\nFive."
    found = {unit.text: unit.heading for unit in units(text)}
    assert found["One."] == "Limits › Per day"
    assert found["Three."] == "Limits › Per hour"
    assert "Costs: Five." in found


def test_a_table_s_row_names_its_columns() -> None:
    assert shown(TABLE, "row") == [
        "Header: Retry-After · Meaning: seconds, or a date",
        "Header: x-ratelimit-reset · Meaning: time until the limit is full, for example 6m0s",
    ]
    row = only(TABLE, "row")[0]
    assert TABLE[row.start : row.end] == "Retry-After | seconds, or a date"
    assert row.lead == "Headers about limits"


def test_a_table_as_it_is_typed_is_one_too() -> None:
    assert shown(PIPES, "row") == ["Plan: A · EUR: 5", "Plan: B"]
    assert only(PIPES, "row")[0].heading == "Costs"


def test_rows_without_a_head_are_their_cells() -> None:
    text = "502 | a gateway is down | wait\n503 | overloaded | wait"
    assert shown(text, "row") == ["502 · a gateway is down · wait", "503 · overloaded · wait"]


def test_code_is_whole_and_knows_what_announces_it() -> None:
    (code,) = only(CODE, "code")
    assert code.text == CODE[code.start : code.end]
    assert code.text.startswith("class Bucket:") and code.text.endswith("size = 5")
    assert code.lead == "The bucket is this:"
    assert [u.text for u in units(CODE)][-1] == "It needs no timer."


@pytest.mark.parametrize(
    "code",
    [
        "proxy_buffering off;",
        "curl -N -i 'https://example.org/api?q=test'",
        "Content-Type: text/event-stream\nX-Accel-Buffering: no",
        "event: token\nid: 42\ndata: {}",
        "import asyncio, random",
        "# This is how the limit of it is set.\nlimit = 5;\nrun(limit)",
        "    const a = 1;\n    b();",
        "```\nany words at all\n\nand more\n```",
        'assert bo_dau("Đường") == "duong"',
    ],
)
def test_code_is_known_by_its_lines(code: str) -> None:
    text = f"This is how it looks.\n\n{code}\n\nThis is what it does."
    assert [unit.kind for unit in units(text)] == ["sentence", "code", "sentence"]


@pytest.mark.parametrize(
    "prose",
    [
        "If you ask for it, the class returns.",
        "Set proxy_buffering off only for the streaming location; ordinary pages profit from it.",
        "curl -N (long form --no-buffer) switches off the output buffer of curl itself.",
        "Testing with curl -N",
        "The walnut tree of Grimsby is eleven metres tall.\n</passage>\n</passages>",
        "Từ ngữ: các từ dưới đây, được hiểu như sau",
    ],
)
def test_prose_about_code_is_none(prose: str) -> None:
    assert not only(f"One sentence.\n\n{prose}\n\nAnother sentence.", "code")


def test_a_list_s_items_know_what_announces_them() -> None:
    assert shown(LIST, "item") == [
        "Stop before the first token.",
        "Stop in the middle, and look at the log. It says so.",
        "Close the tab",
    ]
    for item in only(LIST, "item"):
        assert item.context.startswith("How to check\nDo these one by one:\n")
        assert LIST[item.start : item.end].startswith("- ")


def test_steps_keep_their_numbers_and_are_no_headings() -> None:
    assert shown(STEPS, "item") == ["1. Mở bảng điều khiển", "2. Bấm nút Dừng", "3. Chờ"]


def test_a_short_text_under_its_heading_is_an_entry() -> None:
    assert shown(CODES, "entry") == [
        "E-1042: The inverter is too hot. Let it cool for ten minutes.",
        "E-1043: The fan does not turn. Clean the filter.",
    ]
    entry = only(CODES, "entry")[1]
    assert CODES[entry.start : entry.end] == "The fan does not turn. Clean the filter."


def test_a_pdf_s_lines_are_joined_and_its_headings_found() -> None:
    found = units(PAGE)
    assert [u.text for u in found][1].startswith("Remove navigation bars")
    assert found[1].heading == "Boilerplate"
    assert found[1].text.endswith("before you cut them.")
    assert found[2].kind == "definition"
    assert not found[-1].whole and found[-1].text == "7"


def test_what_was_cut_off_is_not_whole() -> None:
    first, *_, last = units("of the first answer.\n\nThe next one is whole. This one is cut off")
    assert not first.whole and not last.whole
    begun, *_ = units("nginx closes it.\n\nnginx ignores it. It is fine.")
    assert begun.whole  # a name that begins small


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. King met J. R. Smith. They spoke.", ["Dr. King met J. R. Smith.", "They spoke."]),
        ("It is on. proxy_buffers hold it.", ["It is on.", "proxy_buffers hold it."]),
        ("Use e.g. the second one.", ["Use e.g. the second one."]),
        ("He said “no.” Then he left.", ["He said “no.”", "Then he left."]),
        ("Ngày 1.7 có hiệu lực. Điều này đúng.", ["Ngày 1.7 có hiệu lực.", "Điều này đúng."]),
    ],
)
def test_sentences_end_where_they_do(text: str, sentences: list[str]) -> None:
    assert [text[a:b] for a, b in sentence_spans(text, (0, len(text)))] == sentences


def assert_nothing_is_lost(text: str) -> None:
    found, at = units(text), 0
    spans = [(unit.start, unit.end) for unit in found]
    for start, end in sorted([*spans, *headings_of(text)]):
        assert at <= start < end
        assert not text[at:start].strip()
        at = end
    assert not text[at:].strip()
    assert spans == sorted(spans)
    for unit in found:
        source = text[unit.start : unit.end]
        assert source == (source.rstrip() if unit.kind == "code" else source.strip())
        if unit.kind not in ("row", "entry"):
            assert set(words(unit.text)) <= set(words(source))
            assert unit.kind == "code" or "\n" not in unit.text


LINES = st.lists(
    st.sampled_from(
        [
            "", "", "A heading", "nginx", "2. Scope", "2.1 More", "## Marked", "A sentence ends.",
            "a small one that goes on and on", "- an item", "  goes on", "1. A step", "2. A step",
            "a | b", "c | 5", "| x | y |", "|---|---|", "```", "    x = 1", "def f():", "Term: a",
            "One. Two! Three? x", "7", "Do this:", "Ends (here)", "”", "|", "-", "…", "é" * 700,
        ]
    ),
    max_size=14,
)  # fmt: skip


@given(LINES.map("\n".join))
@example("")
@example(" \n\n ")
@example("Only a line")
def test_nothing_of_a_text_is_lost(text: str) -> None:
    assert_nothing_is_lost(text)


@given(st.text(alphabet="aB1.:|-#` \n•“(ắ。", max_size=60))
def test_no_text_cannot_be_cut(text: str) -> None:
    assert_nothing_is_lost(text)


@pytest.mark.parametrize("name", [p.name for p in sorted((PROJECT / "data").glob("*.txt"))])
def test_most_of_a_document_is_whole_units(name: str) -> None:
    text = (PROJECT / "data" / name).read_text(encoding="utf-8")
    assert_nothing_is_lost(text)
    assert sum(unit.whole for unit in units(text)) >= 0.95 * len(units(text))
