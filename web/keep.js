// @ts-check
// keep.js: what the browser keeps for this page, where it lets us.

/** What was kept under a name; '' for nothing. @param {string} name @returns {string} */
export function recall(name) {
  try {
    return localStorage.getItem(name) ?? '';
  } catch {
    return ''; // storage may be off
  }
}

/** @param {string} name @param {string} text */
export function keep(name, text) {
  try {
    localStorage.setItem(name, text);
  } catch {
    // Storage may be off or full: it is not kept.
  }
}
