/* A keyframe in memory for tests: a sink that keeps blocks and a source that gives them, and may be told to lose one. */
#pragma once
#include "model/keyframe.h"

#include <stdlib.h>

enum { BLOCKS_MAX = 4096 };

struct blocks {
	struct fl_buf v[BLOCKS_MAX];
	uint32_t n;
	uint32_t refuse_at; /* the sink fails there; 0 = never (block 0 always goes) */
	uint32_t reads;	    /* how often a block was asked for */
};

static inline int blocks_sink(void *ctx, uint32_t index, struct fl_span bytes)
{
	struct blocks *b = ctx;

	if (index != b->n || b->n == BLOCKS_MAX)
		abort();
	if (b->refuse_at && index == b->refuse_at)
		return FL_EUNAVAIL;
	fl_buf_add(&b->v[b->n++], bytes.p, bytes.n);
	return 0;
}

static inline int blocks_source(void *ctx, uint32_t index, struct fl_buf *out, struct fl_err *err)
{
	struct blocks *b = ctx;

	b->reads++;
	if (index >= b->n || b->v[index].n == 0)
		return fl_err_set(err, FL_ENOTFOUND, "block %u is gone", index);
	fl_buf_add(out, b->v[index].p, b->v[index].n);
	return 0;
}

static inline void blocks_done(struct blocks *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		fl_buf_done(&b->v[i]);
	b->n = b->reads = b->refuse_at = 0;
}

/* Writes a whole set. */
static inline int blocks_write(struct blocks *b, const struct fl_set *s, struct fl_keyframe_meta *meta)
{
	struct fl_keyframe_writer *w = fl_keyframe_writer_new(blocks_sink, b);
	int ret = 0;

	for (size_t i = 0; i < s->n && ret == 0; i++)
		ret = fl_keyframe_writer_add(w, &(struct fl_entry){ fl_set_key(s, i), s->v[i].t });
	if (ret == 0)
		ret = fl_keyframe_writer_finish(w, meta);
	fl_keyframe_writer_free(w);
	return ret;
}
