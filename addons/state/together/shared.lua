-- What the workers of many machines know together, as redisshared.py asks for it. Each call is one step.
--
-- ARGV: the prefix of all keys; milliseconds since the epoch, "" for Redis's own clock, which all machines share; what to
-- do, a space, and what that takes.
--
--   PREFIX:v:SPACE:KEY   string: a value, which Redis itself drops when it has expired
--   PREFIX:used:SPACE    sorted set: key -> when it was last used; PREFIX:ends:SPACE: key -> when it expires
--   PREFIX:size:SPACE    hash: key -> bytes; PREFIX:bytes:SPACE: their sum
--   PREFIX:c:SPACE:KEY   hash: a claim's owner, and when it ends
--   PREFIX:n:SPACE       hash: owner -> its note; PREFIX:at:SPACE: sorted set, owner -> when it was posted
local prefix, what, space = ARGV[1], ARGV[3], ARGV[4]
local now
if ARGV[2] ~= '' then
  now = tonumber(ARGV[2])
else
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local USED_STEP, PURGED, LONGEST_NOTE = 60000, 500, 1000000
local used, ends = prefix .. ':used:' .. space, prefix .. ':ends:' .. space
local sizes, total = prefix .. ':size:' .. space, prefix .. ':bytes:' .. space

local function value_key(key) return prefix .. ':v:' .. space .. ':' .. key end

local function uncount(key)
  local size = redis.call('HGET', sizes, key)
  if size then redis.call('DECRBY', total, size) end
  redis.call('HDEL', sizes, key)
  redis.call('ZREM', ends, key)
  return redis.call('ZREM', used, key)
end

local function drop(key)
  redis.call('DEL', value_key(key))
  return uncount(key)
end

local function get(key)
  local expires = tonumber(redis.call('ZSCORE', ends, key))
  local value = expires and expires > now and redis.call('GET', value_key(key))
  if not value then
    if expires then drop(key) end
    return false
  end
  if (tonumber(redis.call('ZSCORE', used, key)) or 0) < now - USED_STEP then redis.call('ZADD', used, now, key) end
  return value
end

local function put(key, value, ttl, entries, bytes)
  local size = #value + #key
  if size > bytes or ttl <= 0 then
    drop(key)
    return 0
  end
  -- Before all other writes: a Redis that is full refuses only what a script writes first.
  redis.call('SET', value_key(key), value, 'PX', ttl)
  uncount(key)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, PURGED)) do drop(gone) end
  redis.call('HSET', sizes, key, size)
  redis.call('INCRBY', total, size)
  redis.call('ZADD', used, now, key)
  redis.call('ZADD', ends, now + ttl, key)
  for _, index in ipairs({used, ends, sizes, total}) do
    if redis.call('PTTL', index) < ttl then redis.call('PEXPIRE', index, ttl) end
  end
  while redis.call('ZCARD', used) > entries or tonumber(redis.call('GET', total) or 0) > bytes do
    local oldest = redis.call('ZRANGE', used, 0, 0)[1]
    if not oldest then
      redis.call('DEL', total)
      break
    end
    drop(oldest)
  end
  return 1
end

local function claim(key, owner, ttl)
  local place = prefix .. ':c:' .. space .. ':' .. key
  local held = redis.call('HMGET', place, 'owner', 'ends')
  if held[1] and held[1] ~= owner and tonumber(held[2]) > now then return 0 end
  redis.call('HSET', place, 'owner', owner, 'ends', now + ttl)
  redis.call('PEXPIRE', place, ttl)
  return 1
end

local function release(key, owner)
  local place = prefix .. ':c:' .. space .. ':' .. key
  if redis.call('HGET', place, 'owner') == owner then redis.call('DEL', place) end
  return 1
end

-- An owner's note, "" for none that is new, and those of the others: owner, milliseconds since, note, and so on.
local function post(owner, note, ttl)
  local notes, posted = prefix .. ':n:' .. space, prefix .. ':at:' .. space
  if note ~= '' then
    redis.call('HSET', notes, owner, note)
    redis.call('ZADD', posted, now, owner)
    redis.call('PEXPIRE', notes, ttl)
    redis.call('PEXPIRE', posted, ttl)
  end
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', posted, '-inf', now - ttl)) do
    redis.call('HDEL', notes, gone)
    redis.call('ZREM', posted, gone)
  end
  local found = {}
  local owners = redis.call('ZRANGE', posted, 0, -1, 'WITHSCORES')
  for at = 1, #owners, 2 do
    local text = owners[at] ~= owner and redis.call('HGET', notes, owners[at])
    if text and #text <= LONGEST_NOTE then
      found[#found + 1] = owners[at]
      found[#found + 1] = tostring(math.max(0, math.floor(now - tonumber(owners[at + 1]))))
      found[#found + 1] = text
    end
  end
  return found
end

-- Those last used before a time (milliseconds); "" for all.
local function forget(before)
  local most = before == '' and '+inf' or '(' .. before
  local gone = redis.call('ZRANGEBYSCORE', used, '-inf', most, 'LIMIT', 0, PURGED)
  for _, key in ipairs(gone) do drop(key) end
  return #gone
end

if what == 'get' then return get(ARGV[5]) end
if what == 'put' then return put(ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])) end
if what == 'claim' then return claim(ARGV[5], ARGV[6], tonumber(ARGV[7])) end
if what == 'release' then return release(ARGV[5], ARGV[6]) end
if what == 'post' then return post(ARGV[5], ARGV[6], tonumber(ARGV[7])) end
if what == 'drop' then return drop(ARGV[5]) end
if what == 'forget' then return forget(ARGV[5]) end
return {redis.call('ZCOUNT', ends, '(' .. now, '+inf'), tonumber(redis.call('GET', total) or 0)}
