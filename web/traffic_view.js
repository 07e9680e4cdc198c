// @ts-check
// traffic_view.js: servers, routes, latency over time as a heat map, counters of the program's own.

import { byId, el, Keyed, setClass, setDerived, setNumber, setText, visible } from './dom.js';
import { bytes, byUnit, count, duration, isKnown, rate } from './format.js';
import { entries } from './observe.js';
import { createSpark } from './spark_view.js';
import { HEAT_ROWS } from './state.js';
import { theme } from './theme.js';

/** @typedef {import('./state.js').State} State */

const ROUTES_SHOWN = 60;
const METRICS_SHOWN = 120;

/** @param {string} name @param {State} state */
function createServer(name, state) {
  const field = (/** @type {string} */ id) => el('span', { 'data-field': id });
  const nodes = {
    req: field('requests'), open: field('open'), p50: field('p50_ns'), p95: field('p95_ns'), p99: field('p99_ns'), max: field('max_ns'),
    ok: field('ok'), e4: field('client_errors'), e5: field('server_errors'), inRate: field('bytes_in'), outRate: field('bytes_out'), accepted: field('accepted'),
  };
  const canvases = ['req', 'p99', 'out', 'open'].map(() => /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'spark' })));
  const sparks = [
    createSpark(canvases[0], { series: `server:${name}:req`, colour: 'c1', height: 30 }),
    createSpark(canvases[1], { series: `server:${name}:p99`, colour: 'c3', height: 30 }),
    createSpark(canvases[2], { series: `server:${name}:out`, colour: 'c2', height: 30 }),
    createSpark(canvases[3], { series: `server:${name}:open`, colour: 'c6', height: 30 }),
  ];
  const shares = ['share-ok', 'share-4', 'share-5'].map((c) => el('span', { class: c }));
  const cell = (/** @type {string} */ title, /** @type {HTMLCanvasElement} */ canvas, /** @type {(Node | string)[]} */ ...what) => el('div', { class: 'mini' }, el('h4', {}, title), el('p', {}, ...what), el('div', { class: 'spark-box' }, canvas));
  const root = el('article', { class: 'card server', 'data-server': name, 'data-source': name },
    el('div', { class: 'card-head' }, el('h3', {}, name), el('span', { class: 'dim' }, 'accepted ', nodes.accepted), el('span', { class: 'occupancy' }, nodes.req)),
    el('div', { class: 'shares', 'aria-hidden': 'true' }, ...shares),
    el('p', { class: 'codes' }, el('span', { class: 'code ok' }, nodes.ok, ' 1xx–3xx'), el('span', { class: 'code e4' }, nodes.e4, ' 4xx'), el('span', { class: 'code e5' }, nodes.e5, ' 5xx')),
    el('div', { class: 'minis' },
      cell('Requests', canvases[0], 'last minute'),
      cell('Latency', canvases[1], 'p50 ', nodes.p50, ' · p95 ', nodes.p95, ' · p99 ', nodes.p99, ' · max ', nodes.max),
      cell('Throughput', canvases[2], '↓ ', nodes.inRate, ' · ↑ ', nodes.outRate),
      cell('Open connections', canvases[3], nodes.open)));
  return {
    root,
    draw() {
      const server = state.doc.servers[name];
      const last = (/** @type {string} */ what) => state.history.last(`server:${name}:${what}`);
      setDerived(nodes.req, server.requests, `${rate(last('req'))} /s`);
      setNumber(nodes.open, server.open, count);
      setNumber(nodes.accepted, server.accepted, count);
      for (const key of /** @type {const} */ (['p50', 'p95', 'p99', 'max'])) setNumber(nodes[key], server[`${key}_ns`], duration);
      const ok = server.requests - server.client_errors - server.server_errors;
      setNumber(nodes.ok, ok, count);
      setNumber(nodes.e4, server.client_errors, count);
      setNumber(nodes.e5, server.server_errors, count);
      setClass(/** @type {Element} */ (nodes.e5.parentElement), 'lit', last('e5') > 0);
      setDerived(nodes.inRate, server.bytes_in, `${bytes(Math.round(last('in')))}/s`);
      setDerived(nodes.outRate, server.bytes_out, `${bytes(Math.round(last('out')))}/s`);
      [ok, server.client_errors, server.server_errors].forEach((n, i) => { shares[i].style.flexGrow = String(Math.max(0, n) || 0); });
      for (const spark of sparks) spark.draw(state.history, state.ts);
    },
  };
}

