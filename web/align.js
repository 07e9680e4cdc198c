// @ts-check
// align.js: which moment of run B belongs to a moment of run A: a fixed distance, or the moment by
// which B had served as many requests.

import { entries } from './observe.js';

/** @typedef {'clock' | 'mark' | 'first' | 'requests' | 'moment'} AlignKind */
/** @typedef {{ts: Float64Array, total: Float64Array}} Curve requests served by then, never falling */
/** @typedef {{offset_ns: number, curve: Curve | null}} Alignment curve: B's; the offset counts for nothing then */

/** @type {[AlignKind, string][]} */
export const ALIGNS = [
  ['clock', 'time since each began'], ['mark', 'a mark of both'], ['first', 'first request'], ['requests', 'requests served'], ['moment', 'a difference'],
];

/** How many requests were served at a document's moment. @param {any} doc @returns {number} NaN: nobody counts them */
export function servedBy(doc) {
  const servers = entries(doc?.servers);
  const rows = servers.length > 0 ? servers : entries(doc?.routes);
  if (rows.length === 0) return NaN;
  return rows.reduce((sum, [, row]) => sum + (row.requests ?? 0), 0);
}

/**
 * The requests served over a run, of an overview of the servers' (or routes') request totals.
 * @param {any} overview @returns {Curve | null} null when nothing counted them
 */
export function curveOf(overview) {
  const { from, to, series } = overview;
  const parts = series.length > 0 ? series[0].max.length : 0;
  if (parts === 0) return null;
  const ts = new Float64Array(parts + 1);
  const total = new Float64Array(parts + 1);
  const last = new Float64Array(series.length);
  ts[0] = from;
  series.forEach((/** @type {any} */ one, /** @type {number} */ k) => { last[k] = one.min.find((/** @type {number | null} */ v) => v !== null) ?? 0; });
  total[0] = last.reduce((sum, v) => sum + v, 0);
  for (let i = 0; i < parts; i += 1) {
    for (let k = 0; k < series.length; k += 1) {
      const value = series[k].max[i];
      if (value !== null && value > last[k]) last[k] = value;
    }
    ts[i + 1] = from + ((to - from) * (i + 1)) / parts;
    total[i + 1] = last.reduce((sum, v) => sum + v, 0);
  }
  return { ts, total };
}

/** When so many requests had been served. @param {Curve} curve @param {number} served @returns {number} ns; Infinity: never so many */
export function whenServed(curve, served) {
  const { ts, total } = curve;
  let low = 0;
  let high = total.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (total[middle] < served) low = middle + 1;
    else high = middle;
  }
  if (low === total.length) return Infinity;
  if (low === 0) return ts[0];
  const part = (served - total[low - 1]) / (total[low] - total[low - 1]);
  return ts[low - 1] + part * (ts[low] - ts[low - 1]);
}

/**
 * The moment of B for the moment of A.
 * @param {Alignment} alignment @param {number} ts of A @param {any} doc A's document then
 * @returns {number} NaN: it cannot be told; Infinity: behind B's end
 */
export function inB(alignment, ts, doc) {
  if (!alignment.curve) return ts + alignment.offset_ns;
  const served = servedBy(doc);
  return Number.isNaN(served) ? NaN : whenServed(alignment.curve, served);
}
