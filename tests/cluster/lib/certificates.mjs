// Certificates for tests, made by the openssl command: an authority, and what it signs.
import { execFileSync } from "node:child_process";
import { chmodSync, renameSync } from "node:fs";
import { join } from "node:path";

const openssl = (...args) => execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];

export class Authority {
  constructor(folder, name) {
    Object.assign(this, { folder, name, file: join(folder, `${name}.pem`), keyFile: join(folder, `${name}.key`) });
    openssl("req", "-x509", ...EC, "-subj", `/CN=${name}`, "-keyout", this.keyFile, "-out", this.file);
  }

  /** Signs a certificate for this machine into two files, each put in its place whole, the key first. */
  sign(certFile, keyFile, names = "DNS:localhost,IP:127.0.0.1") {
    const [cert, key] = [certFile, keyFile].map((file) => `${file}.new`);
    openssl("req", "-x509", ...EC, "-subj", "/CN=gateway", "-CA", this.file, "-CAkey", this.keyFile, "-addext", `subjectAltName=${names}`,
            "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", cert);
    chmodSync(key, 0o600);
    renameSync(key, keyFile);
    renameSync(cert, certFile);
  }
}
