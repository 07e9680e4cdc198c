// browser_keys.mjs: every key of the list, the forms, and links that open the moment they were copied at.

import path from 'node:path';
import { startMock } from './mock_server.mjs';
import { SHOTS, accessible, check, launch, openPage, shownTs, sleep, status, until, verdict } from './page_lib.mjs';

const browser = await launch();
const mock = await startMock({ ticks: 600 });
const api = async (/** @type {string} */ what) => (await fetch(mock.url + what)).json();

try {
  await keys();
  await links();
} catch (error) {
  check(false, 'the test runs to its end', String(error?.stack ?? error));
}
await browser.close();
mock.close();
process.exit(verdict());

async function keys() {
  const { page, errors, context } = await openPage(browser);
  await page.goto(`${mock.url}/#run=1&ts=20000000000`);
  await until(async () => (await status(page)) === 'paused', 'paused');
  await until(() => page.evaluate(() => window.memcam.state.marks.length > 0), 'marks are known');
  const first = await shownTs(page);
  await page.keyboard.press('.');
  await until(async () => (await shownTs(page)) > first, '. steps on');
  await page.keyboard.press(',');
  await until(async () => (await shownTs(page)) === first, ', steps back');
  await page.keyboard.press(']');
  await until(async () => Math.abs((await shownTs(page)) - 25e9) < 2e8, '] goes to the mark');
  await page.keyboard.press(']');
  await until(async () => Math.abs((await shownTs(page)) - 33.3e9) < 2e8, '] goes to the gap');
  await page.keyboard.press('[');
  await until(async () => Math.abs((await shownTs(page)) - 25e9) < 2e8, '[ goes back');
  await page.keyboard.press('l');
  await until(async () => (await status(page)) === 'playing', 'L plays');
  await page.keyboard.press('l');
  check((await page.evaluate(() => window.memcam.state.speed)) === 2, 'L again plays faster');
  await page.keyboard.press('k');
  await until(async () => (await status(page)) === 'paused', 'K pauses');
  await page.keyboard.press('j');
  await until(() => page.evaluate(() => window.memcam.state.speed === -1 && window.memcam.state.mode === 'play'), 'J plays backwards');
  await page.keyboard.press('k');
  await page.keyboard.press('Home');
  await until(async () => (await shownTs(page)) < 2e8, 'Home goes to the first frame');
  await page.keyboard.press('+');
  check((await page.evaluate(() => window.memcam.state.view)) !== null, '+ zooms');
  await page.keyboard.press('0');
  check((await page.evaluate(() => window.memcam.state.view)) === null, '0 shows the whole run');
  await page.keyboard.press('/');
  await page.keyboard.type('m.');
  check((await page.inputValue('#filter')) === 'm.' && (await shownTs(page)) < 2e8, 'keys typed into a field are text');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  check((await page.evaluate(() => window.memcam.state.filter)) === '', 'Esc leaves the field, then clears the filter');
  await themes(page);
  await page.keyboard.press('?');
  check(await page.isVisible('#help'), '? shows the keys');
  await page.screenshot({ path: path.join(SHOTS, 'help.png') });
  await accessible(page, 'the list of keys');
  await page.keyboard.press('Escape');
  await page.keyboard.press('m');
  await accessible(page, 'the form of a mark');
  await page.fill('#mark-text', 'a <b>mark</b>');
  await page.click('#mark-save');
  await until(async () => (await api('/api/runs/1/marks')).marks.some((m) => m.label === 'a <b>mark</b>'), 'M sets a mark, in the recording');
  await page.click('#tab-marks');
  await until(async () => /a <b>mark<\/b>/.test(await page.textContent('#tab-panel')), 'and in the list, as text');
  await page.click('#tab-sql');
  await page.fill('#sql-input', 'SELECT ts, pool, used FROM pool_sample');
  await page.click('#sql-run');
  await until(() => page.evaluate(() => document.querySelectorAll('#sql-output tbody tr').length === 20), 'SQL answers as a table');
  await page.click('#sql-output thead button');
  await page.click('#sql-output thead button');
  check((await page.getAttribute('#sql-output th', 'aria-sort')) === 'descending', 'a column sorts');
  await page.screenshot({ path: path.join(SHOTS, 'sql.png') });
  await page.fill('#sql-input', 'nonsense');
  await page.click('#sql-run');
  await until(async () => /syntax error/.test(await page.textContent('#sql-note')), 'wrong SQL says what is wrong');
  check(errors.length === 0, 'keys: no error in the console', errors);
  await context.close();
}

async function links() {
  const { page, context, errors } = await openPage(browser);
  await page.goto(`${mock.url}/#run=1&ts=20000000000&filter=tcp&view=10000000000-40000000000`);
  await until(async () => (await status(page)) === 'paused', 'the link is open');
  await page.click('canvas[data-map="tcp_buffers"]', { position: { x: 40, y: 20 } });
  await until(async () => /slot/.test((await page.textContent('[data-field="slot-text"]').catch(() => '')) ?? ''), 'a click pins a slot');
  await until(() => page.evaluate(() => /slot=\d+/.test(location.hash)), 'the address says it');
  const [url, ts, text] = [page.url(), await shownTs(page), await page.textContent('[data-field="slot-text"]')];
  const other = await openPage(browser);
  await other.page.goto(url);
  await until(async () => (await shownTs(other.page)) === ts, 'the copied address opens the same moment');
  const again = await other.page.evaluate(() => ({ filter: window.memcam.state.filter, view: window.memcam.state.view, pick: window.memcam.state.pick }));
  check(again.filter === 'tcp' && again.view?.[0] === 10e9 && again.pick.pool === 'tcp_buffers', 'with filter, zoom and selection', again);
  await until(async () => (await other.page.textContent('[data-field="slot-text"]').catch(() => '')) === text?.replace(/ · since .*/, ''), 'and the pinned slot');
  await page.goto(`${mock.url}/#run=77&ts=nonsense&speed=1e9&view=9-1`);
  await page.reload();
  await until(async () => (await status(page)) === 'live', 'a link that makes no sense shows the live run');
  check(/77/.test(await page.textContent('.said')), 'and says so');
  check(errors.length === 0, 'links: no error in the console', errors);
  await other.context.close();
  await context.close();
}

/** Dark and light are the system's until T takes the other, which stays; T again follows the system. @param {any} page */
async function themes(page) {
  const isBright = () => page.evaluate(() => Number(getComputedStyle(document.body).backgroundColor.match(/\d+/)?.[0]) > 127);
  await page.emulateMedia({ colorScheme: 'dark' });
  await until(async () => !(await isBright()), 'dark where the system is dark');
  await page.keyboard.press('t');
  await until(isBright, 'T makes it light');
  check(await page.evaluate(() => localStorage.getItem('memcam.theme')) === 'light', 'which the browser keeps');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.emulateMedia({ colorScheme: 'dark' });
  await sleep(200);
  check(await isBright(), 'whatever the system does');
  await page.keyboard.press('t');
  await until(async () => !(await isBright()), 'and T makes it dark again');
  await page.emulateMedia({ colorScheme: 'light' });
  await until(isBright, 'with the system');
  await page.emulateMedia({ colorScheme: null });
}
