// What was refused, what came late or twice, and whether everything is accounted for.

import { type Api, wordsOf } from "./api";
import { MOST_LETTERS } from "./data";
import { h, panel, setText } from "./dom";
import { number, timeElement } from "./format";
import type { Audit, DeadLetter, DeadLetterDetail, PartitionAudit, Window } from "./types";

/** Between two tries to load a record, milliseconds. */
const RAW_INTERVAL = 3_000;

interface Rule {
  count: number;
  newest: DeadLetter;
}

export class Quality {
  readonly element: HTMLElement;
  private readonly audit = h("p", { class: "audit", role: "status" }, "Asking whether everything is accounted for …");
  private readonly counts = h("dl", { class: "counts" });
  private readonly rules = h("div", { class: "rules" });
  private readonly seen = new Set<string>();
  private readonly byRule = new Map<string, Rule>();
  private readonly views = new Map<string, RuleView>();
  private readonly note = h("p", { class: "note" });
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly api: Api) {
    this.element = panel(
      "quality",
      "Data quality",
      this.audit,
      this.counts,
      h("h3", {}, "Dead letters by rule"),
      this.rules,
      this.note,
    );
  }

  showLetters(letters: DeadLetter[]): void {
    this.seen.clear();
    this.byRule.clear();
    letters.forEach((letter) => this.count(letter));
    this.drawRules();
  }

  take(letter: DeadLetter): void {
    if (this.count(letter)) this.drawSoon();
  }

  showWindows(windows: Window[]): void {
    const sum = (pick: (window: Window) => number) => windows.reduce((total, window) => total + pick(window), 0);
    const counts: [string, number, string][] = [
      ["Readings", sum((one) => one.reading_count), "in closed windows of the range"],
      ["Duplicates", sum((one) => one.duplicate_count), "counted once"],
      ["Refused", sum((one) => one.rejected_count), "kept as dead letters"],
      ["Revised windows", windows.filter((one) => one.revision > 0).length, "made anew by late readings"],
    ];
    this.counts.replaceChildren(
      ...counts.map(([label, count, note]) =>
        h("div", {}, h("dt", {}, label), h("dd", {}, number(count), h("span", { class: "note" }, note))),
      ),
    );
  }

  showAudit(audit: Audit | null): void {
    if (!audit) {
      this.audit.className = "audit";
      setText(this.audit, "The balance needs a key that opens all farms.");
      return;
    }
    this.audit.className = `audit ${audit.balanced ? "is-good" : "is-bad"}`;
    setText(this.audit, audit.balanced ? goodSentence(audit) : badSentence(audit));
  }

  showTrouble(error: unknown): void {
    this.audit.className = "audit is-bad";
    setText(this.audit, `The balance is not known: ${wordsOf(error)}`);
  }

  private count(letter: DeadLetter): boolean {
    if (this.seen.has(letter.id)) return false;
    this.seen.add(letter.id);
    const name = letter.rule || "unnamed";
    const known = this.byRule.get(name);
    const isNewer = !known || letter.appended_at >= known.newest.appended_at;
    this.byRule.set(name, { count: (known?.count ?? 0) + 1, newest: isNewer ? letter : known.newest });
    return true;
  }

  /** At most once a second, however many come. */
  private drawSoon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.drawRules();
    }, 1_000);
  }

  private drawRules(): void {
    const sorted = [...this.byRule].sort(([, one], [, other]) => other.count - one.count);
    const elements = sorted.map(([name, rule]) => {
      const view = this.views.get(name) ?? new RuleView(this.api, name);
      this.views.set(name, view);
      view.show(rule);
      return view.element;
    });
    // who is reading one of them keeps the place
    const isSame = elements.length === this.rules.children.length && elements.every((one) => one.isConnected);
    if (!isSame || !this.rules.contains(document.activeElement)) this.rules.replaceChildren(...elements);
    const isFull = this.seen.size >= MOST_LETTERS;
    const full = `The newest ${number(MOST_LETTERS)} of the range are counted.`;
    setText(this.note, this.byRule.size === 0 ? "None in this range." : isFull ? full : "");
  }
}

