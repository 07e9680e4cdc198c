// browser.mjs: what the page costs in headless Chromium, against the real program: a live one of
// 262,144 slots, 60 gauges and 2,000 connections (bench_live), and a recording of the like
// (bench_trace). Beside it, in the same run: the least that any page of this kind costs on this machine,
// which is a map of as many cells by look-up and one putImageData, and 60 charts on one canvas, ten
// times a second, and nothing else; and the technique of one DOM node a slot.
// Script is what drawing a frame and taking its events took, by the clock and, since a busy machine
// counts others' time too, as CPU; frame time what the browser gave, and gave to a page that reads the
// same stream and draws nothing: the machine's limit.
// Usage: node browser.mjs   prints name<TAB>value<TAB>unit. BENCH_SECONDS (60) per measurement;
// BENCH_HEAP_SPEED (20): how fast the 30 minutes are replayed over which the heap must stay flat, 1
// for all of them. MEMCAM_BENCH_QUICK: 8 s a measurement, an hour recorded and not two, 5 minutes for 30.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { BUILD, check, launch, shownTs, sleep, status, until } from '../e2e/page_lib.mjs';
import { folder, start, stopAll } from '../e2e/program_lib.mjs';

const QUICK = Boolean(process.env.MEMCAM_BENCH_QUICK);
const SECONDS = Number(process.env.BENCH_SECONDS ?? (QUICK ? 8 : 60));
/** at 1000x the recording lasts some seconds: to begin anew is a seek, far dearer than a frame */
const RECORDED_S = QUICK ? 3600 : 7200;
const HEAP_S = QUICK ? 300 : 1800;
const ANEW_MS = 300;
const CPU_SECONDS = 8;
const HEAP_SPEED = Number(process.env.BENCH_HEAP_SPEED ?? 20);
const HEAP_POINTS = 6;
/** of a long recording, BENCH_LONG=FILE: a new browser loads hundreds of modules of its own at first */
const OPENINGS = 5;
const SETTLE_MS = 1500;
const VIEW = { viewport: { width: 1600, height: 1000 } };

/** @param {string} name @param {number} value @param {string} unit */
const tell = (name, value, unit) => console.log(`page, ${name}\t${Number(value.toFixed(3))}\t${unit}`);
/** @param {number[]} list @param {number} part */
const quantile = (list, part) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * part))];
/** @param {number[]} list */
const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
/** frames a second of each measurement @type {Map<string, number>} */
const paces = new Map();

const browser = await launch();
let failed = false;
/** what the least page costs, for ratios: ms @type {{clock: number, cpu: number}} */
let least = { clock: NaN, cpu: NaN };
try {
  least = await leastPage();
  const live = await start(['record', '--dash', '127.0.0.1:0', '--store', path.join(folder, 'live.db'), '--', path.join(BUILD, 'bench/bench_live')], ['dashboard']);
  await firstPaint(live.urls.dashboard);
  await measure('live 10 Hz', `${live.urls.dashboard}/`, { wanted: 'live' });
  await drawNothing('live 10 Hz', live.urls.dashboard, '/api/runs/1/stream');
  live.child.kill('SIGTERM');
  await live.exited;
  const trace = path.join(folder, 'replay.db');
  execFileSync(path.join(BUILD, 'bench/bench_trace'), [trace, String(RECORDED_S)]);
  const replay = await start(['replay', trace, '--dash', '127.0.0.1:0'], ['dashboard']);
  const base = replay.urls.dashboard;
  await seek(base);
  await measure('replay 1000x', `${base}/#run=1&ts=100000000&play=1&speed=1000`);
  await drawNothing('replay 1000x', base, '/api/runs/1/stream?from=100000000&speed=1000&events=200');
  await measure('replay 1000x, begun anew three times a second', `${base}/#run=1&ts=100000000&play=1&speed=1000`, { anewMs: ANEW_MS });
  await flatHeap(base);
  replay.child.kill('SIGTERM');
  await replay.exited;
  await nodePerSlot();
  if (process.env.BENCH_LONG) await openLong(process.env.BENCH_LONG);
} catch (error) {
  failed = true;
  console.error(String(error instanceof Error ? error.stack : error));
}
await browser.close();
await stopAll();
process.exit(failed ? 1 : 0);

