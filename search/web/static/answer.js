// The answer to what is asked: its pages as far as a visitor has come, and what the page says of them.

import { NOTHING, question, showing } from "./address.js";
import { get } from "./api.js";
import { card, ghost } from "./cards.js";
import { byId, say } from "./dom.js";
import { continued, ending, outdated, proof, spoken } from "./proof.js";
import * as server from "./server.js";
import { hideTrouble, isFinal } from "./trouble.js";

export const PAGE = 24;

const grid = byId("grid");
const more = byId("more");

let answer = null; // all its pages so far, as one; none before the first is there, and none where asking failed
let left = null; // the one before that, as long as it is still seen, and when it was asked for
let asked = NOTHING; // what it answers
let from = 0; // when that was asked, by the page's clock
let built = 0; // what was asked before that is of an index that is no more, as far as the page has heard
let anew = null; // asks that anew
let signal = null; // ends the page that is under way
let appending = null; // a promise as long as one is
/** @type {(error: Error, again: () => void, place: HTMLElement) => void} */
let failed = () => {};
const nearing = new IntersectionObserver((told) => told.at(-1).isIntersecting && showMore(), { rootMargin: "600px" });

export const current = () => answer;

/** Wait for another one: this one may still be seen, but nothing is said of it. */
export function forget() {
  if (answer?.query) left = { answer, from };
  answer = null;
  from = performance.now();
  byId("certificate").replaceChildren();
}

/** What the one that is still seen answers, or null where none is. */
export const stillSeen = () => left && { ...asked, show: "" };

/** Take that one for the answer again, as no other came. */
export function recall(until) {
  from = left.from;
  answer = judged(left.answer);
  left = null;
  signal = until;
  resume();
  tell(answer.hits.length);
}

/** Take it off the page, for the places of `count` pictures to come. */
export function clear(count = 0) {
  left = null;
  grid.replaceChildren(...Array.from({ length: count }, ghost));
  say("");
}

/** A page of the answer to `state`: the first one, or that behind a cursor. */
export function page(state, signal, after = null) {
  const [path, values] = question(state);
  return get(path, { ...values, k: PAGE, after }, signal);
}

/** Show its first page; `again` asks anew, and `until` is aborted when something else is asked. */
export function show(first, state, until, again) {
  [answer, asked, signal, anew, left] = [judged(first), state, until, again, null];
  grid.replaceChildren();
  append(first.hits);
}

/** Where something new is asked, a visitor begins at its beginning, wherever the last answer was left. */
export function toTop() {
  scrollTo(0, 0);
  byId("results-title").focus({ preventScroll: true });
}

/** Show pictures that nothing was asked for. */
export function showDrawn(images, address) {
  answer = { hits: [] };
  grid.removeAttribute("aria-busy"); // an answer that was left did not come
  grid.replaceChildren(...images.map((image) => card(image, address(image.image_id))));
}

function append(hits) {
  server.compareWith(answer.captions, from);
  grid.append(...hits.map((hit) => card(hit, showing(asked, hit.image_id))));
  resume();
  tell(hits.length);
}

function resume() {
  grid.removeAttribute("aria-busy");
  byId("results-title").textContent = answer.hits.length ? "Most alike first" : "No picture found";
  more.hidden = !answer.cursor;
  // Asked anew, the browser tells how things are: it keeps silent where a page pushed the end away and a visitor was there again before it looked.
  nearing.disconnect();
  nearing.observe(more);
}

/** Say what is known of it now that `fresh` of its pictures have come. */
function tell(fresh) {
  byId("certificate").replaceChildren(...proof(answer, asked, anew));
  byId("end").textContent = ending(answer, asked);
  say(spoken(answer, fresh, asked));
}

/** An answer as it may be spoken of: the index may have been built anew since it was asked for. */
const judged = (one) => (from < built ? outdated(one) : one);

/** Say of what was asked before `since` that the index has been built anew, also where it is shown later. */
export function outdate(since) {
  built = since;
  if (!answer?.query || from >= built) return;
  answer = judged(answer);
  tell(answer.hits.length);
}

/** Its next page, for everyone who waits for it. */
export function nextPage() {
  server.keepUp();
  appending ??= (async () => {
    const next = await page(asked, signal, answer.cursor).catch(refused);
    const shown = answer.hits.length;
    answer = continued(answer, next);
    append(answer.hits.slice(shown));
    hideTrouble(byId("more-trouble"));
  })().finally(() => (appending = null));
  return appending;
}

/** What takes the place of a page that is refused though the one before was not: its cursor, or what it is like, is of an index that is no more. */
function refused(error) {
  if (!isFinal(error)) throw error;
  return outdated({ ...answer, hits: [], cursor: undefined });
}

/** `act` hears of a page that did not come: why, what asks for it again, and where that is told. */
export function whenPageFails(act) {
  failed = act;
}

async function showMore() {
  if (appending || !answer?.cursor) return;
  try {
    await nextPage();
  } catch (error) {
    if (error.name !== "AbortError") failed(error, showMore, byId("more-trouble"));
  }
}

more.addEventListener("click", showMore);
