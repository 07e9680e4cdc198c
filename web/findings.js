// @ts-check
// findings.js: what went wrong in a run, over all of it, from its overview: pools that were full or
// found no slot, arenas that fell back, errors, gaps, what only grows. Each with the moment it began.

import { count, duration, percent } from './format.js';
import { FULL_PART, gapText, WARN_PART } from './warnings.js';

/** stretches of use, and of failures, nearer to each other than this are one; as are those less than two parts apart */
const JOIN_NS = 3e9;
const FAIL_JOIN_NS = 1e9;
/** beside gaps, of which the page keeps a bounded number */
const KEPT = 1000;
/** so many of one kind are a row each, more are one */
const ROWS_OF_A_KIND = 2;
/** of a server's answers: that many or more of them failing is as bad as a full pool */
const FAILING_PART = 0.05;
/** of the most failures that a part of a stretch has; with less before and behind it, it begins and ends */
const LOUD_PART = 0.05;
const GROWTH_PARTS = 6;
/** what grew in a shorter run may just be starting */
const GROWTH_LEAST_NS = 30e9;

/**
 * @typedef {object} Finding
 * @property {'critical' | 'warning'} level
 * @property {string} kind pool | overflow | arena | heap | errors | growth | gap
 * @property {string} name
 * @property {string} text
 * @property {number} ts where it begins, to a part of the overview
 * @property {number} end
 * @property {number} times how often something was not to be had, failed or was lost
 * @property {number} part the most of it in use, of 1; 0 where there is no such thing
 */
/** @typedef {{key: string, level: Finding['level'], text: string, all: Finding[]}} Group one row of the list, of one finding or of several alike */
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

/** A stretch of failures in up to three: few ones just before and behind many are not those. @param {Float64Array} fails @param {Stretch} stretch @returns {Stretch[]} */
function byLoudness(fails, stretch) {
  const inside = fails.subarray(stretch.from, stretch.to);
  const least = Math.max(...inside) * LOUD_PART;
  const from = stretch.from + inside.findIndex((n) => n >= least);
  const to = stretch.from + inside.findLastIndex((n) => n >= least) + 1;
  return [{ ...stretch, to: from }, { ...stretch, from, to }, { ...stretch, from: to }].filter((part) => sum(fails, part.from, part.to) > 0);
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
 * @param {any} overview with FINDING_SERIES (first_asks.js)
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
  /** @param {Finding['level']} level @param {string} kind @param {string} name @param {{from: number, to: number}} at @param {string} text @param {number} [times] @param {number} [part] */
  const add = (level, kind, name, at, text, times = 0, part = 0) => out.push({ level, kind, name, text, ts: from + at.from * partNs, end: from + at.to * partNs, times, part });
  const lasting = (/** @type {Stretch} */ at) => `for ${duration((at.to - at.from) * partNs)}`;
  const of = (/** @type {string} */ kind, /** @type {string} */ source, /** @type {string} */ field) => series.find((/** @type {any} */ s) => s.kind === kind && s.source === source && s.field === field);

  for (const s of series) {
    if (s.field === 'used' || s.field === 'used_bytes') {
      if (!(s.capacity > 0)) continue;
      const kind = s.kind === 'slab' ? 'pool' : s.kind;
      const what = s.kind === 'slab' ? s.source : `${s.kind === 'heap' ? 'Heap' : 'Arena'} ${s.source}`;
      const fails = steps(of(s.kind, s.source, 'overflow')?.max ?? []);
      for (const at of stretches(s.max, s.capacity * WARN_PART, join)) {
        const part = at.peak / s.capacity;
        const failed = sum(fails, at.from - failJoin, at.to + failJoin);
        fails.fill(0, Math.max(0, at.from - failJoin), at.to + failJoin);
        const level = part >= FULL_PART || failed > 0 ? 'critical' : 'warning';
        // A part may be a minute: mostly below the limit within its parts, it was not so all the time.
        const inner = s.min.slice(at.from + 1, at.to - 1).filter((/** @type {number | null} */ low) => low !== null);
        const again = inner.filter((/** @type {number} */ low) => low < s.capacity * WARN_PART).length * 2 > inner.length;
        add(level, kind, s.source, at, `${what} ${part >= 1 ? 'is full' : `reaches ${percent(at.peak, s.capacity)}`} ${again ? `again and again ${lasting(at).replace('for', 'over')}` : lasting(at)}${failed > 0 ? `; ${count(failed)} times none was left` : ''}`, failed, part);
      }
      for (const at of stretches(fails, 1, failJoin)) {
        const failed = sum(fails, at.from, at.to);
        if (s.kind === 'slab') add('critical', 'overflow', s.source, at, `${what} had no slot ${count(failed)} times ${lasting(at)}`, failed);
        else add('warning', 'overflow', s.source, at, `${what} fell back to the heap ${count(failed)} times ${lasting(at)}`, failed);
      }
      if (s.kind === 'slab' && to - from >= GROWTH_LEAST_NS && growsOnly(s.min, s.capacity)) add('warning', 'growth', s.source, { from: 0, to: parts }, `${what} only grows, from each sixth of the run to the next`);
    } else if (s.field === 'server_errors') {
      const fails = steps(s.max);
      const asked = steps(of(s.kind, s.source, 'requests')?.max ?? []);
      for (const at of stretches(fails, 1, failJoin).flatMap((stretch) => byLoudness(fails, stretch))) {
        const failed = sum(fails, at.from, at.to);
        const all = sum(asked, at.from, at.to);
        add(failed >= all * FAILING_PART && all > 0 ? 'critical' : 'warning', 'errors', s.source, at, `${count(failed)} server ${failed === 1 ? 'error' : 'errors'} at ${s.source} ${lasting(at)}${all > 0 ? `, ${percent(Math.min(failed, all), all)} of its answers` : ''}`, failed);
      }
    }
  }
  out.splice(KEPT);
  for (const gap of gaps) out.push({ level: 'warning', kind: 'gap', name: gap.reason, text: `Gap: ${gapText(gap)}`, ts: gap.ts, end: gap.ts + gap.dur, times: gap.lost, part: 0 });
  return out.sort((a, b) => (a.level === b.level ? a.ts - b.ts : a.level === 'critical' ? -1 : 1));
}

