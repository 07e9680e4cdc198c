// browser_page.mjs: the page by itself, on made-up runs: every key and control, links, hostile
// names, a server that goes and comes back, accessibility, looks.

import path from 'node:path';
import { startMock } from './mock_server.mjs';
import { SHOTS, accessible, check, compareMap, compareWithState, launch, npm, openPage, shownTs, sleep, status, until, verdict } from './page_lib.mjs';

const browser = await launch();
let mock = await startMock({ ticks: 600 });
const api = async (/** @type {string} */ what) => (await fetch(mock.url + what)).json();
const stateAt = (/** @type {string} */ run, /** @type {number} */ ts) => api(`/api/runs/${run}/state?ts=${ts}`);

try {
  await live();
  await replayed();
  await keys();
  await links();
  await serverAway();
  await empty();
  await hostile();
  await looks();
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
  const before = await shownTs(page);
  await sleep(1000);
  const passed = (await shownTs(page)) - before;
  check(passed > 6e8 && passed < 1.6e9, 'a second of the run passes in a second', passed);
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
  await page.selectOption('#speed', '10');
  await page.click('#play');
  await until(async () => (await status(page)) === 'playing', 'play plays');
  await sleep(1500);
  const at = await shownTs(page);
  check(at > 28e9 && at < 50e9, 'ten times as fast', at);
  await page.click('#play');
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
  check(errors.filter((e) => !/400/.test(e)).length === 0, 'keys: no error in the console', errors);
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

async function serverAway() {
  const { page, context, errors, quiet } = await openPage(browser);
  await page.goto(mock.url);
  await until(async () => (await status(page)) === 'live', 'live');
  quiet.on = true;
  const port = Number(new URL(mock.url).port);
  mock.close();
  await until(async () => (await status(page)) === 'lost', 'a server that is gone is noticed', 5);
  check(await page.isVisible('#banner'), 'and said');
  await page.screenshot({ path: path.join(SHOTS, 'lost.png') });
  await accessible(page, 'connection lost');
  await sleep(1500);
  mock = await startMock({ port, ticks: 600 });
  await until(async () => (await status(page)) === 'live', 'the page comes back by itself', 15);
  quiet.on = false;
  mock.live.end('signal 9');
  await until(async () => (await status(page)) === 'ended', 'a run that ends is said to');
  check(/signal 9/.test(await page.textContent('#banner')), 'with how', await page.textContent('#banner'));
  check(errors.length === 0, 'away: no error in the console', errors);
  await context.close();
  mock.close();
  mock = await startMock({ ticks: 600 });
}

async function empty() {
  const runs = mock.runs.splice(0);
  const { page, context, errors } = await openPage(browser);
  await page.goto(mock.url);
  await until(async () => (await status(page)) === 'empty', 'no runs at all');
  check(/memcam serve/.test(await page.textContent('#banner')), 'the page says how to begin');
  await page.screenshot({ path: path.join(SHOTS, 'empty.png') });
  await accessible(page, 'no runs');
  mock.runs.push(...runs);
  await until(async () => (await status(page)) === 'live', 'the first run appears by itself', 15);
  check(errors.length === 0, 'empty: no error in the console', errors);
  await context.close();
}

async function hostile() {
  const evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
  for (const run of mock.runs) {
    run.info.label = evil;
    run.info.host = '"><svg onload=window.hacked=1>';
    for (const slab of run.program.slabs) if (slab.name === 'timers') { slab.name = evil; slab.states = { A: evil }; }
    run.program.routes[`GET /${evil}`] = run.program.routes['GET /leak'];
    run.program.routes['__proto__ constructor'] = run.program.routes['GET /slow'];
    run.marks.push({ mark_id: 99, ts: 1e9, dur: 0, label: evil, author: evil });
    run.gaps.push({ ts: 2e9, dur: 1e9, reason: evil, lost: 1 });
    run.frames = run.frames.slice(0, 1);
    run.frames[0].key = JSON.stringify({ ...run.program.keyframe(), ts: run.frames[0].ts });
  }
  const { page, context, errors } = await openPage(browser);
  await page.goto(mock.url);
  await until(async () => (await status(page)) === 'live', 'a run with markup for names is shown');
  await sleep(1500);
  for (const tab of ['events', 'marks', 'pick', 'sql', 'warnings']) await page.click(`#tab-${tab}`);
  await page.click('#tab-marks');
  await sleep(600);
  check((await page.evaluate(() => window.hacked)) === undefined, 'nothing of it executes');
  check((await page.evaluate(() => document.querySelectorAll('main img, main svg, aside img, header img, header svg:not(.icon), aside script').length)) === 0, 'nothing of it becomes an element');
  check((await page.locator('[data-pool]').allTextContents()).some((t) => t.includes('onerror')), 'it is shown as text');
  check(errors.length === 0, 'hostile: no error in the console, no violation of the policy', errors);
  await context.close();
  mock.close();
  mock = await startMock({ ticks: 600 });
}

async function looks() {
  const axe = npm('axe-core').source;
  for (const colorScheme of ['dark', 'light']) {
    for (const [width, height] of [[800, 900], [1600, 1000], [3840, 2160], [420, 900]]) {
      const { page, context, errors } = await openPage(browser, { colorScheme, viewport: { width, height } });
      await page.goto(`${mock.url}/#run=1&ts=43000000000`);
      await until(async () => (await status(page)) === 'paused', `${colorScheme} ${width} shows its moment`);
      await sleep(900);
      await page.screenshot({ path: path.join(SHOTS, `page-${colorScheme}-${width}.png`) });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      check(over <= 0, `${width} pixels are enough: nothing sticks out`, over);
      if (width === 1600) {
        await page.evaluate(axe);
        for (const tab of ['warnings', 'events', 'sql']) {
          await page.click(`#tab-${tab}`);
          await sleep(600);
          const result = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
          const bad = result.violations.map((v) => `${v.id}: ${v.help} (${v.nodes.length}) ${v.nodes.slice(0, 2).map((n) => `${n.html.slice(0, 120)} ${n.failureSummary?.slice(0, 200)}`).join(' | ')}`);
          check(bad.length === 0, `${colorScheme}, ${tab}: nothing against WCAG AA`, bad);
        }
      }
      check(errors.length === 0, `${colorScheme} ${width}: no error in the console`, errors);
      await context.close();
    }
  }
}
