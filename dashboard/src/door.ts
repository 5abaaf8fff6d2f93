// Asks for the key, once per tab.

import { Api, Problem, wordsOf } from "./api";
import { Data } from "./data";
import { h } from "./dom";
import type { Farm } from "./types";

const STORED = "veleta.key";

export interface Entered {
  api: Api;
  farms: Farm[];
}

export const storedKey = (): string | null => sessionStorage.getItem(STORED);

export function forgetKey(): void {
  sessionStorage.removeItem(STORED);
}

/** Whether the key opens anything. */
export async function enter(key: string): Promise<Entered> {
  const api = new Api(key);
  const farms = await Data.farms(api);
  sessionStorage.setItem(STORED, key);
  return { api, farms };
}

/** The form; `entered` is called with a key that is good. */
export function door(entered: (entered: Entered) => void, trouble?: string): HTMLElement {
  const input = h("input", {
    id: "key",
    name: "key",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": "key-help key-trouble",
  });
  const alert = h("p", { id: "key-trouble", class: "trouble", role: "alert" }, trouble ?? "");
  const button = h("button", { type: "submit", class: "primary" }, "Open");
  const submit = async (event: Event) => {
    event.preventDefault();
    const key = input.value.trim();
    if (key === "") return;
    button.disabled = true;
    alert.textContent = "";
    try {
      entered(await enter(key));
    } catch (error) {
      alert.textContent = refusal(error);
      button.disabled = false;
      input.setAttribute("aria-invalid", "true");
      input.select();
    }
  };
  const form = h(
    "form",
    { submit: (event) => void submit(event) },
    h("h1", {}, "Veleta"),
    h("p", { class: "lead" }, "Your wind farm, live."),
    h("label", { for: "key" }, "API key"),
    h("div", { class: "field" }, input, button),
    h("p", { id: "key-help", class: "note" }, "It stays in this tab, and is gone when you close it."),
    alert,
  );
  return h("main", { class: "door" }, form);
}

function refusal(error: unknown): string {
  if (error instanceof Problem && error.isAboutTheKey)
    return "This key opens nothing: it is unknown, expired or revoked.";
  if (error instanceof Problem && error.status === 403) return `This key does not let you look: ${error.message}.`;
  return `Not now: ${wordsOf(error)}.`;
}
