// stream.test.mjs: the worker that reads event streams, with a page and a server of the test's own; the
// letters of pages as bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packPages, pagesOf } from '../../web/letters.js';
import { SseReader } from '../../web/sse.js';

/** @type {any[]} what the worker told the page */
const told = [];
/** @type {(message: {data: object}) => void} */
let order = () => {};
/** @type {{url: string, signal: AbortSignal, status: number, body: ReadableStreamDefaultController<Uint8Array>, stream: ReadableStream<Uint8Array>}[]} */
const answers = [];
let status = 200;

Object.assign(globalThis, {
  addEventListener: (/** @type {string} */ _, /** @type {any} */ fn) => { order = fn; },
  postMessage: (/** @type {object} */ message) => { told.push(structuredClone(message)); },
  fetch: async (/** @type {string} */ url, /** @type {{signal: AbortSignal}} */ { signal }) => {
    /** @type {any} */
    let body;
    const stream = new ReadableStream({ start: (controller) => { body = controller; } }, { highWaterMark: 0 });
    signal.addEventListener('abort', () => { try { body.error(new Error('aborted')); } catch { /* it was closed */ } });
    answers.push({ url, signal, status, body, stream });
    return { ok: status === 200, body: stream };
  },
});
await import('../../web/stream_worker.js');

const encoder = new TextEncoder();
const settle = async () => { for (let i = 0; i < 20; i += 1) await new Promise((resolve) => { setTimeout(resolve); }); };
let ids = 0;

/** Open a stream. */
async function open() {
  const id = ids += 1;
  order({ data: { id, url: `/stream/${id}` } });
  await settle();
  const answer = /** @type {typeof answers[number]} */ (answers.at(-1));
  return { id, answer, send: async (/** @type {string} */ text) => { answer.body.enqueue(encoder.encode(text)); await settle(); }, told: () => told.filter((m) => m.id === id) };
}

test('events come whole, wherever their text is cut', () => {
  const text = 'retry: 1000\n\nevent: run\ndata: {"a":1}\n\nevent: delta\nid: 7\ndata: {"ts":7,"name":"ü\\n"}\n\n\nevent: gap\n\nevent: end\ndata: {}\n\n';
  const want = [['run', '{"a":1}'], ['delta', '{"ts":7,"name":"ü\\n"}'], ['end', '{}']];
  for (let size = 1; size < text.length; size += 1) {
    const seen = /** @type {string[][]} */ ([]);
    const reader = new SseReader((name, data) => seen.push([name, data]));
    for (let at = 0; at < text.length; at += size) reader.push(text.slice(at, at + size));
    assert.deepEqual(seen, want, `parts of ${size}`);
  }
});

test('the page gets documents parsed, their letters as bytes, batches as text', async () => {
  const stream = await open();
  await stream.send('event: keyframe\nid: 1\ndata: {"ts":1,"pools":{"__proto__":{"capacity":4,"pages":{"0":"A..I"}},"b":{"used":1},"c":null}}\n\n');
  await stream.send('event: events\ndata: {"ts":1,"events":[]}\n\n');
  const [opened, keyframe, events] = stream.told();
  assert.equal(opened.is, 'opened');
  assert.equal(keyframe.name, 'keyframe');
  const pool = Object.getOwnPropertyDescriptor(keyframe.data.pools, '__proto__')?.value;
  assert.deepEqual([pool.pages.numbers, pool.pages.ends, Buffer.from(pool.pages.bytes).toString()], [[0], [4], 'A..I']);
  pool.pages = { 0: 'A..I' };
  assert.deepEqual(keyframe.data, JSON.parse('{"ts":1,"pools":{"__proto__":{"capacity":4,"pages":{"0":"A..I"}},"b":{"used":1},"c":null}}'));
  assert.equal(events.data, '{"ts":1,"events":[]}');
});

test('a letter of several bytes that is cut in two is one', async () => {
  const stream = await open();
  const bytes = encoder.encode('event: mark\ndata: {"label":"ü"}\n\n');
  const cut = bytes.indexOf(0xc3) + 1;
  stream.answer.body.enqueue(bytes.slice(0, cut));
  stream.answer.body.enqueue(bytes.slice(cut));
  await settle();
  assert.equal(stream.told().at(-1).data.label, 'ü');
});

test('an end closes, and nobody is told that it was lost', async () => {
  const stream = await open();
  await stream.send('event: end\ndata: {"ts":5}\n\nevent: delta\ndata: {"ts":6}\n\n');
  await settle();
  assert.deepEqual(stream.told().map((m) => m.is ?? m.name), ['opened', 'end']);
});

test('what ends without an end, breaks, or is refused, was lost', async () => {
  const ended = await open();
  ended.answer.body.close();
  const broken = await open();
  broken.answer.body.error(new Error('reset'));
  const garbled = await open();
  await garbled.send('event: delta\ndata: {"ts":\n\n');
  status = 503;
  const refused = await open();
  status = 200;
  await settle();
  for (const stream of [ended, broken, garbled]) assert.deepEqual(stream.told().map((m) => m.is), ['opened', 'lost']);
  assert.deepEqual(refused.told().map((m) => m.is), ['lost']);
  assert.ok(garbled.answer.signal.aborted);
});

test('what is closed is not read on, and nothing more is told', async () => {
  const stream = await open();
  order({ data: { id: stream.id } });
  await settle();
  assert.ok(stream.answer.signal.aborted);
  assert.deepEqual(stream.told().map((m) => m.is), ['opened']);
  order({ data: { id: stream.id } });
  order({ data: { id: 99, taken: 1 } });
});

test('who does not take what came stops the reading, and who takes it lets it go on', async () => {
  const stream = await open();
  for (let i = 1; i <= 100; i += 1) stream.answer.body.enqueue(encoder.encode(`event: delta\ndata: {"ts":${i}}\n\n`));
  await settle();
  const first = stream.told().length;
  assert.ok(first > 2 && first < 20, `it runs ahead by ${first}`);
  await settle();
  assert.equal(stream.told().length, first);
  for (let taken = 0; taken < 100 && stream.told().length < 101; taken += 1) {
    order({ data: { id: stream.id, taken: 1 } });
    await settle();
  }
  assert.deepEqual(stream.told().slice(1).map((m) => m.data.ts), Array.from({ length: 100 }, (_, i) => i + 1));
});

test('letters are bytes, one a letter, whatever a trace has for letters', () => {
  const pages = /** @type {any} */ ({ 2: 'AI.', 0: '.ü\u0141A', 1: 7, x: 'B' });
  assert.deepEqual(pagesOf(pages).map(([page, bytes]) => [page, [...bytes]]), [[0, [46, 0xfc & 127, 0x41, 65]], [1, []], [2, [65, 73, 46]], [NaN, [66]]]);
  assert.deepEqual(pagesOf(packPages(pages)), pagesOf(pages));
  for (const none of [undefined, null, {}]) assert.deepEqual(pagesOf(none), []);
});
