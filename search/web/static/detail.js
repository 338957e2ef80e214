// One picture in full: all its captions, why it is an answer, where it comes from.

import { get } from "./api.js";
import { picture } from "./cards.js";
import { byId, h, icon, marked, modified, printable, score, webLink } from "./dom.js";
import { reason } from "./reason.js";

const LARGEST = 1280; // pixels a side of a thumbnail
const UNSHOWN = ["image/heif", "image/tiff", "image/x-portable-anymap"]; // browsers download these, or show nothing

const NAMELESS = { words: Object.create(null), implied: Object.create(null) }; // a caption that the index has no longer

const dialog = byId("detail");
let asking = new AbortController(); // for the picture that is about to be shown
let awaited = false; // whether a picture is about to be shown
let pressed = null; // where the last press began
let leave = close;
/** @type {(imageId: string) => void} */
let closed = () => {};

/** `act`: what is to happen when a visitor is done with a picture, whether by key, by button or by a press beside it. */
export function whenLeft(act) {
  leave = act;
}

/** `act` hears which picture was shown, at once: the dialog's own event may come when another search has the focus. */
export function whenClosed(act) {
  closed = act;
}

dialog.addEventListener("cancel", (event) => {
  event.preventDefault();
  leave();
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !awaited || dialog.open) return;
  asking.abort(); // at once: it is no longer wanted, even if it comes before the page has gone back
  leave();
});
// A press beside it, that is; one that selects a text may end there.
dialog.addEventListener("pointerdown", (event) => (pressed = event.target));
dialog.addEventListener("click", (event) => event.target === dialog && pressed === dialog && leave());
dialog.addEventListener("keydown", (event) => {
  if (modified(event)) return;
  const label = { ArrowLeft: "Previous picture", ArrowRight: "Next picture" }[event.key];
  if (label) dialog.querySelector(`[aria-label="${label}"]`)?.click();
});

/** Fill and open the dialog. Its captions are compared with the searches `compared`; `explain` makes of what comes the image and the hit that it is, if any. */
export async function open(imageId, { compared, explain, query, onsimilar, before, after, address }) {
  asking.abort();
  asking = new AbortController();
  const path = `/images/${encodeURIComponent(imageId)}`;
  const images = await awaiting(Promise.all(compared.map((search) => get(path, search, asking.signal))));
  const { image, hit } = explain(images);
  const { caption, spans } = hit ?? image.captions[0]; // a filter may keep an image's best caption from answering
  dialog.replaceChildren(
    h("div", { className: "detail-picture" }, picture(image, LARGEST, true)),
    h(
      "div",
      { className: "detail-words" },
      h(
        "div",
        { className: "detail-bar" },
        (before || after) && [stepButton("left", "Previous picture", before), stepButton("right", "Next picture", after)],
        h("span", { className: "grow" }),
        h("button", { className: "quiet icon-only", type: "button", "aria-label": "Close", onclick: () => leave() }, icon("close")),
      ),
      h("h2", { id: "detail-caption", className: "detail-caption", dir: "auto", tabIndex: -1 }, marked(caption, spans)),
      hit ? reason(hit, image.captions.find((one) => one.caption === hit.caption) ?? NAMELESS, query) : null,
      h(
        "div",
        { className: "detail-actions" },
        h("a", { className: "button primary", href: address(imageId), id: "similar", onclick: (event) => takeOver(event, () => onsimilar(imageId)) }, icon("search"), "Similar to this"),
        image.file ? h("a", { className: "button", href: largest(image), target: "_blank", rel: "noopener" }, icon("open"), "Full size") : linkTo(image.image, "Picture on the web"),
      ),
      captions(image),
      origin(image),
    ),
  );
  dialog.dataset.shows = imageId;
  if (!dialog.open) dialog.showModal();
  // The parts are new, so the focus has to be told where it is; the caption is what has changed.
  byId("detail-caption").focus({ preventScroll: true });
  dialog.scrollTop = 0;
}

/** Note, as long as it takes, that an answer is awaited: of several only the last, as the others are given up. */
async function awaiting(answer) {
  const { signal } = asking;
  awaited = true;
  try {
    return await answer;
  } finally {
    if (signal === asking.signal) awaited = false;
  }
}

export function close() {
  asking.abort();
  if (!dialog.open) return;
  dialog.close();
  closed(dialog.dataset.shows);
}

/** Act in place, but leave Ctrl-click and the like to the browser. */
export function takeOver(event, act) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  act();
}

const stepButton = (name, label, act) => h("button", { className: "quiet icon-only", type: "button", "aria-label": label, disabled: !act, onclick: act }, icon(name));

/** The picture as large as a browser shows it. */
const largest = (image) => (UNSHOWN.includes(image.media_type) ? `${image.thumbnail}?size=${LARGEST}` : image.file);

function linkTo(address, label) {
  const link = webLink(address, icon("open"), label);
  if (link) link.className = "button";
  return link;
}

function captions(image) {
  return h(
    "section",
    { className: "all-captions" },
    h("h3", {}, image.captions.length === 1 ? "Its caption" : `All ${image.captions.length} captions`),
    h(
      "ul",
      {},
      ...image.captions.map((one) =>
        h("li", {}, h("span", { className: "caption", dir: "auto" }, marked(one.caption, one.spans)), h("span", { className: "foot" }, one.jaccard === null ? null : h("span", { className: "share" }, score(one.jaccard)), h("span", { className: "source" }, one.kind), one.model ? h("span", { className: "by", dir: "auto" }, one.model) : null)),
      ),
    ),
  );
}

function origin(image) {
  const rows = [
    ["Source", image.source],
    ["Title", image.title],
    ["By", image.creator],
    ["Attribution", image.attribution],
    ["Licence", webLink(image.license, image.license) ?? image.license],
    ["Page", webLink(image.page, image.page)],
    ["Image id", printable(image.image_id)],
  ].filter(([, value]) => value);
  return h("dl", { className: "origin" }, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, value)]));
}
