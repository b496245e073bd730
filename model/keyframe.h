/* Keyframe: a whole source set at one version, as sorted blocks of about 64 KiB before compression (docs/formats/keyframe.md,
 * frozen). Names front-coded, scopes and attributes in columns, zstd, a checksum each. The last block is the index: the first
 * key and the number of entries of each data block.
 *
 *   block 0 .. n-1: data        block n: index        `blocks` of a version is n + 1 */
#pragma once
#include "model/digest.h"

enum { FL_KEYFRAME_BLOCK_RAW = 64 * 1024, FL_KEYFRAME_BLOCKS_MAX = 1 << 20 };

struct fl_keyframe_meta {
	uint32_t blocks;
	uint64_t bytes; /* of all blocks */
	struct fl_digests digests;
};

/* Called with each finished block in order; bytes are borrowed for the call. A negative return ends the writing. */
typedef int fl_keyframe_sink(void *ctx, uint32_t index, struct fl_span bytes);

struct fl_keyframe_writer;
struct fl_keyframe_writer *fl_keyframe_writer_new(fl_keyframe_sink *sink, void *ctx);
void fl_keyframe_writer_free(struct fl_keyframe_writer *w);
int fl_keyframe_writer_add(struct fl_keyframe_writer *w, const struct fl_entry *e);
/** Writes the last data block (if any) and the index. */
int fl_keyframe_writer_finish(struct fl_keyframe_writer *w, struct fl_keyframe_meta *meta);

/* Gives the bytes of one block: into out (reset first). FL_ENOTFOUND when it is gone, or any error. */
typedef int fl_keyframe_source(void *ctx, uint32_t index, struct fl_buf *out, struct fl_err *err);

/** A stream over all entries; reads block after block through `source`. A block that fails its checksum, is out of order with the
 * index, or does not hold what the index says is FL_ECORRUPT. ctx must outlive the stream. */
int fl_keyframe_open(fl_keyframe_source *source, void *ctx, uint32_t blocks, struct fl_entry_iter **out, struct fl_err *err);
/** Only the entries at or below `top` and the exact ancestors are not included: seeks by the index. */
int fl_keyframe_open_range(fl_keyframe_source *source, void *ctx, uint32_t blocks, struct fl_span top, struct fl_entry_iter **out,
			   struct fl_err *err);
/** One data block decoded alone, for tests, fuzzing and tools. */
int fl_keyframe_block_open(struct fl_span bytes, struct fl_entry_iter **out, struct fl_err *err);
