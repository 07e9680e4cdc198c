// @ts-check
// early.js: the first script of the page: asks what the others will ask first, and tells main.js when it
// has (api.js). The server works then while the page is made; one that is made at once hears no answer
// before it is done.

import { runUrl, TIMEOUT_MS } from './api.js';
import { chosenRun, coarseQuery, isLong, overviewQuery, wholeRun } from './first_asks.js';
import { decodePlace } from './url.js';

/** a server that has not answered by then is not waited for */
const WAIT_MS = 100;

/** @type {Map<string, Promise<Response>>} */
const answers = new Map();

/** Ask, and take in all of the answer: one that nobody reads would keep a connection. @param {string} url */
function ask(url) {
  const answer = fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) }).then(async ({ status, headers, body }) => new Response(body && await new Response(body).arrayBuffer(), { status, headers }));
  answer.catch(() => {}); // whoever takes it is told
  answers.set(url, answer);
  return answer;
}

/** The moment and the timeline that the address names. @param {any[]} runs */
function askRun(runs) {
  const linked = decodePlace(location.hash);
  const run = chosenRun(runs, linked);
  if (!run) return;
  const place = run.run === linked.run ? linked : {};
  const ts = place.ts ?? run.first_ts ?? 0;
  const isMoment = !place.playing && (place.ts !== undefined || !run.live);
  if (isMoment) ask(runUrl(run.run, 'state', { ts }));
  const span = place.view ?? wholeRun(run.end_ts ?? 0);
  ask(runUrl(run.run, 'overview', isLong(span) ? coarseQuery(span) : overviewQuery(span, !place.view)));
}

const beganMs = performance.now();

/** Nothing more once the page asks for itself. */
async function askFirst() {
  const answer = await ask('/api/runs');
  if (answer.ok && performance.now() < beganMs + WAIT_MS) askRun((await answer.clone().json()).runs);
}

// What went wrong the page finds out, too, and says.
const asked = Promise.race([askFirst().catch(() => {}), new Promise((done) => { setTimeout(done, WAIT_MS); })]);
Object.assign(globalThis, { memcamEarly: { answers, asked } });
