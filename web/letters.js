// @ts-check
// letters.js: the letters of a slab's pages as bytes, 262,144 of them in a document perhaps: made once,
// by the worker where a stream brings them.

const encoder = new TextEncoder();

/** @type {WeakMap<Record<string, string>, Uint8Array>} */
const known = new WeakMap();

/** @param {Record<string, string>} pages @param {Uint8Array} bytes what lettersOf gave for the like */
export function keepLetters(pages, bytes) {
  known.set(pages, bytes);
}

/** The letters of all pages, one page behind the other, in the order of Object.keys. @param {Record<string, string>} pages @returns {Uint8Array} borrowed */
export function lettersOf(pages) {
  return known.get(pages) ?? encode(Object.values(pages).map(textOf));
}

/** Each page with its letters. @param {Record<string, string> | undefined} pages @returns {[number, Uint8Array][]} */
export function pagesOf(pages) {
  if (!pages) return [];
  const bytes = lettersOf(pages);
  let at = 0;
  return Object.entries(pages).map(([page, text]) => [Number(page), bytes.subarray(at, at += textOf(text).length)]);
}

/** What is no text counts as empty. @param {unknown} text */
const textOf = (text) => (typeof text === 'string' ? text : '');

/** @param {string[]} texts */
function encode(texts) {
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + text.length, 0));
  let at = 0;
  for (const text of texts) {
    const part = bytes.subarray(at, at += text.length);
    // A letter outside of ASCII is more than a byte, and not one of a program's; then one by one.
    const { read, written } = encoder.encodeInto(text, part);
    if (read !== written || read < text.length) for (let i = 0; i < text.length; i += 1) part[i] = text.charCodeAt(i) & 127;
  }
  return bytes;
}
