// @ts-check
// main.js: wires state, player and views; owns the one animation frame loop and the page's keys.

import { askedFirst } from './api.js';
import { createCompareView } from './compare_view.js';
import { createChartView } from './chart_view.js';
import { withFilter } from './conn_filter.js';
import { createConnectionsView } from './connections_view.js';
import { byId, el, visible } from './dom.js';
import { clock } from './format.js';
import { createFrames, script } from './frames.js';
import { createHeaderView } from './header_view.js';
import { createInspectorView } from './inspector_view.js';
import { JUMP_KINDS } from './jump.js';
import { actionOf, KEYS, nextSpeed } from './keys.js';
import { createMarkerView } from './marker_view.js';
import { createMemoryView } from './memory_view.js';
import { askPick } from './pick_asks.js';
import { createPoolView } from './pool_view.js';
import { Player } from './player.js';
import { saveImage } from './save_view.js';
import { Second } from './second.js';
import { SlotFactsCache } from './slot_facts.js';
import { State } from './state.js';
import { setPaper, switchTheme, watchTheme } from './theme.js';
import { createSplitView } from './split_view.js';
import { createTimelineView } from './timeline_view.js';
import { within, zoom } from './timeline.js';
import { createTipView } from './tip_view.js';
import { createTrafficView } from './traffic_view.js';
import { createTransportView } from './transport_view.js';
import { decodePlace, encodePlace } from './url.js';
import { createVitalsView } from './vitals_view.js';
import { createZoomView } from './zoom_view.js';

const POLL_MS = 3000;
const URL_EVERY_MS = 700;
const JUMP_NS = 5e9;
/** what is looked at while time passes is asked about anew so often */
const PICK_EVERY_NS = 2e9;

const state = new State();
const tip = createTipView();
const player = new Player(state, tip.say);
/** The run beside, and what keeps it in step. */
const other = new State();
const second = new Second(state, other, tip.say);
const slotFacts = new SlotFactsCache();
Object.assign(window, { memcam: { state, other, player, second, script } });
await askedFirst;

const actions = {
  openRun: (/** @type {string} */ run) => (state.compare?.run === run ? swapRuns() : player.openRun(run)),
  openRunAt: (/** @type {string} */ run, /** @type {number} */ ts) => player.openRun(run, { ts }),
  filter: (/** @type {string} */ text) => state.setPlace({ filter: text }),
  showWarnings: () => actions.tab('warnings'),
  tab: (/** @type {string} */ tab) => state.setPlace({ tab }),
  say: tip.say,
  tip: tip.show,
  slotFacts: (/** @type {string} */ pool, /** @type {number} */ slot, /** @type {() => void} */ done) => slotFacts.get(state, pool, slot, done),
  seek: (/** @type {number} */ ts) => player.seek(ts),
  select: (/** @type {[number, number] | null} */ selected) => state.setPlace({ selected }),
  view: (/** @type {[number, number] | null} */ view) => {
    state.setPlace({ view });
    overviewSoon(120);
  },
  toggle: () => player.toggle(),
  step: (/** @type {1 | -1} */ direction) => player.step(direction),
  jump: (/** @type {import('./jump.js').JumpKind} */ kind, /** @type {1 | -1} */ direction) => player.jump(kind, direction),
  live: () => player.goLive(),
  speed: (/** @type {number | 'max'} */ speed) => player.setSpeed(speed),
  mark: () => openMarkDialog(),
  editMark: openMarkDialog,
  pick: (/** @type {string} */ pool, /** @type {number | undefined} */ slot = undefined) => {
    actions.look({ pool, slot });
  },
  pickConn: (/** @type {number} */ conn) => {
    actions.look({ conn });
  },
  look: (/** @type {State['pick']} */ pick) => {
    state.setPick(pick);
    state.setPlace({ tab: 'pick' });
    keepPick();
  },
  showFinding: (/** @type {import('./findings.js').Finding} */ finding) => {
    player.seekFinding(finding);
    const pool = document.querySelector(`[data-pool="${CSS.escape(finding.name)}"]`);
    if (['pool', 'overflow', 'growth'].includes(finding.kind) && pool) byId('main').scrollTo({ top: 0 });
    else if (finding.kind === 'errors') byId('traffic').scrollIntoView({ block: 'start' });
    else if (finding.kind !== 'gap') byId('memory').scrollIntoView({ block: 'start' });
  },
  filterBy: (/** @type {'owner' | 'route' | 'status' | 'dur'} */ name, /** @type {string} */ value) => {
    state.setPlace({ filter: withFilter(state.filter, name, value) });
    if (value) byId('connections').scrollIntoView({ block: 'start' });
  },
  compare: (/** @type {string | null} */ run) => compareWith(run === null ? null : { run, align: 'clock', label: '', offset_ns: 0 }),
  align: (/** @type {import('./align.js').AlignKind} */ align, /** @type {string} */ label) => {
    if (state.compare) compareWith({ ...state.compare, align, label });
  },
  swap: swapRuns,
  seekBoth,
  diffSpan: () => second.aligning.then(() => second.diffSpan()),
  enlarge: (/** @type {string} */ pool) => views.zoom.open(pool),
  showWarning: (/** @type {import('./warnings.js').Warning} */ warning) => {
    const pool = ['pool', 'overflow', 'growth'].includes(warning.kind) ? document.querySelector(`[data-pool="${CSS.escape(warning.name)}"]`) : null;
    const target = pool ?? byId({ errors: 'traffic', recorder: 'recorder', process: 'process' }[warning.kind] ?? 'memory');
    target.scrollIntoView({ block: 'center' });
    if (pool) actions.pick(warning.name);
  },
};

