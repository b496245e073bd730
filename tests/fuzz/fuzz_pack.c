/* Fuzz entry: a pack. The first octet says how the rest is taken: as it is, with the checksum of its head put right, or as the body of the one
 * block of a pack that is right; else nothing random would ever get past the checksums. */
#include "model/pack.h"

#include <assert.h>
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VERSIONS = 9 };

/* The whole range and a part of it, in both directions, have as many changes; what it is taken apart into packs again, and that means the same. */
static uint64_t count(struct fl_span bytes, struct fl_pack_range r, const struct fl_span *below, bool reversed, int *ret)
{
	struct fl_change_iter *it = NULL;
	struct fl_change c;
	uint64_t n = 0;

	*ret = fl_pack_open(bytes, r, below, reversed, &it, NULL);
	while (*ret == 0 && (*ret = it->next(it, &c, NULL)) == 1) {
		assert(!below || fl_rkey_below_or_at(c.key, *below));
		n++;
		*ret = 0;
	}
	fl_changes_close(it);
	return n;
}

static void check(struct fl_span bytes, struct fl_pack_range r)
{
	struct fl_arena arena = { 0 };
	struct fl_pack_delta d[FL_PACK_VERSIONS];
	struct fl_buf again = { 0 };
	struct fl_span below = fl_span("a", 2);
	uint64_t n, back;
	int ret, ret2;

	n = count(bytes, r, NULL, false, &ret);
	back = count(bytes, r, NULL, true, &ret2);
	assert(n == back && ret == ret2);
	count(bytes, r, &below, false, &ret2);
	ret2 = r.n ? fl_pack_split(bytes, r, &arena, d, NULL) : FL_ECORRUPT;
	if (ret == 0 && ret2 == 0) {
		assert(fl_pack_write(d, r.n, &again, NULL) == 0);
		assert(count(fl_buf_span(&again), r, NULL, false, &ret) == n && ret == 0);
	}
	fl_buf_done(&again);
	fl_arena_done(&arena);
}

/* body: 0, length and octets of the first name, and so on; names: how many it is said to have. */
static void around(struct fl_buf *out, struct fl_span body, uint8_t names)
{
	size_t bound = ZSTD_compressBound(body.n), key = body.n > 1 && body.p[1] + 2U <= body.n ? body.p[1] : 0;
	struct fl_buf block = { 0 };

	if (fl_buf_reserve(&block, bound))
		block.n = ZSTD_compress(block.p, bound, body.p, body.n, 3);
	fl_buf_str(out, "FLP1");
	fl_buf_u8(out, 0);
	fl_buf_varint(out, VERSIONS);
	for (int i = 0; i < VERSIONS; i++)
		fl_buf_varint(out, 1);
	fl_buf_varint(out, 1);
	fl_buf_u8(out, (uint8_t)key);
	fl_buf_add(out, body.p + (key ? 2 : 0), key);
	fl_buf_varint(out, names);
	fl_buf_varint(out, body.n);
	fl_buf_varint(out, block.n);
	fl_buf_u64le(out, fl_checksum64(out->p, out->n));
	fl_buf_add(out, block.p, block.n);
	fl_buf_u64le(out, fl_checksum64(block.p, block.n));
	fl_buf_done(&block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_span rest = fl_span(data + (size != 0), size - (size != 0));
	struct fl_pack_range r = { 1, VERSIONS, VERSIONS };
	struct fl_buf b = { 0 };

	switch (size ? data[0] % 3 : 0) {
	case 0:
		fl_buf_add(&b, rest.p, rest.n);
		r.n = 0;
		break;
	case 1: /* a head alone: versions, index rows */
		fl_buf_str(&b, "FLP1");
		fl_buf_add(&b, rest.p, rest.n);
		fl_buf_u64le(&b, fl_checksum64(b.p, b.n));
		r.n = 0;
		break;
	case 2:
		around(&b, rest, data[0] / 3);
		break;
	}
	check(fl_buf_span(&b), r);
	fl_buf_done(&b);
	return 0;
}
