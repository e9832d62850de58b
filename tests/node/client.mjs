// Asks a server as programs made with the AI SDK do: `useChat` with its transport as it comes, or
// the SDK's own readers of a stream. Prints what happened, a JSON object a line; knows no server.
//
//   node client.mjs URL MODE QUESTION…
//
//   chat          asks the questions, one after the other, in one chat
//   stop-writing  the same, and stops the first while it is being written
//   stop-waiting  the same, and stops the first while nothing but its sources has come
//   retry         the same, and has the last answer written anew
//   chunks        reads the first without React: each chunk, and whether the schema allows it
//
// A question is a text, or JSON: a message as `sendMessage` takes it, and in `body` what is to be
// sent beside the messages. `at` is in seconds of the monotonic clock.

import { useChat } from "@ai-sdk/react";
import {
  DefaultChatTransport,
  parseJsonEventStream,
  readUIMessageStream,
  uiMessageChunkSchema,
} from "ai";
import { createElement, useEffect, useState } from "react";
import { create } from "react-test-renderer";

const [api, mode, ...questions] = process.argv.slice(2);

// What has to be there, and the answer is stopped a little later.
const STOPPED_AFTER = {
  "stop-writing": ({ type, text }) => type === "text" && text,
  "stop-waiting": ({ type }) => type === "source-document",
};

function print(what) {
  const at = Number(process.hrtime.bigint()) / 1e9;
  process.stdout.write(JSON.stringify({ ...what, at }) + "\n");
}

// What a user of the hook sees after each change, with the last message in full.
async function chat() {
  const transport = new DefaultChatTransport({ api });
  let asked = 0;
  let stopping = STOPPED_AFTER[mode];
  let hook, setShown, shown; // as of the last rendering

  function Chat() {
    const now = useChat({
      transport,
      onFinish: ({ isAbort, isError, isDisconnect, finishReason = null }) =>
        print({ kind: "finish", asked, isAbort, isError, isDisconnect, finishReason }),
    });
    const [round, setRound] = useState(0);
    const { messages, status, error } = now;
    useEffect(() => {
      hook = now;
      const message = messages.at(-1) ?? null;
      const count = messages.length;
      print({ kind: "state", asked, status, error: error?.message ?? null, count, message });
      if (stopping && message?.role === "assistant" && message.parts.some(stopping)) {
        stopping = null;
        setTimeout(() => {
          print({ kind: "stop", asked });
          now.stop();
        }, 100);
      }
    }, [messages, status, error]);
    useEffect(() => {
      setShown = setRound;
      shown();
    }, [round]);
    return null;
  }

  // Until React has rendered all that has changed so far.
  async function rendered(begin) {
    const showing = new Promise((resolve) => (shown = resolve));
    begin();
    await showing;
  }

  async function over(asking) {
    await asking;
    await rendered(() => setShown(asked));
  }

  await rendered(() => create(createElement(Chat)));
  for (const question of questions) {
    asked += 1;
    const json = question.startsWith("{");
    const { body, ...message } = json ? JSON.parse(question) : { text: question };
    await over(hook.sendMessage(message, { body }));
  }
  if (mode === "retry") {
    asked += 1;
    await over(hook.regenerate());
  }
  print({ kind: "end", messages: hook.messages });
}

async function chunks() {
  const parts = [{ type: "text", text: questions[0] }];
  const response = await fetch(api, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      id: "chat",
      messages: [{ id: "1", role: "user", parts }],
      trigger: "submit-message",
    }),
  });
  const headers = Object.fromEntries(response.headers);
  print({ kind: "response", status: response.status, headers });
  const checked = new TransformStream({
    transform({ success, value, rawValue, error }, controller) {
      print({ kind: "chunk", chunk: rawValue ?? value, refused: success ? null : String(error) });
      if (success) {
        controller.enqueue(value);
      }
    },
  });
  const stream = parseJsonEventStream({ stream: response.body, schema: uiMessageChunkSchema });
  const states = readUIMessageStream({
    stream: stream.pipeThrough(checked),
    onError: (error) => print({ kind: "error", error: String(error.message) }),
  });
  let last = null;
  for await (const state of states) {
    last = state;
  }
  print({ kind: "end", messages: [last] });
}

await (mode === "chunks" ? chunks() : chat());
process.exit(); // connections that are kept open would keep it for some seconds
