// browser_look.mjs: looking at a real recording in which a pool ran out: the list of what went wrong
// in the run, jumps, a slot's connection and back, requests, the table of connections, owners, routes,
// the map by keyboard, the address that holds all of it.

import { connect } from 'node:http2';
import path from 'node:path';
import { SHOTS, check, compareMap, launch, openPage, shownTs, sleep, status, until, verdict } from './page_lib.mjs';
import { APP, folder, getJson, load, query, start, stopAll } from './program_lib.mjs';

const SESSIONS = 4;
const STREAMS = 90;
const SLOW_MS = 2500;
const POOL = 'request_arenas';

const browser = await launch();
try {
  const store = path.join(folder, 'look.db');
  await record(store);
  const program = await start(['replay', store, '--dash', '127.0.0.1:0'], ['dashboard']);
  const { page, context, errors, quiet } = await openPage(browser);
  quiet.on = true; // a busy machine may cut a question short, which the page survives
  await page.goto(program.urls.dashboard);
  await until(async () => (await status(page)) === 'paused', 'the recorded run opens');
  await found(page);
  await jumps(page, program.urls.dashboard);
  await slotToRequest(page, program.urls.dashboard);
  await table(page);
  await keyboard(page);
  await ownersAndRoutes(page);
  await sqlPanel(page);
  await narrow(page);
  check(errors.length === 0, 'no error in the console', errors);
  await context.close();
} catch (error) {
  check(false, 'the test runs to its end', String(error?.stack ?? error));
}
await browser.close();
await stopAll();
process.exit(verdict());

/** Some quiet seconds, more slow requests at once than there are arenas, some quiet seconds. @param {string} store */
async function record(store) {
  const program = await start(['serve', APP, '--listen', '127.0.0.1:0', '--dash', '127.0.0.1:0', '--store', store, '--label', 'look'], ['app', 'dashboard']);
  const stop = load(program.urls.app);
  await sleep(3000);
  const sessions = Array.from({ length: SESSIONS }, () => connect(program.urls.app));
  for (const session of sessions) {
    session.on('error', () => {});
    for (let i = 0; i < STREAMS; i += 1) session.request({ ':path': `/slow?ms=${SLOW_MS}` }).on('error', () => {}).resume();
  }
  await sleep(SLOW_MS + 1500);
  for (const session of sessions) session.destroy();
  await sleep(2500);
  stop();
  program.child.kill('SIGTERM');
  await program.exited;
}

/** What is looked at. @param {any} page */
function pick(page) {
  return page.evaluate(() => window.memcam.state.pick);
}

/** What went wrong is listed though the run is shown from its begin, and one click goes there. @param {any} page */
async function found(page) {
  const row = page.locator(`[data-finding="pool:${POOL}"]`).first();
  await until(async () => (await row.count()) > 0, 'the run’s list has the pool that ran out');
  check(/full/.test(await row.textContent()), 'and says that it was full', await row.textContent());
  check(/in the run/.test(await page.textContent('#warnings-button')), 'the header counts the run’s warnings');
  const rows = await page.locator('[data-finding]').count();
  check(rows <= await page.evaluate(() => window.memcam.state.findings.length), 'what is alike is one row', rows);
  check((await page.getAttribute('#warnings-button', 'data-level')) === 'critical', 'and says so when one was critical');
  await row.locator('button').click();
  await until(() => page.evaluate((name) => {
    const pool = window.memcam.state.doc?.pools[name];
    return pool && pool.used === pool.capacity;
  }, POOL), 'a click shows the pool full');
  check((await page.locator('#pool-cards > [data-pool]').first().getAttribute('data-pool')) === POOL, 'the worst pool stands first');
  for (const wide of [380, 860]) {
    await page.evaluate((px) => document.getElementById('body').style.setProperty('--side', `${px}px`), wide);
    await sleep(300);
    const cut = await page.evaluate(() => [...document.querySelectorAll('.vital-value, .vital-note span')].filter((node) => node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).display !== 'inline').map((node) => node.textContent));
    const out = await page.evaluate(() => [...document.querySelectorAll('.vital')].filter((tile) => tile.scrollWidth > tile.clientWidth).map((tile) => tile.textContent));
    check(cut.length === 0 && out.length === 0, `no number on top is cut beside a column of ${wide} pixels`, [...cut, ...out]);
  }
  await page.evaluate(() => document.getElementById('body').style.removeProperty('--side'));
  await page.setViewportSize({ width: 1100, height: 900 });
  const heights = await page.evaluate(() => ['', ' and as many again', ''].map((more) => {
    document.getElementById('warnings-run').textContent += more;
    return document.getElementById('header').offsetHeight;
  }));
  check(heights[0] === heights[1], 'the page does not move when the line on top has more to say', heights);
  await page.setViewportSize({ width: 1600, height: 1000 });
  await page.screenshot({ path: path.join(SHOTS, 'look_incident.png') });
}

