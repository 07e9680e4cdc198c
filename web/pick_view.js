// @ts-check
// pick_view.js: what is looked at, in the column beside: a pool, a slot of it, the connection that
// holds it, a request of that; or a route; or a mark. The way there stands on top, and leads back.

import { el } from './dom.js';
import { eventTable, factList, link, plainTable } from './event_view.js';
import { bytes, clock, count, countExact, duration, rate, UNKNOWN } from './format.js';
import { ownValue } from './patch.js';
import { letterName, ownersTable, slotText } from './pool_view.js';
import { requestsOf, requestState } from './requests.js';

const EVENTS_SHOWN = 200;
const REQUESTS_SHOWN = 60;
const HELD_SHOWN = 24;

/** @typedef {import('./state.js').State} State */

/** @param {State} state @param {any} actions */
export function createPickView(state, actions) {
  /** The way to what is looked at. */
  function path() {
    const { pool, slot, conn, stream, route, mark } = state.pick;
    /** @type {[string, import('./state.js').State['pick']][]} */
    const steps = [];
    if (pool !== undefined) steps.push([pool, { pool }]);
    if (pool !== undefined && slot !== undefined) steps.push([`slot ${slot}`, { pool, slot }]);
    if (conn !== undefined) steps.push([`connection ${conn}`, { pool, slot, conn }]);
    if (conn !== undefined && stream !== undefined) steps.push([`request ${stream}`, { pool, slot, conn, stream }]);
    if (route !== undefined) steps.push([route, { route }]);
    if (mark !== undefined) steps.push(['mark', { mark }]);
    const items = steps.map(([text, pick], i) => (i === steps.length - 1 ? el('li', {}, el('span', { 'aria-current': 'true' }, text)) : el('li', {}, link(text, () => actions.look(pick), `Back to ${text}`))));
    return el('nav', { 'aria-label': 'The way here' }, el('ol', { class: 'path' }, ...items));
  }

  /** @param {string} pool */
  function drawPool(pool) {
    const values = state.doc.pools[pool];
    const map = state.maps.get(pool);
    const out = [factList([['used', countExact(values.used)], ['free', countExact(values.free)], ['high water', countExact(values.high_water)], ['taken', countExact(values.allocs)], ['given back', countExact(values.frees)], ['overflow', countExact(values.overflow)]])];
    if (map) {
      const input = /** @type {HTMLInputElement} */ (el('input', { type: 'number', min: 0, max: map.slotCount - 1, 'aria-label': `Slot of ${pool}, 0 to ${map.slotCount - 1}`, placeholder: 'slot' }));
      const show = el('button', { type: 'submit' }, 'Show slot');
      const form = el('form', { class: 'sql-bar' }, input, show, ...(map.slotCount > 1024 ? [link('Enlarge the map', () => actions.enlarge(pool))] : []));
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        const slot = Number(input.value);
        if (input.value !== '' && Number.isInteger(slot) && slot >= 0 && slot < map.slotCount) actions.pick(pool, slot);
      });
      out.push(form, el('p', { class: 'dim' }, 'Or click a slot of its map: its state, owner, holder and history.'));
      if (map.owners) out.push(el('h4', {}, 'Owners'), ownersTable(state, map, state.source('slab', pool)));
    }
    return out;
  }

  /** @param {string} pool @param {number} slot */
  function drawSlot(pool, slot) {
    const source = state.source('slab', pool);
    const facts = actions.slotFacts(pool, slot, () => state.changed('pick'));
    const out = [el('p', { 'data-field': 'slot-text' }, slotText(state, pool, slot, facts))];
    if (facts?.conn) out.push(el('p', {}, link(`Connection ${facts.conn}`, () => actions.look({ pool, slot, conn: facts.conn }), 'Show the connection that holds it')));
    out.push(el('h4', {}, 'History'));
    if (state.pickRows === null) return [...out, el('p', { class: 'dim' }, state.pickNote || 'asking…')];
    if (state.pickRows.length === 0) return [...out, el('p', { class: 'dim' }, 'No change of this slot is recorded up to this moment.')];
    return [...out, ...(state.pickNote ? [el('p', { class: 'dim' }, state.pickNote)] : []), plainTable(['at', 'became', 'owner', 'connection'], state.pickRows.map(([ts, , now, owner, connId]) => el('tr', {}, el('td', {}, link(clock(ts), () => actions.seek(ts))), el('td', {}, letterName(String(now ?? ''), source)), el('td', {}, String(owner ?? '')), el('td', {}, connId ? link(String(connId), () => actions.look({ pool, slot, conn: Number(connId) })) : ''))))];
  }

  /** @param {number} id @returns {any[]} its events, oldest first, up to the moment where the page has only what came */
  const eventsOf = (id) => state.pickRows ?? state.conns.byId.get(id)?.events ?? [];

  /** @param {number} id */
  function drawConn(id) {
    const events = eventsOf(id);
    const conn = connAt(events, state.ts);
    const known = events.length > 0;
    const out = [];
    if (known) {
      out.push(factList([['peer', conn.peer || UNKNOWN, 'wide'], ['server', conn.owner || UNKNOWN], ['opened', Number.isNaN(conn.opened) ? 'earlier' : clock(conn.opened)], ['closed', conn.closed <= state.ts ? `${clock(conn.closed)}: ${conn.reason}` : 'still open'], ['responses', countExact(conn.requests)], ['bytes out', bytes(conn.bytes_out)]]));
      out.push(el('h4', {}, 'Holds at this moment'), ...heldList());
      out.push(...requestList(id, events));
    } else {
      out.push(el('p', { class: 'dim' }, state.pickNote || 'No event of it is near this moment.'));
    }
    const before = events.filter((event) => event.ts <= state.ts + state.intervalNs);
    const later = events.length - before.length;
    if (known) out.push(el('h4', {}, later > 0 && before.length > 0 ? `Events up to this moment, ${count(later)} later` : 'Events'), eventTable((before.length > 0 ? before : events).slice(-EVENTS_SHOWN).reverse(), false, actions));
    return out;
  }

  /** The slots that the connection holds, a line a pool. */
  function heldList() {
    if (state.held.length === 0) return [el('p', { class: 'dim' }, 'no slot of a pool that tells its holders')];
    /** @type {Map<string, number[]>} */
    const pools = new Map();
    for (const { pool, slot } of state.held) pools.set(pool, [...pools.get(pool) ?? [], slot]);
    return [...pools].map(([pool, slots]) => el('p', { class: 'held' }, el('span', { class: 'dim' }, pool), ...slots.slice(0, HELD_SHOWN).map((slot) => link(String(slot), () => actions.pick(pool, slot), `Show slot ${slot} of ${pool}`)), slots.length > HELD_SHOWN ? `and ${slots.length - HELD_SHOWN} more` : ''));
  }

  /** @param {number} id @param {any[]} events */
  function requestList(id, events) {
    const all = requestsOf(events);
    if (all.length === 0) return [];
    // What is under way, and what was last, is what is looked for.
    const begun = all.filter((r) => r.begin <= state.ts);
    const near = begun.slice(-REQUESTS_SHOWN).reverse();
    const rest = [near.length < begun.length ? `${near.length} of ${countExact(begun.length)}` : '', all.length > begun.length ? `${countExact(all.length - begun.length)} later` : ''].filter(Boolean).join('; ');
    if (near.length === 0) return [el('h4', {}, `Requests: ${countExact(all.length)}, all after this moment`)];
    const rows = near.map((r) => el('tr', { class: r.status >= 500 ? 'is-critical' : '' }, el('td', {}, link(clock(r.begin), () => actions.look({ ...state.pick, conn: id, stream: r.stream }), 'Show this request')), el('td', { class: 'what' }, r.route || UNKNOWN), el('td', {}, requestState(r, state.ts)), el('td', { class: 'num' }, duration(r.end <= state.ts ? r.dur : state.ts - r.begin))));
    return [el('h4', {}, `Requests up to this moment, newest first${rest ? ` (${rest})` : ''}`), plainTable(['began', 'route', 'state', 'took'], rows)];
  }

  /** @param {number} id @param {number} stream */
  function drawRequest(id, stream) {
    const all = requestsOf(eventsOf(id)).filter((r) => r.stream === stream);
    const request = all.filter((r) => r.begin <= state.ts).at(-1) ?? all[0];
    if (!request) return [el('p', { class: 'dim' }, state.pickNote || 'Its events are not near this moment.')];
    const done = request.end <= state.ts;
    return [el('h3', {}, request.route || UNKNOWN),
      factList([['state', requestState(request, state.ts)], ['began', clock(request.begin)], ['took', duration(done ? request.dur : state.ts - request.begin)], ['ended', done ? clock(request.end) : UNKNOWN], ['arena', request.arena_bytes > 0 ? bytes(request.arena_bytes) : UNKNOWN], ['bytes out', bytes(request.bytes_out)]]),
      el('p', {}, link('to its begin', () => actions.seek(request.begin + state.intervalNs)), ' · ', link('to its end', () => actions.seek(Number.isNaN(request.end) ? state.ts : request.end + state.intervalNs)), ' · ', link('its route', () => actions.look({ route: request.route }))),
      el('h4', {}, 'Events'), eventTable([...request.events].reverse(), false, actions)];
  }

  /** @param {string} name */
  function drawRoute(name) {
    const route = ownValue(state.doc.routes, name);
    if (!route) return [el('p', { class: 'dim' }, 'This route has no request yet at this moment.')];
    const last = (/** @type {string} */ what) => state.history.last(`route:${name}:${what}`);
    const out = [factList([['requests', `${rate(last('req'))} /s`], ['4xx', countExact(route.client_errors)], ['5xx', countExact(route.server_errors)], ['p50', duration(route.p50_ns)], ['p95', duration(route.p95_ns)], ['p99', duration(route.p99_ns)], ['slowest', duration(route.max_ns)], ['out', `${bytes(Math.round(last('out')))}/s`], ['in all', countExact(route.requests)]]),
      el('p', {}, link('filter connections by it', () => actions.filterBy('route', name.split(' ').at(-1) ?? name))), el('h4', {}, 'Slowest of the minute before')];
    if (state.pickRows === null) return [...out, el('p', { class: 'dim' }, state.pickNote || 'asking…')];
    if (state.pickRows.length === 0) return [...out, el('p', { class: 'dim' }, 'No request of it ended in that minute.')];
    return [...out, plainTable(['began', 'took', 'status', 'connection'], state.pickRows.map(([ts, dur, status, connId, stream]) => el('tr', { class: status >= 500 ? 'is-critical' : '' }, el('td', {}, link(clock(ts), () => actions.seek(ts + state.intervalNs))), el('td', { class: 'num' }, duration(dur)), el('td', {}, String(status ?? '')), el('td', {}, connId ? link(String(connId), () => actions.look({ conn: Number(connId), stream: Number(stream ?? 0) })) : ''))))];
  }

  /** @param {number} id */
  function drawMark(id) {
    const mark = state.marks.find((m) => m.mark_id === id);
    if (!mark) return [el('p', { class: 'dim' }, 'This mark is not here any more.')];
    return [el('h3', {}, `▲ ${mark.label}`),
      factList([['at', clock(mark.ts)], ['lasts', mark.dur > 0 ? duration(mark.dur) : UNKNOWN], ['by', mark.author || UNKNOWN]]),
      el('p', {}, link('go there', () => actions.seek(mark.ts)), ' · ', link('edit', () => actions.editMark(mark), 'Change or remove it'), ...(mark.dur > 0 ? [' · ', link('select its time', () => actions.select([mark.ts, mark.ts + mark.dur]))] : []))];
  }

  return {
    /** @returns {HTMLElement[]} */
    draw() {
      const { pool, slot, conn, stream, route, mark } = state.pick;
      if (!state.doc) return [];
      if (conn !== undefined) return [path(), ...(stream !== undefined ? drawRequest(conn, stream) : [heading(`Connection ${conn}`), ...drawConn(conn)])];
      if (pool !== undefined && ownValue(state.doc.pools, pool)) return [path(), heading(slot !== undefined ? `Slot ${slot} of ${pool}` : pool), ...(slot !== undefined ? drawSlot(pool, slot) : drawPool(pool))];
      if (route !== undefined) return [path(), heading(route), ...drawRoute(route)];
      if (mark !== undefined) return [path(), ...drawMark(mark)];
      return [el('p', { class: 'empty' }, 'Click a slot, a pool’s name, a connection, a route or a mark to see more of it here.')];
    },
  };
}

/** What the path ends with, for who hears the page rather than sees it. @param {string} text */
function heading(text) {
  return el('h3', { class: 'visually-hidden' }, text);
}

/** What events, oldest first, say of their connection up to a moment. @param {any[]} events @param {number} ts */
export function connAt(events, ts) {
  const conn = { peer: '', owner: '', opened: NaN, closed: NaN, reason: '', requests: 0, bytes_out: 0 };
  for (const event of events) {
    if (event.type === 'accept') Object.assign(conn, { peer: event.peer ?? '', owner: event.owner ?? '', opened: event.ts });
    if (event.type === 'close') Object.assign(conn, { closed: event.ts, reason: event.detail ?? '' });
    if (event.type !== 'response' || event.ts > ts) continue;
    conn.requests += 1;
    conn.bytes_out += event.bytes_out ?? 0;
  }
  return conn;
}
