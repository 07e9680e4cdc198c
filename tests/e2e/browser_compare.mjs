// browser_compare.mjs: two runs in step on the page, from real recordings: a live run beside a recorded
// one, then both recorded: each way to align them, play, pause, step, speeds and backwards, the maps and
// their difference cell by cell, the list of differences, links, keys, a shorter run, few connections.

import path from 'node:path';
import { SHOTS, SLOW, accessible, check, launch, openPage, shownTs, sleep, status, until, verdict } from './page_lib.mjs';
import { APP, folder, getJson, load, start, stopAll } from './program_lib.mjs';

const RECORDED_MS = 6000;
const FRAME_NS = 1e8;
/** the stream of B is ahead of A by this much, and frames come when the machine has time */
const STEP_NS = 4e8 * SLOW;

const browser = await launch();
try {
  const store = path.join(folder, 'runs.db');
  await record(store, 'first', 0, null);
  await record(store, 'second', 2, liveBesideRecorded);
  await recorded(store);
} catch (error) {
  check(false, 'the test runs to its end', String(error?.stack ?? error));
}
await browser.close();
await stopAll();
process.exit(verdict());

/** @param {string} base @param {string} run @param {number} ts @param {string} label */
async function setMark(base, run, ts, label) {
  const response = await fetch(`${base}/api/runs/${run}/marks`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ ts, dur: 0, label }) });
  check(response.status === 201, `mark ${label} is set`, response.status);
}

/** Record a run of the demo app. @param {string} store @param {string} label @param {number} idleSeconds before its first request @param {((base: string, run: any) => Promise<void>) | null} watch */
async function record(store, label, idleSeconds, watch) {
  const program = await start(['serve', APP, '--listen', '127.0.0.1:0', '--dash', '127.0.0.1:0', '--store', store, '--label', label], ['app', 'dashboard']);
  const base = program.urls.dashboard;
  await sleep(idleSeconds * 1000);
  const stops = [load(program.urls.app)];
  if (watch) stops.push(load(program.urls.app));
  await sleep(RECORDED_MS / 3);
  const run = (await getJson(`${base}/api/runs`)).runs.find((/** @type {any} */ r) => r.live);
  await setMark(base, run.run, run.end_ts, 'deploy');
  if (watch) await watch(base, run);
  await sleep(watch ? RECORDED_MS / 2 : RECORDED_MS);
  for (const stop of stops) stop();
  program.child.kill('SIGTERM');
  await program.exited;
}

/** Keep, at each frame drawn, what was shown of both, and count the streams that are open. @param {any} page */
async function observe(page) {
  await page.addInitScript(() => {
    const Real = window.Worker;
    const open = new Set();
    window.streams = { opened: 0, most: 0 };
    window.Worker = class extends Real {
      constructor(...args) {
        super(...args);
        this.addEventListener('message', ({ data }) => { if (data.is === 'lost' || data.name === 'end') open.delete(data.id); });
      }

      postMessage(order) {
        super.postMessage(order);
        if (order.url) open.add(order.id);
        else if (!order.taken) open.delete(order.id);
        window.streams.opened += order.url ? 1 : 0;
        window.streams.most = Math.max(window.streams.most, open.size);
      }
    };
  });
}

/** @param {any} page */
async function threeStreams(page) {
  const { opened, most } = await page.evaluate(() => window.streams);
  check(opened >= 3 && most >= 2 && most <= 3, 'never more than three streams', [opened, most]);
}

/** For some time: at each frame, A's moment, B's, the one that belongs to A's, how many frames wait, the first of them. @param {any} page @param {number} ms @returns {Promise<number[][]>} */
function watchFrames(page, ms) {
  return page.evaluate(async (time) => {
    const { state, other, second } = window.memcam;
    const seen = [];
    const follow = second.follow;
    second.follow = function (now) {
      follow.call(this, now);
      seen.push([state.ts, other.ts, this.aim, this.queue.length, this.queue[0]?.ts ?? NaN]);
    };
    await new Promise((r) => { setTimeout(r, time); });
    delete second.follow;
    return seen;
  }, ms);
}

/** Whether B was where it should at each of these frames. @param {number[][]} seen @param {number} speed */
function inStep(seen, speed) {
  return seen.length > 1 && seen.every(([, ofB, aim]) => ofB <= aim && aim - ofB < STEP_NS * Math.max(1, Math.abs(speed)));
}

