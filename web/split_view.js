// @ts-check
// split_view.js: the edge between the page and the column beside: drag it, or arrows when it has the
// focus; a double click makes the column wide, or narrow again.

import { byId } from './dom.js';
import { keep, recall } from './keep.js';

const KEY = 'memcam.side';
const NARROW_PX = 380;
const LEAST_PX = 280;
const LEAST_MAIN_PX = 360;
const STEP_PX = 40;

/** @param {number} px @param {number} whole the width of both */
export function sideWithin(px, whole) {
  return Math.round(Math.max(LEAST_PX, Math.min(px, Math.max(LEAST_PX, whole - LEAST_MAIN_PX))));
}

export function createSplitView() {
  const splitter = byId('splitter');
  const body = byId('body');
  let side = Number(recall(KEY));

  /** @param {number} px */
  function set(px) {
    side = sideWithin(px, body.clientWidth);
    body.style.setProperty('--side', `${side}px`);
    splitter.setAttribute('aria-valuenow', String(side));
    splitter.setAttribute('aria-valuemin', String(LEAST_PX));
    splitter.setAttribute('aria-valuemax', String(sideWithin(Infinity, body.clientWidth)));
    keep(KEY, String(side));
  }
  const now = () => byId('inspector').offsetWidth;
  splitter.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => splitter.setPointerCapture(event.pointerId));
  splitter.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
    if (splitter.hasPointerCapture(event.pointerId)) set(body.getBoundingClientRect().right - event.clientX);
  });
  splitter.addEventListener('dblclick', () => set(now() > NARROW_PX + 100 ? NARROW_PX : body.clientWidth * 0.55));
  splitter.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const step = event.key === 'ArrowLeft' ? STEP_PX : event.key === 'ArrowRight' ? -STEP_PX : 0;
    if (step === 0) return;
    event.preventDefault();
    event.stopPropagation();
    set(now() + step);
  });
  if (side > 0) set(side);
}
