// The page's one flow: address -> question -> answers on the page. Everything a visitor does changes the address.

import { NOTHING, excluded, isSearch, options, question, read, sentence, write } from "./address.js";
import { Trouble, get, sendPhoto, signIn } from "./api.js";
import { card, ghost, moveByArrows, picture } from "./cards.js";
import { showChips } from "./chips.js";
import * as detail from "./detail.js";
import { asked, byId, h, icon, number, say, score } from "./dom.js";
import { showFilters } from "./filters.js";

const PAGE = 24;
const STEP = 0.05; // of the threshold
const PHOTO_CAPTIONS = 3; // a photo is searched for by these; a program that asks gets one, whose words are then all there is to reckon with
const LEAST = 0.000001; // the count of "any word shared"

let state = { ...NOTHING };
let status = null;
let answer = null; // the last page of the answer to `state`; none before it is there, and none where asking failed
let hits = []; // of all its pages
let shown = ""; // whose answer the page shows, by `subject`
let photo = null; // {url, caption}: shown beside the caption that it was given
let running = new AbortController();
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
  byId("trouble").hidden = true;
  byId("certificate").replaceChildren();
  return running.signal;
}

/** What is searched for, whatever words of it are left out and however it is narrowed. */
const subject = ({ q, also, like }) => write({ q, also, like });

/** Take away an answer that is not to what is asked now. */
function clearAnswer(...ghosts) {
  shown = "";
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
  document.title = "Caption Search";
  byId("q").value = "";
  for (const id of ["query", "more"]) byId(id).hidden = true;
  byId("results-title").textContent = "Or begin with one of these";
  byId("end").textContent = "";
  byId("shuffle").hidden = false;
  await tried(async () => {
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
  showAsking(state, photoOf(state));
  await tried(async () => {
    const [path, values] = question(state);
    showAnswer(await get(path, { ...values, k: PAGE }, signal));
  }, search);
}

async function searchPhoto(file) {
  if (!file.type.startsWith("image/") && file.type) {
    return fail(new Trouble({ title: "The photo cannot be used", status: 422, detail: `${file.name || "That"} is not a picture.` }));
  }
  if (status && file.size > status.upload_bytes) {
    const limit = Math.floor(status.upload_bytes / 1e6);
    return fail(new Trouble({ title: "The photo is too large", status: 413, detail: `It has ${(file.size / 1e6).toFixed(1)} MB; this server takes ${limit} MB.` }));
  }
  const signal = begin();
  const asking = { ...NOTHING, source: state.source, kind: state.kind, fold: state.fold, min: state.min, photo: true };
  const url = URL.createObjectURL(file);
  detail.close();
  showAsking(asking, url);
  showProgress(0);
  try {
    const found = await patiently(() => sendPhoto(file, { ...options(asking), k: PAGE, captions: PHOTO_CAPTIONS }, showProgress, signal), signal);
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

/** Come back when the captioner has room again. */
async function patiently(send, signal) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof Trouble) || error.status !== 429 || attempt >= 4) throw error;
      const seconds = Math.max(1, error.retryAfter);
      byId("working-text").textContent = `Many photos are waiting; trying again in ${seconds} s`;
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      signal.throwIfAborted();
    }
  }
}

function showProgress(share) {
  const bar = byId("progress");
  const sent = share >= 1;
  if (sent) bar.removeAttribute("value");
  else bar.value = Math.round(share * 100);
  const loading = status?.captioner.state === "loading";
  byId("working").hidden = false;
  byId("working-text").textContent = sent ? (loading ? "Getting the captioner ready and writing a caption…" : "Writing a caption…") : "Sending the photo…";
  if (sent) say("Writing a caption for the photo");
}

/** `url`: the photo that `asking` is about, as far as this page has it. */
function showAsking(asking, url) {
  document.body.dataset.view = "answers";
  byId("query").hidden = false;
  byId("working").hidden = true;
  byId("q").value = asking.photo || asking.like ? "" : asking.q;
  showQueryPicture(asking, url);
  byId("query-label").textContent = asking.photo ? "Caption of your photo" : asking.like ? "Pictures like this one" : "Your words";
  byId("query").classList.toggle("plain", !asking.photo && !asking.like);
  showCaptions(asking.q, asking.also);
  byId("shuffle").hidden = true;
  byId("end").textContent = "";
  byId("more").hidden = true;
  showControls(asking);
  // The same search with other words or limits: what it found so far stays, dimmed, and a pressed chip keeps the focus.
  if (shown !== subject(asking)) {
    byId("results-title").textContent = "Looking…";
    clearAnswer(...ghosts(8));
  }
  byId("grid").setAttribute("aria-busy", "true");
}

