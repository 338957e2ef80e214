// The page's one flow: address -> question -> answers on the page. Everything a visitor does changes the address.

import { NOTHING, isSearch, options, question, read, sentence, write } from "./address.js";
import { get } from "./api.js";
import { others, showAsked, showCaptions, showPicture } from "./asked.js";
import { card, ghost, moveByArrows, picture } from "./cards.js";
import { showChips } from "./chips.js";
import * as detail from "./detail.js";
import { byId, h, number, say } from "./dom.js";
import { showFilters } from "./filters.js";
import * as photos from "./photos.js";
import { ending, proof, proofText } from "./proof.js";
import { copyLink, save } from "./share.js";
import { showCount, showThreshold, whenMoved } from "./threshold.js";
import { askForToken, hideTrouble, showTrouble } from "./trouble.js";

const PAGE = 24;
const PHOTO_CAPTIONS = 3; // a photo is searched for by these; a program that asks gets one, whose words are then all there is to reckon with

let state = { ...NOTHING };
let status = null;
let answer = null; // the last page of the answer to `state`; none before it is there, and none where asking failed
let hits = []; // of all its pages
let shown = ""; // whose answer the page shows, by `subject`
let photo = null; // {url, caption}: shown beside the caption that it was given
let running = new AbortController();
let told; // a promise: kept when `status` is there, or cannot be had
let seed = Math.floor(Math.random() * 1e9);

// ---- going somewhere -------------------------------------------------------------------------

function go(change, { replace = false } = {}) {
  const next = { ...state, show: "", ...change };
  const address = write(next);
  // From one picture to another is no step: what opened the first one is still behind it.
  if (replace || (next.show && state.show)) history.replaceState(next.show ? history.state : null, "", address);
  else if (address !== write(read())) history.pushState(next.show ? { opened: true } : null, "", address);
  return arrive(next);
}

const showing = (imageId) => write({ ...state, show: imageId });
const similarTo = (imageId) => write({ ...NOTHING, source: state.source, kind: state.kind, fold: state.fold, like: imageId });

async function arrive(next) {
  const before = state;
  state = next;
  const same = write({ ...before, show: "" }) === write({ ...next, show: "" });
  if (!same || !next.show) detail.close();
  if (!same || !answer) await (isSearch(next) ? search() : start());
  if (next.show && state === next) await showDetail(next.show);
}

/** Begin something new: what was under way no longer matters. */
function begin() {
  running.abort();
  running = new AbortController();
  answer = null;
  hits = [];
  hideTrouble();
  byId("certificate").replaceChildren();
  return running.signal;
}

/** What is searched for, whatever words of it are left out and however it is narrowed. */
const subject = ({ q, also, like }) => write({ q, also, like });

/** Take away an answer that is not to what is asked now. */
function clearAnswer(...ghosts) {
  shown = "";
  document.title = "Caption Search"; // until an answer names it
  byId("tools").hidden = true;
  byId("chips").replaceChildren();
  byId("certificate").replaceChildren();
  byId("grid").replaceChildren(...ghosts);
}

const ghosts = (count) => Array.from({ length: count }, ghost);

// ---- the start page --------------------------------------------------------------------------

async function start() {
  const signal = begin();
  clearAnswer(...ghosts(12));
  document.body.dataset.view = "start";
  byId("q").value = "";
  for (const id of ["query", "more"]) byId(id).hidden = true;
  byId("results-title").textContent = "Or begin with one of these";
  byId("end").textContent = "";
  byId("shuffle").hidden = false;
  await tried(async () => {
    await told;
    const { images } = await get("/random", { size: 12, seed }, signal);
    byId("grid").replaceChildren(...images.map((image) => card(prepared(image), similarTo(image.image_id))));
    byId("results-title").textContent = images.length ? "Or begin with one of these" : "The index is empty";
    byId("shuffle").hidden = !images.length;
    answer = { start: true };
  }, start);
}

// ---- searching -------------------------------------------------------------------------------

async function search() {
  const signal = begin();
  await told;
  if (signal.aborted) return;
  showAsking(state, photoOf(state));
  await tried(async () => {
    const [path, values] = question(state);
    showAnswer(await get(path, { ...values, k: PAGE }, signal));
  }, search);
}

