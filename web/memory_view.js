// @ts-check
// memory_view.js: heaps with their collections, arenas as gauges, the process, the recorder's cost.

import { createAgesView } from './ages_view.js';
import { createArenaStrip } from './arena_strip_view.js';
import { byId, el, fact, Keyed, setClass, setDerived, setNumber, setText } from './dom.js';
import { bytes, clock, count, countExact, duration, isKnown, percent, rate, UNKNOWN } from './format.js';
import { entries } from './observe.js';
import { createProgramView, metricValue } from './program_view.js';
import { createSpark } from './spark_view.js';
import { standsStill } from './status.js';
import { levelOf } from './warnings.js';

const PAUSES_SHOWN = 6;
const PAUSE_EDGES_NS = [1e6, 5e6, 10e6, 16e6];
const PAUSE_NAMES = ['under 1 ms', '1–5 ms', '5–10 ms', '10–16 ms', 'over 16 ms'];
/** @type {Record<string, string>} */
const PROCESS_STATES = { R: 'running', S: 'sleeping', D: 'waiting for disk', T: 'stopped', t: 'being traced', Z: 'zombie', I: 'idle', X: 'dead' };

/** @typedef {import('./state.js').State} State */

/** A bar with a fill and a tick for the high-water mark. */
function bar() {
  const fill = el('span', { class: 'bar-fill' });
  const mark = el('span', { class: 'bar-mark' });
  const root = el('div', { class: 'bar', 'aria-hidden': 'true' }, fill, mark);
  return {
    root,
    /** @param {number} used @param {number} high @param {number} capacity */
    set(used, high, capacity) {
      const part = capacity > 0 ? used / capacity : 0;
      fill.style.width = `${Math.min(100, part * 100)}%`;
      mark.style.left = `${capacity > 0 ? Math.min(100, (high / capacity) * 100) : 0}%`;
      const level = levelOf(part);
      setClass(root, 'is-critical', level === 'critical');
      setClass(root, 'is-warning', level === 'warning');
    },
  };
}

