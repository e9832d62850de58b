// Where a link leads, whoever wrote it: "" if it is none, as it leads neither to a page nor to an
// address for mail, or reads like a citation; "away" if to another site, else "here".
const leads = (href, words) => {
  if (/^\d*$/.test(words.normalize("NFKC").replace(/[^\p{L}\d]/gu, ""))) return "";
  try {
    const { protocol, origin } = new URL(href, document.baseURI);
    if (/^(https?|mailto):$/.test(protocol)) return origin === location.origin ? "here" : "away";
  } catch {
    // It is no address.
  }
  return "";
};
