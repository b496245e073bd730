/* The scripts: what the store checks and writes in one instruction (docs/formats/redis-keys.md). Each checks everything before its first write. They never look inside a
 * delta: codecs are C. Keys of versions on a parent path cannot be named before they are read; they are made from the set's base, and so lie in the same slot. */
#include "sets/sets_int.h"

/* KEYS lease, head. ARGV fence, ttl_ms. Drawing a new fence ends every commit under an old one. */
const struct fl_script fl__script_lease = { "lease",
	"local cur = redis.call('GET', KEYS[1])\n"
	"if cur and cur ~= ARGV[1] then return 'held' end\n"
	"redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
	"redis.call('HSET', KEYS[2], 'fence', ARGV[1])\n"
	"return 'ok'\n" };

const struct fl_script fl__script_lease_counter = { "lease",
	"local cur = redis.call('GET', KEYS[1])\n"
	"if cur and cur ~= ARGV[1] then return 'held' end\n"
	"local f = ARGV[1]\n"
	"if not cur then f = tostring((tonumber(redis.call('HGET', KEYS[2], 'fence') or '0') or 0) + 1) end\n"
	"redis.call('SET', KEYS[1], f, 'PX', ARGV[2])\n"
	"redis.call('HSET', KEYS[2], 'fence', f)\n"
	"return f\n" };

/* KEYS lease. ARGV fence. */
const struct fl_script fl__script_release = { "release",
	"if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end\n"
	"return 'ok'\n" };

/* The checks that all commits share.
 * KEYS head, v:N, lineage, v:P of the parent. ARGV 1 commit id, 2 parent epoch (''), 3 parent version, 4 parent chain, 5 fence. */
#define CHECK_DONE "if redis.call('HGET', KEYS[2], 'commit_id') == ARGV[1] then return 'done' end\n"
#define CHECK_CAS                                                                                   \
	"local h = redis.call('HMGET', KEYS[1], 'epoch', 'version', 'chain', 'fence')\n"            \
	"if (h[1] or '') ~= ARGV[2] then return 'stale' end\n"                                      \
	"if ARGV[2] ~= '' and (h[2] ~= ARGV[3] or h[3] ~= ARGV[4]) then return 'stale' end\n"       \
	"if (h[4] or '') ~= ARGV[5] then return 'fenced' end\n"

/* ARGV 6 epoch, 7 number, 8 chain, 9 digest, 10 entries, 11 state, 12 at_us, 13 wake channel, 14 wake payload, 15 weight, 16 n field values.
 * `next` of the parent is no part of a version: it leads retention upwards, where numbers have holes. */
#define WRITE_VERSION                                                                               \
	"local n = tonumber(ARGV[16])\n"                                                            \
	"local fields = {}\n"                                                                       \
	"for i = 1, n do fields[i] = ARGV[16 + i] end\n"                                            \
	"redis.call('DEL', KEYS[2])\n"                                                              \
	"redis.call('HSET', KEYS[2], unpack(fields))\n"                                             \
	"if ARGV[2] ~= ARGV[6] then\n"                                                              \
	"  redis.call('DEL', KEYS[3])\n"                                                            \
	"  redis.call('HSET', KEYS[1], 'oldest', ARGV[7], 'count', 1, 'bytes', ARGV[15], 'lineage_oldest', ARGV[7], 'packed', 0)\n" \
	"else\n"                                                                                    \
	"  redis.call('HINCRBY', KEYS[1], 'count', 1)\n"                                            \
	"  redis.call('HINCRBY', KEYS[1], 'bytes', ARGV[15])\n"                                     \
	"  if redis.call('EXISTS', KEYS[4]) == 1 then redis.call('HSET', KEYS[4], 'next', ARGV[7]) end\n" \
	"end\n"                                                                                     \
	"redis.call('HSET', KEYS[3], ARGV[7], ARGV[8] .. ' ' .. ARGV[12])\n"
#define WRITE_HEAD                                                                                  \
	"redis.call('HSET', KEYS[1], 'epoch', ARGV[6], 'version', ARGV[7], 'chain', ARGV[8], 'digest', ARGV[9], 'entries', ARGV[10],\n" \
	"  'state', ARGV[11], 'published_at_us', ARGV[12])\n"                                       \
	"redis.call('PUBLISH', ARGV[13], ARGV[14])\n"                                               \
	"return 'ok'\n"

