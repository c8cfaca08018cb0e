/*
 * What changes several things at once, or only if something holds. All keys of a network have one hash tag, so that a
 * cluster has them on one node; KEYS[1] is the counter of writes, and the names of the others begin as its does.
 *
 *     writes         counter, so that every write moves the log of replication
 *     hub:ID         sequence u32 | expires u32 | signed descriptor; gone some time after it expired
 *     hubs           ids by when they expire
 *     probes:ID      of each address when it was reached, how often not since, and since when it is there; of versions
 *                    before that without the last, for which the first stands
 *     records        what was measured of hubs, by id
 *     unproved       signed descriptors of hubs that were never reached, by id; unproved-heads what is known of them
 *     lease          token of the replica that publishes, for seconds; fence the newest token, fences their counter
 *     frozen         what was decided of an epoch, by kind and epoch: the first word stays
 *     latest         epoch and hash of the newest map
 *     map:HASH ...   documents; maps, outlines, bundles, diffs name them by the epoch that needs them
 *     log, proofs    only grow
 */
const HEAD = `
local function at(name) return string.sub(KEYS[1], 1, -7) .. name end
local function probeOf(text)
  local reached, failures, since = string.match(text, '^(%d+) (%d+) ?(%d*)$')
  return reached, failures, since == '' and reached or since
end
local function fenced(token)
  if token == '' or redis.call('GET', at('fence')) ~= token then return redis.error_reply('STALE token') end
end
`

/** id, sequence, expires, forgotten at, descriptor → 1, or 0 if a newer one is held */
export const PUT_DESCRIPTOR = `${HEAD}
local id, sequence, expires, forget, signed = unpack(ARGV)
local held = redis.call('GETRANGE', at('hub:' .. id), 0, 3)
if held ~= '' and struct.unpack('>I4', held) >= tonumber(sequence) then return 0 end
redis.call('SET', at('hub:' .. id), struct.pack('>I4I4', sequence, expires) .. signed, 'EXAT', forget)
redis.call('ZADD', at('hubs'), expires, id)
redis.call('EXPIREAT', at('probes:' .. id), forget)
return 1`

/** expired before */
export const PRUNE = `${HEAD}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', at('hubs'), '-inf', '(' .. ARGV[1])) do
  redis.call('DEL', at('hub:' .. id), at('probes:' .. id))
  redis.call('HDEL', at('records'), id)
  redis.call('ZREM', at('hubs'), id)
end`

/** id, address, now, seconds after which it begins anew */
export const PUT_REACHED = `${HEAD}
local forget = redis.call('EXPIRETIME', at('hub:' .. ARGV[1]))
if forget < 0 then return end
local now, since = ARGV[3], ARGV[3]
local held = redis.call('HGET', at('probes:' .. ARGV[1]), ARGV[2])
if held then
  local reached, _, proven = probeOf(held)
  if math.abs(now - reached) <= tonumber(ARGV[4]) then since = proven end
end
redis.call('HSET', at('probes:' .. ARGV[1]), ARGV[2], now .. ' 0 ' .. since)
redis.call('EXPIREAT', at('probes:' .. ARGV[1]), forget)`

/** token, id, record, id, record, ...; nothing of a hub that is forgotten, whose record nobody would take away */
export const PUT_RECORDS = `${HEAD}
local stale = fenced(ARGV[1])
if stale then return stale end
for i = 2, #ARGV, 2 do
  if redis.call('ZSCORE', at('hubs'), ARGV[i]) then redis.call('HSET', at('records'), ARGV[i], ARGV[i + 1]) end
end`

/** id, address */
export const PUT_FAILED = `${HEAD}
local probe = redis.call('HGET', at('probes:' .. ARGV[1]), ARGV[2])
if not probe then return end
local reached, failures, since = probeOf(probe)
redis.call('HSET', at('probes:' .. ARGV[1]), ARGV[2], reached .. ' ' .. (failures + 1) .. ' ' .. since)`

