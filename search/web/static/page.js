// The page's one flow: address -> question -> answers on the page. Everything a visitor does changes the address.

import { NOTHING, isSearch, options, question, read, write } from "./address.js";
import { Trouble, get, sendPhoto, signIn } from "./api.js";
import { card, ghost, moveByArrows, picture } from "./cards.js";
import { showChips } from "./chips.js";
import * as detail from "./detail.js";
import { asked, byId, h, icon, number, say, score } from "./dom.js";
import { showFilters } from "./filters.js";

const PAGE = 24;
const PHOTO_CAPTIONS = 3; // a photo is searched for by these; a program that asks gets one, whose words are then all there is to reckon with
const LEAST = 0.000001; // the count of "any word shared"

let state = { ...NOTHING };
let status = null;
let answer = null; // the last page of answers
let hits = []; // of all pages
let photo = null; // {url, caption}: shown beside the caption that it was given
let running = new AbortController();
let seed = Math.floor(Math.random() * 1e9);

// ---- going somewhere -------------------------------------------------------------------------

function go(change, { replace = false } = {}) {
  const next = { ...state, show: "", ...change };
  const address = write(next);
  if (replace) history.replaceState(null, "", address);
  else if (address !== location.pathname + location.search) history.pushState(null, "", address);
  return arrive(next);
}

const showing = (imageId) => write({ ...state, show: imageId });
const similarTo = (imageId) => write({ ...NOTHING, source: state.source, kind: state.kind, fold: state.fold, like: imageId });

async function arrive(next) {
  const before = state;
  state = next;
  const same = write({ ...before, show: "" }) === write({ ...next, show: "" });
  if (!same || !answer) await (isSearch(state) ? search() : start());
  if (state.show) await showDetail(state.show);
  else detail.close();
}

/** Begin something new: what was under way no longer matters. */
function begin() {
  running.abort();
  running = new AbortController();
  byId("trouble").hidden = true;
  return running.signal;
}

// ---- the start page --------------------------------------------------------------------------