watchTheme(() => state.changed('doc', 'run'));
const views = {
  header: createHeaderView(actions),
  vitals: createVitalsView(),
  pools: createPoolView(state, actions),
  memory: createMemoryView(state, actions),
  traffic: createTrafficView(state, actions),
  connections: createConnectionsView(state, actions),
  compare: createCompareView(state, other, second, actions),
  charts: createChartView(state, actions, { state: other, span: (span) => second.span(span) }),
  timeline: createTimelineView(state, actions),
  transport: createTransportView(state, actions),
  inspector: createInspectorView(state, actions),
  zoom: createZoomView(state, actions),
  markers: createMarkerView(state),
};

const frames = createFrames(state, other, views, second, () => state.mode === 'pause' && player.asking !== null);
const { schedule } = frames;

/** @param {import('./state.js').Compare | null} compare */
function compareWith(compare) {
  const usable = compare && compare.run !== state.runKey && state.runs?.some((run) => run.run === compare.run);
  if (compare && !usable) tip.say(`Run ${compare.run} can’t stand beside this one: it is the same, or not here.`);
  state.setPlace({ compare: usable ? compare : null });
  second.choose();
}

/** A becomes B, at the moments shown. */
async function swapRuns() {
  const { compare, runKey, ts } = state;
  if (!compare || runKey === null) return;
  const at = other.doc ? other.ts : undefined;
  state.setPlace({ compare: null });
  await player.openRun(compare.run, at === undefined ? {} : { ts: at });
  compareWith({ ...compare, run: runKey, offset_ns: compare.align === 'moment' && at !== undefined ? ts - at : 0 });
}

/** Show a moment of A and a moment of B. @param {string} a @param {string} b @param {number} atA @param {number} atB */
async function seekBoth(a, b, atA, atB) {
  if (state.runKey !== a) await player.openRun(a, { ts: atA });
  compareWith({ run: b, align: 'moment', label: '', offset_ns: atB - atA });
  player.seek(atA);
}

let askedPick = '';

/** Ask about what is looked at, when that or, paused, the moment is another. */
function keepPick() {
  const { pick } = state;
  const at = state.mode === 'pause' ? state.ts : Math.floor(state.ts / PICK_EVERY_NS);
  const key = JSON.stringify([state.runKey, pick, at, state.run !== null]);
  if (key === askedPick || !state.doc) return;
  askedPick = key;
  askPick(state);
}

/** Make a mark here or over the selection; or change one. @param {import('./state.js').Mark} [mark] */
function openMarkDialog(mark) {
  if (!state.doc) return;
  const dialog = byId('mark-dialog');
  const span = state.selected;
  const ts = mark ? mark.ts : span ? span[0] : state.ts;
  const dur = mark ? mark.dur : span ? span[1] - span[0] : 0;
  byId('mark-title').textContent = mark ? 'Change the mark' : 'Set a mark';
  byId('mark-save').textContent = mark ? 'Save' : 'Set mark';
  byId('mark-when').textContent = dur > 0 ? `from ${clock(ts)} to ${clock(ts + dur)}` : `at ${clock(ts)}`;
  byId('mark-here-label').hidden = !mark;
  byId('mark-here-text').textContent = span ? `move it to the selection, ${clock(span[0])} to ${clock(span[1])}` : `move it to the moment shown, ${clock(state.ts)}`;
  byId('mark-here').checked = false;
  byId('mark-remove').hidden = !mark;
  const text = byId('mark-text');
  text.value = mark ? mark.label : '';
  const moved = span ? { ts: Math.round(span[0]), dur: Math.round(span[1] - span[0]) } : { ts: Math.round(state.ts), dur: 0 };
  byId('mark-form').onsubmit = () => {
    const label = text.value.trim();
    if (!label) return;
    if (mark) player.changeMark(mark, { label, ...(byId('mark-here').checked ? moved : {}) });
    else player.mark(label, ts, dur);
  };
  byId('mark-cancel').onclick = () => dialog.close();
  byId('mark-remove').onclick = () => {
    dialog.close();
    if (mark) player.removeMark(mark);
  };
  dialog.showModal();
  text.focus();
}