/** The page's memory after a collection, MB: script's objects, the page's, and typed arrays. @param {any} page */
async function heapOf(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.enable');
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize, embedderHeapUsedSize = 0, backingStorageSize = 0 } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return (usedSize + embedderHeapUsedSize + backingStorageSize) / 1048576;
}

/** Seconds of CPU that the page's scripts took, as its thread's clock counts them. @param {any} session */
async function cpuOf(session) {
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find((/** @type {any} */ m) => m.name === 'ScriptDuration').value;
}

/** What scripts took for each frame, ms of CPU: drawing it, and what came before it. @returns {Promise<number[]>} */
async function cpuPerFrame() {
  const session = await browser.newBrowserCDPSession();
  /** @type {any[]} */
  const events = [];
  session.on('Tracing.dataCollected', (/** @type {any} */ e) => events.push(...e.value));
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: ['devtools.timeline'], excludedCategories: ['*'] } });
  await sleep(CPU_SECONDS * 1000);
  const complete = new Promise((resolve) => { session.once('Tracing.tracingComplete', resolve); });
  await session.send('Tracing.end');
  await complete;
  await session.detach();
  const frames = [];
  let sum = 0;
  let end = -1;
  let drawnUntil = -1;
  for (const event of events.filter((e) => e.ph === 'X' && ['FunctionCall', 'FireAnimationFrame', 'HandlePostMessage'].includes(e.name)).sort((x, y) => x.ts - y.ts)) {
    if (event.name === 'FireAnimationFrame') {
      drawnUntil = event.ts + event.dur;
    } else if (event.ts >= end) { // not within another call
      end = event.ts + event.dur;
      sum += (event.tdur ?? 0) / 1000;
      if (event.ts < drawnUntil) {
        frames.push(sum);
        sum = 0;
      }
    }
  }
  return frames.slice(1);
}

/** A page of the bench's size that can count its frames. */
async function openView() {
  const page = await browser.newPage(VIEW);
  await page.addInitScript({ content: `window.frameTimes = ${frameTimes};` });
  return page;
}

/** In the page: how long each frame of so many ms took, but for the first two. @param {number} ms @param {() => void} [each] called in each */
async function frameTimes(ms, each = () => {}) {
  const gaps = [];
  const begin = performance.now();
  let last = begin;
  await new Promise((resolve) => {
    const tick = (now) => {
      gaps.push(now - last);
      last = now;
      each();
      if (now < begin + ms) requestAnimationFrame(tick);
      else resolve(undefined);
    };
    requestAnimationFrame(tick);
  });
  return gaps.slice(2);
}

/**
 * What a page gets that reads the same stream and draws nothing: the machine's limit.
 * @param {string} name of the measurement beside it @param {string} base @param {string} stream
 */
async function drawNothing(name, base, stream) {
  const page = await openView();
  await page.goto(`${base}/healthz`);
  const gaps = await page.evaluate(async ([url, ms]) => {
    const open = () => {
      const source = new EventSource(url);
      source.addEventListener('end', () => {
        source.close();
        reading = open();
      });
      return source;
    };
    let reading = open();
    const out = await window.frameTimes(ms);
    reading.close();
    return out;
  }, [stream, SECONDS * 1000]);
  tell(`${name}: frame interval p99 of one that draws nothing`, quantile(gaps, 0.99), 'ms');
  tell(`${name}: frames / those of one that draws nothing`, (paces.get(name) ?? NaN) * (mean(gaps) / 1000), '');
  await page.close();
}

