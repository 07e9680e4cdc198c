// state.test.mjs: the state over a made-up run: what deltas make equals what the program says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connFilter } from '../../web/conn_filter.js';
import { Connections } from '../../web/connections.js';
import { History, Recent } from '../../web/history.js';
import { FLASH_LEVELS, PoolMap } from '../../web/pool_map.js';
import { HEAT_ROWS, HISTORY_ROWS, State, heatRow } from '../../web/state.js';
import { statusOf } from '../../web/status.js';
import { sortRows, csv } from '../../web/table.js';
import { findWarnings } from '../../web/warnings.js';
import { nextSpeed } from '../../web/keys.js';
import { Program } from '../e2e/mock_data.mjs';

test('keyframe and deltas give the document and the maps', () => {
  const program = new Program({ seed: 5, lispSlots: 5000 });
  const state = new State();
  program.step();
  state.setRun({ sources: program.sources(), interval_ns: 1e8 });
  state.keyframe(structuredClone(program.keyframe()));
  for (let i = 0; i < 120; i += 1) {
    const frame = program.step();
    state.delta(structuredClone(frame.delta));
    state.takeEvents({ events: frame.events });
    if (i % 17 === 0) assert.deepEqual(state.doc, program.keyframe());
  }
  assert.deepEqual(state.doc, program.keyframe());
  for (const slab of program.slabs) {
    const map = state.maps.get(slab.name);
    assert.equal(Buffer.from(map.states).toString('latin1'), slab.state.toString('latin1'), slab.name);
    assert.equal(map.slotCount - map.counts[46], slab.used);
    if (slab.ownersKept) assert.equal(Buffer.from(map.owners).toString('latin1'), slab.owner.toString('latin1'));
  }
  assert.equal(state.history.length, 121);
  assert.ok(state.history.last('req') >= 0);
});

test('going back in time cuts the history off', () => {
  const state = new State();
  const doc = (ts) => ({ ts, pools: {}, process: { rss_bytes: ts } });
  for (const ts of [1, 2, 3, 4]) state.keyframe(doc(ts * 1e9));
  state.keyframe(doc(2e9));
  assert.equal(state.history.length, 2);
  assert.equal(state.history.last('rss'), 2e9);
});

test('pools that vanish, change size or lie do no harm', () => {
  const state = new State();
  state.keyframe({ ts: 1, pools: { a: { capacity: 10, used: 1, pages: { 0: 'A.........' } }, huge: { capacity: 1e12 }, odd: { capacity: -1 }, text: { capacity: 'x', pages: { 0: 5 } } } });
  assert.deepEqual([...state.maps.keys()], ['a']);
  state.delta({ ts: 2, pools: { a: { pages: { 7: 'AAAA', x: 'A', '-1': 'A' } } } });
  assert.equal(state.maps.get('a').counts[65], 1);
  state.delta({ ts: 3, pools: { a: { capacity: 20, pages: { 0: 'I'.repeat(2000) } } } });
  assert.equal(state.maps.get('a').counts[73], 20);
  state.delta({ ts: 4, pools: { a: null } });
  assert.equal(state.maps.size, 0);
});

test('a map counts its letters, lights what changed, and fades', () => {
  const map = new PoolMap(1500);
  assert.equal(map.applyPage(1, 'AB'.repeat(300), 5, true), 476);
  assert.equal(map.counts[65] + map.counts[66], 476);
  assert.equal(map.flash[1024], FLASH_LEVELS);
  assert.equal(map.since[1024], 5);
  map.dirty.fill(0);
  for (let i = 0; i < FLASH_LEVELS; i += 1) map.fade();
  assert.equal(map.flash[1024], 0);
  assert.equal(map.anyFading, false);
  assert.deepEqual([...map.dirty], [0, 1]);
  assert.equal(map.applyPage(1, 'AB'.repeat(300), 6, true), 0);
});

test('what a map knows of its slots ends with a page that came unlit, and begins anew', () => {
  const map = new PoolMap(2048);
  map.applyPage(1, 'A'.repeat(1024), 5, true);
  assert.equal(map.sinceOf(1030), 5);
  map.applyPage(1, 'B'.repeat(1024), 9, false);
  assert.ok(Number.isNaN(map.sinceOf(1030)));
  assert.equal(map.flash[1030], 0);
  map.applyPage(1, `C${'B'.repeat(1023)}`, 11, true);
  assert.equal(map.sinceOf(1024), 11);
  assert.ok(Number.isNaN(map.sinceOf(1030)));
  map.dirty.fill(0);
  map.darken();
  assert.equal(map.flash[1024], 0);
  assert.deepEqual([...map.dirty], [0, 1]);
  assert.equal(map.anyFading, false);
});

test('history is a ring: bounded, in order, rates and peaks right', () => {
  const history = new History(10, 2);
  for (let i = 0; i < 25; i += 1) {
    history.push(i * 1e8);
    history.set('total', i * 7);
    history.set('peak', i === 20 ? 100 : 1);
    history.set('third', 1);
  }
  assert.equal(history.length, 10);
  assert.equal(history.columns.size, 2);
  assert.equal(Math.round(history.rate('total', 5e8)), 70);
  const low = new Float64Array(3);
  const high = new Float64Array(3);
  history.envelope('peak', 15e8, 25e8, low, high);
  assert.deepEqual([...high], [1, 100, 1]);
  assert.deepEqual([...low], [1, 1, 1]);
  history.truncate(20e8);
  assert.equal(history.ts[history.at(history.length - 1)], 19e8);
  assert.ok(Number.isNaN(history.rate('none', 1e9)));
  const fresh = new History(HISTORY_ROWS, 1);
  fresh.push(1);
  assert.ok(Number.isNaN(fresh.rate('x', 1)));
});