/* Source: KEYS 5 d:N, 6 due, 7 claims, then blocks, then for each claim its key, of: and was: of its name, and its finding's key.
 * ARGV at base = 16 + n: +1 delta mode, +2 delta, +3 keyframe version or '', +4 blocks, +5 claims, +6 delta weight; lengths of blocks; claims: id, json, due
 * ('' none), active, keep_ms, seen, at. `was` keeps the newest FL__CLAIMS_WAS of a name; a finding's ids are marked 1 while they are active, `live` counts those, and without
 * one it goes with its claims. Past FL__CLAIMS_A_FINDING ids those that ended are no longer listed. */
#define SOURCE_CHECK                                                                                \
	"local b = 16 + tonumber(ARGV[16])\n"                                                       \
	"local nb, nc = tonumber(ARGV[b + 4]), tonumber(ARGV[b + 5])\n"                             \
	"for i = 1, nb do\n"                                                                        \
	"  if redis.call('STRLEN', KEYS[7 + i]) ~= tonumber(ARGV[b + 6 + i]) then return 'missing' end\n" \
	"end\n"
#define STR_(x) #x
#define STR(x) STR_(x)
#define WAS_MAX STR(FL__CLAIMS_WAS)
#define FINDING_MAX STR(FL__CLAIMS_A_FINDING)
#define SOURCE_WRITE                                                                                \
	"for i = 1, nb do redis.call('PERSIST', KEYS[7 + i]) end\n"                                 \
	"if ARGV[b + 1] == 'inline' then redis.call('SET', KEYS[5], ARGV[b + 2])\n"                 \
	"else redis.call('DEL', KEYS[5]) end\n"                                                     \
	"local c, k = b + 6 + nb, 7 + nb\n"                                                         \
	"for i = 1, nc do\n"                                                                        \
	"  local id, json, due, active, keep = ARGV[c + 1], ARGV[c + 2], ARGV[c + 3], ARGV[c + 4], ARGV[c + 5]\n" \
	"  local claim, name, was, finding = KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4]\n" \
	"  local new = redis.call('HSETNX', claim, 'first', ARGV[7]) == 1\n"                       \
	"  redis.call('HSET', claim, 'json', json, 'version', ARGV[7], 'at', ARGV[12])\n"          \
	"  redis.call('ZADD', KEYS[7], ARGV[c + 6], id)\n"                                         \
	"  local f = redis.call('HMGET', finding, id, 'live')\n"                                   \
	"  local had, was_live = f[1] or '0', tonumber(f[2] or '') or 0\n"                         \
	"  local live = was_live + (had == active and 0 or active == '1' and 1 or -1)\n"           \
	"  if f[1] ~= active then redis.call('HSET', finding, id, active, 'live', live) end\n"     \
	"  if active == '1' then\n"                                                                \
	"    if not new then redis.call('PERSIST', claim); redis.call('ZREM', was, id) end\n"      \
	"    if f[2] and was_live <= 0 then redis.call('PERSIST', finding) end\n"                  \
	"    redis.call('SADD', name, id)\n"                                                       \
	"    if due ~= '' then redis.call('ZADD', KEYS[6], due, id) elseif not new then redis.call('ZREM', KEYS[6], id) end\n" \
	"  else\n"                                                                                 \
	"    redis.call('PEXPIRE', claim, keep)\n"                                                 \
	"    redis.call('ZADD', was, ARGV[c + 7], id)\n"                                           \
	"    redis.call('PEXPIRE', was, keep)\n"                                                   \
	"    if redis.call('ZCARD', was) > " WAS_MAX " then redis.call('ZREM', was, redis.call('ZRANGE', was, 0, 0)[1]) end\n" \
	"    redis.call('SREM', name, id)\n"                                                      \
	"    redis.call('ZREM', KEYS[6], id)\n"                                                   \
	"    if redis.call('HLEN', finding) > " FINDING_MAX " then redis.call('HDEL', finding, id) end\n" \
	"    if live <= 0 then redis.call('PEXPIRE', finding, keep) end\n"                         \
	"  end\n"                                                                                  \
	"  c, k = c + 7, k + 4\n"                                                                  \
	"end\n"                                                                                    \
	"if ARGV[b + 3] ~= '' then redis.call('HSET', KEYS[1], 'keyframe', ARGV[b + 3], 'since_bytes', 0, 'since', 0)\n" \
	"elseif ARGV[2] == '' then redis.call('HSET', KEYS[1], 'keyframe', 0, 'since_bytes', ARGV[b + 6], 'since', 1)\n" \
	"else redis.call('HINCRBY', KEYS[1], 'since_bytes', ARGV[b + 6]); redis.call('HINCRBY', KEYS[1], 'since', 1) end\n"

