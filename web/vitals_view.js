// @ts-check
// vitals_view.js: the six numbers that a person looks at first, each with its last minute.

import { byId, el, setClass, setNumber, setText } from './dom.js';
import { bytes, count, duration, isKnown, rate, UNKNOWN } from './format.js';
import { entries } from './observe.js';
import { createSpark } from './spark_view.js';
import { levelOf } from './warnings.js';

/** @param {string} id @param {string} label @param {string} series @param {string} colour @param {string} href @param {number} [top] */
function tile(id, label, series, colour, href, top) {
  const value = el('span', { class: 'vital-value', 'data-field': id });
  const notes = [el('span'), el('span')];
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'spark' }));
  const root = el('a', { class: 'vital', href, 'data-vital': id }, el('span', { class: 'vital-label' }, label), value, el('span', { class: 'vital-note' }, ...notes), canvas);
  return { root, value, notes, spark: createSpark(canvas, { series, colour, top }) };
}

/** @param {ReturnType<typeof tile>} of @param {string} first @param {string} second */
function note(of, first, second) {
  setText(of.notes[0], first);
  setText(of.notes[1], second);
}

export function createVitalsView() {
  const root = byId('vitals');
  const tiles = {
    req: tile('req', 'Requests', 'req', 'c1', '#traffic'),
    err: tile('err', 'Errors', 'e5', 'bad', '#traffic'),
    p99: tile('p99', 'Latency p99', 'p99', 'c3', '#traffic'),
    pool: tile('pool', 'Fullest pool', 'worst', 'c2', '#pools', 100),
    heap: tile('heap', 'Heap', 'heap', 'c4', '#memory', 100),
    rss: tile('rss', 'Resident memory', 'rss', 'c5', '#memory'),
  };
  for (const t of Object.values(tiles)) {
    root.append(t.root);
    t.root.addEventListener('click', (event) => {
      event.preventDefault();
      document.querySelector(/** @type {string} */ (t.root.getAttribute('href')))?.scrollIntoView({ block: 'start' });
    });
  }

  return {
    /** @param {import('./state.js').State} state */
    draw(state) {
      const { doc, history } = state;
      if (!doc) return;
      setNumber(tiles.req.value, history.last('req'), (v) => (isKnown(v) ? `${rate(v)} /s` : UNKNOWN));
      note(tiles.req, `${count(doc.connections?.open)} connections`, '');
      const requests = history.last('req');
      const failed = history.last('e4') + history.last('e5');
      const share = requests > 0 ? (failed / requests) * 100 : failed === 0 ? 0 : NaN;
      setNumber(tiles.err.value, share, (v) => (isKnown(v) ? `${v > 0 && v < 0.1 ? '<0.1' : Number(v.toFixed(1))} %` : UNKNOWN));
      note(tiles.err, `5xx ${rate(history.last('e5'))} /s`, `4xx ${rate(history.last('e4'))} /s`);
      setClass(tiles.err.root, 'is-critical', history.last('e5') > 0);
      setNumber(tiles.p99.value, history.last('p99'), duration);
      note(tiles.p99, `p50 ${duration(history.last('p50'))}`, `p95 ${duration(history.last('p95'))}`);
      let worst = '';
      let part = -1;
      for (const [name, pool] of entries(doc.pools)) {
        if (pool.capacity > 0 && pool.used / pool.capacity > part) {
          part = pool.used / pool.capacity;
          worst = name;
        }
      }
      setNumber(tiles.pool.value, part < 0 ? undefined : part * 100, (v) => (isKnown(v) ? `${Math.floor(v)} %` : UNKNOWN));
      note(tiles.pool, worst, part < 0 ? '' : `${count(doc.pools[worst].free)} free`);
      setClass(tiles.pool.root, 'is-critical', levelOf(part) === 'critical');
      setClass(tiles.pool.root, 'is-warning', levelOf(part) === 'warning');
      setNumber(tiles.heap.value, history.last('heap'), (v) => (isKnown(v) ? `${Math.floor(v)} %` : UNKNOWN));
      const heap = entries(doc.heaps)[0]?.[1];
      note(tiles.heap, heap ? bytes(heap.used_bytes) : 'no heap', heap ? `${count(heap.gc_count)} ${heap.gc_count === 1 ? 'collection' : 'collections'}` : '');
      setNumber(tiles.rss.value, doc.process?.rss_bytes, bytes);
      note(tiles.rss, doc.process?.pss_bytes !== undefined ? `PSS ${bytes(doc.process.pss_bytes)}` : '', doc.process?.pss_bytes !== undefined ? `CPU ${Math.round(history.last('cpu')) || 0} %` : '');
      for (const t of Object.values(tiles)) t.spark.draw(history, doc.ts);
    },
  };
}
