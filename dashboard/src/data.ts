// What the page asks the API for.

import { type Api, Problem } from "./api";
import { type Range, type Resolution, STEPS } from "./ranges";
import type { Audit, DeadLetter, Farm, Turbine, Window } from "./types";

/** An API without roll-ups gives minutes only, and more than a day of them is too much for a page. */
const MOST_MINUTES_MS = 24 * 3_600_000;

/** Dead letters that are counted at most. */
export const MOST_LETTERS = 1_000;

export interface Windows {
  windows: Window[];
  resolution: Resolution;
  from: number;
  to: number;
  /** Whether less is shown than was asked for. */
  isCapped: boolean;
}

export class Data {
  /** Whether there are windows longer than a minute; known after the first refusal. */
  private hasRollUps = true;

  constructor(
    private readonly api: Api,
    readonly farm: string,
  ) {}

  private get path(): string {
    return `/v1/farms/${encodeURIComponent(this.farm)}`;
  }

  static farms(api: Api): Promise<Farm[]> {
    return api.list<Farm>("/v1/farms", {}, 10_000);
  }

  turbines(signal: AbortSignal): Promise<Turbine[]> {
    return this.api.list<Turbine>(`${this.path}/turbines`, {}, 10_000, signal);
  }

  /** The windows of the farm over a range that ends now. */
  async windows(range: Range, signal: AbortSignal): Promise<Windows> {
    const to = Date.now();
    const wanted = async (resolution: Resolution, ms: number): Promise<Windows> => {
      const from = Math.floor((to - ms) / STEPS[resolution]) * STEPS[resolution];
      const windows = await this.list(`${this.path}/windows`, resolution, from, to, signal);
      return { windows, resolution, from, to, isCapped: ms < range.ms };
    };
    return this.withRollUps(
      range.resolution,
      () => wanted(range.resolution, range.ms),
      () => wanted("1m", Math.min(range.ms, MOST_MINUTES_MS)),
    );
  }

  /** Windows of one turbine, the newest first; minutes only where there is nothing longer. */
  turbineWindows(turbine: string, range: Range, signal: AbortSignal): Promise<Window[]> {
    const path = `${this.path}/turbines/${encodeURIComponent(turbine)}/windows`;
    const resolution = range.ms > STEPS["1h"] && range.resolution === "1m" ? "10m" : range.resolution;
    const from = new Date(Date.now() - range.ms).toISOString();
    const ask = (resolution: Resolution, most: number) =>
      this.api.list<Window>(path, { resolution, from }, most, signal);
    return this.withRollUps(
      resolution,
      () => ask(resolution, 200),
      () => ask("1m", 60),
    );
  }

  /** What the farm has made since the viewer's midnight, kWh by start of window. */
  async energyToday(signal: AbortSignal): Promise<Map<string, number>> {
    const midnight = new Date();
    midnight.setHours(0, 0, 0, 0);
    const step = STEPS["10m"];
    const now = Date.now();
    const path = `${this.path}/windows`;
    const minutes = () => this.list(path, "1m", midnight.getTime(), now, signal);
    const isAligned = midnight.getTime() % step === 0;
    const full = Math.floor(now / step) * step;
    const windows = await this.withRollUps(
      isAligned ? "10m" : "1m",
      async () =>
        isAligned
          ? [
              ...(await this.list(path, "10m", midnight.getTime(), full, signal)),
              ...(await this.list(path, "1m", full, now, signal)),
            ]
          : minutes(),
      minutes,
    );
    return new Map(windows.map((window) => [window.start, window.energy_kwh ?? 0]));
  }

  deadLetters(range: Range, signal: AbortSignal): Promise<DeadLetter[]> {
    const from = new Date(Date.now() - range.ms).toISOString();
    return this.api.list("/v1/dead-letters", { farm: this.farm, from }, MOST_LETTERS, signal);
  }

  /** None for a key that is limited to some farms. */
  async audit(signal: AbortSignal): Promise<Audit | null> {
    try {
      return await this.api.get<Audit>("/v1/audit", {}, signal);
    } catch (error) {
      if (error instanceof Problem && error.status === 403) return null;
      throw error;
    }
  }

  private list(path: string, resolution: Resolution, from: number, to: number, signal: AbortSignal): Promise<Window[]> {
    const parameters = {
      resolution,
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      order: "asc",
    };
    return this.api.list<Window>(path, parameters, 10_000, signal);
  }

  private async withRollUps<T>(resolution: Resolution, ask: () => Promise<T>, otherwise: () => Promise<T>): Promise<T> {
    if (resolution === "1m") return ask();
    if (!this.hasRollUps) return otherwise();
    try {
      return await ask();
    } catch (error) {
      const isAboutIt = error instanceof Problem && error.errors.some(({ parameter }) => parameter === "resolution");
      if (!isAboutIt) throw error;
      this.hasRollUps = false;
      return otherwise();
    }
  }
}
