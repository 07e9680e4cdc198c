// @ts-check
// letters.js: the letters of a slab's pages as bytes; of a stream's documents the worker makes them.

const encoder = new TextEncoder();

/** @typedef {{numbers: number[], ends: number[], bytes: Uint8Array}} Packed pages, one behind the other, and where each ends */
/** @typedef {Record<string, string> | Packed} Pages */

/** @param {Record<string, string>} pages as a document has them; what is no text counts as empty @returns {Packed} */
export function packPages(pages) {
  const texts = Object.values(pages).map((text) => (typeof text === 'string' ? text : ''));
  let end = 0;
  const ends = texts.map((text) => end += text.length);
  const bytes = new Uint8Array(end);
  texts.forEach((text, i) => {
    const part = bytes.subarray(ends[i] - text.length, ends[i]);
    // A letter outside of ASCII is more than a byte, and not one of a program's; then one by one.
    const { read, written } = encoder.encodeInto(text, part);
    if (read !== written || read < text.length) for (let k = 0; k < text.length; k += 1) part[k] = text.charCodeAt(k) & 127;
  });
  return { numbers: Object.keys(pages).map(Number), ends, bytes };
}

/** Each page with its letters. @param {Pages | null | undefined} pages @returns {[number, Uint8Array][]} */
export function pagesOf(pages) {
  if (!pages) return [];
  const { numbers, ends, bytes } = /** @type {Packed} */ (pages.bytes instanceof Uint8Array ? pages : packPages(/** @type {Record<string, string>} */ (pages)));
  return numbers.map((page, i) => [page, bytes.subarray(ends[i - 1] ?? 0, ends[i])]);
}

/** Take the pages out of what changed of pools. @param {Record<string, any> | null | undefined} pools @returns {Map<string, Pages>} by pool */
export function takePages(pools) {
  const out = new Map();
  for (const [name, change] of Object.entries(pools ?? {})) {
    if (!change?.pages) continue;
    out.set(name, change.pages);
    delete change.pages;
  }
  return out;
}
