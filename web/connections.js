// @ts-check
// connections.js: connections as the events tell them, bounded, newest use kept.

const EVENTS_PER_CONN = 64;

/**
 * @typedef {object} Conn
 * @property {number} id
 * @property {string} owner
 * @property {string} peer
 * @property {string} state a slot letter; '×' once closed
 * @property {number} opened ts of accept; NaN when that was before the page looked
 * @property {number} closed ts; NaN while open
 * @property {number} last ts of its newest event
 * @property {number} requests
 * @property {number} status of the last response, 0 none
 * @property {string} route of the last request
 * @property {number} bytes_in
 * @property {number} bytes_out
 * @property {number} slowest ns, of its responses
 * @property {number} failed responses with a status of 500 or more
 * @property {string} reason why it closed
 * @property {Map<number, number>} running since when each stream's request is under way
 * @property {any[]} events the newest, oldest first
 */

export class Connections {
  /** @param {number} limit how many are kept; the one unused longest goes first */
  constructor(limit) {
    this.limit = limit;
    /** @type {Map<number, Conn>} in order of last use */
    this.byId = new Map();
  }

  clear() {
    this.byId.clear();
  }

  /** The connection with an id, made if it is new, now the one used last. @param {number} id @returns {Conn} */
  use(id) {
    let conn = this.byId.get(id);
    if (conn) {
      this.byId.delete(id);
    } else {
      conn = { id, owner: '', peer: '', state: 'A', opened: NaN, closed: NaN, last: 0, requests: 0, status: 0, route: '', bytes_in: 0, bytes_out: 0, slowest: NaN, failed: 0, reason: '', running: new Map(), events: [] };
      if (this.byId.size >= this.limit) this.byId.delete(/** @type {number} */ (this.byId.keys().next().value));
    }
    this.byId.set(id, conn);
    return conn;
  }

  /** What is known of an open connection without an event of it. @param {number} id @param {string} owner @param {string} state its letter */
  know(id, owner, state) {
    const conn = this.use(id);
    if (conn.owner === '') conn.owner = owner;
    if (Number.isNaN(conn.closed)) conn.state = state;
  }

  /** @param {any} event */
  take(event) {
    const id = event.conn_id;
    if (!id) return;
    const conn = this.use(id);
    conn.last = event.ts;
    if (conn.events.length >= EVENTS_PER_CONN) conn.events.shift();
    conn.events.push(event);
    apply(conn, event);
  }

  /**
   * The connections that match, newest use first.
   * @param {(conn: Conn) => boolean} matches
   * @param {number} limit
   */
  list(matches, limit) {
    const all = [...this.byId.values()];
    const out = [];
    for (let i = all.length - 1; i >= 0 && out.length < limit; i -= 1) if (matches(all[i])) out.push(all[i]);
    return out;
  }
}

/** @param {Conn} conn @param {any} event */
function apply(conn, event) {
  switch (event.type) {
    case 'accept':
      conn.opened = event.ts;
      conn.peer = event.peer ?? '';
      conn.owner = event.owner ?? conn.owner;
      break;
    case 'request':
      conn.state = 'A';
      if (conn.running.size < EVENTS_PER_CONN) conn.running.set(event.stream_id ?? 0, event.ts);
      conn.route = `${event.method ?? ''} ${event.route ?? ''}`.trim();
      break;
    case 'response':
      conn.running.delete(event.stream_id ?? 0);
      conn.requests += 1;
      conn.status = event.status ?? 0;
      conn.route = `${event.method ?? ''} ${event.route ?? ''}`.trim();
      conn.bytes_in += event.bytes_in ?? 0;
      conn.bytes_out += event.bytes_out ?? 0;
      if (!(conn.slowest >= (event.dur ?? 0))) conn.slowest = event.dur ?? 0;
      if (event.status >= 500) conn.failed += 1;
      break;
    case 'state':
      conn.state = event.state ?? conn.state;
      break;
    case 'stream_close':
      conn.running.delete(event.stream_id ?? 0);
      break;
    case 'close':
      conn.running.clear();
      conn.closed = event.ts;
      conn.state = '×';
      conn.reason = event.detail ?? '';
      break;
    default:
  }
}

/** What a table of connections can be sorted by: for a connection, the larger, the more. @type {Record<string, (conn: Conn) => number | string>} */
export const SORTS = {
  id: (c) => c.id,
  peer: (c) => c.peer,
  owner: (c) => c.owner,
  state: (c) => c.state,
  requests: (c) => c.requests + c.running.size,
  route: (c) => c.route,
  status: (c) => c.status,
  slowest: (c) => (Number.isNaN(c.slowest) ? -1 : c.slowest),
  bytes_out: (c) => c.bytes_out,
  used: (c) => c.last,
};

/** @param {Conn[]} list @param {string} by a name of SORTS @param {boolean} down @returns {Conn[]} the same list, sorted; equal ones by id */
export function sortConns(list, by, down) {
  const value = SORTS[by] ?? SORTS.id;
  const sign = down ? -1 : 1;
  return list.sort((a, b) => {
    const x = value(a);
    const y = value(b);
    return (x < y ? -1 : x > y ? 1 : a.id - b.id) * sign;
  });
}
