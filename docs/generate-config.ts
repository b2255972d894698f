/** `npm run docs`: writes docs/CONFIG.md from the configuration schemas. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configPage } from './config-page.ts';

writeFileSync(join(import.meta.dirname, 'CONFIG.md'), configPage());