function fillHelp() {
  const close = el('button', { type: 'button' }, 'Close');
  close.addEventListener('click', () => byId('help').close());
  byId('help').replaceChildren(el('h2', { id: 'help-title' }, 'Keys'),
    el('dl', { class: 'keys' }, ...KEYS.filter((key) => key.shown).flatMap((key) => [el('dt', {}, key.shown), el('dd', {}, key.text)])),
    el('p', { class: 'dim' }, 'Timeline: click to go there, drag to select, wheel to zoom, shift and wheel to move along, double click to zoom to the selection. A slot map takes arrows and Enter when it has the focus; a double click or Z enlarges it, where + and − zoom and dragging moves. Filter words look in pools, routes, owners and peers; “owner:app”, “route:/slow”, “status:5” and “dur>10ms” filter connections and events.'), close);
}

/** @type {Record<string, () => void>} */
const keyActions = {
  toggle: actions.toggle,
  back: () => player.seek(state.ts - JUMP_NS),
  on: () => player.seek(state.ts + JUMP_NS),
  stepBack: () => player.step(-1),
  stepOn: () => player.step(1),
  markBefore: () => player.jump('mark', -1),
  markAfter: () => player.jump('mark', 1),
  ...Object.fromEntries(JUMP_KINDS.flatMap(([kind]) => [[`${kind}Next`, () => player.jump(kind, 1)], [`${kind}Before`, () => player.jump(kind, -1)]])),
  reverse: () => playAt(nextSpeed(state.speed, -1, state.mode === 'play')),
  faster: () => playAt(nextSpeed(state.speed, 1, state.mode === 'play')),
  first: () => player.seek(state.entry?.first_ts ?? 0),
  live: () => (state.entry?.live ? player.goLive() : player.seek(state.endTs)),
  mark: () => openMarkDialog(),
  select: selectHere,
  zoomSelected: () => (state.selected ? actions.view(state.selected) : tip.say('Select time first: drag over the timeline, or S where it begins and where it ends.')),
  zoomIn: () => zoomAt(0.5),
  zoomOut: () => zoomAt(2),
  whole: () => actions.view(null),
  filter: () => byId('filter').focus(),
  clear: () => {
    state.setPick({});
    state.setPlace({ selected: null, filter: '' });
  },
  compare: () => (state.compare ? actions.compare(null) : actions.tab('diff')),
  swap: swapRuns,
  differenceNext: () => goDifference(1),
  differenceBefore: () => goDifference(-1),
  theme: switchTheme,
  help: () => byId('help').showModal(),
};

/** where a selection by key began @type {number | null} */
let selectFrom = null;

/** The first time from here on, the second up to here. */
function selectHere() {
  const { ts, intervalNs } = state;
  const from = selectFrom !== null && state.selected ? selectFrom : ts;
  selectFrom = selectFrom !== null && state.selected ? null : ts;
  state.setPlace({ selected: [Math.min(from, ts), Math.max(from, ts) + (from === ts ? intervalNs : 0)] });
  tip.say(selectFrom === null ? 'Selected: M marks it, Z zooms to it.' : 'Selected from here on: go where it ends, and S again.');
}

/** @param {1 | -1} direction */
function goDifference(direction) {
  if (!state.compare) tip.say('One run is shown: compare it with another first (C).');
  else views.inspector.diff.go(direction);
  actions.tab('diff');
}

/** @param {number | 'max'} speed */
function playAt(speed) {
  state.setPlace({ speed });
  player.play();
}