async function searchPhoto(file) {
  const unusable = photos.refusal(file, status?.upload_bytes);
  if (unusable) return fail(unusable);
  const signal = begin();
  await told;
  if (signal.aborted) return;
  const asking = { ...NOTHING, source: state.source, kind: state.kind, fold: state.fold, min: state.min, photo: true };
  const url = URL.createObjectURL(file);
  detail.close();
  showAsking(asking, url);
  const progress = (share) => photos.showProgress(share, status?.captioner.state);
  progress(0);
  try {
    const found = await photos.send(file, { ...options(asking), k: PAGE, captions: PHOTO_CAPTIONS }, progress, signal);
    if (photo) URL.revokeObjectURL(photo.url);
    photo = { url, caption: found.query.caption };
    state = { ...asking, q: found.query.caption, also: others(found.query) };
    history.pushState(null, "", write(state));
    showAnswer(found);
  } catch (error) {
    URL.revokeObjectURL(url);
    if (error.name !== "AbortError") await goBack(error, () => searchPhoto(file));
  }
}

/** Show what the address says again, and why nothing else is shown. */
async function goBack(error, again) {
  const arrived = go({}, { replace: true });
  const { signal } = running;
  await arrived;
  if (!signal.aborted) fail(error, again);
}

/** `url`: the photo that `asking` is about, as far as this page has it. */
function showAsking(asking, url) {
  document.body.dataset.view = "answers";
  showAsked(asking);
  showAskedPicture(asking, url);
  byId("shuffle").hidden = true;
  byId("end").textContent = "";
  byId("more").hidden = true;
  showThreshold(asking.min);
  showFilters(byId("sheet"), byId("filter-count"), status, asking, go);
  // The same search with other words or limits: what it found so far stays, dimmed, and a pressed chip keeps the focus.
  if (shown !== subject(asking)) {
    byId("results-title").textContent = "Looking…";
    clearAnswer(...ghosts(8));
  }
  byId("grid").setAttribute("aria-busy", "true");
}

async function showAskedPicture({ like }, url) {
  showPicture(url ? picture({ image_id: "", remote: url }, 320, true, "Your photo") : null, Boolean(url || like));
  if (url || !like) return;
  try {
    const image = await get(`/images/${encodeURIComponent(like)}`, {}, running.signal);
    if (like !== state.like) return;
    const open = (event) => detail.takeOver(event, () => go({ show: like }));
    showPicture(h("a", { href: showing(like), "aria-label": "Open the picture asked about", onclick: open }, picture(prepared(image), 320, true)));
  } catch {
    // the search itself says what is wrong
  }
}

const photoOf = (asking) => (photo && asking.photo && photo.caption === asking.q ? photo.url : "");

function showAnswer(found) {
  answer = found;
  shown = subject(state);
  byId("working").hidden = true;
  byId("tools").hidden = false;
  showCaptions(found.query.caption, others(found.query));
  document.title = `${found.query.caption || "Search"} · Caption Search`;
  showChips(byId("chips"), found.query, state, go);
  byId("grid").replaceChildren();
  append(found);
  count(state.min);
  say(`${found.hits.length} pictures shown. ${proofText(answer, hits.length)}`);
}

function append(found) {
  const fresh = found.hits.map(prepared);
  hits.push(...fresh);
  byId("grid").append(...fresh.map((hit) => card(hit, showing(hit.image_id))));
  byId("grid").removeAttribute("aria-busy");
  byId("results-title").textContent = hits.length ? "Most alike first" : "No picture found";
  byId("certificate").replaceChildren(...proof(answer, hits.length));
  byId("more").hidden = !answer.cursor;
  byId("end").textContent = ending(answer, hits.length, state);
}

const count = (least) => showCount(answer?.query?.tokens.length ? state : null, least);

let appending = false;

async function showMore() {
  if (appending || !answer?.cursor) return;
  appending = true;
  const signal = running.signal;
  try {
    const [path, values] = question(state);
    const found = await get(path, { ...values, k: PAGE, after: answer.cursor }, signal);
    answer = { ...found, query: answer.query };
    append(found);
  } catch (error) {
    if (error.name !== "AbortError") fail(error, showMore);
  } finally {
    appending = false;
  }
  if (!signal.aborted && endIsNear()) showMore();
}

