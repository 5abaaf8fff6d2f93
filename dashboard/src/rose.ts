// Where the wind comes from: a compass rose with a vane, and a tick for each turbine.

import { s, setText } from "./dom";
import { compassPoint, number } from "./format";

const CENTRE = 100;
const RIM = 82;

export class Rose {
  readonly element: SVGSVGElement;
  private readonly title = s("title", { id: "rose-title" }, "Wind direction unknown");
  private readonly ticks = s("g", { class: "rose-turbines" });
  private readonly vane: SVGGElement;
  private turned = 0;

  constructor() {
    this.vane = s(
      "g",
      { class: "rose-vane" },
      s("path", { d: "M100 30 L111 70 L100 62 L89 70 Z", class: "rose-head" }),
      s("path", { d: "M100 62 V158", class: "rose-shaft" }),
      s("path", { d: "M100 158 L91 170 V152 L100 140 L109 152 V170 Z", class: "rose-tail" }),
    );
    this.element = s(
      "svg",
      { viewBox: "0 0 200 200", class: "rose", role: "img", "aria-labelledby": "rose-title" },
      this.title,
      s("circle", { cx: CENTRE, cy: CENTRE, r: RIM, class: "rose-rim" }),
      ...scale(),
      this.ticks,
      this.vane,
      s("circle", { cx: CENTRE, cy: CENTRE, r: 4, class: "rose-pin" }),
    );
  }

  /** The mean direction, and those of single turbines, degrees from north that the wind comes from. */
  show(mean: number | null, turbines: { id: string; degrees: number }[]): void {
    this.vane.classList.toggle("is-unknown", mean === null);
    if (mean !== null) {
      // by the shorter way
      this.turned += ((((mean - this.turned) % 360) + 540) % 360) - 180;
      this.vane.style.transform = `rotate(${this.turned}deg)`;
      setText(this.title, `Wind from ${compassPoint(mean)}, ${number(mean)}°`);
    } else {
      setText(this.title, "Wind direction unknown");
    }
    this.ticks.replaceChildren(
      ...turbines.map(({ id, degrees }) =>
        s(
          "line",
          { x1: CENTRE, x2: CENTRE, y1: CENTRE - RIM - 5, y2: CENTRE - RIM + 5, transform: turn(degrees) },
          s("title", {}, `${id}: ${number(degrees)}°`),
        ),
      ),
    );
  }
}

const turn = (degrees: number) => `rotate(${degrees} ${CENTRE} ${CENTRE})`;

function scale(): SVGElement[] {
  const marks = Array.from({ length: 36 }, (_, tens) => {
    const length = tens % 9 === 0 ? 9 : tens % 3 === 0 ? 6 : 3;
    const ends = { x1: CENTRE, x2: CENTRE, y1: CENTRE - RIM, y2: CENTRE - RIM + length };
    return s("line", { ...ends, class: "rose-mark", transform: turn(tens * 10) });
  });
  const letters = [..."NESW"].map((letter, quarter) => {
    const angle = (quarter * Math.PI) / 2;
    const [x, y] = [CENTRE + 62 * Math.sin(angle), CENTRE - 62 * Math.cos(angle)];
    return s("text", { x, y, class: "rose-letter", "text-anchor": "middle", "dominant-baseline": "central" }, letter);
  });
  return [...marks, ...letters];
}
