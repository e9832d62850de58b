  // Adding documents: dropped anywhere on the page, chosen, or pasted as a text; each is sent by
  // itself, and answered by lines of JSON: how far its reading is, then its receipt.
  const vi = navigator.language.toLowerCase().startsWith("vi");
  const say = (vietnamese, english) => (vi ? vietnamese : english);
  const AT_ONCE = 3;
  const shelf = () => document.querySelector("#headwater-shelf");
  const where = () => shelf()?.dataset.uploads ?? "off";
  const adding = () => where() !== "off";

  const openSidebar = () => {
    const sidebar = document.querySelector(".sidebar.right");
    if (sidebar && !sidebar.classList.contains("open")) sidebar.querySelector(".toggle-button")?.click();
  };
  const refresh = () => document.querySelector("#headwater-refresh")?.click();

  const element = (tag, className, text = "") => {
    const node = document.createElement(tag);
    node.className = className;
    node.textContent = text;
    return node;
  };

  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
  const left = (seconds) =>
    seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} ${say("phút", "min")}`;

  // One file: a row that says how far it is, and its receipt in the end.
  const send = (name, blob) =>
    new Promise((ended) => {
      const row = element("div", "headwater-upload");
      const bar = element("progress", "");
      const state = element("span", "headwater-quiet", say("đang chờ", "waiting"));
      row.append(element("b", "", name), bar, state);
      document.querySelector("#headwater-uploads")?.prepend(row);
      const request = new XMLHttpRequest();
      const begun = performance.now();
      let lines = 0;
      let receipt = { name, outcome: "failed", reason: "The server did not answer; add it again.",
        reason_vi: "Máy chủ không trả lời; hãy thêm lại." };
      request.open("POST", `documents?name=${encodeURIComponent(name)}`);
      request.setRequestHeader("X-Headwater-Visitor", shelf()?.dataset.visitor ?? "");
      request.upload.onprogress = ({ loaded, total }) => {
        const seconds = (performance.now() - begun) / 1000;
        [bar.max, bar.value] = [total, loaded];
        const rate = loaded / seconds;
        const rest = loaded < total ? ` · ${left((total - loaded) / rate)} ${say("nữa", "left")}` : "";
        state.textContent = `${megabytes(loaded)} / ${megabytes(total)} · ${megabytes(rate)}/s${rest}`;
      };
      const read = () => {
        const whole = request.responseText.split("\n").slice(0, -1);
        for (; lines < whole.length; lines++) {
          const line = JSON.parse(whole[lines]);
          if (line.receipt) receipt = line.receipt;
          if (!line.progress) continue;
          const { done, total, detail } = line.progress;
          bar.removeAttribute("value");
          state.textContent = `${say("đang đọc", "reading")} ${total ? `${done + 1}/${total} ` : ""}${detail}`;
        }
      };
      request.onprogress = () => request.status === 200 && read();
      request.onloadend = () => {
        try {
          if (request.status === 200) read();
          else if (request.responseText) receipt = JSON.parse(request.responseText).receipt ?? receipt;
        } catch {} // cut off, or no JSON: it says so
        bar.remove();
        const bad = !["added", "replaced", "unchanged"].includes(receipt.outcome);
        row.classList.toggle("headwater-failed", bad);
        const { pages, chunks } = receipt;
        const several = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
        const counts = say(`${pages} trang, ${chunks} đoạn`, `${several(pages, "page")}, ${several(chunks, "passage")}`);
        const reason = say(receipt.reason_vi || receipt.reason, receipt.reason) ?? "";
        state.textContent = bad ? reason : [`✓ ${counts}`, reason].filter(Boolean).join(" · ");
        if (!bad && !reason) setTimeout(() => row.remove(), 20000);
        refresh();
        ended({ ...receipt, name, bad });
      };
      request.send(blob);
    });

  let toast;
  const tell = (text, failed) => {
    toast?.remove();
    toast = element("div", `headwater-toast${failed ? " headwater-failed" : ""}`, text);
    toast.setAttribute("role", "status");
    toast.addEventListener("click", () => toast.remove());
    document.body.append(toast);
    if (!failed) setTimeout(() => toast.remove(), 15000);
  };

  const add = async (files) => {
    if (!files.length) return false;
    if (!adding()) {
      tell(say("Máy chủ này không nhận tệp.", "This server takes no files."), true);
      return false;
    }
    openSidebar();
    tell(say(`Đang thêm ${files.length} tệp…`, `Adding ${files.length} ${files.length > 1 ? "files" : "file"}…`));
    const waiting = [...files];
    const receipts = [];
    const worker = async () => {
      for (let next; (next = waiting.shift()); ) receipts.push(await send(...next));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const bad = receipts.filter((receipt) => receipt.bad);
    const count = (outcome) => receipts.filter((receipt) => receipt.outcome === outcome).length;
    const parts = [
      [count("added"), say("đã thêm", "added")],
      [count("replaced"), say("đã thay", "replaced")],
      [count("unchanged"), say("không đổi", "unchanged")],
      [bad.length, say("lỗi", "failed")],
    ].filter(([number]) => number);
    const why = bad.slice(0, 3).map(({ name, reason, reason_vi }) => {
      const said = say(reason_vi || reason, reason);
      return said.includes(name) ? said : `${name}: ${said}`;
    });
    const more = bad.length > 3 ? ` (+${bad.length - 3})` : "";
    const counts = parts.map(([number, what]) => `${number} ${what}`).join(", ");
    tell(counts + (why.length ? `: ${why.join(" · ")}${more}` : ""), bad.length > 0);
    return bad.length === 0;
  };

  // Folders come as entries; their files keep their places in them.
  const filesOf = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((found, failed) => entry.file(found, failed));
      return file.name.startsWith(".") ? [] : [[entry.fullPath.slice(1), file]];
    }
    const reader = entry.createReader();
    const found = [];
    for (let some; (some = await new Promise((ok, bad) => reader.readEntries(ok, bad))).length; ) {
      for (const inner of some) found.push(...(await filesOf(inner)));
    }
    return found;
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    document.body.classList.toggle("headwater-dropping", adding());
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("headwater-dropping");
  });
  document.addEventListener(
    "drop",
    async (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.stopPropagation();
      document.body.classList.remove("headwater-dropping");
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
      const plain = [...event.dataTransfer.files];
      const files = [];
      for (const [i, entry] of entries.entries()) {
        if (entry) files.push(...(await filesOf(entry)));
        else if (plain[i]) files.push([plain[i].name, plain[i]]);
      }
      add(files);
    },
    true,
  );

  document.addEventListener("change", ({ target }) => {
    if (!target.matches?.("#headwater-adding input[type=file]")) return;
    add([...target.files].map((file) => [file.webkitRelativePath || file.name, file]));
    target.value = "";
  });

  const filter = () => {
    const wanted = document.querySelector("#headwater-filter")?.value.trim().toLowerCase() ?? "";
    for (const row of document.querySelectorAll("#headwater-shelf .headwater-document")) {
      row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
    }
  };
  document.addEventListener("input", ({ target }) => target.id === "headwater-filter" && filter());
  new MutationObserver((changes) => {
    if (changes.some(({ target }) => target.closest?.("#headwater-listed"))) filter();
  }).observe(document.body, { childList: true, subtree: true });

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.("button");
    if (!button) return;
    if (button.id === "headwater-paste") {
      const text = document.querySelector("#headwater-text");
      const first = text.value.trim().split("\n", 1)[0].slice(0, 60).trim();
      const name = `${first.replaceAll("/", "-")} ${new Date().toISOString().slice(0, 19)}.txt`;
      if (!first || !(await add([[name, new Blob([text.value])]]))) return;
      text.value = "";
    } else if (button.dataset.remove) {
      const name = button.dataset.name;
      if (!confirm(say(`Xóa “${name}” khỏi thư viện?`, `Remove “${name}” from the library?`))) return;
      const answer = await fetch(`documents/${button.dataset.remove}`, {
        method: "DELETE",
        headers: { "X-Headwater-Visitor": shelf()?.dataset.visitor ?? "" },
      }).catch(() => null);
      const receipt = (await answer?.json().catch(() => null))?.receipt;
      const removed = receipt?.outcome === "removed";
      const lost = say("Máy chủ không trả lời.", "The server did not answer.");
      const why = receipt ? say(receipt.reason_vi, receipt.reason) : lost;
      tell(removed ? say(`Đã xóa ${name}`, `Removed ${name}`) : why, !removed);
      refresh();
    } else if (button.id === "headwater-open") {
      openSidebar();
    }
  });

  // The way to the documents, in words, above the conversation.
  new MutationObserver(() => {
    const chat = document.querySelector("#headwater-chat");
    const list = shelf();
    if (!chat || !list) return;
    let button = document.querySelector("#headwater-open");
    if (!button) {
      button = element("button", "headwater-open");
      button.id = "headwater-open";
      chat.before(button);
    }
    const count = list.dataset.count;
    const words = say(`Tài liệu (${count})`, `Documents (${count})`);
    const more = adding() ? say(" · thêm tài liệu của bạn", " · add your own") : "";
    if (button.textContent !== words + more) button.textContent = words + more;
  }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-count"] });
