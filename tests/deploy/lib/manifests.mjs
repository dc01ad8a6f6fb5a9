// The YAML of deploy/, read strictly, and held against the published schema of Kubernetes.
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";

const require = createRequire(import.meta.url);
export const DEPLOY = join(dirname(fileURLToPath(import.meta.url)), "../../../deploy");
const FOLDER = join(DEPLOY, "kubernetes");

/** The documents of one file; a fault in it, a key given twice among them, is an error. */
export function readYaml(path) {
  return parseAllDocuments(readFileSync(path, "utf8"), { merge: true }).map((document) => {
    const [fault] = [...document.errors, ...document.warnings];
    if (fault) throw new Error(`${path}: ${fault.message}`);
    return document.toJS();
  });
}

const isKustomization = (path) => path.endsWith("kustomization.yaml");
const yamlFiles = (folder) => readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".yaml")).sort();

/** [{ file, ...the object }] of deploy/kubernetes, without the kustomizations. */
export const readManifests = () =>
  yamlFiles(FOLDER).filter((name) => !isKustomization(name)).flatMap((file) =>
    readYaml(join(FOLDER, file)).map((object) => ({ file, object })));

/** [{ folder, object }]: every kustomization, with the folder that its paths start from. */
export const readKustomizations = () =>
  yamlFiles(FOLDER).filter(isKustomization).map((file) => ({ folder: dirname(file), object: readYaml(join(FOLDER, file))[0] }));

/** `value`, which notes in `unread`, by path, each key that nobody has asked for yet. */
function watched(value, path, unread) {
  if (value === null || typeof value !== "object") return value;
  for (const key of Object.keys(value)) unread.add(`${path}.${key}`);
  const inside = new Map();
  return new Proxy(value, {
    get(target, key) {
      if (typeof key !== "string" || !Object.hasOwn(target, key)) return target[key];
      unread.delete(`${path}.${key}`);
      if (!inside.has(key)) inside.set(key, watched(target[key], `${path}.${key}`, unread));
      return inside.get(key);
    },
  });
}

/** What is wrong with an object by its schema, as sentences. The generated validators let unknown fields pass (as an API
 * server does, silently dropping them), but they look at every field that they know: what they never looked at has a name
 * that nobody knows, a typing error most likely. */
export function schemaFaults({ apiVersion, kind, ...rest }) {
  const model = require(`kubernetes-models/${apiVersion}/${kind}`)[kind];
  const unread = new Set();
  try {
    model.prototype.validate.call(watched({ apiVersion, kind, ...rest }, kind, unread));
  } catch (error) {
    return [`${kind} ${rest.metadata?.name}: ${error.message}`];
  }
  return [...unread].map((path) => `${rest.metadata?.name}: there is no field ${path}`);
}
