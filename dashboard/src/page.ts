// The page of a farm: asks once, then listens.

import { type Api, isAbort, Problem, wordsOf } from "./api";
import { TimeChart } from "./chart";
import { Curve } from "./curve";
import { Data, type Windows } from "./data";
import { h, panel, setText } from "./dom";
import { csvOf, save } from "./download";
import { Fleet } from "./fleet";
import { age, type Metric, METRICS } from "./format";
import { Now } from "./now";
import { Quality } from "./quality";
import { nameOf, type Range, RANGES, rangeOf, STEPS } from "./ranges";
import { listen } from "./stream";
import { onThemeChange, themeButton } from "./theme";
import { Turbines } from "./turbines";
import type { DeadLetter, Farm, Reading, Window } from "./types";

const AUDIT_INTERVAL = 15_000;
const RELOAD_INTERVAL = 10 * 60_000;
/** More turbines than that are not asked one by one for the power curve. */
const MOST_CURVES = 30;

export class FarmPage {
  readonly element: HTMLElement;
  private farm: string;
  private range: Range;
  private data: Data;
  private fleet = new Fleet([]);
  private shown: Windows | undefined;
  private energy = new Map<string, number>();
  private loading = new AbortController();
  private listening = new AbortController();
  private isDirty = false;

  private readonly now = new Now();
  private readonly charts: TimeChart[];
  private readonly turbines = new Turbines();
  private readonly curve = new Curve();
  private readonly quality: Quality;
  private readonly live = h("p", { class: "live", role: "status" }, "Connecting …");
  private readonly trouble = h("p", { class: "trouble", role: "alert" });
  private readonly about = h("p", { class: "note" });

  constructor(
    private readonly api: Api,
    farms: Farm[],
    private readonly leave: (trouble?: string) => void,
  ) {
    const asked = new URLSearchParams(location.hash.slice(1));
    const named = farms.find(({ farm_id }) => farm_id === asked.get("farm"));
    this.farm = (named ?? farms[0])?.farm_id ?? "";
    this.range = rangeOf(asked.get("range")) ?? rangeOf("1h") ?? RANGES[0]!;
    this.data = new Data(api, this.farm);
    this.quality = new Quality(api);
    const [power, wind] = METRICS as [Metric, Metric];
    this.charts = [new TimeChart(power, "power"), new TimeChart(wind, "wind")];
    this.element = h("div", { class: "page" }, this.header(farms), this.main());
  }

  start(): void {
    onThemeChange(() => this.charts.forEach((chart) => chart.redraw()));
    setInterval(() => this.tick(), 1_000);
    setInterval(() => void this.loadAudit(), AUDIT_INTERVAL);
    setInterval(() => void this.load(), RELOAD_INTERVAL);
    this.open();
  }

  private open(): void {
    this.listening.abort();
    this.listening = new AbortController();
    const listener = {
      event: (name: string, data: unknown) => this.take(name, data),
      connected: (isConnected: boolean) => this.showLive(isConnected),
      missed: () => void this.load(),
      refused: (error: Problem) => this.leave(error.message),
    };
    // first listen, then ask: what happens in between is told by both, and counts once
    void listen(this.api, this.farm, listener, this.listening.signal);
    void this.load();
  }

  /** Asks for everything that is shown. */
  private async load(): Promise<void> {
    this.loading.abort();
    this.loading = new AbortController();
    const { signal } = this.loading;
    location.replace(`#${new URLSearchParams({ farm: this.farm, range: this.range.id })}`);
    this.element.setAttribute("aria-busy", "true");
    try {
      const turbines = await this.data.turbines(signal);
      this.fleet = new Fleet(turbines);
      this.tick();
      const [windows, letters] = await Promise.all([
        this.data.windows(this.range, signal),
        this.data.deadLetters(this.range, signal),
      ]);
      this.shown = windows;
      this.showWindows();
      this.quality.showLetters(letters);
      this.energy = await this.data.energyToday(signal);
      this.showEnergy();
      await Promise.all([this.loadAudit(), this.loadCurve(signal)]);
      setText(this.trouble, "");
    } catch (error) {
      this.tell(error);
    }
    if (!signal.aborted) this.element.removeAttribute("aria-busy");
  }

  private async loadCurve(signal: AbortSignal): Promise<void> {
    const windows: Window[] = [];
    const ids = this.fleet.all().map(({ id }) => id);
    for (const id of ids.slice(0, MOST_CURVES)) {
      windows.push(...(await this.data.turbineWindows(id, this.range, signal)));
    }
    const resolution = windows[0]?.resolution as keyof typeof STEPS | undefined;
    this.curve.show(windows, nameOf(resolution ?? "1m"));
    this.curve.showNow(this.fleet, Date.now());
  }

  private async loadAudit(): Promise<void> {
    try {
      this.quality.showAudit(await this.data.audit(this.loading.signal));
    } catch (error) {
      if (!isAbort(error)) this.quality.showTrouble(error);
    }
  }

  private tell(error: unknown): void {
    if (isAbort(error)) return;
    if (error instanceof Problem && error.isAboutTheKey) this.leave(error.message);
    else setText(this.trouble, `Not everything could be loaded: ${wordsOf(error)}.`);
  }

