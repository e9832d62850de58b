// Headwater's chat on any page, from one script tag: a bubble and a panel, all in a shadow.
// widget.py serves it with client.js, which asks, and its other files as one function.
const script = document.currentScript;
if (!script || document.headwater) return;
document.headwater = true;
const { title, language, theme, collection, key } = script.dataset;
const server = new URL(".", script.src);
const vi = /^vi/i.test(language || document.documentElement.lang);
const say = (vietnamese, english) => (vi ? vietnamese : english);
const on = (node, type, heard) => node.addEventListener(type, heard);

const name = title || say("Hỏi tài liệu", "Ask the documents");
const hint = say("Hỏi về tài liệu…", "Ask about the documents…");
const unconfirmed = say(
  "⚠ Chưa xác nhận được: đoạn trích không nói rõ điều này.",
  "⚠ Not confirmed: the passage does not clearly say this.",
);
const doubts = { unconfirmed, unclear: say("? Không kiểm tra được.", "? Could not be checked.") };
const bubble = make("button.bubble", [], { ariaLabel: name, ariaExpanded: false });
const clear = make("button", [say("Xóa", "Clear")]);
const close = make("button.close", ["×"], { ariaLabel: say("Đóng", "Close") });
const send = make("button.send");
const box = make("textarea", [], { rows: 1, placeholder: hint, ariaLabel: hint });
const log = make("div.log", [], { role: "log", ariaLabel: name, ariaLive: "polite" });
const status = make("p.status", [], { role: "status" });
const greeting = [say("Nguồn trước, câu trả lời sau.", "Sources first, then the answer.")];
const view = make("div.view", [log, make("p.greeting", greeting), status], { tabIndex: 0 });
const head = make("div.head", [make("h2", [name]), clear, close]);
const panel = make("dialog", [head, view, make("div.foot", [box, send])], { ariaLabel: name });
const host = make("headwater-chat");
const root = make(`div.root ${theme}`, [bubble, panel], { lang: say("vi", "en"), dir: "ltr" });
const shadow = host.attachShadow({ mode: "open" });
shadow.append(root);

let follows = true; // the view stays at the last line until its reader scrolls up
let top = 0;
on(view, "scroll", () => {
  const atEnd = view.scrollHeight - view.clientHeight - view.scrollTop < 8;
  if (atEnd ? view.scrollTop > top : view.scrollTop < top) follows = atEnd;
  top = view.scrollTop;
});
const follow = () => follows && view.scrollTo(0, view.scrollHeight);
const tell = (words) => {
  status.textContent = words;
  follow();
};

const citation = ({ number, outcome }) => {
  const title = doubts[outcome] || "";
  const ariaLabel = say("Nguồn", "Source") + ` ${number} ${title.slice(2)}`;
  const said = `[${number}]${title && " " + title[0]}`;
  return make("a.cite", [said], { href: "#", name: number, title: title.slice(2), ariaLabel });
};

// The text with its citations marked; one may be told of before it has come.
const marked = (turn) => {
  const points = [...turn.text.replace(/[\uE000\uE001]/g, " ")]; // whole characters, as `start` counts
  turn.citations.forEach(({ number, start }, i) => {
    const end = start + `[${number}]`.length;
    if (points.slice(start, end).join("") !== `[${number}]`) return;
    points.fill("", start, end)[start] = `\uE000${i}\uE001`;
  });
  return points.join("");
};

const source = ({ number, title, document: file, page, page_name, text, url }) => {
  const at = page_name || say(`trang ${page}`, `page ${page}`);
  const place = make("small", [at]);
  const line = make("summary", [make("b", [number]), make("span", [title]), place]);
  const node = make(`details.source n${number}`, [line, make("small", [file ?? ""]), make("p", [text])]);
  const address = url && new URL(url, server);
  const opens = say(`Mở ${at} ↗`, `Open ${at} ↗`);
  if (/^http/.test(address?.protocol)) node.append(link(address, [opens]));
  return node;
};

