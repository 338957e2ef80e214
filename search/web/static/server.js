// What the server says of itself: how much it holds and of what, what it takes and what it allows.

import { get } from "./api.js";

const LASTS = 60_000; // ms that the status is good for; the server itself counts no more often

const news = new EventTarget();
let told = null; // the last answer
let good = 0; // until when, by the page's clock
let asking = null; // a promise as long as one is under way

/** The status as far as it is known, or null. Nothing waits for it: on a large index it can take seconds. */
export const status = () => told;

/** Act each time that the status comes. */
export const whenTold = (act, options) => news.addEventListener("told", () => act(told), options);

/** Act where the status tells of an index built anew, of however many captions; `act` hears from when on what was asked is asked of it. */
export const whenBuiltAnew = (act) => news.addEventListener("built-anew", (event) => act(/** @type {CustomEvent} */ (event).detail));

/** Ask, unless that is under way. Nobody hears that it failed: the search itself will say what is wrong, and the next one asks again. */
export function ask(from = performance.now()) {
  asking ??= get("/status").then((answer) => tell(answer, from), () => {}).finally(() => (asking = null));
  return asking;
}

/** Ask where the status is not known, or no longer to be relied upon. */
export const keepUp = () => performance.now() < good || ask();

/** The status is asked for anew with the next search: the server may have been another since. */
export const doubt = () => (good = 0);

/** Ask where an answer, itself asked for at `from`, tells of another number of captions than the status. */
export const compareWith = (captions, from) => told && told.captions !== captions && ask(from);

function tell(answer, from) {
  const anew = told && told.built_at !== answer.built_at;
  told = answer;
  good = performance.now() + LASTS;
  news.dispatchEvent(new Event("told"));
  if (anew) news.dispatchEvent(new CustomEvent("built-anew", { detail: from }));
}
