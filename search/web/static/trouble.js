// What went wrong, in words, and the token where the server asks for it.

import { Trouble, signIn } from "./api.js";
import { byId, h, icon } from "./dom.js";

const FINAL = [400, 404, 413, 422]; // the same, asked again, has the same answer

export const isFinal = (error) => FINAL.includes(error.status);

/** `again` tries once more what failed; `place`: beside what it is about. */
export function showTrouble(error, again, place = byId("trouble")) {
  if (!(error instanceof Trouble)) console.error(error);
  const parts = [
    h("div", {}, h("strong", {}, error.title ?? "A fault of this page"), h("p", {}, error.detail ?? String(error))),
    again && !isFinal(error) && h("button", { className: "button", type: "button", onclick: again }, "Try again"),
    h("button", { className: "quiet icon-only", type: "button", "aria-label": "Dismiss the message", onclick: () => hideTrouble(place) }, icon("close")),
  ];
  place.replaceChildren(...parts.filter(Boolean));
  place.hidden = false;
}

export function hideTrouble(...places) {
  for (const place of places.length ? places : document.querySelectorAll(".trouble")) place.hidden = true;
}

/** `again`: what to do when the server has taken the token, or when a visitor who has turned away comes back to it. */
export function askForToken(error, again) {
  const dialog = byId("sign-in");
  const form = byId("sign-in-form");
  const say = (text) => (byId("sign-in-trouble").textContent = text);
  let taken = false;
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      await signIn(byId("token").value);
    } catch (refused) {
      return say(refused.detail ?? String(refused));
    }
    taken = true;
    dialog.close();
    await again();
  };
  dialog.onclose = () => {
    form.reset();
    say("");
    if (!taken) showTrouble(error, again);
  };
  if (!dialog.open) dialog.showModal();
}
