/** A row of migrations-devices.ts: a device as of its last session. Losing one costs nobody anything. */
export interface DeviceSightingRow {
  route_key: string;
  app_version: string;
  os_version: string;
  /** Hexadecimal; empty where there is none. */
  cert_digest: string;
  /** JSON object. */
  posture_json: string;
  /** Unix milliseconds, database time. */
  seen_ms: number;
}

export interface DeviceTables {
  device_sightings: DeviceSightingRow;
}
