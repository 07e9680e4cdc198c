// @ts-check
// stream_worker.js: reads event streams beside the page: it parses a document of 262,144 slots while
// the page draws. Messages in: {id, url} opens a stream, {id} closes it, {id, taken} says how many
// messages the page has taken. Out: {id, is: 'opened' | 'lost'}, or an event, {id, name, data}; the pages
// of a document's slabs are packed (letters.js), and given away.
// Never: runs ahead of the page by more than AHEAD messages; the server sees that it reads slowly, and
// sends the newest state.

import { packPages } from './letters.js';
import { SseReader } from './sse.js';

const AHEAD = 8;

/** @type {Map<number, Stream>} */
const streams = new Map();

class Stream {
  /** @param {number} id @param {string} url */
  constructor(id, url) {
    this.id = id;
    this.ahead = 0;
    this.proceed = () => {};
    this.stop = new AbortController();
    this.read(url).catch(() => {}).then(() => this.close() && postMessage({ id, is: 'lost' }));
  }

  /** @param {string} url */
  async read(url) {
    const { id, stop: { signal } } = this;
    const answer = await fetch(url, { headers: { accept: 'text/event-stream' }, cache: 'no-store', signal });
    if (!answer.ok || !answer.body) return;
    postMessage({ id, is: 'opened' });
    const events = new SseReader((name, data) => this.send(name, data));
    const decoder = new TextDecoder();
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      events.push(decoder.decode(value, { stream: true }));
      if (this.ahead > AHEAD) await new Promise((resolve) => { this.proceed = () => resolve(undefined); });
    }
  }

  /** @param {string} name @param {string} text batches of events stay text, to be read when there is time for it */
  send(name, text) {
    if (this.stop.signal.aborted) return;
    this.ahead += 1;
    const data = name === 'events' ? text : JSON.parse(text);
    const transfer = /** @type {ArrayBuffer[]} */ ([]);
    for (const change of Object.values(data.pools ?? {})) {
      if (!change?.pages) continue;
      change.pages = packPages(change.pages);
      transfer.push(change.pages.bytes.buffer);
    }
    postMessage({ id: this.id, name, data }, { transfer });
    if (name === 'end') this.close();
  }

  /** @param {number} count */
  taken(count) {
    this.ahead -= count;
    if (this.ahead <= AHEAD) this.proceed();
  }

  /** @returns {boolean} whether it was open */
  close() {
    this.stop.abort();
    this.proceed();
    return streams.delete(this.id);
  }
}

addEventListener('message', ({ data: { id, url, taken } }) => {
  const stream = streams.get(id);
  if (url) streams.set(id, new Stream(id, url));
  else if (taken) stream?.taken(taken);
  else stream?.close();
});