/** @param {number} factor */
function zoomAt(factor) {
  const end = Math.max(1e9, state.endTs);
  const view = /** @type {[number, number]} */ (state.view ?? [0, end]);
  const at = state.ts >= view[0] && state.ts <= view[1] ? state.ts : (view[0] + view[1]) / 2;
  const next = within(zoom(view, at, factor, end), end);
  actions.view(next[1] - next[0] >= end ? null : next);
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const typing = target.matches('input:not([type=checkbox]):not([type=range]), textarea, select');
  if (typing) {
    if (event.key === 'Escape') target.blur();
    return;
  }
  if (event.key === ' ' && target.matches('button, a, summary, input[type=checkbox]')) return;
  if (event.key.startsWith('Arrow') && target.matches('[role=tab], input[type=range]')) return;
  const action = actionOf(event.key);
  if (!action) return;
  event.preventDefault();
  keyActions[action]();
});

/** @type {ReturnType<typeof setTimeout> | undefined} */
let overviewTimer;

/** @param {number} delayMs */
function overviewSoon(delayMs) {
  clearTimeout(overviewTimer);
  overviewTimer = setTimeout(() => player.overviews.refresh(), delayMs);
}

/** The address as it was opened or written last, and how many places are being opened. */
let address = '';
let opening = 0;
const fragment = () => location.hash.slice(1);

/** Keep the address such that it reopens this moment; not over a link that has not been opened yet. */
function writeUrl() {
  if (!state.runKey || opening || fragment() !== address) return;
  const { pick } = state;
  const text = encodePlace({
    run: state.runKey, ts: state.mode === 'live' || !state.doc ? undefined : state.ts, speed: state.speed, playing: state.mode === 'play',
    view: state.view ?? undefined, selected: state.selected ?? undefined, ...pick, owners: byId('owner-colours').checked,
    filter: state.filter || undefined, tab: state.tab === 'warnings' ? undefined : state.tab,
    b: state.compare?.run, align: state.compare?.align, label: state.compare?.label || undefined, offset: state.compare?.align === 'moment' ? state.compare.offset_ns : undefined,
  });
  if (text === address) return;
  history.replaceState(null, '', `#${text}`);
  address = fragment();
}

/** Colour slots by owner. @param {boolean} on */
function setOwners(on) {
  byId('owner-colours').checked = on;
  views.pools.byOwner(on);
  frames.forget();
}

/** What was opened last: places are opened one after the other. */
let opened = Promise.resolve();

function openPlace() {
  address = fragment();
  const place = decodePlace(location.hash);
  const open = () => openAt(place).finally(() => { opening--; });
  opening++;
  opened = opened.then(open, open);
}

/** @param {ReturnType<typeof decodePlace>} place */
async function openAt(place) {
  state.setPlace({ filter: place.filter ?? '', tab: place.tab ?? 'warnings' });
  state.setPick({ pool: place.pool, slot: place.slot, conn: place.conn, stream: place.stream, route: place.route, mark: place.mark });
  setOwners(place.owners === true);
  await player.start(place);
  if (place.b !== undefined || state.compare) compareWith(place.b === undefined ? null : { run: place.b, align: place.align ?? 'clock', label: place.label ?? '', offset_ns: place.offset ?? 0 });
}

window.addEventListener('hashchange', () => {
  if (fragment() !== address) openPlace();
});
byId('help-button').addEventListener('click', keyActions.help);
byId('theme-button').addEventListener('click', switchTheme);
/** For paper and pictures: draw also what is off the screen. @param {() => void} draw */
function drawWhole(draw) {
  visible.forced = true;
  draw();
  visible.forced = false;
}

byId('save-button').addEventListener('click', () => {
  drawWhole(() => views.pools.paint());
  saveImage(state, frames.warnings());
});
window.addEventListener('beforeprint', () => {
  document.body.classList.add('printing');
  setPaper(true);
  drawWhole(() => frames.drawAll());
});
window.addEventListener('afterprint', () => {
  document.body.classList.remove('printing');
  setPaper(false);
});
byId('owner-colours').addEventListener('change', () => setOwners(byId('owner-colours').checked));
fillHelp();
createSplitView();
state.subscribe(schedule);
other.subscribe(schedule);
second.wake = schedule;
visible.changed = schedule;
let turn = 0;
setInterval(() => {
  player.overviews.keep();
  keepPick();
  turn += 1;
  if (state.mode !== 'play' || turn % 3 === 0) writeUrl(); // the browser keeps each address: that takes time
}, URL_EVERY_MS);
setInterval(() => player.poll(), POLL_MS);
player.hide(document.hidden);
document.addEventListener('visibilitychange', () => {
  player.hide(document.hidden);
  second.hide(document.hidden);
  schedule();
});
openPlace();
