// The demo page as files that a gateway serves: everything in it, nothing loaded from elsewhere.
import { build } from "esbuild";
import { copyFile, mkdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url)), out = `${here}dist`;
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  entryPoints: [`${here}main.ts`], outfile: `${out}/app.js`, bundle: true, minify: true, format: "esm", target: "es2022",
  legalComments: "none", logLevel: "warning",
});
for (const file of ["index.html", "style.css", "icon.svg"]) await copyFile(here + file, `${out}/${file}`);
