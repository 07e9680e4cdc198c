// @ts-check
// format.js: numbers to text, with units. A value that is not known is an en dash.

export const UNKNOWN = '–';

/** @param {unknown} value @returns {value is number} */
export function isKnown(value) {
  return typeof value === 'number' && Number.isFinite(value);
}

/** @param {number} value three figures, no exponent, no trailing zeros behind a point */
function threeFigures(value) {
  const size = Math.abs(value);
  if (size >= 99.95) return String(Math.round(value));
  return String(Number(value.toFixed(size >= 9.995 ? 1 : 2)));
}

/**
 * A count below ten thousand as it is (9,518), above with k, M, G, T.
 * @param {unknown} value
 */
export function count(value) {
  if (!isKnown(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (size < 10000) return Number.isInteger(value) ? countExact(value) : threeFigures(value);
  return scaled(value, 1000, ['', 'k', 'M', 'G', 'T', 'P'], '');
}

/** @param {unknown} value every figure, in groups of three: 262,144 */
export function countExact(value) {
  return isKnown(value) ? String(value).replace(/\B(?=(\d{3})+$)/g, ',') : UNKNOWN;
}

/** @param {unknown} value in bytes: 512 B, 1.5 MB (powers of 1024) */
export function bytes(value) {
  if (!isKnown(value)) return UNKNOWN;
  return scaled(value, 1024, ['B', 'KB', 'MB', 'GB', 'TB', 'PB'], ' ');
}

/** @param {number} value @param {number} base @param {string[]} units @param {string} space */
function scaled(value, base, units, space) {
  let step = 0;
  let rest = value;
  while (Math.abs(rest) >= base * 0.9995 && step < units.length - 1) {
    rest /= base;
    step += 1;
  }
  return (step === 0 ? String(Math.round(rest * 100) / 100) : threeFigures(rest)) + (units[step] ? space + units[step] : '');
}

/** @param {unknown} value in ns: 850 ns, 12.3 µs, 4.5 ms, 2 s, 3 min 5 s */
export function duration(value) {
  if (!isKnown(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (size < 1e3) return `${Math.round(value)} ns`;
  if (size < 999500) return `${threeFigures(value / 1e3)} µs`;
  if (size < 999.5e6) return `${threeFigures(value / 1e6)} ms`;
  if (size < 59.95e9) return `${threeFigures(value / 1e9)} s`;
  const seconds = Math.round(size / 1e9);
  const sign = value < 0 ? '-' : '';
  if (seconds < 3600) return `${sign}${two(Math.floor(seconds / 60), 'min', seconds % 60, 's')}`;
  if (seconds < 86400) return `${sign}${two(Math.floor(seconds / 3600), 'h', Math.floor((seconds % 3600) / 60), 'min')}`;
  return `${sign}${two(Math.floor(seconds / 86400), 'd', Math.floor((seconds % 86400) / 3600), 'h')}`;
}

/** @param {number} large @param {string} largeUnit @param {number} small @param {string} smallUnit */
function two(large, largeUnit, small, smallUnit) {
  return `${large} ${largeUnit}${small > 0 ? ` ${small} ${smallUnit}` : ''}`;
}

/** @param {unknown} value per second */
export function rate(value) {
  if (!isKnown(value)) return UNKNOWN;
  return count(Math.abs(value) < 100 ? Math.round(value * 10) / 10 : Math.round(value));
}

/** @param {unknown} part @param {unknown} whole a percentage: 0 %, 0.4 %, 63 % */
export function percent(part, whole) {
  if (!isKnown(part) || !isKnown(whole) || whole <= 0) return UNKNOWN;
  const value = (part / whole) * 100;
  if (value > 0 && value < 0.1) return '<0.1 %';
  return `${value < 9.95 ? Number(value.toFixed(1)) : Math.floor(value)} %`;
}

/** @param {unknown} ts ns since the run began: 0:03.400, 12:07.400, 3:12:07.400 */
export function clock(ts) {
  if (!isKnown(ts)) return UNKNOWN;
  const ms = Math.floor(Math.abs(ts) / 1e6);
  const hours = Math.floor(ms / 3600000);
  const minutes = Math.floor(ms / 60000) % 60;
  const seconds = ((ms % 60000) / 1000).toFixed(3).padStart(6, '0');
  const sign = ts < 0 ? '-' : '';
  return hours > 0 ? `${sign}${hours}:${String(minutes).padStart(2, '0')}:${seconds}` : `${sign}${minutes}:${seconds}`;
}

/**
 * What a person types for a time: seconds ("12.5") or the clock form ("3:12:07.4").
 * @param {string} text
 * @returns {number | null} ns, or null for what is no time
 */
export function parseClock(text) {
  if (!/^\d+(:\d{1,2}){0,2}(\.\d+)?$/.test(text.trim())) return null;
  let seconds = 0;
  for (const part of text.trim().split(':')) seconds = seconds * 60 + Number(part);
  return Math.round(seconds * 1e9);
}

/** @param {unknown} wallNs Unix time in ns: local 2026-11-24 13:05:09 */
export function wallTime(wallNs) {
  if (!isKnown(wallNs)) return UNKNOWN;
  const date = new Date(wallNs / 1e6);
  const digits = (/** @type {number} */ n) => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${digits(date.getMonth() + 1)}-${digits(date.getDate())} ${digits(date.getHours())}:${digits(date.getMinutes())}:${digits(date.getSeconds())}`;
}

/** @param {number | 'max'} speed 1×, 0.1×, −2×, max */
export function speedText(speed) {
  if (speed === 'max') return 'max';
  return `${speed < 0 ? '−' : ''}${Math.abs(speed)}×`;
}

/** A value by the unit its source was registered with. @param {unknown} value @param {string} unit */
export function byUnit(value, unit) {
  if (unit === 'bytes' || unit === 'B') return bytes(value);
  if (unit === 'ns') return duration(value);
  if (unit === 'us' || unit === 'µs') return duration(isKnown(value) ? value * 1e3 : value);
  if (unit === 'ms') return duration(isKnown(value) ? value * 1e6 : value);
  return unit && unit !== '1' && unit !== 'count' && isKnown(value) ? `${count(value)} ${unit}` : count(value);
}

/** How fast a total grows, by the unit of what it counts. @param {number} value per second @param {string} unit */
export function rateByUnit(value, unit) {
  return unit === 'bytes' || unit === 'B' ? `${bytes(isKnown(value) ? Math.round(value) : value)}/s` : `${rate(value)} /s`;
}

/** A change as a part of A, "+12 %". @param {number} a @param {number} b */
export function changeText(a, b) {
  if (!isKnown(a) || !isKnown(b)) return UNKNOWN;
  if (a === b) return '=';
  if (a === 0) return b > 0 ? 'new' : '–';
  const part = ((b - a) / Math.abs(a)) * 100;
  return `${part > 0 ? '+' : '−'}${Math.abs(part) >= 1000 ? '>1000' : Number(Math.abs(part).toPrecision(2))} %`;
}
