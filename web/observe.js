// @ts-check
// observe.js: which series the page keeps of a document, and how overview rows become the same ones.
// Format: "n:" before a name is a total that only grows; the plain name is its rate per second.

import { ownValue } from './patch.js';

/** @typedef {import('./history.js').History} History */

export const RATE_SPAN_NS = 1e9;
const PROCESS = { rss: 'rss_bytes', pss: 'pss_bytes', anon: 'anon_bytes', file: 'file_bytes', shmem: 'shmem_bytes', fds: 'fd_count' };

/** @param {any} section @returns {[string, any][]} */
export function entries(section) {
  return section && typeof section === 'object' ? Object.entries(section) : [];
}

/** @type {Map<string, Map<string, string>>} */
const joined = new Map();
const JOINED_MOST = 4096;

/** `head` and `tail` as one name, put together once: that, and hashing it, costs more than what is done with it. @param {string} head @param {string} tail */
function join(head, tail) {
  let tails = joined.get(head);
  if (!tails || tails.size >= JOINED_MOST) {
    if (joined.size >= JOINED_MOST) joined.clear();
    joined.set(head, tails = new Map());
  }
  let name = tails.get(tail);
  if (name === undefined) tails.set(tail, name = head + tail);
  return name;
}

/** A total and its rate. @param {History} history @param {string} name @param {unknown} total @param {number} [scale] */
function setTotal(history, name, total, scale = 1) {
  if (typeof total !== 'number' || Number.isNaN(total)) return;
  const of = join('n:', name);
  history.set(of, total);
  history.set(name, history.rate(of, RATE_SPAN_NS) * scale);
}

/** What is told of a server or a route: totals, and what is as it is. @type {[string, string, boolean][]} */
const TRAFFIC = [
  ['requests', ':req', true], ['client_errors', ':e4', true], ['server_errors', ':e5', true], ['bytes_out', ':out', true], ['bytes_in', ':in', true],
  ['p50_ns', ':p50', false], ['p95_ns', ':p95', false], ['p99_ns', ':p99', false], ['open', ':open', false],
];

/** @param {History} history @param {string} prefix @param {any} row a server or a route */
function observeTraffic(history, prefix, row) {
  for (const [field, tail, isTotal] of TRAFFIC) {
    if (row[field] === undefined) continue;
    if (isTotal) setTotal(history, join(prefix, tail), row[field]);
    else history.set(join(prefix, tail), row[field]);
  }
}

/**
 * Add the document's moment to the history.
 * @param {any} doc
 * @param {History} history
 * @param {Map<string, number>} [freed] what collections have freed of each heap, since any moment
 */
export function observe(doc, history, freed) {
  history.push(doc.ts);
  let worst = 0;
  for (const [name, pool] of entries(doc.pools)) {
    history.set(join('pool:', name), pool.used);
    setTotal(history, join('allocs:', name), pool.allocs);
    setTotal(history, join('over:', name), pool.overflow);
    if (pool.capacity > 0) worst = Math.max(worst, pool.used / pool.capacity);
  }
  history.set('worst', worst * 100);
  let heapUsed = 0;
  let heapCapacity = 0;
  for (const [name, heap] of entries(doc.heaps)) {
    history.set(join('heap:', name), heap.used_bytes);
    history.set(join('threshold:', name), heap.threshold_bytes);
    // What is in use and what was freed of it, together, is what was allocated.
    if (freed) setTotal(history, join('alloc:', name), heap.used_bytes + (freed.get(name) ?? 0));
    heapUsed += heap.used_bytes ?? 0;
    heapCapacity += heap.capacity_bytes ?? 0;
  }
  if (heapCapacity > 0) history.set('heap_bytes', heapUsed);
  if (heapCapacity > 0) history.set('heap', (heapUsed / heapCapacity) * 100);
  for (const [name, arena] of entries(doc.arenas)) history.set(join('arena:', name), arena.used_bytes);
  observeAllTraffic(doc, history);
  for (const [name, metric] of entries(doc.metrics)) {
    if (metric.value !== undefined) {
      history.set(join('value:', name), metric.value);
      setTotal(history, join('metric:', name), metric.value);
    } else {
      setTotal(history, join('metric:', name), metric.count);
    }
  }
  const process = doc.process ?? {};
  for (const [name, field] of Object.entries(PROCESS)) history.set(name, process[field]);
  setTotal(history, 'cpu', process.cpu_user_ns + process.cpu_system_ns, 1e-7);
  setTotal(history, 'majflt', process.major_faults);
  setTotal(history, 'minflt', process.minor_faults);
  setTotal(history, 'pressure', process.pressure_some_us, 1e-4);
  setTotal(history, 'recorder_cpu', doc.recorder?.cpu_ns, 1e-7);
  setTotal(history, 'recorder_events', doc.recorder?.events);
  history.set('open', doc.connections?.open);
  history.set('active', doc.connections?.by_state?.active);
}

