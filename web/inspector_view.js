// @ts-check
// inspector_view.js: the column beside: warnings, what is picked, events, marks, SQL.

import { byId, el, setText } from './dom.js';
import { clock, count, countExact, duration } from './format.js';
import { eventFilter } from './conn_filter.js';
import { createDiffView } from './diff_view.js';
import { eventTable, eventText, link } from './event_view.js';
import { createPickView } from './pick_view.js';
import { createSqlView } from './sql_view.js';
import { createWarningsView } from './warnings_view.js';

const EVENTS_SHOWN = 200;
const GAPS_SHOWN = 200;
const REDRAW_MS = 400;
export const TABS = /** @type {const} */ ([['warnings', 'Warnings'], ['pick', 'Selected'], ['events', 'Events'], ['marks', 'Marks'], ['diff', 'Compare'], ['sql', 'SQL']]);

/** @typedef {import('./state.js').State} State */

/**
 * Show other parts in a panel; what had the focus by its place has it again. It stays scrolled, as
 * nobody asks for its layout in between: that would cost one more of the page.
 * @param {HTMLElement} panel @param {HTMLElement[]} parts
 */
function replaceIn(panel, parts) {
  const place = panel.contains(document.activeElement) ? [...panel.querySelectorAll('button')].findIndex((node) => node === document.activeElement) : -1;
  panel.replaceChildren(...parts);
  if (place >= 0) (panel.querySelectorAll('button')[place] ?? panel).focus({ preventScroll: true });
}

/** All gaps; of very many, those about the moment. @param {State} state */
function gapsNear(state) {
  const { gaps, ts } = state;
  if (gaps.length <= GAPS_SHOWN) return gaps;
  const behind = gaps.findIndex((gap) => gap.ts > ts);
  const from = Math.max(0, Math.min((behind < 0 ? gaps.length : behind) - GAPS_SHOWN / 2, gaps.length - GAPS_SHOWN));
  return gaps.slice(from, from + GAPS_SHOWN);
}

