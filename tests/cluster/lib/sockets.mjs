// Which connections of this machine belong to which process.
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** Whether process `pid` holds the TCP socket that is bound to this local port of 127.0.0.1 and connected to `remotePort`. */
export function ownsConnection(pid, localPort, remotePort) {
  const hex = (port) => port.toString(16).toUpperCase().padStart(4, "0");
  const line = readFileSync("/proc/net/tcp", "utf8").split("\n")
    .map((text) => text.trim().split(/\s+/))
    .find(([, local, remote]) => local?.endsWith(`:${hex(localPort)}`) && remote?.endsWith(`:${hex(remotePort)}`));
  if (!line) return false;
  const name = `socket:[${line[9]}]`;
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try { return readlinkSync(`/proc/${pid}/fd/${fd}`) === name; } catch { return false; }
  });
}
