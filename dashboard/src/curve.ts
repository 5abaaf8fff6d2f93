// Power over wind: what the turbines made of it, against the reference.

import { h, panel, s, setText } from "./dom";
import type { Fleet } from "./fleet";
import { number } from "./format";
import type { Reading, Window } from "./types";

const WIDTH = 520;
const HEIGHT = 400;
const LEFT = 52;
const BOTTOM = 40;
const TOP = 12;
const RIGHT = 14;
/** The reference is the mean of what turbines told in steps of so many m/s. */
const STEP = 0.5;
const MOST_POINTS = 2_500;

interface Point {
  turbine: string;
  wind: number;
  power: number;
  reference: number | null;
}

export class Curve {
  readonly element: HTMLElement;
  private readonly plot = s("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    class: "curve",
    role: "img",
    "aria-labelledby": "curve-text",
  });
  private readonly text = s("title", { id: "curve-text" }, "Power over wind");
  private readonly still = s("g");
  private readonly moving = s("g", { class: "curve-now" });
  private readonly note = h("p", { class: "note" });
  private points: Point[] = [];
  private readonly minutes = new Map<string, Minute>();
  private mostWind = 16;
  private mostPower = 1_000;

  constructor() {
    this.plot.append(this.text, this.still, this.moving);
    const key = h(
      "ul",
      { class: "key" },
      h("li", { class: "key-past" }, "windows of the range"),
      h("li", { class: "key-now" }, "now"),
      h("li", { class: "key-reference" }, "reference"),
    );
    this.element = panel("curve", "Power curve", this.plot, key, this.note);
  }

  /** The windows of turbines over the range. */
  show(windows: Window[], name: string): void {
    this.minutes.clear();
    this.points = windows.flatMap((window) => {
      const wind = window.metrics.wind_speed_mps?.mean;
      const power = window.metrics.active_power_kw?.mean;
      if (typeof wind !== "number" || typeof power !== "number") return [];
      const reference = window.metrics.theoretical_power_kw?.mean ?? null;
      return [{ turbine: window.turbine_id ?? "", wind, power, reference }];
    });
    setText(this.note, `Means of ${name}, each turbine.`);
    this.redraw();
  }

  /** A minute of a turbine is a point as soon as it is over. */
  take(reading: Reading): void {
    const { turbine_id: turbine, wind_speed_mps: wind, active_power_kw: power } = reading;
    if (wind === null || power === null) return;
    const start = Math.floor(Date.parse(reading.event_time) / 60_000);
    const known = this.minutes.get(turbine);
    if (known && known.start > start) return;
    if (known && known.start < start) {
      this.points.push(known.point(turbine));
      this.points.splice(0, this.points.length - MOST_POINTS);
      this.minutes.delete(turbine);
      this.redraw();
    }
    const minute = this.minutes.get(turbine) ?? new Minute(start);
    minute.add(wind, power, reading.theoretical_power_kw);
    this.minutes.set(turbine, minute);
  }

  showNow(fleet: Fleet, now: number): void {
    const dots = fleet.reporting(now).flatMap(({ id, latest }) => {
      const [wind, power] = [latest?.wind_speed_mps, latest?.active_power_kw];
      if (typeof wind !== "number" || typeof power !== "number") return [];
      if (wind > this.mostWind || power > this.mostPower) this.redraw();
      const text = `${id} now: ${number(power)} kW at ${number(wind, 1)} m/s`;
      return [s("circle", { cx: this.x(wind), cy: this.y(power), r: 5 }, s("title", {}, text))];
    });
    this.moving.replaceChildren(...dots);
  }

  private redraw(): void {
    const greatest = (values: number[], least: number) => values.reduce((most, one) => Math.max(most, one), least);
    this.mostWind =
      Math.ceil(
        greatest(
          this.points.map(({ wind }) => wind),
          12,
        ) / 2,
      ) * 2;
    const powers = this.points.flatMap(({ power, reference }) => [power, reference ?? 0]);
    const unit = roundStep(greatest(powers, 100) / 4);
    this.mostPower = Math.ceil(greatest(powers, 100) / unit) * unit;
    const reference = this.reference();
    this.still.replaceChildren(
      ...this.axes(unit),
      s(
        "g",
        { class: "curve-past" },
        ...this.points.map(({ turbine, wind, power }) =>
          s(
            "circle",
            { cx: this.x(wind), cy: this.y(power), r: 2.6 },
            s("title", {}, `${turbine}: ${number(power)} kW at ${number(wind, 1)} m/s`),
          ),
        ),
      ),
      s("polyline", {
        class: "curve-reference",
        points: reference.map(([wind, power]) => `${this.x(wind)},${this.y(power)}`).join(" "),
      }),
    );
    const sentence =
      this.points.length === 0
        ? "Power over wind: no data yet"
        : `Power over wind: ${number(this.points.length)} points from 0 to ${number(this.mostWind)} m/s and up to ${number(this.mostPower)} kW, with the reference curve`;
    setText(this.text, sentence);
  }

  /** Mean wind and mean reference of each step, by wind. */
  private reference(): [number, number][] {
    const steps = new Map<number, { count: number; wind: number; power: number }>();
    for (const { wind, reference } of this.points) {
      if (reference === null) continue;
      const step = steps.get(Math.floor(wind / STEP)) ?? { count: 0, wind: 0, power: 0 };
      step.count += 1;
      step.wind += wind;
      step.power += reference;
      steps.set(Math.floor(wind / STEP), step);
    }
    // where only a few have been, chance would draw the line
    const least = this.points.length > 100 ? 3 : 1;
    const known = [...steps.values()].filter(({ count }) => count >= least);
    const means = known.map(({ count, wind, power }): [number, number] => [wind / count, power / count]);
    return means.sort(([one], [other]) => one - other);
  }

  private axes(unit: number): SVGElement[] {
    const lines: SVGElement[] = [];
    for (let power = 0; power <= this.mostPower; power += unit) {
      const y = this.y(power);
      lines.push(
        s("line", { class: "curve-grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y }),
        s("text", { x: LEFT - 8, y, "text-anchor": "end", "dominant-baseline": "central" }, number(power)),
      );
    }
    for (let wind = 0; wind <= this.mostWind; wind += this.mostWind > 16 ? 4 : 2) {
      lines.push(s("text", { x: this.x(wind), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, number(wind)));
    }
    lines.push(
      s("text", { class: "curve-unit", x: WIDTH - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }, "wind, m/s"),
      s("text", { class: "curve-unit", x: LEFT + 6, y: TOP + 4, "dominant-baseline": "hanging" }, "power, kW"),
    );
    return lines;
  }

  private x(wind: number): number {
    return LEFT + (Math.min(wind, this.mostWind) / this.mostWind) * (WIDTH - LEFT - RIGHT);
  }

  private y(power: number): number {
    const share = Math.max(-0.02, Math.min(power / this.mostPower, 1));
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
  }
}

/** The minute that a turbine is in. */
class Minute {
  private count = 0;
  private wind = 0;
  private power = 0;
  private reference = 0;
  private references = 0;

  constructor(readonly start: number) {}

  add(wind: number, power: number, reference: number | null): void {
    this.count += 1;
    this.wind += wind;
    this.power += power;
    if (reference !== null) {
      this.reference += reference;
      this.references += 1;
    }
  }

  point(turbine: string): Point {
    return {
      turbine,
      wind: this.wind / this.count,
      power: this.power / this.count,
      reference: this.references > 0 ? this.reference / this.references : null,
    };
  }
}

/** 1, 2 or 5 times a power of ten, at least so much. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10) * power;
}