/** id, sequence, expires, block, now, limit of a block, limit in all, life, descriptor → 1, or 0 if there is no room */
export const ADD_UNPROVED = `${HEAD}
local id, sequence, expires, block, now, perBlock, most, life, signed = unpack(ARGV)
local heads = redis.call('HGETALL', at('unproved-heads'))
local counts, oldest, count, since, gone = {}, {}, 0, now, {}
for i = 1, #heads, 2 do
  local start, ends, number, from = string.match(heads[i + 1], '^(%d+) (%d+) (%d+) (.*)$')
  if now - start >= tonumber(life) or tonumber(ends) <= tonumber(now) then
    gone[#gone + 1] = heads[i]
  else
    if heads[i] == id then
      if tonumber(number) >= tonumber(sequence) then return 0 end
      since, block = start, from
    end
    counts[from] = (counts[from] or 0) + 1
    count = count + 1
    local first = oldest[from]
    if not first or tonumber(start) < first.start then oldest[from] = { id = heads[i], start = tonumber(start) } end
  end
end
local known = redis.call('HEXISTS', at('unproved-heads'), id) == 1
if not known and (counts[block] or 0) >= tonumber(perBlock) then return 0 end
if not known and count >= tonumber(most) then
  local largest
  for from, n in pairs(counts) do if not largest or n > counts[largest] then largest = from end end
  gone[#gone + 1] = oldest[largest].id
end
redis.call('HSET', at('unproved-heads'), id, since .. ' ' .. expires .. ' ' .. sequence .. ' ' .. block)
redis.call('HSET', at('unproved'), id, signed)
for _, one in ipairs(gone) do
  if one ~= id then redis.call('HDEL', at('unproved-heads'), one); redis.call('HDEL', at('unproved'), one) end
end
redis.call('EXPIRE', at('unproved-heads'), life)
redis.call('EXPIRE', at('unproved'), life)
return 1`

/** id, sequence */
export const REMOVE_UNPROVED = `${HEAD}
local held = redis.call('HGET', at('unproved-heads'), ARGV[1])
if held and tonumber(string.match(held, '^%d+ %d+ (%d+) ')) > tonumber(ARGV[2]) then return end
redis.call('HDEL', at('unproved-heads'), ARGV[1])
redis.call('HDEL', at('unproved'), ARGV[1])`

/** name of a new token, ms → this token, or nothing if another replica publishes */
export const TAKE_LEASE = `${HEAD}
if redis.call('EXISTS', at('lease')) == 1 then return false end
local token = redis.call('INCR', at('fences')) .. ' ' .. ARGV[1]
redis.call('SET', at('fence'), token)
redis.call('SET', at('lease'), token, 'PX', ARGV[2])
return token`

/** own token, ms → 1, or 0 if it is not the newest any more */
export const RENEW_LEASE = `${HEAD}
if fenced(ARGV[1]) then return 0 end
redis.call('SET', at('lease'), ARGV[1], 'PX', ARGV[2])
return 1`

/** own token */
export const LEAVE_LEASE = `${HEAD}
if redis.call('GET', at('lease')) == ARGV[1] then redis.call('DEL', at('lease')) end`

/**
 * token, kind, epoch, epochs that are kept, what is decided → what was decided first; nothing if nothing is, and the
 * token is none, or the epoch is over
 */
export const FREEZE = `${HEAD}
local token, kind, epoch, kept, said = unpack(ARGV)
local held = redis.call('HGET', at('frozen'), kind .. ' ' .. epoch)
if held then return held end
if token == '' then return false end
local stale = fenced(token)
if stale then return stale end
local old = {}
for _, field in ipairs(redis.call('HKEYS', at('frozen'))) do
  local of, number = string.match(field, '^(%a+) (%d+)$')
  if of == kind and tonumber(number) > tonumber(epoch) then return false end
  if tonumber(number) <= epoch - kept then old[#old + 1] = field end
end
redis.call('HSET', at('frozen'), kind .. ' ' .. epoch, said)
for _, field in ipairs(old) do redis.call('HDEL', at('frozen'), field) end
return said`

/** token, index, epoch, name, document */
export const PUT_DOCUMENT = `${HEAD}
local token, index, epoch, name, bytes = unpack(ARGV)
local stale = fenced(token)
if stale then return stale end
redis.call('SET', at(name), bytes)
redis.call('ZADD', at(index), 'GT', epoch, name)`

/** token, epoch, hash, entry of the log, epochs that maps are kept, epochs that what stands beside them is kept */
export const PUT_MAP = `${HEAD}
local token, epoch, hash, entry, keptMaps, keptOthers = unpack(ARGV)
local stale = fenced(token)
if stale then return stale end
local frozen = redis.call('HGET', at('frozen'), 'log ' .. epoch)
if frozen and string.sub(frozen, 1, 32) ~= string.sub(entry, 1, 32) then return redis.error_reply('OTHER map') end
if redis.call('HSETNX', at('log'), epoch, entry) == 0 then return redis.error_reply('OTHER map') end
local latest = redis.call('GET', at('latest'))
if not latest or tonumber(string.match(latest, '^%d+')) < tonumber(epoch) then
  redis.call('SET', at('latest'), epoch .. ' ' .. hash)
end
for index, kept in pairs({ maps = keptMaps, outlines = keptMaps, bundles = keptOthers, diffs = keptOthers }) do
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', at(index), '-inf', epoch - kept)) do
    redis.call('DEL', at(name))
    redis.call('ZREM', at(index), name)
  end
end`

/** field, both heads */
export const PUT_PROOF = `${HEAD}
redis.call('HSETNX', at('proofs'), ARGV[1], ARGV[2])`