/** What several findings alike come to, in words. @param {Finding[]} all */
function groupText(all) {
  const [{ kind, name }] = all;
  const often = `${count(all.length)} times`;
  const lasting = duration(all.reduce((ns, f) => ns + f.end - f.ts, 0));
  const times = all.reduce((n, f) => n + f.times, 0);
  const most = Math.max(...all.map((f) => f.part));
  switch (kind) {
    case 'gap': return `${count(all.length)} gaps: ${name}, ${lasting} in all${times > 0 ? `, ${count(times)} lost` : ''}`;
    case 'errors': return `${count(times)} server errors at ${name}, in ${count(all.length)} stretches of ${lasting} in all`;
    case 'overflow': return `${name} had none left ${count(times)} times, in ${count(all.length)} stretches of ${lasting} in all`;
    default: return `${name} ${most >= 1 ? 'was full' : `reached ${percent(most, 1)}`} ${often}, for ${lasting} in all${times > 0 ? `; ${count(times)} times none was left` : ''}`;
  }
}

/**
 * The rows of a list of findings: what is alike and often is one row.
 * @param {Finding[]} findings @returns {Group[]} in the order of each one's first
 */
export function groupFindings(findings) {
  /** @type {Map<string, Finding[]>} */
  const alike = new Map();
  for (const finding of findings) {
    const key = `${finding.level} ${finding.kind}:${finding.name}`;
    const all = alike.get(key);
    if (all) all.push(finding);
    else alike.set(key, [finding]);
  }
  /** @type {Group[]} */
  const out = [];
  const told = new Set();
  for (const finding of findings) {
    const { level } = finding;
    const key = `${level} ${finding.kind}:${finding.name}`;
    const all = /** @type {Finding[]} */ (alike.get(key));
    // A row keeps its name while a live run goes on and its moment is known ever more exactly.
    if (all.length <= ROWS_OF_A_KIND) out.push({ key: `${key} ${all.indexOf(finding)}`, level, text: finding.text, all: [finding] });
    else if (!told.has(key)) out.push({ key, level, text: groupText(all), all });
    told.add(key);
  }
  return out;
}

/** Where a click on a row goes: to its first, or to the one behind the moment shown. @param {Group} group @param {number} ts @returns {Finding} */
export function nextOfGroup(group, ts) {
  return group.all.find((f) => f.ts > ts) ?? group.all[0];
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
