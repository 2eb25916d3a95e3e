/** A tick, or a commit alone: one transaction in one round trip. `@` stands for the schema. */
export const TICK = `
  CREATE FUNCTION @.tick(
    p_shard int, p_owner text, p_epoch bigint, p_sequence bigint, p_changes boolean,
    p_new_ids uuid[], p_new_live int[], p_new_keep bigint[], p_new_parked int[], p_new_due bigint[],
    p_new_rank int[], p_new_records bytea[], p_new_payloads bytea[], p_new_results bytea[],
    p_ids uuid[], p_live int[], p_keep bigint[], p_parked int[], p_due bigint[], p_rank int[],
    p_records bytea[], p_results bytea[],
    p_sides boolean, p_adopted uuid[], p_tombstones uuid[], p_tombstone_keep bigint[],
    p_key_names text[], p_keys text[], p_key_ids uuid[], p_key_hashes bytea[], p_key_keep bigint[],
    p_queues text[], p_queue_records bytea[],
    p_kinds text[], p_side_keys text[], p_values bytea[], p_before bigint, p_limit int,
    p_boxes bigint[], p_own boolean[], p_to int[], p_contents bytea[],
    p_ack_boxes bigint[], p_acks bigint[], p_note_boxes bigint[], p_notes bigint[]
  ) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE v_last bigint;
  BEGIN
    v_last := @.advance(p_shard, p_owner, p_epoch, p_sequence);
    IF v_last = p_sequence THEN RETURN @.found(p_boxes); END IF;
    IF v_last IS NOT NULL THEN RETURN '!' || v_last; END IF;
    IF p_new_ids IS NOT NULL THEN
      INSERT INTO @.task (id, live, keep, parked, due, rank, record, payload, result)
        SELECT * FROM unnest(p_new_ids, p_new_live, p_new_keep, p_new_parked, p_new_due, p_new_rank, p_new_records,
          p_new_payloads, p_new_results);
    END IF;
    IF p_ids IS NOT NULL THEN
      UPDATE @.task t
        SET live = v.live, keep = v.keep, parked = v.parked, due = v.due, rank = v.rank, record = v.record,
          result = v.result
        FROM unnest(p_ids, p_live, p_keep, p_parked, p_due, p_rank, p_records, p_results)
          v (id, live, keep, parked, due, rank, record, result)
        WHERE t.id = v.id AND t.keep IS NULL;
    END IF;
    IF p_sides THEN
      PERFORM @.sides(p_shard, p_adopted, p_tombstones, p_tombstone_keep, p_key_names, p_keys, p_key_ids,
        p_key_hashes, p_key_keep, p_queues, p_queue_records, p_kinds, p_side_keys, p_values, p_before, p_limit);
    END IF;
    RETURN @.put(p_boxes, p_own, p_to, p_contents, p_ack_boxes, p_acks, p_note_boxes, p_notes, NOT p_changes);
  END $$;

  -- All that a commit changes beside tasks; the owners of several shards may sweep at a time.
  CREATE FUNCTION @.sides(
    p_shard int, p_adopted uuid[], p_tombstones uuid[], p_tombstone_keep bigint[],
    p_key_names text[], p_keys text[], p_key_ids uuid[], p_key_hashes bytea[], p_key_keep bigint[],
    p_queues text[], p_queue_records bytea[],
    p_kinds text[], p_side_keys text[], p_values bytea[], p_before bigint, p_limit int
  ) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE v_left int := p_limit; v_gone int;
  BEGIN
    DELETE FROM @.tombstone WHERE id = ANY (p_adopted);
    INSERT INTO @.tombstone (id, shard, keep)
      SELECT i, p_shard, k FROM unnest(p_tombstones, p_tombstone_keep) v (i, k)
      ON CONFLICT (id) DO UPDATE SET keep = excluded.keep;
    INSERT INTO @.key (shard, name, key, id, hash, keep)
      SELECT p_shard, v.* FROM unnest(p_key_names, p_keys, p_key_ids, p_key_hashes, p_key_keep) v
      ON CONFLICT (shard, name, key) DO UPDATE SET id = excluded.id, hash = excluded.hash, keep = excluded.keep;
    INSERT INTO @.queue (shard, name, record) SELECT p_shard, v.* FROM unnest(p_queues, p_queue_records) v
      ON CONFLICT (shard, name) DO UPDATE SET record = excluded.record;
    DELETE FROM @.side s USING unnest(p_kinds, p_side_keys, p_values) v (kind, key, value)
      WHERE s.shard = p_shard AND s.kind = v.kind AND s.key = v.key AND v.value IS NULL;
    INSERT INTO @.side (shard, kind, key, value)
      SELECT p_shard, v.kind, v.key, v.value FROM unnest(p_kinds, p_side_keys, p_values) v (kind, key, value)
      WHERE v.value IS NOT NULL
      ON CONFLICT (shard, kind, key) DO UPDATE SET value = excluded.value;
    IF p_before IS NULL THEN RETURN; END IF;
    DELETE FROM @.task WHERE id = ANY (ARRAY(
      SELECT id FROM @.task WHERE keep < p_before ORDER BY keep LIMIT v_left FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    v_left := v_left - v_gone;
    DELETE FROM @.tombstone WHERE id = ANY (ARRAY(
      SELECT id FROM @.tombstone WHERE keep < p_before ORDER BY keep LIMIT v_left FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    v_left := v_left - v_gone;
    DELETE FROM @.key k USING (
      SELECT shard, name, key FROM @.key WHERE keep < p_before ORDER BY keep LIMIT v_left FOR UPDATE SKIP LOCKED
    ) v WHERE k.shard = v.shard AND k.name = v.name AND k.key = v.key;
  END $$;
`;
