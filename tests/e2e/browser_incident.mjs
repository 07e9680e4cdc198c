// browser_incident.mjs: finding an incident in the page, on real recordings: a slot and who holds it,
// marks made, changed and removed, live-pause-scrub-live, a link in another browser, SQL against
// the page at random instants, two runs compared, hostile labels, axe-core on the real page.

import path from 'node:path';
import { SHOTS, accessible, check, compareWithState, launch, openPage, shownTs, sleep, status, until, verdict } from './page_lib.mjs';
import { APP, folder, getJson, load, query, start, stopAll } from './program_lib.mjs';

const RECORDED_MS = 6000;
const INSTANTS = 20;
const EVIL = '<img src=x onerror="window.pwned=1">\u2028</script><script>window.pwned=2</script>';

const browser = await launch();
try {
  const first = path.join(folder, 'first.db');
  const second = path.join(folder, 'second.db');
  await live(first, 'before');
  await live(second, EVIL);
  await replayed(first, second);
} catch (error) {
  check(false, 'the test runs to its end', String(error?.stack ?? error));
}
await browser.close();
await stopAll();
process.exit(verdict());

/** Slow requests, which hold an arena for long. @param {string} base */
function slowLoad(base) {
  const stop = new AbortController();
  const ask = async () => {
    while (!stop.signal.aborted) await fetch(`${base}/slow?ms=1500`, { signal: stop.signal }).then((r) => r.text(), () => sleep(100));
  };
  for (let i = 0; i < 3; i += 1) ask();
  return () => stop.abort();
}

/** @param {any} page @param {string} pool @param {number} slot */
async function clickSlot(page, pool, slot) {
  const position = await page.evaluate(([name, n]) => {
    const { cell, cols } = document.querySelector(`[data-map="${name}"]`).dataset;
    return { x: ((n % cols) + 0.5) * cell, y: (Math.floor(n / cols) + 0.5) * cell };
  }, [pool, slot]);
  await page.locator(`[data-map="${pool}"]`).hover({ position });
  await until(() => page.evaluate(() => /held by connection \d+/.test(document.getElementById('tip').textContent)), 'hover says which connection holds the slot');
  await page.locator(`[data-map="${pool}"]`).click({ position });
}

/** @param {string} store @param {string} label */
async function live(store, label) {
  const program = await start(['serve', APP, '--listen', '127.0.0.1:0', '--dash', '127.0.0.1:0', '--store', store, '--label', label], ['app', 'dashboard']);
  const base = program.urls.dashboard;
  const stops = [load(program.urls.app), slowLoad(program.urls.app)];
  const { page, context, errors, quiet } = await openPage(browser);
  quiet.on = true;
  await page.goto(base);
  await until(async () => (await status(page)) === 'live', 'the live run is shown');
  await sleep(RECORDED_MS);
  if (label !== EVIL) {
    const run = (await getJson(`${base}/api/runs`)).runs.find((/** @type {any} */ r) => r.live);
    await page.keyboard.press('Space');
    await until(async () => (await status(page)) === 'paused', 'space pauses');
    const at = await shownTs(page);
    await sleep(1500);
    await page.keyboard.press('ArrowLeft');
    await until(async () => (await shownTs(page)) < at - 4e9, 'scrubbed back while the recording goes on');
    await marks(page, base, run.run);
    await page.click('#live');
    await until(async () => (await status(page)) === 'live' && (await shownTs(page)) > at + 1e9, 'and back to live');
    const tail = await page.evaluate(() => {
      const { state } = window.memcam;
      return state.endTs - state.ts;
    });
    check(tail < 1e9, 'at the newest frame', tail);
    await page.evaluate(() => {
      const { state, player } = window.memcam;
      for (const mark of [...state.marks]) state.removeMark(mark.mark_id);
      player.take('keyframe', JSON.parse(JSON.stringify(state.doc)));
    });
    await until(() => page.evaluate(() => window.memcam.state.marks.length === 1), 'what a stream left out that sends its whole state again is asked for');
  } else {
    await page.keyboard.press('m');
    await page.fill('#mark-text', EVIL.replace('\u2028', ''));
    await page.click('#mark-save');
    await until(() => page.evaluate(() => window.memcam.state.marks.length === 1), 'a mark may be markup');
    await sleep(1200);
  }
  for (const stop of stops) stop();
  program.child.kill('SIGTERM');
  await program.exited;
  check(errors.length === 0, `live ${label}: no error in the console`, errors);
  await context.close();
}

