// Headless Chromium for a test: Debian's, driven by playwright-core. Without it the tests are skipped, and say so.
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { createServer, connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const executable = process.env.ORDO_CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync);
export const skipWithoutBrowser = process.env.ORDO_BIN === undefined ? "ORDO_BIN is not set"
  : executable === undefined && "no chromium: install Debian's, or let ORDO_CHROMIUM name one";
export const demoFolder = fileURLToPath(new URL("../demo/dist", import.meta.url));

export const launch = () => chromium.launch({ executablePath: executable, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });

/** Builds the test page (test/page) into a folder for `act`, which a gateway may serve. `options`: more for esbuild. */
export async function withTestPage(act, { entry = "app.jsx", ...options } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "ordo-js-page-"));
  const from = fileURLToPath(new URL("page/", import.meta.url));
  try {
    await build({ entryPoints: [from + entry], outfile: join(folder, "app.js"), bundle: true, format: "esm", target: "es2022", minify: true,
      logLevel: "warning", define: { "process.env.NODE_ENV": '"production"' }, ...options });
    await copyFile(`${from}index.html`, join(folder, "index.html"));
    await act(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Messages of the page that no test wants to see. */
export function watch(page, troubles) {
  page.on("pageerror", (error) => troubles.push(String(error.stack ?? error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/WebSocket connection|ERR_/.test(message.text())) troubles.push(message.text());
  });
}

/** Between a page and a gateway: the network that a test can cut. */
export class Proxy {
  #sockets = new Set();
  isCut = false;

  constructor(target) { this.target = target; }

  async listen() {
    this.server = createServer((socket) => {
      if (this.isCut) return socket.destroy();
      const { hostname, port } = new URL(this.target);
      const to = connectTcp({ host: hostname, port: Number(port) });
      for (const [one, other] of [[socket, to], [to, socket]]) {
        this.#sockets.add(one);
        one.on("error", () => other.destroy());
        one.on("close", () => { this.#sockets.delete(one); other.destroy(); });
      }
      socket.pipe(to);
      to.pipe(socket);
    });
    await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${this.server.address().port}/`;
    return this;
  }

  cut() {
    this.isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  restore() { this.isCut = false; }

  close() {
    this.cut();
    return new Promise((done) => this.server.close(done));
  }
}
