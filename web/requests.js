// @ts-check
// requests.js: a connection's events, as the requests that they tell of.

/**
 * @typedef {object} Request
 * @property {number} stream its stream's id; 0 where the protocol has none
 * @property {number} begin ts; NaN when that is not known
 * @property {number} end ts of the response; NaN while it is under way
 * @property {string} route
 * @property {number} status 0: none yet
 * @property {number} dur ns; NaN while it is under way
 * @property {number} arena_bytes
 * @property {number} bytes_out
 * @property {any[]} events oldest first
 */

/** @param {any} event */
const routeOf = (event) => [event.method, event.route].filter(Boolean).join(' ');

/**
 * @param {any[]} events of one connection, oldest first
 * @returns {Request[]} in the order in which they began
 */
export function requestsOf(events) {
  /** @type {Request[]} */
  const out = [];
  /** @type {Map<number, Request>} the newest of each stream */
  const open = new Map();
  for (const event of events) {
    if (!['stream_open', 'request', 'response', 'stream_close', 'overflow', 'error'].includes(event.type)) continue;
    const stream = event.stream_id ?? 0;
    let request = open.get(stream);
    const begins = event.type === 'stream_open' || (event.type === 'request' && request?.events.some((e) => e.type === 'request' || e.type === 'response'));
    if (!request || begins || (event.type === 'response' && request.status !== 0)) {
      if (event.type === 'stream_close' || event.type === 'error') continue;
      request = { stream, begin: NaN, end: NaN, route: '', status: 0, dur: NaN, arena_bytes: 0, bytes_out: 0, events: [] };
      open.set(stream, request);
      out.push(request);
    }
    request.events.push(event);
    if (event.type === 'request' || (event.type === 'stream_open' && Number.isNaN(request.begin))) request.begin = event.ts;
    if (event.type === 'request') request.route = routeOf(event);
    if (event.type !== 'response') continue;
    Object.assign(request, { end: event.ts, status: event.status ?? 0, dur: event.dur ?? NaN, arena_bytes: event.arena_bytes ?? 0, bytes_out: event.bytes_out ?? 0, route: routeOf(event) || request.route });
    if (Number.isNaN(request.begin)) request.begin = event.ts - (event.dur ?? 0);
  }
  return out;
}

/** What a request is at a moment: its status, or that it runs. @param {Request} request @param {number} ts */
export function requestState(request, ts) {
  if (Number.isNaN(request.end) || request.end > ts) return request.begin > ts ? 'to come' : 'under way';
  return String(request.status);
}
