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

const PAGE_ROWS = 10;

/**
 * The slot to which a key moves from a slot of a map.
 * @param {string} key as KeyboardEvent.key @param {number} slot -1: none yet @param {number} cols @param {number} slots
 * @returns {number} -1 for a key that moves nothing
 */
export function slotByKey(key, slot, cols, slots) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -cols, ArrowDown: cols, PageUp: -cols * PAGE_ROWS, PageDown: cols * PAGE_ROWS };
  const isStep = Object.hasOwn(steps, key);
  if (!isStep && key !== 'Home' && key !== 'End') return -1;
  if (key === 'Home' || slot < 0) return 0;
  if (key === 'End') return slots - 1;
  const next = slot + steps[/** @type {'ArrowLeft'} */ (key)];
  return next < 0 || next >= slots ? slot : next;
}
