// format.test.mjs: numbers as people read them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from '../../web/format.js';

/** @param {(v: any) => string} fn @param {[any, string][]} table */
const check = (fn, table) => {
  for (const [value, text] of table) assert.equal(fn(value), text, `${fn.name}(${value})`);
};

test('counts', () => check(format.count, [[0, '0'], [9999, '9,999'], [10000, '10k'], [12345, '12.3k'], [999949, '1M'], [1e6, '1M'], [2.5e9, '2.5G'], [0.5, '0.5'], [-12345, '-12.3k'], [undefined, '–'], [null, '–'], [NaN, '–'], ['7', '–']]));
test('exact counts', () => check(format.countExact, [[262144, '262,144'], [0, '0'], [undefined, '–']]));
test('bytes', () => check(format.bytes, [[0, '0 B'], [1023, '1023 B'], [1024, '1 KB'], [1536, '1.5 KB'], [1048576, '1 MB'], [5e9, '4.66 GB'], [1048575, '1 MB'], [undefined, '–']]));
test('durations', () => check(format.duration, [[0, '0 ns'], [999, '999 ns'], [1500, '1.5 µs'], [999400, '999 µs'], [999600, '1 ms'], [12.34e6, '12.3 ms'], [1e9, '1 s'], [65e9, '1 min 5 s'], [180e9, '3 min'], [7200e9, '2 h'], [3661e9, '1 h 1 min'], [90000e9, '1 d 1 h'], [undefined, '–']]));
test('percentages are never rounded up to full', () => {
  assert.equal(format.percent(399.9, 400), '99 %');
  assert.equal(format.percent(400, 400), '100 %');
  assert.equal(format.percent(1, 262144), '<0.1 %');
  assert.equal(format.percent(0, 10), '0 %');
  assert.equal(format.percent(1, 0), '–');
});
test('clock', () => check(format.clock, [[0, '0:00.000'], [3.4e9, '0:03.400'], [59.9999e9, '0:59.999'], [727.4e9, '12:07.400'], [11527.4e9, '3:12:07.400'], [undefined, '–']]));
test('a clock text parses to what it shows', () => {
  for (const ts of [0, 3.4e9, 727.4e9, 11527.4e9, 86399.999e9]) assert.equal(format.parseClock(format.clock(ts)), ts);
  assert.equal(format.parseClock('12.5'), 12.5e9);
  for (const bad of ['', 'x', '1:2:3:4', '-5', '1e9', '1:']) assert.equal(format.parseClock(bad), null, bad);
});
test('speeds', () => check(format.speedText, [[1, '1×'], [0.1, '0.1×'], [-10, '−10×'], ['max', 'max']]));
test('by unit', () => {
  assert.equal(format.byUnit(2048, 'bytes'), '2 KB');
  assert.equal(format.byUnit(1500, 'ns'), '1.5 µs');
  assert.equal(format.byUnit(5, 'jobs'), '5 jobs');
  assert.equal(format.byUnit(5, ''), '5');
  assert.equal(format.byUnit(5, 'count'), '5');
  assert.equal(format.rateByUnit(2048.4, 'bytes'), '2 KB/s');
  assert.equal(format.rateByUnit(4757, 'count'), '4,757 /s');
});