  private take(name: string, data: unknown): void {
    if (name === "reading") {
      const reading = data as Reading;
      if (this.fleet.take(reading)) {
        this.curve.take(reading);
        this.refresh();
      }
    } else if (name === "window") {
      this.takeWindow(data as Window);
    } else if (name === "dead_letter") {
      this.quality.take(data as DeadLetter);
    }
  }

  private takeWindow(window: Window): void {
    const shown = this.shown;
    if (shown && shown.resolution === "1m") {
      const others = shown.windows.filter(({ start }) => start !== window.start);
      shown.to = Date.now();
      shown.from = Math.max(shown.from, shown.to - this.range.ms - STEPS["1m"]);
      const from = shown.from;
      shown.windows = [...others, window]
        .filter(({ start }) => Date.parse(start) >= from)
        .sort((one, other) => Date.parse(one.start) - Date.parse(other.start));
      this.showWindows();
    }
    const midnight = new Date().setHours(0, 0, 0, 0);
    if (window.revision === 0 && Date.parse(window.start) >= midnight) {
      this.energy.set(window.start, window.energy_kwh ?? 0);
      this.showEnergy();
    }
  }

  /** Draws at most once per frame, however many readings come. */
  private refresh(): void {
    if (this.isDirty) return;
    this.isDirty = true;
    requestAnimationFrame(() => {
      this.isDirty = false;
      this.tick();
    });
  }

  private tick(): void {
    const now = Date.now();
    this.now.show(this.fleet, now);
    this.turbines.show(this.fleet, now);
    this.curve.showNow(this.fleet, now);
    const newest = this.fleet.newest();
    const seen = this.live.querySelector(".live-age");
    if (seen) setText(seen, newest === undefined ? "no reading yet" : `last reading ${age(now - newest)} ago`);
  }

  private showWindows(): void {
    if (!this.shown) return;
    const { windows, resolution, from, to, isCapped } = this.shown;
    for (const chart of this.charts) chart.show({ windows, step: STEPS[resolution], from, to });
    this.quality.showWindows(windows);
    const what = isCapped ? "This server has minutes only: the last 24 hours" : `Of ${this.range.title}`;
    setText(this.about, `${what}, in ${nameOf(resolution)}. Line: mean; band: least to greatest of any turbine.`);
  }

  private showEnergy(): void {
    const values = [...this.energy.values()];
    this.now.showEnergy(values.length > 0 ? values.reduce((sum, one) => sum + one, 0) : null);
  }

  private showLive(isConnected: boolean): void {
    this.live.classList.toggle("is-live", isConnected);
    if (this.live.dataset["state"] === String(isConnected)) return;
    this.live.dataset["state"] = String(isConnected);
    // only the state is spoken; the age changes each second
    const seen = h("span", { class: "live-age", "aria-hidden": "true" });
    this.live.replaceChildren(h("span", {}, isConnected ? "Live" : "Reconnecting …"), seen);
    this.tick();
  }

  private header(farms: Farm[]): HTMLElement {
    const choose = (event: Event) => {
      this.farm = (event.target as HTMLSelectElement).value;
      this.data = new Data(this.api, this.farm);
      this.fleet = new Fleet([]);
      this.open();
    };
    const options = farms.map(({ farm_id }) =>
      h("option", { value: farm_id, selected: farm_id === this.farm }, farm_id),
    );
    return h(
      "header",
      {},
      h("a", { class: "brand", href: "/" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "Veleta"),
      h("h1", { class: "unseen" }, "Wind farm, live"),
      h("label", { class: "farm" }, h("span", {}, "Farm"), h("select", { id: "farm", change: choose }, ...options)),
      this.live,
      h(
        "div",
        { class: "tools" },
        h("a", { href: "/docs/", class: "quiet" }, "API"),
        themeButton(),
        h("button", { type: "button", class: "quiet", click: () => this.leave() }, "Forget key"),
      ),
    );
  }

  private main(): HTMLElement {
    const radios = RANGES.map((range) => {
      const id = `range-${range.id}`;
      const choose = () => {
        this.range = range;
        void this.load();
      };
      const input = h("input", {
        type: "radio",
        name: "range",
        id,
        checked: range.id === this.range.id,
        change: choose,
      });
      return h("span", {}, input, h("label", { for: id, title: range.title }, range.label));
    });
    const saveCsv = () => {
      if (this.shown) save(`${this.farm}-${this.shown.resolution}.csv`, csvOf(this.shown.windows));
    };
    const controls = h(
      "div",
      { class: "controls" },
      h("fieldset", { class: "ranges" }, h("legend", { class: "unseen" }, "Range"), ...radios),
      h("button", { type: "button", id: "download", click: saveCsv }, "Download CSV"),
    );
    const key = h(
      "ul",
      { class: "key" },
      h("li", { class: "key-revised" }, "made anew by late readings"),
      h("li", { class: "key-gap" }, "no data"),
    );
    const time = panel("time", "Over time", controls, this.about, ...this.charts.map(({ element }) => element), key);
    return h(
      "main",
      {},
      this.trouble,
      this.now.element,
      time,
      this.turbines.element,
      h("div", { class: "pair" }, this.curve.element, this.quality.element),
    );
  }
}
