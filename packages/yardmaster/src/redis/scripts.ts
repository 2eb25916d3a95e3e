import { createHash } from "node:crypto";
import { INLINE_BYTES } from "../protocol/task.ts";

/** How many milliseconds one list of what goes in time is about. */
export const BUCKET_MS = 65_536;

/** A Lua script, which a server knows by its digest once it has seen it. */
export interface Script {
  readonly text: string;
  readonly digest: string;
}

function script(flags: string, body: string): Script {
  const text = `#!lua${flags === "" ? "" : ` flags=${flags}`}\n${body.trim()}\n`;
  return { text, digest: createHash("sha1").update(text).digest("hex") };
}

/** A script in four forms, by what a full server is to do. */
export interface ReservedScript {
  /** Refuse it before it writes anything. */
  readonly plain: Script;
  /** Let it have half of the reserve: what was accepted and is to be recorded must leave room for what ends. */
  readonly accepting: Script;
  /** Let it have the reserve. */
  readonly ending: Script;
  /** Let it through, since it makes room. */
  readonly freeing: Script;
}

function reserved(body: string): ReservedScript {
  return {
    plain: script("", body),
    accepting: script("allow-oom", headroom(2) + body),
    ending: script("allow-oom", headroom(1) + body),
    freeing: script("allow-oom", body),
  };
}

/** What every script answers first. */
export const DONE = 0;
export const FENCED = 1;
export const CONFLICT = 2;
export const FULL = 3;

/**
 * Completions go through where submissions are refused, up to 16 MiB or a tenth above maxmemory. INFO costs some
 * 50 µs, and is asked for only by a server that is full. `share`: the reserve is divided by so much.
 */
function headroom(share: number): string {
  return `
local info = redis.pcall("INFO", "memory")
if type(info) ~= "string" then return {${FULL}} end
local used, most = tonumber(info:match("used_memory:(%d+)")), tonumber(info:match("maxmemory:(%d+)"))
if most > 0 and used - most > math.max(16777216, most / 10) / ${share} then return {${FULL}} end
`;
}

/** Lua's unpack fails near 8,000 values. 6,000 can be divided by two and by three. */
const EACH = `
local function each(command, key, list)
  for from = 1, #list, 6000 do
    redis.call(command, key, unpack(list, from, math.min(from + 5999, #list)))
  end
end
local function values(key, fields)
  if #fields == 0 then return fields end
  if #fields <= 6000 then return redis.call("HMGET", key, unpack(fields)) end
  local all = {}
  for from = 1, #fields, 6000 do
    local some = redis.call("HMGET", key, unpack(fields, from, math.min(from + 5999, #fields)))
    for i = 1, #some do all[from + i - 1] = some[i] end
  end
  return all
end
`;

/**
 * Sends: numbers of keys, each for a frame in ARGV from `first` on. Acks: lists of the number of the key and ids. Answers
 * "" if nothing is gone.
 */
const MAIL = `
local function mail(sends, acks, first)
  local outcomes, gone = {}, false
  for i = 1, #sends do
    local id = redis.call("XADD", KEYS[tonumber(sends[i])], "NOMKSTREAM", "*", "f", ARGV[first + i - 1])
    outcomes[i] = id and "1" or "0"
    gone = gone or not id
  end
  for _, ack in ipairs(acks) do
    local key = KEYS[tonumber(table.remove(ack, 1))]
    each("XDEL", key, ack)
  end
  return gone and table.concat(outcomes) or ""
end
`;

export const SEND: ReservedScript = reserved(`${EACH}${MAIL}
local packed = cmsgpack.unpack(ARGV[1])
return {${DONE}, mail(packed[1], packed[2], 2)}
`);

/**
 * Makes a mailbox. Its ids start where no earlier mailbox of the name can have been and go on from there, since they
 * are above any clock: so a late acknowledgement never meets a new frame, and a receiver's cursor stays right.
 */
export const DECLARE: Script = script(
  "allow-oom",
  `
if redis.call("EXISTS", KEYS[1]) == 1 then return 0 end
local id = string.format("%.0f-0", 2 ^ 44 + redis.call("INCR", KEYS[2]))
redis.call("XADD", KEYS[1], id, "f", "")
redis.call("XDEL", KEYS[1], id)
return 1
`,
);

/** Registers or removes what is small and must go on while a server is full. */
export const REGISTER: Script = script("allow-oom", `return redis.call("ZADD", KEYS[1], "0", ARGV[1])`);
export const HOLD: Script = script("allow-oom", `return redis.call("SET", KEYS[1], ARGV[1], "EX", ARGV[2])`);

const NOW = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number) return string.format("%.0f", number) end
`;

/** The epoch rises with the clock, so that one is not given twice even if the server lost its last writes. */
export const ACQUIRE: Script = script(
  "allow-oom",
  `${NOW}
local held = redis.call("HMGET", KEYS[1], "epoch", "until")
if held[1] and tonumber(held[2]) > now and held[1] ~= ARGV[3] then return "" end
local epoch = whole(math.max((tonumber(held[1]) or 0) + 1, now))
redis.call("HSET", KEYS[1], "owner", ARGV[1], "epoch", epoch, "until", whole(now + ARGV[2]), "sequence", "0", "outcomes", "")
return epoch
`,
);

export const RENEW: Script = script(
  "allow-oom",
  `${NOW}
