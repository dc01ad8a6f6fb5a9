// What a newcomer does: the package as it would be published, in an empty project, and README's example in it.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { skipWithoutBuild, withCluster } from "./cluster.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

test("README's example is examples/hello.mjs, and runs in an empty project", { skip: skipWithoutBuild, timeout: 60_000 },
  () => withCluster(async ({ url, folder, doc }) => {
    const example = (await readFile(`${root}README.md`, "utf8")).match(/```js\n([^]*?)```/)[1];
    assert.equal(await readFile(`${root}examples/hello.mjs`, "utf8"), example);
    const project = join(folder, "project"), modules = join(project, "node_modules");
    await mkdir(modules, { recursive: true });
    const [{ filename }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--silent", "--pack-destination", folder], { cwd: root, encoding: "utf8" }));
    execFileSync("tar", ["xzf", join(folder, filename), "-C", modules]);
    execFileSync("mv", [join(modules, "package"), join(modules, "ordo-client")]);
    await symlink(`${root}node_modules/ws`, join(modules, "ws")); // its one dependency
    await writeFile(join(project, "hello.mjs"), example);
    const { stdout } = await promisify(execFile)(process.execPath, ["hello.mjs"], { cwd: project, env: { ...process.env, ORDO_URL: url } });
    assert.match(stdout, /^local: Hello, world! \nsaved at 2\n$/);
    assert.equal(await doc("cat", "notes/hello"), "Hello, world! ");
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
