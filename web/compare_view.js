// @ts-check
// compare_view.js: two runs in step: their clocks, their numbers, and for each slab the map of A, the
// map of B, and what is used only in one of them.

import { ALIGNS } from './align.js';
import { byId, el, Keyed, setClass, setNumber, setText, visible } from './dom.js';
import { bytes, changeText, clock, count, countExact, duration, isKnown, percent, rate, UNKNOWN } from './format.js';
import { entries } from './observe.js';
import { css, letterColour } from './palette.js';
import { ownValue } from './patch.js';
import { ownLetters, poolOrder, slotText } from './pool_view.js';
import { BOTH, ONLY_A, ONLY_B, SlotDiff } from './slot_diff.js';
import { SlotMapView } from './slot_map_view.js';
import { theme } from './theme.js';

const MAX_CELL = 18;
/** a map's height at most, as part of the window's, and never less than so many CSS pixels */
const MAP = { part: 0.3, least: 150 };
const DIFFERENCE_LETTERS = 'AB=';
const PLACES = {
  unknown: '', within: 'dashed lines',
  before: 'had not begun then: its first frame is shown', after: 'does not go so far: its last frame is shown', gap: 'recorded nothing then: the last frame before is shown',
};
const percentText = (/** @type {unknown} */ v) => (isKnown(v) ? `${Math.round(/** @type {number} */ (v) * 10) / 10} %` : UNKNOWN);
/** @type {[string, string, (v: unknown) => string, 1 | -1 | 0][]} label, series, text, whether more is worse */
const NUMBERS = [
  ['requests per second', 'req', rate, 0], ['4xx per second', 'e4', rate, 1], ['5xx per second', 'e5', rate, 1],
  ['p50', 'p50', duration, 1], ['p95', 'p95', duration, 1], ['p99', 'p99', duration, 1],
  ['connections', 'open', count, 0], ['fullest pool', 'worst', percentText, 1], ['heap used', 'heap_bytes', bytes, 1],
  ['RSS', 'rss', bytes, 1], ['CPU of a core', 'cpu', percentText, 1],
];

/** @typedef {import('./state.js').State} State */

/** @param {any} run */
function runName(run) {
  return run ? `run ${run.run} · ${run.label || run.program || 'unnamed'}${run.live ? ' · live' : ''}` : '–';
}

/** One figure: a map with its words. @param {string} side @param {string} word @param {string} label */
function createFigure(side, word, label) {
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'slots', role: 'img', 'aria-label': label, 'data-compare-map': side }));
  const text = el('span');
  const box = el('div', { class: 'slots-box' }, canvas);
  return { root: el('figure', { class: 'compare-map' }, el('figcaption', {}, el('b', { class: `side side-${side}` }, word), ' ', text), box), canvas, text, box, view: new SlotMapView(canvas) };
}

