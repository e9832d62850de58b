/**
 * @typedef {{number: number, document: string, title: string, page: number, text: string,
 *   url: string | null}} Source whose `url` is relative to the server
 * @typedef {{type: "status", event: string}
 *   | {type: "context_ready", verdict: string, sources: Source[]}
 *   | {type: "text", text: string}
 *   | {type: "citations", number: number, start: number, end: number, outcome: string}
 *   | {type: "done", text: string, reason: string}
 *   | {type: "error", code: string, sentence: string, retryable: boolean,
 *      retry_after: number | null, text: string}} Event
 */

const SAID = {
  unreachable: "The server cannot be reached. · Không kết nối được máy chủ.",
  broke_off: "The answer broke off. · Câu trả lời bị ngắt.",
};

/**
 * Asks a Headwater server. The last event is `done` or `error`; only an abort throws. It tries
 * again (status `retrying`: what came is void) as long as no text has come.
 * @param {string | URL} url of the server
 * @param {string | {role: string, content: string}[]} question or a conversation
 * @param {{signal?: AbortSignal, key?: string, retries?: number, timeout?: number,
 *   [sent: string]: any}} [options] `timeout`: ms of silence; others are sent, as `language`
 * @returns {AsyncGenerator<Event, void>}
 */
export async function* ask(url, question, options = {}) {
  const { signal, key, retries = 1, timeout = 45000, ...more } = options;
  const body = { [typeof question == "string" ? "question" : "messages"]: question, ...more };
  const headers = { "content-type": "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  const request = { method: "POST", headers, body: JSON.stringify(body) };
  const to = `${url}`.replace(/\/*$/, "/api/chat/stream");
  let text = "";
  const failed = (code, sentence, retryable = true, retry_after = null) => {
    return { type: "error", code, sentence, retryable, retry_after, text };
  };

  async function* once() {
    signal?.throwIfAborted();
    const stop = new AbortController();
    const abort = () => stop.abort();
    signal?.addEventListener("abort", abort);
    let code = "unreachable";
    let timer;
    const wait = () => (timer = setTimeout(abort, timeout));
    try {
      wait();
      const response = await fetch(to, { ...request, signal: stop.signal });
      const { status } = response;
      if (!response.ok) {
        const { error } = await response.json().catch(() => ({}));
        const after = +response.headers.get("retry-after") || null;
        const said = error?.message ?? `HTTP ${status}`;
        return yield failed(error?.code ?? `${status}`, said, status == 429 || status > 499, after);
      }
      code = "broke_off";
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      for (let rest = ""; ; wait()) {
        const { value, done } = await reader.read();
        clearTimeout(timer);
        if (done) break;
        const events = (rest + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
        rest = events.pop();
        for (const event of events) {
          const data = event.match(/^data:[^\n]*/gm)?.map((line) => line.slice(5));
          if (data) yield JSON.parse(data.join("\n"));
        }
      }
    } catch {
      signal?.throwIfAborted();
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      abort();
    }
    yield failed(code, SAID[code]);
  }

  for (let left = retries; ; left--) {
    let seconds;
    for await (const event of once()) {
      const { type, retryable, retry_after } = event;
      if (type == "error" && retryable && left > 0 && !text && !(retry_after > 9)) {
        seconds = retry_after ?? 1;
        break;
      }
      if (type == "text") text += event.text;
      yield event;
      if (type == "done" || type == "error") return;
    }
    yield { type: "status", event: "retrying", seconds };
    await new Promise((again) => {
      setTimeout(again, seconds * 1000);
      signal?.addEventListener("abort", again);
    });
  }
}
