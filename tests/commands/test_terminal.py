"""What a terminal shows of an answer, and where."""

from __future__ import annotations

import pytest

from rag.commands.terminal import Terminal
from rag.events import Event, Failed, Finished, Started, TextDelta, Thinking

END = Finished("stop", "small", None, None, False, None, 0.1, 0.2, "f00d")


def shown(capsys: pytest.CaptureFixture[str], *events: Event) -> tuple[str, str]:
    with Terminal(quotes=False) as screen:
        for event in (Started("en", "f00d"), *events):
            screen.show(event)
    out, err = capsys.readouterr()
    return out, " ".join(err.split())


def test_thinking_is_a_short_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, Thinking("Passage [1] "), Thinking("says"), TextDelta("So."), END)
    assert out == "So.\n"
    assert err.startswith("Thought for 0 s") and "Passage" not in err


def test_thinking_that_fails_is_told_before_the_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = Failed("empty_answer", True, "The model only thought.", "f00d")
    out, err = shown(capsys, Thinking("Hm"), failed)
    assert out == "" and err == "Thought for 0 s headwater: The model only thought. (id f00d)"


def test_what_the_server_says_itself_stands_under_its_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, err = shown(capsys, Failed("quota_exceeded", False, "No.", "f00d", detail="Plan used up."))
    assert err == "headwater: No. (id f00d) headwater: The server's own words: Plan used up."


def test_what_turns_out_to_be_thinking_is_followed_by_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, err = shown(capsys, TextDelta("Hm."), Thinking(so_far=True), TextDelta("So."), END)
    assert out == "Hm.\nSo.\n" and "the answer begins here" in err


@pytest.mark.parametrize(
    ("reason", "says"), [("tool_calls", "call a tool"), ("other", "“repetition”")]
)
def test_an_end_that_is_none_of_the_models_is_told(
    capsys: pytest.CaptureFixture[str], reason: str, says: str
) -> None:
    end = Finished(reason, "small", None, None, False, None, 0.1, 0.2, "f00d", word="repetition")  # type: ignore[arg-type]
    assert says in shown(capsys, TextDelta("So."), end)[1]
