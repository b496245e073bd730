/* The keyed hash of a name: two polynomials modulo p = 2^61 - 1 with independent secret points, extended label by label from the
 * root, so that one walk down a name meets the hash of each of its ancestors on the way (docs/formats/image.md has the bound).
 *
 *   label -> chunks of at most 7 octets, c = octets, little-endian | tag << 56     tag: octets in it, or 8 when the label goes on
 *   h' = (h + c) * k mod p                                                         root: h = 0
 *
 * The multiplication comes last, so that names which differ in their last octets only still fall into unlike buckets. */
#pragma once
#include "matcher/image.h"

struct fl__hash_keys {
	uint64_t k1, k2;
};
struct fl__hash {
	uint64_t h1, h2; /* both below p */
};
/* What a row stores: all 61 bits of h1 and the low 35 of h2. */
struct fl__print {
	uint64_t hi;
	uint32_t lo;
};

void fl__hash_keys_init(struct fl__hash_keys *k, const struct fl_image_key *key);
/** The next label of a key: n octets at p. `end` is the end of the readable bytes. */
void fl__hash_label(const struct fl__hash_keys *k, struct fl__hash *h, const uint8_t *p, size_t n, const uint8_t *end);
struct fl__print fl__hash_key(const struct fl__hash_keys *k, struct fl_span key);

static inline struct fl__print fl__hash_print(const struct fl__hash *h)
{
	return (struct fl__print){ h->h1 << 3 | (h->h2 >> 32 & 7), (uint32_t)h->h2 };
}
static inline int fl__print_cmp(uint64_t ahi, uint32_t alo, uint64_t bhi, uint32_t blo)
{
	if (ahi != bhi)
		return ahi < bhi ? -1 : 1;
	return (alo > blo) - (alo < blo);
}
