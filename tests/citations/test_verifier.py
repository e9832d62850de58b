"""Citations checked while the text passes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import pytest

from rag.citations.support import Support
from rag.citations.verifier import Verifier
from rag.events import CitationChecked, Thinking
from rag.types import Quote, Source
from rag.writing.pieces import Ending

pytestmark = pytest.mark.anyio

SOURCES = [Source(n, f"{n}.md", "T", 1, 0.5, text) for n, text in ((1, "noon"), (2, "nine"))]


def judge(sentence: str, sources: Sequence[Source]) -> list[Support]:
    """Supported by each whose passage has every number word of the sentence."""
    said = [word for word in ("noon", "nine") if word in sentence]
    supported = [all(word in source.text for word in said) for source in sources]
    return [Support(yes, "supported" if yes else "words", 0.0, 0.0) for yes in supported]


async def _pieces(
    pieces: Sequence[str | Ending], error: Exception | None = None
) -> AsyncGenerator[str | Ending]:
    for piece in pieces:
        yield piece
    if error:
        raise error


async def checked(*pieces: str | Ending) -> tuple[list[str | Ending | CitationChecked], int]:
    verifier = Verifier(SOURCES, judge)
    seen = [piece async for piece in verifier.stream(_pieces(pieces))]
    return seen, verifier.dropped


def verdicts(seen: Sequence[object]) -> list[tuple[int, int, bool]]:
    return [(c.number, c.start, c.supported) for c in seen if isinstance(c, CitationChecked)]


async def test_each_citation_is_judged_by_its_own_source() -> None:
    text = "The tide turns at noon [1]. The ferry leaves at nine [1]."
    seen, _ = await checked(text)
    assert verdicts(seen) == [(1, text.index("[1]"), True), (1, text.rindex("[1]"), False)]


async def test_the_sources_of_one_sentence_are_judged_at_once() -> None:
    text = "The tide turns at noon [1, 2]."
    seen, _ = await checked(text)
    assert verdicts(seen) == [(1, text.index("[1"), True), (2, text.index("[1") + 3, False)]


async def test_a_number_without_a_source_is_removed_and_counted() -> None:
    seen, dropped = await checked("The tide turns at noon [1][", "7]. Nothing more.")
    text = "".join(piece for piece in seen if isinstance(piece, str))
    assert (text, dropped) == ("The tide turns at noon [1]. Nothing more.", 1)


SAYS = {1: "The tide turns at noon on Mondays.", 2: "The ferry always leaves at nine."}


async def added(*pieces: str) -> tuple[list[tuple[int, int]], int]:
    """The number and place of each marker that was added, and how many sentences have none."""
    sources = [Source(n, f"{n}.md", "T", 1, 0.5, text) for n, text in SAYS.items()]

    def judging(sentence: str, sources: Sequence[Source]) -> list[Support]:
        quotes = [Quote(0, len(s.text), s.text) if "nine" in s.text else None for s in sources]
        return [Support(q is not None, "supported" if q else "words", 0.7, 0.0, q) for q in quotes]

    verifier = Verifier(sources, judging, adding=True)
    seen = [piece async for piece in verifier.stream(_pieces(pieces))]
    assert "".join(piece for piece in seen if isinstance(piece, str)) == "".join(pieces)
    found = [c for c in seen if isinstance(c, CitationChecked) and c.added]
    return [(c.number, c.start) for c in found], verifier.uncited


@pytest.mark.parametrize(
    "text",
    [
        "The ferry always leaves at nine. ",
        "- The ferry always leaves at nine\n- The",
        "The ferry always leaves at nine\n\n",
        "Here is what I found now:\n\n* The ferry always leaves at nine\n",
        "| The ferry always leaves | at nine |\n|---|---|\n",
    ],
    ids=["a sentence", "an item", "a paragraph", "behind an introduction", "in its cell"],
)
async def test_a_sentence_that_cites_nothing_gets_the_source_that_says_so(text: str) -> None:
    for pieces in ([text], list(text)):
        end = text.index("nine") + len("nine.") - ("nine." not in text)
        assert await added(*pieces) == ([(2, end)], 0)


async def test_one_that_no_source_says_is_counted_and_one_that_cites_is_left_alone() -> None:
    assert await added("The harbour is closed at midnight. The ferry leaves at nine [2].") == (
        [],
        1,
    )
    assert await added("Sure. Here is the whole list:\n\n```\nthe ferry leaves at nine\n```") == (
        [],
        0,
    )


async def test_a_source_that_says_only_a_part_of_it_is_not_added() -> None:
    said = "The ferry leaves at nine because its captain fears strong winds. "
    assert await added(said) == ([], 1)


async def test_what_is_held_comes_before_the_end() -> None:
    ending = Ending("stop")
    seen, _ = await checked("The tide turns at noon [1", ending)
    assert seen[-1] is ending and "".join(map(str, seen[:-1])).endswith("[1")


async def test_what_is_held_comes_before_an_error_too() -> None:
    seen: list[object] = []
    stream = Verifier(SOURCES, judge).stream(_pieces(["It turns at noon [1"], ConnectionError()))
    with pytest.raises(ConnectionError):
        async for piece in stream:
            seen.append(piece)
    assert "".join(map(str, seen)) == "It turns at noon [1"


async def test_thinking_in_the_middle_of_a_sentence_does_not_cut_it() -> None:
    seen = [
        piece
        async for piece in Verifier(SOURCES, judge).stream(
            _thinking("The tide turns at noon [", Thinking("[2]?"), "1].")
        )
    ]
    assert verdicts(seen) == [(1, 23, True)]
    assert "".join(p for p in seen if isinstance(p, str)) == "The tide turns at noon [1]."


async def test_what_turns_out_to_be_thinking_is_no_longer_counted() -> None:
    verifier = Verifier(SOURCES, judge)
    text = "The tide turns at noon [1]."
    pieces = _thinking("It may be noon [9]. Or [2", Thinking(so_far=True), text)
    seen = [piece async for piece in verifier.stream(pieces)]
    assert verifier.dropped == 0
    after = seen[seen.index(Thinking(so_far=True)) + 1 :]
    assert verdicts(after) == [(1, 23, True)]
    assert "".join(p for p in after if isinstance(p, str)) == text


async def _thinking(*pieces: str | Thinking) -> AsyncGenerator[str | Thinking]:
    for piece in pieces:
        yield piece


async def test_leaving_closes_what_is_read() -> None:
    pieces = _pieces(["The tide turns at noon [1]."] * 3)
    stream = Verifier(SOURCES, judge).stream(pieces)
    await anext(stream)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)
