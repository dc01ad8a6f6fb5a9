// The package in real pages: several at once through two gateways, the network cut, tabs killed, processes killed.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Program, run } from "../../../tests/cluster/lib/process.mjs";
import { connect } from "../dist/node.js";
import { Proxy, launch, skipWithoutBrowser, watch, withTestPage } from "./browser.mjs";

/** A shard and gateways that serve the test page, a browser, and what goes with them. */
async function withWorld(act, { gateways = 1 } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "ordo-js-world-"));
  const programs = [], closers = [], troubles = [];
  try {
    await withTestPage(async (site) => {
      const shard = new Program("ordo-shard");
      programs.push(shard);
      let endpoints = { data: "tcp://127.0.0.1:*", side: "tcp://127.0.0.1:*" };
      const startShard = async () => {
        shard.start(["--data", join(folder, "shard"), "--listen-data", endpoints.data, "--listen-side", endpoints.side]);
        const [, data, side] = await shard.line(/^ready data=(\S+) side=(\S+)/);
        endpoints = { data, side };
      };
      await startShard();
      const fronts = [];
      for (let i = 0; i < gateways; i++) {
        const program = new Program("ordo-gateway");
        programs.push(program);
        const front = { program, listen: "127.0.0.1:0", async start() {
          program.start(["--listen", front.listen, "--shard", `data=${endpoints.data},side=${endpoints.side}`, "--static", site]);
          front.url = (await program.line(/^ready (\S+)/))[1];
          front.listen = new URL(front.url).host;
        } };
        await front.start();
        fronts.push(front);
      }
      const browser = await launch();
      closers.push(() => browser.close());
      const world = {
        shard, startShard, fronts, browser, troubles, url: fronts[0].url,
        async proxy(front = fronts[0]) {
          const proxy = await new Proxy(front.url).listen();
          closers.push(() => proxy.close());
          return proxy;
        },
        async page(base, query = "", context = undefined) {
          const page = await (context ?? await browser.newContext()).newPage();
          watch(page, troubles);
          await page.goto(`${base}?${query}`);
          await page.waitForFunction(() => window.isReady === true);
          return page;
        },
        node(options = {}) {
          const client = connect({ url: fronts[0].url, ...options });
          closers.push(() => client.close());
          return client;
        },
        cat: async (name) => (await run("ordo", ["doc", "cat", name, "--url", fronts[0].url])).stdout,
      };
      await act(world);
      assert.deepEqual(troubles, []);
    });
  } catch (error) {
    console.error(programs.map((program) => program.log.slice(-3000)).join("\n"));
    throw error;
  } finally {
    for (const close of closers.reverse()) await close();
    await Promise.all(programs.map((program) => program.stop("SIGKILL")));
    await rm(folder, { recursive: true, force: true });
  }
}

const real = (name, act, options) => test(name, { skip: skipWithoutBrowser, timeout: 300_000 }, () => withWorld(act, options));
const http = (front) => front.url.replace(/^ws/, "http").replace("/v1/ws", "/");
const textOf = (page) => page.evaluate(() => doc.text);
const saved = (page) => page.evaluate(() => doc.saved());
const reads = (page, text) => page.waitForFunction((wanted) => doc.text === wanted, text);

async function agree(pages) {
  await Promise.all(pages.map(saved));
  const seq = Math.max(...await Promise.all(pages.map((page) => page.evaluate(() => doc.seq))));
  await Promise.all(pages.map((page) => page.waitForFunction((wanted) => doc.seq >= wanted, seq)));
  const texts = await Promise.all(pages.map(textOf));
  for (const text of texts) assert.equal(text, texts[0]);
  for (const page of pages)
    assert.equal(await page.evaluate(() => window.view === undefined ? doc.text : view.state.sliceDoc()), texts[0], "the editor shows it");
  return texts[0];
}

const paste = (page, text) => page.evaluate((pasted) => {
  const data = new DataTransfer();
  data.setData("text/plain", pasted);
  view.contentDOM.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}, text);

