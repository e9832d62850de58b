"""Redacting personal data in texts and in streams of text."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.page import panel
from rag.settings import PROJECT
from rag.text.redaction import Redactor
from rag.types import Findings, Redacted, Source
from tests.harness.upstream import words

pytestmark = pytest.mark.anyio

KINDS: tuple[Redacted, ...] = ("email", "phone", "card", "key")
REDACTOR = Redactor(KINDS)
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAyH3bM0xDq1\nq2w3e4r5t6==\n"
    "-----END RSA PRIVATE KEY-----"
)

REDACTED = [
    # e-mail
    ("Write to an.nguyen+tag@mail.example.co.uk.", "Write to [email]."),
    ("<mailto:a_b@x.vn>, 'c@y.com' (d@z.org)", "<mailto:[email]>, '[email]' ([email])"),
    ("o'neil@example.com", "[email]"),
    ("Gửi nguyễn.văn@ví-dụ.vn nhé", "Gửi [email] nhé"),
    ("nguye\u0302\u0303n@example.vn", "[email]"),
    ("👩‍💻a@b.vn👍", "👩‍💻[email]👍"),
    ("\ud800a@b.vn\udfff", "\ud800[email]\udfff"),
    ("a@b.vn c@d.vn,e@f.vn", "[email] [email],[email]"),
    # phone
    ("Gọi 0912 345 678 hoặc 0912.345.678", "Gọi [phone] hoặc [phone]"),
    ("tel:0912345678", "tel:[phone]"),
    ("(028) 3822 1234 hoặc +84 (28) 3822-1234", "[phone] hoặc [phone]"),
    ("0912345678/0987654321", "[phone]/[phone]"),
    ("(650) 253-0000, 650-253-0000, +1 650 253 0000", "[phone], [phone], [phone]"),
    ("+44 20 7946 0958", "[phone]"),
    ("1. 0912 345 678", "1. [phone]"),
    ("[1] 0912 345 678 [2]", "[1] [phone] [2]"),
    ("0912 345 678 0987 654 321", "[phone] [phone]"),
    ("Năm 2024 0912 345 678 2025", "Năm 2024 [phone] 2025"),
    # card
    ("4111 1111 1111 1111", "[card]"),
    ("4111\u00a01111\u00a01111\u00a01111", "[card]"),
    ("4111-1111-1111-1111", "[card]"),
    ("4111111111111111", "[card]"),
    ("3782 822463 10005", "[card]"),
    ("3056 930902 5904", "[card]"),
    ("4222 2222 22222", "[card]"),
    ("6304 0000 0000 0000 000", "[card]"),
    ("9704 0000 0000 0018", "[card]"),
    ("VISA4111111111111111abc", "VISA[card]abc"),
    ("4111 1111 1111 1111 5500 0000 0000 0004", "[card] [card]"),
    ("12 4111 1111 1111 1111 99", "12 [card] 99"),
    ("4111 1111 1111 1111 0912 345 678", "[card] [phone]"),
    # key
    ("`sk-proj-abcdef0123456789_ABC-DEF`", "`[key]`"),
    ("sk-abcdefghij0123456789", "[key]"),
    ("key=sk-ant-api03-abcdefghij0123456789", "key=[key]"),
    ("ghp_" + "a1" * 18 + ", gho_" + "b2" * 18 + ", ghs_" + "c3" * 18, "[key], [key], [key]"),
    ("github_pat_" + "11AB" * 10, "[key]"),
    ("hf_" + "aB3" * 11, "[key]"),
    ("AKIAIOSFODNN7EXAMPLE", "[key]"),
    ("AIza" + "Sy_-9" * 7, "[key]"),
    ("xoxb-1234567890-abcdefGHI", "[key]"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP", "[key]"),
    ("Authorization: Bearer abc.def/123456789012345==", "Authorization: Bearer [key]"),
    (f"Khóa:\n{PEM}\nHết.", "Khóa:\n[key]\nHết."),
    (PEM.replace("\n", "\\n"), "[key]"),
    (PEM[:-40], "[key]"),
    # the first kind has it
    ("key-sk-ant-abcdefghij0123456789@x.com", "key-[key]@x.com"),
    ("4111111111111111@example.com", "[email]"),
]

KEPT = [
    *("2026-11-21", "21/11/2026", "2026-11-21 08:00", "2026-11-21 08", "2026-11-21T08:00:00Z"),
    *("1.234.567 đ", "10.000.000", "2.125.550.123 đ", "$1,234,567.89", "100 000 000 VND"),
    *("192.168.1.10", "212.55.50.123", "255.255.255.255", "v1.2.3", "python 3.11.7", "3.14"),
    *("0.323456789", "3.6502530000", "0.4111111111111111", "10.7626220, 106.6601720"),
    *("[1][2]", "[12].", "trang 12", "tr. 12-15", "pp. 211-227 (2003)", "1. Một\n2. Hai\n3. Ba"),
    *("2019 2020 2021 2022", "2019-2020", "1900-1975", "1800–1954", "(2019) 2020-21"),
    *("0 1 2 3 4 5 6 7 8 9", "ISBN 978-604-1-12345-6", "TCVN 9386:2012", "12:30–13:45", "00.80.00"),
    *("4111 1111 1111 1112", "41111111111111111111", "1" * 500, "1234 5678 9012 3456"),
    *("react@18.2.0", "@mention", "a@b", "user@localhost", "x @ y.com", "50@3.14"),
    *("sk-learn", "sk-learn-contrib-lightning-models", "hf_hub", "ghp_short", "AKIA", "eyJ.eyJ.x"),
    *("the bearer of this certificate", "Bearer authentication", "xoxo-", "SP0912345678"),
    "it begins with `-----BEGIN PRIVATE KEY-----` and a line break",
    "-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEAyH3bM0xDq1\n-----END CERTIFICATE-----",
    "\ud800 👩‍💻 tie\u0302\u0301ng Vie\u0323\u0302t \udfff",
]

ENGLISH = """Chapter 3 covers the annual budget [1]. It was approved on 2026-11-21 by the council, \
after two readings (see pages 12-15), and it amounts to 1,250,000 dollars [2][3].

