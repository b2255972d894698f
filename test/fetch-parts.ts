/** Finds or fetches what suites on real Envoys, MySQL and other servers need, and tells what it does meanwhile. */
import { findEnvoy } from '#compose/parts/envoy.ts';
import { findMysql } from '#compose/parts/mysql.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { mysqlTemplate } from '#compose/parts/template.ts';
import { objectServerPackages } from './tools/object-servers.ts';

const parts: PartsOptions = {
  env: process.env,
  progress: (line) => void process.stdout.write(`${line}\n`),
};
const [envoy, mysql] = await Promise.all([findEnvoy(parts), findMysql(parts)]);
await mysqlTemplate(mysql, parts);
await objectServerPackages(parts);
process.stdout.write(`Envoy ${envoy.version} (${envoy.source}), MySQL ${mysql.version} (${mysql.source})\n`);
