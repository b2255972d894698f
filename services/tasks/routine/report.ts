import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import type { Connectors } from '../connectors/connectors.ts';
import { runEffect } from '../connectors/run-effect.ts';
import type { TaskDefinition } from '../engine/definition.ts';
import { readInput } from './input.ts';
import { maxPieceBytes } from './own-rows.ts';
import { formats, writers } from './report-formats.ts';
import { pagesOf, subjects } from './report-pages.ts';

/** What it is begun with. */
export const reportInput = z.strictObject({
  of: z.enum(subjects),
  /** For spreadsheets, or a page that prints on paper as it stands. */
  as: z.enum(formats).default('csv'),
  /** Who is told that it is there, and by which mail server. */
  mail: z.strictObject({ target: z.string(), to: z.array(z.string()).min(1).max(50) }).optional(),
});

/** Pages of one report: a million rows. */
const maxPages = 2000;

type Written = { readonly rows: number; readonly next: string };

/** Writes a list to a file, a page a step: a run that is killed goes on with the page that it was at. */
export const report = (connectors: () => Connectors): TaskDefinition => ({
  kind: 'report',
  version: 1,
  summary: 'a list of users, devices, sessions or enrolments as CSV or for paper',
  run: async (context, given) => {
    const { of, as, mail } = readInput(reportInput, given);
    const all = connectors();
    const { head, read } = pagesOf[of];
    const { mediaType, begin, row, end } = writers[as];
    let rows = 0;
    let pageToken = '';
    for (let n = 0; ; n++) {
      const from = pageToken;
      const page = await context.step<Written>(`page ${n + 1}`, async ({ taskId, signal }) => {
        const found = await read(all.clients, from, signal);
        const parts = [
          ...(n === 0 ? [begin(`Report of ${of}`, head)] : []),
          ...found.rows.map(row),
          ...(found.next === '' ? [end] : []),
        ];
        const data = Buffer.from(parts.join(''));
        if (data.byteLength > maxPieceBytes)
          throw new SallyportError('TOO_LARGE', { message: `page ${n + 1} is too large` });
        await all.rows.writePiece(taskId, n, mediaType, data);
        return { rows: found.rows.length, next: found.next };
      });
      rows += page.rows;
      pageToken = page.next;
      if (pageToken === '') break;
      if (n + 1 >= maxPages)
        throw new SallyportError('TOO_LARGE', { message: `a report has ${maxPages} pages at most` });
    }
    if (mail !== undefined) {
      const text = `The report of ${of} is there: ${rows} rows.\n\nsallyport schedules report ${context.taskId} --out ${of}.${as}\n`;
      await runEffect(context, 'mail', all.mail, { ...mail, subject: `Report of ${of}`, text });
    }
    return { of, rows };
  },
});
