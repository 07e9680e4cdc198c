// @ts-check
// turns.js: what is drawn shares the time of a frame: jobs that are due take turns, the one that
// waited longest first, until the frame's time is spent. What is left comes with the next frames.

/** script of a frame after which nothing more is begun */
const FRAME_MS = 2;
/** a job that waited so long has its turn in any frame, one such a frame */
const PATIENCE_MS = 150;

/**
 * @typedef {object} Job
 * @property {(nowMs: number) => boolean} due whether there is something to do, cheap to ask
 * @property {(nowMs: number) => void} run
 */

export class Turns {
  /** @param {Job[]} jobs @param {() => number} [clock] milliseconds */
  constructor(jobs, clock = () => performance.now()) {
    this.clock = clock;
    this.jobs = jobs.map((job) => ({ ...job, since: NaN }));
  }

  /**
   * Let jobs have their turn.
   * @param {number} nowMs of the frame @param {number} beginMs when the frame's script began
   * @returns {boolean} whether some are yet to have theirs
   */
  take(nowMs, beginMs) {
    const due = this.jobs.filter((job) => {
      if (!job.due(nowMs)) job.since = NaN;
      else if (Number.isNaN(job.since)) job.since = nowMs;
      return !Number.isNaN(job.since);
    }).sort((a, b) => a.since - b.since);
    let left = due.length;
    for (const [i, job] of due.entries()) {
      const isLate = i === 0 && nowMs - job.since >= PATIENCE_MS;
      if (this.clock() - beginMs >= FRAME_MS && !isLate) break;
      job.since = NaN;
      job.run(nowMs);
      left -= job.due(nowMs) ? 0 : 1;
    }
    return left > 0;
  }
}
