// @ts-check
// transport_view.js: the player's buttons, speed, slider and position.

import { byId, el, setClass, setText } from './dom.js';
import { clock, parseClock, speedText } from './format.js';
import { JUMP_KINDS } from './jump.js';
import { parseSpeed } from './url.js';

export const SPEEDS = /** @type {(number | 'max')[]} */ ([-100, -10, -1, 0.1, 0.25, 0.5, 1, 2, 5, 10, 25, 100, 1000, 'max']);
const SLIDER_STEPS = 100000;

/** @param {import('./state.js').State} state @param {any} actions */
export function createTransportView(state, actions) {
  const speed = byId('speed');
  speed.append(...SPEEDS.map((s) => el('option', { value: String(s) }, speedText(s))));
  speed.addEventListener('change', () => actions.speed(parseSpeed(speed.value) ?? 1));
  byId('play').addEventListener('click', actions.toggle);
  byId('step-back').addEventListener('click', () => actions.step(-1));
  byId('step-on').addEventListener('click', () => actions.step(1));
  const kind = byId('jump-kind');
  kind.append(...JUMP_KINDS.map(([id, text]) => el('option', { value: id }, text)));
  byId('jump-before').addEventListener('click', () => actions.jump(kind.value, -1));
  byId('jump-after').addEventListener('click', () => actions.jump(kind.value, 1));
  byId('live').addEventListener('click', actions.live);
  byId('mark').addEventListener('click', actions.mark);
  byId('zoom-out').addEventListener('click', () => actions.view(null));
  const slider = byId('slider');
  slider.max = String(SLIDER_STEPS);
  let sliding = false;
  slider.addEventListener('input', () => {
    sliding = true;
    actions.seek((Number(slider.value) / SLIDER_STEPS) * state.endTs);
  });
  slider.addEventListener('change', () => { sliding = false; });
  const goto = byId('goto');
  goto.addEventListener('change', () => {
    const ts = parseClock(goto.value);
    goto.setCustomValidity(ts === null && goto.value !== '' ? 'a time like 12.5 or 1:02:03.4' : '');
    if (ts !== null) {
      actions.seek(ts);
      goto.value = '';
    } else if (goto.value !== '') {
      goto.reportValidity();
    }
  });

  return {
    draw() {
      const playing = state.mode !== 'pause';
      const play = byId('play');
      setClass(play, 'playing', playing);
      if (play.getAttribute('aria-label') !== (playing ? 'Pause' : 'Play')) play.setAttribute('aria-label', playing ? 'Pause' : 'Play');
      const live = byId('live');
      live.hidden = !state.entry?.live;
      live.setAttribute('aria-pressed', String(state.mode === 'live'));
      const text = String(state.speed);
      if (speed.value !== text) {
        if (![...speed.options].some((o) => o.value === text)) speed.append(el('option', { value: text }, speedText(state.speed)));
        speed.value = text;
      }
      const value = String(Math.round((state.ts / Math.max(1, state.endTs)) * SLIDER_STEPS));
      if (!sliding && slider.value !== value) slider.value = value;
      const where = state.doc ? `${clock(state.ts)} / ${clock(state.endTs)}` : '–';
      setText(byId('position'), where);
      slider.setAttribute('aria-valuetext', where);
      byId('zoom-out').hidden = state.view === null;
    },
  };
}
