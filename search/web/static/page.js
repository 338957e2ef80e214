// The page's one flow: address -> question -> answers on the page. Everything a visitor does changes the address.

import { NOTHING, filters, isSearch, options, read, showing, subject, write } from "./address.js";
import * as answer from "./answer.js";
import { others, settleAsked, showAsked, showAskedPicture } from "./asked.js";
import * as beginnings from "./beginnings.js";
import { moveByArrows } from "./cards.js";
import { idle, remarks, showChips } from "./chips.js";
import { whenAsked } from "./composer.js";
import * as detail from "./detail.js";
import { byId, clean, many } from "./dom.js";
import { closeBeside, showFilters } from "./filters.js";
import { note } from "./note.js";
import * as photos from "./photos.js";
import { compared, explain } from "./reason.js";
import * as server from "./server.js";
import { copyLink, save } from "./share.js";
import * as steps from "./steps.js";
import { showCount, showThreshold, whenMoved } from "./threshold.js";
import { askForToken, hideTrouble, isFinal, showTrouble } from "./trouble.js";
import { withoutVain } from "./vain.js";
import { showWithout, written } from "./without.js";

const PHOTO_CAPTIONS = 3; // a photo is searched for by these; a program that asks gets one, whose words are then all there is to reckon with

let state = { ...NOTHING };
let shown = ""; // whose answer the page shows, by `subject`
let photo = ""; // the URL of the visitor's photo that `state` is about, as far as this page has it
let running = new AbortController();

// ---- going somewhere -------------------------------------------------------------------------

/** `change`: what is to be otherwise, or a function of the state that says so; `moved`: that the slider is. */
function go(change, { replace = false, moved = false } = {}) {
  if (steps.wayBack) return steps.wayBack.then(() => go(change, { replace, moved }));
  const next = { ...state, show: "", ...(typeof change === "function" ? change(state) : change) };
  const address = write(next);
  const anew = subject(next) !== subject(state);
  const itsPhoto = next.photo && !anew ? photo : "";
  const kept = { photo: itsPhoto, opened: Boolean(next.show), moved: moved && !next.show };
  // From one picture to another is no step: what opened the first one is still behind it.
  if (next.show && (replace || state.show)) steps.rename(address);
  else steps.step(address, kept, replace || (moved && steps.here().moved)); // as long as only the slider is moved, it is one step
  const arrived = arrive(next, itsPhoto, () => go(next, { replace, moved }));
  if (anew) answer.toTop();
  return arrived;
}

const linksTo = (imageId) => ["query-picture", "grid"].flatMap((id) => [...byId(id).querySelectorAll("a")]).filter((link) => link.getAttribute("href") === showing(state, imageId));

/** Another search, with the filters of this one. */
const another = (asking) => ({ ...NOTHING, ...filters(state), fold: state.fold, ...asking });
const similarTo = (imageId) => write(another({ like: imageId }));

/** `redo` asks this again from what is shown now: an answer that does not come leaves that as it is. */
async function arrive(next, itsPhoto = photo, redo = null) {
  const before = state;
  const same = write({ ...before, show: "" }) === write({ ...next, show: "" }) && itsPhoto === photo;
  state = next;
  photo = itsPhoto;
  if (!same || !next.show) detail.close();
  if (!same || !answer.current()) await (isSearch(next) ? search(redo, before) : start());
  if (next.show && state === next && answer.current()) await showDetail(next.show);
}

let arrived = null; // a promise: that the page shows where the browser led last

/** Where the browser led: by the address, Back or Forward. */
function arriveByBrowser() {
  const itsPhoto = steps.here().photo;
  arrived = arrive(read(), photos.isKept(itsPhoto) ? itsPhoto : "");
}

const again = () => arrive(state);

/** Begin something new: what was under way no longer matters. */
function begin() {
  running.abort();
  running = new AbortController();
  hideTrouble();
  server.keepUp();
  answer.forget();
  return running.signal;
}

/** Take away an answer that is not to what is asked now, for the places of `count` pictures to come. */
function clearAnswer(count) {
  shown = "";
  document.title = "Caption Search"; // until an answer names it
  byId("tools").hidden = true;
  byId("chips").replaceChildren();
  byId("unknown").textContent = "";
  answer.clear(count);
}

// ---- the start page --------------------------------------------------------------------------

async function start() {
  const signal = begin();
  clearAnswer(12);
  if (document.body.dataset.view !== "start") byId("q").value = ""; // what a visitor is writing here stays
  document.body.dataset.view = "start";
  for (const id of ["query", "more"]) byId(id).hidden = true;
  try {
    await beginnings.show(signal, similarTo);
  } catch (error) {
    if (error.name !== "AbortError") fail(error, again);
  }
}

