/* The keyed hash of names. Start at fl__hash_label(). */
#include "matcher/hash.h"

#include <endian.h>

#define P61 ((UINT64_C(1) << 61) - 1)

static inline uint64_t reduce_once(uint64_t v)
{
	return v >= P61 ? v - P61 : v;
}

/* a, b < p */
static inline uint64_t mul_mod(uint64_t a, uint64_t b)
{
	unsigned __int128 t = (unsigned __int128)a * b;

	return reduce_once(((uint64_t)t & P61) + (uint64_t)(t >> 61));
}

/* A point must be one of many: zero, small or out of range is drawn again. */
static uint64_t draw_point(const struct fl_image_key *key, uint8_t which)
{
	uint8_t in[18], md[32];
	uint64_t v;

	memcpy(in, key->b, 16);
	in[16] = which;
	in[17] = 0;
	do {
		fl_sha256_of(in, sizeof(in), md);
		memcpy(&v, md, sizeof(v));
		v = le64toh(v) & P61;
		in[17]++;
	} while (v == P61 || v < UINT64_C(1) << 48);
	return v;
}

void fl__hash_keys_init(struct fl__hash_keys *k, const struct fl_image_key *key)
{
	k->k1 = draw_point(key, 1);
	k->k2 = draw_point(key, 2);
}

/* n <= 7 octets, little-endian. */
static inline uint64_t load_chunk(const uint8_t *p, size_t n, const uint8_t *end)
{
	uint64_t v = 0;

	if (end - p >= 8) { /* one load, the rest masked off */
		memcpy(&v, p, 8);
		return le64toh(v) & ((UINT64_C(1) << 8 * n) - 1);
	}
	for (size_t i = n; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

void fl__hash_label(const struct fl__hash_keys *k, struct fl__hash *h, const uint8_t *p, size_t n, const uint8_t *end)
{
	do {
		size_t m = n < 7 ? n : 7;
		uint64_t tag = n > 7 ? 8 : m, c = load_chunk(p, m, end) | tag << 56;

		h->h1 = mul_mod(reduce_once(h->h1 + c), k->k1);
		h->h2 = mul_mod(reduce_once(h->h2 + c), k->k2);
		p += m;
		n -= m;
	} while (n > 0);
}

struct fl__print fl__hash_key(const struct fl__hash_keys *k, struct fl_span key)
{
	const uint8_t *p = key.p, *end = key.n ? key.p + key.n : key.p;
	struct fl__hash h = { 0, 0 };

	while (p < end) {
		const uint8_t *z = memchr(p, 0, (size_t)(end - p));
		size_t n = z ? (size_t)(z - p) : (size_t)(end - p);

		fl__hash_label(k, &h, p, n, end);
		p += n + (z != NULL);
	}
	return fl__hash_print(&h);
}
