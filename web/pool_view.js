// @ts-check
// pool_view.js: a card for each slab: how full, its slots, its letters, its last minute.

import { parseFilter } from './conn_filter.js';
import { byId, el, Keyed, setClass, setDerived, setNumber, setText, visible, widthOf } from './dom.js';
import { bytes, clock, count, countExact, percent, rate, UNKNOWN } from './format.js';
import { plainTable } from './event_view.js';
import { css, FIXED_NAMES, letterColour } from './palette.js';
import { entries } from './observe.js';
import { ownerTable } from './owners.js';
import { ownValue } from './patch.js';
import { countBytes, FREE } from './pool_map.js';
import { slotByKey } from './layout.js';
import { OWNER_LETTERS, SlotMapView } from './slot_map_view.js';
import { createSpark } from './spark_view.js';
import { theme } from './theme.js';
import { levelOf } from './warnings.js';

const BIG_POOL_SLOTS = 16384;
/** a map's height at most, as part of the window's, and never less than so many CSS pixels */
const SMALL_MAP = { part: 0.13, least: 132 };
const BIG_MAP = { part: 0.34, least: 300 };
const MAX_CELL = 22;
const RESORT_MS = 2000;
const OWNERS_SHOWN = 40;
/** a pointer that rests so long on a slot wants to know more of it */
const HOVER_ASKS_MS = 120;

/** @typedef {import('./state.js').State} State */
/** @typedef {{pick: (pool: string, slot?: number) => void, enlarge: (pool: string) => void, slotFacts: (pool: string, slot: number, done: () => void) => import('./slot_facts.js').SlotFacts | null, tip: (text: string | null, x?: number, y?: number) => void}} PoolActions */

/**
 * Pools in the order to show them: full ones first, then by tens of percent, then by name, so that
 * cards don't change places at each tick. Big ones, a row each, come behind small ones as calm.
 * @param {any} doc @param {string} filter
 * @returns {string[]}
 */
export function poolOrder(doc, filter) {
  const { words } = parseFilter(filter);
  const all = entries(doc.pools).map(([name, pool]) => {
    const part = pool.capacity > 0 ? pool.used / pool.capacity : 0;
    const level = levelOf(part);
    return { name, rank: (level === 'critical' ? 200 : level === 'warning' ? 100 : 0) + (pool.overflow > 0 ? 50 : 0) + Math.floor(part * 10) - (pool.capacity > BIG_POOL_SLOTS ? 60 : 0) };
  });
  const shown = all.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
  return (shown.length > 0 ? shown : all).sort((a, b) => b.rank - a.rank || (a.name < b.name ? -1 : 1)).map(({ name }) => name);
}

/** The letters that a slab names, in order. @param {any} source */
export function ownLetters(source) {
  return Object.keys(source?.states ?? {}).join('');
}

/** @param {string} letter @param {any} source */
export function letterName(letter, source) {
  return ownValue(source?.states, letter) ?? ownValue(FIXED_NAMES, letter) ?? `state ${letter}`;
}

/** @param {State} state @param {string} letter */
export function ownerName(state, letter) {
  return letter === '.' ? 'no owner' : ownValue(state.doc?.owners, letter) ?? letter;
}

const ownerCounts = new Uint32Array(128);

/**
 * A table: who holds how many slots, by state.
 * @param {State} state @param {import('./pool_map.js').PoolMap} map @param {any} source
 */
export function ownersTable(state, map, source) {
  const letters = [...new Set(`AIC${ownLetters(source)}`)].filter((letter) => 'AIC'.includes(letter) || map.counts[letter.charCodeAt(0)] > 0).slice(0, 6).join('');
  const rows = ownerTable(map, letters);
  const withOther = rows.some((row) => row.counts[letters.length] > 0);
  const heads = ['owner', ...[...letters].map((letter) => letterName(letter, source)), ...(withOther ? ['other'] : []), 'slots'];
  return plainTable(heads, rows.length === 0 ? [el('tr', {}, el('td', { class: 'dim', colspan: heads.length }, 'no slot is held'))] : rows.slice(0, OWNERS_SHOWN).map((row) => el('tr', {}, el('th', { scope: 'row' }, ownerName(state, row.letter)), ...row.counts.slice(0, withOther ? undefined : -1).map((n) => el('td', { class: n > 0 ? 'num' : 'num is-zero' }, count(n))), el('td', { class: 'num' }, `${count(row.total)} (${percent(row.total, map.slotCount - map.counts[FREE])})`))), 1);
}

