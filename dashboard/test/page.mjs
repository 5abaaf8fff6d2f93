// A person at the page, in a real Chromium. `end-to-end` has filled the farms and says where the API is:
// farm-1 has a history with everything that can go wrong and reports each second, farm-2 closes a minute each second
// or two. With SHOTS it leaves pictures in that folder.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { env } from "node:process";

import { chromium } from "playwright-core";

const { API_URL: url, API_KEY: key, SHOTS: shots } = env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE = 30_000;

/** Debian's, or what CHROMIUM names. */
function browserPath() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const folders = env.PATH.split(delimiter);
  const found = folders.flatMap((folder) => names.map((name) => join(folder, name))).find(existsSync);
  return env.CHROMIUM ?? found ?? assert.fail("no Chromium on the PATH; CHROMIUM may name it");
}

const steps = [];
const step = (name, run) => steps.push([name, run]);

const browser = await chromium.launch({ executablePath: browserPath(), args: ["--no-sandbox"] });
let errors = [];

/** A page in a browser of its own, whose complaints are kept. */
async function visitor(options) {
  const common = { locale: "en-GB", timezoneId: "Europe/Madrid", colorScheme: "light" };
  const context = await browser.newContext({ ...common, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(`${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  return page;
}

const page = await visitor({ viewport: { width: 1280, height: 900 }, deviceScaleFactor: 1.5 });

async function hasNoSeriousFault(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = serious.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`,
  );
  assert.deepEqual(told, [], what);
}

const loaded = (visited = page) => visited.waitForSelector(".page:not([aria-busy])");
const picture = async (name) => {
  if (!shots) return;
  await page.mouse.move(0, 0);
  await page.setViewportSize({ width: 1280, height: 1530 }); // down to the turbines
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: join(shots, name) });
};

step("a wrong key says so", async () => {
  await page.goto(url);
  await page.getByLabel("API key").fill("vel_wrong");
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByText("This key opens nothing: it is unknown, expired or revoked.").waitFor();
  await hasNoSeriousFault(page, "the door");
  // that a request was refused is the browser's to say; anything else is not
  assert.ok(
    errors.every((error) => error.includes("401")),
    errors.join("\n"),
  );
  errors = [];
});

step("the right key opens the farm, and is asked for once", async () => {
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Open" }).click();
  await loaded();
  await page.reload();
  await loaded();
  await page.getByText("Live", { exact: true }).waitFor();
  assert.equal(await page.locator("#now-reporting .value").textContent(), "10");
});

step("readings appear without a reload", async () => {
  const wind = page.locator('[data-turbine="T01"] .turbine-wind span');
  const before = await wind.textContent();
  await page.waitForFunction(
    (before) => document.querySelector('[data-turbine="T01"] .turbine-wind span').textContent !== before,
    before,
  );
});

step("hovering names the turbine behind each end", async () => {
  const box = await page.locator(".chart .plot").first().boundingBox();
  await page.mouse.move(box.x + box.width * 0.7, box.y + box.height / 2);
  const tip = page.locator(".tip:visible").first();
  await tip.waitFor();
  for (const name of await tip.locator(".tip-row:nth-child(odd) .tip-turbine").allTextContents()) {
    assert.match(name, /^T\d\d$/);
  }
  assert.match(await tip.locator(".tip-utc").textContent(), /^2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
});

step("the keyboard goes from window to window, and it is spoken", async () => {
  await page.mouse.move(0, 0);
  const chart = page.locator(".plot-box").first();
  await chart.focus();
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowLeft");
  const spoken = page.locator(".chart [aria-live]").first();
  await page.waitForFunction(() => document.querySelector(".chart [aria-live]").textContent !== "");
  assert.match(await spoken.textContent(), /: mean .* kW, greatest .* by T\d\d, least .* by T\d\d/);
  await page.keyboard.press("Escape");
});

step("what was refused is shown with its value, and the balance is told", async () => {
  await page.locator("#range-6h + label").click();
  await loaded();
  await page.locator(".audit.is-good").waitFor();
  const rule = page.locator(".rules details").first();
  assert.match(await rule.locator(".rule-count").textContent(), /\d/);
  await rule.locator("summary").click();
  await page.waitForFunction(() => document.querySelector(".rules .raw").textContent.startsWith("record "));
  await rule.locator("summary").click();
});

step("what is shown can be taken along", async () => {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#download").click()]);
  const csv = readFileSync(await download.path(), "utf8").split("\r\n");
  assert.ok(csv.length > 60 && csv[0].startsWith("farm_id,start,end,"), csv[0]);
});

step("it looks right in the light and in the dark", async () => {
  await hasNoSeriousFault(page, "light");
  await picture("page-light.png");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.waitForTimeout(300); // colours fade
  await hasNoSeriousFault(page, "dark");
  await picture("page-dark.png");
  await page.emulateMedia({ colorScheme: "light" });
});

step("it works on a phone", async () => {
  const phone = await visitor({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  await phone.goto(url);
  await phone.getByLabel("API key").fill(key);
  await phone.keyboard.press("Enter");
  await loaded(phone);
  await hasNoSeriousFault(phone, "phone");
  const width = await phone.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `it scrolls sideways: ${width}`);
  await phone
    .locator(".chart .plot")
    .first()
    .tap({ position: { x: 200, y: 80 } });
  await phone.locator(".tip:visible .tip-turbine").first().waitFor();
  await phone.context().close();
});

step("minutes appear without a reload", async () => {
  await page.locator("#range-1h + label").click();
  await page.getByLabel("Farm").selectOption("farm-2");
  await loaded();
  await page.locator(".table-box summary").first().click();
  const newest = page.locator(".table-box tbody time").first();
  const before = await newest.getAttribute("datetime");
  await page.waitForFunction(
    (before) => document.querySelector(".table-box tbody time").getAttribute("datetime") > before,
    before,
  );
});

step("there is nothing in the console", () => {
  assert.deepEqual(errors, []);
});

let failed = false;
for (const [name, run] of steps) {
  const began = performance.now();
  try {
    await run();
    console.log(`ok ${((performance.now() - began) / 1_000).toFixed(1)} s: ${name}`);
  } catch (error) {
    failed = true;
    console.log(`FAILED: ${name}\n${error.stack}\n${errors.join("\n")}`);
    if (shots) await page.screenshot({ path: join(shots, "failed.png"), fullPage: true });
    break;
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