/** @param {string} name @param {State} first @param {State} second @param {any} actions */
function createPool(name, first, second, actions) {
  const figures = { a: createFigure('a', 'A', `Slots of ${name} in A`), b: createFigure('b', 'B', `Slots of ${name} in B`), d: createFigure('d', 'difference', `Slots of ${name} used only in A, only in B, in both`) };
  const legend = el('ul', { class: 'legend', 'aria-label': 'What the difference shows' });
  const parts = /** @type {[number, string, HTMLElement, HTMLElement][]} */ ([[ONLY_A, 'only A'], [ONLY_B, 'only B'], [BOTH, 'both']].map(([code, text]) => {
    const swatch = el('span', { class: 'swatch', 'aria-hidden': 'true' }, String.fromCharCode(Number(code)));
    const value = el('b', { 'data-field': String(text).replace(' ', '_') });
    legend.append(el('li', {}, swatch, el('span', { class: 'legend-name' }, String(text)), ' ', value));
    return [code, text, swatch, value];
  }));
  const sizes = el('span', { class: 'dim' });
  const root = el('article', { class: 'card compare-pool', 'data-compare-pool': name }, el('div', { class: 'card-head' }, el('h3', {}, name), sizes, legend),
    el('div', { class: 'compare-maps' }, figures.a.root, figures.b.root, figures.d.root));
  visible.watch(root);
  let width = 0;
  new ResizeObserver(() => { width = figures.a.box.clientWidth; }).observe(figures.a.box);
  /** @type {SlotDiff | null} */
  let difference = null;
  for (const figure of Object.values(figures)) {
    figure.canvas.addEventListener('pointermove', (event) => {
      const slot = figure.view.slotAt(event.clientX, event.clientY);
      const both = () => `A: ${slotText(first, name, slot)}\nB: ${slotText(second, name, slot)}`;
      actions.tip(slot < 0 ? null : both(), event.clientX, event.clientY);
    });
    figure.canvas.addEventListener('pointerleave', () => actions.tip(null));
    figure.canvas.addEventListener('click', (event) => {
      const slot = figure.view.slotAt(event.clientX, event.clientY);
      if (slot >= 0 && slot < (first.maps.get(name)?.slotCount ?? 0)) actions.pick(name, slot);
    });
  }

  /** Compare what changed; both sides must have the pool. */
  function compare() {
    const a = first.maps.get(name);
    const b = second.maps.get(name);
    if (!a || !b) difference = null;
    else if (!difference || difference.a !== a || difference.b !== b) difference = new SlotDiff(a, b);
    difference?.update();
    return difference;
  }

  /** @param {ReturnType<typeof createFigure>} figure @param {import('./pool_map.js').PoolMap | undefined} map @param {string} letters */
  function paintOne(figure, map, letters) {
    if (figure.canvas.hidden === Boolean(map)) figure.canvas.hidden = !map;
    if (!map || width === 0) return 0;
    const ratio = window.devicePixelRatio || 1;
    figure.view.setPalette(letters);
    const other = figure.view.map !== map;
    figure.view.layout(map, Math.floor(width * ratio), Math.floor(Math.max(MAP.least, window.innerHeight * MAP.part) * ratio), Math.round(MAX_CELL * ratio));
    if (other) map.touch();
    return figure.view.paint();
  }

  return {
    root,
    draw() {
      const a = ownValue(first.doc?.pools, name);
      const b = ownValue(second.doc?.pools, name);
      for (const [figure, pool] of /** @type {[typeof figures.a, any][]} */ ([[figures.a, a], [figures.b, b]])) {
        setNumber(figure.text, pool?.used, () => (pool ? `${countExact(pool.used)} / ${countExact(pool.capacity)} · ${percent(pool.used, pool.capacity)}${pool.overflow > 0 ? ` · overflow ${count(pool.overflow)}` : ''}` : 'has no such pool'));
      }
      setText(sizes, a && b && a.capacity !== b.capacity ? `${countExact(a.capacity)} slots in A, ${countExact(b.capacity)} in B` : '');
      const found = compare();
      setText(figures.d.text, found ? '' : 'one run has no such pool');
      for (const [code, , swatch, value] of parts) {
        setNumber(value, found ? found.map.counts[code] : undefined, (v) => (v === undefined ? UNKNOWN : countExact(v)));
        swatch.style.backgroundColor = css(letterColour(String.fromCharCode(code), DIFFERENCE_LETTERS, theme.name));
      }
    },
    paint() {
      if (!visible.is(root)) return 0;
      const found = compare();
      return paintOne(figures.a, first.maps.get(name), ownLetters(first.source('slab', name)))
        + paintOne(figures.b, second.maps.get(name), ownLetters(second.source('slab', name)))
        + paintOne(figures.d, found?.map, DIFFERENCE_LETTERS);
    },
  };
}

/** Names of marks that both have. @param {State} first @param {State} second */
function commonMarks(first, second) {
  const ofB = new Set(second.marks.map((m) => m.label));
  return [...new Set(first.marks.map((m) => m.label))].filter((label) => ofB.has(label)).slice(0, 100);
}

