// Why a picture is an answer: the words that it shares with what was asked, and those that it does not.

import { isSearch, sentence } from "./address.js";
import { asked, counted, foundBy, h, impliedLast, many, number, rootOf, score } from "./dom.js";

/** What a caption of an image, compared with one of the captions asked, would be as a hit. */
function hitOf(caption, { caption: query, tokens }, several) {
  const without = (all) => all.filter((token) => !caption.shared.includes(token));
  const [missing, extra] = [without(tokens), without(caption.tokens)];
  const overlap = caption.shared.length;
  return { ...caption, missing, extra, overlap, union: overlap + missing.length + extra.length, query_caption: several ? query : null };
}

/** The searches that an image is compared with: of several captions asked the one that a hit was found by, or each where that is not known. */
export function compared(state, query, hit) {
  if (!isSearch(state)) return [{}];
  if (!state.q) return [sentence(state)];
  const captions = hit ? [hit.query_caption ?? state.q] : asked(query).map(({ caption }) => caption);
  return captions.map((q) => sentence({ ...state, q, also: [] }));
}

/** An image and the hit that it is, also where the answer's pages have not come to it: `images` is the image compared with each of those searches. */
export function explain(images, state, query, hit) {
  const [image] = images;
  if (hit || !isSearch(state) || image.image_id === state.like) return { image, hit };
  const barred = new Set(query.without);
  const passes = ({ source, kind, tokens }) => [[source, state.source], [kind, state.kind]].every(([value, wanted]) => !wanted.length || wanted.includes(value)) && !tokens.some((token) => barred.has(token));
  const hits = images.flatMap((one, at) => one.captions.filter((caption) => passes(caption) && caption.shared.length).map((caption) => ({ image: one, hit: hitOf(caption, asked(query)[at], images.length > 1) })));
  return hits.reduce((best, one) => (best.hit?.jaccard >= one.hit.jaccard ? best : one), { image });
}

/** What a caption shares with a search, the same wherever it is told: its words, and those that it only implies by others. */
export function share(hit) {
  const stems = counted(hit.shared).map(([stem]) => stem);
  const implied = stems.filter((stem) => stem in hit.implied).length;
  const words = stems.length - implied;
  const told = !words ? many(implied, "implied word") : implied ? `${many(words, "shared word")} and ${number(implied)} implied` : many(words, "shared word");
  return h("span", { className: "share", title: `${hit.overlap} of ${hit.union}${isWeighted(hit) ? ", as telling words count more" : ""}` }, told);
}

const isWeighted = (hit) => [...hit.shared, ...hit.missing, ...hit.extra].some((token) => token !== rootOf(token));

/** `its` and `yours`: what its caption and the search call each stem, and by which word they only imply it. */
export function reason(hit, its, yours) {
  const name = (stem) => [yours, its].map((one) => one.words[stem]).find((word) => word && word !== stem) ?? stem;
  const word = (kind, stem, times, by) => h("span", { className: `word ${kind}` }, h("bdi", {}, name(stem)), times > 1 ? h("small", {}, ` ×${times}`) : null, by ? h("small", {}, " implied by ", h("bdi", {}, by)) : null);
  const group = (label, tokens, kind, { implied }) => {
    const words = counted(tokens).map(([stem, times]) => ({ stem, times, by: implied[stem] }));
    words.sort(impliedLast);
    return words.length ? [h("dt", {}, label), h("dd", {}, ...words.map(({ stem, times, by }) => word(kind, stem, times, by)))] : [];
  };
  const stems = new Set(hit.shared.map(rootOf)); // a shared word that counts less on one side is no difference
  const others = (tokens) => tokens.filter((token) => !stems.has(rootOf(token)));
  const bar = h("span", { className: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--score", hit.jaccard);
  return h(
    "section",
    { className: "reason", "aria-label": "Why this picture" },
    h("p", {}, h("strong", {}, score(hit.jaccard)), " ", share(hit), isWeighted(hit) ? h("small", {}, " (telling words count up to three times)") : null),
    bar,
    foundBy(hit.query_caption),
    h("dl", {}, ...group("Shared", hit.shared, "both", hit), ...group("Only in your search", others(hit.missing), "yours", yours), ...group("Only in its caption", others(hit.extra), "its", its)),
  );
}
