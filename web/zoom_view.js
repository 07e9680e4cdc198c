// @ts-check
// zoom_view.js: one pool's map enlarged, over the page: zoom by buttons, + and −, or wheel with ctrl;
// move by scrolling, arrows, or dragging.

import { el } from './dom.js';
import { countExact, percent } from './format.js';
import { ownLetters, slotText } from './pool_view.js';
import { SlotMapView } from './slot_map_view.js';

const SCALES = [1, 2, 4, 8, 16];
const DRAG_PX = 4;
/** so much of the window's width a map has at first */
const FIRST_PART = 0.85;

/** @param {import('./state.js').State} state @param {{pick: (pool: string, slot: number) => void, tip: (text: string | null, x?: number, y?: number) => void}} actions */
export function createZoomView(state, actions) {
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'slots pixelated' }));
  const title = el('h2', { id: 'zoom-title' });
  const text = el('p', { 'aria-live': 'off' });
  const scroll = el('div', { class: 'zoom-scroll', tabindex: 0, role: 'group', 'aria-label': 'The map; scroll to move' }, canvas);
  const close = el('button', { type: 'button' }, 'Close');
  const buttons = SCALES.map((scale) => el('button', { type: 'button', 'data-scale': scale }, `${scale}×`));
  const dialog = /** @type {HTMLDialogElement} */ (el('dialog', { class: 'zoom', 'aria-labelledby': 'zoom-title' }, el('div', { class: 'card-head' }, title, text, el('span', { class: 'occupancy' }, ...buttons, ' ', close)), scroll));
  document.body.append(dialog);
  let view = new SlotMapView(canvas);
  let pool = '';
  let painted = -1;
  let scaled = 2;
  close.addEventListener('click', () => dialog.close());
  for (const [i, button] of buttons.entries()) button.addEventListener('click', () => setScale(SCALES[i]));
  canvas.addEventListener('pointermove', (event) => {
    const slot = view.slotAt(event.clientX, event.clientY);
    text.textContent = slot < 0 ? '' : slotText(state, pool, slot);
  });
  /** @type {{x: number, y: number, left: number, top: number, moved: boolean} | null} */
  let drag = null;
  canvas.addEventListener('pointerdown', (event) => {
    drag = { x: event.clientX, y: event.clientY, left: scroll.scrollLeft, top: scroll.scrollTop, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!drag || !canvas.hasPointerCapture(event.pointerId)) return;
    if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > DRAG_PX) drag.moved = true;
    if (drag.moved) scroll.scrollTo(drag.left + drag.x - event.clientX, drag.top + drag.y - event.clientY);
  });
  scroll.addEventListener('wheel', (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1 : -1, event.clientX, event.clientY);
  }, { passive: false });
  dialog.addEventListener('keydown', (event) => {
    const box = scroll.getBoundingClientRect();
    if (event.key === '+' || event.key === '=') zoomBy(1, box.left + box.width / 2, box.top + box.height / 2);
    if (event.key === '-') zoomBy(-1, box.left + box.width / 2, box.top + box.height / 2);
  });
  canvas.addEventListener('click', (event) => {
    if (drag?.moved) return;
    const slot = view.slotAt(event.clientX, event.clientY);
    if (slot < 0) return;
    dialog.close();
    actions.pick(pool, slot);
  });

  /** A scale up or down; what is under a point stays there. @param {1 | -1} step @param {number} x @param {number} y */
  function zoomBy(step, x, y) {
    const next = SCALES[SCALES.indexOf(scaled) + step];
    if (next === undefined) return;
    const box = canvas.getBoundingClientRect();
    const [partX, partY] = [(x - box.left) / box.width, (y - box.top) / box.height];
    setScale(next);
    const now = canvas.getBoundingClientRect();
    scroll.scrollBy(now.left + partX * now.width - x, now.top + partY * now.height - y);
  }

  /** @param {number} scale */
  function setScale(scale) {
    scaled = scale;
    const ratio = window.devicePixelRatio || 1;
    canvas.style.width = `${(canvas.width * scale) / ratio}px`;
    canvas.style.height = `${(canvas.height * scale) / ratio}px`;
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.scale === String(scale)));
  }

  return {
    /** @param {string} name */
    open(name) {
      pool = name;
      painted = -1;
      view = new SlotMapView(canvas);
      const map = state.maps.get(name);
      if (!map) return;
      title.textContent = `${name}: ${countExact(map.slotCount)} slots, ${percent(map.slotCount - map.counts[46], map.slotCount)} in use`;
      dialog.showModal();
      const side = Math.max(64, Math.ceil(Math.sqrt(map.slotCount)));
      view.setPalette(ownLetters(state.source('slab', name)));
      view.layout(map, side, side, 1);
      setScale(SCALES.findLast((scale) => canvas.width * scale <= window.innerWidth * FIRST_PART * (window.devicePixelRatio || 1)) ?? 1);
      this.paint();
    },
    paint() {
      const map = state.maps.get(pool);
      if (!dialog.open || !map || painted === state.version.doc) return;
      if (view.map !== map) return;
      painted = state.version.doc;
      map.touch();
      view.paint();
      map.touch(); // the card on the page paints from the same marks
    },
  };
}
