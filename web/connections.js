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
 * @property {string} reason why it closed
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

  /** @param {any} event */
  take(event) {
    const id = event.conn_id;
    if (!id) return;
    let conn = this.byId.get(id);
    if (conn) {
      this.byId.delete(id);
    } else {
      conn = { id, owner: '', peer: '', state: 'A', opened: NaN, closed: NaN, last: 0, requests: 0, status: 0, route: '', bytes_in: 0, bytes_out: 0, reason: '', events: [] };
      if (this.byId.size >= this.limit) this.byId.delete(/** @type {number} */ (this.byId.keys().next().value));
    }
    this.byId.set(id, conn);
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
      conn.owner = event.owner ?? '';
      break;
    case 'request':
      conn.state = 'A';
      conn.route = `${event.method ?? ''} ${event.route ?? ''}`.trim();
      break;
    case 'response':
      conn.requests += 1;
      conn.status = event.status ?? 0;
      conn.route = `${event.method ?? ''} ${event.route ?? ''}`.trim();
      conn.bytes_in += event.bytes_in ?? 0;
      conn.bytes_out += event.bytes_out ?? 0;
      break;
    case 'state':
      conn.state = event.state ?? conn.state;
      break;
    case 'close':
      conn.closed = event.ts;
      conn.state = '×';
      conn.reason = event.detail ?? '';
      break;
    default:
  }
}

/**
 * A filter as typed: words that all must be found in owner, route, peer or id; "status:5" is the
 * beginning of a status, "dur>10ms" a response longer than that.
 * @param {string} text
 * @returns {(conn: Conn) => boolean}
 */
export function connFilter(text) {
  const tests = text.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const status = /^status:(\d{1,3})$/.exec(word);
    if (status) return (/** @type {Conn} */ c) => String(c.status).startsWith(status[1]);
    const longer = /^dur>(\d+(?:\.\d+)?)(ns|us|ms|s)$/.exec(word);
    if (longer) {
      const ns = Number(longer[1]) * { ns: 1, us: 1e3, ms: 1e6, s: 1e9 }[/** @type {'ns'} */ (longer[2])];
      return (/** @type {Conn} */ c) => c.events.some((e) => e.type === 'response' && e.dur > ns);
    }
    return (/** @type {Conn} */ c) => `${c.id} ${c.owner} ${c.peer} ${c.route} ${c.reason}`.toLowerCase().includes(word);
  });
  return (conn) => tests.every((test) => test(conn));
}
