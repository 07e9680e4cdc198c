// @ts-check
// ages_view.js: a table of a heap's cells, by type and age.

import { AGE_NAMES, ages } from './ages.js';
import { byId, el, scrollBox, setText, visible } from './dom.js';
import { count, countExact } from './format.js';
import { css, letterColour } from './palette.js';
import { letterName, ownLetters } from './pool_view.js';
import { theme } from './theme.js';

const EVERY_MS = 1000;
const LEAST_TYPES = 3;
const ROWS = 12;

/** @typedef {import('./state.js').State} State */

/** The slab whose slots have types of their own: the heap's cells. @param {State} state */
function cellSlab(state) {
  let best = null;
  for (const source of state.run?.sources ?? []) {
    if (source.kind !== 'slab' || !state.maps.has(source.name) || ownLetters(source).length < LEAST_TYPES) continue;
    if (!best || source.slot_count > best.slot_count) best = source;
  }
  return best;
}

/** @param {State} state */
export function createAgesView(state) {
  const body = el('tbody');
  const title = el('span', { class: 'dim' });
  const root = el('article', { class: 'card', id: 'cell-ages', hidden: true },
    el('div', { class: 'card-head' }, el('h3', {}, 'Cells by type and age'), title),
    scrollBox('Cells by type and age', el('table', { class: 'plain' }, el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'type'), el('th', { scope: 'col', class: 'num' }, 'cells'), ...AGE_NAMES.map((name) => el('th', { scope: 'col', class: 'num' }, name)))), body)));
  byId('cells').append(root);
  visible.watch(root);
  let drawnMs = -Infinity;
  let seen = '';
  return {
    draw() {
      const source = cellSlab(state);
      root.hidden = !source;
      const nowMs = performance.now();
      const key = `${state.version.doc} ${theme.version}`;
      if (!source || key === seen || !visible.is(root) || (nowMs - drawnMs < EVERY_MS && state.mode !== 'pause')) return;
      seen = key;
      drawnMs = nowMs;
      const map = /** @type {import('./pool_map.js').PoolMap} */ (state.maps.get(source.name));
      const letters = ownLetters(source);
      setText(title, `${source.name} · by when the page saw them taken; play on to learn more`);
      body.replaceChildren(...[...ages(map, state.ts)].slice(0, ROWS).map(([letter, row]) => {
        const swatch = el('span', { class: 'swatch inline', 'aria-hidden': 'true' }, letter);
        swatch.style.backgroundColor = css(letterColour(letter, letters, theme.name));
        return el('tr', { 'data-type': letter }, el('th', { scope: 'row' }, swatch, ' ', letterName(letter, source)), el('td', { class: 'num', 'data-field': 'cells', 'data-value': map.counts[letter.charCodeAt(0)] }, countExact(map.counts[letter.charCodeAt(0)])), ...row.map((n) => el('td', { class: n > 0 ? 'num' : 'num is-zero' }, count(n))));
      }));
    },
  };
}
