// How far back is looked, and in windows of which length.

export type Resolution = "1m" | "10m" | "1h" | "1d";

export interface Range {
  id: string;
  label: string;
  title: string;
  ms: number;
  resolution: Resolution;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const RANGES: Range[] = [
  { id: "15m", label: "15 min", title: "the last 15 minutes", ms: 15 * MINUTE, resolution: "1m" },
  { id: "1h", label: "1 h", title: "the last hour", ms: HOUR, resolution: "1m" },
  { id: "6h", label: "6 h", title: "the last 6 hours", ms: 6 * HOUR, resolution: "1m" },
  { id: "24h", label: "24 h", title: "the last 24 hours", ms: DAY, resolution: "10m" },
  { id: "7d", label: "7 days", title: "the last 7 days", ms: 7 * DAY, resolution: "1h" },
  { id: "30d", label: "30 days", title: "the last 30 days", ms: 30 * DAY, resolution: "1h" },
  { id: "1y", label: "1 year", title: "the last year", ms: 365 * DAY, resolution: "1d" },
];

export const STEPS: Record<Resolution, number> = { "1m": MINUTE, "10m": 10 * MINUTE, "1h": HOUR, "1d": DAY };

const NAMES: Record<Resolution, string> = {
  "1m": "1-minute windows",
  "10m": "10-minute windows",
  "1h": "1-hour windows",
  "1d": "1-day windows",
};

export const nameOf = (resolution: Resolution): string => NAMES[resolution];

/** The range of that id. */
export function rangeOf(id: string | null): Range | undefined {
  return RANGES.find((range) => range.id === id);
}