/** Make two marks, change one, remove one. @param {any} page @param {string} base @param {string} run */
async function marks(page, base, run) {
  for (const text of ['first', 'second']) {
    await page.keyboard.press('m');
    await page.fill('#mark-text', text);
    await page.click('#mark-save');
    await until(() => page.evaluate((t) => window.memcam.state.marks.some((m) => m.label === t), text), `mark ${text} is made`);
    await page.keyboard.press(',');
    await sleep(400);
  }
  await page.click('#tab-marks');
  await page.click('[title^="Change or remove"][title*="first"]');
  await page.fill('#mark-text', 'first, corrected');
  await page.check('#mark-here');
  await page.click('#mark-save');
  const list = async () => (await getJson(`${base}/api/runs/${run}/marks`)).marks;
  const ts = await shownTs(page);
  await until(async () => (await list()).some((/** @type {any} */ m) => m.label === 'first, corrected' && m.ts === ts), 'a mark is renamed and moved');
  await until(() => page.evaluate(() => [...document.querySelectorAll('#tab-panel td')].some((td) => td.textContent.includes('first, corrected'))), 'and the list says so');
  await page.click('[title^="Change or remove"][title*="second"]');
  await page.click('#mark-remove');
  await until(async () => (await list()).length === 1, 'a mark is removed');
  await until(async () => (await page.evaluate(() => window.memcam.state.marks.length)) === 1, 'from the page too');
}

/** @param {string} first @param {string} second */
async function replayed(first, second) {
  const program = await start(['replay', first, second, '--dash', '127.0.0.1:0'], ['dashboard']);
  const base = program.urls.dashboard;
  const { page, context, errors } = await openPage(browser);
  await page.goto(base);
  await until(async () => (await status(page)) === 'paused', 'the recorded run opens');
  const { runs } = await getJson(`${base}/api/runs`);
  const run = runs.find((/** @type {any} */ r) => r.label === 'before');
  await page.selectOption('#run-picker', run.run);
  await until(() => page.evaluate((key) => window.memcam.state.runKey === key && window.memcam.state.doc, run.run), 'the first run is shown');
  await instants(page, base, run);
  await holder(page, base, run);
  await compared(page, run, runs);
  await tabs(page);
  check((await page.evaluate(() => window.pwned)) === undefined, 'nothing of a hostile label was executed');
  check((await page.locator('#main img, #inspector img').count()) === 0, 'nor became an element');
  check(errors.length === 0, 'replay: no error in the console', errors);
  await context.close();
  program.child.kill('SIGTERM');
  await program.exited;
}

/** Rows as text, in an order of their own. @param {any[][]} list */
function sorted(list) {
  return JSON.stringify([...list].sort((a, b) => (a[0] < b[0] ? -1 : 1)));
}

/** What the page shows of pools, arenas, heaps and the process, in the columns of instantSql. @param {any} page @returns {Promise<any[][][]>} */
function shownNumbers(page) {
  return page.evaluate(() => {
    const rows = (attribute, fields) => [...document.querySelectorAll(`[data-${attribute}]`)].map((node) => [node.dataset[attribute], ...fields.map((f) => Number(node.querySelector(`[data-field="${f}"]`).dataset.value))]);
    return [rows('pool', ['used', 'free', 'capacity', 'high_water', 'allocs', 'frees', 'overflow']), rows('arena', ['used_bytes', 'high_water_bytes', 'overflow']), rows('heap', ['used_bytes', 'peak_bytes', 'threshold_bytes', 'gc_count']),
      [['rss_bytes', 'minor_faults', 'fd_count'].map((f) => Number(document.querySelector(`#process [data-field="${f}"]`).dataset.value))]];
  });
}

/** @param {string} base @param {any} run @param {number} ts @returns {Promise<any[][][]>} */
async function instantSql(base, run, ts) {
  const at = `WHERE run_id = ${run.run_id} AND ts = ${ts}`;
  const asked = ['pool, used, free, capacity, high_water, allocs, frees, overflow FROM pool_sample', 'arena, used_bytes, high_water_bytes, overflow FROM arena_sample',
    'heap, used_bytes, peak_bytes, threshold_bytes, gc_count FROM heap_sample', 'rss_bytes, minor_faults, fd_count FROM process_sample'];
  const out = [];
  for (const what of asked) {
    const answer = await query(base, `SELECT ${what} ${at}`);
    if (!answer.rows) throw new Error(`${what} ${at}: ${JSON.stringify(answer)}`);
    out.push(answer.rows);
  }
  return out;
}

