// What is searched for, above the answers: words, a photo or an image, with its captions.

import { NOTHING } from "./address.js";
import { get } from "./api.js";
import { picture } from "./cards.js";
import { takeOver } from "./detail.js";
import { asked, byId, clean, h } from "./dom.js";
import { asWritten } from "./without.js";

let about = NOTHING; // what is asked

export function showAsked(asking) {
  const { q, also, not, like, photo } = asking;
  about = asking;
  byId("query").hidden = false;
  byId("working").hidden = true;
  byId("q").value = photo || like ? "" : asWritten(q, not);
  byId("query").classList.toggle("plain", !photo && !like);
  showCaptions(q, also);
}

function label(first, rest) {
  const { photo, like } = about;
  if (rest.length) return "Captions of your photo";
  if (photo) return first ? "Caption of your photo" : "Your photo";
  return like ? "Pictures like this one" : "Your words";
}

/** A photo's captions but the first. */
export const others = (query) => asked(query).slice(1).map((one) => one.caption);

function showCaptions(first, rest) {
  byId("query-label").textContent = label(first, rest);
  byId("query-caption").textContent = clean(first);
  byId("query-also").replaceChildren(...rest.map((caption) => h("li", { dir: "auto" }, caption)));
}

/** Show what it has become with its answer. What holds no word that counts has nothing to narrow, and no words to show. */
export function settleAsked(query, { photo, like, drop, not, without }) {
  const vague = asked(query).every(({ tokens }) => !tokens.length);
  byId("working").hidden = true;
  byId("tools").hidden = vague;
  byId("query").hidden = vague && !(photo || like || [...drop, ...not, ...without].length);
  showCaptions(query.caption, others(query));
}

/** The visitor's photo at `url`, or the image that is asked about, which leads to `address` and is opened by `open`. `kept`: whether it is the one that is shown already. */
export async function showAskedPicture({ like }, url, { kept, address, open }, signal) {
  if (url || !like || !kept) show(url ? picture({ image_id: "", photo: url }, 320, true, "Your photo") : null, Boolean(url || like));
  if (url || !like) return;
  try {
    const image = await get(`/images/${encodeURIComponent(like)}`, {}, signal);
    show(h("a", { href: address, "aria-label": "Open the picture asked about", onclick: (event) => takeOver(event, open) }, picture(image, 320, true)));
  } catch {
    // the search itself says what is wrong
  }
}

/** `shown`: the picture, or nothing as long as it is under way; `room`: whether there will be one. */
function show(shown, room = true) {
  const box = byId("query-picture");
  box.hidden = !room;
  box.replaceChildren(...(shown ? [shown] : []));
}
