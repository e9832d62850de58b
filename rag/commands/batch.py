"""Answers a file of questions, several at once, one JSON line an answer, and goes on where an
earlier run stopped. Knows no retriever and no model: it is given what answers a question.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import QuestionsError
from ..events import Event, as_json

AT_ONCE = 8
STOP_AFTER = 3  # failures in a row that the other questions would meet as well

# The failures that are the question's own: asking it again would not help. All others are of the
# model, its settings or the library, and the next run asks again.
_OF_THE_QUESTION = {"invalid_question", "context_too_long", "content_filtered"}
_HEAD = b'{"number": '  # how every line of answers begins

Answer = Callable[[str], AsyncGenerator[Event]]
Show = Callable[[dict[str, object]], None]


@dataclass(frozen=True, slots=True)
class Item:
    """One question. `number` is that of its line, or of its entry in a JSON array, from 1; `id` is
    what the file calls it."""

    number: int
    question: str
    id: object = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many were answered, had been answered before, and failed. `stopped_by` is the sentence
    of the failure after which no more were asked."""

    answered: int
    skipped: int
    failed: int
    stopped_by: str | None


def load(path: Path) -> list[Item]:
    """The questions in `path`, UTF-8: one a line, JSON lines of objects with a "question", or a
    JSON array of such objects or of strings. Empty lines and lines that begin with # are no
    questions. Raises QuestionsError if it cannot be read or has none."""
    try:
        text = path.expanduser().read_bytes().removeprefix(codecs.BOM_UTF8).decode()
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise QuestionsError(
            f"The questions in {path} cannot be read ({reason}).",
            f"Không đọc được câu hỏi trong {path} ({reason}).",
        ) from exc
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise _unfit(path, line, "is not UTF-8", "không phải UTF-8") from exc
    if text.lstrip().startswith("["):
        entries = list(enumerate(_json(path, 1, text), start=1))
    else:
        stripped = [line.strip() for line in text.split("\n")]
        lines = [(n, s) for n, s in enumerate(stripped, start=1) if s and not s.startswith("#")]
        in_json = bool(lines) and lines[0][1].startswith("{")
        entries = [(n, _json(path, n, s)) for n, s in lines] if in_json else lines
    items = [_item(path, n, entry) for n, entry in entries]
    if not items:
        raise QuestionsError(
            f"There is no question in {path}.", f"Không có câu hỏi nào trong {path}."
        )
    return items


def answers_file(path: Path) -> Path:
    """Where the answers to the questions in `path` are written: beside it."""
    path = path.expanduser()
    return path.with_name(f"{path.name}.answers.jsonl")


async def run(
    items: Sequence[Item], out: Path, answer: Answer, show: Show, at_once: int = AT_ONCE
) -> Outcome:
    """Answers the items that `out` has no answer to, and appends a line to it as each is finished.

    `show` is given each finished one, failures too; of these only the question's own are written.
    After a cancellation or a kill the next run does the rest. Raises QuestionsError if `out` cannot
    be written, is being written by another run, or is no file of answers: then it stays as it is.
    """
    with _locked(out):
        done = _answered(out)
        todo = [item for item in items if done.get(item.number) != item.question]
        batch, waiting = _Batch(out, show), iter(todo)

        async def work() -> None:
            # What is being answered when the batch stops is not broken off: it may be paid already.
            while batch.stopped_by is None and (item := next(waiting, None)):
                batch.add(await _ask(item, answer))

        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(at_once, len(todo))):
                    workers.create_task(work())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group  # the caller knows QuestionsError, not a group
    return Outcome(batch.answered, len(items) - len(todo), batch.failed, batch.stopped_by)


class _Batch:
    """What has come of the questions so far."""

    def __init__(self, out: Path, show: Show) -> None:
        self.answered = self.failed = 0
        self.stopped_by: str | None = None
        self._out, self._show = out, show
        self._row: list[str] = []  # the codes of the last failures since a model wrote

    def add(self, line: dict[str, Any]) -> None:
        failure = line.get("failed")
        if failure is None:
            self.answered += 1
            # A refusal and a remembered answer do not show that the model works.
            if line["reason"] != "refused" and not line["cached"]:
                self._row = []
        else:
            self.failed += 1
        if failure is None or failure["code"] in _OF_THE_QUESTION:
            _append(self._out, line)
        elif not failure["retryable"]:
            self._row = [*self._row, failure["code"]][-STOP_AFTER:]
            if self._row == [failure["code"]] * STOP_AFTER:
                self.stopped_by = failure["sentence"]
        self._show(line)


