#include "enforcer/rate.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { SETS = 16384, WAYS = 4, TRIES = 4, TIME_BITS = 44 };
#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)

struct fl__rate {
	_Atomic uint64_t slot[SETS][WAYS];
};

struct fl__rate *fl__rate_new(void)
{
	return calloc(1, sizeof(struct fl__rate));
}
void fl__rate_free(struct fl__rate *r)
{
	free(r);
}

/* How far the slot's time lies ahead of t; 0 when it has passed. Further ahead than the window it stems from other settings, or from before the clock went round: 0 too. */
static uint64_t ahead(uint64_t slot, uint64_t t, uint64_t window)
{
	uint64_t d = (slot - t) & TIME_MASK;

	return d > window ? 0 : d;
}

static unsigned choose(const uint64_t v[WAYS], uint64_t tag, uint64_t t, uint64_t window, bool *known)
{
	unsigned best = 0;

	*known = true;
	for (unsigned w = 0; w < WAYS; w++)
		if (v[w] && (v[w] & ~TIME_MASK) == tag)
			return w;
	*known = false;
	for (unsigned w = 1; w < WAYS; w++)
		if (ahead(v[w], t, window) < ahead(v[best], t, window))
			best = w;
	return best;
}

bool fl__rate_take(struct fl__rate *r, uint64_t hash, fl_mono_ns now, uint32_t per_s, uint32_t burst)
{
	_Atomic uint64_t *set = r->slot[hash % SETS];
	uint64_t tag = hash & ~TIME_MASK, t = (uint64_t)now / 1000 & TIME_MASK;
	uint64_t step = 1000000 / per_s, window = step * burst;

	for (int i = 0; i < TRIES; i++) {
		uint64_t v[WAYS], owed, next;
		unsigned w;
		bool known;

		for (w = 0; w < WAYS; w++)
			v[w] = atomic_load_explicit(&set[w], memory_order_relaxed);
		w = choose(v, tag, t, window, &known);
		owed = known ? ahead(v[w], t, window) : 0;
		if (owed + step > window)
			return false;
		next = tag | ((t + owed + step) & TIME_MASK);
		if (next == 0) /* that is an empty slot: a microsecond less */
			next = TIME_MASK;
		if (atomic_compare_exchange_weak_explicit(&set[w], &v[w], next, memory_order_relaxed, memory_order_relaxed))
			return true;
	}
	return true; /* others write this set at this very moment: the next one counts */
}
