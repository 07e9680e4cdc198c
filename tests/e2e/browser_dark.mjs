// browser_dark.mjs: the dark page at every size.

import { looks } from './looks_lib.mjs';
import { check, verdict } from './page_lib.mjs';

await looks('dark').catch((error) => check(false, 'the test runs to its end', String(error?.stack ?? error)));
process.exit(verdict());
