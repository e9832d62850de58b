"""Tells a model's thinking from its answer, where a server sends both as one text, and drops what
marks turns and is no text at all. Pure; knows no wire.

Thinking stands between tags before the answer, also where the opening one was in the prompt
(DeepSeek-R1, QwQ), or in channels (gpt-oss). A tag that an answer speaks of stays: one behind its
first word opens nothing, and none in code closes anything.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Literal

from ..events import Thinking
from .chunk import Sent

_NAMES = ("think", "thinking", "thought", "reasoning", "seed:think")
_OPEN = {*(f"<{name}>" for name in _NAMES), "[think]", "◁think▷", "<|begin_of_thought|>"}
_CLOSE = {*(f"</{name}>" for name in _NAMES), "[/think]", "◁/think▷", "<|end_of_thought|>"}
_HEADER = {"<|start|>", "<|channel|>"}  # up to <|message|>
_ROLE = {"<|im_start|>", "<|start_header_id|>", "<start_of_turn>"}  # up to the end of the line
_END = {
    *("<|end|>", "<|return|>", "<|call|>", "<|message|>", "<|constrain|>", "<|end_header_id|>"),
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>"),
    *("<|end_of_turn|>", "<end_of_turn>", "<|end_of_sentence|>", "<｜end▁of▁sentence｜>", "</s>"),
}
_MARKS = sorted({*_OPEN, *_CLOSE, *_HEADER, *_ROLE, *_END}, key=len, reverse=True)
_MARK = re.compile("|".join(map(re.escape, _MARKS)), re.IGNORECASE)
_LONGEST = len(_MARKS[0])
_BEGINS = re.compile(r"[<◁\[]")
_HALF = re.compile("[\ud800-\udfff]")
HEADER = 100  # characters of a header at most; what is longer is none
# Models whose prompt ends in the opening tag, as far as their names tell.
_UNOPENED = re.compile(r"(?<![a-z0-9])(?:r1|qwq|thinking|reasoner)(?![a-z])", re.IGNORECASE)


def opens_in_the_prompt(model: str) -> bool:
    """Whether a model of this name is likely to begin by thinking, without saying so."""
    return bool(_UNOPENED.search(model))


class Separator:
    """One answer. `unopened` takes its beginning for thinking until a closing tag comes.

    `learnt` is whether the model thinks without an opening tag, None while that is not known.
    """

    def __init__(self, *, unopened: bool = False) -> None:
        self.learnt: bool | None = None
        self._mode: Literal["text", "thinking", "unopened", "header", "role", "over"]
        self._mode = "unopened" if unopened else "text"
        self._held = ""  # what may begin a mark
        self._space = ""  # before the first word; with a mark that ends a turn, behind the last
        self._header = ""
        self._in_channels = self._names_channel = False
        self._unopened: list[str] = []
        self._begun = self._ended = self._thought = self._has_thinking = False
        self._code = _Code()
        self._halves = (_Halves(), _Halves())

    def feed(self, sent: Sent) -> Iterator[str | Thinking]:
        """The next piece from the wire."""
        return self._thinking(sent.text) if sent.kind == "thinking" else self._text(sent.text)

    def _thinking(self, text: str) -> Iterator[str | Thinking]:
        """What the server itself calls thinking."""
        if self._mode == "unopened" and not self._unopened:
            self._mode = "text"
        self._thought = True
        yield from self._think(self._halves[0].whole(text))

    def _text(self, text: str) -> Iterator[str | Thinking]:
        text, self._held = self._held + self._halves[1].whole(text), ""
        at = 0
        for mark in _MARK.finditer(text):
            yield from self._plain(text[at : mark.start()])
            yield from self._marked(mark[0])
            at = mark.end()
        cut = self._unfinished(text, at)
        yield from self._plain(text[at:cut])
        self._held = text[cut:]

    def end(self, *, whole: bool) -> Iterator[str | Thinking]:
        """What was held. `whole` says that the model had come to its end."""
        yield from self._think(self._halves[0].end())
        yield from self._plain(self._held + self._halves[1].end())
        self._held = ""
        if self._mode == "unopened" and whole and self._unopened:
            self.learnt, self._mode, self._thought = False, "text", False
            yield from self._plain("".join(self._unopened))

    def _plain(self, text: str) -> Iterator[str | Thinking]:
        """A text without any mark."""
        match self._mode:
            case _ if not text:
                pass
            case "text":
                yield from self._say(text)
            case "thinking":
                yield from self._think(text)
            case "unopened":
                self._unopened.append(text)
                yield from self._think(text)
            case "header":
                self._header += text
                if len(self._header) > HEADER:
                    self._mode = "text"
                    yield from self._say(self._header)
            case "role":
                _, ends, rest = text.partition("\n")
                if ends:
                    self._mode = "text"
                    yield from self._plain(rest)
            case "over":
                pass

    def _marked(self, mark: str) -> Iterator[str | Thinking]:
        lower, mode = mark.lower(), self._mode
        if mode == "header":
            self._in_header(lower)
        elif mode in ("role", "over"):
            if mode == "role" and lower in _END:
                self._mode = "text"
        elif mode == "text" and self._code.goes_on:
            yield from self._say(mark)
        elif lower in _OPEN:
            first = not self._begun if mode == "text" else mode == "unopened" and not self._unopened
            if first:
                self._mode, self._thought = "thinking", True
            else:
                yield from self._plain(mark)
        elif lower in _CLOSE:
            yield from self._close(mark)
        elif (mode == "unopened" and self._unopened) or (
            mode == "thinking" and not self._in_channels
        ):
            yield from self._plain("" if lower in _END else mark)
        elif lower in _HEADER:
            self._mode, self._header, self._in_channels = "header", "", True
            self._names_channel = lower == "<|channel|>"
        elif lower in _ROLE:
            self._mode = "over" if self._begun else "role"  # another turn is no answer
        else:
            self._mode, self._ended = "text", self._begun
            if lower == "</s>" and self._begun:
                self._space += mark  # the end, or HTML

    def _in_header(self, mark: str) -> None:
        if mark == "<|channel|>":
            self._header, self._names_channel = "", True
        elif mark == "<|message|>":
            names = self._header.split() if self._names_channel else []
            is_answer = names[:1] in ([], ["final"])
            self._mode = "text" if is_answer else "thinking"
            self._thought = self._thought or not is_answer
        elif mark not in ("<|start|>", "<|constrain|>"):
            self._mode = "text"

    def _close(self, mark: str) -> Iterator[str | Thinking]:
        if self._mode == "unopened":
            self.learnt = True
        elif self._mode == "text" and self._begun and not self._thought:
            if "think" not in mark.lower():  # </reasoning> may be of an XML that is spoken of
                yield from self._say(mark)
                return
            self.learnt, self._begun, self._space, self._code = True, False, "", _Code()
            self._has_thinking = True
            yield Thinking(so_far=True)
        self._mode, self._thought = "text", True

    def _say(self, text: str) -> Iterator[str]:
        if not text.strip() and (self._ended or not self._begun):
            self._space += text
            return
        before, self._space, self._ended = self._space, "", False
        if not self._begun:  # no blank line stays, nor anything behind thinking
            words = text.lstrip()
            space = before + text[: len(text) - len(words)]
            before, text = "" if self._thought else space.rpartition("\n")[2], words
        self._begun = True
        self._code.read(text)
        yield before + text

    def _think(self, text: str) -> Iterator[Thinking]:
        text = text if self._has_thinking else text.lstrip()
        if text:
            self._has_thinking = True
            yield Thinking(text)

    def _unfinished(self, text: str, start: int) -> int:
        """Where in `text`, from `start` on, a mark begins that may go on; else its end."""
        in_answer = self._mode == "text" and self._begun
        for begin in _BEGINS.finditer(text, max(start, len(text) - _LONGEST + 1)):
            if not (in_answer and begin[0] == "["):
                rest = text[begin.start() :].lower()
                if any(mark.startswith(rest) for mark in _MARKS):
                    return begin.start()
        return len(text)


class _Code:
    """Whether what comes next in a Markdown text is code."""

    def __init__(self) -> None:
        self._fenced = False
        self._line = ""  # its first three characters
        self._ticks = 0

    @property
    def goes_on(self) -> bool:
        return self._fenced or self._ticks % 2 == 1

    def read(self, text: str) -> None:
        for n, line in enumerate(text.split("\n")):
            if n:
                self._fenced ^= self._line in ("```", "~~~")
                self._line, self._ticks = "", 0
            self._line = (self._line + line).lstrip()[:3]
            self._ticks += line.count("`")


class _Halves:
    """Makes characters whole: some servers send the halves of an emoji's surrogate pair in two
    pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-16-le")("replace")
        self._waits = False  # for the other half

    def whole(self, text: str) -> str:
        if not self._waits and not _HALF.search(text):
            return text
        whole = self._decoder.decode(text.encode("utf-16-le", "surrogatepass"))
        self._waits = bool(self._decoder.getstate()[0])
        return whole

    def end(self) -> str:
        self._waits = False
        return self._decoder.decode(b"", final=True)