local held = redis.call("HMGET", KEYS[1], "owner", "epoch", "until")
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] or tonumber(held[3]) <= now then return 0 end
redis.call("HSET", KEYS[1], "until", whole(now + ARGV[3]))
return 1
`,
);

export const RELEASE: Script = script(
  "allow-oom",
  `
local held = redis.call("HMGET", KEYS[1], "owner", "epoch")
if held[1] == ARGV[1] and held[2] == ARGV[2] then redis.call("HSET", KEYS[1], "until", "0") end
return 1
`,
);

export const HOLDER: Script = script(
  "no-writes",
  `${NOW}
local held = redis.call("HMGET", KEYS[1], "owner", "epoch", "until")
if not held[1] then return {} end
return {held[1], held[2], tonumber(held[3]) <= now and 1 or 0}
`,
);

/**
 * A tick. KEYS: the fence, then the mailboxes. ARGV: owner, epoch, sequence, packed lists in the order of
 * `stores/redis-changes.ts`, frames. A script is not rolled back: everything is checked before anything is written.
 *
 * A task's value: length of the payload (2 bytes; above INLINE_BYTES it is elsewhere), payload, two bytes that order it,
 * and what `stores/redis-changes.ts` writes behind that.
 */
export const COMMIT: ReservedScript = reserved(`${EACH}${MAIL}
local fence = redis.call("HMGET", KEYS[1], "owner", "epoch", "until", "sequence", "outcomes")
if fence[1] ~= ARGV[1] or fence[2] ~= ARGV[2] or fence[3] == "0" then return {${FENCED}, ""} end
if fence[4] == ARGV[3] then return {${DONE}, fence[5]} end
if tonumber(fence[4]) + 1 ~= tonumber(ARGV[3]) then return {${FENCED}, fence[4]} end

local base = KEYS[1]:sub(1, -6)
local live, parked, due, done, walk, big = base .. "live", base .. "parked", base .. "due", base .. "done", base .. "walk", base .. "big"
local inserted, parking, ended, updated, updatedWhole, finished, finishedWhole, large, adopted, tombstones, keys, queues,
  rows, droppedRows, kept, sweeps, sends, acks = unpack(cmsgpack.unpack(ARGV[4]))
local sub, unpackBytes = string.sub, struct.unpack

-- The first of every so many.
local function firsts(list, step)
  local names, n = {}, 0
  for i = 1, #list, step do n = n + 1; names[n] = list[i] end
  return names
end
-- An empty one is not asked for each new task.
local places = {live, done}
if redis.call("EXISTS", parked) == 1 then places[3] = parked end

local conflicts = {${CONFLICT}}
local function check(fields)
  for _, key in ipairs(places) do
    local found = values(key, fields)
    for i = 1, #fields do if found[i] then conflicts[#conflicts + 1] = fields[i] end end
  end
end
check(firsts(inserted, 2))
check(firsts(parking, 3))
check(firsts(ended, 2))
if #conflicts > 1 then return conflicts end

local function rank(rest) return sub(rest, 2, 2) end
local function payloadEnd(value)
  local length = unpackBytes("<I2", value)
  if length > ${INLINE_BYTES} then length = 0 end
  return 2 + length
end
local function unpark(field)
  local value = redis.call("HGET", parked, field)
  if not value then return value end
  redis.call("HDEL", parked, field)
  redis.call("ZREM", due, rank(sub(value, payloadEnd(value) + 1)) .. field)
  redis.call("ZREM", walk, field)
  return value
end
-- A whole value takes the place of a parked one too.
local function unparkAll(list)
  if places[3] then for i = 1, #list, 2 do unpark(list[i]) end end
end
local function renewed(list)
  local fields, out, n = firsts(list, 2), {}, 0
  local old = values(live, fields)
  for i = 1, #fields do
    local value = old[i] or unpark(fields[i])
    if value then
      out[n + 1] = fields[i]
      out[n + 2] = sub(value, 1, payloadEnd(value)) .. list[2 * i]
      n = n + 2
    end
  end
  return out
end
local function addToWalk(list)
  local scored = {}
  for i = 1, #list, 2 do scored[i] = "0"; scored[i + 1] = list[i] end
  each("ZADD", walk, scored)
end

each("HDEL", base .. "tombs", adopted)
each("HSET", live, inserted)
for i = 1, #parking, 3 do
  redis.call("HSET", parked, parking[i], parking[i + 1])
  redis.call("ZADD", due, parking[i + 2], rank(sub(parking[i + 1], payloadEnd(parking[i + 1]) + 1)) .. parking[i])
  redis.call("ZADD", walk, "0", parking[i])
