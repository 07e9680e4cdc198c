// turns.test.mjs: what shares a frame: its time is kept, nobody waits for good, batches of events
// that came are looked at in parts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { State } from '../../web/state.js';
import { columns } from '../../web/timeline.js';
import { Turns } from '../../web/turns.js';

/** Jobs that take `ms` each and are due `times` times. @param {{ms: number, times: number}[]} list */
function stage(list) {
  const clock = { ms: 0 };
  const log = [];
  const jobs = list.map(({ ms, times }, i) => ({
    left: times,
    due() { return this.left > 0; },
    run() { this.left -= 1; clock.ms += ms; log.push(i); },
  }));
  return { clock, log, jobs, turns: new Turns(jobs.map((job) => ({ due: () => job.due(), run: () => job.run() })), () => clock.ms) };
}

test('a frame is over when its time is spent, and the rest is told', () => {
  const { clock, log, turns } = stage([{ ms: 1, times: 1 }, { ms: 1.5, times: 1 }, { ms: 1, times: 1 }]);
  assert.equal(turns.take(0, 0), true);
  assert.deepEqual(log, [0, 1]);
  assert.equal(turns.take(16, clock.ms), false);
  assert.deepEqual(log, [0, 1, 2]);
});

test('the one that waited longest is next, also when others are always due', () => {
  const { clock, log, turns } = stage([{ ms: 2, times: 100 }, { ms: 2, times: 100 }, { ms: 2, times: 1 }]);
  for (let frame = 0; frame < 6; frame += 1) turns.take(frame * 16, clock.ms);
  assert.ok(log.indexOf(2) >= 0 && log.indexOf(2) <= 2, String(log));
  assert.ok(log.filter((i) => i === 1).length >= 2, String(log));
});

test('where every frame is full, one that waited long has its turn all the same', () => {
  const { clock, log, turns } = stage([{ ms: 1, times: 1 }]);
  for (let ms = 0; ms < 150; ms += 10) turns.take(ms, clock.ms - 10);
  assert.deepEqual(log, []);
  turns.take(150, clock.ms - 10);
  assert.deepEqual(log, [0]);
});

test('a frame draws at one place, and what draws nowhere goes with any', () => {
  const log = [];
  const job = (/** @type {string} */ name, /** @type {string | undefined} */ place) => {
    let left = 1;
    return { place: () => place, due: () => left > 0, run: () => { left = 0; log.push(name); } };
  };
  const turns = new Turns([job('a', 'top'), job('b', 'bottom'), job('c', 'top'), job('d', undefined)], () => 0);
  assert.equal(turns.take(0, 0), true);
  assert.deepEqual(log, ['a', 'c', 'd']);
  assert.equal(turns.take(16, 0), false);
  assert.deepEqual(log, ['a', 'c', 'd', 'b']);
});

test('where time stands still, a frame has more time and draws at all places', () => {
  const log = [];
  let ms = 0;
  const job = (/** @type {string} */ name, /** @type {string | undefined} */ place) => {
    let left = 1;
    return { place: () => place, due: () => left > 0, run: () => { left = 0; ms += 3; log.push(name); } };
  };
  const turns = new Turns([job('a', 'top'), job('b', 'bottom'), job('c', undefined)], () => ms);
  assert.equal(turns.take(0, 0, true), false);
  assert.deepEqual(log, ['a', 'b', 'c']);
});

test('where frames are few, each has more time, and draws at all places', () => {
  /** @type {string[]} */
  const log = [];
  const clock = { ms: 0 };
  const always = (/** @type {string} */ name) => ({ place: () => name, due: () => true, run: () => { clock.ms += 3; log.push(name); } });
  const turns = new Turns(['a', 'b', 'c', 'd'].map(always), () => clock.ms);
  turns.take(0, clock.ms);
  assert.deepEqual(log.splice(0), ['a']);
  turns.take(16, clock.ms);
  assert.deepEqual(log.splice(0), ['b']);
  turns.take(316, clock.ms);
  assert.deepEqual(log.splice(0), ['c', 'd']);
  turns.take(332, clock.ms);
  assert.equal(log.length, 1);
});

test('what comes often goes first in every second frame, and leaves the others theirs', () => {
  /** @type {string[]} */
  const log = [];
  const clock = { ms: 0 };
  const always = (/** @type {string} */ name, often = false) => ({ often, place: () => name, due: () => true, run: () => { clock.ms += 2; log.push(name); } });
  const turns = new Turns([always('b'), always('c'), always('maps', true)], () => clock.ms);
  for (let frame = 0; frame < 6; frame += 1) turns.take(frame * 16, clock.ms);
  assert.deepEqual(log, ['maps', 'b', 'maps', 'c', 'maps', 'b']);
});

test('a batch of events is looked at in parts, in order, and all of it', () => {
  const state = new State();
  const events = Array.from({ length: 600 }, (_, i) => ({ ts: i + 1, type: 'response', conn_id: 1 + (i % 7), status: 200, dur: 1e6 }));
  state.bringEvents(JSON.stringify({ events, more: 5 }));
  let turns = 0;
  while (state.takeWaiting()) turns += 1;
  assert.ok(turns >= 3 && turns < 10, String(turns));
  assert.equal(state.events.length, 600);
  assert.equal(state.events.newest(0).ts, 600);
  assert.equal(state.eventsUnshown, 5);
  assert.equal(state.takeWaiting(), false);
});

test('what waits is bounded, and forgotten when another moment is shown', () => {
  const state = new State();
  for (let i = 0; i < 1000; i += 1) state.bringEvents('{"events":[]}');
  assert.ok(state.waiting.length <= 40);
  state.takeWaiting();
  state.forgetEvents();
  assert.equal(state.waiting.length, 0);
  assert.equal(state.batch, null);
});

test('columns of a lane keep every peak, and a value stands until the next', () => {
  const low = new Float64Array(10);
  const high = new Float64Array(10);
  const lane = { name: 'x', low: Float64Array.from([1, 2, NaN, 4]), high: Float64Array.from([1, 9, NaN, 4]), top: 9 };
  columns(low, high, lane, 0, 0.5, 1); // two parts a column
  assert.equal(high[0], 9);
  assert.equal(low[0], 1);
  assert.equal(high[1], 4);
  assert.ok(Number.isNaN(high[2]));
  columns(low, high, lane, 0, 2, 2); // two columns a part
  assert.deepEqual([...high.slice(0, 8)], [1, 1, 9, 9, 9, 9, 4, 4]);
});
