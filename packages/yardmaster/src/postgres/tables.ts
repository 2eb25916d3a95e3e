/**
 * Each step raises the schema's version by one and is never changed once it was released. `@` stands for the schema.
 *
 * task.live orders what an owner loads: held before waiting, then by priority, within a shard; null when the task is
 * parked or over. due and rank order what is parked. Everything else is in `record`. Bytes over 2 KiB go to the side by
 * themselves (TOAST) and are not copied by an update.
 *
 * The frames of a transient mailbox are in `note`, which is not logged: cheap, and empty after a crash. A mailbox is
 * known by a hash of its name, so that a frame needs no look at it. `life` is emptied by every crash: whoever finds it
 * so begins a new life of the server, in which nobody is known to be present yet.
 */
export const TABLES = `
  CREATE TABLE @.meta (name text PRIMARY KEY, value bigint NOT NULL);

  CREATE TABLE @.fence (
    shard int PRIMARY KEY, owner text NOT NULL, epoch bigint NOT NULL, lease_until bigint NOT NULL,
    sequence bigint NOT NULL
  ) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

  CREATE TABLE @.task (
    id uuid PRIMARY KEY, live int, keep bigint, parked int, due bigint, rank int, record bytea NOT NULL,
    payload bytea, result bytea
  ) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 10000);
  CREATE INDEX task_live ON @.task (live, id) WHERE live IS NOT NULL;
  CREATE INDEX task_keep ON @.task (keep) WHERE keep IS NOT NULL;
  CREATE INDEX task_parked ON @.task (parked, due, rank, id) WHERE parked IS NOT NULL;

  CREATE TABLE @.tombstone (id uuid PRIMARY KEY, shard int NOT NULL, keep bigint NOT NULL);
  CREATE INDEX tombstone_keep ON @.tombstone (keep);
  CREATE TABLE @.key (
    shard int, name text, key text, id uuid NOT NULL, hash bytea NOT NULL, keep bigint NOT NULL,
    PRIMARY KEY (shard, name, key)
  );
  CREATE INDEX key_keep ON @.key (keep);
  CREATE TABLE @.queue (shard int, name text, record bytea NOT NULL, PRIMARY KEY (shard, name));
  CREATE TABLE @.side (shard int, kind text, key text, value bytea NOT NULL, PRIMARY KEY (shard, kind, key));

  CREATE TABLE @.mailbox (id bigint PRIMARY KEY, name text NOT NULL, durable boolean NOT NULL);
  CREATE SEQUENCE @.frame_id;
  CREATE TABLE @.frame (mailbox bigint, id bigint, mark text, content bytea NOT NULL, PRIMARY KEY (mailbox, id))
    WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
  CREATE INDEX frame_mark ON @.frame (mark) WHERE mark IS NOT NULL;
  CREATE UNLOGGED TABLE @.note (mailbox bigint, id bigint, content bytea NOT NULL, PRIMARY KEY (mailbox, id))
    WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
  ALTER TABLE @.frame ALTER content SET STORAGE EXTERNAL;
  ALTER TABLE @.note ALTER content SET STORAGE EXTERNAL;

  CREATE UNLOGGED TABLE @.life (single boolean PRIMARY KEY, began bigint NOT NULL);
  CREATE TABLE @.presence (
    name text PRIMARY KEY, key bigint NOT NULL, life bigint NOT NULL, since bigint NOT NULL
  );
`;
