// moment.test.mjs: what the page says of one moment: gaps, who holds a slot, ages, latencies, marks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ages } from '../../web/ages.js';
import { PoolMap } from '../../web/pool_map.js';
import { connDoes } from '../../web/slot_facts.js';
import { State, heatEdge, heatRow, HEAT_ROWS } from '../../web/state.js';
import { statusOf } from '../../web/status.js';

test('a moment within a gap is said to be one', () => {
  const state = new State();
  state.setRun({ interval_ns: 1e8, sources: [] });
  state.keyframe({ ts: 5e9, pools: {}, process: { state: 'S' } });
  state.setPlace({ mode: 'pause', link: 'open' });
  state.addGap({ ts: 5.1e9, dur: 3e9, reason: 'damaged', lost: 0 });
  state.aim = 6e9;
  const status = statusOf(state, 0);
  assert.equal(status.id, 'gap');
  assert.equal(status.word, 'damaged');
  assert.match(status.text, /0:05\.000/);
  state.aim = 5.05e9;
  assert.equal(statusOf(state, 0).id, 'paused');
  state.aim = 9e9;
  assert.equal(statusOf(state, 0).id, 'paused');
});

test('what a connection does at a moment', () => {
  const events = [
    { ts: 100, type: 'accept', peer: '10.0.0.7:1' },
    { ts: 200, type: 'request', method: 'GET', route: '/slow' },
    { ts: 900e6, type: 'response', method: 'GET', route: '/slow', status: 200, dur: 900e6 - 200 },
    { ts: 950e6, type: 'close', detail: 'peer' },
  ];
  assert.deepEqual(connDoes(events, 100.2e6), { peer: '10.0.0.7:1', request: 'in GET /slow for 100 ms' });
  assert.deepEqual(connDoes(events, 910e6), { peer: '10.0.0.7:1', request: 'last GET /slow → 200' });
  assert.deepEqual(connDoes(events, 960e6), { peer: '10.0.0.7:1', request: 'closed' });
  assert.deepEqual(connDoes(events.slice(0, 2), 1e9), { peer: '10.0.0.7:1', request: 'in GET /slow' });
  assert.deepEqual(connDoes([], 5), { peer: '', request: '' });
});

test('cells by type and age', () => {
  const map = new PoolMap(8);
  map.applyPage(0, 'ppss....', 1e9, false);
  map.applyPage(0, 'ppsss...', 50e9, true);
  map.applyPage(0, 'ppssss..', 99.5e9, true);
  const table = ages(map, 100e9);
  assert.deepEqual([...table], [['s', [1, 0, 1, 0, 2]], ['p', [0, 0, 0, 0, 2]]]);
});

test('latencies that SQL counted go into the same cells as events', () => {
  const counted = new State();
  const seen = new State();
  for (let row = 0; row < HEAT_ROWS; row += 1) assert.equal(heatRow(Math.ceil(heatEdge(row) * 1.001)), row);
  seen.takeEvents({ events: [{ type: 'response', ts: 7.5e9, dur: 5e6 }, { type: 'response', ts: 7.9e9, dur: 5e6 }] });
  counted.seedHeat([[7, heatRow(5e6), 2], [7, 99, 5], [-3, 0, 5]]);
  assert.deepEqual(counted.heat, seen.heat);
  counted.takeEvents({ events: [{ type: 'response', ts: 7.5e9, dur: 5e6 }] }, false);
  assert.deepEqual(counted.heat, seen.heat);
});

test('a mark that comes again is the same mark, changed', () => {
  const state = new State();
  state.addMark({ mark_id: 1, ts: 5, dur: 0, label: 'a', author: '' });
  state.addMark({ mark_id: 2, ts: 3, dur: 0, label: 'b', author: '' });
  state.addMark({ mark_id: 1, ts: 1, dur: 2, label: 'c', author: '' });
  assert.deepEqual(state.marks.map((m) => [m.mark_id, m.label]), [[1, 'c'], [2, 'b']]);
  state.removeMark(2);
  assert.deepEqual(state.marks.map((m) => m.mark_id), [1]);
});
