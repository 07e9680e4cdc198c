// @ts-check
// diff_view.js: the run shown (A) beside another (B): what differs, ranked; a click goes to the
// moment in both and lays the measure of both over each other.

import { getDiff, getOfRun } from './api.js';
import { el, fitCanvas, setText } from './dom.js';
import { bytes, clock, count, duration } from './format.js';
import { colours } from './theme.js';
import { growth } from './timeline.js';

const SHOWN = 60;
const OVERLAY_PX = 300;
const OVERLAY_HEIGHT = 90;
const SHAPES = { worse: '▲', better: '▼', same: '=', 'cannot tell': '?' };

/** @typedef {import('./state.js').State} State */

/** @param {unknown} value @param {string} unit */
export function measureText(value, unit) {
  if (typeof value !== 'number') return '–';
  if (/^(bytes|B)\b/.test(unit)) return `${bytes(value)}${unit.replace(/^(bytes|B)/, '')}`;
  if (unit === 'ns') return duration(value);
  const rounded = Math.abs(value) >= 1000 ? count(Math.round(value)) : String(Number(value.toPrecision(4)));
  return unit ? `${rounded} ${unit}` : rounded;
}

/** The series of the overview that a measure is of; empty when there is none. @param {string} measure */
export function seriesOf(measure) {
  const parts = measure.split('/');
  return parts.length >= 3 ? [parts[0], parts.slice(1, -1).join('/'), parts[parts.length - 1]].join('/') : '';
}

