/* Pack writer: the deltas are merged by a heap on (name, version); what each says of a name before it must be what the one
 * before left. Names are gathered into a block until it is full. */
#include "model/pack_int.h"

#include <stdlib.h>

const char fl__pack_magic[4] = { 'F', 'L', 'P', '1' };

struct packer {
	const struct fl_pack_delta *v;
	size_t n;
	struct fl_change_iter **it;
	struct fl_change *top;	     /* the change of each that is next */
	struct fl_rkey *keys;	     /* their keys: an iterator's own are gone with its next */
	uint32_t *heap;
	size_t n_heap;
	ZSTD_CCtx *cctx;
	struct fl_buf raw, steps, index, blocks;
	struct fl_rkey first, prev;  /* of the block; the name before */
	uint32_t names, n_blocks;
	struct fl_rkey name;	     /* the one being gathered */
	struct fl_tuple before, now;
	uint32_t n_steps, last_step;
};

static int broken(const struct packer *p, size_t i, const char *what, struct fl_err *err)
{
	return fl_err_set(err, FL_ECORRUPT, "pack: the delta to version %llu %s", (unsigned long long)p->v[i].number, what);
}

/* --- heap --- */

static bool less(const struct packer *p, uint32_t a, uint32_t b)
{
	int c = fl_rkey_cmp(p->top[a].key, p->top[b].key);

	return c < 0 || (c == 0 && a < b);
}

static void sift(struct packer *p, size_t i)
{
	for (;;) {
		size_t child = 2 * i + 1;
		uint32_t x = p->heap[i];

		if (child >= p->n_heap)
			return;
		if (child + 1 < p->n_heap && less(p, p->heap[child + 1], p->heap[child]))
			child++;
		if (!less(p, p->heap[child], x))
			return;
		p->heap[i] = p->heap[child];
		p->heap[child] = x;
		i = child;
	}
}

/* The next change of delta i, its key kept here. 1, 0 at its end, or an error. */
static int pull(struct packer *p, uint32_t i, struct fl_err *err)
{
	int ret = p->it[i]->next(p->it[i], &p->top[i], err);

	if (ret == 1) {
		fl_rkey_set(&p->keys[i], p->top[i].key);
		p->top[i].key = fl_rkey_span(&p->keys[i]);
	}
	return ret;
}

static int open_all(struct packer *p, struct fl_err *err)
{
	for (uint32_t i = 0; i < p->n; i++) {
		int ret = fl_delta_open(p->v[i].bytes, &p->it[i], err);

		if (ret == 0)
			ret = pull(p, i, err);
		if (ret < 0)
			return ret == FL_ECORRUPT ? broken(p, i, "is broken", err) : ret;
		if (ret)
			p->heap[p->n_heap++] = i;
	}
	for (size_t i = p->n_heap / 2; i-- > 0;)
		sift(p, i);
	return 0;
}

/* --- blocks --- */

static int close_block(struct packer *p)
{
	size_t from = p->blocks.n;
	int ret;

	if (p->names == 0)
		return 0;
	ret = p->raw.failed ? FL_ENOMEM : fl__frame_close(&p->blocks, from, p->cctx, fl_buf_span(&p->raw));
	fl_buf_u8(&p->index, p->first.len);
	fl_buf_add(&p->index, p->first.b, p->first.len);
	fl_buf_varint(&p->index, p->names);
	fl_buf_varint(&p->index, p->raw.n);
	fl_buf_varint(&p->index, p->blocks.n - from - 8);
	p->n_blocks++;
	p->names = 0;
	fl_buf_reset(&p->raw);
	return ret;
}

/* The name that was gathered goes into the block. */
static int close_name(struct packer *p)
{
	struct fl_span none = fl_span(NULL, 0);

	if (p->n_steps == 0)
		return 0;
	if (p->names == 0)
		p->first = p->name;
	fl__key_put(&p->raw, p->names ? fl_rkey_span(&p->prev) : none, fl_rkey_span(&p->name));
	fl_buf_u8(&p->raw, p->before.scope);
	if (p->before.scope)
		fl_attrs_put(&p->raw, &p->before);
	fl_buf_varint(&p->raw, p->n_steps);
	fl_buf_add(&p->raw, p->steps.p, p->steps.n);
	p->prev = p->name;
	p->names++;
	p->n_steps = 0;
	fl_buf_reset(&p->steps);
	if (p->steps.failed || p->raw.failed)
		return FL_ENOMEM;
	return p->raw.n >= FL__PACK_BLOCK ? close_block(p) : 0;
}

