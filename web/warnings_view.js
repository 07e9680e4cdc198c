// @ts-check
// warnings_view.js: what is wrong now and what went wrong in the run, as two lists with jumps. Rows
// stay and change their text: a list made anew several times a second would cost its layout each time.

import { el, Keyed, setText } from './dom.js';
import { link } from './event_view.js';
import { nextOfGroup } from './findings.js';
import { clock } from './format.js';

/** @typedef {import('./state.js').State} State */

/** @param {string} level */
function shape(level) {
  return el('span', { class: 'shape' }, el('span', { 'aria-hidden': 'true' }, level === 'critical' ? '■' : '▲'), el('span', { class: 'visually-hidden' }, `${level}: `));
}

/** A list whose rows are known by what they are about. @template T @param {(item: T) => string} key @param {(item: () => T) => HTMLElement} make @param {(root: HTMLElement, item: T) => void} draw */
function list(key, make, draw) {
  const root = el('ul', { class: 'warnings' });
  /** @type {Map<string, T>} */
  const items = new Map();
  const rows = new Keyed(root, (name) => ({ root: make(() => /** @type {T} */ (items.get(name))) }));
  return {
    root,
    /** @param {T[]} all */
    draw(all) {
      items.clear();
      for (const item of all) items.set(key(item), item);
      const names = [...items.keys()];
      rows.sync(names).forEach((row, i) => draw(row.root, /** @type {T} */ (items.get(names[i]))));
    },
  };
}

/** @param {State} state @param {any} actions */
export function createWarningsView(state, actions) {
  const now = list(
    (/** @type {import('./warnings.js').Warning} */ w) => `${w.level} ${w.kind}:${w.name}`,
    (warning) => {
      const { level, kind, name } = warning();
      const go = () => (warning().ts !== undefined ? actions.seek(warning().ts) : actions.showWarning(warning()));
      return el('li', { class: level, 'data-warning': `${kind}:${name}`, 'data-level': level }, shape(level), link('', go, 'Show it'));
    },
    (root, warning) => setText(/** @type {Element} */ (root.lastElementChild), warning.text),
  );
  const run = list(
    (/** @type {import('./findings.js').Group} */ group) => group.key,
    (group) => {
      const { level, all: [{ kind, name }] } = group();
      return el('li', { class: level, 'data-finding': `${kind}:${name}` },
        shape(level), el('span', { class: 'when' }), link('', () => actions.showFinding(nextOfGroup(group(), state.ts)), 'Go where it began'));
    },
    (root, group) => {
      const { all } = group;
      setText(root.children[1], clock(all[0].ts).replace(/\.\d+$/, ''));
      setText(/** @type {Element} */ (root.lastElementChild), group.text);
      const isHere = all.some((finding) => state.ts >= finding.ts && state.ts <= finding.end);
      if (root.hasAttribute('aria-current') === isHere) return;
      if (isHere) root.setAttribute('aria-current', 'true');
      else root.removeAttribute('aria-current');
    },
  );
  const empty = el('p', { class: 'empty' }, 'Nothing is shown yet.');
  const heads = [el('h3'), el('h3', {}, 'In this run')];
  const calm = [el('p', { class: 'dim' }, 'Nothing to warn of: no pool above 80 %, no overflow, no gap.'), el('p', { class: 'dim' }, 'No pool above 80 %, no overflow, no server error, no gap in all of it.')];
  const hint = el('p', { class: 'dim' }, 'A click goes where it began, or to the next of several; W goes from one to the next.');
  const all = el('div', { class: 'stack' }, empty, heads[0], now.root, calm[0], heads[1], run.root, calm[1], hint);

  return {
    root: all,
    /** @param {import('./warnings.js').Warning[]} warnings */
    draw(warnings) {
      const { findings } = state;
      const some = state.doc !== null;
      empty.hidden = some;
      for (const head of heads) head.hidden = !some;
      now.root.hidden = !some || warnings.length === 0;
      calm[0].hidden = !some || warnings.length > 0;
      run.root.hidden = hint.hidden = !some || findings.length === 0;
      calm[1].hidden = !some || findings.length > 0;
      setText(heads[0], state.mode === 'live' ? 'Now' : 'At this moment');
      now.draw(some ? warnings : []);
      run.draw(some ? state.findingRows : []);
    },
  };
}
