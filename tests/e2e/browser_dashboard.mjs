// browser_dashboard.mjs: the dashboard against the real program: live, stopped, killed, replayed,
// over HTTP/1.1 and over TLS with HTTP/2; the page's numbers against /state and SQL.

import path from 'node:path';
import { SHOTS, check, compareMap, compareWithState, launch, openPage, pace, shownTs, sleep, status, until, verdict } from './page_lib.mjs';
import { APP, folder, getJson, load, query, start, stopAll } from './program_lib.mjs';

const RECORDED_MS = 8000;

const browser = await launch();
try {
  const store = path.join(folder, 'live.db');
  await live(store);
  await replayed(store);
  await overTls(path.join(folder, 'tls.db'));
} catch (error) {
  check(false, 'the test runs to its end', String(error?.stack ?? error));
}
await browser.close();
await stopAll();
process.exit(verdict());

/** @param {any} page @param {string} base @param {string} run @param {string} when */
async function agrees(page, base, run, when) {
  const ts = await shownTs(page);
  const doc = await getJson(`${base}/api/runs/${run}/state?ts=${ts}`);
  check(doc.ts === ts, `${when}: the moment shown is a frame`, [doc.ts, ts]);
  const seen = await compareWithState(page, doc, when);
  return { doc, seen };
}

/** @param {string} store */
async function live(store) {
  const program = await start(['serve', APP, '--listen', '127.0.0.1:0', '--dash', '127.0.0.1:0', '--store', store, '--label', 'browser <test>'], ['app', 'dashboard']);
  const base = program.urls.dashboard;
  const unload = load(program.urls.app);
  const { page, context, errors, quiet } = await openPage(browser);
  await page.goto(base);
  await until(async () => (await status(page)) === 'live', 'the live run is shown');
  check((await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol)) === 'http/1.1', 'over HTTP/1.1');
  await until(() => page.evaluate(() => window.memcam.state.history.last('req') > 5), 'the request rate is shown');
  await sleep(RECORDED_MS);
  const { runs } = await getJson(`${base}/api/runs`);
  const run = runs.find((/** @type {any} */ r) => r.live);
  check(run, 'the live run is in the list', runs);
  await until(async () => Math.abs(await pace(page, 2000) - 1) < 0.4, 'two seconds of the run pass in two seconds');
  await page.screenshot({ path: path.join(SHOTS, 'real-live.png') });

  await page.keyboard.press('Space');
  await until(async () => (await status(page)) === 'paused', 'space pauses');
  await sleep(900);
  const { doc, seen } = await agrees(page, base, run.run, 'paused live');
  check(seen >= 40, 'many numbers have hooks', seen);
  check(Object.values(doc.pools).some((p) => /** @type {any} */ (p).capacity === 262144), 'the cells of the Scheme are among the pools', Object.keys(doc.pools));
  for (const [name, pool] of Object.entries(doc.pools)) {
    const map = await compareMap(page, doc, name, /** @type {any} */ (pool).capacity > 20000 ? 11 : 1);
    check(map.wrong === 0 && map.seen > 0, `each cell of ${name} has its state's colour`, map);
  }
  await page.click('#step-back');
  await until(async () => (await shownTs(page)) < doc.ts, 'a step back in a live run');
  const before = await shownTs(page);
  await page.click('#step-on');
  await until(async () => (await shownTs(page)) > before, 'a step on');
  check((await shownTs(page)) === doc.ts, 'is the next frame', [before, await shownTs(page), doc.ts]);
  await page.keyboard.press('m');
  await page.fill('#mark-text', 'seen <here>');
  await page.click('#mark-save');
  await until(async () => (await getJson(`${base}/api/runs/${run.run}/marks`)).marks.some((/** @type {any} */ m) => m.label === 'seen <here>'), 'a mark set in the page is in the recording');
  await page.keyboard.press('End');
  await until(async () => (await status(page)) === 'live' && (await shownTs(page)) > doc.ts + 1e9, 'End goes back to live');

  process.kill(run.pid, 'SIGSTOP');
  await until(async () => (await status(page)) === 'stalled', 'a stopped program stands still');
  const stalled = await shownTs(page);
  await until(async () => (await shownTs(page)) > stalled + 4e8, 'and the stream goes on');
  check(/stands still/.test((await page.textContent('#banner')) ?? ''), 'and the page says so');
  await page.screenshot({ path: path.join(SHOTS, 'real-stands-still.png') });
  process.kill(run.pid, 'SIGCONT');
  await until(async () => (await status(page)) === 'live', 'and when it goes on, it is live again');
  check(errors.length === 0, 'live: no error in the console', errors);

  quiet.on = true;
  process.kill(run.pid, 'SIGKILL');
  await until(async () => (await status(page)) === 'ended', 'a killed program’s run has ended');
  check(/9|kill/i.test((await page.textContent('#banner')) ?? ''), 'and the page says how', await page.textContent('#banner'));
  await page.screenshot({ path: path.join(SHOTS, 'real-ended.png') });
  unload();
  if (program.child.exitCode === null) {
    program.child.kill('SIGTERM');
    await program.exited;
  }
  check(errors.length === 0, 'ended: no error in the console', errors);
  await context.close();
}

