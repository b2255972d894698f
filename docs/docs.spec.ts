import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { describe, it } from 'mocha';
import { registry } from '#core/errors/registry.ts';
import { grantReasons } from '#core/policy/grant.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { buildProgram } from '#services/cli/run-cli.ts';
import { cliPage } from './cli-page.ts';
import { configPage } from './config-page.ts';
import { rolesPage } from './roles-page.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

/** Whatever begins with one of the tree's folders is a path in it, unless it stands inside another path. */
const folders = ['core', 'kernel', 'services', 'sdk', 'envoy', 'compose', 'proto', 'gen', 'test', 'docs'];
const treePath = new RegExp(String.raw`(?<![\w/.<>@:-])(?:${folders.join('|')})/[\w./-]*`, 'g');

const pathsIn = (text: string): string[] =>
  (text.match(treePath) ?? []).map((path) => path.replace(/\.$/, ''));

describe('documentation', () => {
  for (const page of pages) {
    it(`${page} names only files that exist`, () => {
      const text = read(page);
      assert.deepEqual(
        pathsIn(text).filter((path) => !existsSync(join(root, path))),
        [],
      );
    });

    it(`${page} links only to files that exist`, () => {
      const links = [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? '');
      assert.deepEqual(
        links.filter((link) => !existsSync(join(root, dirname(page), link))),
        [],
      );
    });

    it(`${page} names only commands and options that there are`, () => {
      assert.deepEqual(commandsIn(read(page)).filter(isUnknown), []);
    });
  }

  it('names rows of figures that there are, in docs/DEPLOYING.md', () => {
    const rows = [...read('docs/DEPLOYING.md').matchAll(/\| (?:\[?(README|BENCH)\b|drill `(\w+)`).*\|$/gm)];
    assert.ok(rows.length > 8);
    for (const [line, page, drill] of rows) {
      const quoted = [...line.slice(line.lastIndexOf('| ', line.length - 3)).matchAll(/`([^`]+)`/g)].map(
        ([, row]) => row,
      );
      const has = page === undefined ? '' : read(page === 'README' ? 'README.md' : 'docs/BENCH.md');
      for (const row of quoted) {
        if (drill !== undefined) assert.ok(existsSync(join(root, 'test/drills', drill)), drill);
        else assert.ok(has.includes(`| ${row} |`), `${page} has no row "${row}"`);
      }
    }
  });

  it('is what hints of errors point to', () => {
    const named = Object.values(registry).flatMap(({ message, hint }) => pathsIn(`${message} ${hint}`));
    assert.deepEqual(
      named.filter((path) => !existsSync(join(root, path))),
      [],
    );
  });

  it('has in docs/CONFIG.md what the schemas say; `npm run docs` writes it', () => {
    assert.equal(read('docs/CONFIG.md'), configPage());
  });

  it('has in docs/CLI.md what the commands say of themselves; `npm run docs` writes it', () => {
    assert.equal(read('docs/CLI.md'), cliPage());
  });

  it('has in docs/ROLES.md what the table of roles says; `npm run docs` writes it', () => {
    assert.equal(read('docs/ROLES.md'), rolesPage());
  });

  it('tells in docs/PROTOCOL.md what a device does about errors that exist', () => {
    const [, section = ''] = /## 10[^\n]*\n([\s\S]*?)\n## 11/.exec(read('docs/PROTOCOL.md')) ?? [];
    const named = new Set([...section.matchAll(/`([A-Z]{2,}[A-Z_]*)`/g)].map((match) => match[1] ?? ''));
    assert.ok(named.size > 30);
    assert.deepEqual(
      [...named].filter((reason) => !(reason in registry)),
      [],
    );
  });

  it('lists in docs/ERRORS.md why requests are allowed and denied', () => {
    const [, section = ''] = read('docs/ERRORS.md').split('### Why a request was allowed or denied');
    const [table = ''] = section.split('###');
    const told = table
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) => line.split('|')[1]?.match(/[A-Z_]+/g) ?? []);
    assert.deepEqual(told, [...grantReasons]);
  });

  it('lists in docs/ERRORS.md the codes of compose/parts', () => {
    const [, union = ''] = /PartsErrorCode =([^;]+);/.exec(read('compose/parts/errors.ts')) ?? [];
    const [, section = ''] = read('docs/ERRORS.md').split('### Finding Envoy and MySQL');
    const codes = (text: string): string[] => (text.match(/(?<=[`'])[A-Z_]+(?=[`'] \||'\s)/g) ?? []).sort();
    assert.ok(codes(union).length > 0);
    assert.deepEqual(codes(section), codes(`${union}\n`));
  });
});

/** Every `npm …` and `sallyport …` that is written as code, one line each. */
function commandsIn(text: string): string[] {
  const blocks = [...text.matchAll(/```\w*\n([\s\S]*?)```/g)].flatMap((match) =>
    (match[1] ?? '').split('\n'),
  );
  const spans = [...text.replace(/```[\s\S]*?```/g, '').matchAll(/`([^`\n]+)`/g)].map(
    (match) => match[1] ?? '',
  );
  return [...blocks, ...spans]
    .flatMap((line) => line.split(/ && | \| |#/))
    .map((line) => line.replace(/^\$ /, '').trim())
    .filter((line) => /^(?:npm|npx sallyport|sallyport) \w/.test(line));
}

const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts);
const program = buildProgram(
  {
    env: {},
    cwd: root,
    signal: new AbortController().signal,
    onSecondInterrupt: () => {},
    clock: new ManualClock(),
    out: () => {},
    outBytes: () => Promise.resolve(),
    err: () => {},
  },
  { code: 0 },
);

function isUnknown(line: string): boolean {
  const words = line.split(/\s+/);
  if (words[0] === 'npm') {
    const [, verb = '', script = ''] = words;
    return verb === 'run' ? !scripts.includes(script) : verb !== 'ci' && !scripts.includes(verb);
  }
  let at: Command = program;
  for (const word of words.slice(words.indexOf('sallyport') + 1)) {
    const next = at.commands.find((command) => command.name() === word);
    if (next !== undefined) at = next;
    else if (at.commands.length > 0 && word !== '--help') return true;
    else if (word.startsWith('--') && word !== '--help' && !hasOption(at, word)) return true;
  }
  return false;
}

const hasOption = (command: Command, flag: string): boolean =>
  command.options.some((option) => option.long === flag.split('=')[0]);
