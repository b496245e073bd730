/* A frame of delta or keyframe around any body, with a right checksum: for tests and fuzz entries whose point is what
 * stands inside. Needs libzstd. */
#pragma once
#include "model/digest.h"

#include <zstd.h>

/* head: magic and what follows it; frames: how many copies of the compressed body. */
static inline void seal(struct fl_buf *out, struct fl_span head, struct fl_span raw, int frames)
{
	size_t bound = ZSTD_compressBound(raw.n);

	fl_buf_reset(out);
	fl_buf_add(out, head.p, head.n);
	while (frames-- && fl_buf_reserve(out, bound))
		out->n += ZSTD_compress(out->p + out->n, bound, raw.p, raw.n, 3);
	fl_buf_u64le(out, fl_checksum64(out->p, out->n));
}

/* Magic, a number, the size of raw. */
static inline void seal_counted(struct fl_buf *out, const char *magic, uint64_t rows, struct fl_span raw)
{
	struct fl_buf head = { 0 };

	fl_buf_str(&head, magic);
	fl_buf_varint(&head, rows);
	fl_buf_varint(&head, raw.n);
	seal(out, fl_buf_span(&head), raw, 1);
	fl_buf_done(&head);
}