real("pages type at one place through two gateways, while networks and processes go away", async (world) => {
  const proxies = [await world.proxy(world.fronts[0]), await world.proxy(world.fronts[1])];
  const pages = [];
  for (let i = 0; i < 4; i++) pages.push(await world.page(proxies[i % 2].url, `editor&name=p${i}`));
  const names = ["A", "B", "😀", "日"];
  const type = (i, count) => pages[i].evaluate(async ([letter, times]) => {
    for (let n = 0; n < times; n++) {
      const { head } = view.state.selection.main;
      view.dispatch(view.state.replaceSelection(`${letter}${window.typed = (window.typed ?? 0) + 1};`), { userEvent: "input.type" });
      if (head < 0) throw new Error("no caret");
      await new Promise((done) => setTimeout(done, 3));
    }
  }, [names[i], count]);
  for (const page of pages) await page.locator(".cm-content").click();
  await pages[0].keyboard.type("by keyboard: é😀 ");
  const typing = Promise.all(pages.map((_, i) => type(i, 60)));
  await paste(pages[1], "line one\r\nline two\rline three\n");
  await paste(pages[2], `[${"large paste 😀 ".repeat(20_000)}]`);
  proxies[0].cut();
  await world.shard.stop("SIGKILL");
  await world.startShard();
  await type(0, 20); // offline, or nearly
  proxies[0].restore();
  await world.fronts[1].program.stop("SIGKILL");
  await world.fronts[1].start();
  await typing;
  const text = await agree(pages);
  names.forEach((name, i) => {
    for (let n = 1; n <= (i === 0 ? 80 : 60); n++) assert.equal(text.split(`${name}${n};`).length, 2, `${name}${n} stands there once`);
  });
  assert.ok(text.includes("line one\nline two\nline three\n"), "what is pasted has one kind of line end");
  assert.equal(text.match(/large paste 😀 /gu).length, 20_000);
  assert.ok(text.includes("by keyboard: é😀 "));
  assert.equal(await world.cat("c/d"), text);
  for (const page of pages) assert.deepEqual(await page.evaluate(() => events), []);
}, { gateways: 2 });

real("a tab that is killed with unsent and unacked edits loses and doubles nothing", async (world) => {
  const proxy = await world.proxy(), context = await world.browser.newContext();
  const page = await world.page(proxy.url, "", context), other = await world.page(http(world.fronts[0]));
  await page.evaluate(() => doc.insert(0, "saved "));
  await saved(page);
  // Unacked: sent, and the answer never comes back to this tab.
  await page.evaluate(() => { doc.insert(doc.length, "unacked "); });
  await reads(other, "saved unacked ");
  proxy.cut();
  await page.evaluate(() => { doc.insert(doc.length, "unsent "); });
  await page.waitForTimeout(600); // until it is stored
  const crashed = page.waitForEvent("crash"), devtools = await context.newCDPSession(page);
  devtools.send("Page.crash").catch(() => {}); // it cannot answer any more
  await crashed;
  proxy.restore();
  const again = await world.page(proxy.url, "", context);
  await saved(again);
  assert.equal(await agree([again, other]), "saved unacked unsent ");
  assert.equal(await world.cat("c/d"), "saved unacked unsent ");
});

real("a document that was open before opens without a connection; a reload keeps what was typed", async (world) => {
  const context = await world.browser.newContext(), base = http(world.fronts[0]);
  let page = await world.page(base, "", context);
  await page.evaluate(() => doc.insert(0, "before "));
  await saved(page);
  await page.close();
  page = await world.page(base, "offline", context);
  assert.equal(await textOf(page), "before ");
  await page.evaluate(() => doc.insert(doc.length, "offline "));
  await page.reload(); // right away: what was typed is stored as the page goes
  await page.waitForFunction(() => window.isReady === true);
  assert.equal(await textOf(page), "before offline ");
  await page.evaluate(() => client.goOnline());
  await saved(page);
  assert.equal(await world.cat("c/d"), "before offline ");
});

real("a page that may keep nothing, or no more, says so and saves to the server all the same", async (world) => {
  const base = http(world.fronts[0]), full = await (await world.browser.newContext()).newPage();
  watch(full, world.troubles);
  const devtools = await full.context().newCDPSession(full);
  await devtools.send("Storage.overrideQuotaForOrigin", { origin: new URL(base).origin, quotaSize: 1000 });
  await full.goto(base);
  await full.waitForFunction(() => window.isReady === true);
  await full.evaluate(() => doc.insert(0, "no room ".repeat(1000)));
  await saved(full);
  await full.waitForFunction(() => events.some((event) => /^storage: .*quota/i.test(event)));
  await full.evaluate(() => doc.insert(doc.length, "and on"));
  await saved(full);
  await full.reload();
  await full.waitForFunction(() => window.isReady === true);
  assert.equal(await textOf(full), `${"no room ".repeat(1000)}and on`);
  assert.equal(await world.cat("c/d"), await textOf(full));

  const context = await world.browser.newContext();
  await context.addInitScript(() => { // as some browsers have it where nothing may be kept
    IDBFactory.prototype.open = () => { throw new DOMException("not in private browsing", "SecurityError"); };
  });
  const closed = await world.page(base, "id=private", context);
  assert.match((await closed.evaluate(() => events)).join(), /^storage: .*private browsing/);
  await closed.evaluate(() => { client.goOffline(); doc.insert(0, "typed offline"); client.goOnline(); });
  await saved(closed);
  assert.equal(await world.cat("c/private"), "typed offline");
});

