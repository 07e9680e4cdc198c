// @ts-check
// conn_table_view.js: the connections as a table that sorts and filters, each row with its waterfall:
// accept, TLS, requests as bars, its state, its end and why. Only the rows in sight are in the page.

import { connFilter, hasNamed, parseFilter } from './conn_filter.js';
import { sortConns } from './connections.js';
import { byId, el, fitCanvas, setClass, setText, visible, widthOf } from './dom.js';
import { bytes, clock, count, countExact, duration, UNKNOWN } from './format.js';
import { entries } from './observe.js';
import { css, letterColour } from './palette.js';
import { letterName } from './pool_view.js';
import { colours, theme } from './theme.js';

const ROW_PX = 24;
const LEAST_ROWS = 6;
const MOST_ROWS = 16;
const SPARE_ROWS = 2;
const CHOOSE_MS = 1000;
/** @type {[string, string, string][]} name in SORTS, head, class */
const COLUMNS = [['id', 'conn', 'num'], ['owner', 'server', ''], ['peer', 'peer', 'c-peer'], ['state', 'state', ''], ['requests', 'requests', 'num'], ['route', 'last route', 'c-route'], ['status', 'status', 'num'], ['slowest', 'slowest', 'num'], ['bytes_out', 'out', 'num c-out'], ['used', 'waterfall', 'c-fall']];
const SPANS_S = [2, 10, 60, 300];

/** @typedef {import('./state.js').State} State */
/** @typedef {import('./connections.js').Conn} Conn */

/** @param {string} label @param {string[]} values @param {(value: string) => void} change */
function filterSelect(label, values, change) {
  const node = /** @type {HTMLSelectElement} */ (el('select', { 'aria-label': label, title: label }));
  node.addEventListener('change', () => change(node.value));
  let key = '';
  /** @param {string[]} list @param {string} value */
  const set = (list, value) => {
    const all = value && !list.includes(value) ? [...list, value] : list;
    const now = all.join('\n');
    if (now !== key) {
      key = now;
      node.replaceChildren(el('option', { value: '' }, `any ${label}`), ...all.map((v) => el('option', { value: v }, v)));
    }
    if (node.value !== value) node.value = value;
  };
  set(values, '');
  return { node, set };
}

