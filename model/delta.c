/* Delta codec (docs/formats/delta.md). The writer front-codes each change into `raw` and hashes its plain record; finish
 * compresses. The reader decompresses at open and decodes one record a call, trusting nothing. */
#include "model/delta.h"

#include "model/record_int.h"

#include <stdlib.h>

static const char magic[4] = { 'F', 'L', 'D', '1' };

enum {
	RAW_MAX = 256 << 20,
	RECORD_MIN = 1 + 1 + 1 + 1 + FL__ATTRS, /* the root added, or removed */
	HASH_BATCH = 16 * 1024,
};

struct fl_delta_writer {
	struct fl_sha256 sha;
	struct fl_buf raw;
	struct fl_buf plain; /* records not hashed yet: one call a batch, not a record */
	size_t max_raw;
	bool over;	     /* past max_raw: raw is gone */
	struct fl_rkey prev;
	struct fl_delta_meta meta;
};

struct fl_delta_writer *fl_delta_writer_new(void)
{
	struct fl_delta_writer *w = calloc(1, sizeof(*w));

	if (w && !fl_sha256_init(&w->sha)) {
		free(w);
		w = NULL;
	}
	if (w)
		w->max_raw = RAW_MAX;
	return w;
}

void fl_delta_writer_free(struct fl_delta_writer *w)
{
	if (!w)
		return;
	fl_sha256_done(&w->sha, NULL);
	fl_buf_done(&w->raw);
	fl_buf_done(&w->plain);
	free(w);
}

void fl_delta_writer_limit(struct fl_delta_writer *w, size_t max_raw)
{
	w->max_raw = max_raw < RAW_MAX ? max_raw : RAW_MAX;
}

static bool change_valid(const struct fl_change *c)
{
	if (c->key.n > FL_RKEY_MAX || (c->old.scope == 0 && c->new.scope == 0))
		return false;
	if ((c->old.scope && !fl__tuple_valid(&c->old)) || (c->new.scope && !fl__tuple_valid(&c->new)))
		return false;
	return !c->old.scope || !c->new.scope || !fl_tuple_eq(&c->old, &c->new);
}

static void count(struct fl_delta_meta *m, const struct fl_change *c)
{
	m->records++;
	m->added += c->old.scope == 0;
	m->removed += c->new.scope == 0;
	m->changed += c->old.scope && c->new.scope;
}

static void raw_put(struct fl_delta_writer *w, const struct fl_change *c)
{
	fl__key_put(&w->raw, fl_rkey_span(&w->prev), c->key);
	fl_buf_u8(&w->raw, c->old.scope);
	fl_buf_u8(&w->raw, c->new.scope);
	if (c->old.scope)
		fl_attrs_put(&w->raw, &c->old);
	if (c->new.scope)
		fl_attrs_put(&w->raw, &c->new);
	if (w->raw.n > w->max_raw) {
		fl_buf_done(&w->raw);
		w->over = true;
	}
}

static void plain_hash(struct fl_sha256 *sha, struct fl_buf *plain, const struct fl_change *c)
{
	if (c)
		fl_record_put(plain, c);
	if (!c || plain->n >= HASH_BATCH) {
		fl_sha256_add(sha, plain->p, plain->n);
		plain->n = 0;
	}
}

int fl_delta_writer_add(struct fl_delta_writer *w, const struct fl_change *c)
{
	if (!change_valid(c) || (w->meta.records && fl_rkey_cmp(fl_rkey_span(&w->prev), c->key) >= 0))
		return FL_ECORRUPT;
	plain_hash(&w->sha, &w->plain, c);
	if (!w->over)
		raw_put(w, c);
	if (w->plain.failed || w->raw.failed)
		return FL_ENOMEM;
	count(&w->meta, c);
	fl_rkey_set(&w->prev, c->key);
	return 0;
}

static int encode(struct fl_delta_writer *w, struct fl_buf *out)
{
	ZSTD_CCtx *cctx = ZSTD_createCCtx();
	size_t start = out->n;
	int ret = FL_ENOMEM;

	if (!cctx)
		return FL_ENOMEM;
	fl_buf_add(out, magic, sizeof(magic));
	fl_buf_u8(out, 0);
	fl_buf_varint(out, w->meta.records);
	fl_buf_varint(out, w->raw.n);
	if (!out->failed)
		ret = fl__frame_close(out, start, cctx, fl_buf_span(&w->raw));
	if (out->failed)
		ret = FL_ENOMEM;
	if (ret < 0)
		out->n = start;
	ZSTD_freeCCtx(cctx);
	return ret;
}

int fl_delta_writer_finish(struct fl_delta_writer *w, struct fl_buf *out, bool *kept, struct fl_delta_meta *meta)
{
	int ret = 0;

	if (w->plain.failed || w->raw.failed)
		return FL_ENOMEM;
	if (!w->over)
		ret = encode(w, out);
	if (ret < 0)
		return ret;
	plain_hash(&w->sha, &w->plain, NULL);
	fl_sha256_done(&w->sha, w->meta.sha256);
	*kept = !w->over;
	*meta = w->meta;
	return 0;
}

