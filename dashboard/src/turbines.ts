// Each turbine: power, wind, state.

import { h, panel, s, setText } from "./dom";
import type { Fleet, Member } from "./fleet";
import { age, compassPoint, joined, NOTHING, number, power } from "./format";

type Tone = "good" | "calm" | "warn" | "bad" | "mute";

const STATES: Record<string, [string, Tone]> = {
  GENERATING: ["Generating", "good"],
  DERATED: ["Derated", "warn"],
  IDLE: ["Idle", "calm"],
  STARTING: ["Starting", "calm"],
  STOPPED: ["Stopped", "warn"],
  MAINTENANCE: ["Maintenance", "warn"],
  FAULT: ["Fault", "bad"],
};

export class Turbines {
  readonly element: HTMLElement;
  private readonly list = h("ul", { class: "turbines" });
  private readonly cards = new Map<string, Card>();
  /** The greatest power of any turbine that was seen, kW: what a full bar means. */
  private greatest = 1;
  /** Whose cards are in the list. */
  private shown = "";

  constructor() {
    this.element = panel("turbines", "Turbines", this.list);
  }

  show(fleet: Fleet, now: number): void {
    const members = fleet.all();
    for (const { latest } of members) {
      this.greatest = Math.max(this.greatest, latest?.active_power_kw ?? 0, latest?.theoretical_power_kw ?? 0);
    }
    for (const member of members) {
      let card = this.cards.get(member.id);
      if (!card) {
        card = new Card(member.id);
        this.cards.set(member.id, card);
      }
      card.show(member, fleet.isSilent(member, now), now, this.greatest);
    }
    const shown = members.map(({ id }) => id).join(" ");
    if (shown === this.shown) return;
    this.shown = shown;
    this.list.replaceChildren(...members.map(({ id }) => this.cards.get(id)?.element ?? ""));
  }
}

class Card {
  readonly element: HTMLElement;
  private readonly state = h("span", { class: "state" });
  private readonly value = h("span", { class: "value" });
  private readonly unit = h("span", { class: "unit" });
  private readonly bar = h("span", { class: "bar-fill" });
  private readonly wind = h("span");
  private readonly arrow = s(
    "svg",
    { viewBox: "0 0 16 16", class: "arrow", "aria-hidden": "true" },
    s("path", { d: "M8 14 3.5 3 8 5.2 12.5 3Z" }),
  );

  constructor(id: string) {
    this.element = h(
      "li",
      { class: "turbine", "data-turbine": id },
      h("div", { class: "turbine-head" }, h("h3", {}, id), this.state),
      h("p", { class: "quantity" }, this.value, " ", this.unit),
      h("div", { class: "bar", "aria-hidden": "true" }, this.bar),
      h("p", { class: "turbine-wind" }, this.arrow, this.wind),
    );
  }

  show({ latest, time }: Member, isSilent: boolean, now: number, greatest: number): void {
    const [label, tone] = isSilent
      ? [Number.isFinite(time) ? `Silent ${age(now - time)}` : "Silent", "mute" as Tone]
      : (STATES[latest?.operating_status ?? ""] ?? ["Reporting", "calm" as Tone]);
    setText(this.state, label);
    this.element.dataset["tone"] = tone;
    const { value, unit } = power(latest?.active_power_kw);
    setText(this.value, value);
    setText(this.unit, unit);
    const share = Math.max(0, Math.min(1, (latest?.active_power_kw ?? 0) / greatest));
    this.bar.style.width = `${100 * share}%`;
    const direction = latest?.wind_direction_deg ?? null;
    const speed = joined({ value: number(latest?.wind_speed_mps, 1), unit: "m/s" });
    setText(this.wind, `${speed} ${direction === null ? NOTHING : compassPoint(direction)}`);
    this.arrow.classList.toggle("is-unknown", direction === null);
    // it points where the wind goes
    this.arrow.style.transform = `rotate(${direction ?? 0}deg)`;
  }
}
