// Dark or light: as the system has it, unless the viewer says otherwise.

import { h } from "./dom";

type Theme = "auto" | "light" | "dark";

const STORED = "veleta.theme";
const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const LABELS: Record<Theme, string> = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };

const isTheme = (text: string | null): text is Theme => text !== null && text in NEXT;

/** Puts the stored theme into force. */
export function applyTheme(): Theme {
  const stored = localStorage.getItem(STORED);
  const theme = isTheme(stored) ? stored : "auto";
  document.documentElement.dataset["theme"] = theme;
  return theme;
}

/** A button that goes from one theme to the next. */
export function themeButton(): HTMLElement {
  const button = h("button", { type: "button", class: "quiet" });
  const show = (theme: Theme) => {
    button.textContent = LABELS[theme];
  };
  show(applyTheme());
  button.addEventListener("click", () => {
    localStorage.setItem(STORED, NEXT[applyTheme()]);
    show(applyTheme());
    window.dispatchEvent(new Event("themechange"));
  });
  return button;
}

/** Calls whenever colours may have changed. */
export function onThemeChange(call: () => void): void {
  window.addEventListener("themechange", call);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", call);
}

const probe = h("span", { hidden: true });

/** A colour of the style sheet, as a canvas understands it. */
export function colour(name: string): string {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}
