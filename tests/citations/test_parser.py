"""Citation markers in a stream: what is one, what is removed, and that no cut changes it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.citations.parser import MAX_HELD, MAX_LINK, Citations, Cited

# With the sources 1 to 5.
NORMALISED = [
    ("[1]", "[1]"), ("[01]", "[1]"), ("[ 1 ]", "[1]"), ("[[4]]", "[4]"), ("[^1]", "[1]"),
    ("[^1^]", "[1]"), ("[#2]", "[2]"), ("【1】", "[1]"), ("【1†source】", "[1]"),
    ("【2†L3-L10】", "[2]"), ("［3］", "[3]"), ("[1†caching.md]", "[1]"), ("[1, 2]", "[1][2]"),
    ("[1,2]", "[1][2]"), ("[1; 2]", "[1][2]"), ("[1 and 2]", "[1][2]"), ("[1 và 2]", "[1][2]"),
    ("[2][3]", "[2][3]"), ("[2] [3]", "[2] [3]"), ("[1-3]", "[1][2][3]"), ("[1–3]", "[1][2][3]"),
    ("[1-2, 5]", "[1][2][5]"), ("[1, 1]", "[1]"), ("(source 2)", "[2]"), ("(nguồn 2)", "[2]"),
    ("(Nguồn: 1, 3)", "[1][3]"), ("(sources 1 and 2)", "[1][2]"), ("(see source 4)", "[4]"),
    ("(xem nguồn 4)", "[4]"), ("（nguồn 2）", "[2]"), ("[Source 2]", "[2]"), ("[Source: 2]", "[2]"),
    ("[source 1, source 2]", "[1][2]"), ("[doc1]", "[1]"), ("[cite: 1, 2]", "[1][2]"),
    ("[citation:3]", "[3]"), ("[đoạn 2]", "[2]"), ("[source 1, page 3]", "[1]"),
    ("[1, trang 12]", "[1]"), ("([1])", "[1]"), ("([1], [2])", "[1][2]"),
    ("(sources [1] and [2])", "[1][2]"),
]  # fmt: skip

KEPT = [
    *("[1](#)", "[1](https://a.b/c)", "[[1]](#s)", "[see [1]](https://a.b)", "![1](a.png)"),
    *("[see [1] and [2] here](u)", "https://a.b/c[1]", "<https://a.b/[1]>", "www.a.b/x[1]"),
    *("`a[1]`", "``a `[1]` b``", "\\[1\\]", "[text](u[1]v)", "[text](u (a) [1])"),
    *("```\na[1]\n```", "```python\na[1]\n\nb[2]\n```\n", "~~~\n[1]\n~~~", "- ```\n  [1]\n  ```"),
    *("````\n```\n[1]\n```\n[2]\n````", "```\n[1]", "```x [1]```"),
    *("[0, 1]", "[2024]", "[3-1]", "[1-300]", "[]", "[ ]", "[x]", "[1.5]", "[a1]", "[1a]", "[-1]"),
    *("(2)", "(1, 2)", "(source)", "(nguồn mở)", "[source code]", "[page 2]", "(see page 2)"),
    *("[1", "[1, ", "[[1", "(source 1", "【1", "[", "((", "1]", "[1 2]", "[email]"),
]

REMOVED = [
    ("a [9].", "a.", 1), ("a [9] b", "a b", 1), ("a[9] b", "a b", 1), ("a [9][1]", "a [1]", 1),
    ("a [1][9].", "a [1].", 1), ("a [1] [9].", "a [1].", 1), ("a [9] [1]", "a [1]", 1),
    ("a [1, 9] b", "a [1] b", 1), ("a [3-7] b", "a [3][4][5] b", 2), ("[9] A", "A", 1),
    ("a\n[9] b", "a\nb", 1), ("- [9] A", "- A", 1), ("a [9]", "a", 1), ("a (source 9).", "a.", 1),
    ("a ([9]) b", "a b", 1), ("a 【4:0†source】.", "a.", 1), ("a [0].", "a.", 1),
    ("a [9] and [8].", "a.", 2), ("a [9] and [1].", "a [1].", 1), ("a [1] and [9].", "a [1].", 1),
    ("a [1] và [9] b", "a [1] b", 1), ("a [1], [9], [2].", "a [1][2].", 1),
    ("a [9] and b", "a and b", 1), ("a [1] and [x] b", "a [1] and [x] b", 0),
    ("a [9], [8] and [7].", "a.", 3), ("a [1]; [9]", "a [1]", 1),
    ("a [9] [8] .", "a.", 2), ("a [9]\n", "a\n", 1), ("(a [9])", "(a)", 1),
]  # fmt: skip


def _run(pieces: Iterable[str]) -> tuple[str, list[Cited], int]:
    citations = Citations(range(1, 6))
    out = [piece for delta in pieces for piece in citations.feed(delta)]
    out += citations.end()
    text = "".join(piece for piece in out if isinstance(piece, str))
    return text, [piece for piece in out if isinstance(piece, Cited)], citations.dropped


def _text(text: str) -> str:
    return _run([text])[0]


@pytest.mark.parametrize(("marker", "normal"), NORMALISED)
def test_what_models_write_becomes_one_form(marker: str, normal: str) -> None:
    for before, after in (("nginx buffers by default ", "."), ("Theo ", ", nginx"), ("", "")):
        text, cited, dropped = _run([before + marker + after])
        assert text == before + normal + after and dropped == 0
        assert "".join(f"[{n}]" for c in cited for n in c.numbers) == normal.replace(" ", "")


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_citation_stays(text: str) -> None:
    for whole in (text, f"See\n{text}"):
        assert _run([whole]) == (whole, [], 0)


@pytest.mark.parametrize(("text", "left", "dropped"), REMOVED)
def test_a_number_without_a_source_is_removed_and_counted(
    text: str, left: str, dropped: int
) -> None:
    assert (_run([text])[0], _run([text])[2]) == (left, dropped)


def test_without_sources_every_citation_is_removed() -> None:
    citations = Citations(())
    assert "".join(map(str, [*citations.feed("a [1], b [2]."), *citations.end()])) == "a, b."
    assert citations.dropped == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`a` and [1]", 1), ("```\nx\n```\nand [1]", 1), ("a ` stray\n\nand [1]", 1),
        ("- a ` stray\n- and [1]", 1), ("[a](u) and [1]", 1), ("https://a.b [1]", 1),
        ("(https://a.b) [1]", 1), ("[0, 5) and [1]\nnext [2]", 2), ("[note: so [1]] and [2]", 2),
        ("`` ` `` and [1]", 1), ("a\\\\[1]", 1), ("~60 s ~ [1]", 1), ("[text][1]", 1),
        ("```x``` and [1]", 1), ("a ``` [1]\nb\n\nc [2]", 1),
    ],
)  # fmt: skip
def test_text_is_found_again_after_code_links_and_stray_signs(text: str, found: int) -> None:
    assert len(_run([text])[1]) == found


def _sentences(text: str) -> list[tuple[tuple[int, ...], str]]:
    return [(cited.numbers, cited.sentence) for cited in _run([text])[1]]


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("Proxies buffer every answer [1]. The limit is one minute [2].",
         [((1,), "Proxies buffer every answer"), ((2,), "The limit is one minute")]),
        ("Proxies buffer every answer. [1] The limit is one minute. [2]",
         [((1,), "Proxies buffer every answer."), ((2,), "The limit is one minute.")]),
        ("It is slow. Proxies buffer every answer [1][2], [3].",
         [((n,), "Proxies buffer every answer") for n in (1, 2)]
         + [((3,), "Proxies buffer every answer,")]),
        ("nginx waits 60 seconds [1], and Heroku only 55 seconds [2].",
         [((1,), "nginx waits 60 seconds"), ((2,), "and Heroku only 55 seconds")]),
        ("According to [1], nginx waits a minute. So it is.",
         [((1,), "According to, nginx waits a minute.")]),
        ("Theo [2], nginx chờ 60 giây.", [((2,), "Theo, nginx chờ 60 giây.")]),
        ("# Why [1]\n- it buffers by default [2]\n- [3] says it waits\n1. and so on it goes [4]",
         [((1,), "Why"), ((2,), "it buffers by default"), ((3,), "says it waits"),
          ((4,), "and so on it goes")]),
        ("It buffers.\n\nIt waits for 60 seconds [1]\n\n[2]",
         [((1,), "It waits for 60 seconds"), ((2,), "")]),
        ("```\nx = 1\n```\nIt waits for v1.2 of it [1, 2]", [((1, 2), "It waits for v1.2 of it")]),
        ("Nó chờ 60 giây. Đó là mặc định của nginx (nguồn 1).",
         [((1,), "Đó là mặc định của nginx")]),
        ("Limits:\n\n| Name | Wait |\n|---|---|\n| nginx | 60 s [1] |\n| Heroku [2] | 55 s |\n",
         [((1,), "nginx | 60 s"), ((2,), "Heroku | 55 s")]),
        ("It buffers.\n## Limits of nginx [1]\n* 60 s [2]\n* 55 s for Heroku [3]\nThat is all.",
         [((1,), "Limits of nginx"), ((2,), "60 s"), ((3,), "55 s for Heroku")]),
        ("| nginx waits for 60 s [1] |\n| Heroku waits for 55 s [2] |",
         [((1,), "nginx waits for 60 s"), ((2,), "Heroku waits for 55 s")]),
    ],
)  # fmt: skip
def test_a_citation_names_the_sentence_it_closes(
    text: str, cited: list[tuple[tuple[int, ...], str]]
) -> None:
    assert _sentences(text) == cited


def test_a_sentence_without_end_is_cut_at_its_front() -> None:
    ((_, sentence),) = _sentences("word " * 1000 + "the last ones [1]")
    assert sentence.endswith("word the last ones") and len(sentence) < 1300


def test_a_citation_comes_between_its_marker_and_what_follows() -> None:
    pieces = [*Citations([1, 2]).feed("nginx buffers by default [1][2]. So")]
    first, second = (
        Cited((n,), start, "nginx buffers by default") for n, start in ((1, 25), (2, 28))
    )
    assert pieces == ["nginx buffers by default [1]", first, "[2]", second, ". So"]


_BITS = st.sampled_from(
    [text for text, _ in NORMALISED]
    + KEPT
    + [text for text, *_ in REMOVED]
    + ["[", "]", "(", ")", "`", "```", "\n", "\n\n", "\n- ", "# ", " ", "  ", ". ", "A", "source "]
)
_TEXTS = st.lists(_BITS | st.text("[]()【】1,9 -`\n.a\\~", max_size=12), max_size=12).map("".join)


@settings(derandomize=True)
@given(_TEXTS, st.lists(st.integers(1, 12), min_size=1))
def test_no_way_of_cutting_a_text_changes_what_comes_out(text: str, sizes: list[int]) -> None:
    pieces: list[str] = []
    at = 0
    while at < len(text):
        pieces.append(text[at : at + sizes[len(pieces) % len(sizes)]])
        at += len(pieces[-1])
    assert _run(pieces) == _run([text])


@settings(derandomize=True)
@given(_TEXTS, _TEXTS, _TEXTS)
def test_what_was_shown_stays_however_the_text_goes_on(a: str, b: str, c: str) -> None:
    shown = [*Citations(range(1, 6)).feed(a)]
    text = "".join(piece for piece in shown if isinstance(piece, str))
    cited = [piece for piece in shown if isinstance(piece, Cited)]
    for then in (b, c, ""):
        whole, all_cited, _ = _run([a, then])
        assert whole.startswith(text) and all_cited[: len(cited)] == cited


@settings(derandomize=True)
@given(st.text(st.characters(exclude_characters="[【［(（"), max_size=60))
def test_text_without_brackets_passes_with_at_most_a_space_held(text: str) -> None:
    shown = "".join(map(str, Citations([1]).feed(text)))
    assert shown in (text, text.removesuffix(" "))
    assert _run(text) == (text, [], 0)


@settings(derandomize=True)
@given(_TEXTS)
def test_a_text_in_the_normal_form_is_left_as_it_is(text: str) -> None:
    once, _, _ = _run([text])
    again, _, dropped = _run([once])
    if "[9]" not in again and not dropped:
        assert _text(again) == again


@pytest.mark.parametrize(
    "bit", ["[", "(", "[1, ", "[1†", "([1], ", "[a [1] b ", "[source 1, ", "【"]
)
def test_little_is_ever_held(bit: str) -> None:
    citations = Citations(range(1, 10))
    shown = 0
    for fed, character in enumerate(bit * 200, start=1):
        shown += sum(len(p) for p in citations.feed(character) if isinstance(p, str))
        assert fed - shown <= MAX_HELD + MAX_LINK + 1 + fed // len(bit) * 4


def test_a_bracket_that_is_no_marker_is_released_at_once() -> None:
    citations = Citations([1])
    out = ["".join(map(str, citations.feed(c))) for c in " [1x] (so what) [email]"]
    assert out == [
        *("", "", "", " [1x", "]"),
        *("", "", "", "", " (so", " w", *"hat)"),
        *("", "", " [e", *"mail]"),
    ]  # fmt: skip


def _seconds(pieces: Sequence[str]) -> float:
    def once() -> float:
        start = time.thread_time()  # of this thread alone: others may be at work beside it
        _run(pieces)
        return time.thread_time() - start

    return min(once() for _ in range(2))


def test_the_cost_of_an_answer_is_told() -> None:
    text = "nginx buffers proxied responses by default [1], and waits for 60 seconds [2, 3]. " * 50
    pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
    print(f"{len(pieces)} deltas, 150 citations: {_seconds(pieces) * 1000:.1f} ms")


@pytest.mark.parametrize(
    "bit",
    ["word ", "a", " ", "\n", "[", "]", "(", "`", "~", "[1", "[1]", "[9] ", "[1, ", "[1†a",
     "([1], ", "[a [1] b ", "[[", "【", "http://[", "a. ", "- ", "1. ", "](", "\\"],
)  # fmt: skip
def test_time_grows_about_linearly_with_the_text(bit: str) -> None:
    def seconds(length: int) -> float:
        text = bit * (length // len(bit))
        return _seconds([text[at : at + 4] for at in range(0, length, 4)])

    times = [seconds(length) for length in (1_000, 8_000)]
    assert times[1] < 3 * 8 * times[0] + 0.05, times