const endIsNear = () => byId("more").getBoundingClientRect().top < innerHeight + 600 && !byId("more").hidden;

// ---- the picture in full ---------------------------------------------------------------------

/** What a hit is compared with: the caption that it was found by, where several were searched for. */
function comparedWith(hit) {
  if (!isSearch(state)) return {};
  const { also, ...one } = sentence(state);
  return hit?.query_caption ? { ...one, q: hit.query_caption } : one;
}

async function showDetail(imageId) {
  const at = hits.findIndex((hit) => hit.image_id === imageId);
  const stepTo = (step) => {
    const next = hits[at + step];
    if (next) go({ show: next.image_id });
  };
  await tried(() =>
    detail.open(imageId, {
      hit: hits[at],
      compared: comparedWith(hits[at]),
      words: answer?.query?.words ?? {},
      address: similarTo,
      onsimilar: (id) => go({ ...NOTHING, source: state.source, kind: state.kind, fold: state.fold, like: id }),
      onstep: at >= 0 && hits.length > 1 ? stepTo : null,
    }),
  );
}

let leaving = false;

/** Close the picture: back to where it was opened, so that Back never leads to it; in place where its address opened it. */
function leave() {
  if (!history.state?.opened) return go({ show: "" }, { replace: true });
  if (!leaving) history.back();
  leaving = true;
}

detail.whenLeft(leave);
byId("detail").addEventListener("close", () => {
  const shown = [...byId("grid").children].find((one) => one.dataset.id === lastShown);
  shown?.querySelector("a").focus({ preventScroll: false });
});
let lastShown = "";

// ---- what can go wrong -----------------------------------------------------------------------

async function tried(act, again) {
  try {
    await act();
  } catch (error) {
    if (error.name !== "AbortError") fail(error, again);
  }
}

function fail(error, again) {
  byId("working").hidden = true;
  byId("grid").removeAttribute("aria-busy");
  if (!answer) clearAnswer();
  if (error.status === 401) return askForToken(() => signedIn(again));
  showTrouble(error, again);
  if (!hits.length && document.body.dataset.view === "answers") byId("results-title").textContent = "";
}

async function signedIn(again) {
  told = holdings();
  await (again ?? (() => arrive(read())))();
}

// ---- what people do --------------------------------------------------------------------------

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const q = byId("q").value.trim();
  if (!q) return byId("q").focus();
  byId("q").blur();
  go({ ...NOTHING, source: state.source, kind: state.kind, fold: state.fold, min: state.min, q });
});
photos.take(searchPhoto);
byId("home").addEventListener("click", (event) => detail.takeOver(event, () => go({ ...NOTHING })));
byId("clear").addEventListener("click", () => go({ ...NOTHING }));
byId("shuffle").addEventListener("click", () => {
  seed += 1;
  start();
});
byId("more").addEventListener("click", showMore);
byId("grid").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link) return;
  lastShown = link.parentElement.dataset.id;
  detail.takeOver(event, () => go(read(new URL(link.href).search)));
});
whenMoved(count, (min) => go({ min }));
byId("save").addEventListener("click", () => answer && save({ ...answer, hits: hits.map(({ remote, ...hit }) => hit) }));
byId("share").addEventListener("click", copyLink);
addEventListener("popstate", () => {
  leaving = false;
  arrive(read());
});
addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName) && document.activeElement.type !== "range";
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !byId("detail").open) {
    event.preventDefault();
    byId("q").focus();
    byId("q").select();
  }
});
new IntersectionObserver(([seen]) => seen.isIntersecting && showMore(), { rootMargin: "600px" }).observe(byId("more"));
moveByArrows(byId("grid"));

// ---- beginning -------------------------------------------------------------------------------

/** Where a picture may be loaded from the web, say so. */
function prepared(image) {
  if (!image.thumbnail && status?.remote_images && /^https?:\/\//i.test(image.image)) image.remote = image.image;
  return image;
}

async function holdings() {
  try {
    status = await get("/status");
  } catch (error) {
    return; // the search itself will say what is wrong
  }
  byId("holdings").textContent = `${number(status.images)} pictures, ${number(status.captions)} captions`;
}

told = holdings();
arrive(read()); // at once: what a visitor does before `told` is kept comes after it, and counts