/** @param {string} name @param {string} url @param {{wanted?: string, anewMs?: number}} [options] the status to wait for; how often play begins anew */
async function measure(name, url, { wanted = '', anewMs = 0 } = {}) {
  const page = await openView();
  await page.goto(url);
  await until(async () => (wanted ? (await status(page)) === wanted : !['loading', 'empty'].includes(await status(page))), `${name} runs`, 20);
  await sleep(2000);
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const cpuBefore = await cpuOf(session);
  const seen = await page.evaluate(async ([ms, anew]) => {
    const { script, state, player } = window.memcam;
    // The recording is played over and over.
    setInterval(() => { if (state.mode === 'pause' && !state.entry.live) player.play(); }, 20);
    if (anew > 0) setInterval(() => player.seek(1e8), anew);
    const framesFrom = state.frames;
    const scripts = [];
    let at = script.count;
    const gaps = await window.frameTimes(ms, () => {
      for (; at < script.count; at += 1) scripts.push(script.ms[at % script.ms.length]);
    });
    const { pools, metrics, connections } = state.doc;
    return { gaps, scripts, frames: state.frames - framesFrom, slots: Math.max(...Object.values(pools).map((p) => p.capacity)), series: Object.keys(metrics).length, open: connections.open };
  }, [SECONDS * 1000, anewMs]);
  const cpu = await cpuOf(session);
  const frames = await cpuPerFrame();
  paces.set(name, 1000 / mean(seen.gaps));
  check(seen.slots === 262144 && seen.series >= 60 && seen.open > 1800, `${name}: the page shows 262,144 slots, 60 charts, 2,000 connections`, [seen.slots, seen.series, seen.open]);
  tell(`${name}: script per frame p50`, quantile(seen.scripts, 0.5), 'ms');
  tell(`${name}: script per frame p99`, quantile(seen.scripts, 0.99), 'ms');
  tell(`${name}: CPU of script per frame p50`, quantile(frames, 0.5), 'ms');
  tell(`${name}: CPU of script per frame p99`, quantile(frames, 0.99), 'ms');
  tell(`${name}: script per frame p99 / that of the least page`, quantile(seen.scripts, 0.99) / least.clock, '');
  tell(`${name}: CPU of script per frame p99 / that of the least page`, quantile(frames, 0.99) / least.cpu, '');
  tell(`${name}: script, mean CPU a frame, all of it`, ((cpu - cpuBefore) * 1000) / Math.max(1, seen.scripts.length), 'ms');
  tell(`${name}: frame time p50`, quantile(seen.gaps, 0.5), 'ms');
  tell(`${name}: frame time p99`, quantile(seen.gaps, 0.99), 'ms');
  tell(`${name}: documents shown`, seen.frames / SECONDS, '/s');
  tell(`${name}: heap after a collection`, await heapOf(page), 'MB');
  await page.close();
}

/** The recording's first half hour, with collections forced on the way: what is kept does not grow. @param {string} base */
async function flatHeap(base) {
  const page = await openView();
  await page.goto(`${base}/#run=1&ts=0&speed=${HEAP_SPEED}&play=1`);
  await until(async () => (await status(page)) === 'playing', 'it plays', 20);
  const heaps = [];
  for (let i = 1; i <= HEAP_POINTS; i += 1) {
    const due = (HEAP_S * 0.97e9 * i) / HEAP_POINTS;
    await until(async () => (await shownTs(page)) >= due, `it comes to part ${i}`, (HEAP_S / HEAP_SPEED) * 3 + 60);
    heaps.push(await heapOf(page));
  }
  const half = heaps.slice(HEAP_POINTS / 2);
  tell(`heap over ${HEAP_S / 60} minutes of replay at ${HEAP_SPEED}x, most`, Math.max(...heaps), 'MB');
  tell(`heap over ${HEAP_S / 60} minutes of replay at ${HEAP_SPEED}x, growth of its second half`, (half.at(-1) / half[0] - 1) * 100, '%');
  await page.close();
}