struct delta_iter {
	struct fl_change_iter base;
	uint8_t *raw;
	struct fl_rd rd;
	uint64_t left, records;
	bool reversed;
	struct fl_rkey key;
};

static int corrupt(struct fl_err *err, const char *what)
{
	return fl_err_set(err, FL_ECORRUPT, "delta: %s", what);
}

static bool record_read(struct delta_iter *it, struct fl_change *c)
{
	uint8_t old, new;

	if (!fl__key_read(&it->rd, &it->key, it->left == it->records))
		return false;
	old = fl_rd_u8(&it->rd);
	new = fl_rd_u8(&it->rd);
	c->key = fl_rkey_span(&it->key);
	return !it->rd.bad && fl__tuple_read(&it->rd, old, &c->old) && fl__tuple_read(&it->rd, new, &c->new) && change_valid(c);
}

static int delta_next(struct fl_change_iter *base, struct fl_change *out, struct fl_err *err)
{
	struct delta_iter *it = (struct delta_iter *)base;
	struct fl_change c;

	if (it->left == 0)
		return 0;
	if (!record_read(it, &c)) {
		it->left = 0;
		return corrupt(err, "a record is malformed or out of order");
	}
	it->left--;
	if (it->left == 0 && fl_rd_left(&it->rd))
		return corrupt(err, "octets after the last record");
	*out = it->reversed ? (struct fl_change){ c.key, c.new, c.old } : c;
	return 1;
}

static void delta_close(struct fl_change_iter *base)
{
	struct delta_iter *it = (struct delta_iter *)base;

	free(it->raw);
	free(it);
}

/* The head is checked before anything is allocated for it. */
static int delta_body(struct delta_iter *it, struct fl_span bytes, struct fl_err *err)
{
	ZSTD_DCtx *dctx;
	struct fl_rd r;
	uint64_t raw;
	bool ok;

	if (!fl__frame_open(bytes, magic, &r))
		return corrupt(err, "not one, truncated, or the checksum does not match");
	ok = fl_rd_u8(&r) == 0;
	it->records = it->left = fl_rd_varint(&r);
	raw = fl_rd_varint(&r);
	if (!ok || r.bad || raw > RAW_MAX || it->records > raw / RECORD_MIN || (it->records == 0 && raw))
		return corrupt(err, "flags or sizes out of range");
	it->raw = malloc(raw ? raw : 1);
	dctx = ZSTD_createDCtx();
	ok = it->raw && dctx;
	if (ok && !fl__frame_body(dctx, fl_span(r.p, fl_rd_left(&r)), it->raw, raw)) {
		ZSTD_freeDCtx(dctx);
		return corrupt(err, "cannot be decompressed");
	}
	ZSTD_freeDCtx(dctx);
	it->rd = fl_rd(fl_span(it->raw, raw));
	return ok ? 0 : fl_err_set(err, FL_ENOMEM, "delta of %llu octets: out of memory", (unsigned long long)raw);
}

static int open_as(struct fl_span bytes, bool reversed, struct fl_change_iter **out, struct fl_err *err)
{
	struct delta_iter *it = calloc(1, sizeof(*it));
	int ret;

	if (!it)
		return fl_err_set(err, FL_ENOMEM, "delta: out of memory");
	it->base = (struct fl_change_iter){ delta_next, delta_close };
	it->reversed = reversed;
	ret = delta_body(it, bytes, err);
	if (ret < 0)
		delta_close(&it->base);
	else
		*out = &it->base;
	return ret;
}

int fl_delta_open(struct fl_span bytes, struct fl_change_iter **out, struct fl_err *err)
{
	return open_as(bytes, false, out, err);
}

int fl_delta_open_reversed(struct fl_span bytes, struct fl_change_iter **out, struct fl_err *err)
{
	return open_as(bytes, true, out, err);
}

int fl_delta_check(struct fl_span bytes, struct fl_delta_meta *meta, struct fl_err *err)
{
	struct fl_change_iter *it = NULL;
	struct fl_sha256 sha = { NULL };
	struct fl_buf plain = { 0 };
	struct fl_delta_meta m = { 0 };
	struct fl_change c;
	int ret = fl_delta_open(bytes, &it, err);

	if (ret < 0)
		return ret;
	if (!fl_sha256_init(&sha))
		ret = fl_err_set(err, FL_ENOMEM, "delta: out of memory");
	while (ret == 0 && (ret = it->next(it, &c, err)) > 0) {
		count(&m, &c);
		plain_hash(&sha, &plain, &c);
		ret = plain.failed ? fl_err_set(err, FL_ENOMEM, "delta: out of memory") : 0;
	}
	plain_hash(&sha, &plain, NULL);
	fl_sha256_done(&sha, m.sha256);
	fl_changes_close(it);
	fl_buf_done(&plain);
	if (ret == 0)
		*meta = m;
	return ret;
}
