/** ordo-client: edit shared documents. See README.md. */
import { Client, type ConnectOptions } from "./client.js";
import { browserPlatform } from "./platform/browser.js";

/** Connects to a cluster; at once, whether or not it can be reached. */
export function connect(options: ConnectOptions): Client { return new Client(options, browserPlatform()); }

export * from "./api.js";
export { IndexedDbStorage } from "./storage/indexeddb.js";