/** The page against SQL and against /state, each number that it has. @param {any} page @param {string} base @param {any} run */
async function instants(page, base, run) {
  for (let i = 0; i < INSTANTS; i += 1) {
    const aim = Math.round(run.first_ts + Math.random() * (run.end_ts - run.first_ts));
    const doc = await getJson(`${base}/api/runs/${run.run}/state?ts=${aim}`);
    await page.evaluate((ts) => window.memcam.player.seek(ts), aim);
    await until(async () => (await shownTs(page)) === doc.ts, 'a seek arrives');
    const rows = await instantSql(base, run, doc.ts);
    const want = rows.map(sorted);
    let seen = [];
    // A moment's numbers stand when the next frames are drawn; they do not change after that.
    await until(async () => { seen = (await shownNumbers(page)).map(sorted); return JSON.stringify(seen) === JSON.stringify(want); }, `at ${doc.ts} pools, arenas, heaps and process are what SQL says`);
    if (JSON.stringify(seen) !== JSON.stringify(want)) console.log(`SQL ${want}\npage ${seen}`);
    check(rows[0].length >= 1 && rows[3].length === 1, 'SQL knows them', rows);
    check((await compareWithState(page, doc, `at ${doc.ts}`)) > 20, 'many numbers have hooks');
  }
}

/** @param {any} page @param {string} base @param {any} run */
async function holder(page, base, run) {
  const { rows } = await query(base, `SELECT ts, slot, conn_id FROM slot_change WHERE run_id = ${run.run_id} AND pool = 'request_arenas' AND new_state = 'A' AND conn_id > 0 AND ts > ${run.first_ts + 2e9} ORDER BY ts LIMIT 1`);
  check(rows.length === 1, 'a request held an arena', rows);
  if (rows.length === 0) return;
  const [ts, slot, conn] = rows[0];
  await page.evaluate((at) => window.memcam.player.seek(at), ts);
  await until(async () => (await shownTs(page)) === ts, 'at that moment');
  await sleep(400);
  await page.evaluate(() => document.querySelector('[data-map="request_arenas"]').scrollIntoView({ block: 'center' }));
  await sleep(200);
  await clickSlot(page, 'request_arenas', slot);
  await until(() => page.evaluate((id) => document.querySelector('[data-field="slot-text"]')?.textContent.includes(`connection ${id}`), conn), 'a pinned slot says which connection holds it');
  await until(() => page.evaluate(() => document.querySelectorAll('#tab-panel tbody tr').length > 0), 'and has its history');
  const link = page.url();
  await sleep(900);
  const other = await openPage(browser, { viewport: { width: 800, height: 900 } });
  await other.page.goto(page.url());
  await until(async () => (await shownTs(other.page)) === ts, 'the link opens the moment in another browser');
  await until(() => other.page.evaluate((id) => document.querySelector('[data-field="slot-text"]')?.textContent.includes(`connection ${id}`), conn), 'with the slot pinned');
  check(await other.page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'at 800 px nothing is cut off', link);
  await other.page.screenshot({ path: path.join(SHOTS, 'real-800.png') });
  check(other.errors.length === 0, 'another browser: no error', other.errors);
  await other.context.close();
  await page.click('#tab-panel p button.link');
  await until(() => page.evaluate((id) => document.querySelector('#tab-panel h3')?.textContent === `Connection ${id}`, conn), 'one click goes to the connection');
}

/** @param {any} page @param {any} run @param {any[]} runs */
async function compared(page, run, runs) {
  const other = runs.find((r) => r.run !== run.run);
  await page.click('#tab-diff');
  await page.selectOption('#diff-b', other.run);
  await page.click('#diff-go');
  await until(() => page.evaluate(() => document.querySelectorAll('#diff-list [data-measure]').length > 5), 'two runs are compared');
  const diff = await page.evaluate(([a, b]) => fetch(`/api/diff?a=${a}&b=${b}`).then((r) => r.json()), [run.run, other.run]);
  check((await page.evaluate(() => document.querySelector('#diff-list [data-measure]').dataset.measure)) === `${diff.measures[0].measure} ${diff.measures[0].stat}`, 'ranked as the API ranks');
  const row = diff.measures.findIndex((/** @type {any} */ m) => m.measure.startsWith('slab/') && typeof m.at?.a === 'number' && typeof m.at?.b === 'number');
  if (row >= 0 && row < 60) {
    const { at } = diff.measures[row];
    await page.locator('#diff-list [data-measure]').nth(row).locator('button').click();
    await until(async () => { const ts = await shownTs(page); return ts <= at.a && at.a - ts < 5e8; }, 'a click goes to the moment in A');
    await until(() => page.isVisible('#diff-overlay canvas'), 'and lays both over each other');
    await page.screenshot({ path: path.join(SHOTS, 'real-compare.png') });
  }
  await page.click('#compare-close');
}

/** @param {any} page */
async function tabs(page) {
  for (const tab of ['pick', 'marks', 'diff']) {
    await page.click(`#tab-${tab}`);
    await sleep(500);
    await accessible(page, tab);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.screenshot({ path: path.join(SHOTS, 'real-light.png') });
}
