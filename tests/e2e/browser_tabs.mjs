// browser_tabs.mjs: many tabs on one live run. A browser has six connections for an HTTP/1.1
// server and a stream takes one: tabs that nobody sees give theirs back, and go on when seen again;
// of seven that are all seen some ask for the state instead, and none waits for good.

import path from 'node:path';
import { check, launch, shownTs, sleep, status, until, verdict } from './page_lib.mjs';
import { APP, folder, load, start, stopAll } from './program_lib.mjs';

const TABS = 7;
const AWAY_SHORT_MS = 4000;
const AWAY_LONG_MS = 12000;
const SEEN = 7;
const STREAMS_MOST = 4;

const browser = await launch();
try {
  await seen();
  await tabs();
} catch (error) {
  check(false, 'the test runs to its end', String(error?.stack ?? error));
}
await browser.close();
await stopAll();
process.exit(verdict());

/** Headless, every tab counts as seen: tell the page what a window would. One that is seen is in front, or few frames are drawn. @param {any} page @param {boolean} hidden */
async function hide(page, hidden) {
  if (!hidden) await page.bringToFront();
  await page.evaluate((/** @type {boolean} */ on) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => on });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}

/** @param {any} page */
function resting(page) {
  return page.evaluate(() => window.memcam.player.resting !== null);
}

/** A served app under load, and so many pages of one browser on its dashboard, each live within so many seconds. @param {string} store @param {number} count @param {number} seconds @param {(page: any, i: number) => Promise<void>} [then] what is done to each page */
async function openPages(store, count, seconds, then) {
  const program = await start(['serve', APP, '--listen', '127.0.0.1:0', '--dash', '127.0.0.1:0', '--store', path.join(folder, store)], ['app', 'dashboard']);
  const stop = load(program.urls.app);
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
  /** @type {any[]} */
  const pages = [];
  for (let i = 0; i < count; i += 1) {
    const page = await context.newPage();
    pages.push(page);
    await page.goto(program.urls.dashboard);
    await until(async () => (await status(page)) === 'live', `page ${i + 1} is live`, seconds);
    await then?.(page, i);
  }
  return { program, stop, context, pages };
}

async function tabs() {
  const { program, stop, context, pages } = await openPages('tabs.db', TABS, 20, async (page, i) => {
    if (i === TABS - 1) return;
    await hide(page, true);
    await until(() => resting(page), `tab ${i + 1}, not seen, gives its stream back`);
  });
  const [first, second] = pages;
  const last = pages[TABS - 1];
  const before = await shownTs(last);
  await until(async () => (await shownTs(last)) > before + 5e8, 'the seventh goes on');
  await until(async () => (await status(last)) === 'live', 'and is live');

  // Seen again after a short time: nothing of what came between is missing.
  await hide(last, true);
  await until(() => resting(last), 'the seventh rests');
  const left = await shownTs(last);
  await sleep(AWAY_SHORT_MS);
  await hide(last, false);
  await until(async () => (await shownTs(last)) > left + AWAY_SHORT_MS * 0.9e6, 'it is at the newest moment again');
  const holes = await last.evaluate((/** @type {number} */ from) => {
    const { history } = window.memcam.state;
    let most = 0;
    for (let i = 1; i < history.length; i += 1) if (history.ts[history.at(i - 1)] >= from) most = Math.max(most, history.ts[history.at(i)] - history.ts[history.at(i - 1)]);
    return most;
  }, left);
  check(holes < 1e9, 'no moment of it is missing', holes);
  await hide(last, true);
  await until(() => resting(last), 'the seventh rests again');

  // After a long time the newest state is what is asked for.
  await sleep(AWAY_LONG_MS);
  await hide(first, false);
  await until(async () => (await status(first)) === 'live' && (await shownTs(first)) > left + AWAY_LONG_MS * 1e6, 'the first tab is live again at once', 5);
  await until(() => first.evaluate(() => window.memcam.state.history.length > 100), 'with the minutes before in its charts');

  // The run ends while a tab is not seen.
  stop();
  program.child.kill('SIGTERM');
  await until(async () => (await status(first)) === 'ended', 'the run ends for who sees it');
  await program.exited;
  await hide(second, false);
  await until(async () => ['ended', 'lost'].includes(await status(second)), 'and for who comes back');
  await context.close();
}

/** Seven windows, all of them seen: all go on, can be asked, and the fewer there are the more have a stream. */
async function seen() {
  const { program, stop, context, pages } = await openPages('seen.db', SEEN, 40);
  const shared = async () => (await Promise.all(pages.map((page) => page.evaluate(() => window.memcam.state.isShared)))).filter(Boolean).length;
  check((await shared()) === SEEN - STREAMS_MOST, 'four have a stream', await shared());
  const before = await Promise.all(pages.map(shownTs));
  for (const [i, page] of pages.entries()) await until(async () => (await shownTs(page)) > before[i] + 1e9, `window ${i + 1} goes on`);
  const last = pages[SEEN - 1];
  await until(async () => (await last.textContent('#banner')).includes('streams'), 'the last one says why it is slow');
  check(await last.evaluate(() => window.memcam.state.run !== null && window.memcam.state.history.length > 2), 'and knows what the run is');

  // Paused, looked back and live again, in a window without a stream and in one with.
  for (const page of [last, pages[0]]) {
    await page.keyboard.press('Space');
    await until(async () => (await status(page)) === 'paused', 'space pauses');
    await page.evaluate(() => window.memcam.player.seek(1e9));
    await until(async () => (await shownTs(page)) <= 1e9, 'a moment of before is shown');
    await page.keyboard.press('End');
    await until(async () => (await status(page)) === 'live', 'and live again');
  }
  // Play from the beginning without a stream: moments pass as fast as they should.
  await last.evaluate(() => { window.memcam.player.pause(); return window.memcam.player.seek(5e8); });
  await last.evaluate(() => window.memcam.player.play());
  await until(() => last.evaluate(async () => {
    const { state } = window.memcam;
    const [ts, ms] = [state.ts, performance.now()];
    while (performance.now() < ms + 3000 || state.ts === ts) await new Promise((resolve) => { setTimeout(resolve, 50); });
    return Math.abs((state.ts - ts) / 1e6 / (performance.now() - ms) - 1) < 0.5;
  }), 'a second of the run passes in a second');

  for (const page of pages.splice(0, STREAMS_MOST)) await page.close();
  await until(async () => (await shared()) === 0, 'when four are closed, the others have streams');
  stop();
  program.child.kill('SIGTERM');
  for (const page of pages) await until(async () => ['ended', 'lost', 'paused', 'playing'].includes(await status(page)), 'the run ends for all');
  await program.exited;
  await context.close();
}
