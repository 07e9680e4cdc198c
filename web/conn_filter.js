// @ts-check
// conn_filter.js: the filter as typed: words, and "owner:app", "route:/slow", "status:5", "dur>10ms"
// for connections and events. The page's selects write the same words.

/** @typedef {import('./connections.js').Conn} Conn */
/**
 * @typedef {object} Filter
 * @property {string[]} words lower case; each must be found
 * @property {string} owner
 * @property {string} route a part of it
 * @property {string} status the first digits of it
 * @property {number} longer ns; a response took longer than that; 0 any
 */

const UNITS = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/** @param {string} text @returns {Filter} */
export function parseFilter(text) {
  /** @type {Filter} */
  const filter = { words: [], owner: '', route: '', status: '', longer: 0 };
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    const named = /^(owner|route|status):(.*)$/i.exec(word);
    const longer = /^dur>(\d+(?:\.\d+)?)(ns|us|ms|s)$/i.exec(word);
    if (longer) filter.longer = Number(longer[1]) * UNITS[/** @type {'ns'} */ (longer[2].toLowerCase())];
    else if (named) filter[/** @type {'owner'} */ (named[1].toLowerCase())] = named[2].toLowerCase();
    else filter.words.push(word.toLowerCase());
  }
  return filter;
}

/**
 * The text with one of its named words changed, or taken out.
 * @param {string} text @param {'owner' | 'route' | 'status' | 'dur'} name @param {string} value as typed, "10ms" for dur; empty: none
 */
export function withFilter(text, name, value) {
  const begins = name === 'dur' ? 'dur>' : `${name}:`;
  const rest = text.trim().split(/\s+/).filter((word) => word && !word.toLowerCase().startsWith(begins));
  return [...rest, ...(value ? [begins + value] : [])].join(' ');
}

/** @param {Filter} filter @returns {boolean} whether it asks for more than words */
export function hasNamed(filter) {
  return filter.owner !== '' || filter.route !== '' || filter.status !== '' || filter.longer > 0;
}

/** @param {any} event @param {Filter} filter */
function eventFits(event, filter) {
  if (filter.status && !String(event.status ?? '').startsWith(filter.status)) return false;
  if (filter.route && !`${event.method ?? ''} ${event.route ?? ''}`.toLowerCase().includes(filter.route)) return false;
  return !(filter.longer > 0 && !(event.dur > filter.longer));
}

/**
 * @param {string} text
 * @returns {(conn: Conn) => boolean} one of a connection's responses must have all of route, status and duration
 */
export function connFilter(text) {
  const filter = parseFilter(text);
  const ofResponse = filter.route !== '' || filter.status !== '' || filter.longer > 0;
  return (conn) => {
    if (filter.owner && conn.owner.toLowerCase() !== filter.owner) return false;
    if (filter.words.length > 0) {
      const all = `${conn.id} ${conn.owner} ${conn.peer} ${conn.route} ${conn.reason}`.toLowerCase();
      if (!filter.words.every((word) => all.includes(word))) return false;
    }
    if (!ofResponse) return true;
    if (conn.events.some((event) => event.type === 'response' && eventFits(event, filter))) return true;
    // A request under way has no response yet: its route is known.
    return filter.status === '' && filter.longer === 0 && conn.route.toLowerCase().includes(filter.route);
  };
}

/**
 * @param {string} text
 * @returns {(event: any, said: string) => boolean} said: what the page says of the event
 */
export function eventFilter(text) {
  const filter = parseFilter(text);
  return (event, said) => {
    if (filter.owner && event.owner !== undefined && event.owner.toLowerCase() !== filter.owner) return false;
    if ((filter.route || filter.status || filter.longer > 0) && !eventFits(event, filter)) return false;
    const all = `${event.type} ${event.conn_id ?? ''} ${event.owner ?? ''} ${said}`.toLowerCase();
    return filter.words.every((word) => all.includes(word));
  };
}
