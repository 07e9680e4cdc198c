// pictures.mjs: the README's pictures: the demo app under load, recorded, and the real page in
// Chromium, live, paused at the incident, and with SQL. Writes web/pictures/*.png.
// Usage: node tests/pictures.mjs (make pictures).

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BUILD, ROOT, launch, sleep, status, until, verdict } from './e2e/page_lib.mjs';

const SIZE = { width: 1440, height: 900 };
const MAX_BYTES = 200 * 1024;
const out = path.join(ROOT, 'web/pictures');
const folder = mkdtempSync(path.join(tmpdir(), 'memcam-pictures-'));
mkdirSync(out, { recursive: true });
const demo = spawn('python3', [path.join(ROOT, 'tests/demo.py'), '--build', BUILD, '--store', path.join(folder, 'demo.db'), '--dash', '127.0.0.1:0', '--listen', '127.0.0.1:0', '--hurry', '2', '--seconds', '40'], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, XDG_RUNTIME_DIR: folder } });
const ended = new Promise((resolve) => { demo.on('exit', resolve); });
let said = '';
demo.stdout.on('data', (data) => { said += data; });
const browser = await launch();
try {
  await until(() => /dashboard: +(\S+)/i.test(said), 'the demo says where its dashboard is', 20);
  const base = /dashboard: +(\S+)/i.exec(said)?.[1];
  const page = await browser.newPage({ viewport: SIZE, colorScheme: 'dark' });
  await page.goto(base);
  await until(async () => (await status(page)) === 'live', 'the live run is shown');
  await until(() => page.evaluate(() => window.memcam.state.ts > 17.5e9), 'the load goes on', 30);
  await take(page, 'live.png');

  await until(() => /the incident/.test(said), 'the incident comes', 40);
  await sleep(6000);
  await page.emulateMedia({ colorScheme: 'light' });
  const mark = await page.evaluate(() => window.memcam.state.marks.find((m) => m.label === 'incident')?.ts);
  await page.evaluate((ts) => window.memcam.player.seek(ts), mark + 1.6e9);
  await until(async () => (await status(page)) === 'paused', 'paused at the incident');
  const slot = await page.evaluate(() => [...window.memcam.state.maps.get('request_arenas').states].findIndex((s) => s === 65));
  await page.locator('[data-map="request_arenas"]').click({ position: await page.evaluate((n) => {
    const { cell, cols } = document.querySelector('[data-map="request_arenas"]').dataset;
    return { x: ((n % cols) + 0.5) * cell, y: (Math.floor(n / cols) + 0.5) * cell };
  }, Math.max(0, slot)) });
  await sleep(2500);
  await page.mouse.move(10, 890);
  await take(page, 'incident.png');

  await page.emulateMedia({ colorScheme: 'dark' });
  await page.click('#tab-sql');
  await page.fill('#sql-input', 'SELECT ts, kind, dur, before_bytes - after_bytes AS freed\nFROM gc_event ORDER BY dur DESC LIMIT 8');
  await page.click('#sql-run');
  await page.evaluate(() => document.getElementById('traffic').scrollIntoView());
  await sleep(2000);
  await take(page, 'traffic.png');
} finally {
  await browser.close();
  demo.kill('SIGTERM');
  await ended;
  rmSync(folder, { recursive: true, force: true });
}
process.exit(verdict());

/** @param {any} page @param {string} name */
async function take(page, name) {
  const file = path.join(out, name);
  await page.screenshot({ path: file });
  const { size } = statSync(file);
  console.log(`${path.relative(ROOT, file)}: ${Math.round(size / 1024)} KB${size > MAX_BYTES ? ', more than a README should load' : ''}`);
}
