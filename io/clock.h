/* Clock and random doors: the system's (sys.c), and twins (clock_mem.c) for the simulation. */
#pragma once
#include "base/time.h"

struct fl_clock {
	fl_unix_us (*unix_us)(struct fl_clock *c);
	fl_mono_ns (*mono_ns)(struct fl_clock *c);
};
struct fl_random {
	void (*bytes)(struct fl_random *r, void *out, size_t n);
};
static inline fl_unix_us fl_now_unix(struct fl_clock *c)
{
	return c->unix_us(c);
}
static inline fl_mono_ns fl_now_mono(struct fl_clock *c)
{
	return c->mono_ns(c);
}
uint64_t fl_random_u64(struct fl_random *r);
/** Uniform in [0, n); 0 when n is 0. */
uint64_t fl_random_below(struct fl_random *r, uint64_t n);

/** The system's clocks and getrandom(2). Process-wide, never freed. */
struct fl_clock *fl_clock_sys(void);
struct fl_random *fl_random_sys(void);

/* Virtual clock: stands still until moved. */
struct fl_clock_mem {
	struct fl_clock door;
	fl_unix_us now_unix;
	fl_mono_ns now_mono;
};
void fl_clock_mem_init(struct fl_clock_mem *c, fl_unix_us start);
void fl_clock_mem_advance(struct fl_clock_mem *c, int64_t ns);
/** Only the wall clock jumps. */
void fl_clock_mem_jump(struct fl_clock_mem *c, int64_t us);
/* Seeded: the same seed, the same bytes. */
struct fl_random_mem {
	struct fl_random door;
	uint64_t s[4];
};
void fl_random_mem_init(struct fl_random_mem *r, uint64_t seed);
