/* One data block, and the index, of a keyframe: checked whole at load, decoded row by row (docs/formats/keyframe.md). */
#include "model/keyframe_int.h"

#include <stdlib.h>

struct fl__block {
	ZSTD_DCtx *dctx;
	struct fl_rd names;
	const uint8_t *col; /* the columns, behind the names */
	uint32_t n, i;
	struct fl_rkey key;
	uint8_t raw[FL_KEYFRAME_BLOCK_RAW];
};

static int corrupt(struct fl_err *err, const char *what)
{
	return fl_err_set(err, FL_ECORRUPT, "keyframe: %s", what);
}

struct fl__block *fl__block_new(void)
{
	struct fl__block *b = calloc(1, sizeof(*b));

	if (b)
		b->dctx = ZSTD_createDCtx();
	if (b && !b->dctx) {
		free(b);
		b = NULL;
	}
	return b;
}

void fl__block_free(struct fl__block *b)
{
	if (!b)
		return;
	ZSTD_freeDCtx(b->dctx);
	free(b);
}

int fl__block_load(struct fl__block *b, struct fl_span bytes, struct fl_err *err)
{
	uint64_t n, raw;
	struct fl_rd r;

	b->n = b->i = 0;
	if (!fl__frame_open(bytes, FL__KEYFRAME_DATA, &r))
		return corrupt(err, "not a data block, truncated, or the checksum does not match");
	n = fl_rd_varint(&r);
	raw = fl_rd_varint(&r);
	if (r.bad || n == 0 || raw > FL_KEYFRAME_BLOCK_RAW || n > raw / FL__BLOCK_ENTRY_MIN)
		return corrupt(err, "sizes of a block out of range");
	if (!fl__frame_body(b->dctx, fl_span(r.p, fl_rd_left(&r)), b->raw, raw))
		return corrupt(err, "a block cannot be decompressed");
	b->names = fl_rd(fl_span(b->raw, raw - n * FL__COLUMNS));
	b->col = b->raw + raw - n * FL__COLUMNS;
	b->n = (uint32_t)n;
	return 0;
}

uint32_t fl__block_entries(const struct fl__block *b)
{
	return b->n;
}

static void columns_get(const struct fl__block *b, struct fl_tuple *t)
{
	size_t n = b->n, i = b->i;

	*t = (struct fl_tuple){
		.scope = b->col[i],
		.confidence = b->col[n + i],
		.category = b->col[2 * n + i],
		.first_seen_s = fl__u32le(b->col + 3 * n + 4 * i),
		.absent_since_s = fl__u32le(b->col + 7 * n + 4 * i),
		.expires_s = fl__u32le(b->col + 11 * n + 4 * i),
	};
}

int fl__block_next(struct fl__block *b, struct fl_entry *out, struct fl_err *err)
{
	struct fl_tuple t;

	if (b->i == b->n)
		return 0;
	columns_get(b, &t);
	if (!fl__key_read(&b->names, &b->key, b->i == 0) || !fl__tuple_valid(&t)) {
		b->i = b->n;
		return corrupt(err, "an entry is malformed or out of order");
	}
	b->i++;
	if (b->i == b->n && fl_rd_left(&b->names))
		return corrupt(err, "octets after the last name of a block");
	*out = (struct fl_entry){ fl_rkey_span(&b->key), t };
	return 1;
}

void fl__index_done(struct fl__index *x)
{
	free(x->raw);
	*x = (struct fl__index){ 0 };
}

static bool index_body(struct fl__index *x, struct fl_span body, uint64_t raw)
{
	ZSTD_DCtx *dctx = ZSTD_createDCtx();
	bool ok = dctx && x->raw && fl__frame_body(dctx, body, x->raw, raw);

	ZSTD_freeDCtx(dctx);
	x->rd = fl_rd(fl_span(x->raw, raw));
	return ok;
}

int fl__index_load(struct fl__index *x, struct fl_span bytes, uint32_t rows, struct fl_err *err)
{
	uint64_t n, raw;
	struct fl_rd r;
	int ret = 0;

	*x = (struct fl__index){ .rows = rows };
	if (!fl__frame_open(bytes, FL__KEYFRAME_INDEX, &r))
		return corrupt(err, "not an index, truncated, or the checksum does not match");
	n = fl_rd_varint(&r);
	raw = fl_rd_varint(&r);
	if (r.bad || n != rows || raw > FL__INDEX_RAW_MAX || n > raw / FL__INDEX_ROW_MIN || (n == 0 && raw))
		return corrupt(err, "sizes of the index out of range");
	x->raw = malloc(raw + 1);
	if (!x->raw)
		return fl_err_set(err, FL_ENOMEM, "keyframe index: out of memory");
	if (!index_body(x, fl_span(r.p, fl_rd_left(&r)), raw))
		ret = corrupt(err, "the index cannot be decompressed");
	while (ret == 0 && (ret = fl__index_next(x, err)) > 0)
		ret = 0;
	if (ret == 0 && fl_rd_left(&x->rd))
		ret = corrupt(err, "octets after the last row of the index");
	if (ret < 0)
		fl__index_done(x);
	else
		fl__index_rewind(x);
	return ret;
}

int fl__index_next(struct fl__index *x, struct fl_err *err)
{
	if (x->at == x->rows)
		return 0;
	if (!fl__key_read(&x->rd, &x->first, x->at == 0))
		return corrupt(err, "a row of the index is malformed or out of order");
	x->entries = fl_rd_u32le(&x->rd);
	x->sum = fl_rd_u64le(&x->rd);
	if (x->rd.bad || x->entries == 0)
		return corrupt(err, "a row of the index is malformed");
	x->at++;
	return 1;
}

void fl__index_rewind(struct fl__index *x)
{
	x->rd.p = x->raw;
	x->rd.bad = false;
	x->at = 0;
	x->first.len = 0;
}