real("tabs of one person are several clients, and what a killed one could not send the next one sends", async (world) => {
  const proxy = await world.proxy(), context = await world.browser.newContext();
  const [one, two] = [await world.page(proxy.url, "", context), await world.page(proxy.url, "", context)];
  assert.notEqual(await one.evaluate(() => doc.clientId), await two.evaluate(() => doc.clientId));
  await one.evaluate(() => doc.insert(0, "one "));
  await two.evaluate(() => doc.insert(doc.length, "two "));
  const text = await agree([one, two]);
  await one.evaluate(() => { client.goOffline(); doc.insert(doc.length, "killed "); });
  await one.waitForTimeout(600);
  await one.close();
  const three = await world.page(proxy.url, "", context);
  await reads(three, `${text}killed `);
  await reads(two, `${text}killed `);
  assert.equal(await agree([two, three]), `${text}killed `);
});

real("a field: typing, others' edits beside the caret, undo by the keyboard", async (world) => {
  const page = await world.page(http(world.fronts[0]), "field");
  const doc = world.node().open("c", "d");
  await doc.ready;
  const field = page.locator("#field");
  await field.click();
  await page.keyboard.type("hello wrld");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  await saved(page);
  doc.insert(0, "😀\r\n");
  await page.waitForFunction(() => document.getElementById("field").value.startsWith("😀\n"));
  await page.keyboard.type("o"); // the caret is where it was
  await reads(page, "😀\r\nhello world");
  assert.equal(await field.inputValue(), "😀\nhello world");
  await page.keyboard.press("Control+z");
  await page.waitForFunction(() => doc.text === "😀\r\nhello wrld");
  assert.equal(await field.inputValue(), "😀\nhello wrld");
});

for (const kind of ["editor", "field"]) {
  real(`an input method composes while others edit beside it: ${kind}`, async (world) => {
    const page = await world.page(http(world.fronts[0]), kind), devtools = await page.context().newCDPSession(page);
    const shows = (text) => page.waitForFunction((wanted) =>
      (window.view === undefined ? document.getElementById("field").value : view.state.sliceDoc()) === wanted, text);
    const compose = (text) => devtools.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
    const other = world.node().open("c", "d");
    await other.ready;
    const others = async (act) => {
      act();
      await other.saved();
      await page.waitForFunction((seq) => doc.seq >= seq, other.seq);
    };
    await others(() => other.insert(0, "before  after"));
    await page.locator(kind === "editor" ? ".cm-content" : "#field").click();
    await page.keyboard.press("Home");
    for (let i = 0; i < 7; i++) await page.keyboard.press("ArrowRight");
    await compose("に");
    await others(() => other.insert(0, "A "));
    await compose("にほ");
    await others(() => other.insert(other.length, " Z"));
    await compose("にほん");
    await others(() => other.delete(0, 3)); // "A b"
    await devtools.send("Input.insertText", { text: "日本" });
    await page.keyboard.type("!");
    await reads(page, "efore 日本! after Z");
    await shows("efore 日本! after Z");

    await compose("x"); // given up in the end; what others did meanwhile stays
    await others(() => other.insert(0, "b"));
    await compose("");
    await reads(page, "before 日本! after Z");
    await shows("before 日本! after Z");
    await others(() => other.insert(other.text.indexOf("日本"), "the "));
    await compose("ご");
    await others(() => other.insert(other.text.indexOf("!") + 1, "?")); // right where it composes
    await others(() => other.setText(other.text.replace("日本", "日 本"))); // and right before
    await devtools.send("Input.insertText", { text: "語" });
    await saved(page);
    const text = await textOf(page);
    assert.equal(text.match(/語/gu).length, 1);
    assert.ok(!text.includes("ご"), text);
    assert.equal(text.replace("語", ""), "before the 日 本!? after Z");
    await shows(text);
    await page.waitForFunction((wanted) => doc.seq >= wanted, other.seq);
    assert.equal(await world.cat("c/d"), text);
  });
}

real("React renders the document again when it changes", async (world) => {
  const page = await world.page(http(world.fronts[0]), "react");
  await page.evaluate(() => doc.insert(0, "from the page"));
  await page.waitForFunction(() => document.getElementById("shown")?.textContent === "synced: from the page");
});

real("CodeMirror: others' carets and names, undo of one's own edits, read-only", async (world) => {
  const [a, b] = [await world.page(http(world.fronts[0]), "editor&name=Ada"), await world.page(http(world.fronts[0]), "editor&name=Bob")];
  await a.locator(".cm-content").click();
  await a.keyboard.type("typed by Ada");
  await reads(b, "typed by Ada");
  await b.locator(".ordo-name").waitFor();
  assert.equal(await b.locator(".ordo-name").textContent(), "Ada");
  await b.locator(".cm-content").click();
  await b.keyboard.press("Control+Home");
  await b.keyboard.type("Bob: ");
  await reads(a, "Bob: typed by Ada");
  await a.keyboard.press("Control+z");
  await reads(b, "Bob: ");
  await a.keyboard.press("Control+y");
  assert.equal(await agree([a, b]), "Bob: typed by Ada");
  await b.evaluate(() => doc.deleteDocument());
  await a.waitForFunction(() => doc.isReadOnly && view.state.readOnly && view.state.doc.length === 0);
});

