// A metric over time: the mean, the band from the least to the greatest value, and who was at each end.

import uPlot from "uplot";

import { h, setText } from "./dom";
import { type Metric, METRICS, number, span, utc } from "./format";
import { colour } from "./theme";
import type { Extreme, Figures, Window } from "./types";

const HEIGHT = 236;
const SYNC = "veleta";
const TABLE_ROWS = 120;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const clockSeconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export interface Shown {
  windows: Window[];
  /** Length of a window, milliseconds. */
  step: number;
  from: number;
  to: number;
}

interface Gap {
  from: number;
  to: number;
}

export class TimeChart {
  readonly element: HTMLElement;
  private metric: Metric;
  private readonly plotBox = h("div", { class: "plot" });
  private readonly tip = h("div", { class: "tip", hidden: true });
  private readonly spoken = h("p", { class: "unseen", "aria-live": "polite" });
  private readonly caption = h("p", { class: "chart-empty", hidden: true }, "No closed window in this range.");
  private readonly table = h("table");
  private readonly details: HTMLDetailsElement;
  private plot: uPlot | undefined;
  private shown: Shown = { windows: [], step: 60_000, from: 0, to: 1 };
  /** The window at each point of the plot; none where there is a gap. */
  private points: (Window | null)[] = [];
  private gaps: Gap[] = [];

  constructor(
    metric: Metric,
    private readonly colourName: string,
  ) {
    this.metric = metric;
    const id = `chart-${metric.name}`;
    const select = h("select", { id, change: (event) => this.choose((event.target as HTMLSelectElement).value) });
    for (const one of METRICS) {
      select.append(h("option", { value: one.name, selected: one.name === metric.name }, `${one.label}, ${one.unit}`));
    }
    this.details = h(
      "details",
      { class: "table-box", toggle: () => this.fillTable() },
      h("summary", {}, "As a table"),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Windows as a table" }, this.table),
    );
    const focusable = h(
      "div",
      {
        class: "plot-box",
        tabindex: 0,
        role: "group",
        "aria-label": "Chart; the arrow keys go from window to window",
        keydown: (event) => this.onKey(event as KeyboardEvent),
        blur: () => this.hideTip(),
      },
      this.plotBox,
      this.tip,
      this.caption,
    );
    this.element = h(
      "div",
      { class: "chart", "data-metric": metric.name },
      h("label", { class: "unseen", for: id }, "Metric of this chart"),
      select,
      focusable,
      this.spoken,
      this.details,
    );
    new ResizeObserver(() => this.resize()).observe(this.plotBox);
  }

  show(shown: Shown): void {
    this.shown = shown;
    this.draw();
    if (this.details.open) this.fillTable();
  }

  /** With the colours of now. */
  redraw(): void {
    this.plot?.destroy();
    this.plot = undefined;
    this.draw();
  }

  private choose(name: string): void {
    const metric = METRICS.find((one) => one.name === name);
    if (!metric) return;
    this.metric = metric;
    this.element.dataset["metric"] = metric.name;
    this.redraw();
    if (this.details.open) this.fillTable();
  }

  private draw(): void {
    const { data, points, gaps } = series(this.shown, this.metric);
    this.points = points;
    this.gaps = gaps;
    this.caption.hidden = points.some((point) => point?.metrics[this.metric.name]);
    const scale = { min: this.shown.from / 1_000, max: this.shown.to / 1_000 };
    if (!this.plot) {
      this.plot = new uPlot(this.options(), data, this.plotBox);
      this.plot.root.setAttribute("aria-hidden", "true");
      followFinger(this.plot);
    }
    this.plot.batch(() => {
      this.plot?.setData(data, false);
      this.plot?.setScale("x", scale);
    });
  }