/** What the page weighs as it is sent, and when it first paints. @param {string} base */
async function firstPaint(base) {
  const times = [];
  let bytes = 0;
  const plain = new Set();
  for (let i = 0; i < 7; i += 1) {
    const context = await browser.newContext(VIEW);
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send('Network.enable');
    let sum = 0;
    session.on('Network.responseReceived', (/** @type {any} */ e) => {
      const { url, headers } = e.response;
      if (!/\/assets\/|\/$/.test(new URL(url).pathname) || url.startsWith('data:')) return;
      const header = (/** @type {string} */ name) => Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
      if (header('content-encoding') !== 'gzip') plain.add(url);
      sum += Number(header('content-length') ?? NaN);
    });
    await page.goto(base);
    await sleep(1000);
    times.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN));
    bytes = Math.max(bytes, sum);
    await context.close();
  }
  tell('first contentful paint, median of 7', quantile(times, 0.5), 'ms');
  check(plain.size === 0, 'all of the page is sent compressed', [...plain]);
  tell('weight as served', bytes / 1024, 'KB');
}

/** From the address of a long recording to its first moment and its timeline, in a new browser that has settled. @param {string} trace */
async function openLong(trace) {
  const program = await start(['replay', trace, '--dash', '127.0.0.1:0'], ['dashboard']);
  /** @type {Record<string, number>[]} */
  const opened = [];
  for (let i = 0; i < OPENINGS; i += 1) {
    const fresh = await launch();
    const page = await fresh.newPage(VIEW);
    await sleep(SETTLE_MS);
    await page.addInitScript(watchOpening);
    await page.goto(program.urls.dashboard);
    await until(() => page.evaluate(() => window.opened.timeline > 0 && window.opened.moment > 0), 'it opens');
    opened.push(await page.evaluate(() => window.opened));
    await fresh.close();
  }
  for (const what of ['moment', 'timeline']) tell(`long recording, ${what} after navigation, median of ${OPENINGS}`, quantile(opened.map((o) => o[what]), 0.5), 'ms');
  program.child.kill('SIGTERM');
  await program.exited;
}