/** @param {State} state @param {any} actions */
export function createInspectorView(state, actions) {
  const tabs = byId('tabs');
  const panel = byId('tab-panel');
  const sql = createSqlView(state, actions);
  const diff = createDiffView(state, actions);
  const pick = createPickView(state, actions);
  const warned = createWarningsView(state, actions);
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
  // A click is a press and a release on the same button.
  let pressed = false;
  panel.addEventListener('pointerdown', () => { pressed = true; });
  for (const name of ['pointerup', 'pointercancel']) window.addEventListener(name, () => { pressed = false; });
  let drawnMs = 0;
  let seenKey = '';
  let shownTab = '';
  let shownPick = state.pick;

  function drawEvents() {
    const fits = eventFilter(state.filter);
    const list = [];
    for (let i = 0; i < state.events.length && list.length < EVENTS_SHOWN; i += 1) {
      const event = state.events.newest(i);
      if (event.ts > state.ts + state.intervalNs) continue;
      if (fits(event, eventText(event))) list.push(event);
    }
    if (list.length === 0) return [el('p', { class: 'empty' }, state.filter ? 'No event matches the filter.' : 'No event yet.')];
    return [el('p', { class: 'dim' }, `newest first, ${list.length} of ${count(state.events.length)} kept${state.eventsUnshown > 0 ? `; ${count(state.eventsUnshown)} of the last batch were too many to send` : ''}`), eventTable(list, true, actions)];
  }

  function drawMarks() {
    const all = [...state.marks.map((m) => ({ ts: m.ts, dur: m.dur, text: m.label, by: m.author, gap: false, mark: /** @type {import('./state.js').Mark | null} */ (m) })), ...gapsNear(state).map((g) => ({ ts: g.ts, dur: g.dur, text: `gap: ${g.reason}${g.lost > 0 ? `, ${count(g.lost)} lost` : ''}`, by: '', gap: true, mark: null }))].sort((a, b) => a.ts - b.ts);
    const out = [el('p', {}, link('Set a mark here (M)', actions.mark))];
    if (state.gaps.length > GAPS_SHOWN) out.push(el('p', { class: 'dim' }, `Of ${countExact(state.gaps.length)} gaps, the ${GAPS_SHOWN} about this moment.`));
    if (all.length === 0) out.push(el('p', { class: 'empty' }, 'No marks and no gaps in this run.'));
    else out.push(el('table', { class: 'plain' }, el('thead', {}, el('tr', {}, ...['at', 'what', 'lasts', 'by', 'change'].map((h) => el('th', { scope: 'col' }, h)))), el('tbody', {}, ...all.map((row) => el('tr', {}, el('td', {}, link(clock(row.ts), () => actions.seek(row.ts))), el('td', {}, row.mark ? link(`▲ ${row.text}`, () => actions.look({ mark: row.mark?.mark_id })) : `░ ${row.text}`), el('td', {}, row.dur > 0 ? duration(row.dur) : ''), el('td', {}, row.by), el('td', {}, row.mark ? link('edit', () => actions.editMark(row.mark), `Change or remove the mark “${row.text}”`) : ''))))));
    return out;
  }

  const tabNow = () => (TABS.some(([id]) => id === state.tab) ? state.tab : 'warnings');
  /** All that the tab is made of. @param {import('./warnings.js').Warning[]} warnings */
  function keyOf(warnings) {
    const v = state.version;
    switch (tabNow()) {
      case 'pick': return `${v.pick} ${v.doc} ${v.run}`;
      case 'events': return `${v.events} ${v.place} ${state.ts}`;
      case 'marks': return `${v.marks} ${state.gaps.length > GAPS_SHOWN ? state.ts : ''}`;
      case 'sql': return `${v.run}`;
      case 'diff': return `${v.run} ${v.runs} ${JSON.stringify(state.compare)}`;
      default: return `${warnings.map((w) => w.level + w.text).join('|')}${state.doc ? 1 : 0} ${state.findingRows.map((row) => row.text + row.all.some((f) => state.ts >= f.ts && state.ts <= f.end)).join('|')} ${state.mode === 'live'}`;
    }
  }

  /** Make another tab the one shown. @param {string} tab */
  function turnTo(tab) {
    for (const [id] of TABS) {
      buttons[id].setAttribute('aria-selected', String(id === tab));
      buttons[id].tabIndex = id === tab ? 0 : -1;
    }
    panel.setAttribute('aria-labelledby', `tab-${tab}`);
    panel.replaceChildren();
    shownTab = tab;
    seenKey = '';
  }

  return {
    diff,
    /** @param {import('./warnings.js').Warning[]} warnings @param {number} nowMs @returns {boolean} whether it is to be drawn now */
    due(warnings, nowMs) {
      const tab = tabNow();
      setText(buttons.warnings, warnings.length > 0 ? `Warnings ${warnings.length}` : 'Warnings');
      if (tab !== shownTab) return true;
      if (nowMs - drawnMs < REDRAW_MS && seenKey !== '') return false;
      if (seenKey !== '' && (pressed || panel.querySelector('input:focus'))) return false;
      if (seenKey !== '' && tab === 'events' && state.mode !== 'pause' && panel.matches(':hover')) return false;
      return keyOf(warnings) !== seenKey;
    },
    /** @param {import('./warnings.js').Warning[]} warnings @param {number} nowMs */
    draw(warnings, nowMs) {
      const tab = tabNow();
      if (tab !== shownTab) turnTo(tab);
      drawnMs = nowMs;
      if (state.pick !== shownPick) panel.scrollTop = 0;
      shownPick = state.pick;
      const isFirst = seenKey === '';
      seenKey = keyOf(warnings);
      if (tab === 'sql') sql.mount(panel);
      else if (tab === 'diff') diff.mount(panel);
      else if (tab === 'warnings') {
        if (isFirst) panel.replaceChildren(warned.root);
        warned.draw(warnings);
      } else replaceIn(panel, tab === 'pick' ? pick.draw() : tab === 'events' ? drawEvents() : drawMarks());
    },
  };
}
