// The words of a search as chips: press one to leave it out or take it in again; add others.

import { write } from "./address.js";
import { asked, byId, focused, h, icon, impliedLast, rootOf } from "./dom.js";
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

/** What is to be said of the words: those that stand in no caption, filters or not, and those that are denied. */
export const remarks = (query, state, go) => [strange(query, state, go), denied(query, state, go)].filter(Boolean);

function strange({ unknown = [], implied, words, corrections }, state, go) {
  const stems = [...new Set(unknown.map(rootOf))].filter((stem) => !(stem in implied));
  const told = stems.map((stem) => {
    const word = words[stem] ?? stem;
    const meant = [...(corrections?.[stem] ?? []), ...takenApart(word)].map((other) => instead(word, other, state, go));
    return meant.length ? [`${word} (perhaps `, ...between(" or ", meant), ")"] : [word];
  });
  return told.length ? h("span", {}, "No caption has: ", ...between(", ", told)) : null;
}

const between = (separator, parts) => parts.flatMap((part, at) => (at ? [separator, part] : [part])).flat();

/** A compound's parts: captions may write them apart. */
const takenApart = (word) => (/[\p{L}\p{N}]-[\p{L}\p{N}]/u.test(word) ? [word.replaceAll("-", " ")] : []);

/** Another word in place of one, but not of a compound's part: to press where a visitor wrote that, and not a captioner. */
function instead(word, other, state, go) {
  const escaped = word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  const written = new RegExp(`(?<![\\p{L}\\p{M}\\p{N}]|[\\p{L}\\p{M}\\p{N}][-'’./])${escaped}(?![-'’./]?[\\p{L}\\p{M}\\p{N}])`, "giu");
  const put = (text) => text.replace(written, () => other);
  const change = ({ q, photo, add, not, without }) => ({ q: photo ? q : put(q), add: add.map(put), not: not.map(put), without: without.map(put) });
  return write({ ...state, ...change(state) }) === write(state) ? other : press(other, `Search with “${other}” instead`, () => go(change));
}

/** A photo's captions deny what they deny; who writes a sentence is told how to say it. */
function denied({ negated = [], words }, { photo, like }, go) {
  if (photo || like || !negated.length) return null;
  const all = (...words) => [...new Set(words)];
  const bar = (word) => ({ not, drop }) => ({ not: all(...not, word), drop: all(...drop, ...Object.keys(words).filter((stem) => words[stem] === word)) });
  return h("span", {}, "“No”, “not” and “without” mean nothing in a search. A hyphen keeps a word away: ", ...between(" ", negated.map((word) => press(`-${word}`, `Keep captions with “${word}” away`, () => go(bar(word))))));
}

const press = (text, title, act) =>
  h("button", { type: "button", title, onclick: () => (byId("chips").querySelector("button")?.focus(), act()) }, text); // the button itself goes with the answer

/** `go` changes the search as it is when a chip is pressed: the answer to the press before may still be under way. Dropped words stay visible, so that they can come back. */
export function showChips(place, query, state, go) {
  const held = place.contains(focused()) ? focused().dataset.token : undefined;
  const captions = asked(query);
  const spoken = captions.map((one) => one.caption).join(" ").toLowerCase().match(/[\p{L}\p{M}\p{N}]+(?:(?:[-'’./]|:(?=\p{N}))[\p{L}\p{M}\p{N}]+)*/gu) ?? [];
  const at = (word) => (spoken.includes(word) ? spoken.indexOf(word) : spoken.length);
  const words = [...new Set([...captions.flatMap((one) => one.tokens.map(rootOf)), ...state.drop])]
    .map((token) => ({ token, word: query.words[token] ?? token, by: query.implied[token] }))
    .sort((one, other) => impliedLast(one, other) || at(one.word) - at(other.word) || one.word.localeCompare(other.word));
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
  if (held === undefined) return;
  const again = [...place.querySelectorAll("[data-token]")].find((one) => one.dataset.token === held);
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
