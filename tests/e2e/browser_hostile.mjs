// browser_hostile.mjs: traces that mean ill or were hurt, from files, by the real program: strings that
// are markup and scripts in every place, a gap, a damaged chunk; nothing executes, no hole is unshown.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { SHOTS, accessible, check, compareWithState, launch, openPage, shownTs, sleep, status, until, verdict } from './page_lib.mjs';
import { compileWriter, folder, getJson, query, start, stopAll } from './program_lib.mjs';

const EVIL = '<img src=x onerror=pwned=1>';
const EVIL_TEXT = `"'></script><script>pwned=2</script>\u2028${EVIL}`;
/** of run 2 in evil_trace.c: a gap, and the chunk that is damaged below */
const GAP = { at: 13.5e9, before: 12.1e9 };
const DAMAGED = { at: 25e9, from: 23.05e9, to: 28.1e9 };

const browser = await launch();
try {
  const trace = path.join(folder, 'evil.db');
  execFileSync(compileWriter('evil_trace'), [trace]);
  execFileSync('python3', ['-c', 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute("UPDATE part SET body = zeroblob(length(body)) WHERE part_id / 256 = 11"); c.commit()', trace]);
  const program = await start(['replay', trace, '--dash', '127.0.0.1:0'], ['dashboard']);
  const base = program.urls.dashboard;
  await hostile(base);
  await holes(base);
  program.child.kill('SIGTERM');
  await program.exited;
} catch (error) {
  check(false, 'the test runs to its end', String(error?.stack ?? error));
}
await browser.close();
await stopAll();
process.exit(verdict());

/** Nothing of the strings became code or an element. @param {any} page @param {string} when */
async function unharmed(page, when) {
  const found = await page.evaluate(() => ({
    pwned: window.pwned ?? null,
    elements: document.querySelectorAll('img, iframe, object, embed, main script, aside script, header script, dialog script, b > b').length,
    handlers: [...document.querySelectorAll('*')].filter((node) => [...node.attributes].some((a) => a.name.startsWith('on') || a.name === 'style' && /expression|url/.test(a.value))).length,
  }));
  check(found.pwned === null && found.elements === 0 && found.handlers === 0, `${when}: nothing executes, nothing becomes an element`, found);
}

/** @param {string} base */
async function hostile(base) {
  const { page, context, errors } = await openPage(browser);
  let asked = '';
  page.on('request', (/** @type {any} */ request) => { if (new URL(request.url()).origin !== new URL(base).origin && !/^(data|blob):/.test(request.url())) asked = request.url(); });
  await page.goto(`${base}/#run=1&ts=20000000000`);
  await until(async () => (await status(page)) === 'paused' && (await page.locator('[data-pool]').count()) > 3, 'a run with markup for names is shown');
  await until(() => page.evaluate(() => window.memcam.state.events.length > 50 && window.memcam.state.marks.length === 1), 'with its events and its mark');
  await compareWithState(page, await getJson(`${base}/api/runs/1/state?ts=${await shownTs(page)}`), 'hostile names');
  const text = await page.textContent('#main');
  for (const place of ['#pool-cards', '#arenas', '#heaps', '#servers', '#routes', '#metric-cards', '#program', '#run-picker', '#connections']) {
    check((await page.textContent(place)).includes('onerror=pwned=1'), `${place} shows the name as text`);
  }
  check(text.includes('__proto__') && text.includes('constructor'), 'names of an object’s own are names');
  await unharmed(page, 'shown');
  for (const tab of ['warnings', 'events', 'marks', 'pick', 'sql', 'diff']) {
    await page.click(`#tab-${tab}`);
    await sleep(600);
    await unharmed(page, tab);
  }
  const map = page.locator(`canvas[data-map="${EVIL}"]`);
  await map.scrollIntoViewIfNeeded();
  await map.hover({ position: { x: 6, y: 6 } });
  await until(() => page.isVisible('#tip'), 'a slot says what it is');
  await map.click({ position: { x: 6, y: 6 } });
  await until(() => page.evaluate(() => (document.querySelector('[data-field="slot-text"]')?.textContent ?? '').startsWith('slot')), 'and is pinned');
  await until(() => page.evaluate(() => /pool=%3Cimg/.test(location.hash)), 'the address holds its name');
  await unharmed(page, 'a pinned slot');
  await page.click('#tab-sql');
  await page.fill('#sql-input', 'SELECT label, host, program, build, config, exit FROM run WHERE run_id = 1');
  await page.click('#sql-run');
  await until(async () => (await page.textContent('#sql-output')).includes('pwned=2'), 'SQL shows it as text');
  await page.click('#tab-marks');
  await page.click('[title^="Change or remove"]');
  check((await page.inputValue('#mark-text')).includes('<script>'), 'a mark’s label is text in its field');
  await page.keyboard.press('Escape');
  await page.click('#tab-diff');
  await page.click('#diff-go');
  await until(async () => (await page.isVisible('#compare')) && (await page.locator('[data-compare-map="d"]').count()) > 3, 'compared with another run');
  await until(() => page.evaluate(() => document.querySelectorAll('#diff-list [data-measure]').length > 3), 'differences have their names');
  await unharmed(page, 'compared');
  await page.screenshot({ path: path.join(SHOTS, 'hostile.png') });
  await page.keyboard.press('Escape');
  await page.selectOption('#speed', '5');
  await page.click('#play');
  await sleep(1500);
  await unharmed(page, 'played');
  const other = await openPage(browser);
  await other.page.goto(page.url());
  await until(async () => ['paused', 'playing', 'ended'].includes(await status(other.page)), 'its link opens');
  await unharmed(other.page, 'linked');
  check(other.errors.length === 0, 'linked: no error', other.errors);
  check(errors.length === 0, 'no error in the console, no violation of the policy', errors);
  check(asked === '', 'nothing is asked of another host', asked);
  check((await query(base, 'SELECT label FROM run WHERE run_id = 1')).rows[0][0] === EVIL_TEXT, 'the strings were what this test means');
  await other.context.close();
  await context.close();
}

/** @param {string} base */
async function holes(base) {
  const { page, context, errors } = await openPage(browser);
  await page.goto(`${base}/#run=2&ts=${GAP.at}&tab=marks`);
  await until(async () => (await status(page)) === 'gap', 'a moment in a gap is said to be one');
  check((await shownTs(page)) <= GAP.before, 'with the last frame before', await shownTs(page));
  check(/recorder stopped/.test((await page.textContent('#banner')) ?? ''), 'and why', await page.textContent('#banner'));
  const { gaps } = await getJson(`${base}/api/runs/2/gaps`);
  await until(() => page.evaluate((n) => window.memcam.state.gaps.length >= n, gaps.length), 'the page knows each gap that was recorded');
  await page.evaluate((ts) => window.memcam.player.seek(ts), DAMAGED.at);
  await until(async () => (await status(page)) === 'gap' && (await shownTs(page)) <= DAMAGED.from, 'a moment in the damaged chunk is said to be');
  check(/damaged/.test((await page.textContent('#badge-word')) ?? ''), 'in a word', await page.textContent('#badge-word'));
  await until(async () => (await page.textContent('#tab-panel')).includes('damaged'), 'the list has it');
  await page.screenshot({ path: path.join(SHOTS, 'damaged.png') });
  await accessible(page, 'damaged');
  await page.focus('#play');
  await page.keyboard.press('[');
  await until(async () => (await shownTs(page)) < DAMAGED.from, '[ goes to a gap before');
  for (const [from, speed] of [[22e9, '5'], [11e9, '2']]) {
    await page.evaluate((ts) => window.memcam.player.seek(ts), from);
    await until(async () => Math.abs((await shownTs(page)) - from) < 3e8, 'before a hole');
    await page.selectOption('#speed', speed);
    await page.click('#play');
    const behind = from > 20e9 ? DAMAGED.to : 15.2e9;
    await until(async () => (await shownTs(page)) >= behind, 'it plays over the hole');
    if ((await status(page)) === 'playing') await page.click('#play');
    await until(async () => ['paused', 'ended'].includes(await status(page)), 'and stops');
  }
  const ts = await shownTs(page);
  await until(() => page.evaluate(() => window.memcam.state.history.length > 0), 'the charts have something');
  await compareWithState(page, await getJson(`${base}/api/runs/2/state?ts=${ts}`), 'behind the hole');
  const inside = await page.evaluate(({ from, to }) => {
    const { history } = window.memcam.state;
    let count = 0;
    for (let i = 0; i < history.length; i += 1) if (history.ts[history.at(i)] > from && history.ts[history.at(i)] < to) count += 1;
    return count;
  }, { from: DAMAGED.from + 5e8, to: DAMAGED.to - 5e8 });
  check(inside === 0, 'nothing is made up for where nothing is known', inside);
  const seen = await query(base, 'SELECT count(*) FROM pool_sample WHERE run_id = 2 AND ts > 23050000000 AND ts < 28050000000');
  check(seen.rows[0][0] === 0, 'as SQL says', seen);
  check(errors.length === 0, 'holes: no error in the console', errors);
  await context.close();
}
