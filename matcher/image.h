/* Image: the compiled matcher of all lists at once (docs/formats/image.md). Immutable; base is read-only, position-independent, mmap-able, checksummed; an overlay of
 * a few sorted runs holds what came since.
 *
 *   root (heap, RCU-swapped) ── base: header | inputs | lists | classes | bucket index | rows sorted by hash
 *          │                           row = 96 bits of keyed hash, 32 bits class  (16 octets a name)
 *          ├─ run 0 .. run k (newest first), same rows, class 0 = "no longer there"
 *          ├─ classes: class -> set of (input, scope bits)
 *          └─ inputs, lists: with versions, chains, digests
 *
 * A name stands once, with a class. Exactness: 96 bits of a keyed polynomial hash, the bucket index counted; the key belongs to the enforcer, so merging and
 * rebuilding need no store and no names. The bound is stated in docs/formats/image.md. Covered names are kept, since an ancestor may leave by delta.
 * An input is a source as a list sees it. */
#pragma once
#include "model/event.h"
#include "model/version.h"

enum { FL_IMAGE_INPUTS_MAX = 4096, FL_IMAGE_LISTS_MAX = 1024, FL_IMAGE_RUNS_MAX = 6 };

struct fl_image_key {
	uint8_t b[16];
};

struct fl_image_input {
	char list[FL_SET_NAME], source[FL_SET_NAME];
	struct fl_version_id id;
	struct fl_digests digests; /* scope digest and entries are kept and checked; attrs is not */
	bool pinned, gone;
};

struct fl_image_list {
	char name[FL_SET_NAME];
	struct fl_version_id id; /* number 0: never held */
	uint64_t parent;
	struct fl_recovered recovered; /* the recovery last followed */
	fl_unix_us published_at, applied_at;
	uint64_t names; /* sum of its inputs' entries */
};

struct fl_image;

/** An image of no list. */
int fl_image_new(const struct fl_image_key *key, struct fl_image **out);
/** A further reference; fl_image_release gives one back. The last one frees (unmaps base when no image shares it). Thread-safe. */
struct fl_image *fl_image_acquire(struct fl_image *img);
void fl_image_release(struct fl_image *img);

size_t fl_image_lists(const struct fl_image *img, const struct fl_image_list **out);
size_t fl_image_inputs(const struct fl_image *img, const struct fl_image_input **out);
/** Index of a list by name, or -1. */
int fl_image_list_index(const struct fl_image *img, const char *name);
int fl_image_input_index(const struct fl_image *img, const char *list, const char *source);

struct fl_image_stats {
	uint64_t names;	 /* rows in force */
	uint64_t bytes;	 /* memory or mapping of base, runs, classes */
	uint64_t base_rows, overlay_rows;
	uint32_t runs, classes;
	uint64_t generation;
};
void fl_image_stats(const struct fl_image *img, struct fl_image_stats *out);

/* How one input of a list changes. Exactly one of same, changes, entries. */
struct fl_image_input_update {
	const struct fl_list_input *to; /* of the event's manifest: id, digest, entries, pinned, gone */
	bool same;			/* content as held; id (and flags) may differ only if the digest is equal */
	struct fl_change_iter **take_changes; /* n_changes streams, oldest first, closed here */
	size_t n_changes;
	struct fl_entry_iter *take_entries; /* the whole content; replaces what is held; closed here */
};
struct fl_image_update {
	const struct fl_list_version *version; /* inputs the manifest lacks are dropped from the list with their names */
	struct fl_image_input_update *inputs;  /* version->n_inputs of them, in its order */
	fl_unix_us applied_at;
};
/**
 * The image after one list version. Every moved input's digest and count are checked before anything is handed out; an old tuple that is not what is held is
 * FL_ECORRUPT (which input is in err, and its index in *bad_input). Small changes make a run; the smaller runs are folded; a replacement, or a change of more than
 * a quarter of the base, gives a new base in memory. The old image is untouched. O(changes) for a small change.
 */
int fl_image_apply(const struct fl_image *old, const struct fl_image_update *u, struct fl_image **out, uint32_t *bad_input, struct fl_err *err);
/** The image without a list (the configuration no longer names it, and no rule uses it). */
int fl_image_drop_list(const struct fl_image *old, const char *list, struct fl_image **out, struct fl_err *err);

/** Everything in one base, as file bytes, through `sink` in order (bounded memory beyond the image itself). generation is stored in it. The sink's error passes through. */
typedef int fl_image_sink(void *ctx, struct fl_span bytes);
int fl_image_write(const struct fl_image *img, uint64_t generation, fl_image_sink *sink, void *ctx, struct fl_err *err);
/** Open file bytes: checks the whole checksum, every offset, count and order. unmap(handle) is called when the last image that shares them is released.
 * FL_ECORRUPT, FL_EFORMAT (unknown format number). On an error the bytes stay the caller's. */
int fl_image_open(struct fl_span bytes, void (*unmap)(void *handle), void *handle, struct fl_image **out, struct fl_err *err);

/* One walk over the labels of a name, from the root down. */
enum { FL_WALK_HITS_MAX = FL_LABELS_MAX + 1 };
struct fl_walk {
	struct fl_span key; /* borrowed */
	uint16_t n_hits;
	struct fl_walk_hit {
		uint32_t cls;
		uint16_t key_len; /* of the entry: a prefix of key */
		bool self;	  /* the entry is the name itself */
	} hits[FL_WALK_HITS_MAX]; /* in order from the root down */
};
/** Finds every stored entry at or above the name. No allocation, lock or system call. */
void fl_image_walk(const struct fl_image *img, struct fl_span key, struct fl_walk *out);

struct fl_match {
	uint16_t input;	  /* index of an input that covers it: the first in input order */
	uint16_t key_len; /* of that input's deciding entry: a prefix of the name's key */
	uint8_t scope;	  /* of that entry */
};
/** Does list `list` cover the name walked? A list covers it when any of its inputs does; within one input the nearest entry that has a bit for the question decides. */
bool fl_walk_list(const struct fl_image *img, const struct fl_walk *w, int list, struct fl_match *out);
/** All inputs (of all lists) that cover it, in input order, for the log; at most cap. */
size_t fl_walk_inputs(const struct fl_image *img, const struct fl_walk *w, struct fl_match *out, size_t cap);
/** The same with the inputs whose deciding entry is an exception, for explain: fl_match_covers tells them apart. */
size_t fl_walk_claims(const struct fl_image *img, const struct fl_walk *w, struct fl_match *out, size_t cap);
static inline bool fl_match_covers(const struct fl_walk *w, const struct fl_match *m)
{
	uint8_t bits = m->scope & (m->key_len == w->key.n ? FL_SCOPE_SELF_BITS : FL_SCOPE_BELOW_BITS);

	return bits && !(bits & FL_SCOPE_EXCEPT_SUBTREE);
}
