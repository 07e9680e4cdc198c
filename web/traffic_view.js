// @ts-check
// traffic_view.js: servers, routes, latency over time as a heat map, counters of the program's own.

import { parseFilter } from './conn_filter.js';
import { Keyed, byId, el, scrollBox, setClass, setDerived, setNumber, setText } from './dom.js';
import { bytes, byUnit, count, duration, isKnown, rate, rateByUnit } from './format.js';
import { createHeatView } from './heat_view.js';
import { entries } from './observe.js';
import { ownValue } from './patch.js';
import { createSpark } from './spark_view.js';

/** @typedef {import('./state.js').State} State */

const ROUTES_SHOWN = 60;
const METRICS_SHOWN = 120;
const METRICS_A_TURN = 16;

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
  const button = el('button', { type: 'button', class: 'link', title: 'Show this route beside' }, name);
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
    name,
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
        setText(note, counter ? rateByUnit(state.history.last(`metric:${name}`), unit) : '');
      }
      spark.draw(state.history, state.ts);
    },
  };
}

/** @param {State} state @param {any} actions */
export function createTrafficView(state, actions) {
  const servers = new Keyed(byId('servers'), (name) => createServer(name, state));
  const body = el('tbody');
  const heads = ['route', 'requests/s', 'last minute', '4xx', '5xx', 'p50', 'p95', 'p99', 'max', 'out'];
  byId('routes').append(scrollBox('Routes', el('table', { class: 'plain routes' }, el('thead', {}, el('tr', {}, ...heads.map((h, i) => el('th', { scope: 'col', class: i === 0 || i === 2 ? '' : 'num' }, h)))), body)));
  const routes = new Keyed(body, (name) => createRoute(name, state, (route) => actions.look({ route })));
  const metrics = new Keyed(byId('metric-cards'), (name) => createMetric(name, state));
  const drawHeat = createHeatView(state, actions);
  /** @type {ReturnType<typeof createMetric>[]} metrics that are yet to be drawn */
  let rest = [];
  return {
    draw() {
      const { doc } = state;
      if (!doc) return;
      for (const card of servers.sync(Object.keys(doc.servers ?? {}))) card.draw();
      const { words, route } = parseFilter(state.filter);
      const all = entries(doc.routes).filter(([name]) => [...words, route].every((w) => name.toLowerCase().includes(w)));
      const order = all.sort((a, b) => b[1].requests - a[1].requests || (a[0] < b[0] ? -1 : 1)).slice(0, ROUTES_SHOWN).map(([name]) => name);
      byId('routes').hidden = order.length === 0;
      for (const row of routes.sync(order)) row.draw();
      drawHeat();
    },
    /** Draw some of them. @returns {boolean} whether there are more */
    drawMetrics() {
      const { doc } = state;
      if (!doc) {
        rest = [];
        return false;
      }
      if (rest.length === 0) {
        const names = Object.keys(doc.metrics ?? {}).slice(0, METRICS_SHOWN);
        byId('metrics').hidden = names.length === 0;
        setText(byId('metrics-sum'), kindCounts(state.run?.sources ?? []));
        rest = metrics.sync(names).reverse();
      }
      for (const item of rest.splice(-METRICS_A_TURN).reverse()) if (ownValue(doc.metrics, item.name)) item.draw();
      return rest.length > 0;
    },
  };
}


/** How many sources of each kind a run has registered. @param {any[]} sources */
export function kindCounts(sources) {
  /** @type {Map<string, number>} */
  const kinds = new Map();
  for (const { kind } of sources) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  return ['counter', 'gauge', 'histogram', 'slab', 'arena', 'heap'].filter((kind) => kinds.has(kind)).map((kind) => `${kinds.get(kind)} ${kind}${kinds.get(kind) === 1 ? '' : 's'}`).join(' · ');
}
