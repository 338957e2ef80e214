// What the server says of itself: how much it holds and of what, what it takes and what it allows.

import { get } from "./api.js";

const news = new EventTarget();
let told = null; // the last answer
let asking = null; // a promise as long as one is under way

/** The status as far as it is known, or null. Nothing waits for it: on a large index it can take seconds. */
export const status = () => told;

/** Act each time that the status comes. */
export const whenTold = (act, options) => news.addEventListener("told", () => act(told), options);

/** Ask, unless that is under way. Nobody hears that it failed: the search itself will say what is wrong, and the next one asks again. */
export function ask() {
  asking ??= get("/status").then(tell, () => {}).finally(() => (asking = null));
  return asking;
}

function tell(answer) {
  told = answer;
  news.dispatchEvent(new Event("told"));
}
