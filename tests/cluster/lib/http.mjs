// Requests over HTTP: whole ones, and such as no library would send.
import net from "node:net";

export class Api {
  constructor(cluster) { this.cluster = cluster; }

  get origin() { return `http://${new URL(this.cluster.url).host}`; }

  /** { status, headers, text, json } of one request; `path` is what follows /v1/docs. */
  async ask(method, path, { body, headers = {}, ...options } = {}) {
    const answer = await fetch(`${this.origin}/v1/docs${path}`, { method, body, headers, redirect: "manual", ...options });
    const text = await answer.text();
    const isJson = answer.headers.get("content-type") === "application/json";
    return { status: answer.status, headers: answer.headers, text, json: isJson ? JSON.parse(text) : undefined };
  }
  read(path, headers) { return this.ask("GET", path, { headers }); }
  put(path, body, headers) { return this.ask("PUT", path, { body, headers }); }
  op(path, op, headers) { return this.ask("POST", `${path}/ops`, { body: JSON.stringify(op), headers }); }
  delete(path, headers) { return this.ask("DELETE", path, { headers }); }

  /** What comes back for these bytes, until the other side closes or `until` is in it. */
  raw(bytes, until) {
    const { hostname, port } = new URL(this.origin);
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host: hostname, port }, () => socket.write(bytes));
      let text = "";
      const timer = setTimeout(() => { socket.destroy(); reject(new Error(`neither closed nor answered: ${text}`)); }, 10_000);
      const finish = () => { clearTimeout(timer); socket.destroy(); resolve(text); };
      socket.on("data", (data) => { text += data; if (until !== undefined && text.includes(until)) finish(); });
      socket.on("error", () => {});
      socket.on("close", finish);
    });
  }
}
