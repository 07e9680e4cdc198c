// @ts-check
// api.js: the dashboard's HTTP API, but for the stream.

/** What a server that says no says. */
export class ApiError extends Error {
  /** @param {number} status 0 when there was no answer @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const TIMEOUT_MS = 15000;
/** an answer that nobody took for so long is of another time */
const EARLY_MS = 10000;

/** What early.js has asked, by address, and when it has asked all. @type {{answers: Map<string, Promise<Response>>, asked?: Promise<void>}} */
const early = /** @type {any} */ (globalThis).memcamEarly ?? { answers: new Map() };

/** When what comes first has been asked: what takes long is better begun after that. */
export const askedFirst = early.asked;

/** What was asked before this script was there: an answer for the first who asks for it. @param {string} url @returns {Promise<Response> | undefined} */
function askedEarly(url) {
  const answer = performance.now() < EARLY_MS ? early.answers.get(url) : undefined;
  early.answers.delete(url);
  return answer;
}

/** @param {string} url @param {RequestInit} [options] @returns {Promise<any>} */
async function ask(url, options = {}) {
  let response;
  try {
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    response = await (askedEarly(url) ?? fetch(url, { ...options, signal: options.signal ? AbortSignal.any([options.signal, limit]) : limit }));
    options.signal?.throwIfAborted();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, 'no answer from the server');
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, body?.detail ?? body?.error ?? `status ${response.status}`);
  return body;
}

/** @param {string} run @param {string} what @param {Record<string, string | number | undefined>} query */
export function runUrl(run, what, query = {}) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) search.set(key, typeof value === 'number' && key !== 'speed' ? String(Math.max(0, Math.round(value))) : String(value));
  }
  const text = search.toString();
  return `/api/runs/${encodeURIComponent(run)}/${what}${text ? `?${text}` : ''}`;
}

/** @returns {Promise<any[]>} */
export async function getRuns() {
  return (await ask('/api/runs')).runs;
}

/** @param {string} run @param {string} what @param {Record<string, string | number | undefined>} query @param {AbortSignal} [signal] */
export function getOfRun(run, what, query, signal) {
  return ask(runUrl(run, what, query), { signal });
}

/** @param {string} url @param {object} body @param {AbortSignal} [signal] */
function post(url, body, signal) {
  return ask(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), signal });
}

/** @param {string} run @param {{ts: number, dur: number, label: string}} mark @returns {Promise<{mark_id: number}>} */
export function postMark(run, mark) {
  return post(runUrl(run, 'marks'), mark);
}

/** @param {string} run @param {number} id @param {{ts?: number, dur?: number, label?: string}} change */
export function postMarkChange(run, id, change) {
  return post(runUrl(run, `marks/${id}`), change);
}

/** @param {string} run @param {number} id */
export function postMarkRemoval(run, id) {
  return post(runUrl(run, `marks/${id}/delete`), {});
}

const QUERIES_AT_ONCE = 2;
/** others' pages may keep the server busy: it is asked again, a few times */
const BUSY_STATUS = 503;
const WRONG_STATUS = 400;
const BUSY_TURNS = 4;
const BUSY_WAIT_MS = 400;
let queriesUnderWay = 0;
/** @type {(() => void)[]} */
const queriesWaiting = [];

/**
 * Ask the recording in SQL. The page's own questions wait for each other, so that they are never too
 * many for the server, nor in the way of a person's.
 * @param {string} sql @param {number} limit @param {string} [file] @param {AbortSignal} [signal] @param {boolean} [isPersons]
 */
export async function postQuery(sql, limit, file, signal, isPersons = false) {
  if (!isPersons && queriesUnderWay >= QUERIES_AT_ONCE) await new Promise((resolve) => { queriesWaiting.push(() => resolve(undefined)); });
  queriesUnderWay += 1;
  try {
    for (let turn = 1; ; turn += 1) {
      signal?.throwIfAborted();
      try {
        // A wrong or stopped query is no trouble of the page's: soft, the browser's console is not told.
        const answer = await post('/api/query', { sql, limit, soft: true, ...(file ? { file } : {}) }, signal);
        if (answer.error !== undefined) throw new ApiError(WRONG_STATUS, answer.detail ?? answer.error);
        return answer;
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== BUSY_STATUS || turn === BUSY_TURNS) throw error;
        await new Promise((resolve) => { setTimeout(resolve, BUSY_WAIT_MS * turn); });
      }
    }
  } finally {
    queriesUnderWay -= 1;
    queriesWaiting.shift()?.();
  }
}

/** Two runs compared. @param {string} a @param {string} b @param {Record<string, string>} [span] the API's from_a, align … */
export function getDiff(a, b, span = {}) {
  return ask(`/api/diff?${new URLSearchParams({ a, b, ...span })}`);
}

/** A text as SQL has it. @param {string} text */
export function sqlText(text) {
  return `'${text.replaceAll("'", "''").replaceAll('\0', '')}'`;
}
