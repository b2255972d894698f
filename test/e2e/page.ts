import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** docs/CLIENTS.md: the page whose blocks are run as they stand. */
export class Page {
  readonly #text: string;

  constructor(file: string) {
    this.#text = readFileSync(file, 'utf8');
  }

  /** The fenced block after `<!-- e2e: name -->`. @throws when there is none, or more than one */
  block(name: string): string {
    const marker = `<!-- e2e: ${name} -->\n`;
    const [, after, another] = this.#text.split(marker);
    const [, block] = /^```\w+\n([\s\S]*?)^```$/m.exec(after ?? '') ?? [];
    if (block === undefined || another !== undefined || !after?.startsWith('```')) {
      throw new Error(`the page has no block ${name}, or several`);
    }
    return block;
  }

  /** Writes a block that is a file into the folder; gives its path. */
  write(name: string, folder: string): string {
    const file = join(folder, basename(name));
    writeFileSync(file, this.block(name));
    return file;
  }

  /** What the page installs by `go install`, such as `example.com/cmd/tool@v1.2.3`, by the tool's name. */
  goTool(name: string): string {
    const found = [...this.#text.matchAll(/^go install (\S+@v[\w.-]+)$/gm)].map(([, spec = '']) => spec);
    const spec = found.find((each) => each.replace(/@.*/, '').endsWith(`/${name}`));
    if (spec === undefined) throw new Error(`the page does not install ${name}`);
    return spec;
  }

  /** What the page installs by pip, such as `grpcio==1.2.3`. */
  pythonPackages(): string[] {
    return /^python3 -m pip install (.+)$/m.exec(this.#text)?.[1]?.split(' ') ?? [];
  }
}
