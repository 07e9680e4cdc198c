// @ts-check
// inspector_view.js: the column beside: warnings, what is picked, events, marks, SQL.

import { byId, el, setText } from './dom.js';
import { bytes, clock, count, countExact, duration } from './format.js';
import { ownValue } from './patch.js';
import { letterName, slotText } from './pool_view.js';
import { createDiffView } from './diff_view.js';
import { createSqlView } from './sql_view.js';

const EVENTS_SHOWN = 200;
const REDRAW_MS = 400;
export const TABS = /** @type {const} */ ([['warnings', 'Warnings'], ['pick', 'Selected'], ['events', 'Events'], ['marks', 'Marks'], ['diff', 'Compare'], ['sql', 'SQL']]);

/** @typedef {import('./state.js').State} State */

/** One event as a sentence. @param {any} event */
export function eventText(event) {
  const route = [event.method, event.route].filter(Boolean).join(' ');
  switch (event.type) {
    case 'accept': return `${event.peer ?? ''} at ${event.owner ?? ''}`;
    case 'tls': return `${event.detail ?? ''} ${duration(event.dur)}`;
    case 'request': return route;
    case 'response': return `${route} → ${event.status} in ${duration(event.dur)}, ${bytes(event.bytes_out)} out`;
    case 'state': return `now ${event.state}`;
    case 'overflow': return `${event.detail ?? ''} had no slot`;
    case 'close': return `${event.detail ?? ''}, ${bytes(event.bytes_in)} in, ${bytes(event.bytes_out)} out`;
    case 'gc': return `${event.heap}: ${event.detail ?? ''}, ${duration(event.dur)}, ${bytes(event.before_bytes)} → ${bytes(event.after_bytes)}`;
    default: return event.detail ?? '';
  }
}

/** @param {string} text @param {() => void} click @param {string} [title] */
function link(text, click, title) {
  const node = el('button', { type: 'button', class: 'link', title }, text);
  node.addEventListener('click', click);
  return node;
}

