/* The name once in its source (struct fl_entry), a change of one (struct fl_change), and sorted streams of both.
 * Streams are sorted by rkey, each key once (base/dname.h). A whole set never has to be in memory: keyframes are read
 * block by block, and delta and keyframe readers are such streams. */
#pragma once
#include "base/dname.h"
#include "base/err.h"
#include "model/scope.h"

enum fl_category {
	FL_CAT_NONE = 0,
	FL_CAT_MALWARE,
	FL_CAT_PHISHING,
	FL_CAT_C2,
	FL_CAT_SCAM,
	FL_CAT_CRYPTOMINING,
	FL_CAT_SPYWARE,
	FL_CAT_TRACKING,
	FL_CAT_POLICY,
	FL_CAT_COUNT
};

/* Scope and attributes. scope 0: the name is not in the set. Times are whole unix seconds, 0 = none. */
struct fl_tuple {
	uint8_t scope;      /* FL_SCOPE_* */
	uint8_t confidence; /* 0 = not stated, else 1 to 100 */
	uint8_t category;   /* enum fl_category */
	uint32_t first_seen_s;
	uint32_t absent_since_s; /* the feed no longer names it; it leaves after remove_after_absent fetches or TTL */
	uint32_t expires_s;
};

static inline bool fl_tuple_eq(const struct fl_tuple *a, const struct fl_tuple *b)
{
	return a->scope == b->scope && a->confidence == b->confidence && a->category == b->category &&
	       a->first_seen_s == b->first_seen_s && a->absent_since_s == b->absent_since_s && a->expires_s == b->expires_s;
}

struct fl_entry {
	struct fl_span key; /* rkey, borrowed until the next call of the stream it came from */
	struct fl_tuple t;
};

/* old.scope == 0: added; new.scope == 0: removed; both: scope or attributes changed. Never both 0, never equal. */
struct fl_change {
	struct fl_span key;
	struct fl_tuple old, new;
};

/* A stream: next gives 1 and *out, 0 at the end, or a negative code; the state after an error is "ended". close frees
 * the stream itself; calling fl_entries_close(NULL) is fine. */
struct fl_entry_iter {
	int (*next)(struct fl_entry_iter *it, struct fl_entry *out, struct fl_err *err);
	void (*close)(struct fl_entry_iter *it);
};
struct fl_change_iter {
	int (*next)(struct fl_change_iter *it, struct fl_change *out, struct fl_err *err);
	void (*close)(struct fl_change_iter *it);
};
static inline void fl_entries_close(struct fl_entry_iter *it)
{
	if (it)
		it->close(it);
}
static inline void fl_changes_close(struct fl_change_iter *it)
{
	if (it)
		it->close(it);
}

/* A whole set in memory, compact: keys in one blob, the length before each, and 24 octets an entry. Sorted and unique once fl_set_sort has run. */
struct fl_set {
	struct fl_set_row {
		uint32_t key_off;
		uint8_t key_len;
		uint8_t pad[3];
		struct fl_tuple t;
	} *v;
	size_t n, cap;
	uint8_t *keys;
	size_t keys_n, keys_cap;
};

void fl_set_done(struct fl_set *s);
/** Room for so many rows, and octets of keys, so that the set need not move while it grows to that. A wish only. */
void fl_set_reserve(struct fl_set *s, size_t rows, size_t octets);
/** Append one claim; copies the key. 0, FL_ENOMEM, or FL_ELIMIT when keys pass 4 GiB. */
int fl_set_add(struct fl_set *s, struct fl_span key, const struct fl_tuple *t);
int fl__set_grow(struct fl_set *s);
/** Room for the key of the next row, to be written in place; good until the set is touched. 0, FL_ENOMEM, or FL_ELIMIT when keys pass 4 GiB. */
static inline int fl_set_next(struct fl_set *s, struct fl_rkey **key)
{
	int ret = s->n < s->cap && s->keys_n + sizeof(**key) <= s->keys_cap ? 0 : fl__set_grow(s);

	if (ret == 0)
		*key = (struct fl_rkey *)(s->keys + s->keys_n);
	return ret;
}
/** Append the row whose key was written into the room of fl_set_next(). */
static inline void fl_set_take_next(struct fl_set *s, const struct fl_tuple *t)
{
	const struct fl_rkey *key = (const struct fl_rkey *)(s->keys + s->keys_n);

	s->v[s->n++] = (struct fl_set_row){ .key_off = (uint32_t)(s->keys_n + offsetof(struct fl_rkey, b)), .key_len = key->len, .t = *t };
	s->keys_n += offsetof(struct fl_rkey, b) + key->len;
}
/** Sort by key and fold repeats into one: scopes OR-ed, highest confidence, first non-zero category, earliest first_seen,
 * latest expires (0 = never wins). *folded gets the number of rows that vanished. 0 or FL_ENOMEM. */
int fl_set_sort(struct fl_set *s, size_t *folded);
static inline struct fl_span fl_set_key(const struct fl_set *s, size_t i)
{
	return fl_span(s->keys + s->v[i].key_off, s->v[i].key_len);
}
/** Index of key in a sorted set, or SIZE_MAX. */
size_t fl_set_find(const struct fl_set *s, struct fl_span key);
/** A stream over a sorted set; borrows it. NULL when out of memory. */
struct fl_entry_iter *fl_set_iter(const struct fl_set *s);
/** Read a whole stream into memory (appends, expects order: FL_ECORRUPT otherwise). Does not close it. */
int fl_set_read(struct fl_set *s, struct fl_entry_iter *it, struct fl_err *err);

/** The changes that lead from a to b, as a stream, in one merge pass. Takes both streams (closed with it).
 * Equal tuples give no change. NULL when out of memory (both are closed then). */
struct fl_change_iter *fl_diff_iter(struct fl_entry_iter *take_a, struct fl_entry_iter *take_b);
/** The set that results from applying changes to a stream. Each old tuple must be what the stream has: an add of a present
 * name, a removal of an absent one, or another old tuple is FL_ECORRUPT. Takes both. */
struct fl_entry_iter *fl_patch_iter(struct fl_entry_iter *take_set, struct fl_change_iter *take_changes);
/** Two consecutive change streams (first, then second) folded into one that has their joint effect; changes that cancel
 * out vanish. The middle tuples must agree (FL_ECORRUPT). Takes both. */
struct fl_change_iter *fl_compose_iter(struct fl_change_iter *take_first, struct fl_change_iter *take_second);
/** An empty stream of either kind. */
struct fl_entry_iter *fl_entries_empty(void);
struct fl_change_iter *fl_changes_empty(void);

/** "malware", ...; "none". */
const char *fl_category_word(enum fl_category c);
bool fl_category_parse(const char *s, enum fl_category *out);