async function start() {
  const signal = begin();
  answer = null;
  hits = [];
  document.body.dataset.view = "start";
  document.title = "Caption Search";
  byId("q").value = "";
  for (const id of ["query", "tools", "more"]) byId(id).hidden = true;
  byId("results-title").textContent = "Or begin with one of these";
  byId("certificate").replaceChildren();
  byId("end").textContent = "";
  byId("shuffle").hidden = false;
  byId("grid").replaceChildren(...Array.from({ length: 12 }, ghost));
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
  showAsking();
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
  detail.close();
  if (photo) URL.revokeObjectURL(photo.url);
  photo = { url: URL.createObjectURL(file), caption: null };
  state = { ...NOTHING, source: state.source, kind: state.kind, fold: state.fold, min: state.min, photo: true };
  showAsking();
  showProgress(0);
  await tried(async () => {
    const found = await patiently(() => sendPhoto(file, { ...options(state), k: PAGE, captions: PHOTO_CAPTIONS }, showProgress, signal), signal);
    photo.caption = found.query.caption;
    state.q = found.query.caption;
    state.also = others(found.query);
    history.pushState(null, "", write(state));
    showAnswer(found);
  }, () => searchPhoto(file));
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

function showAsking() {
  document.body.dataset.view = "answers";
  byId("query").hidden = false;
  byId("working").hidden = true;
  byId("q").value = state.photo || state.like ? "" : state.q;
  showQueryPicture();
  byId("query-label").textContent = state.photo || photoIsShown() ? "Caption of your photo" : state.like ? "Pictures like this one" : "Your words";
  byId("query").classList.toggle("plain", !state.photo && !state.like);
  showCaptions(state.q, state.also);
  byId("shuffle").hidden = true;
  byId("end").textContent = "";
  byId("more").hidden = true;
  showControls();
  if (!answer || answer.start) {
    byId("chips").replaceChildren();
    byId("results-title").textContent = "Looking…";
    byId("certificate").replaceChildren();
    byId("grid").replaceChildren(...Array.from({ length: 8 }, ghost));
  }
  byId("grid").setAttribute("aria-busy", "true");
}

const photoIsShown = () => Boolean(photo && state.photo && (photo.caption === null || photo.caption === state.q));

function showQueryPicture() {
  const box = byId("query-picture");
  box.hidden = !(photoIsShown() || state.like);
  if (photoIsShown()) box.replaceChildren(h("img", { src: photo.url, alt: "Your photo" }));
  else if (state.like) {
    box.replaceChildren();
    const wanted = state.like;
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
  hits = [];
  byId("working").hidden = true;
  byId("tools").hidden = false;
  showCaptions(found.query.caption, others(found.query));
  document.title = `${found.query.caption || "Search"} · Caption Search`;
  showChips(byId("chips"), found.query, state, go);
  byId("grid").replaceChildren();
  append(found);
  showCount();
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
  byId("end").textContent = answer.cursor || !hits.length ? "" : state.min ? `No other picture reaches ${score(state.min)}.` : "No other picture shares a word with this.";
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
    const [path, values] = question(state.q || !answer.query.image_id ? { ...state, q: state.q || answer.query.caption } : state);
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

async function showCount() {
  counting.abort();
  counting = new AbortController();
  const place = byId("count");
  const least = Number(byId("min").value);
  if (!answer?.query?.tokens.length) {
    place.textContent = "";
    return;
  }
  const asked = state.q || !answer.query.image_id ? { q: state.q || answer.query.caption, also: state.also, drop: state.drop, add: state.add } : { q: answer.query.caption, exclude: [state.like] };
  try {
    const { images } = await get("/count", { ...asked, min_score: least || LEAST, source: state.source, kind: state.kind }, counting.signal);
    place.textContent = `${number(images)} ${images === 1 ? "picture" : "pictures"}`;
  } catch (error) {
    if (error.name !== "AbortError") place.textContent = "";
  }
}

function showControls() {
  byId("min").value = state.min;
  byId("min-shown").textContent = score(state.min);
  showFilters(byId("sheet"), byId("filter-count"), status, state, go);
}

// ---- the picture in full ---------------------------------------------------------------------

/** Which of the captions searched for a hit was found by. */
function askedBy(hit) {
  if (!answer?.query) return null;
  const all = asked(answer.query);
  return all.find((one) => one.caption === hit?.query_caption) ?? all[0];
}

async function showDetail(imageId) {
  const at = hits.findIndex((hit) => hit.image_id === imageId);
  const stepTo = (step) => {
    const next = hits[at + step];
    if (next) go({ show: next.image_id }, { replace: true });
  };
  await tried(() =>
    detail.open(imageId, {
      hit: hits[at],
      tokens: askedBy(hits[at])?.tokens ?? [],
      words: answer?.query?.words ?? {},
      address: similarTo,
      onsimilar: (id) => go({ ...NOTHING, source: state.source, kind: state.kind, fold: state.fold, like: id }),
      onclose: () => go({ show: "" }),
      onstep: at >= 0 && hits.length > 1 ? stepTo : null,
    }),
  );
}

byId("detail").addEventListener("cancel", (event) => {
  event.preventDefault();
  go({ show: "" });
});
byId("detail").addEventListener("click", (event) => {
  if (event.target === byId("detail")) go({ show: "" });
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
  for (const one of byId("grid").querySelectorAll(".ghost")) one.remove();
  if (error.status === 401) return askForToken(again);
  if (!(error instanceof Trouble)) console.error(error);
  const trouble = byId("trouble");
  trouble.replaceChildren(
    h("div", {}, h("strong", {}, error.title ?? "A fault of this page"), h("p", {}, error.detail ?? String(error))),
    again ? h("button", { className: "button", type: "button", onclick: again }, "Try again") : null,
    h("button", { className: "quiet icon-only", type: "button", "aria-label": "Dismiss the message", onclick: () => (trouble.hidden = true) }, icon("close")),
  );
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
  showCount();
});
byId("min").addEventListener("change", () => go({ min: Number(byId("min").value) }));
byId("save").addEventListener("click", () => {
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
addEventListener("popstate", () => arrive(read()));
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