/** Select time by mouse and by key, and zoom to it. @param {any} page @param {string} base */
async function select(page, base) {
  const box = await page.locator('canvas.timeline').boundingBox();
  const place = () => page.evaluate(() => [window.memcam.state.selected, window.memcam.state.view]);
  const ts = await shownTs(page);
  await page.mouse.move(box.x + 400, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + 700, box.y + 60, { steps: 3 });
  await page.mouse.up();
  const [dragged] = await place();
  check(dragged !== null, 'dragging selects time');
  await page.mouse.dblclick(box.x + 500, box.y + 60);
  await until(async () => String((await place())[1]) === String(dragged), 'a double click zooms to the selection');
  await page.keyboard.press('0');
  await page.evaluate((at) => window.memcam.player.seek(at), ts);
  await until(async () => (await shownTs(page)) === ts, 'back at the moment');
  await page.evaluate((at) => { window.memcam.player.seek(at - 2e9); window.memcam.player.seek(at); }, ts);
  for (let i = 0; i < 2; i += 1) await page.keyboard.press('.');
  const { rows } = await query(base, `SELECT ts FROM pool_sample WHERE run_id = 1 AND pool = '${POOL}' AND ts > ${ts} ORDER BY ts LIMIT 2`);
  await until(async () => (await shownTs(page)) === rows[1][0], 'steps asked for while a moment is on its way go on from there');
  await page.evaluate((at) => window.memcam.player.seek(at), ts);
  await page.keyboard.press('s');
  await page.keyboard.press('.');
  await until(async () => (await shownTs(page)) > ts, 'a frame on');
  await page.keyboard.press('s');
  const end = await shownTs(page);
  check(String((await place())[0]) === String([ts, end]), 'S selects from one moment to another', await place());
  await page.keyboard.press('z');
  await until(async () => String((await place())[1]) === String([ts, end]), 'and Z zooms to that');
  await page.keyboard.press('0');
  await page.keyboard.press('Escape');
  await page.evaluate((at) => window.memcam.player.seek(at), ts);
  await until(async () => (await shownTs(page)) === ts, 'and back');
}

/** @param {any} page @param {string} base */
async function jumps(page, base) {
  await select(page, base);
  const full = await shownTs(page);
  await page.keyboard.press('Home');
  await until(async () => (await shownTs(page)) < 1e9, 'Home goes to the first frame');
  await page.keyboard.press('w');
  await until(async () => (await shownTs(page)) > 5e8, 'W goes to the first warning');
  for (const kind of ['collection', 'overflow', 'event']) {
    await page.keyboard.press('Home');
    await until(async () => (await shownTs(page)) < 5e8, 'and back');
    await page.selectOption('#jump-kind', kind);
    const from = await shownTs(page);
    await page.click('#jump-after');
    await until(async () => (await shownTs(page)) > from, `to the next ${kind}`);
    const at = await shownTs(page);
    await page.click('#jump-after');
    await until(async () => (await shownTs(page)) > at || /No .* after/.test(await page.textContent('.said')), `and the one after that, or none (${kind})`);
  }
  await page.evaluate((ts) => window.memcam.player.seek(ts), full);
  await until(async () => (await shownTs(page)) === full, 'back at the moment of the incident');
}