/** @param {string} name @param {State} state @param {PoolActions} actions */
function createCard(name, state, actions) {
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'slots', role: 'application', 'aria-roledescription': 'slot map', tabindex: 0, 'data-map': name, 'aria-label': `Slots of ${name}: arrows move, Enter shows a slot beside` }));
  const box = el('div', { class: 'slots-box' }, canvas);
  const spark = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'spark' }));
  const nodes = {
    used: el('span', { 'data-field': 'used' }),
    capacity: el('span', { 'data-field': 'capacity' }),
    percent: el('span', { class: 'percent', 'data-field': 'percent' }),
    free: el('dd', { 'data-field': 'free' }),
    high: el('dd', { 'data-field': 'high_water' }),
    overflow: el('dd', { 'data-field': 'overflow' }),
    allocs: el('dd', { 'data-field': 'allocs' }),
    frees: el('dd', { 'data-field': 'frees' }),
    fill: el('span', { class: 'bar-fill' }),
    mark: el('span', { class: 'bar-mark' }),
    sizes: el('span', { class: 'dim' }),
    legend: el('ul', { class: 'legend', 'aria-label': 'States' }),
    owners: el('div', { class: 'owners', hidden: true }),
  };
  const title = el('button', { type: 'button', class: 'card-title', title: 'Show this pool beside' }, name);
  title.addEventListener('click', () => actions.pick(name));
  const pair = (/** @type {string} */ label, /** @type {HTMLElement} */ value, /** @type {string} */ hint) => el('div', { class: 'fact', title: hint }, el('dt', {}, label), value);
  const overflowFact = pair('overflow', nodes.overflow, 'times a slot was wanted and none was free');
  const root = el('article', { class: 'card pool', 'data-pool': name, 'data-source': name },
    el('div', { class: 'card-head' }, el('h3', {}, title), nodes.sizes, el('span', { class: 'occupancy' }, nodes.used, ' / ', nodes.capacity, ' ', nodes.percent)),
    el('div', { class: 'bar', 'aria-hidden': 'true' }, nodes.fill, nodes.mark),
    box,
    nodes.legend,
    nodes.owners,
    el('div', { class: 'pool-foot' }, el('div', { class: 'spark-box' }, spark),
      el('dl', { class: 'facts' }, pair('free', nodes.free, 'slots free now'), pair('high water', nodes.high, 'most slots ever used at once'), overflowFact, pair('taken', nodes.allocs, 'slots taken per second, over the last second'), pair('given back', nodes.frees, 'slots given back since the run began'))));
  const view = new SlotMapView(canvas);
  const line = createSpark(spark, { series: `pool:${name}`, colour: 'c1', height: 26 });
  visible.watch(root);
  pointAtSlots(canvas, view, name, state, actions);
  let width = 0;
  let boxHeight = 0;
  new ResizeObserver(() => { width = box.clientWidth; }).observe(box);
  /** @type {Keyed<any>} */
  const legend = new Keyed(nodes.legend, (letter) => {
    const swatch = el('span', { class: 'swatch', 'aria-hidden': 'true' }, letter === '.' ? '' : letter);
    const value = el('span', { 'data-state': letter });
    const text = el('span', { class: 'legend-name' });
    return { root: el('li', {}, swatch, text, ' ', value), swatch, value, text };
  });
  let legendKey = '';
  let ownersKey = '';

  return {
    name,
    root,
    view,
    /** @param {boolean} wideAllowed */
    draw(wideAllowed) {
      const pool = state.doc.pools[name];
      const source = state.source('slab', name);
      const part = pool.capacity > 0 ? pool.used / pool.capacity : 0;
      setNumber(nodes.used, pool.used, countExact);
      setNumber(nodes.capacity, pool.capacity, countExact);
      setText(nodes.percent, percent(pool.used, pool.capacity));
      setNumber(nodes.free, pool.free, countExact);
      setNumber(nodes.high, pool.high_water, countExact);
      setNumber(nodes.overflow, pool.overflow, countExact);
      setDerived(nodes.allocs, pool.allocs, `${rate(state.history.last(`allocs:${name}`))} /s`);
      setNumber(nodes.frees, pool.frees, count);
      setText(nodes.sizes, source?.slot_bytes ? `${bytes(source.slot_bytes)} a slot · ${bytes(source.capacity_bytes)}` : '');
      const level = levelOf(part);
      setClass(root, 'is-critical', level === 'critical');
      setClass(root, 'is-warning', level === 'warning');
      setClass(overflowFact, 'is-critical', pool.overflow > 0);
      setClass(root, 'big', pool.capacity > BIG_POOL_SLOTS && wideAllowed);
      setClass(root, 'picked', state.pick.pool === name);
      nodes.fill.style.width = `${Math.min(100, part * 100)}%`;
      nodes.mark.style.left = `${pool.capacity > 0 ? Math.min(100, (pool.high_water / pool.capacity) * 100) : 0}%`;
      if (!visible.is(root)) return;
      line.draw(state.history, state.ts, pool.capacity || 1);
      const map = state.maps.get(name);
      if (map) this.drawLegend(map, source);
    },
    /** @param {import('./pool_map.js').PoolMap} map @param {any} source */
    drawLegend(map, source) {
      const owners = view.byOwner ? map.owners : null;
      const letters = owners ? OWNER_LETTERS : ownLetters(source);
      if (owners) countBytes(owners, ownerCounts);
      const counts = owners ? ownerCounts : map.counts;
      let shown = '';
      for (let i = 33; i < 127; i += 1) if (i !== FREE && (counts[i] > 0 || (!owners && letters.includes(String.fromCharCode(i))))) shown += String.fromCharCode(i);
      const order = [...[...shown].sort((a, b) => counts[b.charCodeAt(0)] - counts[a.charCodeAt(0)] || (a < b ? -1 : 1)).slice(0, 12).sort(), '.'];
      const items = legend.sync(order);
      const key = `${order.join('')} ${theme.version} ${letters} ${owners ? JSON.stringify(state.doc.owners) : ''}`;
      items.forEach((item, i) => {
        setNumber(item.value, counts[order[i].charCodeAt(0)], countExact);
        if (key !== legendKey) {
          item.swatch.style.backgroundColor = css(letterColour(order[i], letters, theme.name));
          setText(item.text, owners ? ownerName(state, order[i]) : letterName(order[i], source));
        }
      });
      legendKey = key;
      nodes.owners.hidden = !owners;
      if (owners) this.drawOwners(map, source);
    },
    /** Whose slots they are, and in which states. @param {import('./pool_map.js').PoolMap} map @param {any} source */
    drawOwners(map, source) {
      const key = `${state.version.doc} ${state.version.run}`;
      if (key === ownersKey) return;
      ownersKey = key;
      nodes.owners.replaceChildren(ownersTable(state, map, source));
    },
    /** The slots; called each animation frame in which the map changed or fades. */
    paint(/** @type {boolean} */ byOwner) {
      const map = state.maps.get(name);
      width = widthOf(width, box);
      if (!map || !visible.is(root) || width === 0) return 0;
      const ratio = window.devicePixelRatio || 1;
      const big = map.slotCount > BIG_POOL_SLOTS;
      view.byOwner = byOwner && map.owners !== null;
      view.setPalette(ownLetters(state.source('slab', name)));
      const limit = big ? BIG_MAP : SMALL_MAP;
      const height = Math.floor(Math.max(limit.least, window.innerHeight * limit.part));
      view.layout(map, Math.floor(width * ratio), Math.floor(height * ratio), Math.round(MAX_CELL * ratio));
      // Small maps in a row stand on one line, with what is below them.
      if (!big && height !== boxHeight) box.style.minHeight = `${boxHeight = height}px`;
      return view.paint();
    },
  };
}

