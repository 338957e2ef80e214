// A visitor's photo: how it comes to the page, whether it can be sent, and how far it has got.

import { Trouble, sendPhoto } from "./api.js";
import { byId, say } from "./dom.js";
import { ask, status } from "./server.js";

/** Give each photo that is chosen, taken with the camera, pasted, or dropped anywhere on the page to `use`. */
export function take(use) {
  for (const id of ["choose", "camera"]) {
    byId(id).addEventListener("change", (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) use(file);
    });
  }
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    use(file);
  });
  takeDrops(use);
}

const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

function takeDrops(use) {
  let inside = 0; // parts of the page that the drag is over: it enters one before it leaves another
  const end = () => {
    inside = 0;
    document.body.classList.remove("dropping");
  };
  addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    inside += 1;
    document.body.classList.add("dropping");
  });
  addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  addEventListener("dragleave", (event) => {
    if (holdsFiles(event) && (inside -= 1) <= 0) end();
  });
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    end();
    const [file] = event.dataTransfer.files;
    if (file) use(file);
  });
}

/** Why a file need not be sent at all; `limit` in bytes, where it is known. */
export function refusal(file, limit = Infinity) {
  if (!file.type.startsWith("image/") && file.type) {
    return new Trouble({ title: "The photo cannot be used", status: 422, detail: `${file.name || "That"} is not a picture.` });
  }
  if (file.size <= limit) return null;
  return new Trouble({ title: "The photo is too large", status: 413, detail: `It has ${size(file.size, Math.ceil)}; this server takes ${size(limit, Math.floor)}.` });
}

const kept = new Set();

/** Note the URL of a photo that was searched with: Back may lead to each again. */
export function keep(url) {
  kept.add(url);
  return url;
}

/** Whether a URL leads to a photo, and not to one of a page that was left. */
export const isKept = (url) => kept.has(url);

/** Bytes for a person; `round` keeps what is too large from looking as if it were not. */
const size = (bytes, round) => (bytes >= 1e6 ? `${round(bytes / 1e5) / 10} MB` : `${round(bytes / 1e3)} kB`);

/** Send a photo and show how far it has got, and send it again when the captioner has room. */
export async function send(file, values, signal) {
  let sent = 0;
  const progress = (share) => signal.aborted || showProgress((sent = share));
  progress(0);
  if (status()?.captioner.state !== "ready") ask().then(() => sent >= 1 && !byId("working").hidden && progress(sent));
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await sendPhoto(file, values, progress, signal);
    } catch (error) {
      if (!(error instanceof Trouble) || error.status !== 429 || attempt >= 4) throw error;
      sent = 0;
      const seconds = Math.max(1, error.retryAfter);
      byId("working-text").textContent = `Many photos are waiting; trying again in ${seconds} s`;
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      signal.throwIfAborted();
    }
  }
}

/** `share` of the photo that is sent, 0 to 1. */
function showProgress(share) {
  const bar = byId("progress");
  const sent = share >= 1;
  if (sent) bar.removeAttribute("value");
  else bar.value = Math.round(share * 100);
  byId("working").hidden = false;
  byId("working-text").textContent = sent ? (status()?.captioner.state === "loading" ? "Getting the captioner ready and writing a caption…" : "Writing a caption…") : "Sending the photo…";
  if (sent) say("Writing a caption for the photo");
}
