// @ts-check
// timeline.js: the mathematics of the timeline: pixels and time, zoom, ticks, envelopes to rates.

export const MIN_SPAN_NS = 1e9;
const RATE_SPAN_NS = 1e9;

/** @typedef {[number, number]} Span from and to, ns */

/** @param {number} ts @param {Span} span @param {number} width */
export function toX(ts, span, width) {
  return ((ts - span[0]) / (span[1] - span[0])) * width;
}

/** @param {number} x @param {Span} span @param {number} width */
export function toTs(x, span, width) {
  return span[0] + (x / width) * (span[1] - span[0]);
}

/**
 * Zoom about a moment, which stays where it is on the screen; within the run, a second at least.
 * @param {Span} span @param {number} at @param {number} factor above 1 shows more @param {number} end the run's
 * @returns {Span}
 */
export function zoom(span, at, factor, end) {
  const size = span[1] - span[0];
  const wanted = Math.max(Math.min(MIN_SPAN_NS, end), Math.min(size * factor, end));
  const from = at - ((at - span[0]) / size) * wanted;
  return within([from, from + wanted], end);
}

/** Move a span so that it lies within the run; its size stays where that is possible. @param {Span} span @param {number} end @returns {Span} */
export function within(span, end) {
  const size = Math.min(span[1] - span[0], end);
  const from = Math.max(0, Math.min(span[0], end - size));
  return [from, from + size];
}

/** Whether a span is the whole run, but for a hundredth. @param {Span} span @param {number} end */
export function isWhole(span, end) {
  return span[0] <= end * 0.005 && span[1] >= end * 0.995;
}

const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

/**
 * Round moments to label, at most `most`.
 * @param {Span} span @param {number} most
 * @returns {number[]}
 */
export function ticks(span, most) {
  const size = (span[1] - span[0]) / 1e9;
  const step = (STEPS_S.find((s) => size / s <= most) ?? Math.ceil(size / most / 86400) * 86400) * 1e9;
  const out = [];
  for (let k = Math.ceil(span[0] / step); k * step <= span[1] && out.length <= most; k += 1) out.push(k * step);
  return out;
}

