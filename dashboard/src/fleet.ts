// The turbines of the farm as they were heard last.

import type { Reading, Turbine } from "./types";

/** How long a turbine of unknown habits may say nothing, milliseconds. */
const UNKNOWN_SILENCE = 60_000;
const LEAST_SILENCE = 30_000;

export interface Member {
  id: string;
  latest: Reading | null;
  time: number;
}

export class Fleet {
  private readonly members = new Map<string, Member>();
  /** The time between two readings of a turbine, as far as it is known, milliseconds. */
  private interval: number | undefined;

  constructor(turbines: Turbine[]) {
    for (const { turbine_id, last_event_time, latest } of turbines) {
      this.members.set(turbine_id, { id: turbine_id, latest, time: Date.parse(last_event_time) });
    }
  }

  /** Takes a reading; whether it is news. */
  take(reading: Reading): boolean {
    const time = Date.parse(reading.event_time);
    const known = this.members.get(reading.turbine_id);
    if (known && known.time >= time) return false;
    if (known?.latest) {
      const interval = time - known.time;
      this.interval = Math.min(this.interval ?? interval, interval);
    }
    this.members.set(reading.turbine_id, { id: reading.turbine_id, latest: reading, time });
    return true;
  }

  /** All of them, by name. */
  all(): Member[] {
    const byName = new Intl.Collator(undefined, { numeric: true }).compare;
    return [...this.members.values()].sort((one, other) => byName(one.id, other.id));
  }

  /** Those that were heard when they should have been. */
  reporting(now: number): Member[] {
    return this.all().filter((member) => !this.isSilent(member, now));
  }

  isSilent(member: Member, now: number): boolean {
    const limit = this.interval === undefined ? UNKNOWN_SILENCE : Math.max(LEAST_SILENCE, 3 * this.interval);
    return member.latest === null || now - member.time > limit;
  }

  newest(): number | undefined {
    const times = [...this.members.values()].map(({ time }) => time);
    return times.length > 0 ? Math.max(...times) : undefined;
  }
}