// ---- searching -------------------------------------------------------------------------------

async function search(redo, before) {
  const signal = begin();
  showAsking(state, photo);
  if (!redo && write(answer.stillSeen() ?? NOTHING) === write({ ...state, show: "" })) {
    steps.settle();
    return resume(before);
  }
  try {
    showAnswer(await answer.page(state, signal));
  } catch (error) {
    if (error.name === "AbortError") return;
    const untouched = redo && (await leaveAsItWas());
    if (!signal.aborted) fail(error, untouched ? redo : again);
  }
}

/** Take back what was asked where the answer before can still be seen: that, its words and its address belong together. */
async function leaveAsItWas() {
  const asked = state;
  const before = answer.stillSeen();
  if (!before) return false;
  state = before;
  resume(asked);
  await steps.takeBack(write(state));
  return true;
}

/** Show what can still be seen as the answer again, instead of one to `asked`. */
function resume(asked) {
  answer.recall(running.signal);
  const { query } = answer.current();
  showAsked(state);
  settleAsked(query, state);
  showChips(byId("chips"), query, state, go);
  showThreshold(state.min);
  showBarriers(state);
  if (asked.min !== state.min) count(state.min);
}

/** What is found now, from its beginning: the button that asked for it goes with the answer. */
function searchAgain() {
  answer.toTop();
  return search(searchAgain, state);
}

async function searchPhoto(file) {
  const unusable = photos.refusal(file, server.status()?.upload_bytes);
  if (unusable) return refuse(unusable);
  await steps.wayBack;
  const signal = begin();
  const asking = another({ min: state.min, photo: true });
  const url = URL.createObjectURL(file);
  detail.close();
  state = { ...state, show: "" };
  steps.wait(write(state), photo);
  showAsking(asking, url);
  answer.toTop();
  try {
    const found = await photos.send(file, { ...options(asking), k: answer.PAGE, captions: PHOTO_CAPTIONS }, signal);
    photo = photos.keep(url);
    state = { ...asking, q: found.query.caption, also: others(found.query) };
    steps.step(write(state), { photo }, true);
    showAnswer(found);
  } catch (error) {
    if (error.name !== "AbortError" && !isFinal(error)) {
      signal.addEventListener("abort", () => URL.revokeObjectURL(url)); // it stays until something else is asked: it is what “Try again” sends
      return fail(error, () => searchPhoto(file));
    }
    URL.revokeObjectURL(url);
    if (error.name !== "AbortError") await goBack(error);
  }
}

/** Say why a file is not searched with. What is under way goes on; a picture that is open would lie over the message. */
function refuse(unusable) {
  if (byId("detail").open) leave();
  showTrouble(unusable);
}

/** Show again what there was before a photo that is of no use, and why. */
async function goBack(error) {
  await steps.back();
  const { signal } = running;
  await arrived;
  if (!signal.aborted) fail(error);
}

/** `url`: the photo that `asking` is about, as far as this page has it. */
function showAsking(asking, url) {
  document.body.dataset.view = "answers";
  showAsked(asking);
  showAskedPicture(asking, url, { kept: shown === subject(asking), address: showing(asking, asking.like), open: () => go({ show: asking.like }) }, running.signal);
  for (const id of ["shuffle", "more"]) byId(id).hidden = true;
  byId("end").textContent = "";
  showThreshold(asking.min);
  showBarriers(asking);
  // The same search with other words or limits: what it found so far stays, dimmed, and a pressed chip keeps the focus.
  if (shown !== subject(asking)) {
    byId("results-title").textContent = "Looking…";
    clearAnswer(8);
  }
  byId("grid").setAttribute("aria-busy", "true");
}

function showBarriers(asking) {
  showWithout(byId("without"), asking, go);
  showFilters(byId("sheet"), byId("filter-count"), server.status(), asking, go);
}

function showAnswer(found) {
  shown = subject(state);
  steps.settle();
  settleAsked(found.query, state);
  document.title = `${clean(found.query.caption) || "Search"} · Caption Search`;
  const vain = leaveOut(idle(found.query), found.query.idle_without ?? []);
  showChips(byId("chips"), found.query, state, go);
  byId("unknown").replaceChildren(...remarks(found.query, state, go));
  answer.show(found, state, running.signal, searchAgain);
  count(state.min);
  if (vain.length) note(vain.join(", "));
}