const sources = ({ verdict, sources }) => {
  let words = say("Nguồn", "Sources");
  if (verdict === "weak") words = say("Nguồn, khớp yếu", "Sources, weak matches");
  if (verdict === "refuse") words = say("Gần nhất, nhưng chưa đủ", "Nearest, but not enough");
  const inside = [make("summary", [`${words} (${sources.length})`]), ...sources.map(source)];
  return make("details.sources", inside, { open: verdict !== "refuse", ariaLive: "off" });
};

const ending = (turn) => {
  const { citations, cut, done, error } = turn;
  const lines = [];
  for (const outcome in doubts)
    if (citations.some((citation) => citation.outcome === outcome)) lines.push(doubts[outcome]);
  if (cut) lines.push(say("Câu trả lời bị cắt bớt.", "The answer was cut off."));
  if (!done && !error) lines.push(say("Đã dừng.", "Stopped."));
  const nodes = lines.map((line) => make("p.quiet", [line]));
  if (error) nodes.push(make("p.failed", [error]));
  if (turn.retryable && turn === turns.at(-1))
    nodes.push(make("button.retry", [say("Thử lại", "Retry")]));
  return nodes;
};

const draw = (turn, live) => {
  const at = turns.indexOf(turn);
  if (at < 0) return; // cleared meanwhile
  if (!log.children[at]) {
    const question = make("p.question", [turn.question], { ariaLive: "off" });
    log.append(make("div.turn", [question, make("p"), make("div.text"), make("div")]));
  }
  const all = log.children[at];
  if (all.querySelectorAll(".source").length < turn.sources.length)
    all.children[1].replaceWith(sources(turn));
  const fresh = markdown(marked(turn), (i) => citation(turn.citations[i]));
  // A block is read out once: when it is whole, and comes anew.
  if (live && fresh.lastChild) fresh.lastChild.ariaLive = "off";
  patch(all.querySelector(".text"), fresh);
  if (!live) {
    for (const { number } of turn.citations) all.querySelector(`.n${number}`)?.classList.add("cited");
    patch(all.lastChild, make("div", ending(turn)));
  }
  follow();
};

const kept = `headwater:${server}:${collection ?? ""}`;
let turns;
const save = () => {
  try {
    localStorage[kept] = JSON.stringify(turns.slice(-20));
  } catch {} // full or forbidden: it lasts as long as the page
};
const load = () => {
  log.replaceChildren();
  try {
    turns = JSON.parse(localStorage[kept] ?? "[]");
    for (const turn of turns) draw(turn);
  } catch {
    turns = [];
    log.replaceChildren();
  }
  if (!running) return;
  turns.push(running.turn);
  draw(running.turn, true);
};

const progress = ({ event = "searching", done, total, place, seconds }) => {
  if (event === "found") return say("Đang viết…", "Writing…");
  if (event === "thinking") return `${say("Đang suy nghĩ", "Thinking")}… ${seconds} s`;
  if (event === "started" || event === "searching")
    return say("Đang tìm trong tài liệu…", "Searching the documents…");
  return `${say("Đang chờ", "Waiting")} ${place ?? (total ? `${done}/${total}` : "")}…`;
};

const broken = {
  invalid_api_key: say("Khung chat không có khóa hợp lệ.", "This chat has no valid key."),
  broke_off: say("Câu trả lời bị ngắt.", "The answer broke off."),
  unreachable: say(
    "Không kết nối được máy chủ, hoặc máy chủ không cho phép trang này.",
    "The server cannot be reached, or does not allow this page.",
  ),
};

let drawing;
const take = (turn, event) => {
  const { type } = event;
  if (type === "status") {
    if (event.so_far) [turn.text, turn.citations] = ["", []];
    if (event.event === "thinking")
      event.seconds = ((Date.now() - (turn.since ??= Date.now())) / 1000) | 0;
    event.event !== "note" && tell(progress(event));
  }
  else if (type === "context_ready") [turn.verdict, turn.sources] = [event.verdict, event.sources];
  else if (type === "text") {
    if (!turn.text) draw(turn, true); // the sources, before the first word
    turn.text += event.text;
    tell("");
  } else if (type === "citations") event.added || turn.citations.push(event);
  else if (type === "done") [turn.done, turn.cut] = [true, /length|filter/.test(event.reason)];
  else if (type === "error")
    [turn.error, turn.retryable] = [broken[event.code] ?? event.sentence, event.retryable];
  drawing ??= setTimeout(() => {
    drawing = undefined;
    draw(turn, turn === running?.turn);
  }, 40);
};

