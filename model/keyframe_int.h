/* Inside model/: what keyframe writer and reader share. */
#pragma once
#include "model/keyframe.h"
#include "model/record_int.h"

#define FL__KEYFRAME_DATA "FLK1"
#define FL__KEYFRAME_INDEX "FLI1"

enum {
	FL__COLUMNS = 1 + FL__ATTRS,				    /* octets an entry has behind the names */
	FL__BLOCK_ENTRY_MIN = 2 + FL__COLUMNS,			    /* the root */
	FL__BLOCK_ENTRIES_MAX = FL_KEYFRAME_BLOCK_RAW / (FL__BLOCK_ENTRY_MIN + 1) + 1,
	FL__INDEX_ROW_MIN = 2 + 4 + 8,
	FL__INDEX_RAW_MAX = 288 << 20,				    /* 2^20 rows of the longest key */
};

struct fl__block; /* one data block, decoded entry by entry */
struct fl__block *fl__block_new(void);
void fl__block_free(struct fl__block *b);
/** Checks and decompresses; bytes may go after. FL_ECORRUPT. */
int fl__block_load(struct fl__block *b, struct fl_span bytes, struct fl_err *err);
uint32_t fl__block_entries(const struct fl__block *b);
/** 1, 0 at its end, FL_ECORRUPT. The key lives until the next call. */
int fl__block_next(struct fl__block *b, struct fl_entry *out, struct fl_err *err);

/* The index, still front-coded: a million rows of it would be large as structs. */
struct fl__index {
	uint8_t *raw;
	struct fl_rd rd;
	uint32_t rows, at;   /* rows in all; rows read so far */
	struct fl_rkey first; /* of the row read last */
	uint32_t entries;
	uint64_t sum; /* checksum of that block */
};
void fl__index_done(struct fl__index *x);
int fl__index_load(struct fl__index *x, struct fl_span bytes, uint32_t rows, struct fl_err *err);
/** 1, 0 behind the last row, FL_ECORRUPT. */
int fl__index_next(struct fl__index *x, struct fl_err *err);
void fl__index_rewind(struct fl__index *x);
