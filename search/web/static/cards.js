// A picture in the grid, and the picture itself wherever it is shown.

import { foundBy, h, marked, modified, printable, score } from "./dom.js";
import { share } from "./reason.js";
import { status, whenTold } from "./server.js";

/** The picture of an image, or a quiet stand-in that says why there is none to show. A visitor's own photo is `{ image_id, photo: its URL }`. */
export function picture(image, size, eager = false, alt = "") {
  const source = image.photo ?? (image.thumbnail ? `${image.thumbnail}?size=${size}` : fromTheWeb(image));
  if (!source) {
    const box = standIn(image, whyMissing(image));
    if (!status()) whenTold(() => box.isConnected && box.replaceWith(picture(image, size, eager, alt)), { once: true });
    return box;
  }
  const shown = h("img", { alt, loading: eager ? "eager" : "lazy", decoding: "async", draggable: false, referrerPolicy: "no-referrer", src: source });
  shown.addEventListener("error", () => shown.replaceWith(standIn(image, image.photo ? "" : "This picture cannot be shown")), { once: true });
  return shown;
}

const isOnTheWeb = ({ image }) => /^https?:/i.test(image);

/** A picture that this server has not, where it says that it may be loaded from where it lies. */
const fromTheWeb = (image) => (status()?.remote_images && isOnTheWeb(image) ? image.image : "");

/** Nothing where the index names no file, and where the page says it once for all pictures. */
function whyMissing(image) {
  if (image.gone) return "The file is gone";
  return image.image && !isOnTheWeb(image) && status()?.image_folders ? "Not in this server’s folders" : "";
}

const fileName = (path) => printable(path.split(/[/\\]/).at(-1));

function standIn(image, why) {
  const hue = Array.from(image.image_id).reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  const said = why ? [h("b", {}, why), h("small", { dir: "auto" }, fileName(image.image))] : [h("span", { "aria-hidden": "true" }, "“")];
  const box = h("span", { className: "stand-in" }, ...said);
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
      h("span", { className: "foot" }, scored && share(image), ...credit(image)),
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