/** @param {any} page @returns {Promise<any>} */
function both(page) {
  return page.evaluate(() => {
    const { state, other, second } = window.memcam;
    return { a: state.ts, b: other.ts, aim: second.aim, place: second.place, asking: second.asking, compare: state.compare, link: other.link, mode: state.mode };
  });
}

/** Go to a moment and wait until it is shown. @param {any} page @param {number} ts */
async function seek(page, ts) {
  await page.evaluate((at) => window.memcam.player.seek(at), ts);
  await until(() => page.evaluate(async (at) => {
    const { state } = window.memcam;
    return (await (await fetch(`/api/runs/${state.runKey}/state?ts=${Math.round(at)}`)).json()).ts === Number(document.getElementById('clock').dataset.value);
  }, ts), 'a seek arrives');
}

/** Both stand, and B is where it must be: its newest frame at or before A's moment. @param {any} page @param {string} base @param {string} runB @param {string} when */
async function exact(page, base, runB, when) {
  let now;
  await until(async () => {
    now = await both(page);
    if (now.mode !== 'pause' || now.asking || !Number.isFinite(now.aim)) return false;
    const want = await getJson(`${base}/api/runs/${runB}/state?ts=${Math.max(0, Math.round(now.aim))}`);
    return want.ts === now.b && now;
  }, `${when}: B shows the newest frame of its own at A's moment`);
  return now;
}

/** @param {any} page @param {string} base @param {any} run @param {'a' | 'b'} side */
async function clocks(page, base, run, side) {
  const ts = Number(await page.getAttribute(`.compare-side[data-side="${side}"] [data-field="ts"]`, 'data-value'));
  return { ts, doc: await getJson(`${base}/api/runs/${run.run}/state?ts=${ts}`) };
}

/** @param {string} base @param {any} runB */
async function liveBesideRecorded(base, runB) {
  const { runs } = await getJson(`${base}/api/runs`);
  const old = runs.find((/** @type {any} */ r) => r.label === 'first');
  const { page, context, errors } = await openPage(browser);
  await observe(page);
  await page.goto(base);
  await until(async () => (await status(page)) === 'live', 'the live run is shown');
  await page.keyboard.press('c');
  await page.selectOption('#diff-b', old.run);
  await page.click('#diff-go');
  await until(() => page.isVisible('#compare-pools [data-compare-map="b"]'), 'the recorded run stands beside the live one');
  await page.selectOption('#compare-align', 'first');
  await until(async () => (await both(page)).aim < (await both(page)).a - 1e9, 'aligned by the first request: the live one idled first');
  await page.evaluate(([a, b, at]) => { location.hash = `run=${a}&b=${b}&align=moment&offset=${at - window.memcam.state.ts}`; }, [runB.run, old.run, old.first_ts - 2e9]);
  await until(async () => (await both(page)).compare?.align === 'moment' && (await both(page)).place === 'within', 'a link to live beside recorded');
  await until(async () => inStep(await watchFrames(page, 300), 1), 'live beside recorded: B is in step');
  const seen = await watchFrames(page, 2000);
  const late = seen.filter(([, ofB, aim, , head]) => ofB > aim || head <= aim);
  check(seen.length > 3 && late.length === 0, 'each frame of B at its time', [seen.length, late.slice(0, 5)]);
  check(new Set(seen.map(([, ofB]) => ofB)).size >= 4, 'B moves with A', new Set(seen.map(([, ofB]) => ofB)).size);
  await page.keyboard.press('Space');
  await exact(page, base, old.run, 'live paused');
  await page.screenshot({ path: path.join(SHOTS, 'compare-live.png') });
  await page.keyboard.press('End');
  await until(async () => (await status(page)) === 'live', 'End: live again');
  await threeStreams(page);
  check(errors.length === 0, 'live beside recorded: no error in the console', errors);
  await context.close();
}

/** @param {string} store */
async function recorded(store) {
  const program = await start(['replay', store, '--dash', '127.0.0.1:0'], ['dashboard']);
  const base = program.urls.dashboard;
  const { runs } = await getJson(`${base}/api/runs`);
  const [a, b] = ['first', 'second'].map((label) => runs.find((/** @type {any} */ r) => r.label === label));
  const { page, context, errors, quiet } = await openPage(browser);
  await observe(page);
  await page.goto(`${base}/#run=${a.run}&ts=${a.first_ts + 2e9}&b=${b.run}&tab=diff`);
  await until(async () => (await both(page)).place === 'within', 'a link opens both');
  await exact(page, base, b.run, 'opened by a link');
  await alignments(page, base, a, b);
  await playing(page, base, b);
  await maps(page, base, a, b);
  await differences(page, base, a, b);
  await links(page, base, b);
  await ends(page, base, a, b);
  await looks(page);
  await threeStreams(page);
  check(errors.length === 0, 'recorded: no error in the console', errors);
  await away(page, program, store, quiet);
  await context.close();
}

