/* The clock's and the dice's twins: time stands still until a test moves it, and a seed gives the same bytes on every
 * machine (xoshiro256**, seeded by splitmix64: statistics only, no secrets). */
#include "io/clock.h"

#include <string.h>

static fl_unix_us mem_unix(struct fl_clock *c)
{
	return ((struct fl_clock_mem *)c)->now_unix;
}

static fl_mono_ns mem_mono(struct fl_clock *c)
{
	return ((struct fl_clock_mem *)c)->now_mono;
}

void fl_clock_mem_init(struct fl_clock_mem *c, fl_unix_us start)
{
	*c = (struct fl_clock_mem){ .door = { mem_unix, mem_mono }, .now_unix = start, .now_mono = FL_NS_PER_S };
}

void fl_clock_mem_advance(struct fl_clock_mem *c, int64_t ns)
{
	fl_mono_ns before = c->now_mono;

	/* by differences of the monotonic clock, so that many small steps lose no microsecond */
	c->now_mono += ns;
	c->now_unix += c->now_mono / 1000 - before / 1000;
}

void fl_clock_mem_jump(struct fl_clock_mem *c, int64_t us)
{
	c->now_unix += us;
}

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

static uint64_t next_u64(struct fl_random_mem *r)
{
	uint64_t *s = r->s, out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return out;
}

/* Octet by octet from the low end: the same on machines of either byte order. */
static void mem_bytes(struct fl_random *door, void *out, size_t n)
{
	struct fl_random_mem *r = (struct fl_random_mem *)door;
	uint8_t *p = out;

	while (n) {
		uint64_t v = next_u64(r);

		for (int i = 0; i < 8 && n; i++, n--, v >>= 8)
			*p++ = (uint8_t)v;
	}
}

void fl_random_mem_init(struct fl_random_mem *r, uint64_t seed)
{
	memset(r, 0, sizeof(*r));
	r->door.bytes = mem_bytes;
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		r->s[i] = z ^ z >> 31;
	}
}
