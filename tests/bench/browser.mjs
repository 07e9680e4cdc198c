// browser.mjs: what the page costs in headless Chromium: script per frame, time between frames,
// the page's memory and weight; beside it the technique of one DOM node a slot.
// Usage: node browser.mjs   prints name<TAB>value<TAB>unit. BENCH_SECONDS (default 20) per measurement.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { BUILD, ROOT, launch, sleep, status, until } from '../e2e/page_lib.mjs';
import { startMock } from '../e2e/mock_server.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 20);
const MOVED = 600;

/** @param {string} name @param {number} value @param {string} unit */
const tell = (name, value, unit) => console.log(`${name}\t${Number(value.toFixed(3))}\t${unit}`);
/** @param {number[]} list @param {number} part */
const quantile = (list, part) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * part))];

weight();
const browser = await launch();
const mock = await startMock({ ticks: MOVED });
await measure('live 10 Hz', '', 'live');
await measure('replay 10x', '#run=1&ts=100000000&play=1&speed=10', 'playing');
await measure('replay 1000x', '#run=1&ts=100000000&play=1&speed=1000', '');
await firstPaint();
await seek();
await nodePerSlot();
await browser.close();
mock.close();
process.exit(0);

function weight() {
  const folder = path.join(ROOT, 'web');
  const uplot = [BUILD, path.join(ROOT, 'build')].map((b) => path.join(b, 'npm/node_modules/uplot/dist'));
  const files = readdirSync(folder).filter((f) => /\.(js|css|html)$/.test(f)).map((f) => path.join(folder, f));
  for (const file of ['uPlot.iife.min.js', 'uPlot.min.css']) {
    for (const dist of uplot) {
      try {
        readFileSync(path.join(dist, file));
        files.push(path.join(dist, file));
        break;
      } catch { /* in the other place */ }
    }
  }
  tell('page weight, gzip -9', files.reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).length, 0) / 1024, 'KB');
}

/** @param {string} name @param {string} hash @param {string} wanted status */
async function measure(name, hash, wanted) {
  const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
  await page.goto(`${mock.url}/${hash}`);
  await until(async () => (wanted ? (await status(page)) === wanted : (await status(page)) !== 'loading'), `${name} runs`);
  await sleep(2000);
  const seen = await page.evaluate(async (ms) => {
    const { script, state, player } = window.memcam;
    // At 1000x the made-up run lasts a tenth of a second: it is played over and over.
    const again = setInterval(() => { if (state.mode === 'pause' && !state.entry.live) player.play(); }, 20);
    const from = script.count;
    const framesFrom = state.frames;
    const gaps = [];
    let last = performance.now();
    const end = last + ms;
    await new Promise((resolve) => {
      const tick = (now) => {
        gaps.push(now - last);
        last = now;
        if (now < end) requestAnimationFrame(tick);
        else resolve(undefined);
      };
      requestAnimationFrame(tick);
    });
    clearInterval(again);
    const scripts = [];
    for (let i = Math.max(from, script.count - script.ms.length); i < script.count; i += 1) scripts.push(script.ms[i % script.ms.length]);
    return { gaps: gaps.slice(1), scripts, frames: state.frames - framesFrom };
  }, SECONDS * 1000);
  const worked = seen.scripts.filter((ms) => ms > 0);
  tell(`${name}: script per drawn frame p50`, quantile(worked, 0.5), 'ms');
  tell(`${name}: script per drawn frame p99`, quantile(worked, 0.99), 'ms');
  tell(`${name}: frame time p50`, quantile(seen.gaps, 0.5), 'ms');
  tell(`${name}: frame time p99`, quantile(seen.gaps, 0.99), 'ms');
  tell(`${name}: documents shown`, seen.frames / SECONDS, '/s');
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.enable');
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  tell(`${name}: heap of the page after a collection`, usedSize / 1048576, 'MB');
  await page.close();
}

async function firstPaint() {
  const times = [];
  for (let i = 0; i < 5; i += 1) {
    const context = await browser.newContext({ viewport: { width: 1600, height: 1000 } });
    const page = await context.newPage();
    await page.goto(mock.url);
    await sleep(700);
    times.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN));
    await context.close();
  }
  tell('first contentful paint, median of 5', quantile(times, 0.5), 'ms');
}

async function seek() {
  const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
  await page.goto(`${mock.url}/#run=1&ts=5000000000`);
  await until(async () => (await status(page)) === 'paused', 'paused');
  await sleep(1000);
  const times = await page.evaluate(async () => {
    const { state, player } = window.memcam;
    const out = [];
    for (let i = 0; i < 40; i += 1) {
      const aim = ((i * 7) % 50) * 1e9 + 5e9;
      const begin = performance.now();
      const before = state.frames;
      player.seek(aim);
      while (state.frames === before) await new Promise((r) => { setTimeout(r, 1); });
      await new Promise((r) => { requestAnimationFrame(() => requestAnimationFrame(r)); });
      out.push(performance.now() - begin);
      await new Promise((r) => { setTimeout(r, 30); });
    }
    return out;
  });
  tell('seek to paint p50 (the made-up server)', quantile(times, 0.5), 'ms');
  tell('seek to paint p99 (the made-up server)', quantile(times, 0.99), 'ms');
  await page.close();
}

/** How the same is done with a DOM node a slot: 16,384 slots are all that it can bear. */
async function nodePerSlot() {
  const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
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
