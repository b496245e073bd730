/* Versions (docs/formats/version.md): an immutable state of a source set, or of a list, which is a manifest of source
 * versions and holds no names. Identity is (epoch, number, chain) everywhere: compare-and-set, inputs, event parents,
 * journal, "the same". Numbers are compared within one epoch only, and are ordered, not consecutive. */
#pragma once
#include "base/arena.h"
#include "base/time.h"
#include "model/digest.h"

enum { FL_SET_NAME = 96, FL_CAUSE = 24, FL_ACTOR = 64, FL_REASON = 256, FL_ETAG = 256, FL_INPUTS_MAX = 256, FL_RECOVERED_OVER_MAX = 8 };

enum fl_set_kind { FL_SOURCE, FL_LIST };

struct fl_epoch {
	uint8_t b[16];
};
static inline bool fl_epoch_eq(const struct fl_epoch *a, const struct fl_epoch *b)
{
	return memcmp(a->b, b->b, 16) == 0;
}
bool fl_epoch_is_zero(const struct fl_epoch *e);

/* number 0 with zero epoch and chain: "none". */
struct fl_version_id {
	struct fl_epoch epoch;
	uint64_t number;
	uint8_t chain[32];
};
static inline bool fl_version_id_eq(const struct fl_version_id *a, const struct fl_version_id *b)
{
	return a->number == b->number && memcmp(a->chain, b->chain, 32) == 0 && fl_epoch_eq(&a->epoch, &b->epoch);
}

/* Causes, as words in stores, events and `log`. */
#define FL_CAUSES(X)                                                                       \
	X(FL_CAUSE_FEED, "feed") X(FL_CAUSE_FINDING, "finding") X(FL_CAUSE_OPERATOR, "operator") \
	X(FL_CAUSE_CONFIG, "config") X(FL_CAUSE_EXPIRY, "expiry") X(FL_CAUSE_DELETE, "delete")   \
	X(FL_CAUSE_SOURCES, "sources") X(FL_CAUSE_ROLLBACK, "rollback") X(FL_CAUSE_HOLD, "hold") X(FL_CAUSE_UNHOLD, "unhold") \
	X(FL_CAUSE_RECOVER, "recover") X(FL_CAUSE_LOST_TAIL, "lost-tail")
enum fl_cause {
#define FL_X(name, word) name,
	FL_CAUSES(FL_X)
#undef FL_X
	FL_CAUSE_COUNT
};
const char *fl_cause_word(enum fl_cause c);
bool fl_cause_parse(struct fl_span s, enum fl_cause *out);

/* What a source's version keeps of the poll that made it: kept elsewhere, a lost failover and a 304 would lose names. */
struct fl_fetch_state {
	char etag[FL_ETAG];
	char last_modified[64];
	char body_sha256[65]; /* hex; "" = none */
	char settings[17];    /* hex of a hash of the feed's own settings (format, scope, ...): other settings read the same body anew */
	fl_unix_us seen_at;   /* when the body or finding arrived */
};

struct fl_source_version {
	struct fl_version_id id;
	uint64_t parent;	   /* 0 = the first of its epoch */
	uint8_t parent_chain[32];
	struct fl_digests digests; /* digest, attrs_digest, entries */
	uint8_t delta_sha256[32];
	uint64_t added, removed, changed;
	fl_unix_us at;
	enum fl_cause cause;
	char actor[FL_ACTOR], reason[FL_REASON];
	struct fl_fetch_state fetch;
	bool has_delta;	      /* `d:N` exists (or is packed) */
	uint64_t delta_bytes;
	char attempt[33];     /* keyframe attempt, hex; "" = no keyframe at this version */
	uint32_t blocks;      /* of the keyframe, index included */
	uint64_t keyframe_bytes;
	char commit_id[33];
};

struct fl_list_input {
	char source[FL_SET_NAME];
	struct fl_version_id id; /* number 0: this source has no version yet */
	struct fl_u128 digest;
	uint64_t entries;
	bool pinned; /* by rollback or hold, until unhold */
	bool gone;   /* its version is gone from the store; readers keep what they hold */
};

struct fl_recovered {
	uint64_t version; /* 0 = never recovered */
	struct fl_epoch over[FL_RECOVERED_OVER_MAX];
	uint32_t n_over;
};

struct fl_list_version {
	char list[FL_SET_NAME];
	struct fl_version_id id;
	uint64_t parent;
	uint8_t parent_chain[32];
	struct fl_list_input *inputs; /* sorted by source name, each once; in the arena that it was read into */
	uint32_t n_inputs;
	uint64_t names;		      /* sum of the inputs' entries: an upper bound of distinct names */
	uint64_t added, removed;
	fl_unix_us at;
	fl_unix_us seen_at, source_at; /* hops: the newest moved input was seen, was committed */
	enum fl_cause cause;
	char actor[FL_ACTOR], reason[FL_REASON];
	struct fl_recovered recovered;
	char commit_id[33];
};

/** chain = SHA-256 over the parent's chain, epoch, number, digests, delta_sha256, cause, actor, reason and time, in the byte order of
 * docs/formats/version.md. Fills v->id.chain. */
void fl_source_version_chain(struct fl_source_version *v);
/** chain = SHA-256 over the parent's chain, epoch, number, list, inputs, recovered, cause, actor, reason and time. Fills v->id.chain. */
void fl_list_version_chain(struct fl_list_version *v);

/** `-`, `p` pinned, `g` gone, `pg`. */
const char *fl_list_input_flags(const struct fl_list_input *in);
/** The inputs as text, one line each: `source epoch number chain digest entries flags\n`, flags `-`, `p`, `g`, `pg`. This is what `v:N`
 * stores and what scripts read. */
void fl_inputs_format(struct fl_buf *out, const struct fl_list_input *v, uint32_t n);
/** The input of this source among n that are sorted by source; NULL: none. */
struct fl_list_input *fl_list_input_find(struct fl_list_input *v, uint32_t n, const char *source);
/** Grammar, order and bounds are checked. FL_ECORRUPT. */
int fl_inputs_parse(struct fl_span text, struct fl_arena *arena, struct fl_list_input **out, uint32_t *n, struct fl_err *err);

/* Field lists of `v:N`, as name and value spans, for HSET and from HGETALL. */
struct fl_kv {
	struct fl_span key, value;
};
/** Values live in arena. Returns the number of pairs, at most cap; 0 when out of memory. */
size_t fl_source_version_fields(const struct fl_source_version *v, struct fl_arena *arena, struct fl_kv *out, size_t cap);
size_t fl_list_version_fields(const struct fl_list_version *v, struct fl_arena *arena, struct fl_kv *out, size_t cap);
/** Missing or malformed fields are FL_ECORRUPT; unknown ones are passed over. The chain is recomputed and compared: FL_ECORRUPT. */
int fl_source_version_read(const struct fl_kv *kv, size_t n, struct fl_source_version *out, struct fl_err *err);
int fl_list_version_read(const struct fl_kv *kv, size_t n, struct fl_arena *arena, struct fl_list_version *out, struct fl_err *err);

/** Names of sources, lists, feeds, rules: 1 to 80 octets of [a-z0-9._-], starting with a letter or digit. */
bool fl_set_name_valid(const char *s);