/** @param {any} doc @param {History} history */
function observeAllTraffic(doc, history) {
  const servers = entries(doc.servers);
  const sum = { req: 0, e4: 0, e5: 0 };
  let p50 = NaN;
  let p95 = NaN;
  let p99 = NaN;
  const rows = servers.length > 0 ? servers : entries(doc.routes);
  for (const [, row] of rows) {
    sum.req += row.requests ?? 0;
    sum.e4 += row.client_errors ?? 0;
    sum.e5 += row.server_errors ?? 0;
    if (row.p50_ns !== undefined && !(p50 >= row.p50_ns)) p50 = row.p50_ns;
    if (row.p95_ns !== undefined && !(p95 >= row.p95_ns)) p95 = row.p95_ns;
    if (row.p99_ns !== undefined && !(p99 >= row.p99_ns)) p99 = row.p99_ns;
  }
  if (rows.length > 0) {
    setTotal(history, 'req', sum.req);
    setTotal(history, 'e4', sum.e4);
    setTotal(history, 'e5', sum.e5);
    history.set('p50', p50);
    history.set('p95', p95);
    history.set('p99', p99);
  }
  for (const [name, row] of servers) observeTraffic(history, join('server:', name), row);
  for (const [name, row] of entries(doc.routes)) observeTraffic(history, join('route:', name), row);
}

/** What the charts begin with: the first are the most wanted, there may be too many. @type {Record<string, string[]>} */
const CHART_FIELDS = {
  process: ['rss_bytes', 'pss_bytes', 'anon_bytes', 'cpu_user_ns', 'cpu_system_ns'],
  connections: ['open', 'active'], heap: ['used_bytes'], slab: ['used'],
  owner: ['requests', 'client_errors', 'server_errors', 'p50_ns', 'p95_ns', 'p99_ns', 'open', 'bytes_in', 'bytes_out'],
  route: ['requests'], gauge: ['value'], counter: ['value'],
};
const SERIES_MOST = 160;
/** of the list in an address */
const SERIES_TEXT_MOST = 6000;

/**
 * The overview's series that the charts begin with.
 * @param {any[]} sources of the run event
 * @returns {string[]} "kind/source/field"
 */
export function chartSeries(sources) {
  const out = [];
  let room = SERIES_TEXT_MOST;
  for (const [kind, names] of Object.entries(CHART_FIELDS)) {
    for (const source of sources) {
      if (source.kind !== kind || source.name.includes(',')) continue;
      for (const field of names) {
        const text = `${kind}/${source.name}/${field}`;
        room -= encodeURIComponent(text).length + 3;
        if (out.length < SERIES_MOST && room > 0) out.push(text);
      }
    }
  }
  return out;
}

/**
 * Fill an empty history from an overview, a moment per pixel.
 * @param {any} overview
 * @param {any[]} sources
 * @param {History} history
 * @param {number} before only moments before this ts
 * @param {[number, number]} [rows] of these moments only, from the first to before the second
 * @returns {boolean} whether there are none behind them
 */
export function seed(overview, sources, history, before, [first, end] = [0, Infinity]) {
  const { from, to, series } = overview;
  const px = series.length > 0 ? series[0].max.length : 0;
  const capacity = new Map(sources.filter((s) => s.kind === 'slab').map((s) => [s.name, s.slot_count]));
  const heapBytes = new Map(sources.filter((s) => s.kind === 'heap').map((s) => [s.name, s.capacity_bytes]));
  for (let i = first; i < Math.min(px, end); i += 1) {
    const ts = from + ((i + 0.5) / px) * (to - from);
    if (ts >= before) return true;
    if (series.every((/** @type {any} */ s) => s.max[i] === null)) continue;
    const doc = { ts, pools: /** @type {any} */ ({}), heaps: /** @type {any} */ ({}), servers: /** @type {any} */ ({}), routes: /** @type {any} */ ({}), metrics: /** @type {any} */ ({}), process: /** @type {any} */ ({}), connections: /** @type {any} */ ({}) };
    for (const s of series) {
      const value = s.max[i];
      if (value === null) continue;
      if (s.kind === 'slab') doc.pools[s.source] = { used: value, capacity: capacity.get(s.source) };
      else if (s.kind === 'heap') doc.heaps[s.source] = { used_bytes: value, capacity_bytes: heapBytes.get(s.source) };
      else if (s.kind === 'process') doc.process[s.field] = value;
      else if (s.kind === 'connections' && s.field === 'open') doc.connections.open = value;
      else if (s.kind === 'connections') (doc.connections.by_state ??= {})[s.field] = value;
      else if (s.kind === 'owner') (doc.servers[s.source] ??= {})[s.field] = value;
      else if (s.kind === 'route') (doc.routes[s.source] ??= {})[s.field] = value;
      else if (s.kind === 'gauge' || s.kind === 'counter') doc.metrics[s.source] = { value };
    }
    observe(doc, history);
  }
  return end >= px;
}
