// The search field: what is written there is asked, and "/" leads to it from anywhere.

import { byId } from "./dom.js";

const field = byId("q");

/** `act` hears each sentence that is to be searched for. */
export function whenAsked(act) {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    const sentence = field.value.trim();
    if (sentence) act(sentence);
    else field.focus();
  });
}

addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName) && document.activeElement.type !== "range";
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || byId("detail").open) return;
  event.preventDefault();
  field.focus();
  field.select();
});
