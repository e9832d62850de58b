"""What a model thinks apart from what it answers, however the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.events import Thinking
from rag.writing.chunk import Sent
from rag.writing.thinking import HEADER, Separator, opens_in_the_prompt

CHANNELS = (
    "<|channel|>analysis<|message|>Hm [3].<|end|><|start|>assistant<|channel|>final<|message|>"
)
# What came, what of it was thought, and the answer.
CASES = {
    "plain": ("It is so [1].", "", "It is so [1]."),
    "leading spaces": ("  - a list", "", "  - a list"),
    "tags": ("<think>\nHm [3].\n</think>\n\nIt is so [1].", "Hm [3].\n", "It is so [1]."),
    "other tags": ("<thinking>Hm.</thinking>So.", "Hm.", "So."),
    "capitals": ("[THINK]Hm.[/THINK]So.", "Hm.", "So."),
    "Kimi": ("◁think▷Hm.◁/think▷So.", "Hm.", "So."),
    "thought": ("<thought>Hm.</thought>So.", "Hm.", "So."),
    "empty tags": ("<think>\n\n</think>\n\nSo.", "", "So."),
    "never closed": ("<think>Hm, <b>and</b> so on [1]", "Hm, <b>and</b> so on [1]", ""),
    "thought twice": ("<think>A.</think>\n<think>B.</think>\nSo.", "A.B.", "So."),
    "closed twice": ("<think>A.</think>So.</think> It is.", "A.", "So. It is."),
    "channels": (f"{CHANNELS}It is so [1].<|return|>", "Hm [3].", "It is so [1]."),
    "no final channel": ("<|channel|>analysis<|message|>Hm.", "Hm.", ""),
    "final alone": ("<|channel|>final<|message|>So.<|end|>", "", "So."),
    "commentary": (
        "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>",
        "{}",
        "",
    ),
    "a role before": ("<|im_start|>assistant\nSo.<|im_end|>", "", "So."),
    "a header before": ("<|start_header_id|>assistant<|end_header_id|>\n\nSo.", "", "So."),
    "leaked end": ("So it is.<|im_end|>\n", "", "So it is."),
    "another turn": ("So.<|im_end|>\n<|im_start|>user\nAnd [2]?<|im_end|>", "", "So."),
    "a stray mark": ("So.<|im_end|>\nIt is.", "", "So.\nIt is."),
    "end of sentence": ("So.<｜end▁of▁sentence｜>", "", "So."),
    "</s> at the end": ("So.</s>", "", "So."),
    "</s> of HTML": ("It is <s>so</s> not.", "", "It is <s>so</s> not."),
    "spoken of": ("It writes <think> first.", "", "It writes <think> first."),
    "in code": ("It ends with `</think>` or `<|im_end|>`.", "",
                "It ends with `</think>` or `<|im_end|>`."),
    "in a block": ("So:\n```\n<|im_start|>user\n</think>\n```\nyes.</s>", "",
                   "So:\n```\n<|im_start|>user\n</think>\n```\nyes."),
    "no header": (f"<|start|>{'so ' * HEADER}", "", "so " * HEADER),
    "XML": ("<a>So</a> </reasoning> it is", "", "<a>So</a> </reasoning> it is"),
    "less": ("a < b and b <", "", "a < b and b <"),
    "brackets": ("[1] and [", "", "[1] and ["),
}  # fmt: skip


def apart(pieces: list[str], *, unopened: bool = False, whole: bool = True) -> tuple[str, str]:
    """What was thought, and the answer, as a reader has them in the end."""
    separator, thought, answer = Separator(unopened=unopened), "", ""
    came = [p for piece in pieces for p in separator.feed(Sent("text", piece))]
    for piece in [*came, *separator.end(whole=whole)]:
        if isinstance(piece, str):
            answer += piece
        elif piece.so_far:
            thought, answer = thought + answer + piece.text, ""
        else:
            thought += piece.text
    return thought, answer


@pytest.mark.parametrize("case", CASES)
def test_thinking_and_answer_come_apart_however_they_are_cut(case: str) -> None:
    text, thought, answer = CASES[case]
    for size in (1, 2, 3, 7, len(text)):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert apart(pieces) == (thought, answer), size


@given(st.lists(st.sampled_from([*"a <>|`\n[]/", "think", "<think>", "</think>", "<|im_end|>",
       "<|channel|>", "<|message|>", "final", "```", "</s>", "<|im_start|>"]), max_size=30),
       st.integers(1, 9), st.booleans())  # fmt: skip
def test_any_text_is_read_the_same_however_it_is_cut(
    parts: list[str], size: int, unopened: bool
) -> None:
    text = "".join(parts)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert apart(pieces, unopened=unopened) == apart([text], unopened=unopened)


UNOPENED = ["Hm ", "[3].\n", "</thi", "nk>\n\nIt is ", "so [1]."]


def test_text_before_a_closing_tag_alone_turns_out_to_be_thinking() -> None:
    separator = Separator()
    pieces = [p for piece in UNOPENED for p in separator.feed(Sent("text", piece))]
    assert pieces == ["Hm ", "[3].\n", Thinking(so_far=True), "It is ", "so [1]."]
    assert separator.learnt is True


def test_a_model_that_does_so_is_believed_to_think_at_once() -> None:
    separator = Separator(unopened=True)
    pieces = [p for piece in UNOPENED for p in separator.feed(Sent("text", piece))]
    assert pieces == [Thinking("Hm "), Thinking("[3].\n"), "It is ", "so [1]."]
    assert separator.learnt is True


@pytest.mark.parametrize(
    ("text", "whole", "thought", "answer", "learnt"),
    [
        ("It is so.", True, "It is so.", "It is so.", False),  # it did not think
        ("Hm, so", False, "Hm, so", "", None),  # it was cut while it thought
        ("<think>Hm.</think>So.", True, "Hm.", "So.", None),
        ("<|channel|>final<|message|>So.", True, "", "So.", None),
    ],
)
def test_a_model_that_was_believed_to_think_and_does_not_has_its_answer(
    text: str, whole: bool, thought: str, answer: str, learnt: bool | None
) -> None:
    assert apart([text], unopened=True, whole=whole) == (thought, answer)
    separator = Separator(unopened=True)
    list(separator.feed(Sent("text", text)))
    list(separator.end(whole=whole))
    assert separator.learnt is learnt


def test_where_the_server_tells_them_apart_nothing_is_guessed() -> None:
    separator = Separator(unopened=True)
    sent = [Sent("thinking", "\n"), Sent("thinking", "Hm."), Sent("text", "So.</think>")]
    pieces = [p for s in sent for p in separator.feed(s)]
    assert pieces == [Thinking("Hm."), "So."]


def test_halves_of_a_character_are_joined_in_both() -> None:
    separator = Separator()
    sent = [Sent("thinking", "a\ud83d"), Sent("text", "b\ud83d"), Sent("thinking", "\ude00")]
    pieces = [p for s in [*sent, Sent("text", "\ude00")] for p in separator.feed(s)]
    assert pieces == [Thinking("a"), "b", Thinking("😀"), "😀"]


@pytest.mark.parametrize(
    ("name", "thinks"),
    [
        *[("deepseek-r1:14b", True), ("DeepSeek-R1-Distill-Qwen-7B", True), ("QwQ-32B", True)],
        *[("Qwen/Qwen3-4B-Thinking-2507", True), ("deepseek-reasoner", True)],
        *[("gpt-4o-mini", False), ("command-r", False), ("command-r1x", False), ("llama3", False)],
    ],
)
def test_a_name_tells_whether_the_opening_tag_is_in_the_prompt(name: str, thinks: bool) -> None:
    assert opens_in_the_prompt(name) is thinks