/** @param {State} first @param {State} second @param {import('./second.js').Second} step @param {any} actions */
export function createCompareView(first, second, step, actions) {
  const root = byId('compare');
  const align = /** @type {HTMLSelectElement} */ (el('select', { id: 'compare-align', 'aria-label': 'Put the two beside each other by' }, ...ALIGNS.map(([kind, text]) => el('option', { value: kind }, `by ${text}`))));
  const label = /** @type {HTMLSelectElement} */ (el('select', { id: 'compare-label', 'aria-label': 'The mark of both', hidden: true }));
  const swap = el('button', { type: 'button', id: 'compare-swap', title: 'Swap A and B (X)' }, 'Swap');
  const alone = el('button', { type: 'button', id: 'compare-close', title: 'A alone again (C)' }, 'A alone');
  const sides = ['a', 'b'].map((side) => {
    const name = el('span');
    const time = el('time', { 'data-field': 'ts' });
    const note = el('span', { class: 'dim' });
    return { name, time, note, root: el('p', { class: 'compare-side', 'data-side': side }, el('b', { class: `side side-${side}` }, side.toUpperCase()), name, time, note) };
  });
  const cells = Object.fromEntries(['a', 'b', 'change'].map((field) => [field, NUMBERS.map(([, series]) => el('td', { class: 'num', 'data-number': series, 'data-field': field }))]));
  const heads = NUMBERS.map(([text]) => el('th', { scope: 'col', class: 'num' }, text));
  const row = (/** @type {string} */ text, /** @type {string} */ field) => el('tr', {}, el('th', { scope: 'row' }, text), ...cells[field]);
  const table = el('div', { class: 'card wide scroll', tabindex: 0, role: 'group', 'aria-label': 'Numbers of both at this moment' },
    el('table', { class: 'plain compare-numbers' }, el('thead', {}, el('tr', {}, el('td'), ...heads)), el('tbody', {}, row('A', 'a'), row('B', 'b'), row('B to A', 'change'))));
  const holder = byId('compare-pools');
  root.append(el('div', { class: 'section-head' }, el('h2', { id: 'compare-title' }, 'Two runs in step'), align, label, swap, alone), el('div', { class: 'compare-sides' }, ...sides.map((s) => s.root)), table);
  /** @type {Keyed<ReturnType<typeof createPool>>} */
  const pools = new Keyed(holder, (name) => createPool(name, first, second, actions));
  align.addEventListener('change', () => actions.align(align.value, commonMarks(first, second)[0] ?? ''));
  label.addEventListener('change', () => actions.align('mark', label.value));
  swap.addEventListener('click', actions.swap);
  alone.addEventListener('click', () => actions.compare(null));

  function drawHead() {
    const compare = /** @type {NonNullable<State['compare']>} */ (first.compare);
    const labels = commonMarks(first, second);
    if (document.activeElement !== align && align.value !== compare.align) align.value = compare.align;
    for (const option of align.options) {
      if (option.value === 'mark') option.disabled = labels.length === 0;
      if (option.value === 'moment') option.hidden = compare.align !== 'moment';
    }
    label.hidden = compare.align !== 'mark';
    const key = labels.join('\n');
    if (label.dataset.key !== key) {
      label.dataset.key = key;
      label.replaceChildren(...labels.map((text) => el('option', { value: text }, text)));
    }
    if (label.value !== compare.label && labels.includes(compare.label)) label.value = compare.label;
    [first, second].forEach((state, i) => {
      setText(sides[i].name, runName(state.entry));
      setNumber(sides[i].time, state.doc ? state.ts : undefined, () => (state.doc ? clock(state.ts) : '…'));
      setText(sides[i].note, i === 0 ? 'solid lines' : state.link === 'lost' ? 'connection lost: the page tries again' : PLACES[step.place]);
    });
    setClass(sides[1].root, 'is-off', ['before', 'after', 'gap'].includes(step.place) || second.link === 'lost');
  }

  function drawNumbers() {
    NUMBERS.forEach(([, series, format, worse], i) => {
      const a = first.history.last(series);
      const b = second.doc ? second.history.last(series) : NaN;
      setNumber(cells.a[i], a, format);
      setNumber(cells.b[i], b, format);
      setText(cells.change[i], changeText(a, b));
      setClass(cells.change[i], 'is-critical', worse === 1 && isKnown(a) && isKnown(b) && b > a * 1.05);
    });
  }

  return {
    draw() {
      const on = first.compare !== null;
      if (root.hidden === on) {
        root.hidden = !on;
        holder.hidden = !on;
        byId('main').classList.toggle('comparing', on);
        for (const state of [first, second]) for (const map of state.maps.values()) map.touch();
      }
      if (!on || !first.doc) return;
      drawHead();
      drawNumbers();
      const names = new Set([...poolOrder(first.doc, first.filter), ...entries(second.doc?.pools).map(([name]) => name)]);
      for (const pool of pools.sync([...names].slice(0, 200))) pool.draw();
    },
    paint() {
      if (root.hidden) return 0;
      let painted = 0;
      for (const pool of pools.items.values()) painted += pool.paint();
      return painted;
    },
  };
}
