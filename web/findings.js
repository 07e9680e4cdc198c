// @ts-check
// findings.js: what went wrong in a run, over all of it, from its overview: pools that were full or
// found no slot, arenas that fell back, errors, gaps, what only grows. Each with the moment it began.

import { count, duration, percent } from './format.js';
import { FULL_PART, WARN_PART } from './warnings.js';

/** stretches of use, and of failures, nearer to each other than this are one; as are those less than two parts apart */
const JOIN_NS = 3e9;
const FAIL_JOIN_NS = 1e9;
const SHOWN = 60;
const GROWTH_PARTS = 6;
/** what grew in a shorter run may just be starting */
const GROWTH_LEAST_NS = 30e9;
/** The series of the overview that this reads. */
export const FINDING_SERIES = ['slab/*/used', 'slab/*/overflow', 'arena/*/used_bytes', 'arena/*/overflow', 'heap/*/used_bytes', 'owner/*/server_errors'];

/**
 * @typedef {object} Finding
 * @property {'critical' | 'warning'} level
 * @property {string} kind pool | overflow | arena | heap | errors | growth | gap
 * @property {string} name
 * @property {string} text
 * @property {number} ts where it begins, to a part of the overview
 * @property {number} end
 */
/** @typedef {{from: number, to: number, peak: number}} Stretch in parts, `to` not included */

/**
 * Stretches in which a value reaches a limit; parts without a value neither begin nor end one.
 * @param {ArrayLike<number | null>} values @param {number} limit @param {number} join stretches with fewer parts between are one
 * @returns {Stretch[]}
 */
export function stretches(values, limit, join) {
  /** @type {Stretch[]} */
  const out = [];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i];
    if (value === null || value === undefined || !(value >= limit)) continue;
    const last = out[out.length - 1];
    if (last && i - last.to <= join) {
      last.to = i + 1;
      last.peak = Math.max(last.peak, value);
    } else {
      out.push({ from: i, to: i + 1, peak: value });
    }
  }
  return out;
}

/** How much a total grew in each part; a total that fell has begun anew. @param {(number | null)[]} max */
export function steps(max) {
  const out = new Float64Array(max.length);
  let before = NaN;
  for (let i = 0; i < max.length; i += 1) {
    const value = max[i];
    if (value === null || value === undefined) continue;
    // The first part may hold what happened before it, but not in this run's first part.
    if (Number.isNaN(before)) out[i] = i === 0 ? value : 0;
    else out[i] = value >= before ? value - before : value;
    before = value;
  }
  return out;
}

/** @param {Float64Array} values @param {number} from @param {number} to */
function sum(values, from, to) {
  let all = 0;
  for (let i = Math.max(0, from); i < Math.min(values.length, to); i += 1) all += values[i];
  return all;
}

/** Whether the lowest use of each sixth is above that of the sixth before. @param {(number | null)[]} min @param {number} capacity */
export function growsOnly(min, capacity) {
  let before = -Infinity;
  let first = 0;
  for (let part = 0; part < GROWTH_PARTS; part += 1) {
    let low = Infinity;
    for (let i = Math.floor((part * min.length) / GROWTH_PARTS); i < Math.floor(((part + 1) * min.length) / GROWTH_PARTS); i += 1) {
      const value = min[i];
      if (value !== null && value !== undefined && value < low) low = value;
    }
    if (low === Infinity || low <= before) return false;
    if (part === 0) first = low;
    before = low;
  }
  return before - first >= Math.max(2, capacity / 100);
}

/**
 * @param {any} overview with FINDING_SERIES
 * @param {{ts: number, dur: number, reason: string, lost: number}[]} gaps
 * @returns {Finding[]} the worst first, then in order of time
 */
