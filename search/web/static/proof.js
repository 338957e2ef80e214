// What the page says of an answer: what is proven of it, and why there is no more.

import { isFiltered } from "./address.js";
import { clean, h, icon, many, number, score } from "./dom.js";

/** An answer of which some may be of the index as it was before. */
export const outdated = (answer) => ({ ...answer, exact: false, changed: true });

/** An answer with one more page, as one: proven as long as each page is, and as long as all are of the index as it was. */
export function continued(answer, page) {
  const shown = new Set(answer.hits.map((hit) => hit.image_id));
  const fresh = page.hits.filter((hit) => !shown.has(hit.image_id)); // one comes again where the caption that it was shown by has gone
  const both = { ...page, query: answer.query, hits: [...answer.hits, ...fresh], exact: answer.exact && page.exact };
  return answer.changed || fresh.length < page.hits.length || page.captions !== answer.captions ? outdated(both) : both;
}

const CHANGED = "The index has changed";

function proofText({ changed, exact, hits, captions }, state) {
  if (changed) return CHANGED;
  const all = isFiltered(state) ? "among the captions that pass the filters" : `of ${many(captions, "caption")}`;
  return `${exact ? "Exact: the true" : "Not proven: the likely"} top ${number(hits.length)} ${all}`;
}

/** `state`: what was asked; `again`: search once more, for what an index that has changed holds now. */
export function proof(answer, state, again) {
  if (!answer.hits.length && !answer.changed) return [];
  const badge = h("span", { className: answer.exact ? "proof" : "proof open" }, answer.exact ? icon("check") : null, proofText(answer, state));
  if (answer.changed) return [badge, h("button", { className: "button", type: "button", onclick: again }, "Search again")];
  const rest = isFiltered(state) ? "that passes the filters and is not shown" : "that is not shown";
  badge.title = answer.exact ? `Proven: nothing ${rest} can score higher.` : `Something ${rest} may score higher.`;
  return [badge, h("span", {}, `${answer.took_ms < 10 ? answer.took_ms.toFixed(1) : Math.round(answer.took_ms)} ms, ${number(answer.examined)} looked at`)];
}

/** The line below the last picture, or in place of the first; `state`: what was asked. */
export function ending(answer, state) {
  if (!answer.hits.length) return nothing(answer, state);
  if (answer.cursor) return "";
  if (answer.changed) return `${CHANGED} meanwhile: there may be more.`;
  if (answer.more) return "There are more, too many to be shown once each. Narrow the search, or show near copies too.";
  const other = isFiltered(state) ? "No other picture with these filters" : "No other picture";
  return state.min ? `${other} reaches ${score(state.min)}.` : `${other} shares a word with this.`;
}

/** What people who listen are told when `fresh` of the pictures have come. */
export function spoken(answer, fresh, state) {
  const shown = answer.hits.length;
  if (!shown) return `No picture found. ${ending(answer, state)}`;
  return `${fresh && fresh < shown ? `${number(fresh)} more, ${many(shown, "picture")}` : many(shown, "picture")} shown. ${proofText(answer, state)}`;
}

function nothing({ query, remarks = [] }, state) {
  if (!query.tokens.length) return state.drop.length ? "There is no word left to search for." : `Nothing to search for: “${clean(query.caption)}” holds no word that counts.`;
  if (remarks.length) return remarks.map((remark) => `${remark[0].toUpperCase()}${remark.slice(1)}.`).join(" ");
  const filtered = isFiltered(state);
  if (state.min) return `Nothing is this much alike. Lower the threshold${filtered ? " or take a filter away" : ""}.`;
  return filtered ? "No picture with these filters shares a word with this." : "No caption in the index shares a word with this.";
}
