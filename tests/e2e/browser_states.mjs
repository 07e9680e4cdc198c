// browser_states.mjs: a server that goes and comes back, no run at all, a run whose names are markup.

import path from 'node:path';
import { startMock } from './mock_server.mjs';
import { SHOTS, accessible, check, launch, openPage, sleep, status, until, verdict } from './page_lib.mjs';

const browser = await launch();
let mock = await startMock({ ticks: 600 });

try {
  await serverAway();
  await empty();
  await hostile();
} catch (error) {
  check(false, 'the test runs to its end', String(error?.stack ?? error));
}
await browser.close();
mock.close();
process.exit(verdict());

async function serverAway() {
  const { page, context, errors, quiet } = await openPage(browser);
  await page.goto(mock.url);
  await until(async () => (await status(page)) === 'live', 'live');
  quiet.on = true;
  const port = Number(new URL(mock.url).port);
  mock.close();
  await until(async () => (await status(page)) === 'lost', 'a server that is gone is noticed');
  check(await page.isVisible('#banner'), 'and said');
  await page.screenshot({ path: path.join(SHOTS, 'lost.png') });
  await accessible(page, 'connection lost');
  await sleep(1500);
  mock = await startMock({ port, ticks: 600 });
  await until(async () => (await status(page)) === 'live', 'the page comes back by itself');
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
  await until(async () => (await status(page)) === 'live', 'the first run appears by itself');
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
