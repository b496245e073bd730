/* A keyed 64-bit hash for tables whose keys strangers choose, and for frame checksums. Not cryptographic; the key is random per process, so that nobody can aim at a
 * bucket. Multiply and fold over 8-octet words. */
#pragma once
#include "base/span.h"

static inline uint64_t fl__fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t fl__hash(uint64_t key, const void *p, size_t n)
{
	const uint8_t *at = p;
	uint64_t h = key ^ UINT64_C(0x9e3779b97f4a7c15), w;
	size_t left = n;

	for (; left >= 8; left -= 8, at += 8) {
		memcpy(&w, at, 8);
		h = fl__fold(h ^ w, UINT64_C(0xd6e8feb86659fd93));
	}
	w = 0;
	if (left)
		memcpy(&w, at, left);
	h = fl__fold(h ^ w, UINT64_C(0xa0761d6478bd642f));
	return fl__fold(h ^ n, UINT64_C(0xe7037ed1a0b428db));
}
