// What is searched for, above the answers: words, a photo or an image, with its captions.

import { asked, byId, clean, h } from "./dom.js";
import { asWritten } from "./without.js";

export function showAsked({ q, also, not, like, photo }) {
  byId("query").hidden = false;
  byId("working").hidden = true;
  byId("q").value = photo || like ? "" : asWritten(q, not);
  byId("query-label").textContent = photo ? "Caption of your photo" : like ? "Pictures like this one" : "Your words";
  byId("query").classList.toggle("plain", !photo && !like);
  showCaptions(q, also);
}

/** `shown`: the picture, or nothing as long as it is under way; `room`: whether there will be one. */
export function showPicture(shown, room = true) {
  const box = byId("query-picture");
  box.hidden = !room;
  box.replaceChildren(...(shown ? [shown] : []));
}

/** A photo's captions but the first. */
export const others = (query) => asked(query).slice(1).map((one) => one.caption);

export function showCaptions(first, rest) {
  byId("query-caption").textContent = clean(first);
  byId("query-also").replaceChildren(...rest.map((caption) => h("li", { dir: "auto" }, caption)));
  if (rest.length) byId("query-label").textContent = "Captions of your photo";
}
