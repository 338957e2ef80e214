// The words of a search as chips: press one to leave it out or take it in again; add others.

import { asked, h, icon, rootOf } from "./dom.js";
import { written } from "./without.js";

let before = new Set(); // tokens of the answer that is shown
let added = []; // words that a visitor has added since

const tokensOf = (query) => new Set(asked(query).flatMap((one) => one.tokens));

/** The words just added, where the answer to them shows that they bring none to search for, such as “the”. */
export function idle(query) {
  const words = added;
  added = [];
  return [...tokensOf(query)].some((token) => !before.has(token)) ? [] : words;
}

/** A line on the words said that stand in no caption, filters or not. */
export function unknown(query) {
  const words = [...new Set((query.unknown ?? []).map(rootOf))].filter((stem) => !(stem in query.implied)).map((stem) => query.words[stem] ?? stem);
  return words.length ? `No caption has: ${words.map(takenApart).join(", ")}` : "";
}

/** A word, and beside a compound its parts: captions may write them apart. */
const takenApart = (word) => (/[\p{L}\p{N}]-[\p{L}\p{N}]/u.test(word) ? `${word} (perhaps ${word.replaceAll("-", " ")})` : word);

/** `go` changes the search as it is when a chip is pressed: the answer to the press before may still be under way. Dropped words stay visible, so that they can come back. */
export function showChips(place, query, state, go) {
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.token : undefined;
  const captions = asked(query);
  const spoken = captions.map((one) => one.caption).join(" ").toLowerCase().match(/[\p{L}\p{M}\p{N}]+(?:(?:[-'’./]|:(?=\p{N}))[\p{L}\p{M}\p{N}]+)*/gu) ?? [];
  const at = (word) => (spoken.includes(word) ? spoken.indexOf(word) : spoken.length);
  const words = [...new Set([...captions.flatMap((one) => one.tokens.map(rootOf)), ...state.drop])]
    .map((token) => ({ token, word: query.words[token] ?? token, by: query.implied[token] }))
    .sort((one, other) => Boolean(one.by) - Boolean(other.by) || at(one.word) - at(other.word) || one.word.localeCompare(other.word));
  const chips = words.map(({ token, word, by }) => chip(token, word, by, !state.drop.includes(token), (on) => go(({ drop }) => ({ drop: on ? drop.filter((one) => one !== token) : [...drop, token] }))));
  const take = (text) => ({ add, drop, not }) => {
    const { q: word, not: barring } = written(text); // as in the search field
    const kept = { not: [...new Set([...not, ...barring])] };
    const known = words.find((one) => one.word.toLowerCase() === word.toLowerCase())?.token;
    if (!word) return kept;
    if (drop.includes(known)) return { ...kept, drop: drop.filter((one) => one !== known) };
    if (!add.includes(word)) added.push(word);
    return { ...kept, add: [...new Set([...add, word])] };
  };
  before = tokensOf(query);
  place.replaceChildren(...chips, adder((word) => go(take(word)), state.add.length ? () => go({ add: [] }) : null));
  if (focused === undefined) return;
  const again = [...place.querySelectorAll("[data-token]")].find((one) => one.dataset.token === focused);
  (again ?? chips.at(-1) ?? place.querySelector("input")).focus();
}

/** `by`: the word of the search that implies this one, which it does not say. */
function chip(token, word, by, on, toggle) {
  const title = on ? `Search without “${word}”` : `Search with “${word}” again`;
  const shown = h("button", { className: by ? "chip implied" : "chip", dir: "auto", type: "button", "aria-pressed": String(on), data: { token }, title: by ? `${title} (implied by “${by}”)` : title }, word, by ? h("small", {}, " implied") : null);
  shown.addEventListener("click", () => {
    const now = shown.ariaPressed !== "true";
    shown.ariaPressed = String(now); // at once: the answer may take its time
    toggle(now);
  });
  return shown;
}

function adder(add, removeAll) {
  const input = h("input", { type: "text", placeholder: "add a word", "aria-label": "Add a word to the search", maxLength: 200, autocomplete: "off", data: { token: "" } });
  const form = h("form", { className: "adder" }, icon("plus"), input);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const word = input.value.trim();
    input.value = "";
    if (word) add(word);
  });
  const out = [form];
  if (removeAll) out.push(h("button", { className: "quiet small", type: "button", data: { token: "*" }, onclick: removeAll }, "Without added words"));
  return h("span", { className: "chip-tail" }, ...out);
}