/** @param {State} state @param {any} actions */
export function createDiffView(state, actions) {
  const other = /** @type {HTMLSelectElement} */ (el('select', { id: 'diff-b', 'aria-label': 'Compare with run' }));
  const go = /** @type {HTMLButtonElement} */ (el('button', { type: 'button', id: 'diff-go', class: 'primary' }, 'Compare'));
  const note = el('p', { id: 'diff-note', class: 'dim', role: 'status' });
  const headline = el('p', { id: 'diff-headline', class: 'headline' });
  const setup = el('ul', { id: 'diff-setup', class: 'setup', 'aria-label': 'Set up otherwise' });
  const shown = el('p', { class: 'dim' });
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { role: 'img', 'aria-label': 'The chosen measure in both runs' }));
  const overlay = el('div', { id: 'diff-overlay', hidden: true }, el('h3', { class: 'small' }, ''), canvas, el('p', { class: 'legend' }, el('span', {}, el('span', { class: 'swatch line inline bg-c1' }), ' A'), el('span', {}, el('span', { class: 'swatch line inline bg-c3' }), ' B')));
  const list = el('div', { id: 'diff-list' });
  const root = el('div', { class: 'sql' }, shown, el('div', { class: 'sql-bar' }, other, go), headline, note, setup, overlay, list);
  let asked = 0;
  /** @type {{a: string, b: string, align: string, measures: any[]} | null} */
  let found = null;
  let at = -1;
  go.addEventListener('click', () => {
    if (other.value) actions.compare(other.value);
    compare();
  });

  function fillRuns() {
    const rest = (state.runs ?? []).filter((/** @type {any} */ run) => run.run !== state.runKey);
    const text = (/** @type {any} */ run) => `${run.run} · ${run.label || run.program || 'run'}${run.live ? ' · live' : ''}`;
    const key = rest.map(text).join('|');
    setText(shown, `A is the run shown, ${state.entry ? text(state.entry) : '–'}; B is`);
    if (other.dataset.key === key) return;
    const was = other.value;
    other.dataset.key = key;
    other.replaceChildren(...rest.map((/** @type {any} */ run) => el('option', { value: run.run }, text(run))));
    const wanted = state.compare?.run ?? was;
    if (rest.some((/** @type {any} */ run) => run.run === wanted)) other.value = wanted;
    go.disabled = rest.length === 0;
    if (rest.length === 0) setText(note, 'There is no other run here to compare with: “memcam replay A.db B.db” opens two files.');
  }

  async function compare() {
    const a = state.runKey;
    const b = other.value;
    if (a === null || !b) return;
    asked += 1;
    const turn = asked;
    const align = alignText();
    setText(note, 'comparing…');
    note.className = 'dim';
    list.replaceChildren();
    setup.replaceChildren();
    setText(headline, '');
    overlay.hidden = true;
    found = null;
    at = -1;
    try {
      const diff = await getDiff(a, b, await actions.diffSpan());
      if (turn !== asked) return;
      found = { a, b, align, measures: diff.measures.slice(0, SHOWN) };
      const { worse, better, same, cannot_tell: unknown } = diff.counts;
      setText(note, `${diff.verdict === 'different' ? 'They differ' : 'No difference found'}: ${worse} worse, ${better} better, ${same} same, ${unknown} cannot tell. ${diff.basis} ${diff.notes.slice(diff.setup ?? 0).join(' ')}`);
      setText(headline, diff.headline ?? '');
      // What was set up otherwise explains more than any measure.
      setup.replaceChildren(...diff.notes.slice(0, diff.setup ?? 0).map((/** @type {string} */ text) => el('li', {}, el('span', { 'aria-hidden': 'true' }, '▲ '), text)));
      list.replaceChildren(...leaks(diff), table());
    } catch (error) {
      if (turn !== asked) return;
      note.className = 'error';
      setText(note, `They could not be compared: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** @param {any} diff */
  function leaks(diff) {
    return diff.leaks.map((/** @type {any} */ leak) => el('p', { class: 'error' }, `Leak in ${leak.side ?? ''}: ${leak.text}`));
  }

  function table() {
    const rows = /** @type {NonNullable<typeof found>} */ (found).measures.map((/** @type {any} */ m, /** @type {number} */ k) => {
      const name = el('button', { type: 'button', class: 'link', title: 'Show its moment in both runs' }, `${m.measure.split('/').slice(1).join(' ')} ${m.stat}`);
      name.addEventListener('click', () => show(k));
      const change = typeof m.pct === 'number' ? `, ${m.pct > 0 ? '+' : ''}${Number(m.pct.toPrecision(3))} %` : '';
      const moment = typeof m.at?.a === 'number' && typeof m.at?.b === 'number' ? `${clock(m.at.a)} | ${clock(m.at.b)}` : '';
      return el('li', { class: m.verdict === 'worse' ? 'is-critical' : '', 'data-measure': `${m.measure} ${m.stat}`, 'data-verdict': m.verdict },
        el('div', { class: 'card-head' }, el('span', { 'aria-hidden': 'true' }, SHAPES[/** @type {'same'} */ (m.verdict)] ?? ''), name, el('span', { class: 'occupancy', title: m.why ?? '' }, m.verdict)),
        el('div', { class: 'card-head dim' }, `${measureText(m.a, m.unit)} → ${measureText(m.b, m.unit)}${change}`, el('span', { class: 'moment', title: 'its moment in A and in B' }, moment)));
    });
    return el('ul', { class: 'measures' }, ...rows);
  }

  /** Go to a difference's moment in both runs. @param {number} k which of the list */
  function show(k) {
    if (!found || !found.measures[k]) return;
    const { a, b, measures } = found;
    at = k;
    list.querySelectorAll('[data-measure]').forEach((row, i) => {
      if (i === k) row.setAttribute('aria-current', 'true');
      else row.removeAttribute('aria-current');
    });
    list.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' });
    showOverlay(measures[k], a, b);
    const [kind, source] = seriesOf(measures[k].measure).split('/');
    if (kind === 'slab') document.querySelector(`[data-compare-pool="${CSS.escape(source)}"]`)?.scrollIntoView({ block: 'nearest' });
    const moment = measures[k].at;
    if (typeof moment?.a === 'number' && typeof moment?.b === 'number') actions.seekBoth(a, b, moment.a, moment.b);
    else actions.say('This difference has no moment: it is of the runs as a whole.');
  }

  /** How the two are beside each other, as a text that changes with it; a moment's place changes nothing. */
  function alignText() {
    const { compare: c } = state;
    return !c || c.align === 'moment' ? '' : `${c.align} ${c.label}`;
  }

  /** @param {any} measure @param {string} a @param {string} b */
  async function showOverlay(measure, a, b) {
    const series = seriesOf(measure.measure);
    overlay.hidden = true;
    if (!series) return;
    asked += 1;
    const turn = asked;
    const ends = [a, b].map((key) => Math.max(1, state.runs?.find((/** @type {any} */ run) => run.run === key)?.end_ts ?? 1));
    const to = Math.max(...ends);
    const both = await Promise.all([a, b].map((key) => getOfRun(key, 'overview', { from: 0, to, px: OVERLAY_PX, series }).catch(() => null)));
    const found = both.map((o) => o?.series?.[0]?.max);
    if (turn !== asked || !found.some(Boolean)) return;
    const rate = /rate|per second|\/s/.test(`${measure.stat} ${measure.unit}`);
    const lines = found.map((max) => (!max ? [] : rate ? [...growth([{ max }], to / OVERLAY_PX)] : max));
    overlay.hidden = false;
    setText(/** @type {Element} */ (overlay.firstElementChild), `${measure.measure} · 0 to ${clock(to)}`);
    drawLines(lines);
  }

  /** @param {(number | null)[][]} lines of A and of B, a value per part */
  function drawLines(lines) {
    const width = Math.max(120, overlay.clientWidth);
    fitCanvas(canvas, width, OVERLAY_HEIGHT);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, OVERLAY_HEIGHT);
    const known = lines.flat().filter((v) => typeof v === 'number' && !Number.isNaN(v)).map(Number);
    const top = Math.max(1e-9, ...known);
    lines.forEach((line, k) => {
      context.strokeStyle = colours[k === 0 ? 'c1' : 'c3'];
      context.setLineDash(k === 0 ? [] : [4, 2]);
      context.lineWidth = 1.5;
      context.beginPath();
      let open = false;
      line.forEach((value, i) => {
        if (value === null || Number.isNaN(value)) return;
        const x = (i / OVERLAY_PX) * width;
        const y = OVERLAY_HEIGHT - 2 - (value / top) * (OVERLAY_HEIGHT - 6);
        if (open) context.lineTo(x, y);
        else context.moveTo(x, y);
        open = true;
      });
      context.stroke();
    });
  }

  return {
    /** To the next difference of the list, or the one before. @param {1 | -1} direction */
    go(direction) {
      if (!found) {
        if (other.value) compare();
        return;
      }
      show(Math.max(0, Math.min(found.measures.length - 1, at + direction)));
    },
    /** @param {HTMLElement} panel */
    mount(panel) {
      fillRuns();
      const c = state.compare;
      if (c && found && (found.a !== state.runKey || found.b !== c.run || (alignText() !== '' && found.align !== alignText()))) compare();
      else if (c && !found && asked === 0) compare();
      if (root.parentElement !== panel) panel.replaceChildren(root);
    },
  };
}
