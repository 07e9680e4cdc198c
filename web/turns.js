// @ts-check
// turns.js: what is drawn shares the time of a frame: jobs that are due take turns, the one that
// waited longest first, until the frame's time is spent; all of a frame draw at one place of the
// screen. What is left comes with the next frames.

/** script of a frame after which nothing more is begun */
const FRAME_MS = 2;
/** a job that waited so long has its turn in any frame, one such a frame */
const PATIENCE_MS = 150;
/**
 * where a frame comes so late though it was waited for, the machine has too much to do: a frame has
 * more time, for there are few, and all of the screen. Not in proportion: frames would stay late.
 */
const SLOW_MS = 100;
const SLOW_FRAME_MS = 6;
/** where time stands still no other frame is near: what is shown is to be of one moment soon */
const STILL_FRAME_MS = 12;

/**
 * @typedef {object} Job
 * @property {(nowMs: number) => boolean} due whether there is something to do, cheap to ask
 * @property {(nowMs: number) => void} run
 * @property {() => string | undefined} [place] where on the screen it draws; absent or undefined: nowhere
 * @property {boolean} [often] goes before the others, but not in two frames that follow each other
 */

export class Turns {
  /** @param {Job[]} jobs @param {() => number} [clock] milliseconds */
  constructor(jobs, clock = () => performance.now()) {
    this.clock = clock;
    this.jobs = jobs.map((job) => ({ ...job, since: NaN, frame: -2 }));
    this.frame = 0;
    /** when the last frame was that left something to do; NaN: it did all */
    this.leftMs = NaN;
  }

  /** Those that are due, in the order of their turns. @param {number} nowMs */
  order(nowMs) {
    const rank = (/** @type {{often?: boolean, frame: number}} */ job) => (job.often && job.frame < this.frame - 1 ? 0 : 1);
    return this.jobs.filter((job) => {
      if (!job.due(nowMs)) job.since = NaN;
      else if (Number.isNaN(job.since)) job.since = nowMs;
      return !Number.isNaN(job.since);
    }).sort((a, b) => rank(a) - rank(b) || a.since - b.since);
  }

  /**
   * Let jobs have their turn.
   * @param {number} nowMs of the frame @param {number} beginMs when the frame's script began
   * @param {boolean} [isStill] whether the moment that is shown stays
   * @returns {boolean} whether some are yet to have theirs
   */
  take(nowMs, beginMs, isStill = false) {
    this.frame += 1;
    const isSlow = nowMs - this.leftMs >= SLOW_MS;
    const most = isStill ? STILL_FRAME_MS : isSlow ? SLOW_FRAME_MS : FRAME_MS;
    const due = this.order(nowMs);
    let left = due.length;
    let ran = 0;
    /** @type {string | undefined} */
    let drawsAt;
    for (const job of due) {
      const place = job.place?.();
      if (drawsAt !== undefined && place !== undefined && place !== drawsAt && !isSlow && !isStill) continue;
      const isLate = ran === 0 && nowMs - job.since >= PATIENCE_MS;
      if (this.clock() - beginMs >= most && !isLate) break;
      drawsAt ??= place;
      ran += 1;
      job.since = NaN;
      job.frame = this.frame;
      job.run(nowMs);
      left -= job.due(nowMs) ? 0 : 1;
    }
    this.leftMs = left > 0 ? nowMs : NaN;
    return left > 0;
  }
}