/** @param {any} page @param {string} base */
async function slotToRequest(page, base) {
  const canvas = page.locator(`[data-map="${POOL}"]`);
  await canvas.scrollIntoViewIfNeeded();
  await until(() => canvas.getAttribute('data-cell'), 'the map has its cells');
  const position = await page.evaluate((name) => {
    const { cell, cols } = document.querySelector(`[data-map="${name}"]`).dataset;
    return { x: ((7 % cols) + 0.5) * cell, y: (Math.floor(7 / cols) + 0.5) * cell };
  }, POOL);
  await canvas.click({ position });
  await until(async () => (await pick(page)).slot === 7, 'a click pins the slot');
  check((await page.locator('.ring.pinned').count()) === 1, 'a ring shows which');
  await until(() => page.locator('[title="Show the connection that holds it"]').count(), 'its connection is known');
  await page.click('[title="Show the connection that holds it"]');
  const { conn, slot } = await pick(page);
  check(conn > 0 && slot === 7, 'one click to its connection', await pick(page));
  await until(() => page.evaluate((name) => window.memcam.state.held.some((h) => h.pool === name && h.slot === 7), POOL), 'which holds the slot');
  const ts = await shownTs(page);
  const run = (await getJson(`${base}/api/runs`)).runs[0];
  const { rows } = await query(base, `SELECT count(*) FROM slot_state(${run.run_id}, '${POOL}', ${ts}) WHERE conn_id = ${conn}`);
  check(rows[0][0] === await page.evaluate((name) => window.memcam.state.held.filter((h) => h.pool === name).length, POOL), 'as many slots as SQL says', rows);
  await until(() => page.locator('[title="Show this request"]').count(), 'its requests are listed');
  await page.locator('[title="Show this request"]').first().click();
  await until(async () => (await pick(page)).stream > 0 && /under way/.test(await page.textContent('#tab-panel')), 'a request, under way');
  check(/GET \/slow/.test(await page.textContent('#tab-panel')), 'with its route');
  await sleep(900);
  const other = await openPage(browser);
  await other.page.goto(page.url());
  await until(async () => JSON.stringify(await pick(other.page)) === JSON.stringify(await pick(page)), 'the address reopens the request');
  await until(async () => (await shownTs(other.page)) === ts, 'at the same moment');
  await other.context.close();
  await page.click('.path button:has-text("slot 7")');
  await until(async () => (await pick(page)).conn === undefined && (await pick(page)).slot === 7, 'the path leads back to the slot');
}

/** @param {any} page */
async function table(page) {
  await page.evaluate(() => document.getElementById('connections').scrollIntoView());
  const rows = page.locator('table.conns tr[data-conn]');
  await until(async () => (await rows.count()) >= SESSIONS, 'the connections are in the table');
  const open = await page.evaluate(() => [window.memcam.state.doc.connections.open, [...window.memcam.state.conns.byId.values()].filter((c) => !(c.closed <= window.memcam.state.ts)).length]);
  check(open[1] >= open[0], 'all that were open at the moment are known', open);
  await page.click('table.conns th:has-text("slowest") button');
  await until(async () => (await page.getAttribute('table.conns th:has-text("slowest")', 'aria-sort')) === 'descending', 'a column sorts');
  await page.selectOption('#waterfall select[aria-label="duration"]', '1s');
  await until(async () => /dur>1s/.test(await page.inputValue('#filter')), 'a select writes the filter');
  const slower = await page.evaluate(() => window.memcam.state.conns.list((c) => c.events.some((e) => e.type === 'response' && e.dur > 1e9), Infinity).length);
  await until(async () => (await rows.count()) <= slower, 'which the table follows');
  await page.selectOption('#waterfall select[aria-label="duration"]', '');
  await until(async () => (await page.inputValue('#filter')) === '', 'and takes it back');
  await until(async () => (await rows.count()) >= SESSIONS, 'all rows again');
  const id = Number(await rows.first().getAttribute('data-conn'));
  await rows.first().locator('td').nth(1).click();
  await until(async () => (await pick(page)).conn === id, 'a click on a row shows its connection');
  await page.screenshot({ path: path.join(SHOTS, 'look_connections.png') });
}

