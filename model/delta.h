/* Delta: the changes from one version of a source set to a later one, encoded (docs/formats/delta.md, frozen).
 *
 *   "FLD1" | flags u8 | records varint | raw bytes varint | zstd( front-coded records ) | XXH3-64 of all before it
 *
 * Records hold old and new tuple, so that a delta can be checked, applied and reversed by a reader without names.
 * delta_sha256 is over the records *before* front-coding and compression, so that packing keeps it checkable. */
#pragma once
#include "model/digest.h"

enum { FL_DELTA_INLINE_MAX = 1 << 20 };

struct fl_delta_meta {
	uint64_t records, added, removed, changed; /* changed: scope or attributes of a name that stays */
	uint8_t sha256[32];
};

struct fl_delta_writer;

/** NULL when out of memory. */
struct fl_delta_writer *fl_delta_writer_new(void);
void fl_delta_writer_free(struct fl_delta_writer *w);
/** Keys must rise (FL_ECORRUPT); a change that is none is FL_ECORRUPT. Past `max_raw` given to fl_delta_writer_limit, bytes
 * are no longer kept, but counts and sha256 go on, so that a version too big for a delta still has its sha256. */
int fl_delta_writer_add(struct fl_delta_writer *w, const struct fl_change *c);
void fl_delta_writer_limit(struct fl_delta_writer *w, size_t max_raw);
/** The encoded delta appended to out (nothing when the limit was passed: *kept false). meta is always filled. */
int fl_delta_writer_finish(struct fl_delta_writer *w, struct fl_buf *out, bool *kept, struct fl_delta_meta *meta);

/** Open an encoded delta: checks magic, sizes, checksum, and decompresses (at most 256 MiB). The bytes may be freed after.
 * FL_ECORRUPT or FL_ENOMEM. The stream checks order and record grammar as it goes. */
int fl_delta_open(struct fl_span bytes, struct fl_change_iter **out, struct fl_err *err);
/** The same read backwards in effect: old and new swapped. */
int fl_delta_open_reversed(struct fl_span bytes, struct fl_change_iter **out, struct fl_err *err);
/** Counts and sha256 of an encoded delta, by reading it whole. */
int fl_delta_check(struct fl_span bytes, struct fl_delta_meta *meta, struct fl_err *err);

/** The record form of a change and of attributes, shared with digests and tests: appended to out. */
void fl_record_put(struct fl_buf *out, const struct fl_change *c);
void fl_attrs_put(struct fl_buf *out, const struct fl_tuple *t);
bool fl_attrs_get(struct fl_rd *r, struct fl_tuple *t);
