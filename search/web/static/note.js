// A short note over the page, which goes by itself or with what is in it.

import { byId, clean, say } from "./dom.js";

const place = byId("note");
let hiding;

export function note(text) {
  keepNote(clean(text));
  say(text);
  hiding = setTimeout(hideNote, 2500);
}

/** Show it until it is hidden. */
export function keepNote(...parts) {
  clearTimeout(hiding);
  place.replaceChildren(...parts);
  place.hidden = false;
}

export const hideNote = () => (place.hidden = true);