/**
 * A pointer or the arrow keys on a map say what a slot is; a click or Enter looks at it.
 * @param {HTMLCanvasElement} canvas @param {SlotMapView} view @param {string} name @param {State} state @param {PoolActions} actions
 */
function pointAtSlots(canvas, view, name, state, actions) {
  /** @type {{slot: number, x: number, y: number} | null} */
  let at = null;
  let keyed = -1;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  function ask() {
    if (!at) return;
    const { slot, x, y } = at;
    const facts = actions.slotFacts(name, slot, () => {
      if (at?.slot === slot) ask();
    });
    if (facts) actions.tip(slotText(state, name, slot, facts), x, y);
  }
  /** @param {number} slot @param {number} x @param {number} y */
  function point(slot, x, y) {
    at = slot < 0 ? null : { slot, x, y };
    clearTimeout(timer);
    actions.tip(slot < 0 ? null : slotText(state, name, slot), x, y);
    if (slot >= 0) timer = setTimeout(ask, HOVER_ASKS_MS);
  }
  const leave = () => point(-1, 0, 0);
  canvas.addEventListener('pointermove', (event) => point(view.slotAt(event.clientX, event.clientY), event.clientX, event.clientY));
  canvas.addEventListener('pointerleave', leave);
  canvas.addEventListener('blur', leave);
  canvas.addEventListener('click', (event) => {
    keyed = view.slotAt(event.clientX, event.clientY);
    if (keyed >= 0) actions.pick(name, keyed);
  });
  canvas.addEventListener('dblclick', () => actions.enlarge(name));
  canvas.addEventListener('keydown', (event) => {
    const { map, cols } = view;
    if (!map) return;
    if (event.key === 'Enter' && keyed >= 0) actions.pick(name, keyed);
    if (event.key === 'z' || event.key === 'Z') actions.enlarge(name);
    const next = slotByKey(event.key, keyed, cols, map.slotCount);
    if (next < 0) return;
    event.preventDefault();
    event.stopPropagation();
    keyed = next;
    const { x, y } = view.pointOf(keyed);
    point(keyed, x, y);
    canvas.setAttribute('aria-label', `${name}: ${slotText(state, name, keyed)}`);
  });
}

