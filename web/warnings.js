// @ts-check
// warnings.js: what a person should look at, from one document and what came before it.

import { bytes, count, duration, percent, rate } from './format.js';
import { entries } from './observe.js';

export const WARN_PART = 0.8;
export const FULL_PART = 0.95;
const RECENT_NS = 60e9;
const GROWTH_SPAN_NS = 120e9;
const GROWTH_PARTS = 6;

/**
 * @typedef {object} Warning
 * @property {'critical' | 'warning'} level
 * @property {string} kind pool | overflow | growth | arena | heap | process | gap | recorder | errors
 * @property {string} name what it is about; with kind, its identity
 * @property {string} text
 * @property {number} [ts] a moment to jump to
 */

/** @param {number} part @returns {'' | 'warning' | 'critical'} */
export function levelOf(part) {
  if (part >= FULL_PART) return 'critical';
  return part >= WARN_PART ? 'warning' : '';
}

/** A hole of the recording, in words. @param {{dur: number, reason: string, lost: number}} gap */
export function gapText(gap) {
  return `${gap.reason === 'damaged' ? 'damaged recording' : gap.reason}${gap.dur > 0 ? `, ${duration(gap.dur)}` : ''}${gap.lost > 0 ? `, ${count(gap.lost)} lost` : ''}`;
}

/**
 * @param {any} doc
 * @param {import('./history.js').History} history
 * @param {{ts: number, dur: number, reason: string, lost: number}[]} gaps
 * @returns {Warning[]} worst first
 */
export function findWarnings(doc, history, gaps) {
  /** @type {Warning[]} */
  const out = [];
  /** @param {'critical' | 'warning'} level @param {string} kind @param {string} name @param {string} text @param {number} [ts] */
  const add = (level, kind, name, text, ts) => out.push({ level, kind, name, text, ts });
  const process = doc.process ?? {};
  if (process.stalled_ns > 0 || process.state === 'T' || process.state === 't') {
    add('critical', 'process', 'process', `The program stands still${process.stalled_ns > 0 ? ` for ${duration(process.stalled_ns)}` : ''}`);
  }
  for (const [name, pool] of entries(doc.pools)) {
    const level = pool.capacity > 0 ? levelOf(pool.used / pool.capacity) : '';
    if (level) add(level, 'pool', name, `${name} is ${percent(pool.used, pool.capacity)} full: ${count(pool.used)} of ${count(pool.capacity)} slots`);
    const now = history.last(`over:${name}`);
    if (pool.overflow > 0) {
      add(now > 0 ? 'critical' : 'warning', 'overflow', name, `${name} had no slot left ${count(pool.overflow)} times ${now > 0 ? 'so far, and just now' : 'so far, not now'}`);
    }
    if (onlyGrows(history, name, pool.capacity)) add('warning', 'growth', name, `${name} only grows: nothing comes back for two minutes`);
  }
  for (const [name, arena] of entries(doc.arenas)) {
    const level = arena.capacity_bytes > 0 ? levelOf(arena.used_bytes / arena.capacity_bytes) : '';
    if (level) add(level, 'arena', name, `Arena ${name} is ${percent(arena.used_bytes, arena.capacity_bytes)} full: ${bytes(arena.used_bytes)} of ${bytes(arena.capacity_bytes)}`);
    if (arena.overflow > 0) add('warning', 'arena', `${name} overflow`, `Arena ${name} fell back to the heap ${count(arena.overflow)} times so far`);
  }
  for (const [name, heap] of entries(doc.heaps)) {
    const level = heap.capacity_bytes > 0 ? levelOf(heap.used_bytes / heap.capacity_bytes) : '';
    if (level) add(level, 'heap', name, `Heap ${name} is ${percent(heap.used_bytes, heap.capacity_bytes)} full: ${bytes(heap.used_bytes)} of ${bytes(heap.capacity_bytes)}`);
  }
  if (process.cgroup_limit_bytes > 0 && process.cgroup_used_bytes / process.cgroup_limit_bytes >= WARN_PART) {
    add(levelOf(process.cgroup_used_bytes / process.cgroup_limit_bytes) || 'warning', 'process', 'cgroup', `The cgroup uses ${percent(process.cgroup_used_bytes, process.cgroup_limit_bytes)} of its memory limit`);
  }
  const failing = history.last('e5');
  if (failing > 0) add('critical', 'errors', 'server errors', `${rate(failing)} ${failing === 1 ? 'request a second fails' : 'requests a second fail'} with a server error`);
  if (doc.recorder?.events_lost > 0) add('warning', 'recorder', 'events lost', `The recorder lost ${count(doc.recorder.events_lost)} events since the start`);
  const recent = gaps.filter((gap) => gap.ts <= doc.ts && gap.ts + gap.dur > doc.ts - RECENT_NS);
  const newest = recent.reduce((a, b) => (b.ts > a.ts ? b : a), recent[0]);
  if (newest) add('warning', 'gap', 'gap', `${recent.length > 1 ? `${recent.length} gaps in the last minute, the newest: ` : 'Gap: '}${gapText(newest)}`, newest.ts);
  return out.sort((a, b) => (a.level === b.level ? 0 : a.level === 'critical' ? -1 : 1));
}

const low = new Float64Array(GROWTH_PARTS);
const high = new Float64Array(GROWTH_PARTS);

/**
 * Whether the lowest use of a pool rose from each sixth of the last two minutes to the next, by a
 * hundredth of its slots in all.
 * @param {import('./history.js').History} history
 * @param {string} name
 * @param {number} capacity
 */
export function onlyGrows(history, name, capacity) {
  if (history.length === 0) return false;
  const to = history.ts[history.at(history.length - 1)] + 1;
  history.envelope(`pool:${name}`, to - GROWTH_SPAN_NS, to, low, high);
  for (let i = 1; i < GROWTH_PARTS; i += 1) if (!(low[i] > low[i - 1])) return false;
  return low[GROWTH_PARTS - 1] - low[0] >= Math.max(2, capacity / 100);
}