const struct fl_script fl__script_commit_source = { "commit_source", CHECK_DONE CHECK_CAS SOURCE_CHECK WRITE_VERSION SOURCE_WRITE WRITE_HEAD };
const struct fl_script fl__script_source_no_cas = { "commit_source", CHECK_DONE SOURCE_CHECK WRITE_VERSION SOURCE_WRITE WRITE_HEAD };
const struct fl_script fl__script_head_only = { "head_first", CHECK_DONE CHECK_CAS WRITE_HEAD };

/* List: KEYS 5 outbox, 6 back, then for each input v:K of its source and needed of its source.
 * ARGV at base: +1 list name, +2 free ('1': the cause may move inputs back and pins), +3 inputs; then each: source, epoch, number, chain, flags.
 * Without the cause an input goes back only to the source's present head: then it is the source that went back, and not a publisher that is late.
 * back: the versions in which an input went back or came, and those that had one that the next had no more. Only these, beside the oldest, say what a list needs of its sources. */
#define LIST_CHECK                                                                                  \
	"local b = 16 + tonumber(ARGV[16])\n"                                                       \
	"local ni = tonumber(ARGV[b + 3])\n"                                                        \
	"local had, left, back = {}, 0, false\n"                                                    \
	"local text = redis.call('HGET', KEYS[4], 'inputs') or ''\n"                                \
	"for s, e, n, c, f in string.gmatch(text, '(%S+) (%S+) (%S+) (%S+) %S+ %S+ (%S+)\\n') do had[s] = { e, n, c, f }; left = left + 1 end\n" \
	"for i = 0, ni - 1 do\n"                                                                    \
	"  local a = b + 3 + i * 5\n"                                                               \
	"  local s, e, n, c, f = ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], ARGV[a + 5]\n" \
	"  local p = had[s]\n"                                                                      \
	"  local same = p and p[1] == e and p[2] == n and p[3] == c\n"                              \
	"  local gone = string.find(f, 'g', 1, true)\n"                                             \
	"  if not same and not gone and n ~= '0' then\n"                                            \
	"    local v = redis.call('HMGET', KEYS[7 + i * 2], 'chain', 'epoch')\n"                    \
	"    if v[1] ~= c or v[2] ~= e then return 'missing' end\n"                                 \
	"  end\n"                                                                                   \
	"  if p and p[1] == e then left = left - 1 end\n"                                           \
	"  if n ~= '0' and not (p and p[1] == e and tonumber(n) >= tonumber(p[2])) then back = true end\n" \
	"  if ARGV[b + 2] ~= '1' and p then\n"                                                      \
	"    if p[1] == e and tonumber(n) < tonumber(p[2]) then\n"                                  \
	"      local h = redis.call('HMGET', (string.gsub(KEYS[8 + i * 2], ':needed$', ':head')), 'epoch', 'version', 'chain')\n" \
	"      if h[1] ~= e or h[2] ~= n or h[3] ~= c then return 'back' end\n"                     \
	"    end\n"                                                                               \
	"    if (string.find(p[4], 'p', 1, true) ~= nil) ~= (string.find(f, 'p', 1, true) ~= nil) then return 'pins' end\n" \
	"  end\n"                                                                                   \
	"end\n"
