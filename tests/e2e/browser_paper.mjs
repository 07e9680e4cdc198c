// browser_paper.mjs: a picture of a moment, and a print of it.

import path from 'node:path';
import { startMock } from './mock_server.mjs';
import { SHOTS, check, launch, openPage, sleep, status, until, verdict } from './page_lib.mjs';

const browser = await launch();
const mock = await startMock({ ticks: 600 });

try {
  await paper();
} catch (error) {
  check(false, 'the test runs to its end', String(error?.stack ?? error));
}
await browser.close();
mock.close();
process.exit(verdict());

/** A picture of a moment, and a print of it: what is off the screen belongs to the moment, too. */
async function paper() {
  const { page, context, errors } = await openPage(browser, { viewport: { width: 1200, height: 700 } });
  await page.goto(`${mock.url}/#run=1&ts=20000000000`);
  await until(async () => (await status(page)) === 'paused', 'paused');
  await page.evaluate(() => document.getElementById('metrics').scrollIntoView());
  await sleep(500);
  const moment = await page.evaluate(async () => {
    await window.memcam.player.seek(41e9);
    await new Promise((resolve) => { setTimeout(resolve, 600); });
    return window.memcam.state.ts;
  });
  const unpainted = () => page.evaluate(() => [...window.memcam.state.maps.values()].filter((map) => map.dirty.some((page) => page !== 0)).length);
  check((await unpainted()) > 0, 'maps off the screen wait to be painted');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save-button')]);
  check(/^memcam-0-00-4[01]/.test(download.suggestedFilename()) || /41|40/.test(download.suggestedFilename()), 'the picture is named by its moment', download.suggestedFilename());
  check((await unpainted()) === 0, 'but for the picture all are painted');
  await download.saveAs(path.join(SHOTS, 'saved.png'));
  await page.evaluate(async () => { await window.memcam.player.seek(30e9); });
  await page.pdf({ path: path.join(SHOTS, 'print.pdf'), printBackground: true });
  check((await unpainted()) === 0, 'and for a print');
  const empty = await page.evaluate(() => [...document.querySelectorAll('#metrics canvas, #traffic canvas.spark, #memory canvas.spark')].filter((node) => node.offsetWidth > 0 && node.width === 300).length);
  check(empty === 0, 'with every small chart', empty);
  check((await page.evaluate(() => document.body.classList.contains('printing'))) === false, 'after it the page is as it was');
  await paperIsLight(page);
  check(moment > 40e9 && errors.length === 0, 'paper: no error in the console', errors);
  await context.close();
}

/** A page that is dark is printed light, also what canvases paint. @param {any} page */
async function paperIsLight(page) {
  await page.emulateMedia({ colorScheme: 'dark' });
  await until(async () => (await timelineText(page)) > 128, 'the timeline is lettered brightly on dark');
  await page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
  check((await timelineText(page)) < 128, 'for paper it is lettered darkly');
  await page.evaluate(() => window.dispatchEvent(new Event('afterprint')));
  await until(async () => (await timelineText(page)) > 128, 'after it brightly again');
}

/** How bright the names of the lanes are, 0 to 255: the mean of what is opaque. @param {any} page @returns {Promise<number>} */
function timelineText(page) {
  return page.evaluate(() => {
    const canvas = document.querySelector('canvas.timeline');
    const { data } = canvas.getContext('2d').getImageData(0, 20, 60, canvas.height - 40);
    let [sum, count] = [0, 0];
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] < 250) continue;
      sum += data[i];
      count += 1;
    }
    return count > 0 ? sum / count : NaN;
  });
}