const photoOf = (asking) => (photo && asking.photo && photo.caption === asking.q ? photo.url : "");

function showQueryPicture({ like }, url) {
  const box = byId("query-picture");
  box.hidden = !(url || like);
  box.replaceChildren();
  if (url) box.replaceChildren(picture({ image_id: "", remote: url }, 320, true, "Your photo"));
  else if (like) {
    const wanted = like;
    get(`/images/${encodeURIComponent(wanted)}`, {}, running.signal)
      .then((image) => wanted === state.like && box.replaceChildren(h("a", { href: showing(wanted), "aria-label": "Open the picture asked about", onclick: (event) => detail.takeOver(event, () => go({ show: wanted })) }, picture(prepared(image), 320, true))))
      .catch(() => {});
  }
}

/** A photo's captions but the first. */
const others = (query) => asked(query).slice(1).map((one) => one.caption);

function showCaptions(first, rest) {
  byId("query-caption").textContent = first;
  byId("query-also").replaceChildren(...rest.map((caption) => h("li", {}, caption)));
  if (rest.length) byId("query-label").textContent = "Captions of your photo";
}

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
  showCount(state.min);
  say(`${found.hits.length} pictures shown. ${certificateText()}`);
  if (!hits.length) showNothing();
}

function append(found) {
  const fresh = found.hits.map(prepared);
  hits.push(...fresh);
  byId("grid").append(...fresh.map((hit) => card(hit, showing(hit.image_id))));
  byId("grid").removeAttribute("aria-busy");
  byId("results-title").textContent = hits.length ? "Most alike first" : "No picture found";
  byId("certificate").replaceChildren(...certificate());
  byId("more").hidden = !answer.cursor;
  byId("end").textContent = answer.cursor || !hits.length ? "" : lastWord();
}

function lastWord() {
  if (answer.more) return "There are more, too many to be shown once each. Narrow the search, or show near copies too.";
  return state.min ? `No other picture reaches ${score(state.min)}.` : "No other picture shares a word with this.";
}

const certificateText = () => `${answer.exact ? "Exact: the true" : "Not proven: the likely"} top ${number(hits.length)} of ${number(answer.captions)} captions`;

function certificate() {
  if (!hits.length) return [];
  const badge = h("span", { className: answer.exact ? "proof" : "proof open" }, answer.exact ? icon("check") : null, certificateText());
  badge.title = answer.exact ? "Proven: nothing that is not shown can score higher." : "Something that is not shown may score higher.";
  return [badge, h("span", { className: "took" }, `${answer.took_ms < 10 ? answer.took_ms.toFixed(1) : Math.round(answer.took_ms)} ms, ${number(answer.examined)} looked at`)];
}

function showNothing() {
  const narrowed = state.min || state.source.length || state.kind.length;
  const why = answer.query.tokens.length ? "No caption in the index shares a word with this." : "There is no word left to search for.";
  byId("end").textContent = narrowed && answer.query.tokens.length ? "Nothing is this much alike. Lower the threshold or take a filter away." : why;
}

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

// ---- threshold, filters, count ---------------------------------------------------------------

let counting = new AbortController();

/** How many pictures there are from this similarity on. */
async function showCount(least) {
  counting.abort();
  counting = new AbortController();
  const place = byId("count");
  if (!answer?.query?.tokens.length) {
    place.textContent = "";
    return;
  }
  try {
    const { images } = await get("/count", { ...sentence(state), exclude: excluded(state), min_score: least || LEAST, source: state.source, kind: state.kind }, counting.signal);
    place.textContent = `${number(images)} ${images === 1 ? "picture" : "pictures"}`;
  } catch (error) {
    if (error.name !== "AbortError") place.textContent = "";
  }
}

