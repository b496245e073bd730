/* Keyframe writer (docs/formats/keyframe.md). Holds one block and the index: entries are gathered until the next would
 * take the block over FL_KEYFRAME_BLOCK_RAW, then the columns are laid behind the names and the frame goes to the sink. */
#include "model/keyframe_int.h"

#include <stdlib.h>

struct fl_keyframe_writer {
	fl_keyframe_sink *sink;
	void *ctx;
	ZSTD_CCtx *cctx;
	struct fl_buf names, raw, frame, index;
	struct fl_tuple *tuples; /* FL__BLOCK_ENTRIES_MAX; n of them in use */
	uint32_t n;
	struct fl_rkey first, prev, index_prev;
	bool any;
	int failed; /* the first error; every later call gives it again */
	struct fl_keyframe_meta meta;
};

struct fl_keyframe_writer *fl_keyframe_writer_new(fl_keyframe_sink *sink, void *ctx)
{
	struct fl_keyframe_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->sink = sink;
	w->ctx = ctx;
	w->cctx = ZSTD_createCCtx();
	w->tuples = calloc(FL__BLOCK_ENTRIES_MAX, sizeof(*w->tuples));
	if (w->cctx && w->tuples)
		return w;
	fl_keyframe_writer_free(w);
	return NULL;
}

void fl_keyframe_writer_free(struct fl_keyframe_writer *w)
{
	if (!w)
		return;
	ZSTD_freeCCtx(w->cctx);
	fl_buf_done(&w->names);
	fl_buf_done(&w->raw);
	fl_buf_done(&w->frame);
	fl_buf_done(&w->index);
	free(w->tuples);
	free(w);
}

static void columns_put(struct fl_keyframe_writer *w)
{
	size_t n = w->n;
	uint8_t *col;

	fl_buf_reset(&w->raw);
	fl_buf_add(&w->raw, w->names.p, w->names.n);
	if (!fl_buf_reserve(&w->raw, n * FL__COLUMNS))
		return;
	col = w->raw.p + w->raw.n;
	for (size_t i = 0; i < n; i++) {
		const struct fl_tuple *t = &w->tuples[i];

		col[i] = t->scope;
		col[n + i] = t->confidence;
		col[2 * n + i] = t->category;
		fl__put_u32le(col + 3 * n + 4 * i, t->first_seen_s);
		fl__put_u32le(col + 7 * n + 4 * i, t->absent_since_s);
		fl__put_u32le(col + 11 * n + 4 * i, t->expires_s);
	}
	w->raw.n += n * FL__COLUMNS;
}

/* Compresses raw into a frame and hands it on. */
static int frame_out(struct fl_keyframe_writer *w, const char *magic, uint64_t rows, struct fl_span raw)
{
	int ret;

	fl_buf_reset(&w->frame);
	fl_buf_add(&w->frame, magic, 4);
	fl_buf_varint(&w->frame, rows);
	fl_buf_varint(&w->frame, raw.n);
	ret = w->frame.failed ? FL_ENOMEM : fl__frame_close(&w->frame, 0, w->cctx, raw);
	if (ret == 0 && w->frame.failed)
		ret = FL_ENOMEM;
	if (ret == 0)
		ret = w->sink(w->ctx, w->meta.blocks, fl_buf_span(&w->frame));
	if (ret < 0)
		return ret;
	w->meta.blocks++;
	w->meta.bytes += w->frame.n;
	return 0;
}

static int block_out(struct fl_keyframe_writer *w)
{
	int ret;

	columns_put(w);
	if (w->names.failed || w->raw.failed)
		return FL_ENOMEM;
	if (w->meta.blocks == FL_KEYFRAME_BLOCKS_MAX - 1)
		return FL_ELIMIT;
	ret = frame_out(w, FL__KEYFRAME_DATA, w->n, fl_buf_span(&w->raw));
	if (ret < 0)
		return ret;
	fl__key_put(&w->index, fl_rkey_span(&w->index_prev), fl_rkey_span(&w->first));
	fl_buf_u32le(&w->index, w->n);
	fl_buf_add(&w->index, w->frame.p + w->frame.n - 8, 8);
	w->index_prev = w->first;
	fl_buf_reset(&w->names);
	w->n = 0;
	return w->index.failed ? FL_ENOMEM : 0;
}

int fl_keyframe_writer_add(struct fl_keyframe_writer *w, const struct fl_entry *e)
{
	if (w->failed)
		return w->failed;
	if (e->key.n > FL_RKEY_MAX || !fl__tuple_valid(&e->t) || (w->any && fl_rkey_cmp(fl_rkey_span(&w->prev), e->key) >= 0))
		return w->failed = FL_ECORRUPT;
	if (w->n && w->names.n + 2 + e->key.n + (w->n + 1) * FL__COLUMNS > FL_KEYFRAME_BLOCK_RAW)
		w->failed = block_out(w);
	if (w->failed)
		return w->failed;
	fl__key_put(&w->names, w->n ? fl_rkey_span(&w->prev) : fl_span(NULL, 0), e->key);
	if (w->n == 0)
		fl_rkey_set(&w->first, e->key);
	w->tuples[w->n++] = e->t;
	fl_rkey_set(&w->prev, e->key);
	w->any = true;
	fl_digests_add(&w->meta.digests, e->key, &e->t);
	return 0;
}

int fl_keyframe_writer_finish(struct fl_keyframe_writer *w, struct fl_keyframe_meta *meta)
{
	if (!w->failed && w->n)
		w->failed = block_out(w);
	if (!w->failed)
		w->failed = frame_out(w, FL__KEYFRAME_INDEX, w->meta.blocks, fl_buf_span(&w->index));
	if (w->failed)
		return w->failed;
	*meta = w->meta;
	return 0;
}