/** @param {State} state @param {any} actions */
export function createConnTable(state, actions) {
  const note = el('span', { class: 'dim' });
  const owner = filterSelect('server', [], (v) => actions.filterBy('owner', v));
  const route = filterSelect('route', [], (v) => actions.filterBy('route', v));
  const status = filterSelect('status', ['2', '3', '4', '5'], (v) => actions.filterBy('status', v));
  const slower = filterSelect('duration', ['1ms', '10ms', '100ms', '1s'], (v) => actions.filterBy('dur', v));
  const span = /** @type {HTMLSelectElement} */ (el('select', { 'aria-label': 'Time that the waterfall covers' }, ...SPANS_S.map((s) => el('option', { value: s, selected: s === 10 }, `${s < 60 ? `${s} s` : `${s / 60} min`}`))));
  const heads = COLUMNS.map(([name, text, cls]) => {
    const button = el('button', { type: 'button', class: 'link' }, text);
    const head = el('th', { scope: 'col', class: cls }, button);
    button.addEventListener('click', () => sortBy(name));
    return { name, head };
  });
  const above = el('tr', { 'aria-hidden': 'true' }, el('td', { colspan: COLUMNS.length }));
  const below = el('tr', { 'aria-hidden': 'true' }, el('td', { colspan: COLUMNS.length }));
  const body = el('tbody', {}, above, below);
  const scroll = el('div', { class: 'conn-scroll', tabindex: 0, role: 'region', 'aria-label': 'Each connection with its waterfall' }, el('table', { class: 'plain conns' }, el('thead', {}, el('tr', {}, ...heads.map((h) => h.head))), body));
  byId('waterfall').append(el('div', { class: 'card-head' }, el('h3', {}, 'Each connection'), note, el('div', { class: 'filters' }, owner.node, route.node, status.node, slower.node, span)), scroll);
  visible.watch(scroll);
  let sorted = { by: 'id', down: true };
  /** @type {Conn[]} */
  let shown = [];
  let chosenMs = 0;
  let chosenFor = '';
  let seen = '';
  let fallWidth = 0;
  /** @type {ReturnType<typeof createRow>[]} */
  const rows = [];
  const fallHead = heads[heads.length - 1].head;
  new ResizeObserver(() => { fallWidth = fallHead.clientWidth; state.changed('place'); }).observe(fallHead);
  // Asked for in the middle of a frame, it would lay the page out again.
  let scrolled = 0;
  scroll.addEventListener('scroll', () => { scrolled = scroll.scrollTop; seen = ''; state.changed('place'); }, { passive: true });
  span.addEventListener('change', () => { seen = ''; state.changed('place'); });

  /** @param {string} name */
  function sortBy(name) {
    sorted = { by: name, down: sorted.by === name ? !sorted.down : name !== 'peer' && name !== 'owner' && name !== 'route' };
    chosenFor = '';
    state.changed('place');
  }

  function choose() {
    const nowMs = performance.now();
    const key = `${state.filter} ${sorted.by} ${sorted.down} ${state.runKey}`;
    if (nowMs - chosenMs < CHOOSE_MS && state.mode !== 'pause' && chosenFor === key) return;
    shown = sortConns(state.conns.list(connFilter(state.filter), Infinity), sorted.by, sorted.down);
    chosenMs = nowMs;
    chosenFor = key;
    const filter = parseFilter(state.filter);
    owner.set(entries(state.doc.servers).map(([name]) => name), filter.owner);
    route.set([...new Set(entries(state.doc.routes).map(([name]) => name.split(' ').at(-1) ?? name))].slice(0, 60), filter.route);
    status.set(['2', '3', '4', '5'], filter.status);
    slower.set(['1ms', '10ms', '100ms', '1s'], filter.longer > 0 ? (/dur>(\S+)/i.exec(state.filter)?.[1] ?? '') : '');
    for (const { name, head } of heads) {
      if (name === sorted.by) head.setAttribute('aria-sort', sorted.down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    }
  }

  function drawRows() {
    const wanted = Math.max(LEAST_ROWS, Math.min(MOST_ROWS, shown.length));
    scroll.style.height = `${(wanted + 1) * ROW_PX + 6}px`;
    const first = Math.max(0, Math.min(Math.floor(scrolled / ROW_PX) - SPARE_ROWS, shown.length - wanted));
    const inSight = shown.slice(first, first + wanted + 2 * SPARE_ROWS);
    while (rows.length < inSight.length) {
      const row = createRow(state, actions);
      rows.push(row);
      below.before(row.root);
    }
    for (const row of rows.splice(inSight.length)) row.root.remove();
    /** @type {HTMLElement} */ (above.firstElementChild).style.height = `${first * ROW_PX}px`;
    /** @type {HTMLElement} */ (below.firstElementChild).style.height = `${Math.max(0, shown.length - first - inSight.length) * ROW_PX}px`;
    above.hidden = first === 0;
    const from = state.ts - Number(span.value) * 1e9;
    inSight.forEach((conn, i) => rows[i].draw(conn, from, fallWidth - 12));
  }

  return {
    draw() {
      fallWidth = widthOf(fallWidth, fallHead);
      const key = `${state.version.doc} ${state.version.events} ${state.version.place} ${state.version.pick} ${fallWidth} ${theme.version}`;
      if (key === seen || fallWidth === 0 || !visible.is(scroll)) return;
      seen = key;
      choose();
      const total = state.conns.byId.size;
      const named = hasNamed(parseFilter(state.filter)) || state.filter !== '';
      setText(note, total === 0 ? 'none seen yet' : `${named ? `${countExact(shown.length)} that match of ` : ''}${countExact(total)} seen near this moment${state.eventsUnshown > 0 ? ` · ${count(state.eventsUnshown)} more events not shown` : ''}`);
      drawRows();
    },
  };
}

/** Of a connection that has closed before the page looked only its end is known; with one server there, it was that one's. @param {State} state */
function soleServer(state) {
  const names = Object.keys(state.doc?.servers ?? {});
  return names.length === 1 ? names[0] : '';
}

/** @param {State} state @param {any} actions */
function createRow(state, actions) {
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { 'aria-hidden': 'true' }));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const button = el('button', { type: 'button', class: 'link', title: 'Show this connection beside' });
  const swatch = el('span', { class: 'swatch inline', 'aria-hidden': 'true' });
  const word = el('span');
  const cells = COLUMNS.map(([, , cls]) => el('td', { class: cls }));
  cells[0].append(button);
  cells[3].append(swatch, ' ', word);
  cells[9].append(canvas);
  const root = el('tr', {}, ...cells);
  /** @type {Conn | null} */
  let shown = null;
  let from = 0;
  button.addEventListener('click', (event) => {
    event.stopPropagation();
    if (shown) actions.pickConn(shown.id);
  });
  root.addEventListener('click', () => { if (shown) actions.pickConn(shown.id); });
  canvas.addEventListener('pointermove', (event) => {
    if (shown) actions.tip(fallText(shown, from + ((state.ts - from) * (event.clientX - canvas.getBoundingClientRect().left)) / canvas.clientWidth, (state.ts - from) / canvas.clientWidth), event.clientX, event.clientY);
  });
  canvas.addEventListener('pointerleave', () => actions.tip(null));
  return {
    root,
    /** @param {Conn} conn @param {number} begin ts at the left edge @param {number} width */
    draw(conn, begin, width) {
      shown = conn;
      from = begin;
      if (root.dataset.conn !== String(conn.id)) root.dataset.conn = String(conn.id);
      setText(button, String(conn.id));
      setText(cells[1], conn.owner || soleServer(state) || UNKNOWN);
      setText(cells[2], conn.peer || UNKNOWN);
      if (swatch.dataset.letter !== `${conn.state}${theme.version}`) {
        swatch.dataset.letter = `${conn.state}${theme.version}`;
        swatch.style.backgroundColor = conn.state === '×' ? colours.line : css(letterColour(conn.state, '', theme.name));
        setClass(swatch, 'is-closed', conn.state === '×');
        setText(swatch, conn.state);
      }
      const what = conn.state === '×' ? conn.reason || 'closed' : letterName(conn.state, null);
      setText(word, what);
      if (cells[3].title !== what) cells[3].title = what;
      setText(cells[4], countExact(conn.requests + conn.running.size));
      setText(cells[5], conn.route || UNKNOWN);
      setText(cells[6], conn.status ? String(conn.status) : UNKNOWN);
      setClass(cells[6], 'is-critical', conn.status >= 500);
      setText(cells[7], Number.isNaN(conn.slowest) ? UNKNOWN : duration(conn.slowest));
      setText(cells[8], bytes(conn.bytes_out));
      setClass(root, 'picked', state.pick.conn === conn.id);
      fitCanvas(canvas, Math.max(40, width), ROW_PX - 4);
      drawFall(context, conn, from, state.ts, Math.max(40, width), ROW_PX - 4);
    },
  };
}

