// @ts-check
// marker_view.js: rings around slots on their maps: the one looked at, and those that the connection
// looked at holds.

import { el } from './dom.js';
import { layouts } from './slot_map_view.js';

const SHOWN_PER_MAP = 64;
const LEAST_PX = 9;

/** @param {import('./state.js').State} state */
export function createMarkerView(state) {
  let seen = '';
  return {
    draw() {
      const { pick } = state;
      const key = `${state.version.pick} ${layouts.version}`;
      if (key === seen) return;
      seen = key;
      for (const box of document.querySelectorAll('.slots-box')) {
        const canvas = /** @type {HTMLCanvasElement} */ (box.firstElementChild);
        for (const old of box.querySelectorAll('.ring')) old.remove();
        const name = canvas.dataset.map;
        const slots = state.held.filter((held) => held.pool === name).slice(0, SHOWN_PER_MAP).map((held) => held.slot);
        if (pick.pool === name && pick.slot !== undefined && !slots.includes(pick.slot)) slots.push(pick.slot);
        for (const slot of slots) place(box, canvas, slot, pick.pool === name && slot === pick.slot);
      }
    },
  };
}

/** @param {Element} box @param {HTMLCanvasElement} canvas @param {number} slot @param {boolean} pinned */
function place(box, canvas, slot, pinned) {
  const cell = Number(canvas.dataset.cell);
  const cols = Number(canvas.dataset.cols);
  if (!(cell > 0) || !(cols > 0)) return;
  const ratio = window.devicePixelRatio || 1;
  const size = Math.max(LEAST_PX, cell / ratio + 2);
  const ring = el('span', { class: pinned ? 'ring pinned' : 'ring', 'aria-hidden': 'true' });
  ring.style.width = ring.style.height = `${size}px`;
  ring.style.left = `${(((slot % cols) + 0.5) * cell) / ratio - size / 2}px`;
  ring.style.top = `${((Math.floor(slot / cols) + 0.5) * cell) / ratio - size / 2}px`;
  box.append(ring);
}
