/* Pack reader: name by name, each with its states; on it stand a range as one stream of changes, and the deltas as they were. */
#include "model/pack_int.h"

#include <stdlib.h>

struct fl__pack {
	uint8_t *bytes; /* a copy */
	size_t n;
	uint64_t numbers[FL_PACK_VERSIONS];
	uint32_t n_versions;
	struct fl_rd index;   /* the rows not yet read */
	uint32_t rows;	      /* how many those are */
	struct fl_rd blocks;  /* what they stand for */
	struct fl_rkey first; /* of the row read last */
	uint64_t names, raw_n, body_n;
	ZSTD_DCtx *dctx;
	uint8_t raw[FL__PACK_BLOCK_MAX];
	struct fl_rd rd; /* the block being read */
	uint64_t left;	 /* names of it */
	bool any, fresh;
	struct fl_rkey key, last; /* the name read; the last of the block before */
	bool ranged;
	struct fl_rkey below;
};

static int corrupt(struct fl_err *err, const char *what)
{
	return fl_err_set(err, FL_ECORRUPT, "pack: %s", what);
}

/* --- head --- */

static bool versions_read(struct fl__pack *p, struct fl_rd *r)
{
	uint64_t n = fl_rd_varint(r), number = 0;

	if (r->bad || n == 0 || n > FL_PACK_VERSIONS)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t step = fl_rd_varint(r);

		if (r->bad || step == 0 || number + step < number)
			return false;
		p->numbers[i] = number += step;
	}
	p->n_versions = (uint32_t)n;
	return true;
}

/* The next row of the index; its block is p->body_n octets at the front of p->blocks. */
static bool row_read(struct fl__pack *p)
{
	struct fl_rd *r = &p->index;
	size_t n = fl_rd_u8(r);
	struct fl_span key = fl_rd_bytes(r, n);

	p->names = fl_rd_varint(r);
	p->raw_n = fl_rd_varint(r);
	p->body_n = fl_rd_varint(r);
	if (r->bad || key.n > FL_RKEY_MAX || !fl_rkey_valid(key) || p->names == 0 || p->names > p->raw_n || p->raw_n > FL__PACK_BLOCK_MAX)
		return false;
	fl_rkey_set(&p->first, key);
	p->rows--;
	return true;
}

/* Where the index ends shows only as it is read; so it is, once, and its sizes are held against what there is. */
static int head_read(struct fl__pack *p, struct fl_err *err)
{
	struct fl_span all = fl_span(p->bytes, p->n), sum;
	struct fl_rd r = fl_rd(all), at;
	struct fl_rkey prev = { 0 };
	uint64_t blocks, bodies = 0;
	struct fl_span m = fl_rd_bytes(&r, 4);
	uint32_t rows;

	if (r.bad || memcmp(m.p, fl__pack_magic, 4) != 0 || fl_rd_u8(&r) != 0 || !versions_read(p, &r))
		return corrupt(err, "not one, or flags or versions out of range");
	blocks = fl_rd_varint(&r);
	if (r.bad || blocks > FL__PACK_BLOCKS)
		return corrupt(err, "number of blocks out of range");
	at = p->index = r;
	rows = p->rows = (uint32_t)blocks;
	for (uint32_t i = 0; i < rows; i++) {
		if (!row_read(p) || (i && fl_rkey_cmp(fl_rkey_span(&prev), fl_rkey_span(&p->first)) >= 0) || p->body_n > p->n)
			return corrupt(err, "an index row is malformed or out of order");
		prev = p->first;
		bodies += p->body_n + 8;
	}
	r = p->index;
	sum = fl_span(p->bytes, (size_t)(r.p - p->bytes));
	if (fl_rd_u64le(&r) != fl_checksum64(sum.p, sum.n) || r.bad || fl_rd_left(&r) != bodies)
		return corrupt(err, "truncated, or the checksum does not match");
	p->index = at;
	p->rows = rows;
	p->blocks = r;
	return 0;
}

/* --- blocks --- */

static int block_load(struct fl__pack *p, struct fl_err *err)
{
	struct fl_span body = fl_rd_bytes(&p->blocks, p->body_n);
	uint64_t sum = fl_rd_u64le(&p->blocks);

	if (p->blocks.bad || sum != fl_checksum64(body.p, body.n) || !fl__frame_body(p->dctx, body, p->raw, p->raw_n))
		return corrupt(err, "a block is damaged");
	p->rd = fl_rd(fl_span(p->raw, p->raw_n));
	p->left = p->names;
	p->fresh = true;
	return 0;
}

/* 1: a block is loaded. 0: none is left, or none that may hold what is asked for. */
static int next_block(struct fl__pack *p, struct fl_err *err)
{
	int ret;

	if (p->rows == 0)
		return 0;
	if (!row_read(p))
		return corrupt(err, "an index row is malformed");
	if (p->ranged && fl_rkey_cmp(fl_rkey_span(&p->first), fl_rkey_span(&p->below)) > 0 &&
	    !fl_rkey_below_or_at(fl_rkey_span(&p->first), fl_rkey_span(&p->below)))
		return 0;
	ret = block_load(p, err);
	return ret < 0 ? ret : 1;
}

