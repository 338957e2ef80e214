// What people take away: a link to the search, and its answers as a file.

import { byId, h } from "./dom.js";
import { hideNote, keepNote, note } from "./note.js";

export async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    return offerLink(); // browsers keep the clipboard from pages that came over plain http
  }
  note("The link is copied");
}

/** Show the link, selected, as long as a visitor is at it. */
function offerLink() {
  const field = h("input", { type: "text", readOnly: true, value: location.href, onblur: hideNote });
  field.addEventListener("keydown", (event) => event.key === "Escape" && byId("share").focus());
  keepNote(h("label", {}, "Copy this link", field));
  field.select();
}

export function save(answer) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));
  h("a", { href: url, download: "caption-search.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
