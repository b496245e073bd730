/* The twin's inside, shared by its files (all *_mem.c of this family). Private to io/.
 *
 *   world --keys--> map --item--> obj { string | hash | set | zset | stream }, with an expiry
 *
 * One container serves keyspace, hash, set and zset: a map that iterates in the order of insertion, so that a run
 * repeats itself. A test tool: running out of memory ends the process. Single-threaded inside; the doors take the
 * world's lock. */
#pragma once
#include <pthread.h>

#include "io/clock.h"
#include "io/store.h"

struct lua_State;

/* ---- memory and map (store_map_mem.c) ---- */

struct fl__mem_str {
	size_t n;
	uint8_t p[];
};

struct fl__mem_item {
	uint64_t hash, seq; /* seq grows with each insertion: a SCAN cursor */
	union {
		struct fl__mem_obj *obj; /* keyspace */
		struct fl__mem_str *str; /* hash */
		double score;            /* zset */
	};
	size_t n;
	uint8_t key[];
};

struct fl__mem_map {
	struct fl__mem_item **v; /* in order of insertion; NULL where one was deleted */
	size_t n, cap, live;
	uint32_t *slot; /* open addressing: 0 empty, UINT32_MAX deleted, else index + 1 into v */
	size_t slots, used;
	uint64_t seq;
};

void *fl__mem_alloc(size_t n);
void *fl__mem_grow(void *p, size_t n, size_t size);
struct fl__mem_str *fl__mem_str(struct fl_span s);
static inline struct fl_span fl__mem_str_span(const struct fl__mem_str *s)
{
	return fl_span(s->p, s->n);
}
static inline struct fl_span fl__mem_item_key(const struct fl__mem_item *it)
{
	return fl_span(it->key, it->n);
}
/* For %.*s: at most 127 octets of it. */
static inline int fl__mem_shown(struct fl_span s)
{
	return s.n < 127 ? (int)s.n : 127;
}
struct fl__mem_item *fl__mem_map_get(const struct fl__mem_map *m, struct fl_span key);
/** The item of this key, made when there is none (*added). */
struct fl__mem_item *fl__mem_map_put(struct fl__mem_map *m, struct fl_span key, bool *added);
/** Takes it out and frees it; what its union points to is the caller's. */
void fl__mem_map_del(struct fl__mem_map *m, struct fl__mem_item *it);
void fl__mem_map_done(struct fl__mem_map *m, void (*drop)(struct fl__mem_item *it));
/** Bytewise, a shorter prefix first. */
int fl__mem_span_cmp(struct fl_span a, struct fl_span b);

/* ---- objects and keyspace (store_db_mem.c) ---- */

enum fl__mem_type { FL__MEM_STRING, FL__MEM_HASH, FL__MEM_SET, FL__MEM_ZSET, FL__MEM_STREAM };

struct fl__mem_id {
	uint64_t ms, seq;
};
struct fl__mem_entry {
	struct fl__mem_id id;
	size_t n; /* fields and values, so even */
	struct fl__mem_str *fv[];
};
struct fl__mem_stream {
	struct fl__mem_entry **v;
	size_t n, cap;
	struct fl__mem_id last;
};

struct fl__mem_obj {
	enum fl__mem_type type;
	int64_t expire_ms; /* unix; -1: never */
	struct fl__mem_str *str;
	struct fl__mem_map map;      /* hash, set, zset */
	struct fl__mem_item **order; /* zset: by score, then member */
	size_t order_cap;
	struct fl__mem_stream stream;
};

struct fl__mem_door;
struct fl_store_mem {
	pthread_mutex_t lock;
	struct fl_clock *clock;
	struct fl__mem_map keys;
	int64_t now_ms;      /* taken once a call or script, so that time stands still inside a script */
	int64_t next_expire; /* no key expires before; INT64_MAX: none will */
	bool has_saved;
	struct fl__mem_map saved;
	struct fl__mem_door *doors;
	fl_fault_plan *plan;
	void *plan_ctx;
	struct lua_State *lua;
	struct fl_arena scratch; /* one script's redis.call arguments and replies */
};

