/* The system's clocks and randomness, and what is computed from any source of random bytes. */
#include "io/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

uint64_t fl_random_u64(struct fl_random *r)
{
	uint8_t b[8];
	uint64_t v = 0;

	r->bytes(r, b, sizeof(b));
	for (int i = 7; i >= 0; i--)
		v = v << 8 | b[i];
	return v;
}

uint64_t fl_random_below(struct fl_random *r, uint64_t n)
{
	uint64_t v, bias;

	if (n == 0)
		return 0;
	bias = -n % n; /* 2^64 mod n: as many low values are drawn again */
	do
		v = fl_random_u64(r);
	while (v < bias);
	return v % n;
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) < 0)
		abort(); /* both clocks exist on every Linux */
	return (int64_t)ts.tv_sec * FL_NS_PER_S + ts.tv_nsec;
}

static fl_unix_us sys_unix(struct fl_clock *c)
{
	(void)c;
	return clock_ns(CLOCK_REALTIME) / 1000;
}

static fl_mono_ns sys_mono(struct fl_clock *c)
{
	(void)c;
	return clock_ns(CLOCK_MONOTONIC);
}

/* Fences, epochs and ports come from here: going on with guessable bytes would be worse than stopping. */
static void sys_bytes(struct fl_random *r, void *out, size_t n)
{
	uint8_t *p = out;

	(void)r;
	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		p += got;
		n -= (size_t)got;
	}
}

struct fl_clock *fl_clock_sys(void)
{
	static struct fl_clock clock = { sys_unix, sys_mono };

	return &clock;
}

struct fl_random *fl_random_sys(void)
{
	static struct fl_random random_door = { sys_bytes };

	return &random_door;
}