- **Schools**: about 40 % of the whole, as in 2024 and 2025.
- Roads and bridges: the well-known programme of the years 2019, 2020 and 2021.

It doesn't say how the rest — some 200 thousand — will be spent; the source at page 7 ends here."""
VIETNAMESE = """Chương 3 trình bày ngân sách hằng năm [1]. Ngân sách được hội đồng thông qua ngày \
21/11/2026, sau hai lần thảo luận (xem trang 12-15), với tổng số tiền là 1.250.000 đồng [2][3].

- **Trường học**: khoảng 40 % tổng số, như trong các năm 2024 và 2025.
- Cầu và đường: chương trình quen thuộc của các năm 2019, 2020 và 2021.

Tài liệu không nói phần còn lại — khoảng 200 nghìn — sẽ được chi như thế nào; trang 7 kết thúc ở \
đây."""


async def _pieces(pieces: Iterable[str]) -> AsyncGenerator[str]:
    for piece in pieces:
        yield piece


async def _streamed(pieces: Iterable[str], redactor: Redactor = REDACTOR) -> list[str]:
    return [piece async for piece in redactor.stream(_pieces(pieces))]


def _run(pieces: Sequence[str]) -> list[str]:
    """As `_streamed`, where hypothesis or a clock wants no event loop: nothing here ever waits."""
    stream = _streamed(pieces)
    with pytest.raises(StopIteration) as ended:
        stream.send(None)
    result: list[str] = ended.value.value
    return result


@pytest.mark.parametrize(("text", "redacted"), REDACTED)
def test_personal_data_is_redacted(text: str, redacted: str) -> None:
    assert REDACTOR.text(text) == redacted
    assert REDACTOR.text(f"Xem {text}\nrồi") == f"Xem {redacted}\nrồi"


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert REDACTOR.text(text) == text
    assert REDACTOR.text(f"({text}) và {text}.") == f"({text}) và {text}."


@pytest.mark.parametrize("text", [text for text, _ in REDACTED] + KEPT)
def test_a_stream_cut_anywhere_comes_out_as_its_whole_text(text: str) -> None:
    text = f"Xem {text}, rồi"
    for at in range(len(text)):
        assert "".join(_run([text[:at], text[at:]])) == REDACTOR.text(text)
    assert "".join(_run(list(text))) == REDACTOR.text(text)


@pytest.mark.parametrize(("text", "redacted"), REDACTED)
def test_a_match_at_the_very_end_is_redacted(text: str, redacted: str) -> None:
    assert "".join(_run(list(text))) == redacted


