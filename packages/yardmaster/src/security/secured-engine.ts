import { optionCheck } from "../definition/options.ts";
import type { BrokerHalf, Engine } from "../engine.ts";
import type { Host } from "../host.ts";
import { FrameSigner } from "./frame-signer.ts";
import type { SecurityOptions, SigningOptions } from "./keys.ts";
import { SignedTraffic } from "./signed-broker.ts";
import { Vault } from "./vault.ts";

/** An engine whose frames are signed, and with the vault that clients and workers use. Throws INVALID_OPTIONS. */
export function securedEngine(engine: Engine, security: SecurityOptions | undefined, host: Host): Engine {
  if (security === undefined) return engine;
  optionCheck("security").known(security, ["signing", "encryption"]);
  const { signing, encryption } = security;
  const signed =
    signing === undefined ? engine : new SignedTraffic(new FrameSigner(signing, host)).engine(engine);
  if (encryption === undefined) return signed;
  const vault = new Vault(encryption, host);
  return {
    broker: signed.broker,
    store: signed.store,
    shards: signed.shards,
    commitsAside: signed.commitsAside,
    url: signed.url,
    commit: (tick) => signed.commit(tick),
    report: () => signed.report(),
    close: (options) => signed.close(options),
    ...(signed.outbox === undefined ? {} : { outbox: signed.outbox }),
    vault,
  };
}

/** For a thread that only sends. */
export function securedBroker(half: BrokerHalf, signing: SigningOptions, host: Host): BrokerHalf {
  return {
    broker: new SignedTraffic(new FrameSigner(signing, host)).broker(half.broker),
    report: () => half.report(),
    close: (options) => half.close(options),
  };
}
