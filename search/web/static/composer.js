// The search field: what is written there is asked, and "/" leads to it from anywhere.

import { byId, focused } from "./dom.js";

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
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(focused()?.tagName) && focused().type !== "range";
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || byId("detail").open) return;
  event.preventDefault();
  field.focus();
  field.select();
});
