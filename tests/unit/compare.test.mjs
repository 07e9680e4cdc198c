// compare.test.mjs: two runs beside each other: which moment belongs to which, and which slots differ.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { curveOf, inB, servedBy, whenServed } from '../../web/align.js';
import { changeText } from '../../web/format.js';
import { PoolMap } from '../../web/pool_map.js';
import { BOTH, ONLY_A, ONLY_B, SlotDiff } from '../../web/slot_diff.js';

test('a fixed distance', () => {
  assert.equal(inB({ offset_ns: -5e9, curve: null }, 7e9, null), 2e9);
});

test('requests served: the moment by which B had served as many', () => {
  const series = (/** @type {(number | null)[]} */ max) => ({ kind: 'owner', min: max, max });
  const curve = curveOf({ from: 0, to: 4e9, series: [series([0, 10, null, 30]), series([0, 0, 10, 10])] });
  assert.deepEqual([...curve.total], [0, 0, 10, 20, 40]);
  assert.equal(whenServed(curve, 0), 0);
  assert.equal(whenServed(curve, 10), 2e9);
  assert.equal(whenServed(curve, 15), 2.5e9);
  assert.equal(whenServed(curve, 40), 4e9);
  assert.equal(whenServed(curve, 41), Infinity);
  const doc = { servers: { a: { requests: 20 }, b: { requests: 10 } }, routes: { x: { requests: 7 } } };
  assert.equal(servedBy(doc), 30);
  assert.equal(servedBy({ routes: doc.routes }), 7);
  assert.equal(inB({ offset_ns: 99, curve }, 123, doc), 3.5e9);
  assert.ok(Number.isNaN(inB({ offset_ns: 0, curve }, 123, {})));
  assert.equal(curveOf({ from: 0, to: 1, series: [] }), null);
});

test('a recording that begins late begins with the requests it had then', () => {
  const curve = curveOf({ from: 0, to: 3, series: [{ kind: 'owner', min: [null, 100, 105], max: [null, 104, 110] }] });
  assert.deepEqual([...curve.total], [100, 100, 104, 110]);
  assert.equal(whenServed(curve, 50), 0);
});

test('slots only in A, only in B, in both, as the maps change', () => {
  const a = new PoolMap(1500);
  const b = new PoolMap(2100);
  a.applyPage(0, 'AAI.', 1, false);
  b.applyPage(0, '.CIA', 1, false);
  b.applyPage(2, '.A', 1, false);
  const both = new SlotDiff(a, b);
  assert.equal(both.update(), 3);
  const text = (/** @type {number} */ from, /** @type {number} */ to) => String.fromCharCode(...both.map.states.subarray(from, to));
  assert.equal(text(0, 5), 'A==B.');
  assert.equal(text(2048, 2051), '.B.');
  const count = () => [both.map.counts[ONLY_A], both.map.counts[ONLY_B], both.map.counts[BOTH]];
  assert.deepEqual(count(), [1, 2, 2]);
  assert.equal(both.update(), 0, 'nothing changed, nothing compared');
  both.map.dirty.fill(0);
  a.applyPage(1, 'A', 2, true);
  assert.equal(both.update(), 1);
  assert.deepEqual([...both.map.dirty], [0, 1, 0]);
  assert.deepEqual(count(), [2, 2, 2]);
  for (let turn = 0; turn < 200; turn += 1) {
    for (const map of [a, b]) map.applyPage(turn % map.pageCount, Array.from({ length: 1024 }, (_, i) => '.AIC'[(i * 7 + turn * 13 + (map === a ? 1 : 0)) % 4]).join(''), turn, true);
    both.update();
  }
  for (let slot = 0; slot < 2100; slot += 1) {
    const inA = slot < 1500 && a.states[slot] !== 46;
    const inB = b.states[slot] !== 46;
    assert.equal(both.map.states[slot], inA ? (inB ? BOTH : ONLY_A) : inB ? ONLY_B : 46, `slot ${slot}`);
  }
});

test('a change in words', () => {
  assert.deepEqual([[1, 2], [2, 1], [3, 3], [0, 5], [0, 0], [NaN, 1], [1, 1e6]].map(([a, b]) => changeText(a, b)), ['+100 %', '−50 %', '=', 'new', '=', '–', '+>1000 %']);
});
