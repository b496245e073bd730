/* The octets that delta, keyframe and digests share: tuples, front-coded keys, and the checked zstd frame. */
#include "model/record_int.h"

#include "model/delta.h"

#include <stdlib.h>

void fl__attrs_octets(const struct fl_tuple *t, uint8_t out[FL__ATTRS])
{
	out[0] = t->confidence;
	out[1] = t->category;
	fl__put_u32le(out + 2, t->first_seen_s);
	fl__put_u32le(out + 6, t->absent_since_s);
	fl__put_u32le(out + 10, t->expires_s);
}

void fl_attrs_put(struct fl_buf *out, const struct fl_tuple *t)
{
	uint8_t b[FL__ATTRS];

	fl__attrs_octets(t, b);
	fl_buf_add(out, b, sizeof(b));
}

bool fl_attrs_get(struct fl_rd *r, struct fl_tuple *t)
{
	struct fl_span s = fl_rd_bytes(r, FL__ATTRS);

	if (r->bad)
		return false;
	t->confidence = s.p[0];
	t->category = s.p[1];
	t->first_seen_s = fl__u32le(s.p + 2);
	t->absent_since_s = fl__u32le(s.p + 6);
	t->expires_s = fl__u32le(s.p + 10);
	return t->confidence <= 100;
}

bool fl__tuple_read(struct fl_rd *r, uint8_t scope, struct fl_tuple *t)
{
	*t = (struct fl_tuple){ .scope = scope };
	return scope == 0 || (fl_attrs_get(r, t) && fl__tuple_valid(t));
}

static void tuple_put(struct fl_buf *out, const struct fl_tuple *t)
{
	fl_buf_u8(out, t->scope);
	if (t->scope)
		fl_attrs_put(out, t);
}

void fl_record_put(struct fl_buf *out, const struct fl_change *c)
{
	fl_buf_u8(out, (uint8_t)c->key.n);
	fl_buf_add(out, c->key.p, c->key.n);
	tuple_put(out, &c->old);
	tuple_put(out, &c->new);
}

void fl__key_put(struct fl_buf *out, struct fl_span prev, struct fl_span key)
{
	size_t shared = fl__shared(prev, key);

	fl_buf_u8(out, (uint8_t)shared);
	fl_buf_u8(out, (uint8_t)(key.n - shared));
	fl_buf_add(out, key.p + shared, key.n - shared);
}

bool fl__key_read(struct fl_rd *r, struct fl_rkey *key, bool first)
{
	size_t shared = fl_rd_u8(r), n = fl_rd_u8(r);
	struct fl_span rest = fl_rd_bytes(r, n);
	bool rises;

	if (r->bad || shared > key->len || (first && shared) || shared + n > FL_RKEY_MAX) {
		r->bad = true;
		return false;
	}
	/* the shared octets are the same: the order is that of the octets after them */
	rises = first || fl_rkey_cmp(fl_span(key->b + shared, key->len - shared), rest) < 0;
	if (n)
		memcpy(key->b + shared, rest.p, n);
	key->len = (uint8_t)(shared + n);
	r->bad = !rises || !fl_rkey_valid(fl_rkey_span(key));
	return !r->bad;
}

int fl__frame_close(struct fl_buf *out, size_t start, ZSTD_CCtx *cctx, struct fl_span raw)
{
	size_t bound = ZSTD_compressBound(raw.n), n;

	if (!fl_buf_reserve(out, bound + 8))
		return FL_ENOMEM;
	n = ZSTD_compressCCtx(cctx, out->p + out->n, bound, raw.p, raw.n, FL__ZSTD_LEVEL);
	if (ZSTD_isError(n))
		return FL_ENOMEM; /* the bound leaves no other reason */
	out->n += n;
	fl_buf_u64le(out, fl_checksum64(out->p + start, out->n - start));
	return 0;
}

bool fl__frame_open(struct fl_span bytes, const char magic[4], struct fl_rd *r)
{
	struct fl_rd sum;

	if (bytes.n < 4 + 8 || memcmp(bytes.p, magic, 4) != 0)
		return false;
	sum = fl_rd(fl_span(bytes.p + bytes.n - 8, 8));
	if (fl_rd_u64le(&sum) != fl_checksum64(bytes.p, bytes.n - 8))
		return false;
	*r = fl_rd(fl_span(bytes.p + 4, bytes.n - 12));
	return true;
}

bool fl__frame_body(ZSTD_DCtx *dctx, struct fl_span body, uint8_t *raw, size_t n)
{
	size_t got;

	/* an error code of zstd is no size that a body has */
	if (ZSTD_findFrameCompressedSize(body.p, body.n) != body.n || ZSTD_getFrameContentSize(body.p, body.n) != n)
		return false;
	got = ZSTD_decompressDCtx(dctx, raw, n, body.p, body.n);
	return !ZSTD_isError(got) && got == n;
}
