// What is shown, as CSV.

import { METRICS } from "./format";
import type { Window } from "./types";

/** One line per window, the header naming columns as the API names its fields. */
export function csvOf(windows: Window[]): string {
  const figures = METRICS.flatMap(({ name }) =>
    ["count", "mean", "stddev", "min", "min_turbine_id", "min_time", "max", "max_turbine_id", "max_time"].map(
      (figure) => `${name}_${figure}`,
    ),
  );
  const head = [
    "farm_id",
    "start",
    "end",
    "resolution",
    "revision",
    "reading_count",
    "duplicate_count",
    "rejected_count",
    "turbine_count",
    "energy_kwh",
    ...figures,
  ];
  const lines = windows.map((window) => {
    const values = METRICS.flatMap(({ name }) => {
      const one = window.metrics[name];
      if (!one) return Array<string>(9).fill("");
      const { min, max } = one;
      return [
        one.count,
        one.mean,
        one.stddev,
        min.value,
        min.turbine_id,
        min.event_time,
        max.value,
        max.turbine_id,
        max.event_time,
      ];
    });
    return [
      window.farm_id,
      window.start,
      window.end,
      window.resolution,
      window.revision,
      window.reading_count,
      window.duplicate_count,
      window.rejected_count,
      window.turbine_count,
      window.energy_kwh,
      ...values,
    ];
  });
  return [head, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

// ids hold neither commas nor quotes, numbers and times do not either
const cell = (value: string | number | null | undefined): string =>
  value === null || value === undefined ? "" : String(value);

/** Hands a text to the viewer as a file. */
export function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