  private options(): uPlot.Options {
    const main = colour(this.colourName);
    const band = colour(`${this.colourName}-band`);
    const edge = colour(`${this.colourName}-edge`);
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: colour("muted"), font, ticks: { show: false }, gap: 8 };
    const { digits, name } = this.metric;
    const isDirection = name === "wind_direction_deg";
    return {
      width: Math.max(this.plotBox.clientWidth, 200),
      height: HEIGHT,
      padding: [14, 8, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: SYNC, setSeries: false },
        drag: { x: false, y: false },
        y: false,
        points: { size: 7, width: 2, stroke: () => main, fill: () => colour("surface") },
      },
      scales: {
        x: { time: true },
        y: { range: (_, min, max) => (isDirection ? [0, 360] : around(min, max, digits)) },
      },
      axes: [
        {
          ...axis,
          space: 64,
          size: 34,
          grid: { show: false },
          values: (_, splits, __, ___, increment) => splits.map((at) => label(at, increment)),
        },
        {
          ...axis,
          size: 56,
          grid: { stroke: colour("line"), width: 1 },
          values: (_, splits) =>
            splits.map((value) => number(value, Number.isInteger(value) ? 0 : Math.max(1, digits))),
        },
      ],
      series: [
        {},
        { stroke: edge, width: 1, points: { show: false } },
        { stroke: edge, width: 1, points: { show: false } },
        {
          stroke: main,
          width: 2,
          points: { show: (plot, _, from, to) => isSparse(plot, from, to), size: 5, fill: main },
        },
      ],
      bands: [{ series: [1, 2], fill: band }],
      hooks: {
        drawAxes: [(plot) => this.drawGaps(plot)],
        draw: [(plot) => this.drawRevisions(plot)],
        setCursor: [(plot) => this.onCursor(plot)],
      },
    };
  }

  /** Hatched, so that nobody takes it for calm. */
  private drawGaps(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    for (const gap of this.gaps) {
      const left = Math.max(plot.valToPos(gap.from / 1_000, "x", true), bbox.left);
      const right = Math.min(plot.valToPos(gap.to / 1_000, "x", true), bbox.left + bbox.width);
      if (right - left < 1) continue;
      ctx.save();
      ctx.beginPath();
      ctx.rect(left, bbox.top, right - left, bbox.height);
      ctx.clip();
      ctx.strokeStyle = colour("hatch");
      ctx.lineWidth = ratio;
      ctx.beginPath();
      for (let x = left - bbox.height; x < right; x += 7 * ratio) {
        ctx.moveTo(x, bbox.top + bbox.height);
        ctx.lineTo(x + bbox.height, bbox.top);
      }
      ctx.stroke();
      if (right - left > 64 * ratio) {
        ctx.fillStyle = colour("muted");
        ctx.font = `${12 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
        ctx.textAlign = "center";
        const [x, y] = [(left + right) / 2, bbox.top + bbox.height / 2];
        const width = ctx.measureText("no data").width + 12 * ratio;
        ctx.fillStyle = colour("surface");
        ctx.fillRect(x - width / 2, y - 10 * ratio, width, 20 * ratio);
        ctx.fillStyle = colour("muted");
        ctx.textBaseline = "middle";
        ctx.fillText("no data", x, y);
      }
      ctx.restore();
    }
  }

  /** A small mark above each window that late readings have changed. */
  private drawRevisions(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const size = 3.2 * devicePixelRatio;
    ctx.save();
    ctx.fillStyle = colour("revised");
    const xs = plot.data[0];
    this.points.forEach((window, index) => {
      const at = xs[index];
      if (!window || window.revision === 0 || at === undefined) return;
      const x = plot.valToPos(at, "x", true);
      const y = bbox.top - 6 * devicePixelRatio;
      if (x < bbox.left || x > bbox.left + bbox.width) return;
      ctx.beginPath();
      ctx.moveTo(x, y - size);
      ctx.lineTo(x + size, y);
      ctx.lineTo(x, y + size);
      ctx.lineTo(x - size, y);
      ctx.fill();
    });
    ctx.restore();
  }

  private onCursor(plot: uPlot): void {
    const index = plot.cursor.idx;
    const window = index === null || index === undefined ? null : this.points[index];
    if (!window || (plot.cursor.left ?? -1) < 0) {
      this.tip.hidden = true;
      return;
    }
    this.tip.replaceChildren(...this.tipOf(window));
    this.tip.hidden = false;
    const at = plot.valToPos(middle(window), "x") + plot.over.offsetLeft;
    const isRight = at > this.plotBox.clientWidth / 2;
    this.tip.style.left = isRight ? "" : `${at + 14}px`;
    this.tip.style.right = isRight ? `${this.plotBox.clientWidth - at + 14}px` : "";
  }

  private tipOf(window: Window): HTMLElement[] {
    const [start, end] = [new Date(window.start), new Date(window.end)];
    const figures = window.metrics[this.metric.name];
    const rows = figures ? this.tipRows(figures) : [h("p", {}, "nobody sent this metric")];
    const notes = [`${number(window.reading_count)} readings of ${number(window.turbine_count)} turbines`];
    if (window.revision > 0) notes.push(`made anew ${times(window.revision)} by late readings`);
    return [
      h("p", { class: "tip-time" }, span(start, end)),
      h("p", { class: "tip-utc" }, utc(start)),
      ...rows,
      h("p", { class: "tip-note" }, notes.join("; ")),
    ];
  }

  private tipRows(figures: Figures): HTMLElement[] {
    const row = (name: string, value: number | null, extreme?: Extreme) =>
      h(
        "div",
        { class: "tip-row" },
        h("dt", {}, name),
        h("dd", {}, `${number(value, this.metric.digits)} ${this.metric.unit}`),
        h("dd", { class: "tip-turbine" }, extreme ? extreme.turbine_id : ""),
        h("dd", { class: "tip-at" }, extreme ? clockSeconds.format(new Date(extreme.event_time)) : ""),
      );
    return [
      h(
        "dl",
        {},
        row("greatest", figures.max.value, figures.max),
        row("mean", figures.mean),
        row("least", figures.min.value, figures.min),
      ),
    ];
  }

  private hideTip(): void {
    this.plot?.setCursor({ left: -10, top: -10 });
  }

  private onKey(event: KeyboardEvent): void {
    const plot = this.plot;
    if (!plot) return;
    if (event.key === "Escape") return this.hideTip();
    const last = this.points.length - 1;
    const at = (plot.cursor.left ?? -1) < 0 ? null : plot.cursor.idx;
    let index: number;
    let step = 1;
    switch (event.key) {
      case "ArrowLeft":
        index = (at ?? last + 1) - 1;
        step = -1;
        break;
      case "ArrowRight":
        index = (at ?? -1) + 1;
        break;
      case "Home":
        index = 0;
        break;
      case "End":
        index = last;
        step = -1;
        break;
      default:
        return;
    }
    event.preventDefault();
    while (this.points[index] === null) index += step;
    const window = this.points[index];
    if (!window) return;
    plot.setCursor({ left: plot.valToPos(middle(window), "x"), top: 20 });
    setText(this.spoken, this.sentence(window));
  }

  private sentence(window: Window): string {
    const { unit, digits, name } = this.metric;
    const figures = window.metrics[name];
    const when = span(new Date(window.start), new Date(window.end));
    if (!figures) return `${when}: no ${this.metric.label}`;
    const value = (one: number | null) => `${number(one, digits)} ${unit}`;
    const { max, mean, min } = figures;
    const ends = `greatest ${value(max.value)} by ${max.turbine_id}, least ${value(min.value)} by ${min.turbine_id}`;
    return `${when}: mean ${value(mean)}, ${ends}`;
  }

  private fillTable(): void {
    if (!this.details.open) return;
    const { unit, digits, name, label } = this.metric;
    const value = (one: number | null | undefined) => number(one, digits);
    const newest = this.shown.windows.slice(-TABLE_ROWS).reverse();
    const rows = newest.map((window) => {
      const figures = window.metrics[name];
      const start = new Date(window.start);
      return h(
        "tr",
        {},
        h(
          "th",
          { scope: "row" },
          h("time", { datetime: window.start, title: utc(start) }, span(start, new Date(window.end))),
        ),
        h("td", {}, value(figures?.mean)),
        h("td", {}, value(figures?.max.value), " ", h("small", {}, figures?.max.turbine_id ?? "")),
        h("td", {}, value(figures?.min.value), " ", h("small", {}, figures?.min.turbine_id ?? "")),
        h("td", {}, number(window.revision)),
      );
    });
    const heads = ["Window", "Mean", "Greatest, turbine", "Least, turbine", "Revision"];
    this.table.replaceChildren(
      h("caption", {}, `${label}, ${unit}; the newest ${number(rows.length)} windows`),
      h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, ...rows),
    );
  }

  private resize(): void {
    const width = this.plotBox.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }
}

/** The library listens to mice only. */
function followFinger(plot: uPlot): void {
  const follow = ({ pointerType, clientX, clientY }: PointerEvent) => {
    if (pointerType === "mouse") return;
    const { left, top } = plot.over.getBoundingClientRect();
    plot.setCursor({ left: clientX - left, top: clientY - top });
  };
  plot.over.addEventListener("pointerdown", follow);
  plot.over.addEventListener("pointermove", follow);
}

/** Points of the plot, in seconds: each window in its middle, and a break where some are missing. */
function series({ windows, step, from, to }: Shown, metric: Metric) {
  const xs: number[] = [];
  const columns: (number | null)[][] = [[], [], []];
  const points: (Window | null)[] = [];
  const gaps: Gap[] = [];
  const point = (at: number, window: Window | null, values: (number | null)[]) => {
    xs.push(at);
    points.push(window);
    columns.forEach((column, index) => column.push(values[index] ?? null));
  };
  let end: number | undefined;
  for (const window of windows) {
    const start = Date.parse(window.start);
    if (end !== undefined && start - end > step / 2) {
      gaps.push({ from: end, to: start });
      point((end + start) / 2_000, null, []);
    }
    end = Date.parse(window.end);
    const figures = window.metrics[metric.name];
    point(middle(window), window, figures ? [figures.max.value, figures.min.value, figures.mean] : []);
  }
  // the newest window is still open, and its grace on top
  if (end !== undefined && to - end > 3 * step) gaps.push({ from: end, to });
  const data: uPlot.AlignedData = [xs, ...columns] as uPlot.AlignedData;
  return { data, points, gaps: gaps.filter((gap) => gap.to > from) };
}

const middle = (window: Window) => (Date.parse(window.start) + Date.parse(window.end)) / 2_000;

const times = (count: number) => (count === 1 ? "once" : count === 2 ? "twice" : `${count} times`);

/** A scale that is not all noise when values hardly differ. */
function around(min: number | null, max: number | null, digits: number): [number, number] {
  if (min === null || max === null || !Number.isFinite(min) || !Number.isFinite(max)) return [0, 1];
  const least = 10 ** -digits;
  const room = Math.max((max - min) * 0.08, least);
  return [min >= 0 && min - room < 0 ? 0 : min - room, max + room];
}

function isSparse(plot: uPlot, from: number, to: number): boolean {
  return to - from < 40 && plot.width > 0;
}

function label(at: number, increment: number): string {
  const time = new Date(at * 1_000);
  const isMidnight = time.getHours() === 0 && time.getMinutes() === 0;
  return increment >= 86_400 || isMidnight ? day.format(time) : clock.format(time);
}
