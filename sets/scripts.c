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
 * KEYS head, v:N, lineage. ARGV 1 commit id, 2 parent epoch (''), 3 parent version, 4 parent chain, 5 fence. */
#define CHECK_DONE "if redis.call('HGET', KEYS[2], 'commit_id') == ARGV[1] then return 'done' end\n"
#define CHECK_CAS                                                                                   \
	"local h = redis.call('HMGET', KEYS[1], 'epoch', 'version', 'chain', 'fence')\n"            \
	"if (h[1] or '') ~= ARGV[2] then return 'stale' end\n"                                      \
	"if ARGV[2] ~= '' and (h[2] ~= ARGV[3] or h[3] ~= ARGV[4]) then return 'stale' end\n"       \
	"if (h[4] or '') ~= ARGV[5] then return 'fenced' end\n"

/* ARGV 6 epoch, 7 number, 8 chain, 9 digest, 10 entries, 11 state, 12 at_us, 13 wake channel, 14 wake payload, 15 n field values */
#define WRITE_VERSION                                                                               \
	"local n = tonumber(ARGV[15])\n"                                                            \
	"local fields = {}\n"                                                                       \
	"for i = 1, n do fields[i] = ARGV[15 + i] end\n"                                            \
	"if ARGV[2] ~= ARGV[6] then redis.call('DEL', KEYS[3]) end\n"                               \
	"redis.call('DEL', KEYS[2])\n"                                                              \
	"redis.call('HSET', KEYS[2], unpack(fields))\n"                                             \
	"redis.call('HSET', KEYS[3], ARGV[7], ARGV[8])\n"
#define WRITE_HEAD                                                                                  \
	"redis.call('HSET', KEYS[1], 'epoch', ARGV[6], 'version', ARGV[7], 'chain', ARGV[8], 'digest', ARGV[9], 'entries', ARGV[10],\n" \
	"  'state', ARGV[11], 'published_at_us', ARGV[12])\n"                                       \
	"redis.call('PUBLISH', ARGV[13], ARGV[14])\n"                                               \
	"return 'ok'\n"

/* Source: KEYS 4 d:N, 5 due, then blocks, then for each claim its key and its name's key.
 * ARGV at base = 15 + n: +1 delta mode, +2 delta bytes or length, +3 keyframe version or '', +4 blocks, +5 claims, +6 delta weight; lengths of blocks; claims: id, json, due
 * ('' none), active, keep_ms */
#define SOURCE_CHECK                                                                                \
	"local b = 15 + tonumber(ARGV[15])\n"                                                       \
	"local nb, nc = tonumber(ARGV[b + 4]), tonumber(ARGV[b + 5])\n"                             \
	"for i = 1, nb do\n"                                                                        \
	"  if redis.call('STRLEN', KEYS[5 + i]) ~= tonumber(ARGV[b + 6 + i]) then return 'missing' end\n" \
	"end\n"
#define SOURCE_WRITE                                                                                \
	"for i = 1, nb do redis.call('PERSIST', KEYS[5 + i]) end\n"                                 \
	"if ARGV[b + 1] == 'inline' then redis.call('SET', KEYS[4], ARGV[b + 2])\n"                 \
	"else redis.call('DEL', KEYS[4]) end\n"                                                     \
	"local c, k = b + 6 + nb, 5 + nb\n"                                                         \
	"for i = 1, nc do\n"                                                                        \
	"  local id, json, due, active, keep = ARGV[c + 1], ARGV[c + 2], ARGV[c + 3], ARGV[c + 4], ARGV[c + 5]\n" \
	"  local claim, name = KEYS[k + 1], KEYS[k + 2]\n"                                          \
	"  redis.call('HSET', claim, 'json', json)\n"                                               \
	"  if active == '1' then\n"                                                                 \
	"    redis.call('PERSIST', claim)\n"                                                        \
	"    redis.call('SADD', name, id)\n"                                                        \
	"    if due ~= '' then redis.call('ZADD', KEYS[5], due, id) else redis.call('ZREM', KEYS[5], id) end\n" \
	"  else\n"                                                                                  \
	"    redis.call('PEXPIRE', claim, keep)\n"                                                  \
	"    redis.call('SREM', name, id)\n"                                                        \
	"    redis.call('ZREM', KEYS[5], id)\n"                                                     \
	"  end\n"                                                                                   \
	"  c, k = c + 5, k + 2\n"                                                                   \
	"end\n"                                                                                     \
	"if ARGV[b + 3] ~= '' then redis.call('HSET', KEYS[1], 'keyframe', ARGV[b + 3], 'since_bytes', 0, 'since', 0)\n" \
	"elseif ARGV[2] == '' then redis.call('HSET', KEYS[1], 'keyframe', 0, 'since_bytes', ARGV[b + 6], 'since', 1)\n" \
	"else redis.call('HINCRBY', KEYS[1], 'since_bytes', ARGV[b + 6]); redis.call('HINCRBY', KEYS[1], 'since', 1) end\n"

