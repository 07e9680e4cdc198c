// findings.test.mjs: what went wrong in a run, and the way there: findings, jumps, filters, requests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connFilter, eventFilter, parseFilter, withFilter } from '../../web/conn_filter.js';
import { Connections, sortConns } from '../../web/connections.js';
import { collections, findFindings, groupFindings, growsOnly, nextOfGroup, steps, stretches } from '../../web/findings.js';
import { nextOf, windows } from '../../web/jump.js';
import { slotByKey } from '../../web/layout.js';
import { ownerTable } from '../../web/owners.js';
import { PoolMap } from '../../web/pool_map.js';
import { requestsOf, requestState } from '../../web/requests.js';
import { decodePlace, encodePlace } from '../../web/url.js';

const S = 1e9;

/** An overview of 60 parts of a second. @param {object[]} series */
const overview = (series) => ({ from: 0, to: 60 * S, px: 60, series });
/** @param {(i: number) => number | null} at */
const parts = (at) => Array.from({ length: 60 }, (_, i) => at(i));

test('stretches: joined over holes, apart when far', () => {
  assert.deepEqual(stretches([0, 5, null, 6, 0, 0, 0, 0, 7], 5, 2), [{ from: 1, to: 4, peak: 6 }, { from: 8, to: 9, peak: 7 }]);
  assert.deepEqual(stretches([], 5, 2), []);
  assert.deepEqual([...steps([3, null, 5, 2, null])], [3, 0, 2, 2, 0]);
});

test('a pool that was full for one part of the run is found, with what failed then', () => {
  const series = [
    { kind: 'slab', source: 'p', field: 'used', capacity: 100, min: parts(() => 1), max: parts((i) => (i === 40 ? 100 : 10)) },
    { kind: 'slab', source: 'p', field: 'overflow', capacity: 100, min: parts(() => 0), max: parts((i) => (i >= 40 ? 7 : 0)) },
    { kind: 'slab', source: 'q', field: 'used', capacity: 100, min: parts(() => 1), max: parts((i) => (i === 5 ? 85 : 10)) },
    { kind: 'owner', source: 'app', field: 'server_errors', min: parts(() => 0), max: parts((i) => (i >= 50 ? 3 : 0)) },
  ];
  const out = findFindings(overview(series), [{ ts: 2 * S, dur: S, reason: 'recorder late', lost: 2 }]);
  assert.deepEqual(out.map((f) => [f.level, f.kind, f.name, f.ts / S]), [['critical', 'pool', 'p', 40], ['warning', 'gap', 'recorder late', 2], ['warning', 'pool', 'q', 5], ['warning', 'errors', 'app', 50]]);
  assert.match(out[0].text, /p is full for 1 s; 7 times none was left/);
  assert.match(out[2].text, /q reaches 85 %/);
});

test('answers that fail are as bad as a full pool when they are many of all', () => {
  const series = [
    { kind: 'owner', source: 'app', field: 'requests', min: parts(() => 0), max: parts((i) => i * 100) },
    { kind: 'owner', source: 'app', field: 'server_errors', min: parts(() => 0), max: parts((i) => (i < 20 ? 0 : i < 40 ? 50 : 51)) },
  ];
  const out = findFindings(overview(series), []);
  assert.deepEqual(out.map((f) => [f.level, f.kind, f.ts / S]), [['critical', 'errors', 20], ['warning', 'errors', 40]]);
  assert.match(out[0].text, /50 server errors at app for 1 s, 50 % of its answers/);
  let total = 0;
  const grown = parts((i) => { total += i === 10 ? 1 : i >= 12 && i < 20 ? 1000 : 0; return total; });
  const burst = findFindings(overview([series[0], { ...series[1], max: grown }]), []);
  assert.deepEqual(burst.map((f) => [f.level, f.ts / S, f.end / S]), [['critical', 12, 20], ['warning', 10, 12]], 'one error just before is not part of it');
});

test('what is alike and often is one row, which leads to each of them', () => {
  const saw = { kind: 'slab', source: 'p', field: 'used', capacity: 100, min: parts(() => 1), max: parts((i) => (i % 20 === 10 ? 85 + i / 20 : 10)) };
  const gaps = [7, 30, 52].map((s) => ({ ts: s * S, dur: S / 2, reason: 'recorder late', lost: 4 }));
  const rows = groupFindings(findFindings(overview([saw]), [...gaps, { ts: 60 * S, dur: S, reason: 'disk full', lost: 0 }]));
  assert.deepEqual(rows.map((row) => row.text), ['3 gaps: recorder late, 1.5 s in all, 12 lost', 'p reached 87 % 3 times, for 3 s in all', 'Gap: disk full, 1 s']);
  assert.equal(new Set(rows.map((row) => row.key)).size, 3);
  assert.deepEqual([0, 7 * S, 40 * S, 55 * S].map((ts) => nextOfGroup(rows[0], ts).ts / S), [7, 30, 52, 7]);
});