/** @param {any} page @param {string} base @param {any} a @param {any} b */
async function alignments(page, base, a, b) {
  const first = async (/** @type {any} */ run) => (await getJson(`${base}/api/runs/${run.run}/events?limit=5000`)).events.find((/** @type {any} */ e) => e.type === 'request').ts;
  const mark = async (/** @type {any} */ run) => (await getJson(`${base}/api/runs/${run.run}/marks`)).marks.find((/** @type {any} */ m) => m.label === 'deploy').ts;
  const want = { clock: 0, first: (await first(b)) - (await first(a)), mark: (await mark(b)) - (await mark(a)) };
  for (const [kind, offset] of Object.entries(want)) {
    await page.selectOption('#compare-align', kind);
    await until(async () => { const now = await both(page); return now.compare.align === kind && now.aim - now.a === offset; }, `aligned by ${kind}`);
    await exact(page, base, b.run, `aligned by ${kind}`);
  }
  check(want.mark !== 0 && want.first > 1e9, 'which are not the same', want);
  await page.selectOption('#compare-align', 'requests');
  await seek(page, a.end_ts - 1e9);
  await until(async () => { const now = await both(page); return now.compare.align === 'requests' && now.aim !== now.a && !now.asking && Number.isFinite(now.aim); }, 'aligned by requests served');
  await exact(page, base, b.run, 'aligned by requests served');
  const served = async (/** @type {any} */ run, /** @type {'a' | 'b'} */ side) => {
    const { doc } = await clocks(page, base, run, side);
    return Object.values(doc.servers).reduce((/** @type {number} */ sum, /** @type {any} */ s) => sum + s.requests, 0);
  };
  await sleep(400);
  const [inA, inB] = [await served(a, 'a'), await served(b, 'b')];
  check(inA > 20 && Math.abs(inA - inB) <= Math.max(40, inA * 0.1), 'both had served as many requests', [inA, inB]);
  await page.selectOption('#compare-align', 'clock');
}

/** @param {any} page @param {string} base @param {any} b */
async function playing(page, base, b) {
  for (const [speed, from, ms] of [['1', 1e9, 1500], ['2', 1e9, 1000], ['-1', 5.5e9, 1500], ['0.1', 2e9, 800]]) {
    await seek(page, Number(from));
    await page.selectOption('#speed', speed);
    await page.click('#play');
    await until(async () => (await status(page)) === 'playing', `${speed}: it plays`);
    await until(async () => inStep(await watchFrames(page, 300), Number(speed)), `${speed}: B is in step`);
    const seen = await watchFrames(page, ms);
    // However late the machine is: nothing is shown before its time, and nothing whose time has come waits.
    const wrong = seen.filter(([, ofB, aim, , head]) => (Number(speed) > 0 ? ofB > aim || head <= aim : ofB > aim && !Number.isNaN(head)));
    check(seen.length > 0 && wrong.length === 0, `${speed}: each frame of B at its time`, [seen.length, wrong.slice(0, 4)]);
    check(seen.every(([, , , waiting]) => waiting <= 400), `${speed}: what waits is bounded`);
    if ((await status(page)) === 'playing') await page.click('#play');
    await exact(page, base, b.run, `paused after ${speed}`);
  }
  for (const speed of ['100', '1000', 'max']) {
    await page.keyboard.press('Home');
    await page.selectOption('#speed', speed);
    await page.focus('#play');
    await page.click('#play');
    await until(async () => (await status(page)) === 'ended', `${speed}: to the end`);
    await exact(page, base, b.run, `ended after ${speed}`);
  }
  await page.selectOption('#speed', '1');
  await seek(page, 3e9);
  const before = await exact(page, base, b.run, 'sought');
  await page.click('#step-on');
  await until(async () => (await shownTs(page)) > before.a, 'a step on');
  const after = await exact(page, base, b.run, 'stepped on');
  check(after.b >= before.b && after.b - before.b < 4 * FRAME_NS, 'B steps too', [before, after]);
  await page.keyboard.press(',');
  await until(async () => (await both(page)).a === before.a, 'and back');
  check((await exact(page, base, b.run, 'stepped back')).b === before.b, 'to the same frame of B');
}

