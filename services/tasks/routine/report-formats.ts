import { pageBegin, pageEnd, tableBegin, tableEnd, tableRow } from '#core/print/page.ts';
import { csvLine } from './csv.ts';

/** What a report can be written as. */
export const formats = ['csv', 'html'] as const;
export type Format = (typeof formats)[number];

/** Parts of a file that can be written one after the other, by whoever goes on. */
export interface ReportWriter {
  readonly mediaType: string;
  begin(title: string, head: readonly string[]): string;
  row(cells: readonly string[]): string;
  readonly end: string;
}

export const writers: Readonly<Record<Format, ReportWriter>> = {
  csv: { mediaType: 'text/csv', begin: (_, head) => csvLine(head), row: csvLine, end: '' },
  html: {
    mediaType: 'text/html',
    begin: (title, head) => `${pageBegin(title)}${tableBegin(head)}\n`,
    row: (cells) => `${tableRow(cells)}\n`,
    end: `${tableEnd}${pageEnd}`,
  },
};
