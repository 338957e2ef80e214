// What went wrong, in words, and the token where the server asks for it.

import { Trouble, signIn } from "./api.js";
import { byId, h, icon } from "./dom.js";

const place = byId("trouble");

/** `again`, where given, tries once more what failed. */
export function showTrouble(error, again) {
  if (!(error instanceof Trouble)) console.error(error);
  const parts = [
    h("div", {}, h("strong", {}, error.title ?? "A fault of this page"), h("p", {}, error.detail ?? String(error))),
    again && h("button", { className: "button", type: "button", onclick: again }, "Try again"),
    h("button", { className: "quiet icon-only", type: "button", "aria-label": "Dismiss the message", onclick: hideTrouble }, icon("close")),
  ];
  place.replaceChildren(...parts.filter(Boolean));
  place.hidden = false;
}

export function hideTrouble() {
  place.hidden = true;
}

/** `then`: what to do when the server has taken the token. */
export function askForToken(then) {
  const dialog = byId("sign-in");
  byId("sign-in-form").onsubmit = async (event) => {
    event.preventDefault();
    try {
      await signIn(byId("token").value);
      dialog.close();
      await then();
    } catch (error) {
      byId("sign-in-trouble").textContent = error.detail ?? String(error);
    }
  };
  if (!dialog.open) dialog.showModal();
}
