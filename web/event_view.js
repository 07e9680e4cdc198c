// @ts-check
// event_view.js: events as sentences and in tables, and the small parts that panels are made of.

import { el, scrollBox } from './dom.js';
import { bytes, clock, duration } from './format.js';

/** One event as a sentence. @param {any} event */
export function eventText(event) {
  const route = [event.method, event.route].filter(Boolean).join(' ');
  switch (event.type) {
    case 'accept': return `${event.peer ?? ''} at ${event.owner ?? ''}`;
    case 'tls': return `${event.detail ?? ''} ${duration(event.dur)}`;
    case 'request': return route;
    case 'response': return `${route} → ${event.status}${event.dur > 0 ? ` in ${duration(event.dur)}` : ''}${event.bytes_out > 0 ? `, ${bytes(event.bytes_out)} out` : ''}`;
    case 'state': return `now ${event.state}`;
    case 'overflow': return `${event.detail ?? ''} had no slot`;
    case 'close': return `${event.detail ?? ''}, ${bytes(event.bytes_in)} in, ${bytes(event.bytes_out)} out`;
    case 'gc': return `${event.heap}: ${event.detail ?? ''}, ${duration(event.dur)}, ${bytes(event.before_bytes)} → ${bytes(event.after_bytes)}`;
    default: return event.detail ?? '';
  }
}

/** @param {string} text @param {() => void} click @param {string} [title] */
export function link(text, click, title) {
  const node = el('button', { type: 'button', class: 'link', title }, text);
  node.addEventListener('click', click);
  return node;
}

/** @param {[string, string, ('wide')?][]} rows name and value; a wide one gets the room of two */
export function factList(rows) {
  return el('dl', { class: 'facts' }, ...rows.map(([k, v, wide]) => el('div', { class: wide ? 'fact wide' : 'fact' }, el('dt', {}, k), el('dd', {}, v))));
}

/** @param {string[]} heads @param {HTMLElement[]} rows @param {number} [numbersFrom] heads from this one on stand over numbers */
export function plainTable(heads, rows, numbersFrom = Infinity) {
  return scrollBox('Events', el('table', { class: 'plain' }, el('thead', {}, el('tr', {}, ...heads.map((h, i) => el('th', { scope: 'col', class: i >= numbersFrom ? 'num' : '' }, h)))), el('tbody', {}, ...rows)));
}

/** @param {any[]} events newest first @param {boolean} withConn @param {{seek: (ts: number) => void, pickConn: (id: number) => void}} actions */
export function eventTable(events, withConn, actions) {
  return el('table', { class: 'plain events' }, el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'at'), ...(withConn ? [el('th', { scope: 'col' }, 'conn')] : []), el('th', { scope: 'col' }, 'event'), el('th', { scope: 'col' }, 'what'))),
    el('tbody', {}, ...events.map((event) => el('tr', { class: event.status >= 500 || event.type === 'error' || event.type === 'overflow' ? 'is-critical' : '' },
      el('td', {}, link(clock(event.ts), () => actions.seek(event.ts), 'Go there')),
      ...(withConn ? [el('td', {}, event.conn_id ? link(String(event.conn_id), () => actions.pickConn(event.conn_id)) : '')] : []),
      el('td', {}, event.type), el('td', { class: 'what' }, eventText(event))))));
}