const struct fl_script fl__script_commit_source = { "commit_source", CHECK_DONE CHECK_CAS SOURCE_CHECK WRITE_VERSION SOURCE_WRITE WRITE_HEAD };
const struct fl_script fl__script_source_no_cas = { "commit_source", CHECK_DONE SOURCE_CHECK WRITE_VERSION SOURCE_WRITE WRITE_HEAD };
const struct fl_script fl__script_head_only = { "head_first", CHECK_DONE CHECK_CAS WRITE_HEAD };

/* List: KEYS 4 outbox, 5 v:P of the parent, then for each input v:K of its source and needed of its source.
 * ARGV at base: +1 list name, +2 free ('1': the cause may move inputs back and pins), +3 inputs; then each: source, epoch, number, chain, flags */
#define LIST_CHECK                                                                                  \
	"local b = 15 + tonumber(ARGV[15])\n"                                                       \
	"local ni = tonumber(ARGV[b + 3])\n"                                                        \
	"local had = {}\n"                                                                          \
	"local text = redis.call('HGET', KEYS[5], 'inputs') or ''\n"                                \
	"for s, e, n, c, f in string.gmatch(text, '(%S+) (%S+) (%S+) (%S+) %S+ %S+ (%S+)\\n') do had[s] = { e, n, c, f } end\n" \
	"for i = 0, ni - 1 do\n"                                                                    \
	"  local a = b + 3 + i * 5\n"                                                               \
	"  local s, e, n, c, f = ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], ARGV[a + 5]\n" \
	"  local p = had[s]\n"                                                                      \
	"  local same = p and p[1] == e and p[2] == n and p[3] == c\n"                              \
	"  local gone = string.find(f, 'g', 1, true)\n"                                             \
	"  if not same and not gone and n ~= '0' then\n"                                            \
	"    local v = redis.call('HMGET', KEYS[6 + i * 2], 'chain', 'epoch')\n"                    \
	"    if v[1] ~= c or v[2] ~= e then return 'missing' end\n"                                 \
	"  end\n"                                                                                   \
	"  if ARGV[b + 2] ~= '1' and p then\n"                                                      \
	"    if p[1] == e and tonumber(n) < tonumber(p[2]) then return 'back' end\n"                \
	"    if (string.find(p[4], 'p', 1, true) ~= nil) ~= (string.find(f, 'p', 1, true) ~= nil) then return 'pins' end\n" \
	"  end\n"                                                                                   \
	"end\n"
#define LIST_WRITE                                                                                  \
	"for i = 0, ni - 1 do\n"                                                                    \
	"  local a = b + 3 + i * 5\n"                                                               \
	"  local p, key = had[ARGV[a + 1]], KEYS[7 + i * 2]\n"                                      \
	"  local cur = redis.call('HGET', key, ARGV[b + 1])\n"                                      \
	"  local moved_epoch = p and p[1] ~= ARGV[a + 2]\n"                                         \
	"  if ARGV[a + 3] ~= '0' and (not cur or moved_epoch or tonumber(cur) > tonumber(ARGV[a + 3])) then\n" \
	"    redis.call('HSET', key, ARGV[b + 1], ARGV[a + 3])\n"                                   \
	"  end\n"                                                                                   \
	"end\n"                                                                                     \
	"redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'version', ARGV[7], 'chain', ARGV[8], 'at_us', ARGV[12])\n"