/* To the last block whose first name is at or before `below`: none before it can hold what is asked for. */
static void seek(struct fl__pack *p)
{
	struct fl_rd index = p->index;
	uint32_t rows = p->rows, skip = 0;

	for (uint32_t i = 0; i < rows && row_read(p) && fl_rkey_cmp(fl_rkey_span(&p->first), fl_rkey_span(&p->below)) <= 0; i++)
		skip = i;
	p->index = index;
	p->rows = rows;
	while (skip-- && row_read(p))
		fl_rd_bytes(&p->blocks, p->body_n + 8);
}

int fl__pack_open(struct fl_span bytes, const struct fl_span *below, struct fl__pack **out, struct fl_err *err)
{
	struct fl__pack *p = calloc(1, sizeof(*p));
	int ret = FL_ENOMEM;

	if (p) {
		p->dctx = ZSTD_createDCtx();
		p->bytes = malloc(bytes.n ? bytes.n : 1);
		p->n = bytes.n;
	}
	if (p && p->dctx && p->bytes) {
		if (bytes.n)
			memcpy(p->bytes, bytes.p, bytes.n);
		ret = head_read(p, err);
	} else
		fl_err_set(err, ret, "pack: out of memory");
	if (ret == 0 && below) {
		p->ranged = true;
		fl_rkey_set(&p->below, *below);
		seek(p);
	}
	if (ret < 0)
		fl__pack_close(p);
	else
		*out = p;
	return ret;
}

void fl__pack_close(struct fl__pack *p)
{
	if (!p)
		return;
	ZSTD_freeDCtx(p->dctx);
	free(p->bytes);
	free(p);
}

int fl__pack_range(const struct fl__pack *p, struct fl_pack_range r, uint32_t *first, uint32_t *last, struct fl_err *err)
{
	uint32_t a = 0, b = 0;

	while (a < p->n_versions && p->numbers[a] != r.first)
		a++;
	for (b = a; b < p->n_versions && p->numbers[b] != r.last;)
		b++;
	if (b >= p->n_versions || (r.n && b - a + 1 != r.n))
		return fl_err_set(err, FL_ECORRUPT, "pack: it does not hold the versions %llu to %llu as the path has them", (unsigned long long)r.first,
				  (unsigned long long)r.last);
	*first = a;
	*last = b;
	return 0;
}

/* --- names --- */

static bool step_read(struct fl__pack *p, struct fl__history *h, uint32_t i)
{
	const struct fl_tuple *was = i ? &h->step[i - 1].t : &h->before;
	struct fl_tuple *t = &h->step[i].t;
	uint64_t step = fl_rd_varint(&p->rd), version = (i ? h->step[i - 1].version : 0) + step;
	uint8_t scope = fl_rd_u8(&p->rd);

	if (p->rd.bad || (i && step == 0) || step >= FL_PACK_VERSIONS || version >= p->n_versions || !fl__tuple_read(&p->rd, scope, t))
		return false;
	h->step[i].version = (uint32_t)version;
	return (t->scope || was->scope) && !(t->scope && was->scope && fl_tuple_eq(t, was));
}

static bool name_read(struct fl__pack *p, struct fl__history *h)
{
	uint64_t n;
	uint8_t scope;

	if (!fl__key_read(&p->rd, &p->key, p->fresh))
		return false;
	scope = fl_rd_u8(&p->rd);
	if (p->rd.bad || !fl__tuple_read(&p->rd, scope, &h->before))
		return false;
	n = fl_rd_varint(&p->rd);
	if (p->rd.bad || n == 0 || n > p->n_versions)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!step_read(p, h, i))
			return false;
	h->n = (uint32_t)n;
	h->key = fl_rkey_span(&p->key);
	return true;
}

/* The first name of a block is that of its row, and above all before it. */
static bool first_fits(const struct fl__pack *p)
{
	return fl_span_eq(fl_rkey_span(&p->key), fl_rkey_span(&p->first)) && (!p->any || fl_rkey_cmp(fl_rkey_span(&p->last), fl_rkey_span(&p->key)) < 0);
}

int fl__pack_next(struct fl__pack *p, struct fl__history *h, struct fl_err *err)
{
	int ret;

	while (p->left == 0) {
		p->last = p->key;
		ret = next_block(p, err);
		if (ret <= 0)
			return ret;
	}
	if (!name_read(p, h) || (p->fresh && !first_fits(p)))
		return corrupt(err, "a name is malformed or out of order");
	p->fresh = false;
	p->any = true;
	p->left--;
	if (p->left == 0 && fl_rd_left(&p->rd))
		return corrupt(err, "octets after the last name of a block");
	return 1;
}

/* --- a range as changes --- */

struct range_iter {
	struct fl_change_iter base;
	struct fl__pack *p;
	uint32_t first, last;
	bool reversed, ended;
	struct fl__history h;
};

