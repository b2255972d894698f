import type { Command } from 'commander';
import type { CliContext } from '../context.ts';

export function addDeviceCommands(_program: Command, _context: CliContext, _end: { code: number }): void {}
