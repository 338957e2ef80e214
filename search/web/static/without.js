// The words that no caption of an answer may have: written after a hyphen, or in the filters; each shown until it is pressed.

import { h, icon } from "./dom.js";

const LONGEST = 200; // characters of a word; the server refuses longer ones

/** What is written into the search field, as on the command line: “a dog -beach” is a dog, and no beach. */
export function written(sentence) {
  const without = [];
  const q = sentence.replace(/(?<!\S)-(?=\p{L})\S+/gu, (word) => (without.push(word.slice(1, 1 + LONGEST)), ""));
  return without.length ? { q: q.split(/\s+/).join(" ").trim(), without } : { q: sentence, without };
}

export const adding = (words) => (state) => ({ without: [...new Set([...state.without, ...words])] });

export function showWithout(place, state, go) {
  const focused = place.contains(document.activeElement);
  place.hidden = !state.without.length;
  place.replaceChildren(...state.without.map((word) => chip(word, () => go(({ without }) => ({ without: without.filter((one) => one !== word) })))));
  if (focused) (place.querySelector("button") ?? document.querySelector("#chips button"))?.focus();
}

const chip = (word, takeBack) => h("button", { className: "chip barred", type: "button", title: `Show captions with “${word}” again`, onclick: takeBack }, "without ", h("bdi", {}, word), icon("close"));

/** A field for a further word; `typed`: what stands in it so far. */
export function field(id, typed, go) {
  const input = h("input", { type: "text", id, value: typed, placeholder: "without a word", "aria-label": "A word that no caption may have", maxLength: LONGEST, autocomplete: "off" });
  const form = h("form", { className: "barring" }, input);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const word = input.value.trim();
    input.value = "";
    if (word) go(adding([word]));
  });
  return form;
}
