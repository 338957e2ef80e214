// What people take away: a link to the search, and its answers as a file.

import { byId, h, say } from "./dom.js";

export async function copyLink() {
  const label = byId("share").querySelector("span");
  try {
    await navigator.clipboard.writeText(location.href);
    label.textContent = "Copied";
    say("The link is copied");
  } catch {
    label.textContent = "Copy it from the address bar";
  }
  setTimeout(() => (label.textContent = "Copy link"), 2500);
}

export function save(answer) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));
  h("a", { href: url, download: "caption-search.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
