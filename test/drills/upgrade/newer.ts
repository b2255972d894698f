/**
 * Loaded into a security pod's process before its own code (`node --import file:///…/newer.ts?migrations=N`): makes
 * it a release that has so many migrations more.
 */
import { securityMigrations } from '#services/security/store/migrations.ts';
import { extraMigrations } from './extra-migrations.ts';

const count = Number(new URL(import.meta.url).searchParams.get('migrations'));
(securityMigrations as unknown[]).push(...extraMigrations(count));