/** A moment as a tick says it: 0:05, 3:12:00, 0:00.2 @param {number} ts @param {number} stepNs */
export function tickText(ts, stepNs) {
  const seconds = Math.round(ts / 1e8) / 10;
  const h = Math.floor(seconds / 3600);
  const m = Math.floor(seconds / 60) % 60;
  const s = stepNs < 1e9 ? (seconds % 60).toFixed(1).padStart(4, '0') : String(Math.floor(seconds % 60)).padStart(2, '0');
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${s}` : `${m}:${s}`;
}

/**
 * A lane of the timeline: the lowest and highest value of each part, NaN where none was recorded.
 * @typedef {{name: string, low: Float64Array, high: Float64Array, top: number}} Lane
 */

/**
 * How fast totals grew: [per part] the sum of the totals' growth since the part before, per second.
 * A total that fell has begun anew and counts as no growth. What one source lacks, others still count.
 * @param {{max: (number | null)[]}[]} totals @param {number} partNs
 * @returns {Float64Array}
 */
export function growth(totals, partNs) {
  const parts = totals[0]?.max.length ?? 0;
  const out = new Float64Array(parts).fill(NaN);
  for (const { max } of totals) {
    const known = [];
    for (let i = 0; i < parts; i += 1) if (max[i] !== null && max[i] !== undefined) known.push(i);
    let back = 0;
    for (let n = 1; n < known.length; n += 1) {
      const i = known[n];
      // Over a second at least, where parts are finer than that; a restart in between counts nothing.
      while (back < n - 1 && (i - known[back + 1]) * partNs >= RATE_SPAN_NS) back += 1;
      for (let k = n; k > back; k -= 1) if (Number(max[known[k]]) < Number(max[known[k - 1]])) back = k;
      const from = known[back];
      const speed = from === i ? 0 : (Number(max[i]) - Number(max[from])) / (((i - from) * partNs) / 1e9);
      // A part without a frame between two with one has the later one's value.
      const first = i - known[n - 1] <= 3 ? known[n - 1] + 1 : i;
      for (let k = first; k <= i; k += 1) out[k] = (Number.isNaN(out[k]) ? 0 : out[k]) + speed;
    }
  }
  return out;
}

/** The series whose highest growth within each part is asked for, too. */
export const PEAK_SERIES = ['owner/*/requests', 'owner/*/client_errors', 'owner/*/server_errors'];
/** parts as short as this have no burst that their mean would hide */
export const PEAK_PARTS_NS = 2 * RATE_SPAN_NS;

/** How fast totals grew at most: as their mean says, and as their peaks do where these are known. @param {Float64Array} mean @param {{peak?: (number | null)[]}[]} totals */
function peaks(mean, totals) {
  const out = mean.slice();
  for (let i = 0; i < out.length; i += 1) {
    let all = 0;
    for (const { peak } of totals) all += peak?.[i] ?? 0;
    if (all > out[i]) out[i] = all;
  }
  return out;
}

/** @param {string} name @param {Float64Array} low @param {Float64Array} high @returns {Lane} */
function lane(name, low, high) {
  let top = 0;
  for (const value of high) if (value > top) top = value;
  return { name, low, high, top };
}

/**
 * The lanes of an overview: request rate, error rate, fullest pool in percent, heap, RSS.
 * @param {any} overview
 * @param {Map<string, number>} capacity slots of each slab
 * @param {boolean} [isGrowing] whether more may come: then requests have their lanes before the first of them
 * @returns {Lane[]}
 */
export function lanes(overview, capacity, isGrowing = false) {
  const { series, from, to } = overview;
  const parts = series.length > 0 ? series[0].max.length : 0;
  if (parts === 0) return [];
  const of = (/** @type {string} */ kind, /** @type {string} */ field) => series.filter((/** @type {any} */ s) => s.kind === kind && s.field === field);
  const partNs = (to - from) / parts;
  const served = of('owner', 'requests');
  const failed = [...of('owner', 'server_errors'), ...of('owner', 'client_errors')];
  const out = [];
  for (const [name, totals] of /** @type {[string, any[]][]} */ ([['req/s', served], ['err/s', failed]])) {
    const mean = totals.length > 0 ? growth(totals, partNs) : new Float64Array(isGrowing ? parts : 0).fill(NaN);
    if (mean.length > 0) out.push(lane(name, mean, peaks(mean, totals)));
  }
  const slabs = of('slab', 'used');
  if (slabs.length > 0) {
    const low = new Float64Array(parts).fill(NaN);
    const high = new Float64Array(parts).fill(NaN);
    for (const s of slabs) {
      const slots = s.capacity ?? capacity.get(s.source);
      if (!slots) continue;
      for (let i = 0; i < parts; i += 1) {
        if (s.max[i] === null) continue;
        const share = (s.max[i] / slots) * 100;
        if (high[i] >= share) continue;
        high[i] = share;
        low[i] = (s.min[i] / slots) * 100;
      }
    }
    out.push({ ...lane('pool %', low, high), top: 100 });
  }
  for (const [kind, field, name] of [['heap', 'used_bytes', 'heap'], ['process', 'rss_bytes', 'RSS']]) {
    const rows = of(kind, field);
    if (rows.length === 0) continue;
    const low = new Float64Array(parts).fill(NaN);
    const high = new Float64Array(parts).fill(NaN);
    for (const s of rows) {
      for (let i = 0; i < parts; i += 1) {
        if (s.max[i] === null) continue;
        low[i] = (Number.isNaN(low[i]) ? 0 : low[i]) + s.min[i];
        high[i] = (Number.isNaN(high[i]) ? 0 : high[i]) + s.max[i];
      }
    }
    out.push(lane(name, low, high));
  }
  return out;
}

/**
 * The lowest and highest value of each column; NaN where there is none.
 * @param {Float64Array} low @param {Float64Array} high of the columns: filled
 * @param {Lane} lane @param {number} from x of the first part @param {number} wide columns a part @param {number} reach how many parts a value stands for when none follows
 */
export function columns(low, high, lane, from, wide, reach) {
  low.fill(NaN);
  high.fill(NaN);
  const parts = lane.high.length;
  for (let i = 0; i < parts; i += 1) {
    const most = lane.high[i];
    if (Number.isNaN(most)) continue;
    let stands = 1;
    while (stands < reach && i + stands < parts && Number.isNaN(lane.high[i + stands])) stands += 1;
    if (i + stands >= parts) stands = 1;
    const begin = Math.max(0, Math.floor(from + i * wide));
    const end = Math.min(low.length, Math.max(begin + 1, Math.ceil(from + (i + stands) * wide)));
    for (let x = begin; x < end; x += 1) {
      if (!(high[x] >= most)) high[x] = most;
      if (!(low[x] <= lane.low[i])) low[x] = lane.low[i];
    }
  }
}