#define LIST_WRITE                                                                                  \
	"for i = 0, ni - 1 do\n"                                                                    \
	"  local a = b + 3 + i * 5\n"                                                               \
	"  local p, key = had[ARGV[a + 1]], KEYS[8 + i * 2]\n"                                      \
	"  local cur = redis.call('HGET', key, ARGV[b + 1])\n"                                      \
	"  local moved_epoch = p and p[2] ~= '0' and p[1] ~= ARGV[a + 2]\n"                      \
	"  if ARGV[a + 3] ~= '0' and (not cur or moved_epoch or tonumber(cur) > tonumber(ARGV[a + 3])) then\n" \
	"    redis.call('HSET', key, ARGV[b + 1], ARGV[a + 3])\n"                                   \
	"  end\n"                                                                                   \
	"end\n"                                                                                     \
	"if ARGV[2] ~= ARGV[6] then redis.call('DEL', KEYS[6]) end\n"                               \
	"if back then redis.call('ZADD', KEYS[6], ARGV[7], ARGV[7]) end\n"                          \
	"if left > 0 then redis.call('ZADD', KEYS[6], ARGV[3], ARGV[3]) end\n"                      \
	"redis.call('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'version', ARGV[7], 'chain', ARGV[8], 'at_us', ARGV[12])\n"

const struct fl_script fl__script_commit_list = { "commit_list", CHECK_DONE CHECK_CAS LIST_CHECK WRITE_VERSION LIST_WRITE WRITE_HEAD };
const struct fl_script fl__script_list_no_cas = { "commit_list", CHECK_DONE LIST_CHECK WRITE_VERSION LIST_WRITE WRITE_HEAD };

/* ARGV base ('{fl}:source/X'), number, stop, to_keyframe, max: flat rows of 16 along parent links; ends at a missing version with the single value 'missing'. */
const struct fl_script fl__script_walk = { "walk",
	"local out, n = {}, ARGV[2]\n"
	"for i = 1, tonumber(ARGV[5]) do\n"
	"  local v = redis.call('HMGET', ARGV[1] .. ':v:' .. n, 'version', 'parent', 'epoch', 'chain', 'parent_chain', 'digest', 'attrs_digest', 'entries', 'delta_bytes',\n"
	"    'attempt', 'blocks', 'at_us', 'has_delta', 'keyframe_bytes', 'delta_sha256', 'pack')\n"
	"  if not v[1] then out[#out + 1] = 'missing'; return out end\n"
	"  for k = 1, 16 do out[#out + 1] = v[k] or '' end\n"
	"  if v[1] == ARGV[3] or v[2] == '0' or not v[2] then return out end\n"
	"  if ARGV[4] == '1' and v[10] and v[10] ~= '' then return out end\n"
	"  n = v[2]\n"
	"end\n"
	"return out\n" };

/* ARGV base, number, max: flat rows of 9 along `next`, from the oldest version upwards; of a source or a list. */
const struct fl_script fl__script_walk_up = { "walk_up",
	"local out, n = {}, ARGV[2]\n"
	"for i = 1, tonumber(ARGV[3]) do\n"
	"  local v = redis.call('HMGET', ARGV[1] .. ':v:' .. n, 'version', 'next', 'at_us', 'attempt', 'blocks', 'has_delta', 'delta_bytes', 'pack', 'keyframe_bytes', 'inputs')\n"
	"  if not v[1] then return out end\n"
	"  for k = 1, 8 do out[#out + 1] = v[k] or '' end\n"
	"  out[#out + 1] = tostring((tonumber(v[7] or '') or 0) + (tonumber(v[9] or '') or 0) + #(v[10] or ''))\n"
	"  if not v[2] then return out end\n"
	"  n = v[2]\n"
	"end\n"
	"return out\n" };

/* KEYS head, the pack, then v:N and d:N of each version in it. ARGV epoch, fence, `packed` as it was read, `packed` from now on, name of the pack ('' none: only `packed` moves), its
 * bytes, expiry in ms of what it stands for, then the chain of each version. */
const struct fl_script fl__script_pack = { "pack",
	"local h = redis.call('HMGET', KEYS[1], 'epoch', 'fence', 'packed')\n"
	"if h[1] ~= ARGV[1] or (h[3] or '0') ~= ARGV[3] then return 'stale' end\n"
	"if h[2] ~= ARGV[2] then return 'fenced' end\n"
	"for i = 3, #KEYS, 2 do\n"
	"  local v = redis.call('HMGET', KEYS[i], 'chain', 'epoch', 'has_delta', 'pack')\n"
	"  if v[1] ~= ARGV[8 + (i - 3) / 2] or v[2] ~= ARGV[1] or v[3] ~= '1' or v[4] then return 'stale' end\n"
	"end\n"
	"if ARGV[5] ~= '' then redis.call('SET', KEYS[2], ARGV[6]) end\n"
	"for i = 3, #KEYS, 2 do\n"
	"  redis.call('HSET', KEYS[i], 'pack', ARGV[5])\n"
	"  redis.call('PEXPIRE', KEYS[i + 1], ARGV[7])\n"
	"end\n"
	"redis.call('HSET', KEYS[1], 'packed', ARGV[4])\n"
	"return 'ok'\n" };