const ROUTE_COLUMNS = /** @type {const} */ (['req', 'e4', 'e5', 'p50', 'p95', 'p99', 'max', 'out']);

/** @param {string} name @param {State} state @param {(route: string) => void} pick */
function createRoute(name, state, pick) {
  /** @type {Record<string, HTMLElement>} */
  const cells = {};
  const fields = { req: 'requests', e4: 'client_errors', e5: 'server_errors', p50: 'p50_ns', p95: 'p95_ns', p99: 'p99_ns', max: 'max_ns', out: 'bytes_out' };
  for (const key of ROUTE_COLUMNS) cells[key] = el('td', { class: 'num', 'data-field': fields[key] });
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'spark' }));
  const spark = createSpark(canvas, { series: `route:${name}:req`, colour: 'c1', height: 20 });
  const button = el('button', { type: 'button', class: 'link', title: 'Show connections with this route' }, name);
  button.addEventListener('click', () => pick(name));
  const root = el('tr', { 'data-route': name }, el('th', { scope: 'row' }, button), cells.req, el('td', { class: 'spark-cell' }, el('div', { class: 'spark-box' }, canvas)), ...ROUTE_COLUMNS.slice(1).map((key) => cells[key]));
  return {
    root,
    draw() {
      const route = state.doc.routes[name];
      const last = (/** @type {string} */ what) => state.history.last(`route:${name}:${what}`);
      setDerived(cells.req, route.requests, rate(last('req')));
      setNumber(cells.e4, route.client_errors, count);
      setNumber(cells.e5, route.server_errors, count);
      setClass(cells.e4, 'is-zero', !route.client_errors);
      setClass(cells.e5, 'is-zero', !route.server_errors);
      setClass(cells.e5, 'is-critical', last('e5') > 0);
      for (const key of /** @type {const} */ (['p50', 'p95', 'p99', 'max'])) setNumber(cells[key], route[`${key}_ns`], duration);
      setDerived(cells.out, route.bytes_out, `${bytes(Math.round(last('out')))}/s`);
      spark.draw(state.history, state.ts);
    },
  };
}

/** Latency of responses over two minutes: a column a second, a row half a doubling. @param {State} state */
function createHeat(state) {
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'heat', role: 'img', 'aria-label': 'How many responses took how long, over the last two minutes' }));
  canvas.width = state.heatSeconds;
  canvas.height = HEAT_ROWS;
  byId('heat').append(
    el('div', { class: 'card-head' }, el('h3', {}, 'Latency over time'), el('span', { class: 'dim' }, 'responses of the last two minutes; brighter is more')),
    el('div', { class: 'heat-box' }, el('div', { class: 'heat-axis', 'aria-hidden': 'true' }, el('span', {}, '30 ms+'), el('span', {}, '640 µs'), el('span', {}, '10 µs')), canvas));
  visible.watch(canvas);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const image = context.createImageData(state.heatSeconds, HEAT_ROWS);
  const words = new Uint32Array(image.data.buffer);
  let seen = '';
  return () => {
    const key = `${state.version.events} ${theme.version} ${Math.floor(state.ts / 1e9)}`;
    if (key === seen || !visible.is(canvas)) return;
    seen = key;
    const dark = theme.name === 'dark';
    const now = Math.max(state.heatTo, Math.floor(state.ts / 1e9));
    let most = 1;
    for (const hits of state.heat) if (hits > most) most = hits;
    for (let x = 0; x < state.heatSeconds; x += 1) {
      const second = now - state.heatSeconds + 1 + x;
      const known = second >= 0 && second <= state.heatTo && second > state.heatTo - state.heatSeconds;
      for (let row = 0; row < HEAT_ROWS; row += 1) {
        const hits = known ? state.heat[(second % state.heatSeconds) * HEAT_ROWS + row] : 0;
        words[(HEAT_ROWS - 1 - row) * state.heatSeconds + x] = heatColour(hits, most, dark);
      }
    }
    context.putImageData(image, 0, 0);
  };
}