_BITS = st.sampled_from(
    [text for text, _ in REDACTED]
    + [text[: len(text) // 2] for text, _ in REDACTED]
    + KEPT
    + ["-----BEGIN", " PRIVATE KEY-----\n", "Bearer ", "+84", "(", " ", "  ", "\n", ".", "@", "0"]
)
_TEXTS = st.lists(_BITS | st.text(max_size=8) | st.text("0123456789 -.()+/x@", max_size=24))


@given(_TEXTS.map("".join), st.lists(st.integers(1, 12), min_size=1))
def test_no_way_of_cutting_a_text_changes_what_comes_out(text: str, sizes: list[int]) -> None:
    pieces: list[str] = []
    at = 0
    while at < len(text):
        pieces.append(text[at : at + sizes[len(pieces) % len(sizes)]])
        at += len(pieces[-1])
    assert "".join(_run(pieces)) == REDACTOR.text(text)


@given(_TEXTS.map("".join), _TEXTS.map("".join), _TEXTS.map("".join))
def test_what_was_shown_stays_right_however_the_text_goes_on(a: str, b: str, c: str) -> None:
    shown: list[list[str]] = []

    async def shown_before(first: str, then: str) -> None:
        async def source() -> AsyncGenerator[str]:
            yield first
            before.extend(out)
            yield then

        out: list[str] = []
        before: list[str] = []
        async for piece in REDACTOR.stream(source()):
            out.append(piece)
        assert REDACTOR.text(first + then).startswith("".join(before))
        shown.append(before)

    for then in (b, c):
        with pytest.raises(StopIteration):
            shown_before(a, then).send(None)
    assert shown[0] == shown[1]


async def test_no_half_of_a_card_number_is_ever_shown() -> None:
    out: list[str] = []

    async def source() -> AsyncGenerator[str]:
        for digit in "4111 1111 1111 1111":
            yield digit
            assert out == []

    async for piece in REDACTOR.stream(source()):
        out.append(piece)
    assert out == ["[card]"]


async def test_a_citation_is_shown_as_soon_as_its_bracket_closes() -> None:
    out = await _streamed([" states", " [", "1", "]", "[", "2", "]", "."])
    assert out == [" ", "states [", "1]", "[", "2]", "."]


async def test_a_candidate_that_turns_out_to_be_none_is_released_unchanged() -> None:
    assert await _streamed(["4111 1111 ", "1111 1112", " x"]) == ["4111 1111 1111 1112 ", "x"]


@dataclass(frozen=True)
class _Mark:
    name: str


async def test_what_is_no_text_passes_in_its_place_after_what_was_held() -> None:
    async def source() -> AsyncGenerator[str | _Mark]:
        for piece in (_Mark("a"), "to a@b", ".vn", _Mark("b"), "", _Mark("c"), "0912"):
            yield piece

    out = [piece async for piece in REDACTOR.stream(source())]
    assert out == [_Mark("a"), "to ", "[email]", _Mark("b"), _Mark("c"), "0912"]


async def test_a_stream_closed_early_closes_what_it_draws_from() -> None:
    closed = asyncio.Event()

    async def source() -> AsyncGenerator[str]:
        try:
            yield "one two"
            await asyncio.sleep(3600)
        finally:
            closed.set()

    for kinds in (KINDS, ()):
        closed.clear()
        async with aclosing(Redactor(kinds).stream(source())) as stream:
            await anext(stream)
        assert closed.is_set()


async def test_an_error_comes_after_what_was_held_until_then() -> None:
    error = ConnectionError("the line is dead")

    async def source() -> AsyncGenerator[str]:
        yield "write to a@b"
        yield ".vn"
        raise error

    for kinds, shown in ((KINDS, ["write to ", "[email]"]), ((), ["write to a@b", ".vn"])):
        out: list[str] = []
        with pytest.raises(ConnectionError) as raised:
            async for piece in Redactor(kinds).stream(source()):
                out.append(piece)
        assert raised.value is error and out == shown


async def test_a_cancelled_stream_shows_nothing_more() -> None:
    out: list[str] = []
    silent = asyncio.Event()

    async def source() -> AsyncGenerator[str]:
        yield "one two"
        silent.set()
        await asyncio.sleep(3600)

    async def read() -> None:
        async for piece in REDACTOR.stream(source()):
            out.append(piece)

    reading = asyncio.create_task(read())
    await silent.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert out == ["one "]


async def test_without_kinds_every_piece_passes_as_it_is() -> None:
    pieces = ["", "a@", "b.vn", " 4111", ""]
    assert await _streamed(pieces, Redactor(())) == pieces
    assert Redactor(()).text("a@b.vn") == "a@b.vn"


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        ("email", "[email] 4111111111111111 0912345678 AKIAIOSFODNN7EXAMPLE"),
        ("card", "a@b.vn [card] 0912345678 AKIAIOSFODNN7EXAMPLE"),
        ("phone", "a@b.vn 4111111111111111 [phone] AKIAIOSFODNN7EXAMPLE"),
        ("key", "a@b.vn 4111111111111111 0912345678 [key]"),
    ],
)
def test_only_the_chosen_kinds_are_redacted(kind: Redacted, left: str) -> None:
    text = "a@b.vn 4111111111111111 0912345678 AKIAIOSFODNN7EXAMPLE"
    assert Redactor([kind]).text(text) == left


def _findings(query: str, source: Source) -> Findings:
    return Findings(query, "en", "answer", 0.5, 0.9, (source,))


