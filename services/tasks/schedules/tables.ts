/** Rows of migrations-schedules.ts. Times are Unix milliseconds of the database. */
export interface ScheduleRow {
  name: string;
  revision: number;
  spec_json: string;
  paused: number;
  /** The next time; null: never. */
  planned_ms: number | null;
  /** The same, put off by the jitter. */
  due_ms: number | null;
  last_task: string | null;
  last_ms: number | null;
  changed_by: string;
}

export interface ReportPieceRow {
  task_id: string;
  piece: number;
  media_type: string;
  data: Buffer;
}

export interface ScheduleTables {
  schedules: ScheduleRow;
  report_pieces: ReportPieceRow;
}