/** Each cell of both maps and of their difference against the two documents. @param {any} page @param {string} base @param {any} a @param {any} b */
async function maps(page, base, a, b) {
  await seek(page, 5e9);
  await exact(page, base, b.run, 'before the maps');
  await sleep(300);
  const [ofA, ofB] = [await clocks(page, base, a, 'a'), await clocks(page, base, b, 'b')];
  const letters = (/** @type {any} */ doc, /** @type {string} */ pool) => Object.entries(doc.pools[pool].pages).sort((x, y) => Number(x[0]) - Number(y[0])).map(([, text]) => text).join('');
  let only = 0;
  for (const pool of Object.keys(ofA.doc.pools)) {
    await page.evaluate((name) => document.querySelector(`[data-compare-pool="${CSS.escape(name)}"]`).scrollIntoView({ block: 'center' }), pool);
    await sleep(500);
    const seen = await page.evaluate(async ([name, textA, textB]) => {
      const { paletteTable } = await import('/assets/palette.js');
      const root = document.querySelector(`[data-compare-pool="${CSS.escape(name)}"]`);
      const theme = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
      const own = Object.keys(window.memcam.state.source('slab', name)?.states ?? {}).join('');
      const count = { A: 0, B: 0, '=': 0 };
      let wrong = 0;
      for (const [side, text, known] of [['a', textA, own], ['b', textB, own], ['d', null, 'AB=']]) {
        const node = root.querySelector(`[data-compare-map="${side}"]`);
        const { cell, cols } = node.dataset;
        const words = new Uint32Array(node.getContext('2d').getImageData(0, 0, node.width, node.height).data.buffer);
        const table = paletteTable(known, theme);
        for (let slot = 0; slot < textA.length; slot += 1) {
          let letter = text?.[slot];
          if (text === null) {
            const [inA, inB] = [textA[slot] !== '.', textB[slot] !== '.'];
            letter = inA ? (inB ? '=' : 'A') : inB ? 'B' : '.';
            if (letter !== '.') count[letter] += 1;
          }
          const at = Math.floor(slot / cols) * cell * node.width + (slot % cols) * cell;
          if (words[at] !== table[letter.charCodeAt(0)]) wrong += 1;
        }
      }
      const shown = ['only_A', 'only_B', 'both'].map((field) => Number(root.querySelector(`[data-field="${field}"]`).dataset.value));
      return { wrong, count: Object.values(count), shown };
    }, [pool, letters(ofA.doc, pool), letters(ofB.doc, pool)]);
    check(seen.wrong === 0, `${pool}: each cell of A, of B and of the difference has its colour`, seen);
    check(JSON.stringify(seen.count) === JSON.stringify(seen.shown), `${pool}: as many are only in A, only in B, in both as it says`, seen);
    only += seen.count[0] + seen.count[1];
  }
  check(only > 0, 'the two differ in some slot', only);
  const numbers = await page.evaluate(() => ['a', 'b'].map((side) => Number(document.querySelector(`td[data-number="rss"][data-field="${side}"]`).dataset.value)));
  check(numbers[0] === ofA.doc.process.rss_bytes && numbers[1] === ofB.doc.process.rss_bytes, 'the numbers beside each other are those of the two documents', numbers);
  const lines = await page.evaluate(() => window.memcam.second.span([0, 5e9]));
  check(lines[1] - lines[0] === 5e9, 'the charts lay as much of B over A', lines);
}

/** @param {any} page @param {string} base @param {any} a @param {any} b */
async function differences(page, base, a, b) {
  await until(() => page.evaluate(() => document.querySelectorAll('#diff-list [data-measure]').length > 5), 'the differences are listed');
  const diff = await getJson(`${base}/api/diff?a=${a.run}&b=${b.run}`);
  const shown = await page.evaluate(() => [...document.querySelectorAll('#diff-list [data-measure]')].map((node) => node.dataset.measure));
  check(JSON.stringify(shown) === JSON.stringify(diff.measures.slice(0, shown.length).map((/** @type {any} */ m) => `${m.measure} ${m.stat}`)), 'ranked as the API ranks', shown.slice(0, 3));
  const row = diff.measures.findIndex((/** @type {any} */ m) => typeof m.at?.a === 'number' && typeof m.at?.b === 'number' && m.at.a !== m.at.b);
  check(row >= 0 && row < 60, 'one has its moments', row);
  const { at } = diff.measures[row];
  const frame = async (/** @type {any} */ run, /** @type {number} */ ts) => (await getJson(`${base}/api/runs/${run.run}/state?ts=${ts}`)).ts;
  const wantA = await frame(a, at.a);
  // B stands beside the frame of A, which may be a little before the moment itself.
  const wantB = await frame(b, wantA + at.b - at.a);
  const arrived = async () => { const now = await both(page); return now.a === wantA && now.b === wantB; };
  const listed = await page.locator('#diff-list [data-measure]').nth(row).textContent();
  await page.locator('#diff-list [data-measure] button').nth(row).click();
  await until(arrived, 'a click goes to its moment in A and to its moment in B');
  check((await both(page)).compare.offset_ns === at.b - at.a, 'and they are beside each other by it', [await both(page), at, shown[row], listed]);
  await page.screenshot({ path: path.join(SHOTS, 'compare-difference.png') });
  await page.focus('#play');
  await page.keyboard.press('Home');
  await page.keyboard.press('n');
  await page.keyboard.press('N');
  await until(async () => (await page.evaluate(() => document.querySelector('#diff-list [aria-current]')?.dataset.measure)) === shown[row], 'N and shift N go along the list');
  await until(arrived, 'to the moments of each');
}

