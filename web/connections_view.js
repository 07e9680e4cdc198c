// @ts-check
// connections_view.js: how many connections in which state and whose, and a waterfall of them.

import { byId, el, fitCanvas, Keyed, setDerived, setNumber, setText, visible } from './dom.js';
import { count, duration } from './format.js';
import { css, letterColour } from './palette.js';
import { connFilter } from './connections.js';
import { entries } from './observe.js';
import { colours, theme } from './theme.js';

/** @typedef {import('./state.js').State} State */

const ROWS = 24;
const ROW_PX = 18;
const LABEL_PX = 230;
const SPAN_NS = 10e9;
const CHOOSE_MS = 1000;
/** @type {Record<string, string>} */
const STATE_LETTERS = { active: 'A', idle: 'I', closing: 'C', connecting: 'N', other: '?' };

/** @param {State} state @param {{pickConn: (id: number) => void, tip: (text: string | null, x?: number, y?: number) => void}} actions */
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

  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'waterfall', tabindex: 0, role: 'img', 'aria-label': 'The connections used last, with their requests, over the last ten seconds. The list in the inspector has the same.' }));
  const note = el('span', { class: 'dim' });
  const box = byId('waterfall');
  box.append(el('div', { class: 'card-head' }, el('h3', {}, 'Waterfall'), note), canvas);
  visible.watch(canvas);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  /** @type {import('./connections.js').Conn[]} */
  let shown = [];
  let chosenMs = 0;
  let chosenFor = '';
  const connAt = (/** @type {PointerEvent | MouseEvent} */ event) => shown[Math.floor((event.clientY - canvas.getBoundingClientRect().top) / ROW_PX)];
  canvas.addEventListener('click', (event) => {
    const conn = connAt(event);
    if (conn) actions.pickConn(conn.id);
  });
  canvas.addEventListener('pointermove', (event) => {
    const conn = connAt(event);
    actions.tip(conn ? `connection ${conn.id} · ${conn.peer || 'peer unknown'} · ${conn.owner} · ${conn.requests} requests seen${conn.route ? ` · ${conn.route} ${conn.status || ''}` : ''}${conn.reason ? ` · closed: ${conn.reason}` : ''}` : null, event.clientX, event.clientY);
  });
  canvas.addEventListener('pointerleave', () => actions.tip(null));
  let width = 0;
  new ResizeObserver(() => { width = box.clientWidth - 24; }).observe(box);

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

  function drawWaterfall() {
    const nowMs = performance.now();
    if (nowMs - chosenMs > CHOOSE_MS || state.mode === 'pause' || chosenFor !== state.filter) {
      shown = state.conns.list(connFilter(state.filter), ROWS).sort((a, b) => b.id - a.id);
      chosenMs = nowMs;
      chosenFor = state.filter;
    }
    setText(note, shown.length === 0 ? (state.filter ? 'no connection matches the filter' : 'no connection seen yet') : `the ${shown.length} used last of ${state.conns.byId.size} seen, over ${duration(SPAN_NS)}${state.eventsUnshown > 0 ? ` · ${count(state.eventsUnshown)} more events not shown` : ''}`);
    const height = Math.max(1, shown.length) * ROW_PX;
    fitCanvas(canvas, Math.max(100, width), height);
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = '12px system-ui, sans-serif';
    context.textBaseline = 'middle';
    const from = state.ts - SPAN_NS;
    const label = Math.min(LABEL_PX, width * 0.4);
    const x = (/** @type {number} */ ts) => label + Math.max(0, Math.min(1, (ts - from) / SPAN_NS)) * (width - label);
    shown.forEach((conn, i) => drawRow(conn, i * ROW_PX, label, x));
  }

  /** @param {import('./connections.js').Conn} conn @param {number} y @param {number} label @param {(ts: number) => number} x */
  function drawRow(conn, y, label, x) {
    const middle = y + ROW_PX / 2;
    const picked = state.pick.conn === conn.id;
    context.fillStyle = picked ? colours.accent : colours.text;
    context.fillText(`${conn.id}`, 4, middle, 56);
    context.fillStyle = colours.dim;
    context.fillText(`${conn.owner} ${conn.route || conn.peer}`, 62, middle, label - 68);
    const begin = Number.isNaN(conn.opened) ? state.ts - SPAN_NS : conn.opened;
    const end = Number.isNaN(conn.closed) ? state.ts : conn.closed;
    context.fillStyle = colours.line;
    context.fillRect(x(begin), middle - 1, Math.max(1, x(end) - x(begin)), 2);
    for (const event of conn.events) {
      if (event.ts < state.ts - SPAN_NS - (event.dur ?? 0)) continue;
      if (event.type === 'response') {
        const start = x(event.ts - (event.dur ?? 0));
        context.fillStyle = event.status >= 500 ? colours.bad : event.status >= 400 ? colours.warn : colours.c1;
        context.fillRect(start, y + 4, Math.max(2, x(event.ts) - start), ROW_PX - 8);
      } else if (event.type === 'accept' || event.type === 'tls') {
        context.fillStyle = event.type === 'tls' ? colours.c6 : colours.good;
        context.fillRect(x(event.ts), y + 3, 2, ROW_PX - 6);
      } else if (event.type === 'close' || event.type === 'error' || event.type === 'overflow') {
        context.fillStyle = event.type === 'close' ? colours.dim : colours.bad;
        context.fillText(event.type === 'close' ? '×' : '!', x(event.ts) - 4, middle);
      }
    }
  }

  let seen = '';
  return {
    draw() {
      if (!state.doc) return;
      drawCounts();
      const key = `${state.version.doc} ${state.version.events} ${state.version.place} ${width} ${theme.version}`;
      if (key === seen || width === 0 || !visible.is(canvas)) return;
      seen = key;
      drawWaterfall();
    },
  };
}