test('overflows of an arena, and of a pool that was never seen full', () => {
  const series = [
    { kind: 'arena', source: 'a', field: 'used_bytes', capacity: 1000, min: parts(() => 1), max: parts(() => 10) },
    { kind: 'arena', source: 'a', field: 'overflow', capacity: 1000, min: parts(() => 0), max: parts((i) => (i >= 30 ? 2 : 0)) },
    { kind: 'slab', source: 'p', field: 'used', capacity: 10, min: parts(() => 1), max: parts(() => 2) },
    { kind: 'slab', source: 'p', field: 'overflow', capacity: 10, min: parts(() => 0), max: parts((i) => (i >= 20 ? 1 : 0)) },
  ];
  const out = findFindings(overview(series), []);
  assert.deepEqual(out.map((f) => [f.level, f.kind, f.name, f.ts / S]), [['critical', 'overflow', 'p', 20], ['warning', 'overflow', 'a', 30]]);
});

test('what only grows', () => {
  assert.ok(growsOnly(parts((i) => i), 100));
  assert.ok(growsOnly(parts((i) => (i % 2 ? null : i + (i % 3))), 100));
  assert.ok(!growsOnly(parts((i) => i % 20), 100), 'a saw does not');
  assert.ok(!growsOnly(parts((i) => i / 100), 1000), 'nor what grows by less than a hundredth');
  assert.ok(!growsOnly(parts(() => null), 100));
});

test('collections stand where their count grew', () => {
  const at = collections(overview([{ kind: 'heap', field: 'gc_count', max: parts((i) => (i < 10 ? 3 : i < 30 ? 4 : 9)) }, { kind: 'heap', field: 'used_bytes', max: parts((i) => i) }]));
  assert.deepEqual(at.map((ts) => ts / S), [10, 30]);
});

test('windows of a search reach the end, touch each other, and grow', () => {
  const end = 5 * 3600 * S;
  for (const [ts, direction] of /** @type {[number, 1 | -1][]} */ ([[100 * S, 1], [end - 7, -1], [0, 1], [end, -1]])) {
    const list = windows(ts, direction, end);
    assert.equal(list[0][0], ts);
    assert.equal(list[list.length - 1][1], direction > 0 ? end : 0);
    for (let i = 1; i < list.length; i += 1) assert.equal(list[i][0], list[i - 1][1]);
    assert.ok(list.length < 12);
  }
  assert.deepEqual(windows(end, 1, end), []);
  assert.equal(nextOf([1, 5, 9], 5, 1, 2), 9);
  assert.equal(nextOf([1, 5, 9], 6, -1, 2), 1);
  assert.equal(nextOf([1, 5, 9], 9, 1, 2), undefined);
});

test('the filter: words and named ones, changed one by one', () => {
  assert.deepEqual(parseFilter(' Tcp owner:App route:/Slow status:50 dur>1.5ms '), { words: ['tcp'], owner: 'app', route: '/slow', status: '50', longer: 1.5e6 });
  assert.equal(withFilter('x status:5 y', 'status', '2'), 'x y status:2');
  assert.equal(withFilter('x status:5 dur>10ms', 'dur', ''), 'x status:5');
  assert.equal(withFilter('', 'dur', '10ms'), 'dur>10ms');
  const conns = new Connections(10);
  conns.take({ ts: 1, type: 'accept', conn_id: 1, owner: 'app', peer: 'a:1' });
  conns.take({ ts: 2, type: 'response', conn_id: 1, method: 'GET', route: '/slow', status: 503, dur: 2e6 });
  conns.take({ ts: 3, type: 'accept', conn_id: 2, owner: 'other', peer: 'a:2' });
  conns.take({ ts: 4, type: 'request', conn_id: 2, stream_id: 1, method: 'GET', route: '/slow' });
  const ids = (/** @type {string} */ text) => conns.list(connFilter(text), 10).map((c) => c.id).sort();
  assert.deepEqual(ids('route:/slow'), [1, 2]);
  assert.deepEqual(ids('route:/slow status:5'), [1]);
  assert.deepEqual(ids('owner:other'), [2]);
  assert.deepEqual(ids('dur>1ms'), [1]);
  assert.deepEqual(ids('dur>5ms'), []);
  assert.ok(eventFilter('status:5 slow')({ type: 'response', status: 503, route: '/slow' }, 'GET /slow → 503'));
  assert.ok(!eventFilter('status:2')({ type: 'close' }, 'closed'));
});