/** One rule, and the newest record that broke it. */
class RuleView {
  readonly element: HTMLDetailsElement;
  private readonly count = h("span", { class: "rule-count" });
  private readonly newest = h("span", { class: "rule-newest" });
  private readonly value = h("span", { class: "rule-value" });
  private readonly reason = h("p", { class: "reason" });
  private readonly raw = h("pre", {
    class: "raw",
    tabindex: 0,
    role: "region",
    "aria-label": "The record as it came",
  });
  private id = "";
  private shownId = "";

  constructor(
    private readonly api: Api,
    name: string,
  ) {
    const title = h("span", { class: "rule-name" }, name);
    this.element = h(
      "details",
      { "data-rule": name, toggle: () => void this.showRaw() },
      h("summary", {}, title, this.count, this.newest, this.value),
      this.reason,
      this.raw,
    );
  }

  show({ count, newest }: Rule): void {
    setText(this.count, number(count));
    if (newest.id === this.id) return;
    this.id = newest.id;
    this.newest.replaceChildren(timeElement(newest.appended_at));
    const value = newest.value === null ? (newest.reason ?? "") : `${newest.field ?? "value"} ${newest.value}`;
    const bound = newest.value === null || newest.bound === null ? "" : ` wanted ${newest.bound}`;
    this.value.replaceChildren(value, h("small", {}, bound));
    setText(this.reason, newest.reason ?? "");
    void this.showRaw();
  }

  private async showRaw(): Promise<void> {
    const id = this.id;
    if (!this.element.open || this.shownId === id) return;
    this.shownId = id;
    try {
      const letter = await this.api.get<DeadLetterDetail>(`/v1/dead-letters/${encodeURIComponent(id)}`);
      const bytes = letter.payload_text ?? spaced(letter.payload_hex ?? "");
      this.raw.textContent = `record ${letter.id}, key ${letter.key ?? "none"}\n${bytes}`;
    } catch (error) {
      // what has just been refused is not stored yet
      this.shownId = "";
      this.raw.textContent = `not there yet: ${wordsOf(error)}`;
      setTimeout(() => void this.showRaw(), RAW_INTERVAL);
    }
  }
}

/** Bytes in pairs of digits. */
const spaced = (hex: string) => hex.replace(/(..)(?=.)/g, "$1 ");

function readingsOf({ items }: Audit): PartitionAudit[] {
  return items.filter(({ topic }) => topic.endsWith("readings") && !topic.endsWith("late-readings"));
}

function goodSentence(audit: Audit): string {
  const partitions = readingsOf(audit);
  const sum = (pick: (one: PartitionAudit) => number) => partitions.reduce((total, one) => total + pick(one), 0);
  const [stored, duplicates, letters] = [
    sum((one) => one.stored),
    sum((one) => one.duplicates),
    sum((one) => one.dead_letters),
  ];
  const late = audit.items
    .filter(({ topic }) => topic.endsWith("late-readings"))
    .reduce((total, one) => total + one.stored, 0);
  const parts = `${number(stored)} stored + ${number(duplicates)} duplicates + ${number(letters)} dead letters`;
  const lag = partitions.some((one) => one.lag === null) ? "" : ` ${number(sum((one) => one.lag ?? 0))} on their way;`;
  return `Balanced: ${number(stored + duplicates + letters)} readings = ${parts};${lag} ${number(late)} came late.`;
}

function badSentence(audit: Audit): string {
  const wrong = audit.items.filter(({ balanced }) => !balanced).map(({ topic, partition }) => `${topic} ${partition}`);
  return `Not balanced: look at ${wrong.slice(0, 3).join(", ")}${wrong.length > 3 ? ` and ${wrong.length - 3} more` : ""}.`;
}
