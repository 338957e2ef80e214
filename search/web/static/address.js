// The search as the address bar holds it. A photo itself cannot be in an address; its caption can.

/** q: sentence or caption. also: a photo's further captions. not: words written into the sentence that no caption may have; those of `without` are filters, which outlast it. like: image asked about. photo: q was written for a photo. show: image opened. */
export const NOTHING = { q: "", also: [], not: [], like: "", photo: false, drop: [], add: [], min: 0, source: [], kind: [], without: [], fold: false, show: "" };

export function read(search = location.search) {
  const given = new URLSearchParams(search);
  const min = Number(given.get("min"));
  return {
    q: given.get("q") ?? "",
    also: given.getAll("also"),
    not: given.getAll("not"),
    like: given.get("like") ?? "",
    photo: given.has("photo"),
    drop: given.getAll("drop"),
    add: given.getAll("add"),
    min: min > 0 && min <= 1 ? min : 0,
    source: given.getAll("source"),
    kind: given.getAll("kind"),
    without: given.getAll("without"),
    fold: given.has("fold"),
    show: given.get("show") ?? "",
  };
}

export function write(state) {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (value === true) out.set(name, "1");
    else if (Array.isArray(value)) value.forEach((one) => out.append(name, one));
    else if (value) out.set(name, value);
  }
  const text = out.toString();
  return text ? `/?${text}` : "/";
}

/** What is searched for, whatever words of it are left out and however it is narrowed. */
export const subject = ({ q, also, like }) => write({ q, also, like });

/** The address of a search with one of its pictures opened. */
export const showing = (state, imageId) => write({ ...state, show: imageId });

export const isSearch = (state) => Boolean(state.q || state.like);

/** Words that no caption of an answer may have, of the sentence and of the filters. */
export const barred = ({ not, without }) => [...new Set([...not, ...without])];

/** What another search keeps of which captions may answer. */
export const filters = ({ source, kind, without }) => ({ source, kind, without });

/** Which captions may answer. */
export const allowed = (state) => ({ ...filters(state), without: barred(state) });

export const isFiltered = (state) => Object.values(allowed(state)).some((values) => values.length);

/** Filters and limits that every search of this state takes. */
export const options = (state) => ({
  min_score: state.min || null,
  ...allowed(state),
  fold_duplicates: state.fold,
});

const isEdited = (state) => Boolean(state.drop.length || state.add.length);

/** What is searched for; an image's caption may be longer than a sentence may, so the image is named. */
export const sentence = (state) => ({ ...(state.q ? { q: state.q, also: state.also } : { like: state.like }), drop: state.drop, add: state.add });

/**
 * Path and parameters of the API for this state.
 * @returns {[string, object]}
 */
export function question(state) {
  if (state.q || isEdited(state)) return ["/text", { ...sentence(state), ...options(state) }];
  return [`/images/${encodeURIComponent(state.like)}/similar`, options(state)];
}

/** An image asked about is no answer to its own caption, as long as the search is for that. */
export const excluded = (state) => (state.q || isEdited(state) ? [] : [state.like]);
