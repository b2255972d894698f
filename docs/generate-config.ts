/** `npm run docs`: writes docs/CONFIG.md from the configuration schemas, and docs/CLI.md from the commands' help. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cliPage } from './cli-page.ts';
import { configPage } from './config-page.ts';

writeFileSync(join(import.meta.dirname, 'CONFIG.md'), configPage());
writeFileSync(join(import.meta.dirname, 'CLI.md'), cliPage());