/** @param {any} page */
async function keyboard(page) {
  await page.evaluate(() => document.getElementById('main').scrollTo(0, 0));
  const before = await shownTs(page);
  await page.focus(`[data-map="${POOL}"]`);
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowDown']) await page.keyboard.press(key);
  check(!(await page.isHidden('#tip')), 'arrows on a map say what a slot is');
  await page.keyboard.press('Enter');
  const cols = Number(await page.getAttribute(`[data-map="${POOL}"]`, 'data-cols'));
  await until(async () => (await pick(page)).slot === 10 + cols, 'and Enter pins the one that they lead to');
  check((await shownTs(page)) === before, 'the moment stays');
  await page.fill('#tab-panel input[type=number]', '9').catch(() => {});
  await page.focus(`[data-map="${POOL}"]`);
  await page.keyboard.press('z');
  check(await page.isVisible('dialog.zoom'), 'Z enlarges the map');
  const wide = () => page.evaluate(() => document.querySelector('dialog.zoom canvas').getBoundingClientRect().width);
  const was = await wide();
  await page.keyboard.press('-');
  check((await wide()) === was / 2, '− shows more of it');
  await page.keyboard.press('+');
  check((await wide()) === was, 'and + less');
  await page.keyboard.press('Escape');
  check(!(await page.isVisible('dialog.zoom')), 'Esc closes it');
  await page.focus('#splitter');
  const width = await page.evaluate(() => document.getElementById('inspector').offsetWidth);
  await page.keyboard.press('ArrowLeft');
  check((await page.evaluate(() => document.getElementById('inspector').offsetWidth)) > width, 'the column beside gets wider by the keyboard');
  check((await shownTs(page)) === before, 'and the moment stays');
}

/** @param {any} page */
async function ownersAndRoutes(page) {
  await page.check('#owner-colours');
  await until(() => page.locator(`[data-pool="${POOL}"] .owners tbody tr`).count(), 'the owners of a pool have a table');
  const cells = await page.locator(`[data-pool="${POOL}"] .owners tbody tr`).first().locator('td').allTextContents();
  const pool = await page.evaluate((name) => window.memcam.state.doc.pools[name], POOL);
  check(cells[cells.length - 1].startsWith(`${pool.used} (100`), 'one owner holds all of it', cells);
  await page.uncheck('#owner-colours');
  await page.evaluate(() => window.memcam.player.seek(window.memcam.state.endTs));
  await page.evaluate(() => document.getElementById('routes').scrollIntoView());
  await page.click('[data-route="GET /slow"] button');
  await until(async () => (await pick(page)).route === 'GET /slow' && /Slowest/.test(await page.textContent('#tab-panel')), 'a route is shown beside');
  await until(() => page.locator('#tab-panel tbody tr').count(), 'with its slowest requests');
  const map = await compareMap(page, await page.evaluate(() => window.memcam.state.doc), POOL, 1);
  check(map.wrong === 0 && map.seen > 0, 'slots that were freed have lost their colour', map);
}

/** @param {any} page */
async function sqlPanel(page) {
  await page.click('#tab-sql');
  await page.click('.schema button:has-text("pool_sample")');
  await page.fill('#sql-input', "SELECT ts, pool, used FROM pool_sample WHERE pool = 'request_arenas' ORDER BY used DESC, ts LIMIT 3");
  await page.keyboard.press('Control+Enter');
  await until(() => page.locator('#sql-output tbody tr').count(), 'SQL answers');
  const ts = Number(await page.locator('#sql-output tbody td').first().textContent());
  await page.locator('#sql-output tbody td button').first().click();
  await until(async () => (await shownTs(page)) === ts, 'a click on a ts goes there');
  await page.fill('#sql-input', 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) SELECT i FROM n');
  await page.click('#sql-run');
  await until(async () => /^9,000 rows/.test(await page.textContent('#sql-note')), 'thousands of rows are all there');
  const shown = await page.locator('#sql-output tbody tr').count();
  check(shown < 1000, 'of which the page has the first', shown);
  await page.locator('#sql-output .more').scrollIntoViewIfNeeded();
  await until(async () => (await page.locator('#sql-output tbody tr').count()) > shown, 'and more for who scrolls down');
  await page.click('#sql-output th button');
  await page.click('#sql-output th button');
  await until(async () => (await page.locator('#sql-output tbody td').first().textContent()) === '9000', 'a column sorts all of them');
}

/** @param {any} page */
async function narrow(page) {
  for (const [width, height] of [[800, 600], [390, 844]]) {
    await page.setViewportSize({ width, height });
    await sleep(300);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    check(over <= 0, `nothing sticks out at ${width} px`, over);
  }
}
