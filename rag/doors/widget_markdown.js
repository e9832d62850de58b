// Elements, and Markdown as elements.
// An element by "tag.class". What is inside stays text, whatever it says.
const make = (kind, inside = [], properties = {}) => {
  const [tag, className = ""] = kind.split(".");
  const node = Object.assign(document.createElement(tag), { className, ...properties });
  node.append(...inside);
  return node;
};
const link = (href, inside) => make("a", inside, { href, target: "_blank", rel: "noopener" });
// A model's: one that reads like a citation is none, and others say that they lead away.
const away = (href, inside) => {
  if (!leads(href, make("b", inside).textContent)) return make("span", inside);
  const node = link(href, inside);
  node.classList.add("away");
  return node;
};

// Markdown, in which a citation is its place in the turn's list, between \uE000 and \uE001.
const LINE = String.raw`\n(?! *(?:[-*+•]|\d+[.)]) | *(?:\`\`\`|~~~)|#{1,6} ).*\S.*`;
const BLOCK = new RegExp(
  String.raw`^ *(?<fence>\`\`\`+|~~~+).*(?<code>(?:\n.*)*?)(?:\n *\k<fence>.*|(?![^]))|` +
    String.raw`^#{1,6} +(?<head>.*)|^(?<indent> *)(?:[-*+•]|(?<start>\d+)[.)]) +(?! *(?:[-*+•]|\d+[.)]) )` +
    String.raw`(?<item>.*(?:${LINE}|\n(?:\s*\n)?\k<indent> {2,}\S.*)*)|^(?<words>.*\S.*(?:${LINE})*)`,
  "gm",
);
const INLINE = new RegExp(
  String.raw`\\(?<plain>[!-/:-@[-\x60{-~])|&#(?<code>\d{2,5});|\uE000(?<cited>\d+)\uE001|` +
    String.raw`(?<ticks>\x60+)(?<mono>[^]*?[^\x60])\k<ticks>(?!\x60)|` +
    String.raw`(?<mark>\*\*?|(?<![\p{L}\d_])__?)(?!\s|\k<mark>)(?<strong>(?:\\[^]|[^\\]){1,2000}?)` +
    String.raw`(?<![\s*])\k<mark>(?:(?<=\*)(?!\*)|(?<=_)(?![\p{L}\d_]))|` +
    String.raw`!?\[(?<label>(?:\\[^]|[^\\\]]){1,500})\]\((?<href>https?://(?:[^\s()]|\([^\s()]*\))+)\)`,
  "gu",
);

const verbatim = (text, cite) =>
  make("code", text.split(/\uE000(\d+)\uE001/).map((part, i) => (i % 2 ? cite(part) : part)));

const inline = (text, cite) => {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    nodes.push(text.slice(at, match.index));
    at = match.index + match[0].length;
    const { plain, code, cited, mono, mark, strong, label, href } = match.groups;
    if (plain) nodes.push(plain);
    else if (code) nodes.push(String.fromCharCode(code));
    else if (cited) nodes.push(cite(cited));
    else if (mono) nodes.push(verbatim(mono, cite));
    else if (mark) nodes.push(make(mark[1] ? "strong" : "em", inline(strong, cite)));
    else if (label.includes("\uE000")) nodes.push(...inline(label, cite), ` (${href})`);
    else nodes.push(away(href.replace(/\\(.)/g, "$1"), inline(label, cite)));
  }
  return [...nodes, text.slice(at)];
};

const markdown = (text, cite) => {
  const all = make("div");
  for (const { groups } of text.matchAll(BLOCK)) {
    const { fence, code, head, start, item, words } = groups;
    if (fence) all.append(make("pre", [verbatim(code.slice(1), cite)], { tabIndex: 0 }));
    else if (head) all.append(make("h3", inline(head, cite)));
    else if (words) all.append(make("p", inline(words, cite)));
    else if (item) {
      const tag = start ? "ol" : "ul";
      if (all.lastChild?.localName !== tag) all.append(make(tag, [], start && { start }));
      const [, gap = ""] = /\n( {2,})/.exec(item) ?? [];
      const inside = markdown(item.replaceAll(`\n${gap}`, "\n"), cite);
      all.lastChild.append(make("li", inside.childNodes));
    }
  }
  all.normalize();
  return all;
};

// What has not changed stays: it can be pressed, and selected, while more comes.
const patch = (old, fresh) => {
  const nodes = [...fresh.childNodes];
  nodes.forEach((node, i) => {
    const was = old.childNodes[i];
    const same = was?.ariaLive === node.ariaLive || was?.matches?.(":focus-within, :active");
    const alike = same && was?.localName === node.localName;
    if (!was) old.append(node);
    else if (was.isEqualNode(node)) return;
    else if (node.data?.startsWith(was.data)) was.appendData(node.data.slice(was.length));
    else if (alike && was.firstChild && was.localName !== "a") patch(was, node);
    else was.replaceWith(node);
  });
  while (old.childNodes[nodes.length]) old.lastChild.remove();
};
