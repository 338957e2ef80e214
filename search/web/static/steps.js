// Steps in the browser's history: where Back leads, and what takes the place of a step instead of making one.

import { read, write } from "./address.js";

/** A promise as long as the browser is on its way back: a step made meanwhile would be one from where it no longer is. */
export let wayBack = null;

let settled = 0; // the place of the step whose answer the page shows

/** What this step was marked with: `photo`, the URL of a visitor's; `opened`, a picture; `waiting`, for a photo's caption; `moved`, the slider. */
export const here = () => history.state ?? {};

const place = () => here().at ?? 0; // the number of steps before this one, as far as this site made them

/** Note that the page shows what this step is about. */
export const settle = () => (settled = place());

/** Take back the steps since then; where one took another's place, it has `address` again. */
export async function takeBack(address) {
  const further = place() - settled;
  if (further > 0) await back(further);
  else rename(address);
}

/** Be at an address, by a step of its own unless it is to take the place of this one; so does what is asked while a photo waits. */
export function step(address, mark, replace = false) {
  if (replace || here().waiting) history.replaceState({ ...mark, at: place() }, "", address);
  else if (address !== write(read())) history.pushState({ ...mark, at: place() + 1 }, "", address);
}

/** Write the address of this step anew. */
export const rename = (address) => history.replaceState(history.state, "", address);

/** A photo is a step from when it is shown, so that Back gives it up; what is shown next takes this step's place. `address`: what is shown when the photo is given up, without the picture that may be open. */
export function wait(address, photo) {
  const { waiting, opened } = here();
  if (!waiting && !opened) rename(address);
  const mark = { photo, waiting: true };
  if (waiting || opened) history.replaceState({ ...mark, at: place() }, "", address);
  else history.pushState({ ...mark, at: place() + 1 }, "", address);
}

/** Back by so many steps, as from a photo that failed; resolved when the browser is there. */
export function back(count = 1) {
  wayBack = new Promise((resolve) => addEventListener("popstate", resolve, { once: true })).finally(() => (wayBack = null));
  history.go(-count);
  return wayBack;
}

/** Back from a picture, once however often that is asked. False where it was opened by its address, with no step to go back to. */
export function backFromPicture() {
  if (!here().opened) return false;
  if (!wayBack) back();
  return true;
}
