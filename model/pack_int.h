/* Inside the pack: its sizes, and the reader that both kinds of reading stand on. Layout: docs/formats/pack.md. */
#pragma once
#include "model/pack.h"
#include "model/record_int.h"

enum {
	FL__PACK_BLOCK = 16 * 1024,    /* octets, before compression, after which a block ends with the name */
	FL__PACK_BLOCK_MAX = 32 * 1024, /* a block and the longest history that a name can have */
	FL__PACK_BLOCKS = 65536,
};
extern const char fl__pack_magic[4];

/* A name's states: before[0] held before version 0, each step from its version on. */
struct fl__history {
	struct fl_span key; /* good until the next call */
	struct fl_tuple before;
	uint32_t n;
	struct {
		uint32_t version; /* index among the pack's versions, rising */
		struct fl_tuple t;
	} step[FL_PACK_VERSIONS];
};
struct fl__pack;
/** Copies bytes. below: from the block on that may hold names at or below it. */
int fl__pack_open(struct fl_span bytes, const struct fl_span *below, struct fl__pack **out, struct fl_err *err);
void fl__pack_close(struct fl__pack *p);
/** Indexes of the range's versions. FL_ECORRUPT when they are not there. */
int fl__pack_range(const struct fl__pack *p, struct fl_pack_range r, uint32_t *first, uint32_t *last, struct fl_err *err);
/** 1 and the next name, 0 at the end. */
int fl__pack_next(struct fl__pack *p, struct fl__history *h, struct fl_err *err);