function showControls(asking) {
  const slider = byId("min");
  slider.step = STEP;
  slider.value = asking.min;
  if (Number(slider.value) !== asking.min) slider.step = "any"; // an address may name what lies between the steps
  slider.value = asking.min;
  byId("min-shown").textContent = score(asking.min);
  showFilters(byId("sheet"), byId("filter-count"), status, asking, go);
}

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
      onclose: leave,
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

byId("detail").addEventListener("cancel", (event) => {
  event.preventDefault();
  leave();
});
byId("detail").addEventListener("click", (event) => {
  if (event.target === byId("detail")) leave();
});
byId("detail").addEventListener("close", () => {
  const shown = [...byId("grid").children].find((one) => one.dataset.id === lastShown);
  shown?.querySelector("a").focus({ preventScroll: false });
});
let lastShown = "";
byId("detail").addEventListener("keydown", (event) => {
  const label = { ArrowLeft: "Previous picture", ArrowRight: "Next picture" }[event.key];
  if (label) byId("detail").querySelector(`[aria-label="${label}"]`)?.click();
});

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
  if (error.status === 401) return askForToken(again);
  if (!(error instanceof Trouble)) console.error(error);
  const trouble = byId("trouble");
  const parts = [
    h("div", {}, h("strong", {}, error.title ?? "A fault of this page"), h("p", {}, error.detail ?? String(error))),
    again && h("button", { className: "button", type: "button", onclick: again }, "Try again"),
    h("button", { className: "quiet icon-only", type: "button", "aria-label": "Dismiss the message", onclick: () => (trouble.hidden = true) }, icon("close")),
  ];
  trouble.replaceChildren(...parts.filter(Boolean));
  trouble.hidden = false;
  if (!hits.length && document.body.dataset.view === "answers") byId("results-title").textContent = "";
}

function askForToken(again) {
  const dialog = byId("sign-in");
  byId("sign-in-form").onsubmit = async (event) => {
    event.preventDefault();
    try {
      await signIn(byId("token").value);
      dialog.close();
      await holdings();
      await (again ?? (() => arrive(read())))();
    } catch (error) {
      byId("sign-in-trouble").textContent = error.detail ?? String(error);
    }
  };
  if (!dialog.open) dialog.showModal();
}

// ---- what people do --------------------------------------------------------------------------

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const q = byId("q").value.trim();
  if (!q) return byId("q").focus();
  byId("q").blur();
  go({ ...NOTHING, source: state.source, kind: state.kind, fold: state.fold, min: state.min, q });
});
for (const id of ["choose", "camera"]) {
  byId(id).addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) searchPhoto(file);
  });
}
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
byId("min").addEventListener("input", () => {
  byId("min-shown").textContent = score(Number(byId("min").value));
  showCount(Number(byId("min").value));
});
byId("min").addEventListener("change", () => go({ min: Number(byId("min").value) }));
byId("save").addEventListener("click", () => {
  if (!answer) return;
  const whole = { ...answer, hits: hits.map(({ remote, ...hit }) => hit) };
  const url = URL.createObjectURL(new Blob([JSON.stringify(whole, null, 2)], { type: "application/json" }));
  h("a", { href: url, download: "caption-search.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
});
byId("share").addEventListener("click", async () => {
  const label = byId("share").querySelector("span");
  try {
    await navigator.clipboard.writeText(location.href);
    label.textContent = "Copied";
    say("The link is copied");
  } catch {
    label.textContent = "Copy it from the address bar";
  }
  setTimeout(() => (label.textContent = "Copy link"), 2500);
});
byId("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("theme", document.documentElement.dataset.theme);
  } catch {
    // private windows may keep nothing; the choice then lasts as long as the page
  }
});
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
addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
  if (!file) return;
  event.preventDefault();
  searchPhoto(file);
});

const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
let inside = 0;
addEventListener("dragenter", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  inside += 1;
  document.body.classList.add("dropping");
});
addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
addEventListener("dragleave", (event) => {
  if (holdsFiles(event) && (inside -= 1) <= 0) endDrop();
});
addEventListener("drop", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  endDrop();
  const [file] = event.dataTransfer.files;
  if (file) searchPhoto(file);
});
function endDrop() {
  inside = 0;
  document.body.classList.remove("dropping");
}

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

await holdings();
await arrive(read());
