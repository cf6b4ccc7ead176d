-- A batch of takings and settlements as one step. It says the same as core/access/limits/ledger.py, whose words it uses.
--
-- ARGV: the prefix of all keys; the batch as JSON; milliseconds of an owner's lease; microseconds since the epoch, "" for
-- Redis's own clock, which all machines share. Returns JSON; {"unknown": true} where the owner has to say what it holds.
--
--   PREFIX:a:ACCOUNT        hash: rs rt r:CELL, ts tt t:CELL (windows: second, total, cells), held, held:OWNER (running),
--                           lent, lent:OWNER
--   PREFIX:p:ACCOUNT:PURSE  hash: used, held, held:OWNER (reserved), told:AMOUNT
--   PREFIX:o:OWNER          set: keys of the two above in which it holds something
--   PREFIX:u:ACCOUNT        set: keys of its purses in which somebody held something lately
--   PREFIX:owners           sorted set: owner -> until when it counts as there; PREFIX:numbers: hash, its last batch
local prefix, batch, lease = ARGV[1], cjson.decode(ARGV[2]), tonumber(ARGV[3])
local micros
if ARGV[4] ~= '' then
  micros = tonumber(ARGV[4])
else
  local time = redis.call('TIME')
  micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local now = micros / 1000000
local CELLS, SECONDS, KEPT = 61, 60, 100 * 86400
local ALERTS, NEARLY, LAZY = {100, 80, 50}, 80, 0.15
local owner = batch.owner
local alerts = {}

-- Numbers as Redis is to have them: not 1e+15.
local function whole(number) return string.format('%.0f', number) end
local function get(key, field) return tonumber(redis.call('HGET', key, field)) or 0 end
local function account_key(account) return prefix .. ':a:' .. account end
local function purse_key(account, purse) return prefix .. ':p:' .. account .. ':' .. purse end

-- What an owner holds in a key ('held', or 'lent'): never less than nothing, and part of the key's total.
local function change(key, kind, who, amount)
  local field = kind .. ':' .. who
  local before = get(key, field)
  local after = math.max(0, before + amount)
  if after == before then return end
  redis.call('HINCRBY', key, kind, whole(after - before))
  if after > 0 then
    redis.call('HSET', key, field, whole(after))
    redis.call('SADD', prefix .. ':o:' .. who, key)
    redis.call('EXPIRE', key, KEPT)
  else
    redis.call('HDEL', key, field)
    if get(key, 'held:' .. who) == 0 and get(key, 'lent:' .. who) == 0 then
      redis.call('SREM', prefix .. ':o:' .. who, key)
    end
  end
end

local function hold(key, who, amount) change(key, 'held', who, amount) end

local function reserve(account, purse, who, amount)
  local key, index = purse_key(account, purse), prefix .. ':u:' .. account
  hold(key, who, amount)
  if get(key, 'held') > 0 then
    redis.call('SADD', index, key)
    redis.call('EXPIRE', index, KEPT)
  else
    redis.call('SREM', index, key)
  end
end

local function abandon(who)
  for _, key in ipairs(redis.call('SMEMBERS', prefix .. ':o:' .. who)) do
    change(key, 'held', who, -get(key, 'held:' .. who))
    change(key, 'lent', who, -get(key, 'lent:' .. who))
  end
  redis.call('DEL', prefix .. ':o:' .. who)
end

-- Windows. `w` is 'r' for requests or 't' for tokens.
local function clear(key, w, second, rest, total)
  if total > 0 then  -- else there is nothing in its cells, which is so in each step of an account without such a limit
    for cell = 0, CELLS - 1 do redis.call('HDEL', key, w .. ':' .. cell) end
  end
  if rest > 0 then redis.call('HSET', key, w .. ':' .. (second % CELLS), whole(rest)) end
  redis.call('HSET', key, w .. 's', whole(second), w .. 't', whole(rest))
end

local function advance(key, w)
  local second = math.floor(now)
  local last, total = get(key, w .. 's'), get(key, w .. 't')
  local passed = second - last
  if passed <= 0 and passed >= -SECONDS and total > 0 then return last end
  if passed >= CELLS or total == 0 then
    clear(key, w, second, 0, total)
  elseif passed < 0 then
    clear(key, w, second, total, total)
  else
    for one = last + 1, second do
      local field = w .. ':' .. (one % CELLS)
      local amount = get(key, field)
      if amount > 0 then
        total = total - amount
        redis.call('HDEL', key, field)
      end
    end
    redis.call('HSET', key, w .. 's', whole(second), w .. 't', whole(total))
  end
  return second
end

local function add(key, w, second, amount)
  local last = get(key, w .. 's')
  if second <= last - CELLS or second > last then return end
  local field = w .. ':' .. (second % CELLS)
  local before = get(key, field)
  amount = math.max(amount, -before)
  if amount == 0 then return end
  redis.call('HSET', key, field, whole(before + amount))
  redis.call('HINCRBY', key, w .. 't', whole(amount))
  redis.call('EXPIRE', key, KEPT)