/**
 * What is known of a slot, in a line.
 * @param {State} state @param {string} name @param {number} slot @param {import('./slot_facts.js').SlotFacts | null} [facts] what the recording says of it
 */
export function slotText(state, name, slot, facts = null) {
  const map = state.maps.get(name);
  if (!map || slot >= map.slotCount) return UNKNOWN;
  const letter = String.fromCharCode(map.states[slot]);
  const out = [`slot ${slot}`, `${letterName(letter, state.source('slab', name))}${letter === '.' ? '' : ` (${letter})`}`];
  const owner = map.owners ? String.fromCharCode(map.owners[slot]) : '.';
  if (owner !== '.') out.push(`owner ${ownValue(state.doc.owners, owner) ?? owner}`);
  const seen = map.sinceOf(slot);
  const since = Number.isNaN(seen) ? facts?.since ?? NaN : seen;
  if (since <= state.ts) out.push(`for ${((state.ts - since) / 1e9).toFixed(1)} s, since ${clock(since)}`);
  else if (facts) out.push('no change recorded in the ten minutes before');
  if (facts?.conn && letter !== '.') out.push(`held by connection ${facts.conn}${facts.peer ? ` (${facts.peer})` : ''}`);
  if (facts?.request && letter !== '.') out.push(facts.request);
  return out.join(' · ');
}

/** @param {State} state @param {PoolActions} actions */
export function createPoolView(state, actions) {
  const parent = byId('pool-cards');
  /** @type {Keyed<ReturnType<typeof createCard>>} */
  const cards = new Keyed(parent, (name) => createCard(name, state, actions));
  let order = /** @type {string[]} */ ([]);
  let sortedMs = 0;
  let sortedFor = '';
  let ownersShown = false;
  /** @type {ReturnType<typeof createCard>[]} cards that are yet to be drawn */
  let rest = [];

  /** Put the cards in order: each of them is to be drawn. @param {number} nowMs */
  function begin(nowMs) {
    const key = `${state.filter} ${state.runKey} ${state.mode === 'pause' ? state.ts : ''} ${Object.keys(state.doc.pools ?? {}).length}`;
    if (key !== sortedFor || nowMs - sortedMs > RESORT_MS) {
      order = poolOrder(state.doc, state.filter);
      sortedMs = nowMs;
      sortedFor = key;
    }
    order = order.filter((name) => ownValue(state.doc.pools, name));
    rest = cards.sync(order).reverse();
  }

  return {
    /** Draw one card that is on the screen, and those on the way to it. @param {number} nowMs @returns {boolean} whether some are yet to be drawn */
    draw(nowMs) {
      if (!state.doc) {
        rest = [];
        if (order.length > 0) cards.sync(order = []);
        return false;
      }
      if (rest.length === 0) begin(nowMs);
      while (rest.length > 0) {
        const card = /** @type {ReturnType<typeof createCard>} */ (rest.pop());
        if (!ownValue(state.doc.pools, card.name)) continue;
        card.draw(order.length > 1);
        if (visible.is(card.root)) break;
      }
      return rest.length > 0;
    },
    paint() {
      let painted = 0;
      for (const card of cards.items.values()) painted += card.paint(ownersShown);
      return painted;
    },
    /** Colour slots by owner, where a slab keeps owners. @param {boolean} on */
    byOwner(on) {
      ownersShown = on;
    },
    /** @param {string} name */
    card(name) {
      return cards.items.get(name);
    },
  };
}