def test_findings_are_redacted() -> None:
    text = "mail a@b.vn or call 0912 345 678 for the budget"
    source = Source(1, "a@b.vn.pdf", "Of a@b.vn", 1, 0.5, text)
    asked = _findings("who is a@b.vn", source)
    findings = REDACTOR.findings(replace(asked, absent=("who", "a", "b", "vn")))
    (redacted,) = findings.sources
    assert findings.query == "who is [email]"
    assert findings.absent == ("who",), "the words of an address are hidden with it"
    assert (redacted.document, redacted.title) == ("a@b.vn.pdf", "Of [email]")
    assert redacted.text == "mail [email] or call [phone] for the budget"


@pytest.mark.parametrize(
    ("question", "marked"),
    [
        ("who is a@b.vn", []),
        ("mail or call a@b.vn for the budget", ["mail", "call", "budget"]),
        ("which email or phone has the budget?", ["budget"]),
    ],
)
def test_a_mask_has_no_word_of_the_question(question: str, marked: list[str]) -> None:
    text = "mail a@b.vn or call 0912 345 678 for the budget"
    findings = REDACTOR.findings(_findings(question, Source(1, "a.pdf", "A", 1, 0.5, text)))
    shown = panel.content(findings, False, rewritten=False, cited={}, complete=False)
    assert "[email]" in shown and "[phone]" in shown
    assert re.findall("<mark>(.*?)</mark>", shown) == marked * 2  # in the excerpt and the passage


def test_findings_are_the_same_object_where_nothing_is_to_be_hidden() -> None:
    source = Source(1, "a.pdf", "A", 1, 0.5, "a@b.vn", document_id=7)
    findings = _findings("a@b.vn", source)
    assert Redactor(()).findings(findings) is findings


def test_a_source_that_may_hide_something_does_not_open_its_page() -> None:
    source = Source(1, "a.pdf", "A", 1, 0.5, "the budget", document_id=7, chunks=(3,))
    (redacted,) = REDACTOR.findings(_findings("budget?", source)).sources
    assert redacted == replace(source, document_id=0)


@pytest.mark.parametrize("text", [ENGLISH, VIETNAMESE], ids=["English", "Vietnamese"])
async def test_ordinary_prose_is_held_no_longer_than_a_word(text: str) -> None:
    given_characters = shown = 0
    held: list[int] = []

    async def source() -> AsyncGenerator[str]:
        nonlocal given_characters
        for piece in words(text):
            yield piece
            given_characters += len(piece)
            held.append(given_characters - shown)

    async for piece in REDACTOR.stream(source()):
        shown += len(piece)
    held.pop()  # before the end is told
    print(f"held: {sum(held) / len(held):.1f} characters on average, at most {max(held)}")
    assert max(held) <= max(map(len, text.split())) + 4
    assert REDACTOR.text(text) == text


def _seconds(pieces: Sequence[str], redactor: Redactor = REDACTOR) -> float:
    def once() -> float:
        start = time.thread_time()
        with pytest.raises(StopIteration):
            _streamed(pieces, redactor).send(None)
        return time.thread_time() - start

    return min(once() for _ in range(2))


def test_the_cost_of_a_thousand_pieces_is_told() -> None:
    pieces = (words(ENGLISH + VIETNAMESE) * 10)[:1000]
    with_it, without = _seconds(pieces), _seconds(pieces, Redactor(()))
    print(f"1000 pieces: {with_it * 1000:.1f} ms, without redaction {without * 1000:.2f} ms")
    assert "".join(_run(pieces)) == "".join(pieces)


@pytest.mark.parametrize(
    "bit",
    [
        "word ", "a", "1", "1 ", "4111 1111 ", "0912 345 678 ", "a@", "a.", "a'", "@a.a", "sk-a-",
        "eyJaaaaaaaa.", "eyJaaaaaaaa-", "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN A", "Bearer ",
        "-", "(", "+", " ", "MIIEpAIBAAKCAQEAyH3bM0xDq1\n", "A: -----BEGIN PRIVATE KEY-----\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("opening", ["", "-----BEGIN PRIVATE KEY-----\n"])
def test_time_grows_about_linearly_with_the_text(opening: str, bit: str) -> None:
    def seconds(length: int) -> float:
        text = opening + bit * (length // len(bit))
        return _seconds([text[at : at + 4] for at in range(0, length, 4)])

    times = [seconds(length) for length in (2_000, 16_000)]
    assert times[1] < 3 * 8 * times[0] + 0.05, times


def test_the_libraries_are_loaded_only_where_they_are_needed() -> None:
    code = (
        "import sys; from rag.text.redaction import Redactor; Redactor(['email', 'key']);"
        "sys.exit(bool({'phonenumbers', 'stdnum'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0


def test_the_examples_differ() -> None:
    assert all(a != b for a, b in pairwise(sorted([text for text, _ in REDACTED] + KEPT)))