/** The object of a key that has not expired, or NULL. */
struct fl__mem_obj *fl__mem_db_get(struct fl_store_mem *w, struct fl_span key);
/** A new, empty one in the place of whatever was there. */
struct fl__mem_obj *fl__mem_db_new(struct fl_store_mem *w, struct fl_span key, enum fl__mem_type type);
bool fl__mem_db_del(struct fl_store_mem *w, struct fl_span key);
/** ms < 0: never. */
void fl__mem_db_expire(struct fl_store_mem *w, struct fl__mem_obj *o, int64_t ms);
/** Set now_ms and drop what has expired. */
void fl__mem_db_tick(struct fl_store_mem *w);
/* Those keys that begin with prefix, or (begins false) those that do not. */
void fl__mem_db_copy(struct fl__mem_map *to, const struct fl__mem_map *from, struct fl_span prefix, bool begins);
void fl__mem_db_clear(struct fl__mem_map *keys);
size_t fl__mem_obj_bytes(const struct fl__mem_obj *o);
void fl__mem_stream_trim(struct fl__mem_stream *st, size_t from, size_t n);

/* ---- one command (store_cmd_mem.c) ---- */

struct fl__mem_call {
	struct fl_store_mem *w;
	struct fl_arena *arena;
	const struct fl_span *argv;
	size_t argc;
	struct fl_reply *out;
	const char *name; /* lower case */
};

enum { FL__MEM_NOSCRIPT = 1 };
struct fl__mem_cmd {
	const char *name;
	int arity; /* as Redis counts: with the name; negative: at least */
	void (*run)(struct fl__mem_call *c);
	int flags;
};
extern const struct fl__mem_cmd fl__mem_key_cmds[], fl__mem_server_cmds[], fl__mem_string_cmds[], fl__mem_hash_cmds[],
	fl__mem_set_cmds[], fl__mem_zset_cmds[], fl__mem_stream_cmds[];

/** Carry out one command; the reply is in arena. */
void fl__mem_run(struct fl_store_mem *w, const struct fl_span *argv, size_t argc, bool in_script,
		 struct fl_arena *arena, struct fl_reply *out);

void fl__mem_int(struct fl__mem_call *c, int64_t i);
void fl__mem_nil(struct fl__mem_call *c);
void fl__mem_ok(struct fl__mem_call *c);
void fl__mem_bulk(struct fl__mem_call *c, struct fl_span s);
void fl__mem_error(struct fl__mem_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fl__mem_syntax(struct fl__mem_call *c);
void fl__mem_not_int(struct fl__mem_call *c);
void fl__mem_arity(struct fl__mem_call *c);
/** An array of n nil replies to be filled. */
struct fl_reply *fl__mem_array(struct fl__mem_call *c, size_t n);
struct fl_reply *fl__mem_array_in(struct fl__mem_call *c, struct fl_reply *r, size_t n);
void fl__mem_put_bulk(struct fl__mem_call *c, struct fl_reply *r, struct fl_span s);
void fl__mem_put_double(struct fl__mem_call *c, struct fl_reply *r, double d);

/** Case-insensitive. */
bool fl__mem_is(struct fl_span s, const char *word);
/** Redis' string2ll: no sign but '-', no leading zero or space. */
bool fl__mem_ll(struct fl_span s, int64_t *out);
/** The integer at argv[i]; false, and the error written, when it is none. */
bool fl__mem_ll_arg(struct fl__mem_call *c, size_t i, int64_t *out);
/** A finite or infinite number, no NaN. */
bool fl__mem_double(struct fl_span s, double *out);
/** Redis' glob: * ? [a-z] [^a] and backslash. */
bool fl__mem_match(struct fl_span pattern, struct fl_span s);
/** The object of argv[i], NULL when there is none; false, and WRONGTYPE written, when it is of another type. */
bool fl__mem_want(struct fl__mem_call *c, size_t i, enum fl__mem_type type, struct fl__mem_obj **out);
/** As fl__mem_want, and made when there is none. */
bool fl__mem_make(struct fl__mem_call *c, size_t i, enum fl__mem_type type, struct fl__mem_obj **out);
/** An aggregate that became empty is gone. */
void fl__mem_drop_empty(struct fl__mem_call *c, size_t i, const struct fl__mem_obj *o);

/* ---- scripts (store_lua_mem.c), doors (store_mem.c) ---- */

void fl__mem_lua_init(struct fl_store_mem *w);
void fl__mem_lua_done(struct fl_store_mem *w);
void fl__mem_lua_eval(struct fl_store_mem *w, const struct fl_script *script, const struct fl_span *keys, size_t n_keys,
		      const struct fl_span *args, size_t n_args, struct fl_arena *arena, struct fl_reply *out);
/** Hand a message to the doors that listen on this channel; how many. */
size_t fl__mem_publish(struct fl_store_mem *w, struct fl_span channel, struct fl_span payload);