/** Keep words that make no difference out of the address; gives what to say of those that were in it. */
function leaveOut(added, kept) {
  const { said, rest } = withoutVain(state, added, kept);
  if (!said.length) return said;
  Object.assign(state, rest); // in place: a picture that is to be opened waits for this very search
  steps.rename(write(state));
  showBarriers(state);
  return said;
}

const count = (least) => showCount(answer.current()?.query?.tokens.length ? state : null, least);

// ---- the picture in full ---------------------------------------------------------------------

async function showDetail(imageId) {
  const { query, hits, cursor } = answer.current();
  const at = hits.findIndex((hit) => hit.image_id === imageId);
  const open = () =>
    detail.open(imageId, {
      compared: compared(state, query, hits[at]),
      explain: (images) => explain(images, state, query, hits[at]),
      query,
      address: similarTo,
      onsimilar: (id) => go(another({ like: id })),
      before: at > 0 ? () => stepTo(at - 1) : null,
      after: at >= 0 && (hits[at + 1] || cursor) ? () => stepTo(at + 1) : null,
    });
  try {
    linksTo(imageId).forEach((link) => (link.ariaBusy = "true"));
    await open();
    hideTrouble(byId("trouble"));
  } catch (error) {
    if (error.name === "AbortError") return;
    detail.close(); // the one before, which would lie over the message
    fail(error, again);
  } finally {
    linksTo(imageId).forEach((link) => (link.ariaBusy = null));
  }
}

/** Show the hit at this place, where the answer's pages must first come to it too. */
async function stepTo(at) {
  const from = state;
  try {
    const { hits, cursor } = answer.current();
    if (!hits[at] && cursor) await answer.nextPage();
    const hit = answer.current()?.hits[at];
    if (state === from) await (hit ? go({ show: hit.image_id }) : showDetail(from.show));
  } catch (error) {
    if (error.name === "AbortError") return;
    detail.close();
    fail(error, () => stepTo(at));
  }
}

/** Close the picture: back to where it was opened, so that Back never leads to it; in place where its address opened it. */
function leave() {
  if (!steps.backFromPicture()) go({ show: "" }, { replace: true });
}

detail.whenLeft(leave);
detail.whenClosed((imageId) => {
  const links = linksTo(imageId);
  if (!links.includes(document.activeElement)) links.at(-1)?.focus();
});

// ---- what can go wrong -----------------------------------------------------------------------

function fail(error, again, place) {
  server.doubt();
  byId("working").hidden = true;
  byId("grid").removeAttribute("aria-busy");
  if (!answer.current()) clearAnswer();
  if (!byId("grid").children.length) byId("results-title").textContent = "Nothing to show";
  if (error.status === 401) askForToken(error, again);
  else showTrouble(error, again, place);
}

answer.whenPageFails(fail);

// ---- what people do --------------------------------------------------------------------------

whenAsked((sentence) => {
  const { q, not } = written(sentence);
  if (!q) return note("Give a word to look for besides those to do without");
  answer.toTop(); // also where the same is asked again
  go(another({ min: state.min, q, not }));
});
photos.take(searchPhoto);
byId("skip").addEventListener("click", (event) => detail.takeOver(event, () => byId("results").focus())); // by its address it would be a step in the history
byId("home").addEventListener("click", (event) => detail.takeOver(event, () => go(NOTHING)));
byId("clear").addEventListener("click", () => go(NOTHING));
beginnings.whenShuffled(start);
byId("grid").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link) return;
  const { show, ...meant } = read(new URL(link.href).search);
  detail.takeOver(event, () => go(show ? { show } : meant)); // a picture of the answer that is still shown opens in the search as it is now
});
whenMoved(count, (min) => go({ min }, { moved: true }));
closeBeside(byId("filters"));
byId("save").addEventListener("click", () => answer.current() && save(answer.current()));
byId("share").addEventListener("click", copyLink);
addEventListener("popstate", arriveByBrowser);
moveByArrows(byId("grid"));

// ---- beginning -------------------------------------------------------------------------------

server.whenTold((status) => {
  byId("unshown").hidden = Boolean(status.image_folders || status.remote_images || !status.images);
  byId("holdings").textContent = `${many(status.images, "picture")}, ${many(status.captions, "caption")}`;
  showFilters(byId("sheet"), byId("filter-count"), status, state, go);
});
server.whenBuiltAnew((from) => (document.body.dataset.view === "start" ? start() : answer.outdate(from)));
document.addEventListener("visibilitychange", () => document.hidden || server.keepUp());
arriveByBrowser();
