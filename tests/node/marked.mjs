// Renders each of a JSON array of Markdown texts as Gradio's page does, before it sanitizes the
// HTML, and prints the array of what came out.

import { Marked } from "marked";

const marked = new Marked({ gfm: true, breaks: true, pedantic: false });
let texts = "";
for await (const piece of process.stdin) texts += piece;
process.stdout.write(JSON.stringify(JSON.parse(texts).map((text) => marked.parse(text))));
