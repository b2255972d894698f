import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';

/** To the second, for tables; a dash when there is none. */
export const timeText = (time: Timestamp | undefined): string =>
  time === undefined
    ? '-'
    : timestampDate(time)
        .toISOString()
        .replace(/\.\d+Z$/, 'Z');
