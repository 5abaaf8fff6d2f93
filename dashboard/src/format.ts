// Numbers with their units, times in the viewer's zone with UTC beside them.

import { h } from "./dom";
import type { MetricName } from "./types";

export const NOTHING = "–";

const numbers = new Map<number, Intl.NumberFormat>();

/** A number with so many digits after the point. */
export function number(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  let format = numbers.get(digits);
  if (!format) {
    format = new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    numbers.set(digits, format);
  }
  // no "-0", and a minus that looks like one
  return format.format(Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).replace("-", "\u2212");
}

export interface Quantity {
  value: string;
  unit: string;
}

/** Power in kW or MW. */
export function power(kw: number | null | undefined): Quantity {
  if (kw === null || kw === undefined) return { value: NOTHING, unit: "kW" };
  return Math.abs(kw) >= 1_000 ? { value: number(kw / 1_000, 2), unit: "MW" } : { value: number(kw), unit: "kW" };
}

/** Energy in kWh, MWh or GWh. */
export function energy(kwh: number | null | undefined): Quantity {
  if (kwh === null || kwh === undefined) return { value: NOTHING, unit: "MWh" };
  if (Math.abs(kwh) >= 1e6) return { value: number(kwh / 1e6, 2), unit: "GWh" };
  return Math.abs(kwh) >= 1_000
    ? { value: number(kwh / 1_000, 2), unit: "MWh" }
    : { value: number(kwh, 1), unit: "kWh" };
}

/** A quantity as one text. */
export const joined = ({ value, unit }: Quantity): string => `${value} ${unit}`;

export interface Metric {
  name: MetricName;
  label: string;
  unit: string;
  digits: number;
}

export const METRICS: Metric[] = [
  { name: "active_power_kw", label: "Power per turbine", unit: "kW", digits: 0 },
  { name: "wind_speed_mps", label: "Wind speed", unit: "m/s", digits: 1 },
  { name: "wind_direction_deg", label: "Wind direction", unit: "°", digits: 0 },
  { name: "rotor_speed_rpm", label: "Rotor speed", unit: "rpm", digits: 1 },
  { name: "ambient_temperature_celsius", label: "Temperature", unit: "°C", digits: 1 },
];

const POINTS = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split(" ");

/** The point of the compass. */
export function compassPoint(degrees: number): string {
  return POINTS[Math.round(degrees / 22.5) % 16] ?? "N";
}

/** Vector mean of directions in degrees; none if there are none or they cancel out. */
export function meanDirection(degrees: number[]): number | null {
  const radians = degrees.map((one) => (one * Math.PI) / 180);
  const sin = radians.reduce((sum, one) => sum + Math.sin(one), 0);
  const cos = radians.reduce((sum, one) => sum + Math.cos(one), 0);
  if (degrees.length === 0 || Math.hypot(sin, cos) / degrees.length < 1e-9) return null;
  return ((Math.atan2(sin, cos) * 180) / Math.PI + 360) % 360;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const shortClock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayAndClock = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

const isToday = (time: Date): boolean => time.toDateString() === new Date().toDateString();

/** A moment as a person says it: without the day if it is today. */
export function moment(time: Date, withSeconds = true): string {
  if (!isToday(time)) return dayAndClock.format(time);
  return (withSeconds ? clock : shortClock).format(time);
}

/** A stretch of time as a person says it. */
export function span(start: Date, end: Date): string {
  const hours = (end.getTime() - start.getTime()) / 3_600_000;
  if (hours >= 23) return day.format(start);
  const from = moment(start, false);
  return `${from}–${shortClock.format(end)}`;
}

export function utc(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A moment in the viewer's zone; UTC on hover. */
export function timeElement(text: string): HTMLElement {
  const time = new Date(text);
  return h("time", { datetime: text, title: utc(time) }, moment(time));
}

/** How long ago, roughly. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