/** @param {string} store */
async function replayed(store) {
  let program = await start(['replay', store, '--dash', '127.0.0.1:0'], ['dashboard']);
  const base = program.urls.dashboard;
  const { page, context, errors, quiet } = await openPage(browser);
  await page.goto(base);
  await until(async () => (await status(page)) === 'paused' && (await page.locator('[data-pool]').count()) > 0, 'a recorded run opens');
  const { runs } = await getJson(`${base}/api/runs`);
  const run = runs[0];
  const span = run.end_ts - run.first_ts;
  check(span > RECORDED_MS * 1e6 * 0.8, 'it has its length', span);
  for (let i = 0; i < 6; i += 1) {
    const aim = Math.round(run.first_ts + Math.random() * span);
    await page.evaluate((ts) => window.memcam.player.seek(ts), aim);
    await until(async () => { const ts = await shownTs(page); return ts <= aim && aim - ts < 1e9; }, 'a seek arrives');
    await sleep(300);
    const { doc } = await agrees(page, base, run.run, `at ${aim}`);
    if (i < 2) {
      for (const name of Object.keys(doc.pools)) {
        const map = await compareMap(page, doc, name, 13);
        check(map.wrong === 0, `${name} at ${aim}: the map is right`, map);
      }
      await page.evaluate(() => document.getElementById('main').scrollTo(0, 0));
    }
  }
  const middle = Math.round(run.first_ts + span / 3);
  await page.goto(`${base}/#run=${run.run}&ts=${middle}`);
  await page.reload();
  await until(async () => { const ts = await shownTs(page); return ts <= middle && ts > middle - 1e9; }, 'a link opens its moment');
  const first = await shownTs(page);
  await page.keyboard.press('.');
  await until(async () => (await shownTs(page)) > first, 'a step on');
  const next = await shownTs(page);
  check((await getJson(`${base}/api/runs/${run.run}/state?ts=${next - 1}`)).ts === first, 'is the very next frame', [first, next]);
  await page.keyboard.press(',');
  await until(async () => (await shownTs(page)) === first, 'a step back is the frame before');
  await page.selectOption('#speed', '2');
  await page.keyboard.press('Space');
  await until(async () => (await status(page)) === 'playing', 'it plays');
  await sleep(1000);
  await page.keyboard.press('Space');
  const at = await shownTs(page);
  check(at > first + 1e9, 'twice as fast', at - first);
  await sleep(600);
  await agrees(page, base, run.run, 'paused after playing');
  await page.selectOption('#speed', '-1');
  await page.keyboard.press('Space');
  await until(async () => (await shownTs(page)) < at - 5e8, 'it plays backwards');
  await page.keyboard.press('Space');
  await sleep(600);
  await agrees(page, base, run.run, 'paused after playing backwards');
  await until(() => page.evaluate(() => window.memcam.state.marks.some((m) => m.label === 'seen <here>')), 'the mark is there');
  await page.screenshot({ path: path.join(SHOTS, 'real-replay.png') });
  await page.selectOption('#speed', 'max');
  await page.keyboard.press('Space');
  await until(async () => (await status(page)) === 'ended', 'at full speed the end comes');
  check((await shownTs(page)) === run.end_ts, 'at the last frame', [await shownTs(page), run.end_ts]);
  await page.click('#tab-sql');
  await page.fill('#sql-input', 'SELECT run_id, label FROM run');
  await page.click('#sql-run');
  await until(async () => /browser <test>/.test((await page.textContent('#sql-output')) ?? ''), 'SQL answers in the page');
  const label = await query(base, 'SELECT label FROM run');
  check(label.rows?.[0]?.[0] === 'browser <test>', 'as it does outside', label);
  const collections = await query(base, 'SELECT ts FROM gc_event ORDER BY ts LIMIT 2');
  if (collections.rows?.length === 2) {
    await page.focus('#play');
    await page.keyboard.press('Home');
    await until(async () => (await shownTs(page)) === run.first_ts, 'Home goes to the first frame');
    const [due] = collections.rows.map((/** @type {number[]} */ row) => row[0]).filter((/** @type {number} */ ts) => ts > run.first_ts);
    await page.keyboard.press('g');
    await until(async () => { const ts = await shownTs(page); return ts >= due && ts < due + 5e8; }, 'G goes to the next collection');
  }
  await page.click('#tab-sql');
  await page.fill('#sql-input', 'DELETE FROM run');
  await page.click('#sql-run');
  await until(() => page.evaluate(() => document.getElementById('sql-note').className === 'error'), 'a statement that writes is refused in words');
  check(errors.length === 0, 'replay: no error in the console', errors);

  quiet.on = true;
  const port = new URL(base).port;
  await page.evaluate((ts) => window.memcam.player.seek(ts), middle);
  await page.selectOption('#speed', '0.1');
  await page.keyboard.press('Home');
  await sleep(500);
  await page.focus('#play');
  await page.click('#play');
  await until(async () => (await status(page)) === 'playing', 'it plays slowly');
  program.child.kill('SIGKILL');
  await program.exited;
  await until(async () => (await status(page)) === 'lost', 'a server that is gone is noticed');
  await page.screenshot({ path: path.join(SHOTS, 'real-lost.png') });
  program = await start(['replay', store, '--dash', `127.0.0.1:${port}`], ['dashboard']);
  await until(async () => (await status(page)) === 'playing', 'when it is back, the page goes on by itself');
  program.child.kill('SIGTERM');
  await program.exited;
  await context.close();
}

/** @param {string} store */
async function overTls(store) {
  const program = await start(['serve', APP, '--listen', '127.0.0.1:0', '--dash', '127.0.0.1:0', '--store', store, '--tls'], ['app', 'dashboard']);
  const { page, context, errors } = await openPage(browser, { ignoreHTTPSErrors: true });
  await page.goto(program.urls.dashboard);
  await until(async () => (await status(page)) === 'live', 'over TLS the live run is shown');
  check(new URL(page.url()).protocol === 'https:', 'over TLS');
  check((await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol)) === 'h2', 'with HTTP/2');
  const begin = await shownTs(page);
  await until(async () => (await shownTs(page)) > begin + 1e9, 'frames come');
  await page.keyboard.press('Space');
  await until(async () => (await status(page)) === 'paused', 'and pauses');
  await sleep(500);
  const doc = await page.evaluate(async () => (await fetch(`/api/runs/${window.memcam.state.runKey}/state?ts=${document.getElementById('clock').dataset.value}`)).json());
  await compareWithState(page, doc, 'paused over TLS');
  check(errors.length === 0, 'TLS: no error in the console', errors);
  await context.close();
  program.child.kill('SIGTERM');
  await program.exited;
}