const struct fl_script fl__script_commit_list = { "commit_list", CHECK_DONE CHECK_CAS LIST_CHECK WRITE_VERSION LIST_WRITE WRITE_HEAD };
const struct fl_script fl__script_list_no_cas = { "commit_list", CHECK_DONE LIST_CHECK WRITE_VERSION LIST_WRITE WRITE_HEAD };

/* ARGV base ('{fl}:source/X'), number, stop, to_keyframe, max: flat rows of 12 along parent links; ends at a missing version with the row '' . */
const struct fl_script fl__script_walk = { "walk",
	"local out, n = {}, ARGV[2]\n"
	"for i = 1, tonumber(ARGV[5]) do\n"
	"  local v = redis.call('HMGET', ARGV[1] .. ':v:' .. n, 'version', 'parent', 'epoch', 'chain', 'parent_chain', 'digest', 'attrs_digest', 'entries', 'delta_bytes',\n"
	"    'attempt', 'blocks', 'at_us', 'has_delta', 'keyframe_bytes')\n"
	"  if not v[1] then out[#out + 1] = 'missing'; return out end\n"
	"  for k = 1, 14 do out[#out + 1] = v[k] or '' end\n"
	"  if v[1] == ARGV[3] or v[2] == '0' or not v[2] then return out end\n"
	"  if ARGV[4] == '1' and v[10] and v[10] ~= '' then return out end\n"
	"  n = v[2]\n"
	"end\n"
	"return out\n" };

/* The same for a list: rows version, parent, epoch, at_us, inputs. */
const struct fl_script fl__script_walk_list = { "walk_list",
	"local out, n = {}, ARGV[2]\n"
	"for i = 1, tonumber(ARGV[3]) do\n"
	"  local v = redis.call('HMGET', ARGV[1] .. ':v:' .. n, 'version', 'parent', 'epoch', 'at_us', 'inputs')\n"
	"  if not v[1] then return out end\n"
	"  for k = 1, 5 do out[#out + 1] = v[k] or '' end\n"
	"  if not v[2] or v[2] == '0' then return out end\n"
	"  n = v[2]\n"
	"end\n"
	"return out\n" };

/* KEYS name's key. ARGV base of claims: the JSON of each active claim of a name. */
const struct fl_script fl__script_claims_of = { "claims_of",
	"local out = {}\n"
	"local ids = redis.call('SMEMBERS', KEYS[1])\n"
	"table.sort(ids)\n"
	"for _, id in ipairs(ids) do\n"
	"  local j = redis.call('HGET', ARGV[1] .. id, 'json')\n"
	"  if j then out[#out + 1] = j end\n"
	"end\n"
	"return out\n" };

/* KEYS head, needed, then keys to delete. ARGV epoch, version, fence, lowest version that stays ('' none: purge): decides and deletes on one state. */
const struct fl_script fl__script_delete = { "delete",
	"local h = redis.call('HMGET', KEYS[1], 'epoch', 'version', 'fence')\n"
	"if h[1] ~= ARGV[1] or h[2] ~= ARGV[2] then return 'stale' end\n"
	"if h[3] ~= ARGV[3] then return 'fenced' end\n"
	"if ARGV[4] ~= '' then\n"
	"  for _, v in ipairs(redis.call('HVALS', KEYS[2])) do\n"
	"    if tonumber(v) < tonumber(ARGV[4]) then return 'needed' end\n"
	"  end\n"
	"end\n"
	"for i = 3, #KEYS do redis.call('UNLINK', KEYS[i]) end\n"
	"return 'ok'\n" };

/* KEYS head of the list, then needed of each source. ARGV epoch, version, fence, list; then each: lowest version still needed ('' none). */
const struct fl_script fl__script_needed = { "needed",
	"local h = redis.call('HMGET', KEYS[1], 'epoch', 'version', 'fence')\n"
	"if h[1] ~= ARGV[1] or h[2] ~= ARGV[2] then return 'stale' end\n"
	"if h[3] ~= ARGV[3] then return 'fenced' end\n"
	"for i = 2, #KEYS do\n"
	"  if ARGV[3 + i] == '' then redis.call('HDEL', KEYS[i], ARGV[4]) else redis.call('HSET', KEYS[i], ARGV[4], ARGV[3 + i]) end\n"
	"end\n"
	"return 'ok'\n" };