test('connections: known ones, those under way, sorted', () => {
  const conns = new Connections(10);
  conns.know(7, 'app', 'I');
  conns.take({ ts: 1, type: 'request', conn_id: 3, stream_id: 1, method: 'GET', route: '/a' });
  conns.take({ ts: 2, type: 'request', conn_id: 3, stream_id: 3, method: 'GET', route: '/b' });
  conns.take({ ts: 3, type: 'response', conn_id: 3, stream_id: 1, method: 'GET', route: '/a', status: 200, dur: 5 });
  assert.deepEqual([...conns.byId.get(3).running], [[3, 2]]);
  assert.equal(conns.byId.get(7).owner, 'app');
  assert.deepEqual(sortConns(conns.list(() => true, 9), 'slowest', true).map((c) => c.id), [3, 7]);
  assert.deepEqual(sortConns(conns.list(() => true, 9), 'id', true).map((c) => c.id), [7, 3]);
  assert.deepEqual(sortConns(conns.list(() => true, 9), 'no such', false).map((c) => c.id), [3, 7]);
});

test('requests of a connection, as its events tell', () => {
  const list = requestsOf([
    { ts: 1, type: 'accept' },
    { ts: 10, type: 'stream_open', stream_id: 1 }, { ts: 11, type: 'request', stream_id: 1, method: 'GET', route: '/a' },
    { ts: 12, type: 'stream_open', stream_id: 3 }, { ts: 13, type: 'request', stream_id: 3, method: 'GET', route: '/b' },
    { ts: 20, type: 'response', stream_id: 1, method: 'GET', route: '/a', status: 200, dur: 9, arena_bytes: 64 }, { ts: 21, type: 'stream_close', stream_id: 1 },
  ]);
  assert.deepEqual(list.map((r) => [r.stream, r.route, r.begin, r.end, r.status, r.events.length]), [[1, 'GET /a', 11, 20, 200, 4], [3, 'GET /b', 13, NaN, 0, 2]]);
  assert.equal(requestState(list[0], 15), 'under way');
  assert.equal(requestState(list[0], 20), '200');
  assert.equal(requestState(list[1], 12), 'to come');
  const plain = requestsOf([{ ts: 5, type: 'response', status: 200, dur: 2 }, { ts: 9, type: 'request', method: 'GET', route: '/c' }, { ts: 12, type: 'response', status: 500, dur: 3 }]);
  assert.deepEqual(plain.map((r) => [r.begin, r.status]), [[3, 200], [9, 500]]);
});

test('who holds a slab’s slots, by state', () => {
  const map = new PoolMap(6);
  map.applyPage(0, 'AAICX.', 1, false);
  assert.deepEqual(ownerTable(map, 'AIC'), []);
  map.applyOwners(0, 'aab.bz');
  assert.deepEqual(ownerTable(map, 'AIC'), [{ letter: 'a', total: 2, counts: [2, 0, 0, 0] }, { letter: 'b', total: 2, counts: [0, 1, 0, 1] }, { letter: '.', total: 1, counts: [0, 0, 1, 0] }]);
});

test('keys on a map of slots stay on it', () => {
  assert.equal(slotByKey('ArrowRight', -1, 10, 25), 0);
  assert.equal(slotByKey('ArrowDown', 4, 10, 25), 14);
  assert.equal(slotByKey('ArrowDown', 17, 10, 25), 17);
  assert.equal(slotByKey('ArrowLeft', 0, 10, 25), 0);
  assert.equal(slotByKey('End', 3, 10, 25), 24);
  assert.equal(slotByKey('x', 3, 10, 25), -1);
});

test('what is looked at is in the address', () => {
  const place = { run: '1', ts: 5, pool: 'p', slot: 3, conn: 9, stream: 7, owners: true, filter: 'owner:a dur>1ms' };
  assert.deepEqual(decodePlace(encodePlace(place)), place);
  assert.deepEqual(decodePlace(encodePlace({ route: 'GET /a?b&c', mark: 2 })), { route: 'GET /a?b&c', mark: 2 });
});
