// A picture in the grid, and the picture itself wherever it is shown.

import { counted, foundBy, h, many, marked, modified, score } from "./dom.js";
import { status, whenTold } from "./server.js";

/** The picture of an image, or a quiet stand-in where there is none to show. A visitor's own photo is `{ image_id, photo: its URL }`. */
export function picture(image, size, eager = false, alt = "") {
  const source = image.photo ?? (image.thumbnail ? `${image.thumbnail}?size=${size}` : fromTheWeb(image));
  if (!source) {
    const box = standIn(image);
    if (!status()) whenTold(() => box.isConnected && box.replaceWith(picture(image, size, eager, alt)), { once: true });
    return box;
  }
  const shown = h("img", { alt, loading: eager ? "eager" : "lazy", decoding: "async", draggable: false, referrerPolicy: "no-referrer", src: source });
  shown.addEventListener("error", () => shown.replaceWith(standIn(image)), { once: true });
  return shown;
}

/** A picture that this server has not, where it says that it may be loaded from where it lies. */
const fromTheWeb = ({ image }) => (status()?.remote_images && /^https?:/i.test(image) ? image : "");

function standIn(image) {
  const hue = Array.from(image.image_id).reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  const box = h("span", { className: "stand-in" }, h("span", { "aria-hidden": "true" }, "“"));
  box.style.setProperty("--hue", hue);
  return box;
}

function credit(image) {
  const by = image.attribution || image.creator;
  return [h("span", { className: "source" }, image.source), by ? h("span", { className: "by", dir: "auto" }, by) : null];
}

/** `address` is where a click leads; the page opens it in place. */
export function card(image, address) {
  const scored = image.jaccard !== undefined;
  const bar = scored && h("span", { className: "bar", "aria-hidden": "true" });
  if (bar) bar.style.setProperty("--score", image.jaccard);
  const words = scored && many(counted(image.shared).length, "shared word");
  return h(
    "li",
    { className: "card", data: { id: image.image_id } },
    h(
      "a",
      { href: address },
      h("span", { className: "frame" }, picture(image, 320), scored && h("span", { className: "score" }, h("span", { className: "hidden" }, "Score "), score(image.jaccard))),
      bar,
      h("span", { className: "caption", dir: "auto" }, scored ? marked(image.caption, image.spans) : image.caption),
      foundBy(image.query_caption),
      h("span", { className: "foot" }, scored && h("span", { className: "share", title: `${image.overlap} of ${image.union}, as telling words count more` }, words), ...credit(image)),
      image.duplicates?.length ? h("span", { className: "copies" }, `and ${image.duplicates.length} like it`) : null,
    ),
  );
}

/** A card's place while the answer is under way. */
export const ghost = () => h("li", { className: "card ghost", "aria-hidden": "true" }, h("span", { className: "frame" }), h("span", { className: "line" }), h("span", { className: "line short" }));

/** Arrow keys move through the grid as it looks, whatever the number of columns. */
export function moveByArrows(grid) {
  grid.addEventListener("keydown", (event) => {
    const links = [...grid.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (at < 0 || modified(event)) return;
    const top = links[0].getBoundingClientRect().top;
    const columns = Math.max(1, links.filter((link) => Math.abs(link.getBoundingClientRect().top - top) < 4).length);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: links.length - 1 - at }[event.key];
    if (step === undefined || !links[at + step]) return;
    event.preventDefault();
    links[at + step].focus();
  });
}

