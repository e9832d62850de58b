// Asks with client.js and prints each event as a line of JSON: node plain.mjs URL QUESTION OPTIONS
import { readFile } from "node:fs/promises";

const [, , url, question, options] = process.argv;
const file = new URL("../../rag/doors/client.js", import.meta.url);
const code = await readFile(file, "utf8"); // as a page has it: a module by its bytes
const { ask } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
const { abort_at: abortAt, ...given } = JSON.parse(options);
const stop = new AbortController();
try {
  for await (const event of ask(url, question, { ...given, signal: stop.signal })) {
    console.log(JSON.stringify(event));
    if (event.type === abortAt) stop.abort();
  }
} catch (error) {
  console.log(JSON.stringify({ type: "thrown", name: error.name }));
}
