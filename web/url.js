// @ts-check
// url.js: what the page shows, as a URL fragment and back, so that a link reopens the moment.

import { ALIGNS } from './align.js';

/**
 * @typedef {object} Place
 * @property {string} [run] which run, as in /api/runs
 * @property {number} [ts] the moment, ns; absent: live, or a recording's first frame
 * @property {number | 'max'} [speed]
 * @property {boolean} [playing]
 * @property {[number, number]} [view] the timeline's span, ns; absent: the whole run
 * @property {[number, number]} [selected] a span of time, ns
 * @property {string} [pool]
 * @property {number} [slot]
 * @property {number} [conn]
 * @property {number} [stream] a request of that connection
 * @property {string} [route]
 * @property {number} [mark]
 * @property {boolean} [owners] slots have their owners' colours
 * @property {string} [filter]
 * @property {string} [tab]
 * @property {string} [b] the run beside it
 * @property {import('./align.js').AlignKind} [align] by what the two stand beside each other; absent: the time since each began
 * @property {string} [label] the mark of both
 * @property {number} [offset] B's moment less A's, ns
 */

const MAX_SPEED = 1000;
const MIN_SPEED = 0.1;

/** @param {string | null} text @returns {number | undefined} a whole number of ns, not negative */
function wholeNumber(text) {
  if (text === null || !/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** @param {string | null} text */
function runKey(text) {
  return text !== null && /^\d{1,10}(\.\d{1,10})?$/.test(text) ? text : undefined;
}

/** @param {string | null} text @returns {[number, number] | undefined} */
function span(text) {
  const match = /^(\d{1,16})-(\d{1,16})$/.exec(text ?? '');
  if (!match) return undefined;
  const from = Number(match[1]);
  const to = Number(match[2]);
  return to > from ? [from, to] : undefined;
}

/** @param {string | null} text @returns {number | 'max' | undefined} a speed that the server takes */
export function parseSpeed(text) {
  if (text === 'max') return 'max';
  if (text === null || !/^-?\d+(\.\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Math.abs(value) >= MIN_SPEED && Math.abs(value) <= MAX_SPEED ? value : undefined;
}

/** @param {Place} place @returns {string} without the leading # */
export function encodePlace(place) {
  const out = new URLSearchParams();
  if (place.run) out.set('run', place.run);
  if (place.ts !== undefined) out.set('ts', String(Math.round(place.ts)));
  if (place.speed !== undefined && place.speed !== 1) out.set('speed', String(place.speed));
  if (place.playing) out.set('play', '1');
  if (place.view) out.set('view', place.view.map(Math.round).join('-'));
  if (place.selected) out.set('sel', place.selected.map(Math.round).join('-'));
  if (place.pool) out.set('pool', place.pool);
  if (place.slot !== undefined) out.set('slot', String(place.slot));
  if (place.conn !== undefined) out.set('conn', String(place.conn));
  if (place.stream !== undefined) out.set('stream', String(place.stream));
  if (place.route) out.set('route', place.route);
  if (place.mark !== undefined) out.set('mark', String(place.mark));
  if (place.owners) out.set('by', 'owner');
  if (place.filter) out.set('filter', place.filter);
  if (place.tab) out.set('tab', place.tab);
  if (place.b) out.set('b', place.b);
  if (place.align && place.align !== 'clock') out.set('align', place.align);
  if (place.label) out.set('label', place.label);
  if (place.offset !== undefined) out.set('offset', String(Math.round(place.offset)));
  return out.toString();
}

/** @param {string} text with or without #; what does not parse is left out @returns {Place} */
export function decodePlace(text) {
  const query = new URLSearchParams(text.replace(/^#/, ''));
  /** @type {Place} */
  const place = {};
  place.run = runKey(query.get('run'));
  place.ts = wholeNumber(query.get('ts'));
  place.speed = parseSpeed(query.get('speed'));
  if (query.get('play') === '1') place.playing = true;
  place.view = span(query.get('view'));
  place.selected = span(query.get('sel'));
  place.pool = query.get('pool')?.slice(0, 300) || undefined;
  place.slot = wholeNumber(query.get('slot'));
  place.conn = wholeNumber(query.get('conn'));
  place.stream = wholeNumber(query.get('stream'));
  place.route = query.get('route')?.slice(0, 300) || undefined;
  place.mark = wholeNumber(query.get('mark'));
  if (query.get('by') === 'owner') place.owners = true;
  place.filter = query.get('filter')?.slice(0, 300) || undefined;
  place.tab = query.get('tab')?.slice(0, 20) || undefined;
  place.b = runKey(query.get('b'));
  place.align = ALIGNS.find(([kind]) => kind === query.get('align'))?.[0];
  place.label = query.get('label')?.slice(0, 300) || undefined;
  const offset = query.get('offset') ?? '';
  const size = wholeNumber(offset.replace(/^-/, ''));
  place.offset = size === undefined ? undefined : offset.startsWith('-') ? -size : size;
  for (const key of /** @type {(keyof Place)[]} */ (Object.keys(place))) {
    if (place[key] === undefined) delete place[key];
  }
  return place;
}
