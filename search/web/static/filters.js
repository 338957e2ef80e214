// Which captions may answer: by source and kind, with what the index holds of each, and by words that none has; copies shown once.

import { barred } from "./address.js";
import { byId, h, number } from "./dom.js";
import { field } from "./without.js";

const FIELDS = [
  ["source", "Source", "sources"],
  ["kind", "Kind of caption", "kinds"],
];

export function showFilters(place, badge, status, state, go) {
  const chosen = state.source.length + state.kind.length + barred(state).length + Number(state.fold);
  badge.textContent = chosen ? ` · ${chosen}` : "";
  const focused = place.contains(document.activeElement) ? document.activeElement.id : null;
  place.replaceChildren(
    ...FIELDS.map(([name, label, counts]) => group(name, label, status?.[counts] ?? Object.create(null), state, go)),
    h("fieldset", {}, h("legend", {}, "Copies"), tick("fold", "Show near-identical pictures once", null, state.fold, (on) => go({ fold: on }))),
    h("fieldset", {}, h("legend", {}, "Words"), field("f-without", byId("f-without")?.value ?? "", go)),
    chosen ? h("button", { className: "quiet small", type: "button", onclick: () => go({ source: [], kind: [], not: [], without: [], fold: false }) }, "Clear filters") : "",
  );
  if (focused !== null) (byId(focused) ?? place.querySelector("input")).focus();
}

function group(name, label, counts, state, go) {
  const values = [...new Set([...Object.keys(counts), ...state[name]])];
  return h(
    "fieldset",
    {},
    h("legend", {}, label),
    ...values.map((value) =>
      tick(`${name}-${value}`, value, counts[value], state[name].includes(value), (on) => go((now) => ({ [name]: on ? [...now[name], value] : now[name].filter((one) => one !== value) }))),
    ),
  );
}

function tick(id, label, count, checked, change) {
  return h("label", { className: "tick" }, h("input", { type: "checkbox", id: `f-${id}`, checked, onchange: (event) => change(event.target.checked) }), h("span", {}, label), count === undefined || count === null ? null : h("span", { className: "of" }, number(count)));
}

/** Close the sheet when a visitor turns away from it: by Esc, by a press beside it, or by what has the focus next, which it may lie over. */
export function closeBeside(sheet) {
  const turnTo = (part) => sheet.contains(part) || (sheet.open = false);
  addEventListener("pointerdown", (event) => turnTo(event.target));
  sheet.addEventListener("focusout", (event) => event.relatedTarget && turnTo(event.relatedTarget));
  sheet.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !sheet.open) return;
    sheet.open = false;
    sheet.querySelector("summary").focus();
  });
}
