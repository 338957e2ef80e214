// Steps in the browser's history: where Back leads, and what takes the place of a step instead of making one.

import { read, write } from "./address.js";

let leaving = false; // a picture, by the browser's way back

addEventListener("popstate", () => (leaving = false));

/** What this step was marked with: `photo`, the URL of a visitor's; `opened`, a picture; `waiting`, for a photo's caption; or what `go` was told to keep. */
export const here = () => history.state ?? {};

/** Be at an address, by a step of its own unless it is to take the place of this one; so does what is asked while a photo waits. */
export function step(address, mark, replace = false) {
  if (replace || here().waiting) history.replaceState(mark, "", address);
  else if (address !== write(read())) history.pushState(mark, "", address);
}

/** Write the address of this step anew. */
export const rename = (address) => history.replaceState(history.state, "", address);

/** A photo is a step from when it is shown, so that Back gives it up; what is shown next takes this step's place. `address`: what is shown when the photo is given up, without the picture that may be open. */
export function wait(address, photo) {
  const { waiting, opened } = here();
  if (!waiting && !opened) rename(address);
  const mark = { photo, waiting: true };
  if (waiting || opened) history.replaceState(mark, "", address);
  else history.pushState(mark, "", address);
}

/** Back from a photo that failed; resolved when the browser is there. */
export function back() {
  return new Promise((resolve) => {
    addEventListener("popstate", resolve, { once: true });
    history.back();
  });
}

/** Back from a picture, once however often that is asked. False where it was opened by its address, with no step to go back to. */
export function backFromPicture() {
  if (!here().opened) return false;
  if (!leaving) history.back();
  return (leaving = true);
}
