// second.test.mjs: the second run in step with the first, with a server and a stream of the test's own.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

/** @type {FakeSource[]} */
let sources = [];
/** @type {{url: URL, answer: (body: any) => Promise<void>}[]} */
let questions = [];

class FakeSource {
  /** @param {string} url @param {(event: object) => void} tell */
  constructor(url, tell) {
    this.url = new URL(url, 'http://x');
    this.tell = tell;
    this.open = true;
    sources.push(this);
  }

  /** @param {string} name @param {any} data */
  send(name, data) {
    if (this.open) this.tell({ name, data: structuredClone(data) });
    if (name === 'end') this.open = false;
  }

  lose() {
    this.open = false;
    this.tell({ is: 'lost' });
  }

  get from() {
    return Number(this.url.searchParams.get('from'));
  }
}

/** Stands for the worker that reads the streams. */
class FakeWorker {
  constructor() {
    /** @type {Map<number, FakeSource>} */
    this.sources = new Map();
    /** @type {(message: {data: object}) => void} */
    this.onmessage = () => {};
  }

  /** @param {{id: number, url?: string, taken?: number}} order */
  postMessage({ id, url, taken }) {
    const source = this.sources.get(id);
    if (url) this.sources.set(id, new FakeSource(url, (event) => this.onmessage({ data: { id, ...event } })));
    else if (source && !taken) source.open = false;
  }
}

Object.assign(globalThis, {
  Worker: FakeWorker,
  fetch: (/** @type {string} */ url) => new Promise((resolve) => {
    const turn = () => new Promise((r) => { setTimeout(r, 0); });
    questions.push({ url: new URL(url, 'http://x'), answer: async (body) => { resolve({ ok: true, json: async () => body }); await turn(); await turn(); } });
  }),
});
const { State } = await import('../../web/state.js');
const { Second } = await import('../../web/second.js');

const RUNS = [{ run: '1', run_id: 1, first_ts: 1e9, end_ts: 100e9, interval_ns: 1e8 }, { run: '2', run_id: 2, first_ts: 1e9, end_ts: 80e9, interval_ns: 1e8 }];
const doc = (/** @type {number} */ ts) => ({ ts, pools: { p: { capacity: 4, used: 1, pages: { 0: 'A...' } } } });

/** The stream that frames are waited from; not the one that only asks what the run is. */
const playing = () => sources.filter((s) => s.open && s.url.searchParams.has('speed') && s !== sources[0]);
/** What was asked of /state and has no answer yet. */
function asked() {
  const at = questions.findIndex((q) => q.url.pathname.endsWith('/state'));
  assert.ok(at >= 0, 'a document is asked for');
  return questions.splice(at, 1)[0];
}

/** @type {InstanceType<typeof State>} */
let first;
/** @type {InstanceType<typeof State>} */
let state;
/** @type {InstanceType<typeof Second>} */
let second;
let nowMs = 0;

/** A is at this moment. @param {number} ts */
function at(ts) {
  if (first.doc) first.delta({ ts });
  else first.keyframe(doc(ts));
  nowMs += 16;
  second.follow(nowMs);
}

beforeEach(async () => {
  sources = [];
  questions = [];
  nowMs = performance.now();
  first = new State();
  state = new State();
  first.setRuns(RUNS);
  first.openRun('1');
  second = new Second(first, state, (message) => assert.fail(message));
  first.setPlace({ compare: { run: '2', align: 'moment', label: '', offset_ns: 2e9 } });
  second.choose();
  await second.aligning;
});

test('while A stands, the document of its moment is asked for, the newest one only', async () => {
  at(10e9);
  const one = asked();
  assert.equal(one.url.searchParams.get('ts'), '12000000000');
  at(20e9);
  at(30e9);
  await one.answer(doc(11.95e9));
  second.follow(nowMs);
  const two = asked();
  assert.equal(two.url.searchParams.get('ts'), '32000000000');
  await two.answer(doc(31.9e9));
  assert.equal(state.ts, 31.9e9);
  assert.equal(playing().length, 0);
  assert.equal(second.place, 'within');
  at(90e9);
  assert.equal(asked().url.searchParams.get('ts'), '80000000000');
  assert.equal(second.place, 'after');
});

test('while A plays, frames wait until their time and none is shown before', async () => {
  first.setPlace({ mode: 'play', speed: 1 });
  at(10e9);
  const [stream] = playing();
  assert.equal(stream.from, 12.3e9, 'it runs ahead');
  await asked().answer(doc(11.9e9));
  assert.equal(state.ts, 11.9e9, 'until then what /state says');
  stream.send('keyframe', doc(12.3e9));
  for (const ts of [12.4e9, 12.5e9, 12.6e9]) stream.send('delta', { ts, pools: { p: { used: 2 } } });
  at(10.25e9);
  assert.equal(state.ts, 11.9e9);
  at(10.41e9);
  assert.equal(state.ts, 12.4e9, 'all that is due');
  assert.equal(second.queue.length, 2);
  assert.equal(state.doc.pools.p.used, 2);
});

test('a late answer does not disturb frames that stand on each other', async () => {
  first.setPlace({ mode: 'play', speed: 1 });
  at(10e9);
  const late = asked();
  const [stream] = playing();
  stream.send('keyframe', doc(12.3e9));
  at(10.35e9);
  assert.equal(state.ts, 12.3e9);
  await late.answer(doc(11.9e9));
  assert.equal(state.ts, 12.3e9);
});

test('another speed, a jump and a pause open what they need and close the rest', async () => {
  first.setPlace({ mode: 'play', speed: 1 });
  at(10e9);
  playing()[0].send('keyframe', doc(12.3e9));
  at(10.4e9);
  first.setPlace({ speed: -2 });
  at(10.3e9);
  assert.equal(playing().length, 1);
  assert.ok(playing()[0].from < 12.3e9 && playing()[0].url.searchParams.get('speed') === '-2');
  playing()[0].send('keyframe', doc(11.7e9));
  at(50e9);
  assert.equal(playing().length, 1);
  assert.ok(playing()[0].from < 52e9 && playing()[0].from > 50e9, String(playing()[0].from));
  first.setPlace({ mode: 'pause' });
  at(50e9);
  assert.equal(playing().length, 0);
  first.setPlace({ mode: 'play', speed: 1 });
  at(50e9);
  second.hide(true);
  assert.equal(playing().length, 0, 'a page that nobody sees holds no second stream');
});

test('what waits is bounded, and asked for again behind its end', async () => {
  first.setPlace({ mode: 'play', speed: 1 });
  at(10e9);
  const [stream] = playing();
  stream.send('keyframe', doc(12.3e9));
  for (let i = 1; i < 2000; i += 1) stream.send('delta', { ts: 12.3e9 + i * 1e6 });
  assert.equal(second.queue.length, 400);
  assert.equal(stream.open, false);
  at(10.68e9);
  assert.ok(second.queue.length < 50);
  assert.equal(playing()[0].url.searchParams.get('last_event_id'), String(12.3e9 + 399e6));
});

test('a stream that is lost is asked for again, not at once', async () => {
  first.setPlace({ mode: 'play', speed: 1 });
  at(10e9);
  playing()[0].lose();
  assert.equal(state.link, 'lost');
  at(10.02e9);
  assert.equal(playing().length, 0);
  nowMs = performance.now() + 300;
  at(10.3e9);
  assert.equal(playing().length, 1);
});