/** @param {string} name @param {State} state */
function createHeap(name, state) {
  const used = el('span', { 'data-field': 'used_bytes' });
  const capacity = el('span', { 'data-field': 'capacity_bytes' });
  const part = el('span', { class: 'percent' });
  const gauge = bar();
  const threshold = fact('threshold', 'threshold_bytes', 'a collection begins when this is in use');
  const allocates = fact('allocates', 'alloc', 'per second, over the last second: growth of what is in use, and what collections freed');
  const peak = fact('peak', 'peak_bytes');
  const collections = fact('collections', 'gc_count');
  const reclaimed = fact('reclaimed', 'reclaimed', 'by the collections the page has seen');
  const longest = fact('longest pause', 'longest', 'of the collections the page has seen');
  const average = fact('average pause', 'average', 'of the collections the page has seen');
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'spark' }));
  const spark = createSpark(canvas, { series: `heap:${name}`, colour: 'c4', height: 44 });
  const pauses = el('tbody');
  const bins = PAUSE_NAMES.map((text) => {
    const fill = el('span', { class: 'bin-fill' });
    const value = el('span', { class: 'bin-value' });
    return { fill, value, root: el('li', {}, el('span', { class: 'bin-name' }, text), el('span', { class: 'bin-track' }, fill), value) };
  });
  const root = el('article', { class: 'card heap', 'data-heap': name },
    el('div', { class: 'card-head' }, el('h3', {}, `Heap ${name}`), el('span', { class: 'occupancy' }, used, ' / ', capacity, ' ', part)),
    gauge.root,
    el('div', { class: 'spark-box' }, canvas),
    el('dl', { class: 'facts' }, allocates.row, threshold.row, peak.row, collections.row, reclaimed.row, longest.row, average.row),
    el('div', { class: 'two' },
      el('div', {}, el('h4', {}, 'Pauses'), el('ul', { class: 'bins' }, ...bins.map((b) => b.root))),
      el('div', {}, el('h4', {}, 'Last collections'), el('table', { class: 'plain' }, el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'at'), el('th', { scope: 'col' }, 'kind'), el('th', { scope: 'col', class: 'num' }, 'pause'), el('th', { scope: 'col', class: 'num' }, 'freed'))), pauses))));
  let seen = '';
  return {
    root,
    draw() {
      const heap = state.doc.heaps[name];
      setNumber(used, heap.used_bytes, bytes);
      setNumber(capacity, heap.capacity_bytes, bytes);
      setText(part, percent(heap.used_bytes, heap.capacity_bytes));
      setNumber(threshold.value, heap.threshold_bytes, bytes);
      setNumber(peak.value, heap.peak_bytes, bytes);
      setNumber(allocates.value, state.history.last(`alloc:${name}`), (v) => (isKnown(v) ? `${bytes(Math.round(v))}/s` : UNKNOWN));
      setNumber(collections.value, heap.gc_count, countExact);
      gauge.set(heap.used_bytes, heap.peak_bytes, heap.capacity_bytes);
      // Against the capacity a small heap would be a flat line.
      spark.draw(state.history, state.ts, Math.max(heap.threshold_bytes ?? 0, heap.used_bytes) || undefined);
      const key = `${state.version.events} ${state.runKey}`;
      if (key !== seen) this.drawPauses(name);
      seen = key;
    },
    /** @param {string} heapName */
    drawPauses(heapName) {
      const bin = [0, 0, 0, 0, 0];
      let total = 0;
      let freed = 0;
      let worst = 0;
      let seenCount = 0;
      const rows = [];
      for (let i = 0; i < state.gcs.length; i += 1) {
        const gc = state.gcs.newest(i);
        if (gc.heap !== heapName) continue;
        seenCount += 1;
        total += gc.dur ?? 0;
        worst = Math.max(worst, gc.dur ?? 0);
        freed += (gc.before_bytes ?? 0) - (gc.after_bytes ?? 0);
        const edge = PAUSE_EDGES_NS.findIndex((limit) => (gc.dur ?? 0) < limit);
        bin[edge < 0 ? 4 : edge] += 1;
        if (rows.length < PAUSES_SHOWN) {
          rows.push(el('tr', {}, el('td', {}, clock(gc.ts)), el('td', {}, gc.detail ?? ''), el('td', { class: 'num' }, duration(gc.dur)), el('td', { class: 'num' }, bytes(gc.before_bytes - gc.after_bytes))));
        }
      }
      pauses.replaceChildren(...(rows.length > 0 ? rows : [el('tr', {}, el('td', { colspan: 4, class: 'dim' }, 'none seen yet'))]));
      const most = Math.max(1, ...bin);
      bins.forEach((b, i) => {
        b.fill.style.width = `${(bin[i] / most) * 100}%`;
        setText(b.value, String(bin[i]));
      });
      setNumber(reclaimed.value, seenCount > 0 ? freed : undefined, bytes);
      setNumber(longest.value, seenCount > 0 ? worst : undefined, duration);
      setNumber(average.value, seenCount > 0 ? total / seenCount : undefined, duration);
    },
  };
}

/** @param {string} name @param {State} state */
function createArena(name, state) {
  const used = el('span', { 'data-field': 'used_bytes' });
  const capacity = el('span', { 'data-field': 'capacity_bytes' });
  const part = el('span', { class: 'percent' });
  const high = el('dd', { 'data-field': 'high_water_bytes' });
  const overflow = el('dd', { 'data-field': 'overflow' });
  const resets = el('dd', { 'data-field': 'resets' });
  const gauge = bar();
  const pair = (/** @type {string} */ label, /** @type {HTMLElement} */ node) => el('div', { class: 'fact' }, el('dt', {}, label), node);
  const overflowFact = pair('overflow', overflow);
  const root = el('div', { class: 'arena', 'data-arena': name },
    el('div', { class: 'card-head' }, el('h4', {}, name), el('span', { class: 'occupancy' }, used, ' / ', capacity, ' ', part)),
    gauge.root,
    el('dl', { class: 'facts' }, pair('high water', high), overflowFact, pair('resets', resets)));
  return {
    root,
    draw() {
      const arena = state.doc.arenas[name];
      setNumber(used, arena.used_bytes, bytes);
      setNumber(capacity, arena.capacity_bytes, bytes);
      setText(part, percent(arena.used_bytes, arena.capacity_bytes));
      setNumber(high, arena.high_water_bytes, bytes);
      setNumber(overflow, arena.overflow, countExact);
      setNumber(resets, arena.resets, count);
      setClass(overflowFact, 'is-critical', arena.overflow > 0);
      gauge.set(arena.used_bytes, arena.high_water_bytes, arena.capacity_bytes);
    },
  };
}

