/* Keyframe reader: a stream over the blocks in order, or over those that may hold names at or below one. Memory is one
 * block and the compressed-away index. What a block says is held against the index: checksum, first key, entries. */
#include "model/keyframe_int.h"

#include <stdlib.h>

struct keyframe_iter {
	struct fl_entry_iter base;
	fl_keyframe_source *source;
	void *ctx;
	struct fl__index index;
	struct fl__block *block; /* the current one */
	struct fl_buf bytes;
	struct fl_rkey last; /* the last key given */
	bool any, fresh, ended;
	bool range;
	struct fl_rkey top;
};

static int corrupt(struct fl_err *err, const char *what)
{
	return fl_err_set(err, FL_ECORRUPT, "keyframe: %s", what);
}

static void iter_close(struct fl_entry_iter *base)
{
	struct keyframe_iter *it = (struct keyframe_iter *)base;

	fl__index_done(&it->index);
	fl__block_free(it->block);
	fl_buf_done(&it->bytes);
	free(it);
}

static int fetch(struct keyframe_iter *it, uint32_t i, struct fl_err *err)
{
	int ret;

	fl_buf_reset(&it->bytes);
	ret = it->source(it->ctx, i, &it->bytes, err);
	if (ret >= 0 && it->bytes.failed)
		ret = fl_err_set(err, FL_ENOMEM, "keyframe block %u: out of memory", i);
	return ret < 0 ? ret : 0;
}

static uint64_t stored_sum(const struct fl_buf *bytes)
{
	struct fl_rd r = fl_rd(fl_span(bytes->p + bytes->n - 8, 8));

	return fl_rd_u64le(&r);
}

/* Loads the block of the index row just read. */
static int load(struct keyframe_iter *it, struct fl_err *err)
{
	int ret = fetch(it, it->index.at - 1, err);

	if (ret == 0)
		ret = fl__block_load(it->block, fl_buf_span(&it->bytes), err);
	if (ret < 0)
		return ret;
	if (stored_sum(&it->bytes) != it->index.sum || fl__block_entries(it->block) != it->index.entries)
		return corrupt(err, "a block is not the one of the index");
	it->fresh = true;
	return 0;
}

static int next_block(struct keyframe_iter *it, struct fl_err *err)
{
	int ret = fl__index_next(&it->index, err);

	if (ret <= 0)
		return ret;
	/* its first key is above the whole range when it sorts above top without being below it in the tree */
	if (it->range && fl_rkey_cmp(fl_rkey_span(&it->index.first), fl_rkey_span(&it->top)) > 0 &&
	    !fl_rkey_below_or_at(fl_rkey_span(&it->index.first), fl_rkey_span(&it->top)))
		return 0;
	ret = load(it, err);
	return ret < 0 ? ret : 1;
}

/* The first key of a block is that of its row, and above all before it. */
static int check_first(struct keyframe_iter *it, const struct fl_entry *e, struct fl_err *err)
{
	it->fresh = false;
	if (!fl_span_eq(e->key, fl_rkey_span(&it->index.first)) ||
	    (it->any && fl_rkey_cmp(fl_rkey_span(&it->last), e->key) >= 0))
		return corrupt(err, "blocks out of order");
	return 0;
}

static int step(struct keyframe_iter *it, struct fl_entry *out, struct fl_err *err)
{
	int ret;

	for (;;) {
		ret = fl__block_next(it->block, out, err);
		if (ret < 0)
			return ret;
		if (ret > 0)
			break;
		ret = next_block(it, err);
		if (ret <= 0)
			return ret;
	}
	if (it->fresh)
		ret = check_first(it, out, err);
	if (ret < 0)
		return ret;
	it->any = true;
	fl_rkey_set(&it->last, out->key);
	return 1;
}

