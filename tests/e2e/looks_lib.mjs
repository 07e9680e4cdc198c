// looks_lib.mjs: what browser_dark.mjs and browser_light.mjs share.

import path from 'node:path';
import { startMock } from './mock_server.mjs';
import { SHOTS, check, launch, npm, openPage, sleep, status, until } from './page_lib.mjs';

/**
 * The page in one colour scheme, from a phone to 4K: nothing sticks out, nothing against WCAG AA.
 * @param {string} colorScheme
 */
export async function looks(colorScheme) {
  const browser = await launch();
  const mock = await startMock({ ticks: 600 });
  const axe = npm('axe-core').source;
  for (const [width, height] of [[800, 900], [1600, 1000], [3840, 2160], [420, 900]]) {
    const { page, context, errors } = await openPage(browser, { colorScheme, viewport: { width, height } });
    await page.goto(`${mock.url}/#run=1&ts=43000000000`);
    await until(async () => (await status(page)) === 'paused', `${colorScheme} ${width} shows its moment`);
    await sleep(900);
    await page.screenshot({ path: path.join(SHOTS, `page-${colorScheme}-${width}.png`) });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    check(over <= 0, `${width} pixels are enough: nothing sticks out`, over);
    if (width === 1600) {
      await page.evaluate(axe);
      for (const tab of ['warnings', 'events', 'sql']) {
        await page.click(`#tab-${tab}`);
        await sleep(600);
        const result = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
        const bad = result.violations.map((v) => `${v.id}: ${v.help} (${v.nodes.length}) ${v.nodes.slice(0, 2).map((n) => `${n.html.slice(0, 120)} ${n.failureSummary?.slice(0, 200)}`).join(' | ')}`);
        check(bad.length === 0, `${colorScheme}, ${tab}: nothing against WCAG AA`, bad);
      }
    }
    check(errors.length === 0, `${colorScheme} ${width}: no error in the console`, errors);
    await context.close();
  }
  await browser.close();
  mock.close();
}