export function findFindings(overview, gaps) {
  const { series, from, to } = overview;
  const parts = series[0]?.max.length ?? 0;
  const partNs = (to - from) / Math.max(1, parts);
  const join = Math.max(2, Math.ceil(JOIN_NS / partNs));
  const failJoin = Math.max(2, Math.ceil(FAIL_JOIN_NS / partNs));
  /** @type {Finding[]} */
  const out = [];
  /** @param {Finding['level']} level @param {string} kind @param {string} name @param {{from: number, to: number}} at @param {string} text */
  const add = (level, kind, name, at, text) => out.push({ level, kind, name, text, ts: from + at.from * partNs, end: from + at.to * partNs });
  const lasting = (/** @type {Stretch} */ at) => `for ${duration((at.to - at.from) * partNs)}`;
  const of = (/** @type {string} */ kind, /** @type {string} */ source, /** @type {string} */ field) => series.find((/** @type {any} */ s) => s.kind === kind && s.source === source && s.field === field);

  for (const s of series) {
    if (s.field === 'used' || s.field === 'used_bytes') {
      if (!(s.capacity > 0)) continue;
      const kind = s.kind === 'slab' ? 'pool' : s.kind;
      const what = s.kind === 'slab' ? s.source : `${s.kind} ${s.source}`;
      const fails = steps(of(s.kind, s.source, 'overflow')?.max ?? []);
      for (const at of stretches(s.max, s.capacity * WARN_PART, join)) {
        const part = at.peak / s.capacity;
        const failed = sum(fails, at.from - failJoin, at.to + failJoin);
        fails.fill(0, Math.max(0, at.from - failJoin), at.to + failJoin);
        const level = part >= FULL_PART || failed > 0 ? 'critical' : 'warning';
        add(level, kind, s.source, at, `${what} ${part >= 1 ? 'is full' : `reaches ${percent(at.peak, s.capacity)}`} ${lasting(at)}${failed > 0 ? `; ${count(failed)} times none was left` : ''}`);
      }
      for (const at of stretches(fails, 1, failJoin)) {
        const failed = sum(fails, at.from, at.to);
        if (s.kind === 'slab') add('critical', 'overflow', s.source, at, `${what} had no slot ${count(failed)} times ${lasting(at)}`);
        else add('warning', 'overflow', s.source, at, `${what} fell back to the heap ${count(failed)} times ${lasting(at)}`);
      }
      if (s.kind === 'slab' && to - from >= GROWTH_LEAST_NS && growsOnly(s.min, s.capacity)) add('warning', 'growth', s.source, { from: 0, to: parts }, `${what} only grows, from each sixth of the run to the next`);
    } else if (s.field === 'server_errors') {
      const fails = steps(s.max);
      for (const at of stretches(fails, 1, failJoin)) add('warning', 'errors', s.source, at, `${count(sum(fails, at.from, at.to))} server errors at ${s.source} ${lasting(at)}`);
    }
  }
  for (const gap of gaps) out.push({ level: 'warning', kind: 'gap', name: `gap ${gap.ts}`, text: `${gap.reason === 'damaged' ? 'damaged' : 'gap'}: ${gap.reason}${gap.dur > 0 ? `, ${duration(gap.dur)}` : ''}${gap.lost > 0 ? `, ${count(gap.lost)} lost` : ''}`, ts: gap.ts, end: gap.ts + gap.dur });
  return out.sort((a, b) => (a.level === b.level ? a.ts - b.ts : a.level === 'critical' ? -1 : 1)).slice(0, SHOWN);
}

/** Where collections were: the moments at which the overview's gc_count grew. @param {any} overview @returns {number[]} */
export function collections(overview) {
  const { series, from, to } = overview;
  /** @type {Set<number>} */
  const out = new Set();
  for (const s of series) {
    if (s.field !== 'gc_count') continue;
    const partNs = (to - from) / s.max.length;
    steps(s.max).forEach((grown, i) => {
      if (grown > 0 && i > 0) out.add(from + i * partNs);
    });
  }
  return [...out].sort((a, b) => a - b);
}
