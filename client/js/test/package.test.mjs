// What a newcomer does, in README's words: the quickstart, its page in two windows, and the example in an empty project.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { run } from "../../../tests/cluster/lib/process.mjs";
import { launch, skipWithoutBrowser } from "./browser.mjs";
import { skipWithoutBuild } from "./cluster.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Runs deploy/quickstart.sh in a checkout where everything is installed and built: there is nothing to do for apt, cmake, npm. */
async function withQuickstart(act) {
  const folder = await mkdtemp(join(tmpdir(), "ordo-newcomer-")), repository = join(root, "../..");
  for (const made of ["deploy", "client", "build", "bin"]) await mkdir(join(folder, made));
  await symlink(join(repository, "deploy/quickstart.sh"), join(folder, "deploy/quickstart.sh"));
  await symlink(root, join(folder, "client/js"));
  await symlink(process.env.ORDO_BIN, join(folder, "build/bin"));
  for (const idle of ["deploy/install-deps.sh", "bin/cmake", "bin/npm"]) {
    await writeFile(join(folder, idle), "#!/bin/sh\n");
    await chmod(join(folder, idle), 0o755);
  }
  const quickstart = spawn(join(folder, "deploy/quickstart.sh"), ["--data", join(folder, "data"), "--listen", "127.0.0.1:0"],
    { env: { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` }, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(quickstart, "exit");
  try {
    const said = {};
    for await (const line of createInterface({ input: quickstart.stdout })) {
      const [word, address] = line.split(" ");
      said[word] = address;
      if (word === "ready") break;
    }
    assert.ok(said.page !== undefined && said.ready !== undefined, "it says where the page is, and then that it is ready");
    await act({ page: said.page, url: said.ready, folder });
  } finally {
    quickstart.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}

/** Types in one window and reads it in the other; both are of one browser, with the same things kept. */
async function useTwoWindows(address) {
  const browser = await launch();
  try {
    const context = await browser.newContext(), windows = [await context.newPage(), await context.newPage()];
    for (const window of windows) {
      await window.goto(address);
      await window.locator(".cm-content").waitFor();
    }
    const [one, other] = windows;
    await one.locator(".cm-content").click();
    await one.keyboard.press("Control+End");
    await one.keyboard.type("hello from the first window");
    await other.getByText("hello from the first window").waitFor();
    await other.locator(".ordo-caret").first().waitFor();
  } finally {
    await browser.close();
  }
}

/** An empty project with the package as it would be published. Returns what the example prints. */
async function runExample(folder, example, url) {
  const project = join(folder, "project"), modules = join(project, "node_modules");
  await mkdir(modules, { recursive: true });
  const [{ filename }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--silent", "--pack-destination", folder], { cwd: root, encoding: "utf8" }));
  execFileSync("tar", ["xzf", join(folder, filename), "-C", modules]);
  execFileSync("mv", [join(modules, "package"), join(modules, "ordo-client")]);
  await symlink(`${root}node_modules/ws`, join(modules, "ws")); // its one dependency
  await writeFile(join(project, "hello.mjs"), example);
  return (await promisify(execFile)(process.execPath, ["hello.mjs"], { cwd: project, env: { ...process.env, ORDO_URL: url } })).stdout;
}

test("a newcomer's path: the quickstart, its page in two windows, README's example in an empty project",
  { skip: skipWithoutBuild, timeout: 120_000 }, () => withQuickstart(async ({ page, url, folder }) => {
    if (!skipWithoutBrowser) {
      await useTwoWindows(page);
      assert.match((await run("ordo", ["doc", "cat", "demo/welcome", "--url", url])).stdout, /hello from the first window$/);
    }
    const example = (await readFile(`${root}README.md`, "utf8")).match(/```js\n([^]*?)```/)[1];
    assert.equal(await readFile(`${root}examples/hello.mjs`, "utf8"), example);
    assert.match(await runExample(folder, example, url), /^local: Hello, world! \nsaved at 2\n$/);
    assert.equal((await run("ordo", ["doc", "cat", "notes/hello", "--url", url])).stdout, "Hello, world! ");
  }));

test("the package is small, and brings nothing else into a page", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ordo-js-size-"));
  try {
    const result = await build({ entryPoints: [`${root}src/index.ts`], bundle: true, minify: true, format: "esm", target: "es2022",
      outfile: join(folder, "out.js"), metafile: true });
    const inputs = Object.keys(result.metafile.inputs);
    assert.ok(inputs.every((input) => !input.includes("node_modules")), `${inputs}`);
    const [file] = await readdir(folder), size = gzipSync(await readFile(join(folder, file))).length;
    assert.ok(size <= 25 * 1024, `${size} bytes gzipped`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
