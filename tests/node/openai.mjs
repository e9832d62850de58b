// Asks with OpenAI's own client for JavaScript, and prints what it made of the stream as JSON.
//
//   node openai.mjs BASE_URL KEY QUESTION [RESPONSE_FORMAT]

import OpenAI from "openai";

const [baseURL, apiKey, content, format] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const stream = client.chat.completions.stream({
  model: "headwater",
  messages: [{ role: "user", content }],
  ...(format && { response_format: JSON.parse(format) }),
});
let text = "";
stream.on("content", (delta) => (text += delta));
const final = await stream.finalChatCompletion();
process.stdout.write(JSON.stringify({ text, final }));
