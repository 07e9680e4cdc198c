// @ts-check
// tip_view.js: the small text at the pointer, and the line that says what went wrong.

import { byId, el, setText } from './dom.js';

const SAID_MS = 6000;
const OFFSET_PX = 14;

export function createTipView() {
  const tip = byId('tip');
  const said = el('div', { class: 'said', role: 'alert', hidden: true });
  document.body.append(said);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return {
    /** @param {string | null} text @param {number} [x] @param {number} [y] */
    show(text, x = 0, y = 0) {
      tip.hidden = text === null;
      if (text === null) return;
      setText(tip, text);
      const left = Math.max(4, Math.min(x + OFFSET_PX, window.innerWidth - tip.offsetWidth - 8));
      const below = y + OFFSET_PX + tip.offsetHeight < window.innerHeight;
      tip.style.left = `${left}px`;
      tip.style.top = `${below ? y + OFFSET_PX : y - tip.offsetHeight - OFFSET_PX}px`;
    },
    /** @param {string} text */
    say(text) {
      setText(said, text);
      said.hidden = false;
      clearTimeout(timer);
      timer = setTimeout(() => { said.hidden = true; }, SAID_MS);
    },
  };
}