/* KEYS head, needed, outbox, then keys to delete. ARGV epoch, fence, oldest as it was read, oldest from now on, versions and bytes that go. Decides and deletes on one state: what a
 * list needs, and what the relay has still to send, is not below the new oldest. */
const struct fl_script fl__script_retain = { "retain",
	"local h = redis.call('HMGET', KEYS[1], 'epoch', 'fence', 'oldest', 'version')\n"
	"if h[1] ~= ARGV[1] or h[3] ~= ARGV[3] then return 'stale' end\n"
	"if h[2] ~= ARGV[2] then return 'fenced' end\n"
	"local low = tonumber(ARGV[4])\n"
	"if not low or low > tonumber(h[4]) then return 'stale' end\n"
	"if ARGV[7] == '1' then\n"
	"  for _, v in ipairs(redis.call('HVALS', KEYS[2])) do\n"
	"    if tonumber(v) < low then return 'needed' end\n"
	"  end\n"
	"  local first = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)[1]\n"
	"  if first and tonumber(first[2][2]) < low then return 'needed' end\n"
	"end\n"
	"for i = 4, #KEYS do redis.call('UNLINK', KEYS[i]) end\n"
	"redis.call('HSET', KEYS[1], 'oldest', ARGV[4])\n"
	"redis.call('HINCRBY', KEYS[1], 'count', '-' .. ARGV[5])\n"
	"redis.call('HINCRBY', KEYS[1], 'bytes', '-' .. ARGV[6])\n"
	"return 'ok'\n" };

/* KEYS head, then keys to delete. ARGV epoch, version, fence, weight of the version that stays. */
const struct fl_script fl__script_purge = { "purge",
	"local h = redis.call('HMGET', KEYS[1], 'epoch', 'version', 'fence')\n"
	"if h[1] ~= ARGV[1] or h[2] ~= ARGV[2] then return 'stale' end\n"
	"if h[3] ~= ARGV[3] then return 'fenced' end\n"
	"for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end\n"
	"redis.call('HSET', KEYS[1], 'oldest', ARGV[2], 'count', 1, 'bytes', ARGV[4], 'packed', 0)\n"
	"return 'ok'\n" };

/* KEYS head, lineage. ARGV fence, oldest from now on, then the numbers that leave. */
const struct fl_script fl__script_lineage = { "lineage",
	"if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 'fenced' end\n"
	"for i = 3, #ARGV do redis.call('HDEL', KEYS[2], ARGV[i]) end\n"
	"redis.call('HSET', KEYS[1], 'lineage_oldest', ARGV[2])\n"
	"return 'ok'\n" };

/* KEYS head of the list, back, then needed of each source. ARGV epoch, fence, list, oldest version of the list; then each: lowest version still needed ('' none). */
const struct fl_script fl__script_needed = { "needed",
	"local h = redis.call('HMGET', KEYS[1], 'epoch', 'fence', 'oldest')\n"
	"if h[1] ~= ARGV[1] or h[3] ~= ARGV[4] then return 'stale' end\n"
	"if h[2] ~= ARGV[2] then return 'fenced' end\n"
	"for i = 3, #KEYS do\n"
	"  if ARGV[2 + i] == '' then redis.call('HDEL', KEYS[i], ARGV[3]) else redis.call('HSET', KEYS[i], ARGV[3], ARGV[2 + i]) end\n"
	"end\n"
	"redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[4])\n"
	"return 'ok'\n" };

/* KEYS claims. ARGV base of claims, then ids: those whose claim is no more leave the index; how many. */
const struct fl_script fl__script_claims_trim = { "claims_trim",
	"local n = 0\n"
	"for i = 2, #ARGV do\n"
	"  if redis.call('EXISTS', ARGV[1] .. ARGV[i]) == 0 then n = n + redis.call('ZREM', KEYS[1], ARGV[i]) end\n"
	"end\n"
	"return n\n" };
