/** ordo-client in Node. See README.md. */
import { Client, type ConnectOptions } from "./client.js";
import { nodePlatform } from "./platform/node.js";

/** Connects to a cluster; at once, whether or not it can be reached. */
export function connect(options: ConnectOptions): Client { return new Client(options, nodePlatform()); }

export * from "./api.js";
export { FileStorage } from "./storage/files.js";
export { MemoryStorage } from "./storage/memory.js";
