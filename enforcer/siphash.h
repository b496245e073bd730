/* SipHash-2-4 (Aumasson and Bernstein, 2012; the reference's test vector is in tests/unit/enforcer/test_cookie.c, libcrypto agrees). Here and not libcrypto's: EVP_MAC allocates and
 * locks, and the answer path does neither. */
#pragma once
#include <string.h>

#include "base/span.h"

static inline uint64_t fl__sip_word(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}
static inline uint64_t fl__sip_turn(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}
static inline void fl__sip_rounds(uint64_t v[4], int n)
{
	while (n--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = fl__sip_turn(v[1], 13) ^ v[0];
		v[3] = fl__sip_turn(v[3], 16) ^ v[2];
		v[0] = fl__sip_turn(v[0], 32) + v[3];
		v[2] += v[1];
		v[3] = fl__sip_turn(v[3], 21) ^ v[0];
		v[1] = fl__sip_turn(v[1], 17) ^ v[2];
		v[2] = fl__sip_turn(v[2], 32);
	}
}
static inline uint64_t fl__siphash(const uint8_t key[16], const uint8_t *p, size_t n)
{
	uint64_t k0 = fl__sip_word(key, 8), k1 = fl__sip_word(key + 8, 8), m;
	uint64_t v[4] = { k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d), k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573) };
	size_t at = 0;

	do {
		bool last = n - at < 8;

		m = last ? fl__sip_word(p + at, n - at) | (uint64_t)n << 56 : fl__sip_word(p + at, 8);
		v[3] ^= m;
		fl__sip_rounds(v, 2);
		v[0] ^= m;
		if (last)
			break;
		at += 8;
	} while (true);
	v[2] ^= 0xff;
	fl__sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
