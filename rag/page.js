// The chat's view follows the last line until the reader scrolls up, and again from the next
// question on. Gradio's own (off, in app.py) gives up as soon as a tall panel of sources comes.
() => {
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
}
