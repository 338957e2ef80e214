// The REST API. Every failure becomes a Trouble with a title and one line for a person.

const ROOT = "/api/v1";

export class Trouble extends Error {
  constructor(problem, retryAfter = 0) {
    super(problem.detail);
    this.title = problem.title;
    this.detail = problem.detail;
    this.status = problem.status;
    this.retryAfter = retryAfter;
  }
}

const noAnswer = (detail) => new Trouble({ title: "The server does not answer", status: 0, detail });

const unreachable = () => noAnswer("It may have been stopped, or the connection is down.");

/** Objects without what they inherit: words are keys of some, and “constructor” is a word like others. */
const plain = (_key, value) => (value && typeof value === "object" && !Array.isArray(value) ? Object.setPrototypeOf(value, null) : value);

function read(text) {
  try {
    return JSON.parse(text, plain);
  } catch {
    throw noAnswer("Something else answered in its place.");
  }
}

function troubleOf(status, text, retryAfter) {
  try {
    const problem = JSON.parse(text);
    if (problem.title) return new Trouble(problem, Number(retryAfter) || 0);
  } catch {
    // not a problem document: something between the page and the server answered
  }
  return new Trouble({ title: "That did not work", status, detail: `The server answered ${status}.` });
}

/** Parameters with lists repeated and empty values left out. */
function parameters(values) {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== "" && one !== null && one !== undefined && one !== false) out.append(name, one);
    }
  }
  return out;
}

/** The text that the server answers, whole. */
async function reach(path, options) {
  let answer, text;
  try {
    answer = await fetch(`${ROOT}${path}`, options);
    text = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (!answer.ok) throw troubleOf(answer.status, text, answer.headers.get("Retry-After"));
  return text;
}

export async function get(path, values = {}, signal = undefined) {
  return read(await reach(`${path}?${parameters(values)}`, { signal, headers: { Accept: "application/json" } }));
}

/** Send a photo; `progress` hears the share that is sent, 0 to 1. (fetch cannot tell how far an upload is.) */
export async function sendPhoto(photo, values, progress, signal) {
  const text = await new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${ROOT}/similar?${parameters(values)}`);
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("load", () => {
      if (request.status === 200) resolve(request.responseText);
      else reject(troubleOf(request.status, request.responseText, request.getResponseHeader("Retry-After")));
    });
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => reject(new DOMException("given up", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    const form = new FormData();
    form.append("photo", photo, "photo");
    request.send(form);
  });
  return read(text);
}

export async function signIn(token) {
  await reach("/session", { method: "POST", body: new URLSearchParams({ token }) });
}
