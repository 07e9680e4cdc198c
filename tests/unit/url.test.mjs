// url.test.mjs: a link says the moment, and a wrong one does no harm.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodePlace, encodePlace, parseSpeed } from '../../web/url.js';

test('a place comes back as it was', () => {
  const places = [
    {}, { run: '1' }, { run: '2.1', ts: 0 }, { run: '1', ts: 123456789012345, speed: 10, playing: true },
    { run: '1', ts: 5, speed: -0.5, view: [0, 100], selected: [3, 9] }, { speed: 'max' },
    { pool: 'a&b=c #"<script>', slot: 0, filter: 'GET /x?y', tab: 'sql' }, { conn: 42 },
    { run: '1', ts: 7, b: '2.3', align: 'mark', label: 'deploy <1>' }, { b: '2', align: 'moment', offset: -123456789 }, { b: '2', align: 'requests' },
  ];
  for (const place of places) assert.deepEqual(decodePlace(`#${encodePlace(place)}`), place);
});

test('what makes no sense is left out', () => {
  for (const bad of ['ts=-1', 'ts=1e9', 'ts=99999999999999999', 'speed=0', 'speed=2000', 'speed=NaN', 'view=9-3', 'view=5', 'sel=a-b', 'slot=1.5', 'run=../../etc', 'run=', '%', '&&&=', 'b=x', 'b=1/2', 'align=magic', 'offset=1e9', 'offset=--3', 'offset=-']) {
    assert.deepEqual(decodePlace(bad), {}, bad);
  }
});

test('speeds are those that the server takes', () => {
  assert.equal(parseSpeed('0.1'), 0.1);
  assert.equal(parseSpeed('1000'), 1000);
  assert.equal(parseSpeed('-1000'), -1000);
  for (const bad of ['0.09', '1001', '', 'fast', '0', null]) assert.equal(parseSpeed(bad), undefined);
});
