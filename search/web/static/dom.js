// Building the page's parts. Text only ever becomes a text node, so nothing that the index holds is markup.

const SVG = "http://www.w3.org/2000/svg";

const READ = ["title", "alt", "aria-label", "placeholder"]; // attributes that people see or hear

/** An element: properties by name, `on…` for listeners, `data` for data attributes, `aria-…` and others as attributes. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, given] of Object.entries(properties)) {
    if (given === undefined || given === null) continue;
    const value = READ.includes(name) ? clean(given) : given;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name in element && !name.includes("-")) element[name] = value;
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  const parts = children.flat().filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...parts.map((child) => (typeof child === "string" ? clean(child) : child)));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

const REFUSED = /[\p{Cc}\p{Cs}\p{Cn}\p{Co}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** A text as the command line shows it: nothing in it turns a line around. One mark for one character, so that spans stay true; blanks are the browser's. */
export const clean = (text) => text.replace(REFUSED, (one) => (/\s/.test(one) ? one : "\ufffd"));

/** A name whose every character can be told, as the command line writes it. */
export const printable = (text) => text.replace(REFUSED, escaped);

function escaped(character) {
  const code = character.codePointAt(0).toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
}

/** For sorting words: those that a caption only implies, `by` another, come after those that it says. */
export const impliedLast = (one, other) => Number(Boolean(one.by)) - Number(Boolean(other.by));

/** @type {(id: string) => any} */
export const byId = (id) => document.getElementById(id);

/** Where the keyboard is. @type {() => any} */
export const focused = () => document.activeElement;

/** A caption with its shared words marked; `spans` count code points, as the server does. */
export function marked(caption, spans) {
  const characters = Array.from(caption);
  const parts = [];
  let at = 0;
  for (const [start, end] of spans) {
    parts.push(characters.slice(at, start).join(""), h("mark", {}, characters.slice(start, end).join("")));
    at = end;
  }
  parts.push(characters.slice(at).join(""));
  return parts.filter((part) => part !== "");
}

/** By which of the captions asked a picture was found; the caption reads in its own direction. */
export const foundBy = (asked) => (asked ? h("span", { className: "asked" }, "found by “", h("bdi", {}, asked), "”") : null);

export const number = (value) => value.toLocaleString("en");

/** "1 picture", "2,000 pictures". */
export const many = (count, one) => `${number(count)} ${one}${count === 1 ? "" : "s"}`;

export const score = (value) => value.toFixed(2);

/** A link only where it leads to the web; the index may hold anything. */
export function webLink(address, ...children) {
  if (!/^https?:\/\//i.test(address)) return null;
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
}

/** Keys that are the browser's or the system's own, such as Alt with an arrow. */
export const modified = (event) => event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;

/** Tell people who listen to the page. */
export function say(text) {
  byId("said").textContent = clean(text);
}

/** A token's stem: telling words count two or three times, as "cat", "cat*2", "cat*3". */
export const rootOf = (token) => token.replace(/\*\d+$/, "");

/** All captions that a search asks: one, or several of a photo; each with its tokens. */
export const asked = (query) => query.captions ?? [{ caption: query.caption, tokens: query.tokens }];

/** Stems with how often each counts, in order. */
export function counted(tokens) {
  const counts = new Map();
  for (const token of tokens) counts.set(rootOf(token), (counts.get(rootOf(token)) ?? 0) + 1);
  return [...counts];
}