/** @param {any} page @param {string} base @param {any} b */
async function links(page, base, b) {
  await sleep(900);
  const [url, now] = [page.url(), await both(page)];
  const other = await openPage(browser);
  await other.page.goto(url);
  await until(async () => { const there = await both(other.page); return there.a === now.a && there.b === now.b && there.compare?.align === 'moment'; }, 'the copied address opens both moments');
  check(other.errors.length === 0, 'there: no error', other.errors);
  await other.context.close();
  await page.keyboard.press('x');
  await until(async () => { const there = await both(page); return there.a === now.b && there.b === now.a; }, 'X swaps the two at their moments');
  check((await page.evaluate(() => window.memcam.state.runKey)) === b.run, 'B is A now');
  await page.keyboard.press('x');
  await until(async () => (await both(page)).a === now.a, 'and back');
  await page.keyboard.press('c');
  await until(async () => !(await page.isVisible('#compare')) && (await page.isVisible('#pools')), 'C shows A alone');
  await page.goto(`${base}/#run=1&ts=2000000000&b=1`);
  await until(async () => (await page.evaluate(() => window.memcam.state.compare)) === null, 'a run beside itself is refused');
}

/** One run is longer: what B has not is said. @param {any} page @param {string} base @param {any} a @param {any} b */
async function ends(page, base, a, b) {
  await page.goto(`${base}/#run=${b.run}&ts=${b.end_ts}&b=${a.run}`);
  await until(async () => (await both(page)).place === 'after', 'B is shorter');
  await exact(page, base, a.run, 'behind the end of B');
  check(/does not go so far/.test((await page.textContent('.compare-side[data-side="b"]')) ?? ''), 'and that is said');
  await page.goto(`${base}/#run=${b.run}&ts=${b.first_ts}&b=${a.run}&align=moment&offset=-${1e9}`);
  await until(async () => (await both(page)).place === 'before', 'B had not begun');
  check(/had not begun/.test((await page.textContent('.compare-side[data-side="b"]')) ?? ''), 'and that is said');
}

/** @param {any} page */
async function looks(page) {
  await page.click('#tab-diff');
  for (const width of [800, 1600]) {
    await page.setViewportSize({ width, height: 1000 });
    await sleep(600);
    await accessible(page, `two runs, ${width}`);
    check(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${width} pixels are enough`);
    await page.screenshot({ path: path.join(SHOTS, `compare-${width}.png`) });
  }
}

/** The server goes and comes back: both go on. @param {any} page @param {any} program @param {string} store @param {{on: boolean}} quiet */
async function away(page, program, store, quiet) {
  quiet.on = true;
  const base = program.urls.dashboard;
  await page.goto(`${base}/#run=2&ts=1000000000&speed=0.25&b=1`);
  await until(async () => (await both(page)).place === 'within', 'both');
  await page.click('#play');
  await until(async () => (await status(page)) === 'playing', 'it plays');
  await sleep(700);
  program.child.kill('SIGKILL');
  await program.exited;
  await until(async () => (await both(page)).link === 'lost', 'B is lost too, and says so');
  const back = await start(['replay', store, '--dash', `127.0.0.1:${new URL(base).port}`], ['dashboard']);
  await until(async () => { const now = await both(page); return now.link === 'open' && now.mode === 'play'; }, 'both come back by themselves');
  await until(async () => inStep(await watchFrames(page, 300), 0.25), 'in step');
  back.child.kill('SIGTERM');
  await back.exited;
}
