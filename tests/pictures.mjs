// pictures.mjs: the README's pictures: the demo app under load, recorded, and the real page in
// Chromium: live; replayed and paused at the incident; and with SQL. Writes web/pictures/*.png.
// Usage: node tests/pictures.mjs (make pictures).

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BUILD, ROOT, check, launch, sleep, status, until, verdict } from './e2e/page_lib.mjs';
import { start, stopAll } from './e2e/program_lib.mjs';

const SIZE = { width: 1440, height: 900 };
const MAX_BYTES = 200 * 1024;
const out = path.join(ROOT, 'web/pictures');
const folder = mkdtempSync(path.join(tmpdir(), 'memcam-pictures-'));
const store = path.join(folder, 'demo.db');
mkdirSync(out, { recursive: true });
const demo = spawn('python3', [path.join(ROOT, 'tests/demo.py'), '--build', BUILD, '--store', store, '--dash', '127.0.0.1:0', '--listen', '127.0.0.1:0', '--hurry', '2', '--seconds', '40'], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, XDG_RUNTIME_DIR: folder } });
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

  await ended;
  check(/the incident/.test(said), 'the incident was recorded');
  const replay = await start(['replay', store, '--dash', '127.0.0.1:0'], ['dashboard']);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.goto(replay.urls.dashboard);
  await until(() => page.evaluate(() => window.memcam.state.marks.length > 0), 'the recording opens', 60);
  const mark = await page.evaluate(() => window.memcam.state.marks.find((m) => m.label === 'incident')?.ts);
  await page.evaluate((ts) => window.memcam.player.seek(ts), mark + 1.6e9);
  await until(() => page.evaluate((ts) => window.memcam.state.ts > ts, mark), 'paused at the incident', 60);
  await until(async () => (await page.evaluate(() => window.memcam.state.findings.length)) > 0, 'what went wrong is known', 60);
  const slot = await page.evaluate(() => [...window.memcam.state.maps.get('request_arenas').states].findIndex((s) => s === 65));
  await page.locator('[data-map="request_arenas"]').click({ position: await page.evaluate((n) => {
    const { cell, cols } = document.querySelector('[data-map="request_arenas"]').dataset;
    return { x: ((n % cols) + 0.5) * cell, y: (Math.floor(n / cols) + 0.5) * cell };
  }, Math.max(0, slot)) });
  await until(() => page.locator('#tab-panel tbody tr').count(), 'the slot’s history is shown', 60);
  await sleep(2500);
  await page.mouse.move(10, 890);
  await take(page, 'incident.png');

  await page.emulateMedia({ colorScheme: 'dark' });
  await page.click('#tab-sql');
  await page.fill('#sql-input', 'SELECT ts, kind, dur, before_bytes - after_bytes AS freed\nFROM gc_event ORDER BY dur DESC LIMIT 8');
  await page.click('#sql-run');
  await page.evaluate((ts) => window.memcam.player.seek(ts), mark - 2.2e9);
  await page.evaluate(() => document.getElementById('heat').scrollIntoView());
  await until(() => page.locator('#sql-output tbody tr').count(), 'SQL is answered', 60);
  await until(() => page.evaluate(() => [...window.memcam.state.conns.byId.values()].some((c) => c.events.length > 3)), 'the connections are known', 60);
  await sleep(4000);
  await take(page, 'traffic.png');
} finally {
  await browser.close();
  demo.kill('SIGTERM');
  await ended;
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(verdict());

/** @param {any} page @param {string} name */
async function take(page, name) {
  const file = path.join(out, name);
  // A picture is of one moment: every part has been drawn since the last thing asked of the page.
  const drawn = await page.evaluate(() => window.memcam.script.count);
  await until(() => page.evaluate((n) => { window.memcam.state.changed('place'); return window.memcam.script.count > n + 12; }, drawn), `${name}: all parts are drawn`, 60);
  await page.screenshot({ path: file });
  const { size } = statSync(file);
  console.log(`${path.relative(ROOT, file)}: ${Math.round(size / 1024)} KB${size > MAX_BYTES ? ', more than a README should load' : ''}`);
}
