import { YardmasterError } from "../protocol/errors.ts";
import type { Endpoint, RedisAddress } from "./address.ts";
import type { Client, Dialer } from "./driver.ts";
import type { Connected } from "./link.ts";
import { infoOf, textOf, textsIn } from "./replies.ts";

/** Connects to a server of the yard's and learns how it is known there. Rejects with what the driver says. */
export async function connectTo(
  dialer: Dialer,
  address: RedisAddress,
  endpoint: Endpoint,
  isCommand: boolean,
): Promise<Connected> {
  const client = await dialer.dial(endpoint, address);
  try {
    const id = dialer.ask(client, ["CLIENT", "ID"]);
    const named = dialer.ask(client, [
      "CLIENT",
      "SETNAME",
      `yardmaster:${address.yard}${isCommand ? "" : ":receive"}`,
    ]);
    const info = dialer.ask(client, ["INFO", "server"]);
    const [clientId, , server] = await Promise.all([id, named, info]);
    return {
      client,
      clientId: textOf(clientId),
      run: infoOf(server).get("run_id") ?? "",
      at: `${endpoint.host}:${endpoint.port}`,
    };
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/** Asks the Sentinels, one after the other, who the master is, and the master whether it is one. */
export async function findMaster(dialer: Dialer, address: RedisAddress): Promise<Endpoint> {
  let failure: unknown = new Error("no Sentinel answers");
  for (const sentinel of address.endpoints) {
    try {
      const found = await askSentinel(dialer, sentinel, address.master);
      if (found === null) failure = new Error(`the Sentinels know no master "${address.master}"`);
      else if (await isMaster(dialer, address, found)) return found;
      else failure = new Error(`${found.host}:${found.port} is not a master yet`);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function askSentinel(dialer: Dialer, sentinel: Endpoint, master: string): Promise<Endpoint | null> {
  const client = await dialer.dial(sentinel, { user: "", password: "", database: 0 });
  try {
    const answer = await dialer.ask(client, ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master]);
    const [host, port] = textsIn(answer);
    return host === undefined || port === undefined ? null : { host, port: Number(port) };
  } finally {
    client.destroy();
  }
}

async function isMaster(dialer: Dialer, address: RedisAddress, endpoint: Endpoint): Promise<boolean> {
  const client: Client = await dialer.dial(endpoint, address);
  try {
    return infoOf(await dialer.ask(client, ["INFO", "replication"])).get("role") === "master";
  } finally {
    client.destroy();
  }
}

export function denied(message: string): YardmasterError {
  return new YardmasterError("ENGINE_DENIED", message);
}
