// The words that no caption of an answer may have: written after a hyphen, or in the filters; each shown until it is pressed.

import { barred } from "./address.js";
import { h, icon } from "./dom.js";

const LONGEST = 200; // characters of a word; the server refuses longer ones

/** What is written into the search field, as on the command line: “a dog -beach” is a dog, and no beach. */
export function written(sentence) {
  const words = [];
  const q = sentence.replace(/(?<!\S)-(?=\p{L})\S+/gu, (word) => (words.push(word.slice(1, 1 + LONGEST)), ""));
  return words.length ? { q: q.split(/\s+/).join(" ").trim(), not: [...new Set(words)] } : { q: sentence, not: [] };
}

/** The sentence with these words, so that they stay in it as it is written further. */
export const asWritten = (q, not) => [q, ...not.map((word) => `-${word}`)].join(" ");

export function showWithout(place, state, go) {
  const focused = place.contains(document.activeElement);
  const words = barred(state);
  const others = (word, all) => all.filter((one) => one !== word);
  place.hidden = !words.length;
  place.replaceChildren(...words.map((word) => chip(word, () => go(({ not, without }) => ({ not: others(word, not), without: others(word, without) })))));
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
    if (word) go(({ without }) => ({ without: [...new Set([...without, word])] }));
  });
  return form;
}