async def _ask(item: Item, answer: Answer) -> dict[str, Any]:
    """The line of one answer."""
    texts: list[str] = []
    found: dict[str, Any] = {"sources": [], "verdict": None}
    # Citations, as often as the answer has them.
    checked: dict[str, list[int]] = {"unconfirmed": [], "unclear": []}
    ending: dict[str, Any] = {}
    async with aclosing(answer(item.question)) as stream:
        async for event in stream:
            match as_json(event):
                case {"event": "sources_found", "sources": list(sources), "verdict": verdict}:
                    kept = ("number", "document", "page", "score")
                    found["sources"] = [{name: s[name] for name in kept} for s in sources]
                    found["verdict"] = verdict
                case {"event": "text_delta", "text": str(text)}:
                    texts.append(text)
                case {"event": "thinking", "so_far": True}:  # it was no answer
                    texts.clear()
                    checked = {outcome: [] for outcome in checked}
                case {"event": "citation_checked", "number": int(number), "outcome": str(outcome)}:
                    checked.get(outcome, []).append(number)
                case {"event": "finished", **values}:
                    ending = values
                case {"event": "failed", **values}:
                    ending = {"failed": values}
    named = {} if item.id is None else {"id": item.id}
    asked = {"number": item.number, **named, "question": item.question}
    answered = {"answer": "".join(texts), **checked}
    return {**asked, **answered, **found, **ending}


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    lock = FileLock(out.with_name(f".{out.name}.lock"), thread_local=False)
    with _writing(out):
        lock.acquire(timeout=0)
    try:
        yield
    finally:
        lock.release()


def _answered(out: Path) -> dict[int, str]:
    """The question last answered at each number in `out`; a last line that was torn is cut off."""
    done: dict[int, str] = {}
    with _writing(out), out.open("a+b") as file:
        file.seek(0)
        for n, line in enumerate(file, start=1):
            torn = not line.endswith(b"\n")
            if torn and line[: len(_HEAD)] == _HEAD[: len(line)]:
                file.truncate(file.tell() - len(line))
                break
            match _json(out, n, line.rstrip()):
                case {"number": int(number), "question": str(question)} if not torn:
                    done[number] = question
                case _:
                    raise _unfit(out, n, "is no answer", "không phải câu trả lời")
    return done


def _append(out: Path, line: dict[str, Any]) -> None:
    # Half a surrogate pair has no bytes in UTF-8; its escape is the same string in JSON.
    data = json.dumps(line, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
    with _writing(out), out.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except Timeout as exc:
        raise QuestionsError(
            f"Another run is writing to {out}. Wait until it ends, or stop it.",
            f"Một lần chạy khác đang ghi vào {out}. Hãy đợi nó xong hoặc dừng nó lại.",
        ) from exc
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise QuestionsError(
            f"The answers cannot be written to {out} ({reason}).",
            f"Không ghi được câu trả lời vào {out} ({reason}).",
        ) from exc


def _json(path: Path, line: int, text: str | bytes) -> Any:
    """`text`, which begins at that line of `path`, as a value."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        line += exc.lineno - 1 if isinstance(exc, json.JSONDecodeError) else 0
        raise _unfit(path, line, "is not JSON", "không phải JSON") from exc


def _item(path: Path, number: int, entry: Any) -> Item:
    match entry:
        case str(question):
            return Item(number, question)
        case {"question": str(question)}:
            return Item(number, question, entry.get("id"))
    raise QuestionsError(
        f"Line or entry {number} of {path} has no “question”.",
        f"Dòng hoặc mục {number} của {path} không có “question”.",
    )


def _unfit(path: Path, line: int, en: str, vi: str) -> QuestionsError:
    return QuestionsError(
        f"Line {line} of {path} {en}. Correct it, or choose another file.",
        f"Dòng {line} của {path} {vi}. Hãy sửa lại hoặc chọn tệp khác.",
    )
