/* Pack: many old deltas of one source set in one value, sorted by name, then by version (docs/formats/pack.md, frozen), so that
 * what became of one name is one block.
 *
 *   "FLP1" | flags | versions | index of blocks | checksum | blocks: zstd( names, each with its states ), a checksum each
 *
 * The versions follow each other on one parent path. A name stands once: what it was before the first of them, then
 * each version that changed it and what it was from then on. Any range of the versions is read as one stream of changes. */
#pragma once
#include "base/arena.h"
#include "model/delta.h"

enum { FL_PACK_VERSIONS = 256, FL_PACK_BYTES = 4 << 20 /* encoded */ };

/* One delta that goes in, or comes out. */
struct fl_pack_delta {
	uint64_t number;      /* of the version that it leads to */
	struct fl_span bytes; /* FLD1 */
	struct fl_delta_meta meta;
};
/**
 * Pack 1 to FL_PACK_VERSIONS deltas, oldest first, numbers rising; appended to out. meta is not looked at.
 * @return 0; FL_ECORRUPT: one of them is broken, or they do not follow each other; FL_ELIMIT: over FL_PACK_BYTES; FL_ENOMEM. Nothing is appended then.
 */
int fl_pack_write(const struct fl_pack_delta *v, size_t n, struct fl_buf *out, struct fl_err *err);

/* Versions of a pack: those from `first` to `last`, which both must be in it. */
struct fl_pack_range {
	uint64_t first, last;
	uint32_t n; /* how many there are; 0: not known. Else another number is FL_ECORRUPT. */
};
/**
 * The range as one stream of changes, from before its first version to its last; names that end as they began are left out. reversed: old and new swapped.
 * below: only names at or below this key, by the blocks that may hold some; NULL: all. The bytes may be freed after.
 * @return 0 and *out; FL_ECORRUPT, also from the stream; FL_ENOMEM.
 */
int fl_pack_open(struct fl_span bytes, struct fl_pack_range range, const struct fl_span *below, bool reversed, struct fl_change_iter **out, struct fl_err *err);
/** The deltas of the range again, oldest first, as they were but for their compression: out[0..range.n), bytes and counts in arena. */
int fl_pack_split(struct fl_span bytes, struct fl_pack_range range, struct fl_arena *arena, struct fl_pack_delta *out, struct fl_err *err);
