/* Private to sets/: keys, scripts, and the pieces of a commit. */
#pragma once
#include "base/mutant.h"
#include "base/text.h"
#include "model/pack.h"
#include "sets/sets.h"

enum { FL_SMALL_BYTES = 64 * 1024, FL_DELTAS_MAX = 1000, FL_PIPELINE_BYTES = 4 << 20, FL_BLOB_TTL_MS = 3600000, FL_WALK_MAX = 4096, FL_REPLY_TRIES = 4,
       FL_VERSION_BYTES = 512 /* what a version weighs beside its delta, keyframe or inputs */ };
/* Of one name, claims that ended: so many are found by it. Of one finding, ids that are listed. */
#define FL__CLAIMS_WAS 32
#define FL__CLAIMS_A_FINDING 4096
#define FL_NUMBER_MAX ((UINT64_C(1) << 53) - 1) /* scripts compare numbers as doubles */

const char *fl__kind_word(enum fl_set_kind kind);
/** PREFIX kind/NAME followed by formatted text: a key in arena. An empty span when out of memory. */
struct fl_span fl__key(struct fl_sets *s, struct fl_arena *a, enum fl_set_kind kind, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
struct fl_span fl__num(struct fl_arena *a, int64_t v);
/** of:NAME or was:NAME of a source, and finding:HASH of a finding's id. */
struct fl_span fl__name_key(struct fl_sets *s, struct fl_arena *a, const char *source, const char *what, struct fl_span rkey);
struct fl_span fl__finding_key(struct fl_sets *s, struct fl_arena *a, const char *source, const char *finding);
struct fl_span fl__hexspan(struct fl_arena *a, const void *p, size_t n);
/** 16 random bytes as 32 hex digits and a terminator. */
void fl__random_hex(struct fl_sets *s, char out[33]);
static inline bool fl__is_string(const struct fl_reply *r)
{
	return r->type == FL_REPLY_STRING || r->type == FL_REPLY_STATUS;
}
/** HGETALL's flat array as pairs; 0 pairs when the key is missing. FL_ECORRUPT on another shape. */
int fl__pairs(const struct fl_reply *r, struct fl_arena *a, struct fl_kv **out, size_t *n, struct fl_err *err);
/** An empty span when the key is not there. */
struct fl_span fl__value_of(const struct fl_kv *kv, size_t n, const char *key);
/** HGETALL's pairs, values in arena. */
int fl__hash_get(struct fl_sets *s, struct fl_span key, struct fl_arena *a, struct fl_kv **kv, size_t *n, struct fl_err *err);
/** FL_ENOTFOUND, said. */
int fl__no_head(enum fl_set_kind kind, const char *name, struct fl_err *err);
int fl__head_from(const struct fl_kv *kv, size_t n, struct fl_head *out, struct fl_err *err);
static inline uint32_t fl__small(const struct fl_sets *s)
{
	return s->small_bytes ? s->small_bytes : FL_SMALL_BYTES;
}

/* scripts.c */
extern const struct fl_script fl__script_lease, fl__script_release, fl__script_commit_source, fl__script_commit_list, fl__script_walk, fl__script_walk_up,
	fl__script_claims_trim, fl__script_pack, fl__script_retain, fl__script_purge, fl__script_needed, fl__script_lineage;
/* deliberate bugs: see base/mutant.h */
extern const struct fl_script fl__script_source_no_cas, fl__script_list_no_cas, fl__script_head_only, fl__script_lease_counter;

/* A growing vector of spans in an arena: the arguments of a script, the blocks of a keyframe. */
struct fl_args {
	struct fl_arena *arena;
	struct fl_span *v;
	size_t n, cap;
	bool failed;
};
void fl__args_add(struct fl_args *a, struct fl_span s);
void fl__args_str(struct fl_args *a, const char *s);
void fl__args_num(struct fl_args *a, int64_t v);
/* What both kinds of commit tell the script first (scripts.c: ARGV 1 to 16, then the version's fields). */
struct fl_commit_words {
	const struct fl_version_id *parent, *id;
	const char *fence, *commit_id;
	struct fl_u128 digest;
	uint64_t entries;
	const char *state;
	fl_unix_us at;
	enum fl_set_kind kind;
	const char *name;
	uint64_t bytes; /* delta and keyframe, or inputs */
};
void fl__commit_args(struct fl_sets *s, struct fl_arena *a, const struct fl_commit_words *c, const struct fl_kv *kv, size_t n, struct fl_args *args);
/** Run a commit script; a lost reply is asked again (commits know their id), FL_REPLY_TRIES times. Its word becomes a code. */
int fl__commit_eval(struct fl_sets *s, const struct fl_script *script, const struct fl_args *keys, const struct fl_args *args, struct fl_err *err);
/** Blobs before the commit: SET NX with an hour's expiry, in pipelines. */
struct fl_blob {
	struct fl_span key, bytes;
};
int fl__blobs_write(struct fl_sets *s, const struct fl_blob *v, size_t n, struct fl_err *err);

/* A keyframe in memory (frame.c). */
struct fl_keyed {
	struct fl_arena arena;
	struct fl_args blocks;
	uint64_t bytes;
	struct fl_keyframe_writer *w;
	struct fl_keyframe_meta meta;
};
int fl__keyed_open(struct fl_keyed *f);
int fl__keyed_finish(struct fl_keyed *f);
/** The content of a finished frame as a stream, which borrows it. */
int fl__keyed_read(struct fl_keyed *f, struct fl_entry_iter **out, struct fl_err *err);
void fl__keyed_done(struct fl_keyed *f);

/* One step of a walk along parent links. */
struct fl_walked {
	uint64_t number, parent;
	struct fl_version_id id; /* epoch from the version */
	uint8_t parent_chain[32];
	struct fl_digests digests;
	bool has_delta;
	uint64_t delta_bytes, keyframe_bytes;
	uint8_t delta_sha256[32];
	uint64_t pack_first, pack_last; /* the pack that holds the delta; 0: it has a key of its own */
	char attempt[33];
	uint32_t blocks;
	fl_unix_us at;
};
/** "A-B" as two numbers, A not above B. */
bool fl__pack_name_parse(struct fl_span s, uint64_t *first, uint64_t *last);
/** From `number` back along parents: at most `max`; ends after the version `stop` (0: none), after the first with a keyframe when to_keyframe, or at a missing one (*missing). */
int fl__walk(struct fl_sets *s, const char *name, uint64_t number, uint64_t stop, bool to_keyframe, size_t max, struct fl_arena *a, struct fl_walked **out,
	     size_t *n, bool *missing, struct fl_err *err);
/** What is stored of each walked version's delta: d:N, or the pack that holds it (the same bytes for all of a pack); in arena. FL_ENOTFOUND when one is gone. */
int fl__deltas_get(struct fl_sets *s, const char *name, const struct fl_walked *w, size_t n, struct fl_arena *a, struct fl_span *out, struct fl_err *err);
/** Deltas w[n-1] (oldest) .. w[0] (newest) as one stream, balanced; reversed: from newest back to oldest. below: only names at or below it; NULL: all. */
int fl__deltas_compose(const struct fl_walked *w, const struct fl_span *bytes, size_t n, const struct fl_span *below, bool reversed, struct fl_change_iter **out,
		       struct fl_err *err);
/** Each as a delta again: those of a pack are taken apart, into arena. */
int fl__deltas_apart(const struct fl_walked *w, struct fl_span *bytes, size_t n, struct fl_arena *a, struct fl_err *err);

/* What retention goes by, from the head (retain.c). */
struct fl_kept {
	struct fl_head head;
	uint64_t oldest, count, bytes; /* the versions that are kept: the first, how many, what they weigh */
	uint64_t lineage_oldest;
	uint64_t packed; /* a source: up to this version deltas were looked at for packing */
	fl_unix_us now; /* the earlier of the two clocks: a jump expires nothing */
};
int fl__kept_read(struct fl_sets *s, enum fl_set_kind kind, const char *name, struct fl_kept *out, struct fl_err *err);
/* One version on the way up from the oldest. */
struct fl_aged {
	uint64_t number, next; /* next 0: the head */
	fl_unix_us at;
	bool keyframe;
	bool has_delta;
	uint64_t delta_bytes, pack_first, pack_last; /* as in fl_walked */
	char attempt[33];
	uint32_t blocks;
	uint64_t bytes; /* its weight */
};
/** The versions from `from` upwards, at most max; none when it is not there. */
int fl__aged_read(struct fl_sets *s, enum fl_set_kind kind, const char *name, uint64_t from, size_t max, struct fl_arena *a, struct fl_aged **out, size_t *n,
		  struct fl_err *err);
/** Small deltas older than an hour go into packs; *packed: how many. What a reader walks towards stays for ten minutes. */
int fl__source_pack(struct fl_sets *s, const struct fl_lease *lease, uint64_t *packed, struct fl_err *err);
/** The versions from the oldest upwards, at most max, and how many of them may go by age, bytes and floor: never `limit` or one above it. */
int fl__aged_due(struct fl_sets *s, enum fl_set_kind kind, const char *name, const struct fl_kept *k, uint64_t limit, size_t max, struct fl_arena *a,
		 struct fl_aged **out, size_t *due, struct fl_err *err);
/** One script: deletes `keys` and makes `oldest` the oldest, if nothing needs what goes. *done false: something does, or the head moved; next time. */
int fl__retain_run(struct fl_sets *s, const struct fl_lease *lease, const struct fl_kept *k, const struct fl_aged *oldest, size_t n_versions, uint64_t bytes,
		   const struct fl_args *victims, struct fl_arena *a, bool *done, struct fl_err *err);
/** Lineage older than 400 days leaves. */
int fl__lineage_trim(struct fl_sets *s, const struct fl_lease *lease, const struct fl_kept *k, struct fl_err *err);
