// The demo page as a person meets it: with two windows, by keyboard alone, on a phone, dark and light, and as an auditor of
// accessibility. ORDO_SHOTS=DIR keeps screenshots to look at.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { demoFolder, launch, skipWithoutBrowser, watch } from "./browser.mjs";
import { withCluster } from "./cluster.mjs";

const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const shots = process.env.ORDO_SHOTS;
if (shots !== undefined) mkdirSync(shots, { recursive: true });

const demo = (name, act, args = []) => test(name, { skip: skipWithoutBrowser, timeout: 300_000 }, () => withCluster(async (cluster) => {
  const troubles = [], browser = await launch();
  try {
    const address = cluster.url.replace("ws:", "http:").replace("/v1/ws", "/");
    const open = async (options = {}, path = "") => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light", bypassCSP: false, ...options });
      await context.addInitScript(() => localStorage.setItem("ordo-color", "#0f766e")); // all of them the same
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      watch(page, troubles);
      await page.goto(address + path);
      await page.locator(".cm-content").waitFor();
      return page;
    };
    await act({ ...cluster, browser, open, address });
    assert.deepEqual(troubles, [], "nothing is reported on the console: no error, nothing that the policy forbids");
  } finally {
    await browser.close();
  }
}, { args: ["--static", demoFolder, ...args] }));

const shot = async (page, name) => {
  if (shots !== undefined) await page.screenshot({ path: join(shots, `${name}.png`) });
};
const status = (page, wanted) => page.waitForFunction((text) => document.getElementById("status-text").textContent.startsWith(text), wanted);

async function audit(page, name) {
  // Read by the test and run by it: the page's policy would not let a page load it.
  await page.evaluate((await import("node:fs")).readFileSync(axePath, "utf8"));
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  assert.deepEqual(violations.map(({ id, help, nodes }) => ({ id, help, where: nodes.map((node) => `${node.target}: ${node.failureSummary}`) })), [], name);
}

demo("two windows, offline and back, the past, dark and light, a phone", async ({ open, doc }) => {
  const a = await open(), b = await open({ viewport: { width: 390, height: 780 }, colorScheme: "dark" });
  await b.locator(".cm-content").click();
  await b.keyboard.press("Control+End");
  await b.keyboard.type("from the phone 😀");
  await a.getByText("from the phone 😀").waitFor();
  await a.locator(".ordo-caret").waitFor();
  await status(a, "Saved");
  await Promise.all([a, b].map((page) => page.waitForFunction(() =>
    new Set([...document.querySelectorAll("#people li")].map((item) => item.style.backgroundColor)).size === 2)));
  await audit(a, "light");
  await audit(b, "phone, dark");
  await shot(a, "light");
  await shot(b, "phone-dark");

  await a.locator("#offline").click();
  await status(a, "Offline");
  await a.locator(".cm-content").click();
  await a.keyboard.press("Control+Home");
  await a.keyboard.type("offline: ");
  await status(a, "Offline · 9 unsaved");
  await a.locator("#theme").click();
  await shot(a, "offline-dark");
  await audit(a, "dark, offline");
  await a.locator("#offline").click();
  await status(a, "Saved");
  await b.getByText("offline: ").waitFor();

  await a.locator("#theme").click();
  await a.locator("#history-open").click();
  await a.locator("#history").waitFor();
  await a.locator(".author-0, .author-1, .author-2, .author-3, .author-4, .author-5, .author-6, .author-7").first().waitFor();
  await audit(a, "history");
  await shot(a, "history");
  await a.locator("#slider").focus();
  await a.keyboard.press("Home");
  await a.keyboard.press("ArrowRight");
  assert.match(await a.locator("#history-what").textContent(), /1 of \d+/);
  const old = await a.locator(".cm-content").innerText();
  await a.locator("#restore").click();
  await a.locator("#history").waitFor({ state: "hidden" });
  await status(a, "Saved");
  await b.waitForFunction((wanted) => !document.querySelector(".sheet").shadowRoot.textContent.includes(wanted), "from the phone");
  assert.match(await doc("cat", "demo/welcome"), /^Welcome to Ordo/);
  assert.ok(!old.includes("from the phone"));

  await b.locator("#menu").click();
  await audit(b, "phone, menu");
  await shot(b, "phone-menu");
});

demo("everything can be done by keyboard alone", async ({ open, doc }) => {
  const page = await open();
  const focused = () => page.evaluate(() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at?.id || at?.className || at?.tagName;
  });
  const tabTo = async (wanted) => {
    for (let i = 0; i < 40; i++) {
      if (String(await focused()).includes(wanted)) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`${wanted} cannot be reached by Tab`);
  };
  await page.evaluate(() => document.activeElement.blur());
  await tabTo("new-title");
  await page.keyboard.type("By keyboard");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("title").textContent === "By keyboard");
  await page.locator(".cm-content").waitFor();
  await tabTo("cm-content");
  await page.keyboard.type("no mouse");
  await status(page, "Saved");
  await page.keyboard.press("Tab"); // is not swallowed by the editor
  assert.ok(!String(await focused()).includes("cm-content"));
  await tabTo("history-open");
  await page.keyboard.press("Enter");
  await page.locator("#history").waitFor();
  await tabTo("history-close");
  await page.keyboard.press("Enter");
  await tabTo("offline");
  await page.keyboard.press("Space");
  await status(page, "Offline");
  await page.keyboard.press("Space");
  await status(page, "Saved");
  const id = await page.evaluate(() => location.hash.slice(2));
  assert.equal(await doc("cat", `demo/${id}`), "no mouse");
});

demo("who finds no place among the writers sees why, and waits for one", async ({ open }) => {
  const writer = await open(), early = await open();
  await writer.locator(".cm-content").click();
  await writer.keyboard.type("mine ");
  await status(writer, "Saved");
  const late = await open({ viewport: { width: 390, height: 780 } });
  await status(late, "Viewing: many are writing");
  await audit(late, "viewer, phone");
  await shot(late, "viewer-phone");
  await early.locator(".cm-content").click();
  await early.keyboard.type("x");
  await status(early, "Waiting for a place · 1 unsaved");
  await shot(early, "waiting");
  await writer.close();
  await status(early, "Saved");
  await late.getByText("x").first().waitFor();
}, ["--writers-max", "1"]);
