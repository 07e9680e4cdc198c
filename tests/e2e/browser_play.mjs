// browser_play.mjs: the player on made-up runs: live, paused, scrubbed, back to live; steps, speeds, backwards,
// the timeline, the filter, the end.

import path from 'node:path';
import { startMock } from './mock_server.mjs';
import { SHOTS, accessible, check, compareMap, compareWithState, launch, openPage, pace, shownTs, sleep, status, until, verdict } from './page_lib.mjs';

const browser = await launch();
const mock = await startMock({ ticks: 600 });
const api = async (/** @type {string} */ what) => (await fetch(mock.url + what)).json();
const stateAt = (/** @type {string} */ run, /** @type {number} */ ts) => api(`/api/runs/${run}/state?ts=${ts}`);

try {
  await live();
  await replayed();
} catch (error) {
  check(false, 'the test runs to its end', String(error?.stack ?? error));
}
await browser.close();
mock.close();
process.exit(verdict());

async function live() {
  const { page, errors, context } = await openPage(browser);
  await page.goto(mock.url);
  await until(async () => (await status(page)) === 'live', 'the live run is shown at once');
  await until(async () => Math.abs(await pace(page, 1000) - 1) < 0.4, 'a second of the run passes in a second');
  await page.keyboard.press('Space');
  await until(async () => (await status(page)) === 'paused', 'space pauses');
  await sleep(900);
  const ts = await shownTs(page);
  const doc = await stateAt('2', ts);
  check(doc.ts === ts, 'the moment shown is a frame', [doc.ts, ts]);
  check((await compareWithState(page, doc, 'paused live')) > 60, 'many numbers have hooks');
  for (const [name, every] of [['lval', 7], ['tcp_buffers', 1], ['connections', 1], ['timers', 1]]) {
    const map = await compareMap(page, doc, name, every);
    check(map.wrong === 0 && map.seen >= map.slots / every, `each cell of ${name} has its state's colour`, map);
    check(map.cell >= 1, `a cell of ${name} is a device pixel at least`, map);
  }
  const end = await page.evaluate(() => window.memcam.state.endTs);
  await page.keyboard.press('ArrowLeft');
  await until(async () => Math.abs(ts - (await shownTs(page)) - 5e9) < 2e8, 'arrow left goes five seconds back while recording goes on');
  await page.keyboard.press('End');
  await until(async () => (await status(page)) === 'live' && (await shownTs(page)) > end, 'End goes back to live');
  mock.live.stopped = true;
  await until(async () => (await status(page)) === 'stalled', 'a program that stands still is said to');
  check(/stands still/.test(await page.textContent('#banner')), 'in words');
  await page.screenshot({ path: path.join(SHOTS, 'stands-still.png') });
  await accessible(page, 'standing still');
  mock.live.stopped = false;
  await until(async () => (await status(page)) === 'live', 'and live again when it goes on');
  check(errors.length === 0, 'live: no error in the console', errors);
  await context.close();
}

async function replayed() {
  const { page, errors, context } = await openPage(browser);
  await page.goto(`${mock.url}/#run=1&ts=20000000000`);
  await until(async () => (await status(page)) === 'paused' && (await shownTs(page)) <= 20e9 && (await shownTs(page)) > 19.8e9, 'a link opens its moment');
  let doc = await stateAt('1', 20e9);
  await until(async () => (await page.getAttribute('[data-vital="req"] [data-field="req"]', 'data-value')) !== null, 'rates of a paused moment are known');
  await compareWithState(page, doc, 'opened by a link');
  await page.click('#step-on');
  await until(async () => (await shownTs(page)) > doc.ts, 'a step on');
  const next = await shownTs(page);
  check((await stateAt('1', next - 1)).ts === doc.ts, 'a step on is the very next frame', [doc.ts, next]);
  await compareWithState(page, await stateAt('1', next), 'after a step on');
  await page.click('#step-back');
  await until(async () => (await shownTs(page)) === doc.ts, 'a step back is the frame before');
  await page.selectOption('#speed', '5');
  await page.click('#play');
  await until(async () => (await status(page)) === 'playing', 'play plays');
  await until(async () => Math.abs(await pace(page, 1500) - 5) < 1.5, 'five times as fast');
  await page.click('#play');
  await until(async () => (await status(page)) === 'paused', 'and pauses');
  await sleep(1200);
  const ts = await shownTs(page);
  doc = await stateAt('1', ts);
  await compareWithState(page, doc, 'paused after playing');
  const map = await compareMap(page, doc, 'lval', 5);
  check(map.wrong === 0, 'the map too', map);
  await page.selectOption('#speed', '-10');
  await page.click('#play');
  await until(async () => (await shownTs(page)) < ts - 3e9, 'it plays backwards');
  await page.click('#play');
  await until(async () => (await status(page)) === 'paused', 'and stops');
  await sleep(300);
  await compareWithState(page, await stateAt('1', await shownTs(page)), 'paused after playing backwards');
  await page.$eval('#slider', (/** @type {any} */ node) => { node.value = node.max / 2; node.dispatchEvent(new Event('input')); node.dispatchEvent(new Event('change')); });
  await until(async () => Math.abs((await shownTs(page)) - 30e9) < 3e8, 'the slider seeks');
  const box = await page.locator('canvas.timeline').boundingBox();
  const plot = box.width - 116;
  await page.mouse.click(box.x + 116 + plot * 0.25, box.y + 30);
  await until(async () => Math.abs((await shownTs(page)) - 15e9) < 3e8, 'a click on the timeline seeks');
  await page.mouse.move(box.x + 116 + plot * 0.3, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + 116 + plot * 0.5, box.y + 30, { steps: 5 });
  await page.mouse.up();
  const selected = await page.evaluate(() => window.memcam.state.selected);
  check(selected && Math.abs(selected[0] - 18e9) < 5e8 && Math.abs(selected[1] - 30e9) < 5e8, 'a drag selects', selected);
  await page.mouse.wheel(0, -800);
  await until(() => page.evaluate(() => { const v = window.memcam.state.view; return v && v[1] - v[0] < 40e9; }), 'the wheel zooms');
  await page.click('#zoom-out');
  check((await page.evaluate(() => window.memcam.state.view)) === null, 'and back to the whole run');
  await page.fill('#goto', '0:42.5');
  await page.press('#goto', 'Enter');
  await until(async () => Math.abs((await shownTs(page)) - 42.5e9) < 2e8, 'a typed time seeks');
  await page.fill('#filter', 'tcp');
  await until(() => page.evaluate(() => document.querySelectorAll('[data-pool]').length === 1), 'the filter leaves one pool');
  await page.fill('#filter', '');
  await page.selectOption('#speed', 'max');
  await page.click('#play');
  await until(async () => (await status(page)) === 'ended', 'at full speed the end comes, and is said');
  check((await shownTs(page)) === (await stateAt('1', 1e15)).ts, 'and it is the last frame');
  await page.screenshot({ path: path.join(SHOTS, 'ended.png') });
  await accessible(page, 'ended');
  await page.selectOption('#run-picker', '2');
  await until(async () => (await status(page)) === 'live', 'the run picker opens another run');
  check(errors.length === 0, 'replay: no error in the console', errors);
  await context.close();
}
