"""A file of questions: read, answered several at once, stopped anywhere, and completed.

`python -m tests.commands.test_batch OUT N` is the process that is killed: it answers N of QUESTIONS
into OUT and hangs in the others.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.commands.batch import Item, Outcome, answers_file, load, run
from rag.errors import QuestionsError
from rag.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    Queued,
    Searching,
    SourcesFound,
    TextDelta,
    Waiting,
)
from rag.settings import PROJECT
from rag.types import Findings, Source

pytestmark = pytest.mark.anyio

QUESTIONS = [Item(n, f"Câu hỏi thứ {n} là gì?", f"q-{n}") for n in range(1, 61)]
KILLS = 5

Answer = Callable[[str], AsyncGenerator[Event]]


def found(question: str) -> SourcesFound:
    sources = tuple(
        Source(n, f"tài-liệu-{n}.md", "Tiêu đề", n, 0.51239, "đoạn trích") for n in (1, 2)
    )
    return SourcesFound(Findings(question, "vi", "answer", 0.4, 0.7, sources))


def finished(reason: FinishReason = "stop", cached: bool = False) -> Finished:
    return Finished(
        reason=reason,
        model=None if reason == "refused" else "house-model",
        usage=None,
        price=None,
        cached=cached,
        search_seconds=0.1,
        first_token_seconds=0.2,
        total_seconds=0.3,
        request_id="r1",
    )


def failed(code: str, retryable: bool) -> Failed:
    return Failed(code=code, retryable=retryable, sentence=f"Lỗi {code}.", request_id="r2")


class Answering:
    """Answers each question with its own words, or ends as `ends` says for it; `gate` holds up the
    questions that it is asked about, after their first word."""

    def __init__(self, **ends: Event) -> None:
        self.ends = ends
        self.asked: list[str] = []
        self.open: set[str] = set()
        self.most_open = self.most_tasks = 0
        self.held: set[str] = set()
        self.go_on = asyncio.Event()

    async def __call__(self, question: str) -> AsyncGenerator[Event]:
        self.asked.append(question)
        self.open.add(question)
        self.most_open = max(self.most_open, len(self.open))
        self.most_tasks = max(self.most_tasks, len(asyncio.all_tasks()))
        try:
            yield Queued(1)
            yield Waiting(0, 0, "")
            yield Searching(question)
            yield found(question)
            yield TextDelta("Trả lời: ")
            if question in self.held:
                await self.go_on.wait()
            await asyncio.sleep(0)
            yield TextDelta(question)
            yield self.ends.get(question, finished())
        finally:
            self.open.remove(question)


def items(*questions: str) -> list[Item]:
    return [Item(n, question) for n, question in enumerate(questions, start=1)]


def lines(out: Path) -> list[dict[str, Any]]:
    text = out.read_text(encoding="utf-8")
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def numbers(out: Path) -> list[int]:
    return sorted(line["number"] for line in lines(out))


async def asked(asked: Sequence[Item], out: Path, answer: Answer, at_once: int = 8) -> Outcome:
    return await run(asked, out, answer, lambda line: None, at_once)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "q.txt.answers.jsonl"


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "questions"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Một?\n\n# not this\n  Hai?  \n", [Item(1, "Một?"), Item(4, "Hai?")]),
        ("Một?\r\nHai?", [Item(1, "Một?"), Item(2, "Hai?")]),
        (b"\xef\xbb\xbfM\xe1\xbb\x99t?", [Item(1, "Một?")]),
        ("a\u2028b?\nc?", [Item(1, "a\u2028b?"), Item(2, "c?")]),
        ('"Proxy" là gì?', [Item(1, '"Proxy" là gì?')]),
        (
            '{"question": "a?", "id": "x"}\n\n{"question": " b? ", "more": 1}\n',
            [Item(1, "a?", "x"), Item(3, " b? ")],
        ),
        ('# said in\n{"question": "a?", "id": 0}', [Item(2, "a?", 0)]),
        ('\n[\n"a?",\n{"question": "b?", "id": 7}]', [Item(1, "a?"), Item(2, "b?", 7)]),
    ],
)
def test_each_format_is_read(tmp_path: Path, content: str | bytes, expected: list[Item]) -> None:
    assert load(written(tmp_path, content)) == expected


@pytest.mark.parametrize(
    ("content", "en", "vi"),
    [
        ("", "no question", "Không có câu hỏi"),
        ("# only\n\n", "no question", "Không có câu hỏi"),
        ("[]", "no question", "Không có câu hỏi"),
        (b"a?\nb?\n\xff\xfe", "Line 3 ", "Dòng 3 "),
        (b"\xef\xbb\xbfa\n\xff", "Line 2 ", "Dòng 2 "),
        ('{"question": "a?"}\n\nb?', "Line 3 ", "Dòng 3 "),
        ('{"question": "a?"}\n{"id": 1}', "entry 2 ", "mục 2 "),
        ('{"question": "a?"}\n{"question": 1}', "entry 2 ", "mục 2 "),
        ('["a?",\n"b?",\nc]', "Line 3 ", "Dòng 3 "),
        ('["a?", ["b?"]]', "entry 2 ", "mục 2 "),
        ("[" * 100_000, "Line 1 ", "Dòng 1 "),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(
    tmp_path: Path, content: str | bytes, en: str, vi: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(QuestionsError) as caught:
        load(path)
    assert en in caught.value.en and vi in caught.value.vi
    assert str(path) in caught.value.en and str(path) in caught.value.vi


def test_a_missing_file_or_a_folder_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(QuestionsError, match="cannot be read"):
            load(path)


def test_the_answers_are_beside_the_questions() -> None:
    assert answers_file(Path("/a/q.jsonl")) == Path("/a/q.jsonl.answers.jsonl")


async def test_each_answer_is_a_line_and_is_shown(out: Path) -> None:
    shown: list[dict[str, object]] = []
    asking = [Item(4, "Proxy là gì?", "k"), Item(9, "b?")]
    outcome = await run(asking, out, Answering(), shown.append)
    assert outcome == Outcome(answered=2, skipped=0, failed=0, stopped_by=None)
    assert shown == lines(out)
    first = next(line for line in lines(out) if line["number"] == 4)
    assert first == {
        "number": 4,
        "id": "k",
        "question": "Proxy là gì?",
        "answer": "Trả lời: Proxy là gì?",
        "unconfirmed": [],
        "unclear": [],
        "sources": [
            {"number": 1, "document": "tài-liệu-1.md", "page": 1, "score": 0.5124},
            {"number": 2, "document": "tài-liệu-2.md", "page": 2, "score": 0.5124},
        ],
        "verdict": "answer",
        "reason": "stop",
        "model": "house-model",
        "usage": None,
        "price": None,
        "cached": False,
        "search_seconds": 0.1,
        "first_token_seconds": 0.2,
        "total_seconds": 0.3,
        "request_id": "r1",
        "rewriting": None,
        "dropped_citations": 0,
        "uncited_sentences": 0,
    }
    assert "id" not in next(line for line in lines(out) if line["number"] == 9)
    assert "Trả lời: Proxy là gì?" in out.read_text(encoding="utf-8")


async def test_half_a_surrogate_pair_does_not_break_the_file(out: Path) -> None:
    asking = items("nửa \ud83d", "b?")
    await asked(asking, out, Answering())
    (line,) = (line for line in lines(out) if line["number"] == 1)
    assert line["answer"] == "Trả lời: nửa \ud83d"
    assert await asked(asking, out, Answering()) == Outcome(0, 2, 0, None)


async def test_so_many_are_answered_at_once_and_no_more(out: Path) -> None:
    answering = Answering()
    answering.held = {item.question for item in QUESTIONS[:8]}
    before = len(asyncio.all_tasks())
    running = asyncio.create_task(asked(QUESTIONS, out, answering, at_once=3))
    await until(lambda: len(answering.open) == 3)
    answering.go_on.set()
    assert (await running).answered == len(QUESTIONS)
    assert answering.most_open == 3
    assert answering.most_tasks <= before + 1 + 3


async def test_a_slow_answer_does_not_hold_up_the_others(out: Path) -> None:
    answering = Answering()
    answering.held = {"slow?"}
    running = asyncio.create_task(asked(items("slow?", *"abcdef"), out, answering, at_once=2))
    await until(lambda: len(answering.asked) == 7 and len(answering.open) == 1)
    assert numbers(out) == [2, 3, 4, 5, 6, 7]
    answering.go_on.set()
    await running
    assert [line["number"] for line in lines(out)][-1] == 1


async def test_what_was_answered_is_not_asked_again(out: Path) -> None:
    await asked(items("a?", "b?"), out, Answering())
    before = out.read_bytes()
    answering = Answering()
    assert await asked(items("a?", "b?", "c?"), out, answering) == Outcome(1, 2, 0, None)
    assert answering.asked == ["c?"]
    assert out.read_bytes().startswith(before)


async def test_a_question_that_changed_is_asked_again_and_its_later_line_counts(out: Path) -> None:
    for question in ("a?", "b?", "a?"):
        answering = Answering()
        await asked(items(question), out, answering)
        assert answering.asked == [question]
    assert [line["question"] for line in lines(out)] == ["a?", "b?", "a?"]
    assert await asked(items("a?"), out, Answering()) == Outcome(0, 1, 0, None)


@pytest.mark.parametrize(
    ("code", "retryable", "kept"),
    [
        ("invalid_question", False, True),
        ("context_too_long", False, True),
        ("content_filtered", False, True),
        ("auth_error", False, False),
        ("invalid_request", False, False),
        ("library_empty", False, False),
        ("rate_limited", True, False),
        ("internal_error", True, False),
    ],
)
async def test_only_a_failure_of_the_question_itself_counts_as_done(
    out: Path, code: str, retryable: bool, kept: bool
) -> None:
    shown: list[dict[str, Any]] = []
    answering = Answering(**{"b?": failed(code, retryable)})
    outcome = await run(items("a?", "b?"), out, answering, shown.append)
    assert outcome == Outcome(answered=1, skipped=0, failed=1, stopped_by=None)
    (line,) = (line for line in shown if line["number"] == 2)
    assert line["failed"]["code"] == code and line["failed"]["retryable"] == retryable
    assert line["failed"]["sentence"] == f"Lỗi {code}."
    assert (line in lines(out)) == kept
    again = Answering()
    await asked(items("a?", "b?"), out, again)
    assert again.asked == ([] if kept else ["b?"])
    assert numbers(out) == [1, 2]


@pytest.mark.parametrize("code", ["auth_error", "invalid_request", "store_error"])
async def test_a_failure_that_every_question_meets_stops_the_batch(out: Path, code: str) -> None:
    answering = Answering(**{item.question: failed(code, False) for item in QUESTIONS})
    outcome = await asked(QUESTIONS, out, answering, at_once=4)
    assert outcome.stopped_by == f"Lỗi {code}."
    assert outcome.failed == len(answering.asked) <= 3 + 4
    assert numbers(out) == []
    assert (await asked(QUESTIONS, out, Answering())).answered == len(QUESTIONS)


async def test_a_stopped_batch_still_finishes_what_it_has_begun(out: Path) -> None:
    answering = Answering(**{q: failed("auth_error", False) for q in ("b?", "c?", "d?")})
    answering.held = {"a?"}
    asking = items("a?", "b?", "c?", "d?", "e?")
    running = asyncio.create_task(asked(asking, out, answering, at_once=2))
    await until(lambda: len(answering.asked) == 4 and len(answering.open) == 1)
    answering.go_on.set()
    assert await running == Outcome(1, 0, 3, "Lỗi auth_error.")
    assert numbers(out) == [1]


MIXED: list[tuple[Sequence[Event], bool]] = [
    ([failed("auth_error", False)] * 3, True),
    ([failed("auth_error", False)] * 2 + [finished()] + [failed("auth_error", False)] * 2, False),
    ([failed("auth_error", False), failed("invalid_request", False)] * 2, False),
    ([failed("auth_error", False), finished("refused")] * 3, True),
    ([failed("auth_error", False), finished(cached=True)] * 3, True),
    ([failed("auth_error", False), failed("invalid_question", False)] * 3, True),
    ([failed("invalid_question", False)] * 9, False),
    ([failed("rate_limited", True)] * 9, False),
]


@pytest.mark.parametrize(("ends", "stops"), MIXED)
async def test_only_an_answer_that_a_model_wrote_breaks_the_row_of_failures(
    out: Path, ends: Sequence[Event], stops: bool
) -> None:
    asking = items(*(f"{n}?" for n in range(len(ends))))
    answering = Answering(**dict(zip((i.question for i in asking), ends, strict=True)))
    outcome = await asked(asking, out, answering, at_once=1)
    assert (outcome.stopped_by is not None) == stops


async def test_a_torn_last_line_is_cut_off_wherever_it_was_torn(out: Path) -> None:
    await asked(items("ậ?"), out, Answering())
    whole = out.read_bytes()
    await asked(items("ậ?", "ễ?"), out, Answering())
    both = out.read_bytes()
    for end in range(len(whole), len(both)):
        out.write_bytes(both[:end])
        answering = Answering()
        await asked(items("ậ?", "ễ?"), out, answering)
        assert answering.asked == ["ễ?"]
        assert out.read_bytes() == both


@pytest.mark.parametrize(
    ("line", "content"),
    [
        (1, "notes of mine"),
        (1, "notes of mine\n"),
        (1, '{"question": "a?", "number": 1}'),
        (2, '{"number": 1, "question": "a?"}\n\n'),
        (2, '{"number": 1, "question": "a?"}\n{"number": 2,\n'),
        (2, '{"number": 1, "question": "a?"}\n{"question": "b?"}\n{"number": 3, "ques'),
        (1, '{"number": "1", "question": "a?"}\n'),
        (1, "[1]\n"),
        (1, b"\xff\n"),
    ],
)
async def test_a_file_that_holds_no_answers_is_refused_and_left_as_it_is(
    out: Path, line: int, content: str | bytes
) -> None:
    data = content.encode() if isinstance(content, str) else content
    out.write_bytes(data)
    answering = Answering()
    with pytest.raises(QuestionsError, match=rf"Line {line} of"):
        await asked(items("a?"), out, answering)
    assert out.read_bytes() == data
    assert answering.asked == []


async def test_a_cancelled_run_keeps_what_it_wrote_and_the_next_does_exactly_the_rest(
    out: Path,
) -> None:
    answering = Answering()
    answering.held = {item.question for item in QUESTIONS[5::2]}
    running = asyncio.create_task(asked(QUESTIONS, out, answering, at_once=4))
    await until(lambda: answering.open == {item.question for item in QUESTIONS[5:12:2]})
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert answering.open == set()
    done = numbers(out)
    assert done == [1, 2, 3, 4, 5, 7, 9, 11]
    again = Answering()
    outcome = await asked(QUESTIONS, out, again)
    assert outcome == Outcome(len(QUESTIONS) - len(done), len(done), 0, None)
    assert sorted(again.asked) == sorted(i.question for i in QUESTIONS if i.number not in done)
    assert numbers(out) == [item.number for item in QUESTIONS]


async def test_two_runs_do_not_write_to_one_file_at_once(out: Path) -> None:
    first, second = Answering(), Answering()
    first.held = {"a?"}
    running = asyncio.create_task(asked(items("a?"), out, first))
    await until(lambda: bool(first.open))
    with pytest.raises(QuestionsError, match="Another run") as caught:
        await asked(items("a?"), out, second)
    assert "Một lần chạy khác" in caught.value.vi
    assert second.asked == []
    first.go_on.set()
    assert (await running).answered == 1
    assert await asked(items("a?"), out, second) == Outcome(0, 1, 0, None)


async def test_answers_that_cannot_be_written_end_the_run_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(QuestionsError, match="cannot be written"):
        await asked(items("a?"), tmp_path, Answering())

    folder = tmp_path / "folder"
    folder.mkdir()
    answering = Answering()
    answering.held = {"a?", "b?"}
    running = asyncio.create_task(asked(items("a?", "b?", "c?"), folder / "out", answering, 2))
    await until(lambda: len(answering.open) == 2)
    shutil.rmtree(folder)
    answering.go_on.set()
    with pytest.raises(QuestionsError, match="cannot be written"):
        await running
    assert answering.open == set()


async def test_what_showing_raises_is_raised_as_it_is_once_the_line_is_written(out: Path) -> None:
    def show(line: dict[str, object]) -> None:
        raise BrokenPipeError

    answering = Answering()
    with pytest.raises(BrokenPipeError):
        await run(items("a?", "b?", "c?"), out, answering, show, at_once=1)
    assert numbers(out) == [1]
    assert answering.open == set()


@pytest.mark.timeout(300)
async def test_kills_and_one_run_in_peace_answer_each_question_once(out: Path) -> None:
    command = [sys.executable, "-m", "tests.commands.test_batch", str(out)]
    draw = random.Random(9)
    kept = b""
    for kill in range(1, KILLS + 1):
        answers = draw.randint(4, 9)
        with subprocess.Popen(
            [*command, str(answers)], cwd=PROJECT, stdout=subprocess.PIPE
        ) as killed:
            assert killed.stdout
            for _ in range(draw.randint(1, answers)):
                assert killed.stdout.readline()
            time.sleep(draw.uniform(0, 0.02))
            killed.send_signal(signal.SIGKILL)
        assert killed.returncode == -signal.SIGKILL
        data = out.read_bytes()
        assert data.startswith(kept), "an earlier run's answers were changed"
        kept = data[: data.rfind(b"\n") + 1]
        assert kill <= kept.count(b"\n") < len(QUESTIONS)
        if kill == 2:  # what a kill inside a write leaves
            with out.open("ab") as file:
                file.write(b'{"number": 60, "id": "q-60", "question": "C\xc3\xa2u h\xe1')
    subprocess.run(
        [*command, str(len(QUESTIONS))], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL
    )
    assert numbers(out) == [item.number for item in QUESTIONS]
    for line in lines(out):
        assert line["answer"] == f"Trả lời: {line['question']}" * 200


def main() -> None:
    left = int(sys.argv[2])

    async def answer(question: str) -> AsyncGenerator[Event]:
        nonlocal left
        left -= 1
        if left < 0:
            await asyncio.Event().wait()
        yield found(question)
        for _ in range(200):
            yield TextDelta(f"Trả lời: {question}")
        await asyncio.sleep(random.uniform(0, 0.05))
        yield finished()

    def show(line: dict[str, object]) -> None:
        print(line["number"], flush=True)

    asyncio.run(run(QUESTIONS, Path(sys.argv[1]), answer, show, at_once=4))


if __name__ == "__main__":
    main()