/** @param {number} hits @param {number} most @param {boolean} dark */
function heatColour(hits, most, dark) {
  if (hits === 0) return 0;
  const part = 0.25 + (0.75 * Math.log2(1 + hits)) / Math.log2(1 + most);
  const [r, g, b] = dark ? [255 * part, 90 + 130 * part * part, 60 + 60 * (1 - part)] : [200 - 120 * part, 120 - 100 * part, 40 + 20 * part];
  return ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;
}

/** @param {string} name @param {State} state */
function createMetric(name, state) {
  const value = el('span', { class: 'metric-value', 'data-field': 'value' });
  const note = el('span', { class: 'dim' });
  const kind = el('span', { class: 'metric-kind' });
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'spark' }));
  const first = state.doc.metrics[name];
  const counts = first.value === undefined || state.source('counter', name) !== null;
  const spark = createSpark(canvas, { series: counts ? `metric:${name}` : `value:${name}`, colour: 'c2', height: 22 });
  const root = el('div', { class: 'metric', 'data-metric': name }, el('div', { class: 'metric-name' }, name, kind), value, note, el('div', { class: 'spark-box' }, canvas));
  return {
    root,
    draw() {
      const metric = state.doc.metrics[name];
      const counter = state.source('counter', name);
      const unit = (counter ?? state.source('gauge', name) ?? state.source('histogram', name))?.unit ?? '';
      setText(kind, metric.value === undefined ? 'histogram' : counter ? 'counter' : 'gauge');
      if (metric.value === undefined) {
        setDerived(value, metric.count, `${rate(state.history.last(`metric:${name}`))} /s`);
        setText(note, ['p50', 'p95', 'p99', 'p9999', 'max'].filter((p) => isKnown(metric[p])).map((p) => `${p === 'p9999' ? 'p99.99' : p} ${byUnit(metric[p], unit)}`).join(' · '));
      } else {
        setNumber(value, metric.value, (v) => byUnit(v, unit));
        setText(note, counter ? `${rate(state.history.last(`metric:${name}`))} /s` : '');
      }
      spark.draw(state.history, state.ts);
    },
  };
}

/** @param {State} state @param {{filter: (text: string) => void}} actions */
export function createTrafficView(state, actions) {
  const servers = new Keyed(byId('servers'), (name) => createServer(name, state));
  const body = el('tbody');
  const heads = ['route', 'requests/s', 'last minute', '4xx', '5xx', 'p50', 'p95', 'p99', 'max', 'out'];
  byId('routes').append(el('div', { class: 'scroll' }, el('table', { class: 'plain routes' }, el('thead', {}, el('tr', {}, ...heads.map((h, i) => el('th', { scope: 'col', class: i === 0 || i === 2 ? '' : 'num' }, h)))), body)));
  const routes = new Keyed(body, (name) => createRoute(name, state, (route) => actions.filter(route.split(' ').at(-1) ?? route)));
  const metrics = new Keyed(byId('metric-cards'), (name) => createMetric(name, state));
  const drawHeat = createHeat(state);
  return {
    draw() {
      const { doc } = state;
      if (!doc) return;
      for (const card of servers.sync(Object.keys(doc.servers ?? {}))) card.draw();
      const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
      const all = entries(doc.routes).filter(([name]) => words.every((w) => name.toLowerCase().includes(w)));
      const order = all.sort((a, b) => b[1].requests - a[1].requests || (a[0] < b[0] ? -1 : 1)).slice(0, ROUTES_SHOWN).map(([name]) => name);
      byId('routes').hidden = order.length === 0;
      for (const row of routes.sync(order)) row.draw();
      drawHeat();
      const names = Object.keys(doc.metrics ?? {}).slice(0, METRICS_SHOWN);
      byId('metrics').hidden = names.length === 0;
      for (const item of metrics.sync(names)) item.draw();
    },
  };
}