end

-- Seconds until `amount` more is within the limit; nil where it never will be.
local function fits_in(key, w, amount, limit)
  if amount > limit then return nil end
  local excess = get(key, w .. 't') + amount - limit
  if excess <= 0 then return 0 end
  local last = get(key, w .. 's')
  for second = last - SECONDS, last do
    excess = excess - get(key, w .. ':' .. (second % CELLS))
    if excess <= 0 then return math.max(0, second + CELLS - now) end
  end
  return nil
end

local function empty_in(key, w)
  if get(key, w .. 't') > 0 then
    local last = get(key, w .. 's')
    for second = last, last - CELLS + 1, -1 do
      if get(key, w .. ':' .. (second % CELLS)) > 0 then return math.max(0, second + CELLS - now) end
    end
  end
  return 0
end

local function tell(account, purse, amount, percent)
  if percent == 0 then return end
  local key = purse_key(account, purse)
  local field = 'told:' .. whole(amount)
  if get(key, field) < percent then
    redis.call('HSET', key, field, percent)
    redis.call('EXPIRE', key, KEPT)
    alerts[#alerts + 1] = {account = account, purse = purse, amount = whole(amount), used = whole(get(key, 'used')), percent = percent}
  end
end

local function tell_refused(account, purse, amount)
  if get(purse_key(account, purse), 'used') * 100 >= NEARLY * amount then tell(account, purse, amount, 100) end
end

local function settle(entry)
  local key = account_key(entry.account)
  local reserved, used = entry.tokens[1], entry.tokens[2]
  if reserved ~= used then
    local latest = advance(key, 't')
    add(key, 't', used < reserved and entry.second or latest, used - reserved)
  end
  if entry.requests > 0 then
    advance(key, 'r')
    add(key, 'r', entry.second, -entry.requests)
  end
  hold(key, owner, -entry.places)
  change(key, 'lent', owner, -entry.lent)
  for _, one in ipairs(entry.purses) do
    local purse, kept, spent = one[1], one[2], one[3]
    local place = purse_key(entry.account, purse)
    reserve(entry.account, purse, owner, -kept)
    if spent > 0 then
      local total = tonumber(redis.call('HINCRBY', place, 'used', whole(spent)))
      redis.call('EXPIRE', place, KEPT)
      for _, amount in ipairs(one[4]) do
        local percent = 0
        for _, level in ipairs(ALERTS) do
          if percent == 0 and total * 100 >= level * amount then percent = level end
        end
        tell(entry.account, purse, amount, percent)
      end
    end
  end
end

local function is_short(account, line, amount)
  if line.reserve <= 0 then return false end
  local key = purse_key(account, line.purse)
  return get(key, 'used') + get(key, 'held') + line.reserve > amount
end

local function given(value) return value ~= nil and value ~= cjson.null end

local function over(claim, place)
  local key = account_key(claim.account)
  if given(claim.requests) then
    local wait = fits_in(key, 'r', 1, claim.requests)
    if wait ~= 0 then return 'requests', claim.requests, 1, wait, '' end
  end
  if given(claim.tokens) and claim.reserve > 0 then
    local wait = fits_in(key, 't', claim.reserve, claim.tokens)
    if wait ~= 0 then return 'tokens', claim.tokens, claim.reserve, wait, '' end
  end
  if place and given(claim.concurrent) and get(key, 'held') >= claim.concurrent then
    return 'concurrent', claim.concurrent, 1, 1, ''
  end
  for _, line in ipairs(claim.lines) do
    if given(line.most) and is_short(claim.account, line, line.most) then
      tell_refused(claim.account, line.purse, line.most)
      return 'budget', line.most, line.reserve, nil, line.purse
    end
  end
end

local function standings(take)
  local found = {}
  for _, pair in ipairs({{'requests', 'r'}, {'tokens', 't'}}) do
    local what, w, tightest = pair[1], pair[2], nil
    for _, claim in ipairs(take.claims) do
      local limit = claim[what]
      if given(limit) then
        local key = account_key(claim.account)
        local remaining = math.max(0, limit - get(key, w .. 't'))
        if tightest == nil or remaining < tightest.left then
          tightest = {left = remaining, row = {claim.account, what, whole(limit), whole(remaining), tostring(empty_in(key, w))}}
        end
      end
    end
    if tightest ~= nil then found[#found + 1] = tightest.row end
  end
  return found
end

-- Whether something may come back at once.
local function has_hope(claim, what)
  local key = account_key(claim.account)
  if get(key, 'lent') > 0 then return true end
  if what ~= 'concurrent' and what ~= 'budget' and what ~= 'downgrade' then return false end
  if get(key, 'held') > get(key, 'held:' .. owner) then return true end
  for _, place in ipairs(redis.call('SMEMBERS', prefix .. ':u:' .. claim.account)) do
    if get(place, 'held') > get(place, 'held:' .. owner) then return true end
  end
  return false
end

local function refused(claim, what, limit, wanted, wait, purse, standing)
  return {
    again = has_hope(claim, what) and tostring(LAZY) or '0', lent = whole(get(account_key(claim.account), 'lent')),
    refused = what, account = claim.account, limit = whole(limit), wanted = whole(wanted),
    wait = wait ~= nil and tostring(wait) or '', purse = purse, standings = standing,
  }
end

-- Whether what is wanted to spare leaves half of each limit.
local function has_half(take)
  local spare = take.spare
  for _, claim in ipairs(take.claims) do
    local key = account_key(claim.account)
    if given(claim.requests) and 2 * (get(key, 'rt') + spare) > claim.requests then return false end
    if given(claim.tokens) and 2 * (get(key, 'tt') + spare * claim.reserve) > claim.tokens then return false end
    if take.place then
      if given(claim.concurrent) and 2 * (get(key, 'held') + spare) > claim.concurrent then return false end
      for _, line in ipairs(claim.lines) do
        local place = purse_key(claim.account, line.purse)
        local wanted = 2 * (get(place, 'used') + get(place, 'held') + spare * line.reserve)
        if given(line.most) and wanted > line.most then return false end
        if given(line.soft) and wanted > line.soft then return false end
      end
    end
  end
  return true
end

local function take_all(take)
  local second = 0
  for _, claim in ipairs(take.claims) do
    second = advance(account_key(claim.account), 'r')
    advance(account_key(claim.account), 't')
  end
  for _, claim in ipairs(take.claims) do
    local what, limit, wanted, wait, purse = over(claim, take.place)
    if what ~= nil then return refused(claim, what, limit, wanted, wait, purse, standings(take)) end
  end
  for _, claim in ipairs(take.claims) do
    for _, line in ipairs(claim.lines) do
      if given(line.soft) and is_short(claim.account, line, line.soft) then
        tell_refused(claim.account, line.purse, line.soft)
        return refused(claim, 'downgrade', line.soft, line.reserve, nil, line.purse, {})
      end
    end
  end
  for _, claim in ipairs(take.claims) do
    local key = account_key(claim.account)
    if given(claim.requests) then add(key, 'r', second, 1) end
    if given(claim.tokens) then add(key, 't', second, claim.reserve) end
    if take.place then
      if given(claim.concurrent) then hold(key, owner, 1) end
      for _, line in ipairs(claim.lines) do reserve(claim.account, line.purse, owner, line.reserve) end
    end
  end
  local spare = take.spare
  if spare > 0 and not has_half(take) then spare = 0 end
  if spare > 0 then
    for _, claim in ipairs(take.claims) do
      local key = account_key(claim.account)
      change(key, 'lent', owner, spare)
      if given(claim.requests) then add(key, 'r', second, spare) end
      if given(claim.tokens) then add(key, 't', second, spare * claim.reserve) end
      if take.place then
        if given(claim.concurrent) then hold(key, owner, spare) end
        for _, line in ipairs(claim.lines) do
          reserve(claim.account, line.purse, owner, spare * line.reserve)
        end
      end
    end
  end
  return {second = whole(second), standings = standings(take), spare = spare}
end

-- Owners that are gone.
local owners, numbers = prefix .. ':owners', prefix .. ':numbers'
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', owners, '-inf', whole(micros))) do
  if gone ~= owner then
    abandon(gone)
    redis.call('ZREM', owners, gone)
  end
end
-- Their numbers stay for a day: one may only have been stopped.
for _, old in ipairs(redis.call('ZRANGEBYSCORE', prefix .. ':seen', '-inf', whole(micros - 86400 * 1000000))) do
  redis.call('ZREM', prefix .. ':seen', old)
  redis.call('HDEL', numbers, old)
end
if not given(batch.truth) and not redis.call('ZSCORE', owners, owner) then return '{"unknown":true}' end

local last = get(numbers, owner)
if last < batch.number then
  for _, settlement in ipairs(batch.settlements) do
    for _, entry in ipairs(settlement) do settle(entry) end
  end
end
if given(batch.truth) then
  abandon(owner)
  for _, one in ipairs(batch.truth) do
    hold(account_key(one[1]), owner, one[2])
    change(account_key(one[1]), 'lent', owner, one[4])
    for _, line in ipairs(one[3]) do reserve(one[1], line[1], owner, line[2]) end
  end
end
local takes = {}
for index, take in ipairs(batch.takes) do takes[index] = take_all(take) end
redis.call('ZADD', owners, whole(micros + lease * 1000), owner)
redis.call('ZADD', prefix .. ':seen', whole(micros), owner)
redis.call('HSET', numbers, owner, whole(math.max(last, batch.number)))
return cjson.encode({takes = takes, alerts = alerts})
