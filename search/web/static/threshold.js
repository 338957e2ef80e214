// The threshold: a slider, and how many pictures reach where it stands.

import { allowed, excluded, sentence } from "./address.js";
import { get } from "./api.js";
import { byId, many, score } from "./dom.js";

const STEP = 0.05;
const LEAST = 0.000001; // the count of "any word shared"

const slider = byId("min");
let counting = new AbortController();

export function showThreshold(min) {
  slider.step = STEP;
  slider.value = min;
  if (Number(slider.value) !== min) slider.step = "any"; // an address may name what lies between the steps
  slider.value = min;
  byId("min-shown").textContent = score(min);
}

/** How many pictures there are from this similarity on; `state`: what is asked, or null where there is nothing to count. */
export async function showCount(state, least) {
  counting.abort();
  counting = new AbortController();
  const place = byId("count");
  if (!state) {
    place.textContent = "";
    return;
  }
  try {
    const { images } = await get("/count", { ...sentence(state), exclude: excluded(state), min_score: least || LEAST, ...allowed(state) }, counting.signal);
    place.textContent = `${many(images, "picture")}${state.fold ? ", counting copies" : ""}`;
  } catch (error) {
    if (error.name !== "AbortError") place.textContent = "";
  }
}

/** `moving` hears each value on the way, `moved` the one that is let go of. */
export function whenMoved(moving, moved) {
  slider.addEventListener("input", () => {
    byId("min-shown").textContent = score(Number(slider.value));
    moving(Number(slider.value));
  });
  slider.addEventListener("change", () => moved(Number(slider.value)));
}
