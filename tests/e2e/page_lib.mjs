// page_lib.mjs: what the browser tests share: Chromium, checks, pages that tell their errors.

import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const BUILD = path.resolve(process.env.MEMCAM_BUILD ?? path.join(ROOT, 'build'));
export const SHOTS = path.join(ROOT, 'build', 'screenshots');
/** Times are longer by this much under sanitizers. */
export const SLOW = Number(process.env.MEMCAM_TEST_SLOW ?? 1);
/** how long anything may take: a busy machine is no failure */
const PATIENCE_S = 40;
const CHROMIUM = '/usr/bin/chromium';
const SKIPPED = 77;
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Load a package of build/npm, or end as skipped. @param {string} name */
export function npm(name) {
  for (const base of [path.join(BUILD, 'npm'), path.join(ROOT, 'build', 'npm')]) {
    const folder = path.join(base, 'node_modules', name);
    if (existsSync(folder)) return createRequire(path.join(base, 'x.js'))(name);
  }
  console.log(`skipped: ${name} is not installed (make deps)`);
  process.exit(SKIPPED);
}

/** Chromium, or the end as skipped. */
export async function launch() {
  const { chromium } = npm('playwright-core');
  if (!existsSync(CHROMIUM)) {
    console.log(`skipped: no ${CHROMIUM}`);
    process.exit(SKIPPED);
  }
  mkdirSync(SHOTS, { recursive: true });
  return chromium.launch({ executablePath: CHROMIUM, args: ARGS });
}

let failed = 0;
let passed = 0;

/** @param {unknown} good @param {string} what @param {unknown} [seen] */
export function check(good, what, seen) {
  if (good) {
    passed += 1;
    return;
  }
  failed += 1;
  console.log(`FAILED: ${what}${seen === undefined ? '' : `: ${JSON.stringify(seen)}`}`);
}

