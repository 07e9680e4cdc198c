// timeline.test.mjs: pixels and time, zoom, ticks, rates from totals, lanes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { growth, isWhole, lanes, tickText, ticks, toTs, toX, within, zoom } from '../../web/timeline.js';
import { layoutCells } from '../../web/layout.js';

test('x and time are each other’s inverse', () => {
  for (const ts of [10, 55.5, 99]) assert.ok(Math.abs(toTs(toX(ts, [10, 99], 640), [10, 99], 640) - ts) < 1e-9);
});

test('zoom keeps the moment under the pointer, and the run', () => {
  const end = 3600e9;
  const span = zoom([0, end], 900e9, 0.5, end);
  assert.ok(Math.abs(toX(900e9, span, 1000) - 250) < 1e-6);
  assert.deepEqual(zoom(span, 900e9, 100, end), [0, end]);
  let deep = [0, end];
  for (let i = 0; i < 100; i += 1) deep = zoom(deep, 3599.9e9, 0.5, end);
  assert.ok(deep[1] - deep[0] >= 1e9 - 1 && deep[1] <= end + 1);
});

test('a span moved past an end stops there', () => {
  assert.deepEqual(within([-50, 50], 1000), [0, 100]);
  assert.deepEqual(within([950, 1050], 1000), [900, 1000]);
  assert.deepEqual(within([0, 5000], 1000), [0, 1000]);
  assert.ok(isWhole([0, 1000], 1000) && !isWhole([0, 900], 1000));
});

test('ticks are round and few', () => {
  for (const seconds of [0.5, 3, 47, 600, 3600, 86400, 1e6]) {
    const at = ticks([0, seconds * 1e9], 8);
    assert.ok(at.length >= 1 && at.length <= 9, `${seconds}: ${at.length}`);
  }
  assert.deepEqual(ticks([0, 10e9], 5), [0, 2e9, 4e9, 6e9, 8e9, 10e9]);
  assert.equal(tickText(3723e9, 1e9), '1:02:03');
  assert.equal(tickText(0.5e9, 1e8), '0:00.5');
  assert.equal(tickText(65e9, 5e9), '1:05');
});

test('totals become rates: holes bridged, restarts count nothing, sources add up', () => {
  const nan = (/** @type {Float64Array} */ a) => [...a].map((v) => (Number.isNaN(v) ? null : v));
  assert.deepEqual(nan(growth([{ max: [0, 10, 30] }], 1e9)), [null, 10, 20]);
  assert.deepEqual(nan(growth([{ max: [0, null, 30] }], 1e9)), [null, 15, 15]);
  assert.deepEqual(nan(growth([{ max: [50, 10, 20] }], 1e9)), [null, 0, 10]);
  assert.deepEqual(nan(growth([{ max: [0, 10] }, { max: [0, 5] }], 5e8)), [null, 30]);
  assert.deepEqual(nan(growth([{ max: [0, null, null, null, null, 50] }], 1e9)), [null, null, null, null, null, 10]);
  assert.equal(growth([], 1e9).length, 0);
});

test('lanes: the fullest pool by share, spikes kept, heaps summed', () => {
  const series = [
    { kind: 'slab', source: 'a', field: 'used', min: [1, null], max: [50, null] },
    { kind: 'slab', source: 'b', field: 'used', min: [90, 10], max: [90, 10] },
    { kind: 'heap', source: 'x', field: 'used_bytes', min: [1, 2], max: [3, 4] },
    { kind: 'heap', source: 'y', field: 'used_bytes', min: [1, null], max: [3, null] },
  ];
  const out = lanes({ from: 0, to: 2e9, series }, new Map([['a', 100], ['b', 1000]]));
  const pool = out.find((l) => l.name === 'pool %');
  assert.deepEqual([...pool.high], [50, 1]);
  assert.deepEqual([...pool.low], [1, 1]);
  const heap = out.find((l) => l.name === 'heap');
  assert.deepEqual([...heap.high], [6, 4]);
  assert.equal(heap.top, 6);
  assert.deepEqual(lanes({ from: 0, to: 1, series: [] }, new Map()), []);
  const minute = { kind: 'owner', source: 'app', field: 'requests', min: [0, 600, 1200], max: [600, 1200, 1800], peak: [10, 500, null] };
  const [rate] = lanes({ from: 0, to: 180e9, series: [minute] }, new Map());
  assert.deepEqual([rate.name, rate.top, Math.round(rate.low[1]), rate.high[1], Math.round(rate.high[2])], ['req/s', 500, 10, 500, 10], 'a burst of a second within a minute is not lost');
  const before = lanes({ from: 0, to: 1, series: [{ kind: 'process', source: 'p', field: 'rss_bytes', min: [1], max: [1] }] }, new Map(), true);
  assert.deepEqual(before.map((lane) => lane.name), ['req/s', 'err/s', 'RSS'], 'a live run has the lanes of its first request');
});

test('slots: the largest cell that fits, every slot has one, one pixel at least', () => {
  for (const [slots, width, height, most] of [[64, 300, 130, 15], [400, 316, 132, 15], [2056, 316, 132, 15], [262144, 1190, 300, 15], [262144, 200, 100, 15], [1, 300, 130, 15], [16384, 900, 132, 30]]) {
    const { cell, cols, rows } = layoutCells(slots, width, height, most);
    assert.ok(cell >= 1 && cell <= most && cols * rows >= slots && (rows - 1) * cols < slots, `${slots}`);
    assert.ok(cols * cell <= width);
    assert.ok(cell === 1 || rows * cell <= height);
  }
});