/** The facts of the process: label, field, how to show it, and the series whose rate it is. @type {[string, string, (v: unknown) => string, string][]} */
const PROCESS_FACTS = [
  ['RSS', 'rss_bytes', bytes, 'memory of the process that is in RAM'],
  ['PSS', 'pss_bytes', bytes, 'as RSS, with shared pages divided among those who share them'],
  ['anonymous', 'anon_bytes', bytes, 'heap and stacks'],
  ['file', 'file_bytes', bytes, 'pages of files: the program itself, libraries'],
  ['shmem', 'shmem_bytes', bytes, 'shared memory'],
  ['threads', 'thread_count', count, ''],
  ['descriptors', 'fd_count', count, 'open files and sockets'],
  ['minor faults', 'minor_faults', count, 'since it began'],
  ['major faults', 'major_faults', count, 'since it began: each waited for a disk'],
];

/** @param {State} state */
function createProcess(state) {
  const parent = byId('process');
  parent.dataset.source = 'process';
  const word = el('span', { class: 'occupancy', 'data-field': 'state' });
  const facts = PROCESS_FACTS.map(([label, field, format, title]) => ({ ...fact(label, field, title), field, format }));
  const cpu = fact('CPU', 'cpu', 'user and system time over the last second; 100 % is one core');
  const space = fact('virtual', 'virtual_bytes', 'its address space, of which most was never touched; a program may tell it');
  const cpuTime = fact('CPU time', 'cpu_total', 'user · system, since it began');
  const pressure = fact('memory pressure', 'pressure', 'share of the last second in which some task waited for memory');
  const pressureFull = fact('pressure, all', 'pressure_full', 'time in which every task of the system or cgroup waited for memory, since it began');
  const cgroup = el('div', { class: 'arena', hidden: true });
  const cgroupBar = bar();
  const cgroupText = el('span', { class: 'occupancy' });
  cgroup.append(el('div', { class: 'card-head' }, el('h4', {}, 'cgroup memory'), cgroupText), cgroupBar.root);
  const canvas = /** @type {HTMLCanvasElement} */ (el('canvas', { class: 'spark' }));
  const spark = createSpark(canvas, { series: 'rss', colour: 'c5', height: 40 });
  parent.append(el('div', { class: 'card-head' }, el('h3', {}, 'Process'), word), el('div', { class: 'spark-box' }, canvas),
    el('dl', { class: 'facts' }, ...facts.slice(0, 5).map((f) => f.row), space.row, cpu.row, cpuTime.row, ...facts.slice(5).map((f) => f.row), pressure.row, pressureFull.row), cgroup);
  return () => {
    const process = state.doc.process ?? {};
    const still = standsStill(state.doc);
    setText(word, still ? `stands still${process.stalled_ns > 0 ? ` ${duration(process.stalled_ns)}` : ''}` : PROCESS_STATES[process.state] ?? UNKNOWN);
    setClass(parent, 'is-critical', still);
    for (const f of facts) setNumber(f.value, process[f.field], f.format);
    const virtual = metricValue(state, 'virtual_bytes');
    space.row.hidden = virtual === undefined;
    setNumber(space.value, virtual, bytes);
    const used = state.history.last('cpu');
    setNumber(cpu.value, used, (v) => (isKnown(v) ? `${v.toFixed(v < 10 ? 1 : 0)} %` : UNKNOWN));
    setText(cpuTime.value, `${duration(process.cpu_user_ns)} · ${duration(process.cpu_system_ns)}`);
    setNumber(pressure.value, process.pressure_some_us === undefined ? undefined : state.history.last('pressure'), (v) => (isKnown(v) ? `${v.toFixed(1)} %` : UNKNOWN));
    setNumber(pressureFull.value, process.pressure_full_us === undefined ? undefined : process.pressure_full_us * 1000, duration);
    cgroup.hidden = process.cgroup_used_bytes === undefined;
    if (!cgroup.hidden) {
      const limit = process.cgroup_limit_bytes;
      setText(cgroupText, limit > 0 ? `${bytes(process.cgroup_used_bytes)} / ${bytes(limit)} ${percent(process.cgroup_used_bytes, limit)}` : `${bytes(process.cgroup_used_bytes)}, no limit`);
      cgroupBar.set(process.cgroup_used_bytes, 0, limit ?? 0);
    }
    spark.draw(state.history, state.ts);
  };
}

