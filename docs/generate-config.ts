/**
 * `npm run docs`: writes docs/CONFIG.md from the configuration schemas, docs/CLI.md from the commands' help, and
 * docs/ROLES.md from the table of roles.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cliPage } from './cli-page.ts';
import { configPage } from './config-page.ts';
import { rolesPage } from './roles-page.ts';

writeFileSync(join(import.meta.dirname, 'CONFIG.md'), configPage());
writeFileSync(join(import.meta.dirname, 'CLI.md'), cliPage());
writeFileSync(join(import.meta.dirname, 'ROLES.md'), rolesPage());
