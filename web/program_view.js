// @ts-check
// program_view.js: what a program tells of its own insides by the names of its metrics: its event
// loop, its libraries' memory, the table of strings, its interpreter. What it does not tell has no card.

import { byId, el, fact, setClass, setDerived, setNumber, setText } from './dom.js';
import { bytes, count, isKnown, percent, rate } from './format.js';
import { ownValue } from './patch.js';
import { createSpark } from './spark_view.js';
import { levelOf } from './warnings.js';

/** @typedef {import('./state.js').State} State */

/** A metric as the document has it; undefined where there is none. @param {State} state @param {string} name @returns {number | undefined} */
export function metricValue(state, name) {
  return ownValue(state.doc?.metrics, name)?.value;
}

const busy = (/** @type {unknown} */ v) => (isKnown(v) ? `${v} %` : '–');

/**
 * @typedef {object} Card
 * @property {string} title
 * @property {string} id
 * @property {string} wanted the metric without which there is no card
 * @property {{series: string, colour: string, top?: number}} [spark]
 * @property {[string, string, (v: unknown) => string, string][]} facts label, metric, how to show it, hint; a counter is shown as its rate
 */

/** @type {Card[]} */
const CARDS = [
  { title: 'Event loop', id: 'loop', wanted: 'loop_busy', spark: { series: 'value:loop_busy', colour: 'c6', top: 100 }, facts: [
    ['busy', 'loop_busy', busy, 'share of the time in which it worked rather than waited'],
    ['turns', 'loop_turns', count, 'how often it went round, per second'],
    ['handles', 'loop_handles', count, 'sockets, timers and the like that it watches'],
    ['queued', 'loop_queued', count, 'its own requests under way: writes, look-ups, work for its threads'],
  ] },
  { title: 'Interpreter', id: 'interpreter', wanted: 'scheme_steps', spark: { series: 'metric:scheme_steps', colour: 'c2' }, facts: [
    ['steps', 'scheme_steps', count, 'calls and jumps of the Scheme machine, per second'],
  ] },
];

const LIBRARIES = /** @type {[string, string, string][]} */ ([
  ['OpenSSL', 'ssl_bytes', 'what its malloc holds: contexts, sessions, keys'],
  ['nghttp2', 'nghttp2_bytes', 'sessions, streams and frames of HTTP/2'],
  ['libuv', 'libuv_bytes', 'the loop, its watchers and queues'],
]);

/** @param {Card} card @param {State} state */
function createCard(card, state) {
  const parent = byId(card.id);
  parent.dataset.source = card.id;
  const facts = card.facts.map(([label, name, format, title]) => ({ ...fact(label, name, title), name, format }));
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'spark' }));
  const spark = card.spark ? createSpark(canvas, { ...card.spark, height: 30 }) : null;
  parent.append(el('div', { class: 'card-head' }, el('h3', {}, card.title)), ...(spark ? [el('div', { class: 'spark-box' }, canvas)] : []), el('dl', { class: 'facts' }, ...facts.map((f) => f.row)));
  return () => {
    parent.hidden = metricValue(state, card.wanted) === undefined;
    if (parent.hidden) return;
    for (const { name, value, format } of facts) {
      const now = metricValue(state, name);
      if (state.source('counter', name)) setDerived(value, now, `${rate(state.history.last(`metric:${name}`))} /s`);
      else setNumber(value, now, format);
    }
    spark?.draw(state.history, state.ts);
  };
}

/** What libraries hold, with their sum, and how full the table of strings is. @param {State} state */
function createLibraries(state) {
  const parent = byId('libraries');
  parent.dataset.source = 'libraries';
  const total = el('span', { class: 'occupancy' });
  const facts = LIBRARIES.map(([label, name, title]) => ({ ...fact(label, name, title), name }));
  const strings = el('span', { 'data-field': 'strings' });
  const room = el('span', { 'data-field': 'strings_room' });
  const part = el('span', { class: 'percent' });
  const fill = el('span', { class: 'bar-fill' });
  const bar = el('div', { class: 'bar', 'aria-hidden': 'true' }, fill);
  const table = el('div', { class: 'arena', title: 'routes, owners and reasons that have an id; what does not fit is counted under “(other)”' }, el('div', { class: 'card-head' }, el('h4', {}, 'interned strings'), el('span', { class: 'occupancy' }, strings, ' / ', room, ' ', part)), bar);
  parent.append(el('div', { class: 'card-head' }, el('h3', {}, 'Libraries’ memory'), total), el('dl', { class: 'facts' }, ...facts.map((f) => f.row)), table);
  return () => {
    const known = facts.map(({ name }) => metricValue(state, name));
    const used = metricValue(state, 'strings');
    const most = metricValue(state, 'strings_room');
    parent.hidden = known.every((v) => v === undefined) && used === undefined;
    if (parent.hidden) return;
    setText(total, bytes(known.reduce((/** @type {number} */ sum, v) => sum + (v ?? 0), 0)));
    facts.forEach(({ row, value }, i) => {
      row.hidden = known[i] === undefined;
      setNumber(value, known[i], bytes);
    });
    table.hidden = used === undefined || !most;
    if (used === undefined || !most) return;
    setNumber(strings, used, count);
    setNumber(room, most, count);
    setText(part, percent(used, most));
    fill.style.width = `${Math.min(100, (used / most) * 100)}%`;
    setClass(bar, 'is-critical', levelOf(used / most) === 'critical');
    setClass(bar, 'is-warning', levelOf(used / most) === 'warning');
  };
}

/** @param {State} state */
export function createProgramView(state) {
  const draw = [...CARDS.map((card) => createCard(card, state)), createLibraries(state)];
  return () => {
    for (const one of draw) one();
  };
}