static int take(struct packer *p, uint32_t i, struct fl_err *err)
{
	const struct fl_change *c = &p->top[i];
	int ret = 0;

	if (p->n_steps == 0 || !fl_span_eq(c->key, fl_rkey_span(&p->name))) {
		ret = close_name(p);
		p->name = p->keys[i];
		p->before = c->old;
		p->last_step = 0;
	} else if (!fl_tuple_eq(&p->now, &c->old))
		return broken(p, i, "does not follow on what was before it", err);
	fl_buf_varint(&p->steps, i - p->last_step);
	fl_buf_u8(&p->steps, c->new.scope);
	if (c->new.scope)
		fl_attrs_put(&p->steps, &c->new);
	p->now = c->new;
	p->last_step = i;
	p->n_steps++;
	return ret;
}

static int merge(struct packer *p, struct fl_err *err)
{
	int ret = open_all(p, err);

	while (ret == 0 && p->n_heap) {
		uint32_t i = p->heap[0];
		int more;

		ret = take(p, i, err);
		if (ret < 0)
			break;
		more = pull(p, i, err);
		if (more < 0)
			return more == FL_ECORRUPT ? broken(p, i, "is broken", err) : more;
		if (more == 0)
			p->heap[0] = p->heap[--p->n_heap];
		sift(p, 0);
		if (p->blocks.n > FL_PACK_BYTES || p->n_blocks >= FL__PACK_BLOCKS)
			return fl_err_set(err, FL_ELIMIT, "pack: over %d octets", FL_PACK_BYTES);
	}
	if (ret == 0)
		ret = close_name(p);
	return ret == 0 ? close_block(p) : ret;
}

static int put(const struct packer *p, struct fl_buf *out)
{
	size_t start = out->n;
	uint64_t prev = 0;

	fl_buf_add(out, fl__pack_magic, sizeof(fl__pack_magic));
	fl_buf_u8(out, 0);
	fl_buf_varint(out, p->n);
	for (size_t i = 0; i < p->n; i++) {
		fl_buf_varint(out, p->v[i].number - prev);
		prev = p->v[i].number;
	}
	fl_buf_varint(out, p->n_blocks);
	fl_buf_add(out, p->index.p, p->index.n);
	if (!out->failed)
		fl_buf_u64le(out, fl_checksum64(out->p + start, out->n - start));
	fl_buf_add(out, p->blocks.p, p->blocks.n);
	if (out->failed || p->index.failed || p->blocks.failed) {
		out->n = start;
		return FL_ENOMEM;
	}
	return 0;
}

static bool start(struct packer *p)
{
	p->it = calloc(p->n, sizeof(*p->it));
	p->top = calloc(p->n, sizeof(*p->top));
	p->keys = calloc(p->n, sizeof(*p->keys));
	p->heap = calloc(p->n, sizeof(*p->heap));
	p->cctx = ZSTD_createCCtx();
	return p->it && p->top && p->keys && p->heap && p->cctx;
}

static void done(struct packer *p)
{
	for (size_t i = 0; p->it && i < p->n; i++)
		fl_changes_close(p->it[i]);
	free(p->it);
	free(p->top);
	free(p->keys);
	free(p->heap);
	ZSTD_freeCCtx(p->cctx);
	fl_buf_done(&p->raw);
	fl_buf_done(&p->steps);
	fl_buf_done(&p->index);
	fl_buf_done(&p->blocks);
}

int fl_pack_write(const struct fl_pack_delta *v, size_t n, struct fl_buf *out, struct fl_err *err)
{
	struct packer p = { .v = v, .n = n };
	int ret = 0;

	if (n == 0 || n > FL_PACK_VERSIONS)
		return fl_err_set(err, FL_ELIMIT, "pack: %zu versions, of %d at most", n, FL_PACK_VERSIONS);
	for (size_t i = 0; ret == 0 && i < n; i++)
		if (v[i].number <= (i ? v[i - 1].number : 0))
			ret = broken(&p, i, "is not above the one before", err);
	if (ret < 0)
		return ret;
	ret = start(&p) ? merge(&p, err) : FL_ENOMEM;
	if (ret == 0)
		ret = put(&p, out);
	done(&p);
	return ret == FL_ENOMEM ? fl_err_set(err, ret, "pack: out of memory") : ret;
}
