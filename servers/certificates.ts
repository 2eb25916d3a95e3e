import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "./server.ts";

/**
 * Makes an authority (ca.crt) and a server's certificate and key (server.crt, server.key) for 127.0.0.1 and localhost
 * in a folder. Throws ServerMissing.
 */
export async function makeCertificates(folder: string): Promise<void> {
  const openssl = findProgram("openssl", "apt-get install openssl");
  const make = (...args: readonly string[]): Promise<unknown> =>
    promisify(execFile)(openssl, args, { cwd: folder });
  const key = ["-newkey", "rsa:2048", "-nodes", "-keyout"];
  await make("req", "-x509", ...key, "ca.key", "-out", "ca.crt", "-subj", "/CN=ca");
  await make("req", ...key, "server.key", "-out", "server.csr", "-subj", "/CN=a");
  writeFileSync(join(folder, "names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  await make(
    ...["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"],
    ...["-out", "server.crt", "-extfile", "names"],
  );
}
