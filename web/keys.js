// @ts-check
// keys.js: what each key does, for the keyboard and for the help that lists it.

/** @typedef {{keys: string[], shown: string, action: string, text: string}} Key */

/** @type {Key[]} */
export const KEYS = [
  { keys: [' ', 'k', 'K'], shown: 'Space, K', action: 'toggle', text: 'play or pause' },
  { keys: ['ArrowLeft'], shown: '←', action: 'back', text: 'five seconds back' },
  { keys: ['ArrowRight'], shown: '→', action: 'on', text: 'five seconds on' },
  { keys: [','], shown: ',', action: 'stepBack', text: 'one frame back' },
  { keys: ['.'], shown: '.', action: 'stepOn', text: 'one frame on' },
  { keys: ['['], shown: '[', action: 'markBefore', text: 'to the mark or gap before' },
  { keys: [']'], shown: ']', action: 'markAfter', text: 'to the next mark or gap' },
  { keys: ['w'], shown: 'W', action: 'warningNext', text: 'to the next warning of the run; with shift the one before' },
  { keys: ['W'], shown: '', action: 'warningBefore', text: '' },
  { keys: ['e'], shown: 'E', action: 'eventNext', text: 'to the next event, of the connection looked at if there is one; with shift the one before' },
  { keys: ['E'], shown: '', action: 'eventBefore', text: '' },
  { keys: ['o'], shown: 'O', action: 'overflowNext', text: 'to the next overflow; with shift the one before' },
  { keys: ['O'], shown: '', action: 'overflowBefore', text: '' },
  { keys: ['g'], shown: 'G', action: 'collectionNext', text: 'to the next collection; with shift the one before' },
  { keys: ['G'], shown: '', action: 'collectionBefore', text: '' },
  { keys: ['j', 'J'], shown: 'J', action: 'reverse', text: 'play backwards; again: faster' },
  { keys: ['l', 'L'], shown: 'L', action: 'faster', text: 'play; again: faster' },
  { keys: ['Home'], shown: 'Home', action: 'first', text: 'to the first frame' },
  { keys: ['End'], shown: 'End', action: 'live', text: 'to now, or the last frame' },
  { keys: ['m', 'M'], shown: 'M', action: 'mark', text: 'set a mark here' },
  { keys: ['s', 'S'], shown: 'S', action: 'select', text: 'select time from here on; again: up to here' },
  { keys: ['z', 'Z'], shown: 'Z', action: 'zoomSelected', text: 'zoom the timeline to the selected time' },
  { keys: ['+', '='], shown: '+', action: 'zoomIn', text: 'zoom the timeline in' },
  { keys: ['-'], shown: '−', action: 'zoomOut', text: 'zoom the timeline out' },
  { keys: ['0'], shown: '0', action: 'whole', text: 'show the whole run' },
  { keys: ['/'], shown: '/', action: 'filter', text: 'filter pools, routes, connections' },
  { keys: ['Escape'], shown: 'Esc', action: 'clear', text: 'clear selection and filter' },
  { keys: ['c'], shown: 'C', action: 'compare', text: 'another run beside this one; again: alone' },
  { keys: ['x', 'X'], shown: 'X', action: 'swap', text: 'swap the two runs' },
  { keys: ['n'], shown: 'N', action: 'differenceNext', text: 'to the next difference of the two; with shift the one before' },
  { keys: ['N'], shown: '', action: 'differenceBefore', text: '' },
  { keys: ['t', 'T'], shown: 'T', action: 'theme', text: 'dark or light' },
  { keys: ['?'], shown: '?', action: 'help', text: 'this list' },
];

/** The action of a key; null for one that does nothing here. @param {string} key @returns {string | null} */
export function actionOf(key) {
  return KEYS.find((k) => k.keys.includes(key))?.action ?? null;
}

const FORWARD = [1, 2, 5, 10, 25, 100, 1000];

/** The next speed for L (forward) or J (back). @param {number | 'max'} speed @param {1 | -1} direction @param {boolean} playing */
export function nextSpeed(speed, direction, playing) {
  if (speed === 'max') return direction > 0 ? 'max' : -1;
  if (!playing || Math.sign(speed) !== direction) return direction;
  const size = Math.abs(speed);
  return direction * (FORWARD.find((s) => s > size) ?? FORWARD[FORWARD.length - 1]);
}
