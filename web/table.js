// @ts-check
// table.js: rows of a query: sorting and CSV.

/**
 * Rows in the order of a column: numbers by size, then texts, then nulls. The rows stay as they are.
 * @param {any[][]} rows @param {number} column @param {boolean} down
 */
export function sortRows(rows, column, down) {
  const kind = (/** @type {unknown} */ v) => (typeof v === 'number' ? 0 : v === null || v === undefined ? 2 : 1);
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const x = a[column];
    const y = b[column];
    if (kind(x) !== kind(y)) return kind(x) - kind(y);
    if (kind(x) === 2) return 0;
    return sign * (kind(x) === 0 ? x - y : String(x) < String(y) ? -1 : String(x) > String(y) ? 1 : 0);
  });
}

/** A cell of CSV (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe. @param {unknown} value */
function cell(value) {
  if (value === null || value === undefined) return '';
  let text = String(value);
  if (typeof value === 'string' && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {string[]} columns @param {any[][]} rows */
export function csv(columns, rows) {
  return [columns, ...rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}
