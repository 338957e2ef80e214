// Words of a search that make no difference, such as “the”: they need not stand in its address.

import { barred } from "./address.js";

/** What to say of them, and the lists of the state without them. `added` bring no word to search for, `kept` exclude nothing. */
export function withoutVain({ add, not, without }, added, kept) {
  const but = (words, vain) => words.filter((word) => !vain.includes(word));
  const said = [...add.filter((word) => added.includes(word)).map((word) => `“${word}” adds no word to the search`), ...barred({ not, without }).filter((word) => kept.includes(word)).map((word) => `“${word}” excludes nothing`)];
  return { said, rest: { add: but(add, added), not: but(not, kept), without: but(without, kept) } };
}