test('the newest of many', () => {
  const recent = new Recent(3);
  for (let i = 0; i < 8; i += 1) recent.push(i);
  assert.deepEqual([recent.newest(0), recent.newest(1), recent.newest(2), recent.length], [7, 6, 5, 3]);
});

test('connections: bounded, followed from accept to close, filtered', () => {
  const conns = new Connections(3);
  for (let id = 1; id <= 5; id += 1) conns.take({ ts: id, type: 'accept', conn_id: id, peer: `10.0.0.${id}:1`, owner: 'app' });
  assert.equal(conns.byId.size, 3);
  conns.take({ ts: 9, type: 'response', conn_id: 4, method: 'GET', route: '/slow', status: 503, dur: 2e7, bytes_in: 1, bytes_out: 2 });
  conns.take({ ts: 10, type: 'close', conn_id: 4, detail: 'reset' });
  const [found] = conns.list(connFilter('slow status:5 dur>10ms'), 10);
  assert.equal(found.id, 4);
  assert.equal(found.reason, 'reset');
  assert.equal(conns.list(connFilter('status:2'), 10).length, 0);
  assert.equal(conns.list(connFilter(''), 2).length, 2);
  for (let i = 0; i < 1000; i += 1) conns.take({ ts: i, type: 'state', conn_id: 5, state: 'I' });
  assert.ok(conns.byId.get(5).events.length <= 64);
});

test('warnings at 80 and 95 %, for stalls, overflows and gaps; none for a calm program', () => {
  const history = new History(10, 10);
  const doc = (used, extra = {}) => ({ ts: 100e9, pools: { p: { used, free: 100 - used, capacity: 100, overflow: 0 } }, process: { state: 'S', stalled_ns: 0 }, ...extra });
  const kinds = (d, gaps = []) => findWarnings(d, history, gaps).map((w) => `${w.level} ${w.kind}`);
  assert.deepEqual(kinds(doc(79)), []);
  assert.deepEqual(kinds(doc(80)), ['warning pool']);
  assert.deepEqual(kinds(doc(94)), ['warning pool']);
  assert.deepEqual(kinds(doc(95)), ['critical pool']);
  assert.deepEqual(kinds(doc(1, { process: { state: 'T', stalled_ns: 0 } })), ['critical process']);
  assert.deepEqual(kinds(doc(1, { process: { state: 'S', stalled_ns: 5e8 } })), ['critical process']);
  assert.deepEqual(kinds(doc(1, { arenas: { a: { used_bytes: 9, capacity_bytes: 10, overflow: 2 } } })), ['warning arena', 'warning arena']);
  assert.deepEqual(kinds(doc(1), [{ ts: 50e9, dur: 1e9, reason: 'disk full', lost: 3 }]), ['warning gap']);
  assert.deepEqual(kinds(doc(1), [{ ts: 5e9, dur: 1e9, reason: 'disk full', lost: 3 }, { ts: 200e9, dur: 1, reason: 'later', lost: 0 }]), []);
});

test('a pool that only grows is told of, one that breathes is not', () => {
  const grow = (next) => {
    const history = new History(2000, 10);
    for (let i = 0; i < 1300; i += 1) { history.push(i * 1e8); history.set('pool:p', next(i)); }
    return findWarnings({ ts: 130e9, pools: { p: { used: 10, capacity: 1000, overflow: 0 } } }, history, []).some((w) => w.kind === 'growth');
  };
  assert.equal(grow((i) => i / 10), true);
  assert.equal(grow((i) => 100 + (i % 300) / 10), false);
  assert.equal(grow(() => 5), false);
});

test('status: what is wrong comes before what is going on', () => {
  const state = new State();
  assert.equal(statusOf(state, 0).id, 'loading');
  state.setRuns([]);
  assert.equal(statusOf(state, 0).id, 'empty');
  state.keyframe({ ts: 1, pools: {}, process: { state: 'S', stalled_ns: 0 } });
  state.setPlace({ mode: 'live', link: 'open' });
  const now = state.lastFrameMs;
  assert.equal(statusOf(state, now + 500).id, 'live');
  assert.equal(statusOf(state, now + 1500).id, 'stale');
  state.delta({ ts: 2, process: { stalled_ns: 9e8 } });
  assert.equal(statusOf(state, state.lastFrameMs).id, 'stalled');
  state.setPlace({ link: 'lost' });
  assert.equal(statusOf(state, now).id, 'lost');
  state.setPlace({ link: 'open', mode: 'pause', ended: { ts: 2, exit: 'signal 9' } });
  assert.match(statusOf(state, now).text, /signal 9/);
});

test('latency rows, speeds of J and L, sorting, CSV', () => {
  assert.equal(heatRow(1), 0);
  assert.equal(heatRow(1e4), 0);
  assert.equal(heatRow(2e4), 2);
  assert.equal(heatRow(1e12), HEAT_ROWS - 1);
  assert.deepEqual([nextSpeed(1, 1, false), nextSpeed(1, 1, true), nextSpeed(1000, 1, true), nextSpeed(5, -1, true), nextSpeed(-1, -1, true)], [1, 2, 1000, -1, -2]);
  assert.deepEqual(sortRows([[3], [null], ['a'], [1]], 0, false), [[1], [3], ['a'], [null]]);
  assert.deepEqual(sortRows([[3], [null], ['a'], [1]], 0, true), [[3], [1], ['a'], [null]]);
  assert.equal(csv(['a', 'b'], [['x,y', 'say "hi"'], [null, -1], ['=1+1', '']]), 'a,b\r\n"x,y","say ""hi"""\r\n,-1\r\n\'=1+1,\r\n');
});