/* False: nothing of it is in the range, or it ends as it began. */
static bool change_of(const struct fl__history *h, uint32_t first, uint32_t last, struct fl_change *out)
{
	bool in = false;

	out->key = h->key;
	out->old = h->before;
	for (uint32_t i = 0; i < h->n && h->step[i].version <= last; i++) {
		if (h->step[i].version < first)
			out->old = h->step[i].t;
		else {
			out->new = h->step[i].t;
			in = true;
		}
	}
	if (!in || (out->old.scope == 0 && out->new.scope == 0))
		return false;
	return !out->old.scope || !out->new.scope || !fl_tuple_eq(&out->old, &out->new);
}

static int range_step(struct range_iter *it, struct fl_change *out, struct fl_err *err)
{
	int ret;

	while ((ret = fl__pack_next(it->p, &it->h, err)) == 1) {
		const struct fl__pack *p = it->p;

		if (p->ranged && !fl_rkey_below_or_at(it->h.key, fl_rkey_span(&p->below))) {
			if (fl_rkey_cmp(it->h.key, fl_rkey_span(&p->below)) > 0)
				return 0;
			continue;
		}
		if (change_of(&it->h, it->first, it->last, out))
			return 1;
	}
	return ret;
}

static int range_next(struct fl_change_iter *base, struct fl_change *out, struct fl_err *err)
{
	struct range_iter *it = (struct range_iter *)base;
	struct fl_change c;
	int ret;

	if (it->ended)
		return 0;
	ret = range_step(it, &c, err);
	it->ended = ret <= 0;
	if (ret == 1)
		*out = it->reversed ? (struct fl_change){ c.key, c.new, c.old } : c;
	return ret;
}

static void range_close(struct fl_change_iter *base)
{
	struct range_iter *it = (struct range_iter *)base;

	fl__pack_close(it->p);
	free(it);
}

int fl_pack_open(struct fl_span bytes, struct fl_pack_range range, const struct fl_span *below, bool reversed, struct fl_change_iter **out, struct fl_err *err)
{
	struct range_iter *it = calloc(1, sizeof(*it));
	int ret;

	if (!it)
		return fl_err_set(err, FL_ENOMEM, "pack: out of memory");
	it->base = (struct fl_change_iter){ range_next, range_close };
	it->reversed = reversed;
	ret = fl__pack_open(bytes, below, &it->p, err);
	if (ret == 0)
		ret = fl__pack_range(it->p, range, &it->first, &it->last, err);
	if (ret < 0)
		range_close(&it->base);
	else
		*out = &it->base;
	return ret;
}

/* --- the deltas as they were --- */

static int spread(struct fl__pack *p, uint32_t first, uint32_t last, struct fl_delta_writer **w, struct fl_err *err)
{
	struct fl__history h;
	int ret;

	while ((ret = fl__pack_next(p, &h, err)) == 1)
		for (uint32_t i = 0; i < h.n; i++) {
			struct fl_change c = { h.key, i ? h.step[i - 1].t : h.before, h.step[i].t };
			uint32_t v = h.step[i].version;
			int r2 = v < first || v > last ? 0 : fl_delta_writer_add(w[v - first], &c);

			if (r2 < 0)
				return fl_err_set(err, r2, "pack: version %llu cannot be made again", (unsigned long long)p->numbers[v]);
		}
	return ret;
}

static int collect(struct fl_delta_writer *w, struct fl_arena *arena, struct fl_pack_delta *out)
{
	struct fl_buf b = { 0 };
	bool kept = false;
	int ret = fl_delta_writer_finish(w, &b, &kept, &out->meta);

	if (ret == 0)
		out->bytes = fl_span(fl_arena_dup(arena, b.p, b.n), b.n);
	if (ret == 0 && (!kept || !out->bytes.p))
		ret = kept ? FL_ENOMEM : FL_ECORRUPT;
	fl_buf_done(&b);
	return ret;
}

int fl_pack_split(struct fl_span bytes, struct fl_pack_range range, struct fl_arena *arena, struct fl_pack_delta *out, struct fl_err *err)
{
	struct fl_delta_writer *w[FL_PACK_VERSIONS] = { 0 };
	struct fl__pack *p = NULL;
	uint32_t first = 0, last = 0, n = 0;
	int ret = fl__pack_open(bytes, NULL, &p, err);

	if (ret == 0)
		ret = fl__pack_range(p, range, &first, &last, err);
	for (; ret == 0 && n < last - first + 1; n++) {
		w[n] = fl_delta_writer_new();
		if (!w[n])
			ret = fl_err_set(err, FL_ENOMEM, "pack: out of memory");
	}
	if (ret == 0)
		ret = spread(p, first, last, w, err);
	for (uint32_t i = 0; ret == 0 && i < n; i++) {
		out[i].number = p->numbers[first + i];
		ret = collect(w[i], arena, &out[i]);
		if (ret < 0)
			fl_err_set(err, ret, "pack: version %llu cannot be made again", (unsigned long long)out[i].number);
	}
	for (uint32_t i = 0; i < n; i++)
		fl_delta_writer_free(w[i]);
	fl__pack_close(p);
	return ret;
}
