import "uplot/dist/uPlot.min.css";
import "./style.css";

import { wordsOf } from "./api";
import { door, enter, type Entered, forgetKey, storedKey } from "./door";
import { h } from "./dom";
import { FarmPage } from "./page";
import { applyTheme } from "./theme";

const root = document.getElementById("page") ?? document.body;

function ask(trouble?: string): void {
  root.replaceChildren(door(open, trouble));
  root.querySelector<HTMLInputElement>("#key")?.focus();
}

function open({ api, farms }: Entered): void {
  if (farms.length === 0) {
    const again = h("button", { type: "button", class: "primary", click: () => location.reload() }, "Look again");
    root.replaceChildren(
      h("main", { class: "door" }, h("h1", {}, "Veleta"), h("p", {}, "No farm has reported yet."), again),
    );
    return;
  }
  const page = new FarmPage(api, farms, (trouble) => {
    forgetKey();
    if (trouble) sessionStorage.setItem("veleta.trouble", trouble);
    // anew, so that nothing of the farm stays in memory
    location.replace("/");
    location.reload();
  });
  root.replaceChildren(page.element);
  page.start();
}

async function start(): Promise<void> {
  applyTheme();
  const trouble = sessionStorage.getItem("veleta.trouble") ?? undefined;
  sessionStorage.removeItem("veleta.trouble");
  const key = storedKey();
  if (key === null) return ask(trouble);
  try {
    open(await enter(key));
  } catch (error) {
    forgetKey();
    ask(`The key of this tab does not work any more: ${wordsOf(error)}.`);
  }
}

void start();
