"""Answers as chat-completions servers really send them, and what is to be made of each.

Written by hand after what servers were seen to say, about a question of the project's own
documents. Knows no server: tests/harness/upstream.py sends them (`Script.raw`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Item = str | float  # what is sent, or seconds to wait
TEXT = "It tells nginx to pass the response on unbuffered [1]."
TOKENS = ("It tells nginx ", "to pass ", "the response on ", "unbuffered [1].")
HALF = "".join(TOKENS[:2])


@dataclass(frozen=True)
class Wired:
    """`end` is a finish reason, or a failure's code where the answer `fails` (with a sentence that
    `says` it); `kept` is whether the same question gets the same answer again without being asked.
    """

    name: str
    sent: Sequence[Item]
    text: str = TEXT
    thinking: str = ""
    end: str = "stop"
    says: str = ""
    content_type: str = "text/event-stream"
    tokens: tuple[int, int] | None = None  # of the output, and those of them that are thinking

    @property
    def kept(self) -> bool:
        return self.end == "stop"

    @property
    def fails(self) -> bool:
        return self.end not in ("stop", "length", "content_filter", "tool_calls", "other")


def said(value: object, ends: str = "\n\n") -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}{ends}"


def choice(**members: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, **members}]}


def delta(finish_reason: str | None = None, **members: Any) -> str:
    return said(choice(delta=members, finish_reason=finish_reason))


def texts(tokens: Sequence[str] = TOKENS) -> list[str]:
    return [delta(content=token) for token in tokens]


ROLE = delta(role="assistant", content="")
STOP = delta("stop")
DONE = "data: [DONE]\n\n"
WHOLE = {
    "object": "chat.completion",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 90, "completion_tokens": 12, "total_tokens": 102},
}
CALL = [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]
LIST = [delta(content=[{"type": "text", "text": token}]) for token in TOKENS]
FAILED = said({"error": {"message": "the engine died", "code": 500}})

# How an answer ends, or does not.
ENDS = [
    Wired("usual", [ROLE, *texts(), STOP, DONE]),
    Wired("no done", [ROLE, *texts(), STOP]),
    Wired("done alone", [ROLE, *texts(), DONE]),
    Wired("closed early", [ROLE, *texts(TOKENS[:2])], HALF, end="stream_interrupted", says="broke"),
    Wired("closed before", [ROLE], "", end="stream_interrupted", says="broke"),
    Wired("nothing", [], "", end="stream_interrupted", says="broke"),
    Wired(
        "cut in an event",
        [ROLE, *texts(TOKENS[:2]), 'data: {"choices": [{"de'],
        HALF,
        end="stream_interrupted",
        says="broke",
    ),
    Wired(
        "ends by error",
        [ROLE, *texts(TOKENS[:2]), delta("error"), DONE],
        HALF,
        end="server_error",
        says="server failed",
    ),
    Wired(
        "error object",
        [*texts(TOKENS[:2]), said({"object": "error", "message": "died", "code": 500}), DONE],
        HALF,
        end="server_error",
        says="server failed",
    ),
    Wired("error alone", [FAILED], "", end="server_error", says="server failed"),
    Wired(
        "error without data",
        [*texts(TOKENS[:2]), '{"error": {"message": "died", "code": 500}}\n\n'],
        HALF,
        end="server_error",
        says="server failed",
    ),
    Wired(
        "error of the choice",
        [*texts(TOKENS[:2]), said(choice(delta={}, error={"code": 502, "message": "gone"}))],
        HALF,
        end="server_error",
        says="server failed",
    ),
    Wired(
        "event error",
        [*texts(TOKENS[:2]), "event: error\n", said({"message": "busy", "code": 429})],
        HALF,
        end="rate_limited",
        says="too many requests",
    ),
    Wired("length", [*texts(TOKENS[:2]), delta("length"), DONE], HALF, end="length", says="length"),
    Wired("max_tokens", [*texts(TOKENS[:2]), delta("MAX_TOKENS")], HALF, end="length"),
    Wired(
        "filter", [*texts(TOKENS[:2]), delta("content_filter: SAFETY")], HALF, end="content_filter"
    ),
    Wired("eos", [*texts(), delta("eos_token")]),
    Wired("tools after", [*texts(), delta("tool_calls", tool_calls=CALL)], end="tool_calls"),
    Wired("unknown", [*texts(), delta("repetition")], end="other", says="“repetition”"),
    Wired("unknown alone", [delta("repetition")], "", end="empty_answer", says="“repetition”"),
    Wired(
        "tools",
        [ROLE, delta(tool_calls=CALL), delta("tool_calls"), DONE],
        "",
        end="empty_answer",
        says="call a tool",
    ),
    Wired("too long", [ROLE, delta("length"), DONE], "", end="empty_answer", says="length limit"),
    Wired(
        "all filtered",
        [ROLE, delta("content_filter: SAFETY"), DONE],
        "",
        end="content_filtered",
        says="held back",
    ),
    Wired("empty", [ROLE, STOP, DONE], "", end="empty_answer", says="without a word"),
    Wired(
        "marks",
        [delta(content="[1"), delta(content="] [2]"), STOP, DONE],
        "[1] [2]",
        end="empty_answer",
        says="without a word",
    ),
]
# Where servers put the text.
PLACES = [
    Wired("list of parts", [delta(content=""), *LIST, STOP, DONE]),
    Wired("message for delta", [said(choice(message={"content": t})) for t in TOKENS] + [STOP]),
    Wired(
        "message repeats all",
        [*texts(), said(choice(message={"content": TEXT}, finish_reason="stop")), DONE],
    ),
    Wired("old completions", [said(choice(text=t)) for t in TOKENS] + [DONE]),
    Wired(
        "not streamed", [json.dumps(WHOLE)], content_type="application/json", tokens=(12, 0)
    ),
    Wired("indented", [json.dumps(WHOLE, indent=2) + "\n"], content_type="application/json"),
    Wired("not streamed, as event", [said(WHOLE), DONE], tokens=(12, 0)),
    Wired("single newlines", [item[:-1] for item in [*texts(), STOP, DONE]]),
    Wired("carriage returns", [item.replace("\n", "\r\n") for item in [*texts(), STOP, DONE]]),
    Wired("no space", [item.replace("data: ", "data:") for item in [*texts(), STOP, DONE]]),
    Wired("comments", [": waiting\n\n", *texts(), ": waiting\n\n", STOP, DONE]),
    Wired(
        "counted by Groq",
        [*texts(), STOP, said({"choices": [], "x_groq": {"usage": WHOLE["usage"]}})],
        tokens=(12, 0),
    ),
    Wired("a line at a time", ['data: {"choices":\ndata: [{"delta": ' f'{{"content": "{TEXT}"}},\n'
          'data: "finish_reason": "stop"}]}\n\n', DONE]),
]  # fmt: skip
ODD: list[Any] = [None, 1, "x", [], {}, [[]], {"choices": None}, {"choices": [None]}]
ODD += [{"choices": [[]]}, {"choices": [{}]}, {"choices": [{"delta": 1}]}]
# What is no answer.
BAD = [
    Wired("a page", ["<html>\n<body>Sign in</body>\n</html>"], "", end="server_error",
          says="A web page came", content_type="text/html"),
    Wired("a greeting", ["Ollama is running"], "", end="server_error", says="cannot be read",
          content_type="text/plain"),
    Wired("no endpoint", ['{"error": "Unexpected endpoint or method. (POST /chat/completions)"}'],
          "", end="no_server", says="no chat server at", content_type="application/json"),
    Wired("no JSON", ["data: {broken\n\n", DONE], "", end="server_error", says="cannot be read"),
    Wired("no JSON midway", [*texts(TOKENS[:2]), "data: {broken\n\n", STOP], HALF,
          end="stream_interrupted"),
    Wired("something else", ['{"detail": "Not Found"}'], "", end="server_error"),
    Wired("deep", ["data: " + "[" * 200_000 + "\n\n"], "", end="server_error"),
    Wired("odd values", [*map(said, ODD), *texts(), STOP]),
    Wired("odd counts", [*texts(), STOP, said({"usage": {"prompt_tokens": -1,
          "completion_tokens": 10**30}}), said({"usage": "many"}), DONE]),
]  # fmt: skip
THOUGHT = "Passage [2] may be a decoy; it says 42 things [4]."
THOUGHTS = ("Passage [2] may be ", "a decoy; it says ", "42 things [4].")
COUNTED = {
    "prompt_tokens": 90,
    "completion_tokens": 300,
    "completion_tokens_details": {"reasoning_tokens": 280},
}
CHANNELS = ("<|chan", f"nel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>fin")


def thoughts(name: str) -> list[str]:
    return [delta(**{name: thought, "content": None}) for thought in THOUGHTS]


def thinks(name: str, sent: Sequence[Item], **more: Any) -> Wired:
    return Wired(name, sent, **{"thinking": THOUGHT, **more})


# The opening tag was in the prompt, as with DeepSeek-R1 and QwQ.
UNOPENED = [*texts((*THOUGHTS, "\n</think>\n\n", *TOKENS)), STOP, DONE]
# What is thinking and no answer.
THINKING = [
    thinks("reasoning_content", [ROLE, *thoughts("reasoning_content"), *texts(), STOP, DONE]),
    thinks("reasoning", [ROLE, *thoughts("reasoning"), *texts(), STOP, DONE]),
    thinks(
        "thinking parts",
        [
            *(
                delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": t}]}])
                for t in THOUGHTS
            ),
            *LIST,
            STOP,
        ],
    ),
    thinks(
        "reasoning counted",
        [*thoughts("reasoning_content"), *texts(), STOP, said({"choices": [], "usage": COUNTED})],
        tokens=(300, 280),
    ),
    thinks(
        "tags",
        [ROLE, *texts(("<think>", "\n", *THOUGHTS, "\n</think>\n\n", *TOKENS)), STOP, DONE],
    ),
    thinks(
        "tags, cut",
        [*texts(("\n<th", f"ink>{THOUGHT}</", "thi", f"nk>\n{TOKENS[0]}", *TOKENS[1:])), STOP],
    ),
    thinks("tags of Magistral", [*texts((f"[THINK]{THOUGHT}[/THINK]", TEXT)), STOP, DONE]),
    thinks("channels", [*texts((*CHANNELS, "al<|message|>", *TOKENS, "<|return|>")), STOP, DONE]),
    thinks(
        "not streamed, thinking",
        [
            json.dumps(
                {
                    "choices": [
                        {
                            "message": {"reasoning_content": THOUGHT, "content": TEXT},
                            "finish_reason": "stop",
                        }
                    ]
                }
            )
        ],
    ),
    Wired("no thinking between tags", [*texts(("<think>\n\n</think>\n\n", *TOKENS)), STOP, DONE]),
    Wired("a leaked mark", [*texts((*TOKENS, "<|im_end|>", "\n")), STOP, DONE]),
    Wired("another turn", [*texts((*TOKENS, "<|im_end|>\n<|im_start|>user\nAnd?")), STOP, DONE]),
    thinks(
        "thinking alone",
        [*thoughts("reasoning_content"), STOP, DONE],
        text="",
        end="empty_answer",
        says="only thought",
    ),
    thinks(
        "thinking too long",
        [*texts(("<think>", *THOUGHTS)), delta("length"), DONE],
        text="",
        end="empty_answer",
        says="length limit",
    ),
    thinks(
        "thinking breaks off",
        thoughts("reasoning_content"),
        text="",
        end="stream_interrupted",
        says="broke",
    ),
]
WIRES = [*ENDS, *PLACES, *BAD, *THINKING]
