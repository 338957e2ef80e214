// A visitor's photo: how it comes to the page, whether it can be sent, and how far it has got.

import { Trouble, sendPhoto } from "./api.js";
import { byId, say } from "./dom.js";

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
  return new Trouble({ title: "The photo is too large", status: 413, detail: `It has ${(file.size / 1e6).toFixed(1)} MB; this server takes ${Math.floor(limit / 1e6)} MB.` });
}

/** Send a photo, and again when the captioner has room. */
export async function send(file, values, progress, signal) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await sendPhoto(file, values, progress, signal);
    } catch (error) {
      if (!(error instanceof Trouble) || error.status !== 429 || attempt >= 4) throw error;
      const seconds = Math.max(1, error.retryAfter);
      byId("working-text").textContent = `Many photos are waiting; trying again in ${seconds} s`;
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      signal.throwIfAborted();
    }
  }
}

/** `share` of the photo that is sent, 0 to 1; `captioner`: its state. */
export function showProgress(share, captioner) {
  const bar = byId("progress");
  const sent = share >= 1;
  if (sent) bar.removeAttribute("value");
  else bar.value = Math.round(share * 100);
  byId("working").hidden = false;
  byId("working-text").textContent = sent ? (captioner === "loading" ? "Getting the captioner ready and writing a caption…" : "Writing a caption…") : "Sending the photo…";
  if (sent) say("Writing a caption for the photo");
}
