// What the API answers, as far as the page reads it.

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface Farm {
  farm_id: string;
  turbine_count: number;
  first_event_time: string;
  last_event_time: string;
}

export interface Reading {
  farm_id: string;
  turbine_id: string;
  event_time: string;
  wind_speed_mps: number | null;
  wind_direction_deg: number | null;
  active_power_kw: number | null;
  theoretical_power_kw: number | null;
  rotor_speed_rpm: number | null;
  nacelle_direction_deg: number | null;
  ambient_temperature_celsius: number | null;
  operating_status: string | null;
}

export interface Turbine {
  turbine_id: string;
  last_event_time: string;
  latest: Reading | null;
}

export interface Extreme {
  value: number;
  turbine_id: string;
  event_time: string;
}

export interface Figures {
  count: number;
  mean: number | null;
  stddev: number | null;
  resultant?: number | null;
  min: Extreme;
  max: Extreme;
}

export type MetricName =
  | "active_power_kw"
  | "wind_speed_mps"
  | "wind_direction_deg"
  | "theoretical_power_kw"
  | "rotor_speed_rpm"
  | "ambient_temperature_celsius";

export interface Window {
  farm_id: string;
  turbine_id?: string;
  start: string;
  end: string;
  resolution: string;
  revision: number;
  reading_count: number;
  duplicate_count: number;
  rejected_count: number;
  turbine_count: number;
  energy_kwh: number | null;
  metrics: Partial<Record<MetricName, Figures>>;
}

export interface DeadLetter {
  id: string;
  appended_at: string;
  farm_id: string | null;
  rule: string | null;
  reason: string | null;
  field: string | null;
  value: string | null;
  bound: string | null;
}

export interface DeadLetterDetail extends DeadLetter {
  key: string | null;
  payload_hex: string | null;
  payload_text: string | null;
}

export interface PartitionAudit {
  topic: string;
  partition: number;
  log_end: number | null;
  next_offset: number;
  stored: number;
  duplicates: number;
  dead_letters: number;
  lag: number | null;
  balanced: boolean;
}

export interface Audit {
  balanced: boolean;
  items: PartitionAudit[];
}
