// browser_light.mjs: the light page at every size.

import { looks } from './looks_lib.mjs';
import { check, verdict } from './page_lib.mjs';

await looks('light').catch((error) => check(false, 'the test runs to its end', String(error?.stack ?? error)));
process.exit(verdict());
