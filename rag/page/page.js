() => {
  // The chat's view follows the last line until the reader scrolls up, and again from the next
  // question on. Gradio's own (off, in app.py) gives up as soon as a tall panel of sources comes.
  let chat, content, follows, top, questions;

  const grown = new ResizeObserver(() => {
    const asked = chat.querySelectorAll(".user-row").length;
    if (asked > questions) follows = true;
    questions = asked;
    if (follows) chat.scrollTo({ top: chat.scrollHeight, behavior: "instant" });
  });

  const scrolled = () => {
    const below = chat.scrollHeight - chat.clientHeight - chat.scrollTop;
    if (below < 40) follows = true;
    else if (chat.scrollTop < top) follows = false;
    top = chat.scrollTop;
  };

  // Gradio makes the element anew for a new conversation.
  new MutationObserver(() => {
    const found = document.querySelector("#headwater-chat .bubble-wrap > .message-wrap");
    if (!found || found === content) return;
    content = found;
    chat = content.parentElement;
    [follows, top, questions] = [true, 0, 0];
    grown.disconnect();
    grown.observe(content);
    chat.addEventListener("scroll", scrolled);
  }).observe(document.body, { childList: true, subtree: true });

  // Links in the chat: what may not be one is none, a citation leads to a source or nowhere, and
  // what leads away says so.
  const away = (link) => {
    const href = link.getAttribute("href") ?? link.getAttribute("xlink:href");
    if (href === null || /^#source-\d+$/.test(href)) return;
    const to = leads(href, link.textContent);
    if (!to) {
      link.removeAttribute("href");
      link.removeAttribute("xlink:href");
    } else if (to === "away") {
      link.classList.add("headwater-away");
      link.setAttribute("target", "_blank");
      link.setAttribute("rel", "noopener noreferrer");
    }
  };
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (!node.closest?.("#headwater-chat") && !node.querySelector?.("#headwater-chat")) continue;
        for (const link of [node, ...node.querySelectorAll("a")]) {
          if (link.localName === "a") away(link);
        }
      }
    }
  }).observe(document.body, { childList: true, subtree: true });

  // A citation in an answer opens its source in the panel of its turn. Gradio would open a tab.
  const cited = (event) => event.target.closest('#headwater-chat a[href*="#source-"]');

  const sourceIn = (row, link) => {
    const number = `[${link.hash.replace("#source-", "")}] `;
    const sources = [...row.querySelectorAll(".headwater-source")];
    return sources.find((source) => source.textContent.trim().startsWith(number));
  };

  // Gradio makes a panel anew whenever it changes; what its reader opened stays open, and the source
  // of a citation where it was, unless the view was scrolled since.
  const open = new WeakMap(); // by a turn's row, the names of what is open in it
  let shown;
  const FOLDS = "#headwater-chat details[class^=headwater-]";
  const nameOf = (fold) => fold.querySelector(":scope > summary > b")?.textContent ?? "";
  const keep = (fold) => {
    const row = fold.closest(".bot-row");
    if (!row) return;
    if (!open.has(row)) open.set(row, new Set());
    open.get(row)[fold.open ? "add" : "delete"](nameOf(fold));
  };
  document.addEventListener("toggle", (e) => e.target.matches(FOLDS) && keep(e.target), true);
  new MutationObserver((changes) => {
    if (!changes.some((change) => change.target.closest?.(".bot-row"))) return;
    for (const fold of document.querySelectorAll(`${FOLDS}:not([open])`)) {
      const row = fold.closest(".bot-row");
      if (!open.get(row)?.has(nameOf(fold))) continue;
      fold.open = true;
      if (shown?.row === row && shown.name === nameOf(fold) && shown.top === top) show(fold);
    }
  }).observe(document.body, { childList: true, subtree: true });

  const show = (source) => {
    if (!source) return;
    follows = false;
    for (let e = source; e; e = e.parentElement) {
      if (e.tagName !== "DETAILS") continue;
      e.open = true;
      keep(e);
    }
    source.scrollIntoView({ block: "start", behavior: "instant" });
    document.querySelector(".headwater-shown")?.classList.remove("headwater-shown");
    source.classList.add("headwater-shown");
    top = chat.scrollTop;
    shown = { row: source.closest(".bot-row"), name: nameOf(source), top };
  };

  document.addEventListener(
    "click",
    (click) => {
      const link = cited(click);
      if (!link) return;
      click.preventDefault();
      click.stopPropagation();
      show(sourceIn(link.closest(".bot-row"), link));
    },
    true,
  );

  // While an answer streams Gradio makes its links anew many times a second. One that is replaced,
  // or moves, between press and release gets no click, so the two are put together here.
  let pressed;
  const forget = () => (pressed = undefined);
  document.addEventListener("pointercancel", forget, true);
  document.addEventListener(
    "pointerdown",
    (down) => {
      const link = down.isPrimary && down.button === 0 && cited(down);
      const row = link && link.closest(".bot-row");
      pressed = link && { link, row, x: down.clientX, y: down.clientY };
    },
    true,
  );
  document.addEventListener(
    "pointerup",
    (up) => {
      const missed = pressed && cited(up) !== pressed.link;
      if (missed && Math.hypot(up.clientX - pressed.x, up.clientY - pressed.y) < 10) {
        show(sourceIn(pressed.row, pressed.link));
      }
      forget();
    },
    true,
  );
}