end
each("HSET", done, ended)
addToWalk(ended)
each("HSET", live, renewed(updated))
each("HSET", live, updatedWhole)
unparkAll(updatedWhole)
local over = renewed(finished)
each("HDEL", live, firsts(over, 2))
each("HSET", done, over)
addToWalk(over)
each("HDEL", live, firsts(finishedWhole, 2))
unparkAll(finishedWhole)
each("HSET", done, finishedWhole)
addToWalk(finishedWhole)
each("HSET", big, large)
each("HSET", base .. "tombs", tombstones)
each("HSET", base .. "keys", keys)
each("HSET", base .. "queues", queues)
each("HSET", base .. "side", rows)
each("HDEL", base .. "side", droppedRows)
for _, bucket in ipairs(kept) do
  local number = table.remove(bucket, 1)
  each("RPUSH", base .. "keep:" .. number, bucket)
  redis.call("ZADD", base .. "keeps", number, number)
end

local function sweep(before, limit)
  local left = limit
  local buckets = redis.call("ZRANGEBYSCORE", base .. "keeps", "-inf", math.floor(before / ${BUCKET_MS}), "LIMIT", 0, 64)
  for _, number in ipairs(buckets) do
    if left == 0 then return end
    local list, back, tasks, bytes = base .. "keep:" .. number, {}, {}, {}
    for _, entry in ipairs(redis.call("LPOP", list, left) or {}) do
      local kind, keep = unpackBytes("<c1d", entry)
      local name = sub(entry, 10)
      if keep >= before then
        back[#back + 1] = entry
      elseif kind == "t" then
        tasks[#tasks + 1], left = name, left - 1
        bytes[#bytes + 1], bytes[#bytes + 2] = name .. "p", name .. "r"
      else
        local key = base .. (kind == "k" and "keys" or "tombs")
        local value = redis.call("HGET", key, name)
        -- What was written again since has another entry.
        if value and unpackBytes("<d", value) == keep then
          redis.call("HDEL", key, name)
          left = left - 1
        end
      end
    end
    each("HDEL", done, tasks)
    each("ZREM", walk, tasks)
    if redis.call("EXISTS", big) == 1 then each("HDEL", big, bytes) end
    each("RPUSH", list, back)
    if redis.call("EXISTS", list) == 0 then redis.call("ZREM", base .. "keeps", number) end
  end
end
for _, range in ipairs(sweeps) do sweep(tonumber(range[1]), tonumber(range[2])) end

local outcomes = mail(sends, acks, 5)
redis.call("HSET", KEYS[1], "sequence", ARGV[3], "outcomes", outcomes)
return {${DONE}, outcomes}
`);

/** One step over the live tasks, in the server's order: cursor, and for each task two bytes of order and its field. */
export const SCAN: Script = script(
  "no-writes",
  `
local step = redis.call("HSCAN", KEYS[1], ARGV[1], "COUNT", 1000)
local out = {}
for i = 1, #step[2], 2 do
  local value = step[2][i + 1]
  local length = struct.unpack("<I2", value)
  if length > ${INLINE_BYTES} then length = 0 end
  out[#out + 1] = value:sub(3 + length, 4 + length) .. step[2][i]
end
return {step[1], table.concat(out)}
`,
);

/** A value without payload and result, for those who only want the record. */
const BARE = `
local function bare(value)
  local length = struct.unpack("<I2", value)
  if length > ${INLINE_BYTES} then length = 0 end
  local result = struct.unpack("<I2", value, 5 + length)
  if result > ${INLINE_BYTES} then result = 0 end
  return "\\255\\255" .. value:sub(3 + length, 4 + length) .. "\\255\\255" .. value:sub(7 + length + result)
end
`;

/** Tasks in whatever state; KEYS: live, parked, done. ARGV: packed fields, "1" for bytes too. */
export const READ: Script = script(
  "no-writes",
  `${EACH}${BARE}
local fields = cmsgpack.unpack(ARGV[1])
local out, seen = {}, {}
for _, key in ipairs(KEYS) do
  local found = values(key, fields)
  for i = 1, #fields do
    if found[i] and not seen[i] then
      seen[i] = true
      out[#out + 1] = ARGV[2] == "1" and found[i] or bare(found[i])
    end
  end
end
return out
`,
);

/** The next parked tasks; KEYS: due, parked. */
export const PARKED: Script = script(
  "no-writes",
  `${EACH}
local fields = {}
for _, member in ipairs(redis.call("ZRANGE", KEYS[1], 0, ARGV[1] - 1)) do fields[#fields + 1] = member:sub(2) end
local out = {}
for _, value in ipairs(values(KEYS[2], fields)) do if value then out[#out + 1] = value end end
return out
`,
);

/** Finished and parked tasks below a field, the highest first; KEYS: walk, parked, done. */
export const WALK: Script = script(
  "no-writes",
  `${EACH}${BARE}
local fields = redis.call("ZREVRANGEBYLEX", KEYS[1], ARGV[1], "-", "LIMIT", 0, ARGV[2])
local parked, done = values(KEYS[2], fields), values(KEYS[3], fields)
local out = {}
for i = 1, #fields do
  local value = done[i] or parked[i]
  out[#out + 1] = fields[i]
  out[#out + 1] = value and bare(value) or ""
end
return out
`,
);