const stream = async (turn, signal) => {
  const earlier = turns.filter((other) => other !== turn && other.text).slice(-5);
  const said = earlier.flatMap((other) => [other.question, other.text]);
  const messages = [...said, turn.question].map((content, i) => ({
    role: i % 2 ? "assistant" : "user",
    content,
  }));
  const documents = collection?.split("|");
  const wishes = { signal, key, language: language && say("vi", "en"), documents };
  for await (const event of ask(server, messages, wishes)) take(turn, event);
};

let running; // the turn that is being written, and what ends it
const run = (turn) => {
  running = turn && { turn, end: new AbortController() };
  send.textContent = turn ? "■" : "↑";
  send.ariaLabel = turn ? say("Dừng", "Stop") : say("Gửi", "Send");
  tell(turn ? progress({}) : "");
  return running;
};

const put = async (question) => {
  const turn = { question, text: "", sources: [], citations: [] };
  log.querySelector(".retry")?.remove();
  turns.push(turn);
  follows = true;
  draw(turn, true);
  const mine = run(turn);
  await stream(turn, mine.end.signal).catch(() => {}); // it was stopped
  if (running !== mine) return;
  run();
  save();
  draw(turn);
};

const grow = () => {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
  follow();
};
const submit = () => {
  const question = box.value.trim();
  if (!question || running) return;
  box.value = "";
  grow();
  put(question);
};

on(bubble, "click", () => {
  if (panel.open) return panel.close();
  if (!turns) load();
  if (Math.min(innerWidth, innerHeight) > 480) panel.show();
  else panel.showModal();
  bubble.ariaExpanded = follows = true;
  follow();
  box.focus();
});
on(panel, "close", () => {
  bubble.ariaExpanded = false;
  bubble.focus();
});
on(close, "click", () => panel.close());
on(clear, "click", () => {
  running?.end.abort();
  run();
  turns = [];
  save();
  load();
  box.focus();
});
on(log, "click", (click) => {
  const { target } = click;
  const cited = target.closest(".cite");
  const found = cited?.closest(".turn").querySelector(`.n${cited.name}`);
  if (cited) click.preventDefault();
  if (found) {
    log.querySelector(".shown")?.classList.remove("shown");
    found.classList.add("shown");
    found.open = found.parentNode.open = true;
    follows = false;
    found.firstChild.focus();
    found.scrollIntoView();
    top = view.scrollTop;
  }
  if (!target.closest(".retry")) return;
  log.lastChild.remove();
  box.focus();
  const { question } = turns.pop();
  save();
  put(question);
});
on(send, "click", (click) => {
  if (!running) submit();
  else if (click.detail < 2) running.end.abort(); // a double click sends, and stops nothing
});
on(box, "input", grow);
on(box, "keydown", (press) => {
  // An input method's Enter; Safari tells it by the code alone.
  const composing = press.isComposing || press.keyCode === 229;
  if (press.key !== "Enter" || press.shiftKey || composing) return;
  press.preventDefault();
  submit();
});
on(root, "keydown", (press) => press.key === "Escape" && !press.isComposing && panel.close());
// The page's own shortcuts must not take what is typed here.
for (const type of ["keydown", "keypress", "keyup"]) on(root, type, (press) => press.stopPropagation());
on(window, "storage", ({ key }) => key === kept && load()); // another tab
on(window, "pagehide", () => running && save());

const sheet = new CSSStyleSheet();
sheet.replaceSync(STYLE);
shadow.adoptedStyleSheets = [sheet];
run();
// Some sites replace or transform their body.
document.documentElement.append(host);
