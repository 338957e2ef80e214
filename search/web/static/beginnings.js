// The start page's pictures, drawn at random: each leads to those like it.

import * as answer from "./answer.js";
import { get } from "./api.js";
import { byId } from "./dom.js";

const MANY = 12;

const title = byId("results-title");
const button = byId("shuffle");
let seed = Math.floor(Math.random() * 1e9);

/** `address`: where a picture leads, by its id. */
export async function show(signal, address) {
  title.textContent = "Or begin with one of these";
  byId("end").textContent = "";
  button.hidden = false;
  const { images } = await get("/random", { size: MANY, seed }, signal);
  answer.showDrawn(images, address);
  if (!images.length) title.textContent = "The index is empty";
  button.hidden = !images.length;
}

/** `act` shows others. */
export function whenShuffled(act) {
  button.addEventListener("click", () => {
    seed += 1;
    act();
  });
}