static int iter_next(struct fl_entry_iter *base, struct fl_entry *out, struct fl_err *err)
{
	struct keyframe_iter *it = (struct keyframe_iter *)base;
	struct fl_span top = fl_rkey_span(&it->top);
	int ret;

	if (it->ended)
		return 0;
	do
		ret = step(it, out, err);
	while (ret > 0 && it->range && fl_rkey_cmp(out->key, top) < 0);
	if (ret > 0 && it->range && !fl_rkey_below_or_at(out->key, top))
		ret = 0;
	it->ended = ret <= 0;
	return ret;
}

/* Steps to the last block whose first key is at or before top: none before it can hold the range. */
static int seek(struct keyframe_iter *it, struct fl_err *err)
{
	struct fl__index *x = &it->index;
	uint32_t want = 0;
	int ret;

	while ((ret = fl__index_next(x, err)) > 0 && fl_rkey_cmp(fl_rkey_span(&x->first), fl_rkey_span(&it->top)) <= 0)
		want = x->at - 1;
	fl__index_rewind(x);
	while (ret >= 0 && x->at < want)
		ret = fl__index_next(x, err);
	return ret < 0 ? ret : 0;
}

static int open_iter(fl_keyframe_source *source, void *ctx, uint32_t blocks, const struct fl_span *top,
		     struct fl_entry_iter **out, struct fl_err *err)
{
	struct keyframe_iter *it;
	int ret;

	if (blocks == 0 || blocks > FL_KEYFRAME_BLOCKS_MAX)
		return corrupt(err, "number of blocks out of range");
	it = calloc(1, sizeof(*it));
	if (!it)
		return fl_err_set(err, FL_ENOMEM, "keyframe: out of memory");
	it->base = (struct fl_entry_iter){ iter_next, iter_close };
	it->source = source;
	it->ctx = ctx;
	it->block = fl__block_new();
	ret = it->block ? fetch(it, blocks - 1, err) : fl_err_set(err, FL_ENOMEM, "keyframe: out of memory");
	if (ret == 0)
		ret = fl__index_load(&it->index, fl_buf_span(&it->bytes), blocks - 1, err);
	if (ret == 0 && top) {
		it->range = true;
		fl_rkey_set(&it->top, *top);
		ret = seek(it, err);
	}
	if (ret < 0)
		iter_close(&it->base);
	else
		*out = &it->base;
	return ret;
}

int fl_keyframe_open(fl_keyframe_source *source, void *ctx, uint32_t blocks, struct fl_entry_iter **out, struct fl_err *err)
{
	return open_iter(source, ctx, blocks, NULL, out, err);
}

int fl_keyframe_open_range(fl_keyframe_source *source, void *ctx, uint32_t blocks, struct fl_span top,
			   struct fl_entry_iter **out, struct fl_err *err)
{
	if (top.n > FL_RKEY_MAX)
		return fl_err_set(err, FL_EFORMAT, "keyframe: not a name");
	return open_iter(source, ctx, blocks, &top, out, err);
}

struct block_iter {
	struct fl_entry_iter base;
	struct fl__block *block;
};

static int block_iter_next(struct fl_entry_iter *base, struct fl_entry *out, struct fl_err *err)
{
	return fl__block_next(((struct block_iter *)base)->block, out, err);
}

static void block_iter_close(struct fl_entry_iter *base)
{
	fl__block_free(((struct block_iter *)base)->block);
	free(base);
}

int fl_keyframe_block_open(struct fl_span bytes, struct fl_entry_iter **out, struct fl_err *err)
{
	struct block_iter *it = calloc(1, sizeof(*it));
	int ret = FL_ENOMEM;

	if (it) {
		it->base = (struct fl_entry_iter){ block_iter_next, block_iter_close };
		it->block = fl__block_new();
	}
	if (!it || !it->block) {
		free(it);
		return fl_err_set(err, ret, "keyframe: out of memory");
	}
	ret = fl__block_load(it->block, bytes, err);
	if (ret < 0)
		block_iter_close(&it->base);
	else
		*out = &it->base;
	return ret;
}
