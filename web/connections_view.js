// @ts-check
// connections_view.js: how many connections in which state and whose; below, each of them.

import { createConnTable } from './conn_table_view.js';
import { byId, el, Keyed, setDerived, setNumber, setText } from './dom.js';
import { count } from './format.js';
import { entries } from './observe.js';
import { css, letterColour } from './palette.js';
import { theme } from './theme.js';

/** @typedef {import('./state.js').State} State */

/** @type {Record<string, string>} */
const STATE_LETTERS = { active: 'A', idle: 'I', closing: 'C', connecting: 'N', other: '?' };

/** @param {State} state @param {any} actions */
export function createConnectionsView(state, actions) {
  const states = el('ul', { class: 'legend' });
  const owners = el('ul', { class: 'legend' });
  const totals = el('p', { class: 'dim' });
  const open = el('span', { class: 'big-number', 'data-field': 'open' });
  const parent = byId('connection-counts');
  parent.dataset.source = 'connections';
  parent.append(el('div', { class: 'conn-counts' },
    el('div', {}, el('h3', { class: 'small' }, 'Open'), open), el('div', {}, el('h3', { class: 'small' }, 'By state'), states), el('div', {}, el('h3', { class: 'small' }, 'By owner'), owners), el('div', {}, el('h3', { class: 'small' }, 'Since the run began'), totals)));
  const item = (/** @type {string} */ attribute) => (/** @type {string} */ name) => {
    const value = el('span', { [attribute]: name });
    const swatch = attribute === 'data-conn-state' ? [el('span', { class: 'swatch', 'aria-hidden': 'true' }, STATE_LETTERS[name] ?? '')] : [];
    return { root: el('li', {}, ...swatch, el('span', { class: 'legend-name' }, name), ' ', value), value, swatch: swatch[0] };
  };
  const stateItems = new Keyed(states, item('data-conn-state'));
  const ownerItems = new Keyed(owners, item('data-conn-owner'));

  const table = createConnTable(state, actions);

  function drawCounts() {
    const connections = state.doc.connections ?? {};
    setNumber(open, connections.open, count);
    const names = Object.keys(connections.by_state ?? {}).filter((name) => name !== 'other' || connections.by_state.other > 0);
    for (const [i, row] of stateItems.sync(names).entries()) {
      setNumber(row.value, connections.by_state[names[i]], count);
      if (row.swatch) row.swatch.style.backgroundColor = css(letterColour(STATE_LETTERS[names[i]] ?? '?', '', theme.name));
    }
    const all = entries(connections.by_owner).sort((a, b) => b[1] - a[1]).slice(0, 12);
    for (const [i, row] of ownerItems.sync(all.map(([name]) => name)).entries()) setDerived(row.value, all[i][1], `${count(all[i][1])}${connections.open > 0 ? ` (${Math.round((all[i][1] / connections.open) * 100)} %)` : ''}`);
    setText(totals, `${count(connections.accepted)} accepted · ${count(connections.closed)} closed · ${count(connections.errors)} errors · ${count(connections.overflows)} turned away`);
  }

  return {
    draw() {
      if (!state.doc) return;
      drawCounts();
      table.draw();
    },
  };
}
