/**
 * What takes more than one statement in one round trip. `@` stands for the schema.
 *
 * Nothing is written to say that a receiver sleeps: it holds the advisory lock of its mailbox then. A sender tries
 * that lock, shared, until its commit. Who gets it knows that the receiver is going to look again after the commit,
 * since it cannot fall asleep before; who does not get it wakes the receiver. NOTIFY makes commits wait for each
 * other, so that it is for sleepers only.
 */
export const FUNCTIONS = `
  CREATE FUNCTION @.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

  -- Sends and acknowledges. Answers which of the mailboxes there are, by their number from 1.
  CREATE FUNCTION @.put(
    p_boxes bigint[], p_own boolean[], p_to int[], p_contents bytea[],
    p_ack_boxes bigint[], p_acks bigint[], p_note_boxes bigint[], p_notes bigint[], p_relax boolean
  ) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE
    v_found text; v_durable boolean; v_transient boolean; v_wake bigint;
  BEGIN
    IF p_boxes IS NOT NULL THEN
      SELECT string_agg(b.n::text, ','), bool_or(m.durable), bool_or(NOT m.durable)
        INTO v_found, v_durable, v_transient
        FROM unnest(p_boxes) WITH ORDINALITY b (id, n) JOIN @.mailbox m ON m.id = b.id;
      IF v_durable THEN
        INSERT INTO @.frame (mailbox, id, content)
          SELECT s.id, nextval('@.frame_id'), s.content FROM (
            SELECT m.id, f.content FROM unnest(p_to, p_contents) WITH ORDINALITY f (box, content, n)
              JOIN @.mailbox m ON m.id = p_boxes[f.box] WHERE m.durable ORDER BY f.n
          ) s;
      END IF;
      IF v_transient THEN
        INSERT INTO @.note (mailbox, id, content)
          SELECT s.id, nextval('@.frame_id'), s.content FROM (
            SELECT m.id, f.content FROM unnest(p_to, p_contents) WITH ORDINALITY f (box, content, n)
              JOIN @.mailbox m ON m.id = p_boxes[f.box] WHERE NOT m.durable ORDER BY f.n
          ) s;
      END IF;
      FOR i IN 1 .. cardinality(p_boxes) LOOP
        IF NOT p_own[i] AND NOT pg_try_advisory_xact_lock_shared(p_boxes[i]) THEN
          PERFORM pg_notify('yardmaster_' || p_boxes[i], '');
        END IF;
      END LOOP;
    END IF;
    IF p_acks IS NOT NULL THEN
      DELETE FROM @.frame f USING unnest(p_ack_boxes, p_acks) a (mailbox, id)
        WHERE f.mailbox = a.mailbox AND f.id = a.id;
    END IF;
    IF p_notes IS NOT NULL THEN
      DELETE FROM @.note f USING unnest(p_note_boxes, p_notes) a (mailbox, id)
        WHERE f.mailbox = a.mailbox AND f.id = a.id;
    END IF;
    -- What is transient or repeated anyway need not wait for the disk.
    IF p_relax AND v_durable IS NOT TRUE THEN PERFORM set_config('synchronous_commit', 'off', true); END IF;
    RETURN coalesce(v_found, '');
  END $$;

  -- Which of the mailboxes there are, as put answers it.
  CREATE FUNCTION @.found(p_boxes bigint[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(string_agg(b.n::text, ','), '')
      FROM unnest(p_boxes) WITH ORDINALITY b (id, n) JOIN @.mailbox m ON m.id = b.id
  $$;

  -- Makes a commit the last one of its epoch. Null: it is now; else the last one, 0 if the epoch owns nothing.
  CREATE FUNCTION @.advance(p_shard int, p_owner text, p_epoch bigint, p_sequence bigint) RETURNS bigint
  LANGUAGE plpgsql AS $$
  DECLARE v_last bigint;
  BEGIN
    UPDATE @.fence SET sequence = p_sequence
      WHERE shard = p_shard AND owner = p_owner AND epoch = p_epoch AND sequence = p_sequence - 1 AND lease_until > 0;
    IF FOUND THEN RETURN NULL; END IF;
    SELECT sequence INTO v_last FROM @.fence
      WHERE shard = p_shard AND owner = p_owner AND epoch = p_epoch AND lease_until > 0;
    RETURN coalesce(v_last, -1);
  END $$;

  -- The frames that are not in hand, in order; one alone may be over the limit of bytes.
  CREATE FUNCTION @.read(
    p_durable boolean, p_box bigint, p_hand bigint[], p_floor bigint, p_frames int, p_bytes bigint
  ) RETURNS TABLE (id bigint, content bytea) LANGUAGE plpgsql AS $$
  BEGIN
    IF p_durable THEN
      RETURN QUERY SELECT s.id, s.content FROM (
        SELECT l.id, l.content, row_number() OVER w AS n, sum(octet_length(l.content)) OVER w AS total FROM (
          SELECT f.id, f.content FROM @.frame f
            WHERE f.mailbox = p_box AND f.id > p_floor AND (p_hand IS NULL OR f.id <> ALL (p_hand))
            ORDER BY f.id LIMIT p_frames
        ) l WINDOW w AS (ORDER BY l.id ROWS UNBOUNDED PRECEDING)
      ) s WHERE s.n = 1 OR s.total <= p_bytes ORDER BY s.id;
    ELSE
      RETURN QUERY SELECT -s.id, s.content FROM (
        SELECT l.id, l.content, row_number() OVER w AS n, sum(octet_length(l.content)) OVER w AS total FROM (
          SELECT f.id, f.content FROM @.note f
            WHERE f.mailbox = p_box AND f.id > p_floor AND (p_hand IS NULL OR f.id <> ALL (p_hand))
            ORDER BY f.id LIMIT p_frames
        ) l WINDOW w AS (ORDER BY l.id ROWS UNBOUNDED PRECEDING)
      ) s WHERE s.n = 1 OR s.total <= p_bytes ORDER BY s.id;
    END IF;
  END $$;

  -- Reads, and falls asleep over an empty mailbox: then the one row has no content, and says 1; or 0, where somebody
  -- is just sending. The ids of transient frames are negative.
  CREATE FUNCTION @.look(
    p_box bigint, p_hand bigint[], p_floor bigint, p_frames int, p_bytes bigint, p_wakes boolean
  ) RETURNS TABLE (id bigint, content bytea) LANGUAGE plpgsql AS $$
  DECLARE v_durable boolean;
  BEGIN
    IF p_wakes THEN PERFORM pg_advisory_unlock(p_box); END IF;
    SELECT m.durable INTO v_durable FROM @.mailbox m WHERE m.id = p_box;
    v_durable := coalesce(v_durable, true);
    RETURN QUERY SELECT * FROM @.read(v_durable, p_box, p_hand, p_floor, p_frames, p_bytes);
    IF FOUND THEN RETURN; END IF;
    IF NOT pg_try_advisory_lock(p_box) THEN
      RETURN QUERY SELECT 0::bigint, NULL::bytea;
      RETURN;
    END IF;
    RETURN QUERY SELECT * FROM @.read(v_durable, p_box, p_hand, p_floor, p_frames, p_bytes);
    IF FOUND THEN PERFORM pg_advisory_unlock(p_box);
    ELSE RETURN QUERY SELECT 1::bigint, NULL::bytea;
    END IF;
  END $$;

  -- Takes away a mailbox and what it holds, and what a send had left in one that was removed at the same moment.
  CREATE FUNCTION @.remove(p_box bigint) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE v_box bigint;
  BEGIN
    DELETE FROM @.mailbox WHERE id = p_box;
    DELETE FROM @.frame WHERE mailbox = p_box;
    DELETE FROM @.note WHERE mailbox = p_box;
    LOOP
      SELECT mailbox INTO v_box FROM @.note WHERE v_box IS NULL OR mailbox > v_box ORDER BY mailbox LIMIT 1;
      EXIT WHEN NOT FOUND;
      DELETE FROM @.note n WHERE n.mailbox = v_box AND NOT EXISTS (SELECT 1 FROM @.mailbox m WHERE m.id = v_box);
    END LOOP;
  END $$;

  -- Sends in a caller's transaction, with the rights of this function's owner. It may come before its mailbox.
  CREATE FUNCTION @.submit(p_box text, p_mark text, p_content bytea) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE v_id bigint;
  BEGIN
    INSERT INTO @.frame (mailbox, id, mark, content)
      VALUES (p_box::bigint, nextval('@.frame_id'), p_mark, p_content) RETURNING id INTO v_id;
    PERFORM pg_notify('yardmaster_' || p_box::bigint, '');
    RETURN v_id;
  END $$;
  REVOKE ALL ON FUNCTION @.submit(text, text, bytea) FROM PUBLIC;

  -- When the present life of the server began, as far as we know.
  CREATE FUNCTION @.life_began() RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE v_began bigint; v_start bigint := floor(extract(epoch FROM pg_postmaster_start_time()) * 1000);
  BEGIN
    SELECT began INTO v_began FROM @.life WHERE single;
    IF v_began >= v_start THEN RETURN v_began; END IF;
    INSERT INTO @.life AS l (single, began) VALUES (true, @.now_ms())
      ON CONFLICT (single) DO UPDATE SET began = excluded.began WHERE l.began < v_start;
    SELECT began INTO v_began FROM @.life WHERE single;
    RETURN v_began;
  END $$;

  -- The keys that somebody holds.
  CREATE FUNCTION @.held() RETURNS bigint[] LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(array_agg((classid::bigint << 32) | objid::bigint), '{}') FROM pg_locks
      WHERE locktype = 'advisory' AND objsubid = 1 AND mode = 'ShareLock' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  $$;

  CREATE FUNCTION @.hold(p_names text[], p_keys bigint[], p_forget_ms bigint) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE v_now bigint := @.now_ms(); v_life bigint := @.life_began();
  BEGIN
    PERFORM pg_advisory_lock_shared(k) FROM unnest(p_keys) k;
    INSERT INTO @.presence AS p (name, key, life, since)
      SELECT n, k, v_life, v_now FROM unnest(p_names, p_keys) v (n, k) ORDER BY n
      ON CONFLICT (name) DO UPDATE SET life = excluded.life, since = excluded.since;
    DELETE FROM @.presence WHERE since < v_now - p_forget_ms AND key <> ALL (@.held());
    PERFORM set_config('synchronous_commit', 'off', true);
  END $$;

  -- Of a former life, names count only once their holders have had the time to come back.
  CREATE FUNCTION @.absent(p_names text[], p_patience_ms bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
  DECLARE v_life bigint := @.life_began(); v_held bigint[] := @.held();
  BEGIN
    RETURN QUERY SELECT p.name FROM @.presence p
      WHERE p.name = ANY (p_names) AND p.key <> ALL (v_held)
        AND (p.life = v_life OR @.now_ms() - v_life > p_patience_ms);
  END $$;

  -- Gives back the room of indexes: vacuum shortens a table that was emptied, but never its indexes. One that is larger
  -- than its table is nearly empty, and built anew in a moment, unless somebody is just writing.
  CREATE FUNCTION @.shrink() RETURNS void LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
  DECLARE
    v_index text;
    v_tables oid[] := ARRAY(SELECT oid FROM pg_class
      WHERE relkind = 'r' AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = '@.task'::regclass));
  BEGIN
    FOR v_index IN
      SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
        WHERE (t.oid = ANY (v_tables)
            OR t.oid = ANY (ARRAY(SELECT reltoastrelid FROM pg_class WHERE oid = ANY (v_tables))))
          AND pg_relation_size(i.indexrelid) > 65536 AND pg_relation_size(i.indexrelid) > pg_relation_size(t.oid)
    LOOP
      BEGIN
        EXECUTE 'REINDEX INDEX ' || v_index;
      EXCEPTION WHEN OTHERS THEN NULL;
      END;
    END LOOP;
  END $$;
`;