/**
 * A connection's life between two moments.
 * @param {CanvasRenderingContext2D} context @param {Conn} conn @param {number} from @param {number} to @param {number} width @param {number} height
 */
function drawFall(context, conn, from, to, width, height) {
  const ratio = window.devicePixelRatio || 1;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const x = (/** @type {number} */ ts) => Math.max(0, Math.min(1, (ts - from) / (to - from))) * width;
  const begin = Number.isNaN(conn.opened) ? from : conn.opened;
  const end = conn.closed <= to ? conn.closed : to;
  if (end > from) {
    context.fillStyle = colours.line;
    context.fillRect(x(begin), height / 2 - 1, Math.max(1, x(end) - x(begin)), 2);
  }
  for (const began of conn.running.values()) { // not answered yet: open at its end
    if (began > to) continue;
    context.globalAlpha = 0.4;
    context.fillStyle = colours.c1;
    context.fillRect(x(began), 4, Math.max(2, width - x(began)), height - 8);
    context.globalAlpha = 1;
  }
  for (const event of conn.events) {
    if (event.ts < from || event.ts - (event.dur ?? 0) > to) continue;
    if (event.type === 'response') {
      const start = x(event.ts - (event.dur ?? 0));
      context.fillStyle = event.status >= 500 ? colours.bad : event.status >= 400 ? colours.warn : colours.c1;
      context.fillRect(start, event.status >= 500 ? 2 : 4, Math.max(2, x(event.ts) - start), event.status >= 500 ? height - 4 : height - 8);
    } else if (event.type === 'accept' || event.type === 'tls') {
      context.fillStyle = event.type === 'tls' ? colours.c6 : colours.good;
      context.fillRect(x(event.type === 'tls' ? event.ts - (event.dur ?? 0) : event.ts), 2, event.type === 'tls' ? Math.max(2, x(event.ts) - x(event.ts - (event.dur ?? 0))) : 2, height - 4);
    } else if (event.type === 'close' || event.type === 'error' || event.type === 'overflow') {
      context.font = '12px system-ui, sans-serif';
      context.textBaseline = 'middle';
      context.fillStyle = event.type === 'close' ? colours.text : colours.bad;
      context.fillText(event.type === 'close' ? '×' : '!', Math.min(width - 8, x(event.ts) - 4), height / 2);
    }
  }
}

/** What a connection did at a point of its waterfall. @param {Conn} conn @param {number} ts @param {number} reach ns that count as the same point, for what has no length */
function fallText(conn, ts, reach) {
  const out = [`connection ${conn.id} at ${clock(ts)}`];
  for (const event of conn.events) {
    const begin = event.ts - (event.type === 'response' || event.type === 'tls' ? event.dur ?? 0 : 0);
    if (ts < begin - 3 * reach || ts > event.ts + 3 * reach) continue;
    if (event.type === 'response') out.push(`${event.method ?? ''} ${event.route ?? ''} → ${event.status} in ${duration(event.dur)}`);
    else if (event.type === 'close') out.push(`closed: ${event.detail ?? ''}`);
    else if (['accept', 'tls', 'error', 'overflow'].includes(event.type)) out.push(`${event.type} ${event.peer ?? event.detail ?? ''}`);
    if (out.length > 4) break;
  }
  if (out.length === 1 && conn.route && Number.isNaN(conn.closed)) out.push(`last ${conn.route} ${conn.status || ''}`);
  return out.join(' · ');
}