real("CodeMirror: a thousand changes at once are drawn a task later; what is typed in between stands where it was typed", async (world) => {
  const doc = world.node().open("c", "d", { create: true, content: "" });
  await doc.ready;
  const lines = Array.from({ length: 2000 }, (_, i) => `line ${i}\n`);
  doc.setText(lines.join(""));
  await doc.saved();
  const page = await world.page(http(world.fronts[0]), "editor");
  await page.waitForFunction((length) => view.state.doc.length === length, doc.length);
  await page.evaluate(() => {
    const { from } = view.state.doc.line(1001);
    view.focus();
    view.dispatch({ selection: { anchor: from + 5 } }); // line |1000
    window.lengths = [];
    doc.on("change", ({ changes }) => {
      if (changes.length < 1000) return;
      lengths.push(view.state.doc.length, doc.length);
      view.dispatch(view.state.replaceSelection("(here)"));
      setTimeout(() => lengths.push(view.state.doc.length));
    });
  });
  const old = doc.length;
  let at = 0;
  doc.apply(lines.map((line) => { at += line.length; return { from: at - line.length, to: at - line.length, insert: "> " }; }));
  await doc.saved();
  const text = await agree([page]);
  assert.equal(text.split("\n")[1000], "> line (here)1000");
  assert.deepEqual(await page.evaluate(() => lengths), [old, old + 4000, old + 4000 + 6], "taken in, typed, drawn");
  assert.equal(await page.evaluate(() => view.state.sliceDoc(0, view.state.selection.main.head).split("\n").at(-1)), "> line (here)");
  await page.keyboard.type("!");
  assert.equal((await agree([page])).split("\n")[1000], "> line (here)!1000");
});

real("long documents and many edits do not hold a page up", async (world) => {
  const long = "The quick brown fox jumps over the lazy dog. 😀\n".repeat(22_000); // 1 MB
  const doc = world.node().open("c", "d", { create: true, content: "" });
  await doc.ready;
  doc.setText(long);
  await doc.saved();
  const page = await world.page(http(world.fronts[0]), "editor");
  const longest = await page.evaluate(async () => {
    const result = { type: [], longTask: 0 };
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) result.longTask = Math.max(result.longTask, entry.duration);
    }).observe({ type: "longtask" });
    for (let i = 0; i < 200; i++) {
      const at = Math.floor(Math.random() * doc.length), start = performance.now();
      doc.insert(at, "x");
      result.type.push(performance.now() - start);
      await new Promise((done) => setTimeout(done, 5));
    }
    await doc.saved();
    result.type.sort((x, y) => x - y);
    return { p50: result.type[100], p99: result.type[197], longTask: result.longTask };
  });
  // 10,000 pending edits are rebased over 10,000 of others that arrive at once; without an editor, which has its own cost.
  const away = await world.page(http(world.fronts[0]), "");
  await away.evaluate(() => client.goOffline());
  await away.waitForFunction(() => doc.status === "offline");
  const others = world.node().open("c", "d");
  await others.ready;
  for (let i = 0; i < 10_000; i++) {
    others.insert(Math.floor(i * 97) % others.length, "o");
    if (i % 10 === 9) await new Promise((done) => setTimeout(done, 1));
  }
  await others.saved();
  const rebase = await away.evaluate(async () => {
    for (let i = 0; i < 10_000; i++) {
      doc.insert((i * 89) % doc.length, "p");
      if (i % 100 === 0) await new Promise((done) => setTimeout(done));
    }
    let longTask = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) longTask = Math.max(longTask, entry.duration);
    }).observe({ type: "longtask" });
    const start = performance.now();
    client.goOnline();
    await doc.saved();
    return { ms: performance.now() - start, longTask };
  });
  const seq = await away.evaluate(() => doc.seq);
  await page.waitForFunction((wanted) => doc.seq >= wanted, seq);
  console.log(`# typing in 1 MB: p50 ${longest.p50.toFixed(2)} ms, p99 ${longest.p99.toFixed(2)} ms, longest task ${longest.longTask.toFixed(0)} ms; ` +
              `10,000 pending over others' edits: ${rebase.ms.toFixed(0)} ms, longest task ${rebase.longTask.toFixed(0)} ms`);
  const text = await world.cat("c/d");
  assert.equal(await textOf(page), text);
  assert.equal(await textOf(away), text);
  assert.equal(await page.evaluate(() => view.state.sliceDoc()), text);
});