/** Print the sum and give the exit status. */
export function verdict() {
  console.log(`${passed} checks passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

/** Try until it gives something true, for at most `seconds`. @template T @param {() => Promise<T> | T} fn @param {string} what @param {number} [seconds] */
export async function until(fn, what, seconds = PATIENCE_S) {
  const end = Date.now() + seconds * 1000 * SLOW;
  let seen;
  while (Date.now() < end) {
    seen = await fn();
    if (seen) {
      check(true, what);
      return seen;
    }
    await sleep(50);
  }
  check(false, `${what} within ${seconds} s`, seen);
  return seen;
}

/** @param {number} ms */
export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/**
 * A page whose console errors and uncaught errors are kept in `errors`. Failed loads while the
 * server is away on purpose are told by the browser as errors too; `quiet` leaves those out.
 * @param {any} browser @param {object} [options]
 */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1600, height: 1000 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_S * 2000 * SLOW);
  /** @type {string[]} */
  const errors = [];
  const quiet = { on: false };
  page.on('console', (message) => {
    if (message.type() !== 'error' && !/Content Security Policy/.test(message.text())) return;
    if (quiet.on && /Failed to load resource|net::ERR_/.test(message.text())) return;
    errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error.stack ?? error)));
  return { page, context, errors, quiet };
}

const AXE_TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Look with axe at the page as it is, dark and light. @param {any} page @param {string} what is shown */
export async function accessible(page, what) {
  if (!(await page.evaluate(() => Boolean(window.axe)))) {
    await page.context().newCDPSession(page).then((/** @type {any} */ session) => session.send('Page.setBypassCSP', { enabled: true }));
    await page.evaluate(npm('axe-core').source);
  }
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme });
    await sleep(150);
    const { violations } = await page.evaluate((tags) => window.axe.run(document, { runOnly: tags }), AXE_TAGS);
    check(violations.length === 0, `axe: ${what}, ${colorScheme}`, violations.map((/** @type {any} */ v) => [v.id, v.nodes.slice(0, 3).map((/** @type {any} */ n) => `${n.html.slice(0, 120)} ${n.failureSummary?.slice(0, 160)}`)]));
  }
  await page.emulateMedia({ colorScheme: null });
}

/** Ask until nothing is wrong: what is shown is painted in turns. @template T @param {() => Promise<T>} ask @param {(answer: T) => number} wrong */
async function settled(ask, wrong) {
  let answer = await ask();
  for (const end = Date.now() + PATIENCE_S * 1000 * SLOW; wrong(answer) > 0 && Date.now() < end; answer = await ask()) await sleep(100);
  return answer;
}

/** @param {any} page */
export const status = (page) => page.evaluate(() => document.body.dataset.status);
/** The ts shown. @param {any} page @returns {Promise<number>} */
export const shownTs = (page) => page.evaluate(() => Number(document.getElementById('clock').dataset.value ?? NaN));

/** How much of the run passes on the page, by time. @param {any} page @param {number} ms to look at it */
export async function pace(page, ms) {
  const [ts, beginMs] = [await shownTs(page), performance.now()];
  await sleep(ms);
  return (await shownTs(page) - ts) / ((performance.now() - beginMs) * 1e6);
}

/**
 * Compare every number on the page that has a hook with the document.
 * @param {any} page @param {any} doc @param {string} when @returns {Promise<number>} how many
 */
export async function compareWithState(page, doc, when) {
  /** @type {[string, string, any][]} selector of the part, name of its section, values */
  const parts = [];
  for (const [name, pool] of Object.entries(doc.pools ?? {})) parts.push(['data-pool', name, pick(pool, ['used', 'free', 'capacity', 'high_water', 'allocs', 'frees', 'overflow'])]);
  for (const [name, arena] of Object.entries(doc.arenas ?? {})) parts.push(['data-arena', name, arena]);
  for (const [name, heap] of Object.entries(doc.heaps ?? {})) parts.push(['data-heap', name, heap]);
  for (const [name, server] of Object.entries(doc.servers ?? {})) parts.push(['data-server', name, pick(server, ['requests', 'open', 'accepted', 'p50_ns', 'p95_ns', 'p99_ns', 'max_ns', 'client_errors', 'server_errors', 'bytes_in', 'bytes_out'])]);
  for (const [name, route] of Object.entries(doc.routes ?? {})) parts.push(['data-route', name, route]);
  parts.push(['id', 'process', pick(doc.process ?? {}, ['rss_bytes', 'pss_bytes', 'anon_bytes', 'file_bytes', 'shmem_bytes', 'minor_faults', 'major_faults', 'fd_count', 'thread_count'])]);
  parts.push(['id', 'connection-counts', pick(doc.connections ?? {}, ['open'])]);
  parts.push(['id', 'recorder', pick(doc.recorder ?? {}, ['cpu_ns', 'rss_bytes', 'tick_ns', 'late_ns', 'events', 'events_lost'])]);
  const wrong = await settled(() => page.evaluate((list) => {
    const out = [];
    let seen = 0;
    for (const [attribute, name, values] of list) {
      const root = document.querySelector(`[${attribute}="${CSS.escape(name)}"]`);
      if (!root) {
        out.push(`${attribute} ${name} is not on the page`);
        continue;
      }
      for (const [field, value] of Object.entries(values)) {
        const node = root.querySelector(`[data-field="${field}"]`);
        if (!node) continue;
        seen += 1;
        if (Number(node.getAttribute('data-value')) !== value) out.push(`${name}.${field}: page ${node.getAttribute('data-value')}, state ${value}`);
      }
    }
    for (const [name, value] of Object.entries(list.byState ?? {})) out.push(`${name} ${value}`);
    return { out, seen };
  }, parts), (answer) => answer.out.length);
  check(wrong.out.length === 0, `${when}: the page says what /state says`, wrong.out.slice(0, 8));
  return wrong.seen;
}

/** @param {any} object @param {string[]} keys */
function pick(object, keys) {
  return Object.fromEntries(keys.filter((key) => object[key] !== undefined).map((key) => [key, object[key]]));
}

/**
 * Compare the painted cells of a pool with the document's pages: a pixel of each slot (of every
 * `every`th) against the palette of the page itself.
 * @param {any} page @param {any} doc @param {string} name @param {number} every
 */
export async function compareMap(page, doc, name, every) {
  const letters = Object.entries(doc.pools[name].pages).sort((a, b) => Number(a[0]) - Number(b[0])).map(([, text]) => text).join('');
  const canvas = page.locator(`canvas[data-map="${name}"]`);
  await canvas.scrollIntoViewIfNeeded();
  return settled(() => page.evaluate(async ([pool, text, step]) => {
    const { paletteTable } = await import('/assets/palette.js');
    const node = document.querySelector(`canvas[data-map="${CSS.escape(pool)}"]`);
    const cell = Number(node.dataset.cell);
    const cols = Number(node.dataset.cols);
    const source = window.memcam.state.source('slab', pool);
    const theme = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
    const table = paletteTable(Object.keys(source?.states ?? {}).join(''), theme);
    const image = node.getContext('2d').getImageData(0, 0, node.width, node.height);
    const words = new Uint32Array(image.data.buffer);
    let wrong = 0;
    let seen = 0;
    const slots = [];
    for (let slot = 0; slot < text.length; slot += step) {
      const x = (slot % cols) * cell;
      const y = Math.floor(slot / cols) * cell;
      seen += 1;
      if (words[y * node.width + x] !== table[text.charCodeAt(slot)]) {
        wrong += 1;
        if (slots.length < 5) slots.push([slot, text[slot], words[y * node.width + x]?.toString(16), window.memcam.state.maps.get(pool).flash[slot]]);
      }
    }
    return { wrong, seen, cell, cols, slots: text.length, which: slots };
  }, [name, letters, every]), (answer) => answer.wrong);
}