/** In the page: when the moment and the timeline had been drawn, ms. */
function watchOpening() {
  const opened = { moment: 0, timeline: 0 };
  Object.assign(window, { opened });
  const look = () => {
    const map = document.querySelector('canvas[data-map][data-cell]');
    if (!opened.moment && map && document.getElementById('clock')?.dataset.value !== undefined) opened.moment = performance.now();
    const canvas = document.querySelector('canvas.timeline');
    if (!opened.timeline && window.memcam?.state.overview && canvas) {
      const left = canvas.width >> 3; // of the lanes' names
      const pixels = new Uint32Array(canvas.getContext('2d').getImageData(left, 0, canvas.width - left, canvas.height).data.buffer);
      if (pixels.reduce((count, pixel) => count + Number(pixel !== 0), 0) > canvas.width) opened.timeline = performance.now();
    }
    if (!opened.moment || !opened.timeline) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** @param {string} base */
async function seek(base) {
  const page = await openView();
  await page.goto(`${base}/#run=1&ts=5000000000`);
  await until(async () => (await status(page)) === 'paused', 'paused');
  await sleep(1000);
  const times = await page.evaluate(async (end) => {
    const { state, player } = window.memcam;
    const out = [];
    for (let i = 0; i < 60; i += 1) {
      const aim = ((i * 7919) % end) * 1e9 + 5e8;
      const begin = performance.now();
      const before = state.frames;
      player.seek(aim);
      while (state.frames === before) await new Promise((r) => { setTimeout(r, 1); });
      await new Promise((r) => { requestAnimationFrame(() => setTimeout(r, 0)); });
      out.push(performance.now() - begin);
      await new Promise((r) => { setTimeout(r, 200); });
    }
    return out;
  }, RECORDED_S);
  tell('seek to paint p50', quantile(times, 0.5), 'ms');
  tell('seek to paint p95', quantile(times, 0.95), 'ms');
  await page.close();
}

/** A map and 60 charts ten times a second, and nothing else: what this machine can do. */
async function leastPage() {
  const page = await openView();
  await page.goto('about:blank');
  await page.evaluate(drawLeast);
  await sleep(1000);
  const seen = await page.evaluate(async (ms) => {
    const from = window.least.scripts.length;
    const gaps = await window.frameTimes(ms);
    return { gaps, scripts: window.least.scripts.slice(from) };
  }, SECONDS * 1000);
  const frames = await cpuPerFrame();
  await page.close();
  const out = { clock: quantile(seen.scripts, 0.99), cpu: quantile(frames, 0.99) };
  tell('the least page: script per frame p99', out.clock, 'ms');
  tell('the least page: CPU of script per frame p99', out.cpu, 'ms');
  tell('the least page: frame time p99', quantile(seen.gaps, 0.99), 'ms');
  return out;
}

/** In the page: 262,144 cells of which 5,000 change, and 60 charts of 600 values, of each pixel the lowest and highest, every 100 ms. */
function drawLeast() {
  const CELLS = 262144;
  const [CHARTS, VALUES, WIDE, HIGH] = [60, 600, 240, 22];
  const map = Object.assign(document.createElement('canvas'), { width: 1024, height: CELLS / 1024 });
  const charts = Object.assign(document.createElement('canvas'), { width: WIDE * 6, height: (HIGH * CHARTS) / 6 });
  document.body.append(map, charts);
  const onMap = map.getContext('2d', { alpha: false });
  const onCharts = charts.getContext('2d');
  const image = onMap.createImageData(map.width, map.height);
  const words = new Uint32Array(image.data.buffer);
  const palette = Uint32Array.from({ length: 128 }, (_, i) => 0xff000000 | (i * 0x010305));
  const states = new Uint8Array(CELLS);
  const values = Array.from({ length: CHARTS }, () => new Float64Array(VALUES));
  let turn = 0;
  let drawnMs = -Infinity;
  function draw() {
    turn += 1;
    for (let i = 0; i < 5000; i += 1) states[(turn * 5000 + i) % CELLS] = (i * 7 + turn) & 127;
    for (let i = 0; i < CELLS; i += 1) words[i] = palette[states[i]];
    onMap.putImageData(image, 0, 0);
    onCharts.clearRect(0, 0, charts.width, charts.height);
    onCharts.beginPath();
    values.forEach((list, chart) => {
      list[turn % VALUES] = (turn * (chart + 3) * 7919) % 1000;
      const [left, base] = [(chart % 6) * WIDE, (Math.floor(chart / 6) + 1) * HIGH];
      for (let x = 0; x < WIDE; x += 1) {
        let [low, high] = [Infinity, -Infinity];
        for (let i = Math.floor((x * VALUES) / WIDE); i < ((x + 1) * VALUES) / WIDE; i += 1) {
          const value = list[(turn + 1 + i) % VALUES];
          if (value < low) low = value;
          if (value > high) high = value;
        }
        onCharts.moveTo(left + x, base - (low / 1000) * HIGH);
        onCharts.lineTo(left + x, base - (high / 1000) * HIGH - 1);
      }
    });
    onCharts.stroke();
  }
  window.least = { scripts: [] };
  requestAnimationFrame(function frame(now) {
    const begin = performance.now();
    if (now - drawnMs >= 99) {
      drawnMs = now;
      draw();
    }
    window.least.scripts.push(performance.now() - begin);
    requestAnimationFrame(frame);
  });
}

/** How the same is done with a DOM node a slot: 16,384 slots are all that it can bear. */
async function nodePerSlot() {
  const page = await openView();
  await page.goto('about:blank');
  for (const slots of [2056, 16384]) {
    const times = await page.evaluate(async (n) => {
      document.body.replaceChildren();
      const cells = Array.from({ length: n }, () => {
        const node = document.createElement('span');
        node.style.cssText = 'display:inline-block;width:4px;height:4px;background:#333';
        document.body.append(node);
        return node;
      });
      const out = [];
      for (let turn = 0; turn < 15; turn += 1) {
        const begin = performance.now();
        for (let i = 0; i < n; i += 1) cells[i].style.background = (i * 7 + turn) % 3 ? '#333' : '#0b8';
        document.body.offsetHeight;
        await new Promise((r) => { requestAnimationFrame(() => setTimeout(r, 0)); });
        out.push(performance.now() - begin);
      }
      return out;
    }, slots);
    tell(`for comparison, a DOM node a slot, ${slots} slots: a frame p50`, quantile(times, 0.5), 'ms');
  }
  await page.close();
}