/** @param {State} state */
function createRecorder(state) {
  const parent = byId('recorder');
  parent.dataset.source = 'recorder';
  const cpu = fact('CPU', 'cpu', 'of one core, over the last second');
  const rss = fact('RSS', 'rss_bytes');
  const tick = fact('a tick takes', 'tick_ns', 'the time the recorder needed for the last frame');
  const late = fact('late by', 'late_ns', 'how far behind its time the last tick began');
  const events = fact('events', 'events');
  const lost = fact('events lost', 'events_lost', 'overwritten before the recorder had read them');
  const cpuTime = fact('CPU time', 'cpu_ns', 'since it began');
  parent.append(el('div', { class: 'card-head' }, el('h3', {}, 'Recorder’s own cost')), el('dl', { class: 'facts' }, cpu.row, cpuTime.row, rss.row, tick.row, late.row, events.row, lost.row));
  return () => {
    const recorder = state.doc.recorder ?? {};
    setNumber(cpu.value, state.history.last('recorder_cpu'), (v) => (isKnown(v) ? `${v.toFixed(2)} %` : UNKNOWN));
    setNumber(cpuTime.value, recorder.cpu_ns, duration);
    setNumber(rss.value, recorder.rss_bytes, bytes);
    setNumber(tick.value, recorder.tick_ns, duration);
    setNumber(late.value, recorder.late_ns, duration);
    setDerived(events.value, recorder.events, `${count(recorder.events)} · ${rate(state.history.last('recorder_events'))} /s`);
    setNumber(lost.value, recorder.events_lost, countExact);
    setClass(lost.row, 'is-warning', recorder.events_lost > 0);
  };
}

/** @param {State} state @param {{pickConn: (id: number) => void, tip: (text: string | null, x?: number, y?: number) => void}} actions */
export function createMemoryView(state, actions) {
  const arenas = byId('arenas');
  const list = el('div', { class: 'stack' });
  arenas.append(el('div', { class: 'card-head' }, el('h3', {}, 'Arenas')), list);
  const strip = createArenaStrip(state, actions);
  arenas.append(strip.root);
  const cellAges = createAgesView(state);
  const drawProcess = createProcess(state);
  const drawRecorder = createRecorder(state);
  const drawProgram = createProgramView(state);
  const heapCards = new Keyed(byId('heaps'), (name) => createHeap(name, state));
  const arenaRows = new Keyed(list, (name) => createArena(name, state));
  return {
    draw() {
      if (!state.doc) return;
      for (const card of heapCards.sync(Object.keys(state.doc.heaps ?? {}))) card.draw();
      const names = entries(state.doc.arenas).map(([name]) => name);
      strip.draw();
      cellAges.draw();
      arenas.hidden = names.length === 0 && state.arenas.length === 0;
      for (const row of arenaRows.sync(names)) row.draw();
      drawProcess();
      drawRecorder();
      drawProgram();
    },
  };
}