/** @param {State} state @param {any} actions */
export function createInspectorView(state, actions) {
  const tabs = byId('tabs');
  const panel = byId('tab-panel');
  const sql = createSqlView(state, actions);
  const diff = createDiffView(state, actions);
  /** @type {Record<string, HTMLElement>} */
  const buttons = {};
  for (const [id, text] of TABS) {
    const button = el('button', { type: 'button', role: 'tab', id: `tab-${id}`, 'aria-controls': 'tab-panel' }, text);
    button.addEventListener('click', () => actions.tab(id));
    button.addEventListener('keydown', (event) => {
      const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      if (step === 0) return;
      event.stopPropagation();
      const next = TABS[(TABS.findIndex(([t]) => t === id) + step + TABS.length) % TABS.length][0];
      actions.tab(next);
      buttons[next].focus();
    });
    buttons[id] = button;
    tabs.append(button);
  }
  let drawnMs = 0;
  let seenKey = '';
  let shownTab = '';

  /** @param {import('./warnings.js').Warning[]} warnings */
  function drawWarnings(warnings) {
    if (warnings.length === 0) return [el('p', { class: 'empty' }, state.doc ? 'Nothing to warn of at this moment: no pool above 80 %, no overflow, no gap.' : 'Nothing is shown yet.')];
    return [el('ul', { class: 'warnings' }, ...warnings.map((warning) => {
      const go = () => (warning.ts !== undefined ? actions.seek(warning.ts) : actions.showWarning(warning));
      return el('li', { class: warning.level, 'data-warning': `${warning.kind}:${warning.name}`, 'data-level': warning.level },
        el('span', { class: 'shape', 'aria-hidden': 'true' }, warning.level === 'critical' ? '■' : '▲'), el('span', { class: 'visually-hidden' }, `${warning.level}: `), link(warning.text, go, 'Show it'));
    }))];
  }

  function drawPick() {
    const { pool, slot, conn } = state.pick;
    if (pool !== undefined && ownValue(state.doc?.pools, pool)) return pickPool(pool, slot);
    if (conn !== undefined) return pickConn(conn);
    return [el('p', { class: 'empty' }, 'Click a slot, a pool’s name, or a connection to see more of it here.')];
  }

  /** @param {string} pool @param {number | undefined} slot */
  function pickPool(pool, slot) {
    const values = state.doc.pools[pool];
    const source = state.source('slab', pool);
    const map = state.maps.get(pool);
    const rows = [['used', countExact(values.used)], ['free', countExact(values.free)], ['high water', countExact(values.high_water)], ['taken', countExact(values.allocs)], ['given back', countExact(values.frees)], ['overflow', countExact(values.overflow)]];
    const out = [el('h3', {}, pool), el('dl', { class: 'facts' }, ...rows.map(([k, v]) => el('div', { class: 'fact' }, el('dt', {}, k), el('dd', {}, v))))];
    if (map && map.slotCount > 4096) out.push(el('p', {}, link('Enlarge the map', () => actions.enlarge(pool))));
    if (slot !== undefined) {
      const facts = actions.slotFacts(pool, slot, () => state.changed('pick'));
      out.push(el('h4', {}, `Slot ${slot}`), el('p', { 'data-field': 'slot-text' }, slotText(state, pool, slot, facts)));
      if (facts?.conn) out.push(el('p', {}, link(`Connection ${facts.conn}`, () => actions.pickConn(facts.conn), 'Show the connection that holds it')));
      out.push(el('h4', {}, 'History'));
      if (state.pickRows === null) {
        out.push(el('p', { class: 'dim' }, state.pickNote || 'asking…'));
      } else if (state.pickRows.length === 0) {
        out.push(el('p', { class: 'dim' }, 'No change of this slot is recorded up to this moment.'));
      } else {
        out.push(el('table', { class: 'plain' }, el('thead', {}, el('tr', {}, ...['at', 'became', 'owner', 'connection'].map((h) => el('th', { scope: 'col' }, h)))),
          el('tbody', {}, ...state.pickRows.map(([ts, , now, owner, connId]) => el('tr', {}, el('td', {}, link(clock(ts), () => actions.seek(ts))), el('td', {}, letterName(String(now ?? ''), source)), el('td', {}, String(owner ?? '')), el('td', {}, connId ? link(String(connId), () => actions.pickConn(Number(connId))) : ''))))));
      }
    } else {
      out.push(el('p', { class: 'dim' }, 'Click a slot of its map for the slot’s state, owner, holder and history.'));
    }
    return out;
  }

  /** @param {number} id */
  function pickConn(id) {
    const conn = state.conns.byId.get(id);
    const events = state.pickRows ?? conn?.events ?? [];
    const out = [el('h3', {}, `Connection ${id}`)];
    if (conn) {
      const rows = [['peer', conn.peer || '–'], ['server', conn.owner || '–'], ['state', conn.state === '×' ? `closed: ${conn.reason}` : letterName(conn.state, null)], ['requests', `${countExact(conn.requests)} seen`], ['in', bytes(conn.bytes_in)], ['out', bytes(conn.bytes_out)]];
      out.push(el('dl', { class: 'facts' }, ...rows.map(([k, v]) => el('div', { class: 'fact' }, el('dt', {}, k), el('dd', {}, v)))));
    }
    if (events.length === 0) out.push(el('p', { class: 'dim' }, state.pickNote || 'No event of it is near this moment.'));
    out.push(eventTable(events.slice(-EVENTS_SHOWN).reverse(), false));
    return out;
  }

  /** @param {any[]} events newest first @param {boolean} withConn */
  function eventTable(events, withConn) {
    return el('table', { class: 'plain events' }, el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'at'), ...(withConn ? [el('th', { scope: 'col' }, 'conn')] : []), el('th', { scope: 'col' }, 'event'), el('th', { scope: 'col' }, 'what'))),
      el('tbody', {}, ...events.map((event) => el('tr', { class: event.status >= 500 || event.type === 'error' || event.type === 'overflow' ? 'is-critical' : '' },
        el('td', {}, link(clock(event.ts), () => actions.seek(event.ts), 'Go there')),
        ...(withConn ? [el('td', {}, event.conn_id ? link(String(event.conn_id), () => actions.pickConn(event.conn_id)) : '')] : []),
        el('td', {}, event.type), el('td', { class: 'what' }, eventText(event))))));
  }

  function drawEvents() {
    const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const list = [];
    for (let i = 0; i < state.events.length && list.length < EVENTS_SHOWN; i += 1) {
      const event = state.events.newest(i);
      if (event.ts > state.ts + state.intervalNs) continue;
      if (words.every((w) => `${event.type} ${event.conn_id ?? ''} ${event.owner ?? ''} ${eventText(event)}`.toLowerCase().includes(w))) list.push(event);
    }
    if (list.length === 0) return [el('p', { class: 'empty' }, words.length > 0 ? 'No event matches the filter.' : 'No event yet.')];
    return [el('p', { class: 'dim' }, `newest first, ${list.length} of ${count(state.events.length)} kept${state.eventsUnshown > 0 ? `; ${count(state.eventsUnshown)} of the last batch were too many to send` : ''}`), eventTable(list, true)];
  }

  function drawMarks() {
    const all = [...state.marks.map((m) => ({ ts: m.ts, dur: m.dur, text: m.label, by: m.author, gap: false, mark: /** @type {import('./state.js').Mark | null} */ (m) })), ...state.gaps.map((g) => ({ ts: g.ts, dur: g.dur, text: `gap: ${g.reason}${g.lost > 0 ? `, ${count(g.lost)} lost` : ''}`, by: '', gap: true, mark: null }))].sort((a, b) => a.ts - b.ts);
    const out = [el('p', {}, link('Set a mark here (M)', actions.mark))];
    if (all.length === 0) out.push(el('p', { class: 'empty' }, 'No marks and no gaps in this run.'));
    else out.push(el('table', { class: 'plain' }, el('thead', {}, el('tr', {}, ...['at', 'what', 'lasts', 'by', 'change'].map((h) => el('th', { scope: 'col' }, h)))), el('tbody', {}, ...all.map((row) => el('tr', {}, el('td', {}, link(clock(row.ts), () => actions.seek(row.ts))), el('td', {}, `${row.gap ? '░ ' : '▲ '}${row.text}`), el('td', {}, row.dur > 0 ? duration(row.dur) : ''), el('td', {}, row.by), el('td', {}, row.mark ? link('edit', () => actions.editMark(row.mark), `Change or remove the mark “${row.text}”`) : ''))))));
    return out;
  }

  return {
    diff,
    /** @param {import('./warnings.js').Warning[]} warnings @param {number} nowMs @returns {boolean} whether it wants to be drawn again */
    draw(warnings, nowMs) {
      const tab = TABS.some(([id]) => id === state.tab) ? state.tab : 'warnings';
      if (tab !== shownTab) {
        for (const [id] of TABS) {
          buttons[id].setAttribute('aria-selected', String(id === tab));
          buttons[id].tabIndex = id === tab ? 0 : -1;
        }
        panel.setAttribute('aria-labelledby', `tab-${tab}`);
        panel.replaceChildren();
        shownTab = tab;
        seenKey = '';
      }
      setText(buttons.warnings, warnings.length > 0 ? `Warnings ${warnings.length}` : 'Warnings');
      const v = state.version;
      const key = {
        warnings: `${warnings.map((w) => w.level + w.text).join('|')}${state.doc ? 1 : 0}`,
        pick: `${v.pick} ${v.doc} ${v.run}`, events: `${v.events} ${v.place} ${state.ts}`, marks: `${v.marks}`, sql: `${v.run}`, diff: `${v.run} ${v.runs} ${JSON.stringify(state.compare)}`,
      }[/** @type {'warnings'} */ (tab)];
      if (key === seenKey) return false;
      if (nowMs - drawnMs < REDRAW_MS && seenKey !== '') return true;
      if (seenKey !== '' && tab !== 'sql' && tab !== 'diff' && panel.contains(document.activeElement) && document.activeElement !== panel && state.mode !== 'pause') return true;
      if (seenKey !== '' && panel.matches(':hover') && tab === 'events' && state.mode !== 'pause') return true;
      drawnMs = nowMs;
      seenKey = key;
      if (tab === 'sql') sql.mount(panel);
      else if (tab === 'diff') diff.mount(panel);
      else panel.replaceChildren(...(tab === 'warnings' ? drawWarnings(warnings) : tab === 'pick' ? drawPick() : tab === 'events' ? drawEvents() : drawMarks()));
      return false;
    },
  };
}
