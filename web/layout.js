// @ts-check
// layout.js: how a slab's slots are laid out as cells.

/**
 * How to lay `slots` cells out in a width: the largest cell, in device pixels, with which all of it
 * stays within the height; one pixel at least.
 * @param {number} slots @param {number} widthPx @param {number} maxHeightPx @param {number} maxCellPx
 */
export function layoutCells(slots, widthPx, maxHeightPx, maxCellPx) {
  let cell = Math.max(1, Math.min(maxCellPx, Math.floor(Math.sqrt((widthPx * maxHeightPx) / slots))));
  for (; cell > 1; cell -= 1) {
    if (Math.ceil(slots / Math.floor(widthPx / cell)) * cell <= maxHeightPx) break;
  }
  const cols = Math.max(1, Math.min(slots, Math.floor(widthPx / cell)));
  return { cell, cols, rows: Math.ceil(slots / cols) };
}
