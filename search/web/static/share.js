// What people take away: a link to the search, and its answers as a file.

import { byId, h, say } from "./dom.js";

const place = byId("note");
let hiding;

export async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    return offerLink(); // browsers keep the clipboard from pages that came over plain http
  }
  place.replaceChildren("The link is copied");
  place.hidden = false;
  say("The link is copied");
  clearTimeout(hiding);
  hiding = setTimeout(hide, 2500);
}

const hide = () => (place.hidden = true);

/** Show the link, selected, as long as a visitor is at it. */
function offerLink() {
  clearTimeout(hiding);
  const field = h("input", { type: "text", readOnly: true, value: location.href, onblur: hide });
  field.addEventListener("keydown", (event) => event.key === "Escape" && byId("share").focus());
  place.replaceChildren(h("label", {}, "Copy this link", field));
  place.hidden = false;
  field.select();
}

export function save(answer) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));
  h("a", { href: url, download: "caption-search.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
