/* Sixteen octets looked at together, for the loops that see each octet of a list of millions: what GCC's vectors say on any machine, and
 * one instruction of SSE2 for the step from lanes to bits, with its portable form beside it (held against each other in test_lanes.c).
 *
 *   load      "www.Example.com\n"
 *   == '.'     0 0 0 ff 0 0 0 ...        a mask: each lane all ones or all zeros
 *   bits       0b...0000100000001000     bit i is lane i */
#pragma once
#include "base/span.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef uint8_t fl_lanes __attribute__((vector_size(16)));
enum { FL_LANES = 16 };

/** Sixteen octets from p, at any alignment. */
static inline fl_lanes fl_lanes_load(const uint8_t *p)
{
	fl_lanes v;

	memcpy(&v, p, sizeof(v));
	return v;
}
static inline void fl_lanes_store(uint8_t *p, fl_lanes v)
{
	memcpy(p, &v, sizeof(v));
}
/** A span of less than FL_LANES octets, zeros behind it. Reads nothing outside of the span. */
static inline fl_lanes fl_lanes_load_short(struct fl_span s)
{
	uint8_t b[FL_LANES] = { 0 };

	if (s.n >= 8) { /* two pieces that overlap; no loop */
		memcpy(b, s.p, 8);
		memcpy(b + s.n - 8, s.p + s.n - 8, 8);
	} else if (s.n >= 4) {
		memcpy(b, s.p, 4);
		memcpy(b + s.n - 4, s.p + s.n - 4, 4);
	} else
		for (size_t i = 0; i < s.n; i++)
			b[i] = s.p[i];
	return fl_lanes_load(b);
}
/** Mask of the octets from lo to hi, both included. */
static inline fl_lanes fl_lanes_within(fl_lanes v, uint8_t lo, uint8_t hi)
{
	return (fl_lanes)(v - lo <= (uint8_t)(hi - lo));
}
/** fl_lanes_bits() on any machine: a product gathers the lowest bits of eight octets. */
static inline unsigned fl_lanes_bits_portable(fl_lanes mask)
{
	uint64_t half[2];

	memcpy(half, &mask, sizeof(half));
	for (int i = 0; i < 2; i++) {
		if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
			half[i] = __builtin_bswap64(half[i]);
		half[i] = (half[i] & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56;
	}
	return (unsigned)(half[0] | half[1] << 8);
}
/** A bit for each lane of a mask: bit i is lane i. */
static inline unsigned fl_lanes_bits(fl_lanes mask)
{
#ifdef __SSE2__
	return (unsigned)_mm_movemask_epi8((__m128i)mask);
#else
	return fl_lanes_bits_portable(mask);
#endif
}

/** Mask of ASCII letters of either case. */
static inline fl_lanes fl_lanes_letters(fl_lanes v)
{
	return fl_lanes_within(v | 0x20, 'a', 'z');
}
/** Mask of the octets of names and the dots between their labels: letters, digits, hyphen, underscore, dot. */
static inline fl_lanes fl_lanes_names(fl_lanes v)
{
	return fl_lanes_letters(v) | fl_lanes_within(v, '0', '9') | fl_lanes_within(v, '-', '.') | (fl_lanes)(v == '_');
}
/** Letters in lower case, the rest as it is. */
static inline fl_lanes fl_lanes_lower(fl_lanes v)
{
	return v | (fl_lanes_letters(v) & 0x20);
}
