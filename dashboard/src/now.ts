// The farm at this moment.

import { h, panel, setText } from "./dom";
import type { Fleet } from "./fleet";
import { compassPoint, energy, meanDirection, number, power, type Quantity } from "./format";
import { Rose } from "./rose";

interface Tile {
  element: HTMLElement;
  show(quantity: Quantity, note: string): void;
}

export class Now {
  readonly element: HTMLElement;
  private readonly power = tile("Power", "power");
  private readonly wind = tile("Wind", "wind");
  private readonly reporting = tile("Turbines reporting", "reporting");
  private readonly energy = tile("Energy today", "energy");
  private readonly rose = new Rose();
  private readonly from = h("p", { class: "rose-caption" });

  constructor() {
    const tiles = [this.power, this.wind, this.reporting, this.energy].map(({ element }) => element);
    this.element = panel(
      "now",
      "Now",
      h("dl", { class: "tiles" }, ...tiles),
      h("div", { class: "rose-box" }, this.rose.element, this.from),
    );
  }

  show(fleet: Fleet, now: number): void {
    const all = fleet.all();
    const members = fleet.reporting(now);
    const values = (pick: "active_power_kw" | "wind_speed_mps" | "theoretical_power_kw") =>
      members.map(({ latest }) => latest?.[pick]).filter((value): value is number => typeof value === "number");
    const powers = values("active_power_kw");
    const possible = sum(values("theoretical_power_kw"));
    const total = powers.length > 0 ? sum(powers) : null;
    const share = total !== null && possible > 0 ? `${number((100 * total) / possible)} % of what the wind allows` : "";
    this.power.show(power(total), share);

    const winds = values("wind_speed_mps");
    const mean = winds.length > 0 ? sum(winds) / winds.length : null;
    const ends = winds.length > 0 ? `${number(Math.min(...winds), 1)} to ${number(Math.max(...winds), 1)} m/s` : "";
    this.wind.show({ value: number(mean, 1), unit: "m/s" }, ends);

    const silent = all.filter((member) => !members.includes(member)).map(({ id }) => id);
    const note = silent.length === 0 ? "all of them" : `silent: ${listed(silent)}`;
    this.reporting.show(
      { value: number(members.length), unit: `of ${number(all.length)}` },
      all.length > 0 ? note : "",
    );

    const directions = members.flatMap(({ id, latest }) =>
      typeof latest?.wind_direction_deg === "number" ? [{ id, degrees: latest.wind_direction_deg }] : [],
    );
    const direction = meanDirection(directions.map(({ degrees }) => degrees));
    this.rose.show(direction, directions);
    setText(
      this.from,
      direction === null ? "direction unknown" : `from ${compassPoint(direction)}, ${number(direction)}°`,
    );
  }

  showEnergy(kwh: number | null): void {
    this.energy.show(energy(kwh), "since midnight, closed minutes");
  }
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

function listed(ids: string[]): string {
  const shown = ids.slice(0, 4).join(", ");
  return ids.length > 4 ? `${shown} and ${ids.length - 4} more` : shown;
}

function tile(label: string, id: string): Tile {
  const value = h("span", { class: "value" });
  const unit = h("span", { class: "unit" });
  const note = h("span", { class: "note" });
  const element = h(
    "div",
    { class: "tile", id: `now-${id}` },
    h("dt", {}, label),
    h("dd", {}, h("span", { class: "quantity" }, value, " ", unit), note),
  );
  return {
    element,
    show(quantity, text) {
      setText(value, quantity.value);
      setText(unit, quantity.unit);
      setText(note, text);
    },
  };
}
