/* The table. Order of stores for a reader's sake: the pointer is taken out before its answer is retired, and put in after the answer is whole (release); a tag is only a
 * hint, the key in the answer decides. */
#include "enforcer/cache.h"
#include <stdatomic.h>
#include "base/rcu.h"
#include "enforcer/hash.h"

enum { WAYS = 8, AVERAGE = 384, RETIRED_MAX = 256, RETIRED_BYTES = 1 << 20, REFRESH_MIN_S = 10 };
#define BYTES_MIN (UINT64_C(64) << 10)

struct set {
	_Atomic uint32_t tag[WAYS];
	struct fl_answer *_Atomic slot[WAYS];
};
struct fl_cache {
	struct set *sets;
	uint64_t mask, key, limit;
	uint64_t hand; /* of the clock: a set */
	_Atomic uint64_t entries, bytes, evicted, n_retired;
	struct fl_answer *retired;
	uint64_t retired_bytes;
};

static void bump(_Atomic uint64_t *c, int64_t by)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + (uint64_t)by, memory_order_relaxed);
}
static uint64_t peek(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

struct fl_cache *fl__cache_new(uint64_t bytes, uint64_t key)
{
	struct fl_cache *c = calloc(1, sizeof(*c));
	uint64_t sets = 64;

	if (!c)
		return NULL;
	c->limit = bytes < BYTES_MIN ? BYTES_MIN : bytes;
	while (sets * 2 * WAYS * AVERAGE <= c->limit && sets < UINT64_C(1) << 26)
		sets *= 2;
	c->mask = sets - 1;
	c->key = key;
	c->sets = calloc(sets, sizeof(struct set));
	if (!c->sets) {
		free(c);
		return NULL;
	}
	bump(&c->bytes, (int64_t)(sets * sizeof(struct set)));
	return c;
}

static void free_retired(struct fl_cache *c)
{
	struct fl_answer *a = c->retired, *next;

	for (c->retired = NULL; a; a = next) {
		next = a->next;
		fl__answer_free(a);
	}
	bump(&c->bytes, -(int64_t)c->retired_bytes);
	c->retired_bytes = 0;
	atomic_store_explicit(&c->n_retired, 0, memory_order_relaxed);
}

void fl__cache_free(struct fl_cache *c)
{
	if (!c)
		return;
	for (uint64_t i = 0; i <= c->mask; i++)
		for (unsigned w = 0; w < WAYS; w++)
			fl__answer_free(atomic_load_explicit(&c->sets[i].slot[w], memory_order_relaxed));
	free_retired(c);
	free(c->sets);
	free(c);
}

uint64_t fl__cache_hash(const struct fl_cache *c, const struct fl__asked *asked)
{
	uint64_t bits = asked->qtype | (uint64_t)asked->dnssec_ok << 16 | (uint64_t)asked->checking_disabled << 17;

	return fl__hash(c->key ^ bits, asked->name->b, asked->name->len);
}

static bool same_key(const struct fl_answer *a, uint64_t hash, const struct fl__asked *asked)
{
	return a->hash == hash && a->qtype == asked->qtype && a->dnssec_ok == asked->dnssec_ok && a->checking_disabled == asked->checking_disabled &&
	       a->name_len == asked->name->len && memcmp(a->name, asked->name->b, a->name_len) == 0;
}

static struct fl_answer *find(struct fl_cache *c, uint64_t hash, const struct fl__asked *asked, unsigned *way)
{
	struct set *s = &c->sets[hash & c->mask];
	uint32_t tag = (uint32_t)(hash >> 32);

	for (unsigned w = 0; w < WAYS; w++) {
		struct fl_answer *a;

		if (atomic_load_explicit(&s->tag[w], memory_order_relaxed) != tag)
			continue;
		a = atomic_load_explicit(&s->slot[w], memory_order_acquire);
		if (a && same_key(a, hash, asked)) {
			*way = w;
			return a;
		}
	}
	return NULL;
}

const struct fl_answer *fl__cache_get(struct fl_cache *c, uint64_t hash, const struct fl__asked *asked, fl_mono_ns now)
{
	unsigned way;
	struct fl_answer *a = find(c, hash, asked, &way);

	if (!a || a->expires <= now)
		return NULL;
	if (!__atomic_load_n(&a->used, __ATOMIC_RELAXED)) /* a store only when it changes: the line stays shared */
		__atomic_store_n(&a->used, 1, __ATOMIC_RELAXED);
	return a;
}

bool fl__cache_ends_soon(const struct fl_answer *a, fl_mono_ns now)
{
	uint8_t *flag = (uint8_t *)(uintptr_t)&a->refreshing;

	if (a->expires - a->stored < REFRESH_MIN_S * FL_NS_PER_S || (a->expires - now) * 10 > a->expires - a->stored)
		return false;
	return !__atomic_load_n(flag, __ATOMIC_RELAXED) && !__atomic_exchange_n(flag, 1, __ATOMIC_RELAXED);
}

const struct fl_answer *fl__cache_get_stale(struct fl_cache *c, uint64_t hash, const struct fl__asked *asked, fl_mono_ns now)
{
	unsigned way;
	struct fl_answer *a = find(c, hash, asked, &way);

	return a && a->stale_until > now ? a : NULL;
}

static void retire(struct fl_cache *c, struct set *s, unsigned way)
{
	struct fl_answer *a = atomic_load_explicit(&s->slot[way], memory_order_relaxed);

	if (!a)
		return;
	atomic_store_explicit(&s->slot[way], NULL, memory_order_release);
	a->next = c->retired;
	c->retired = a;
	c->retired_bytes += a->bytes;
	bump(&c->n_retired, 1);
	bump(&c->entries, -1);
}

/* The way to give up: empty, else past its time, else not used since the hand last came by. */
static unsigned victim(struct set *s, fl_mono_ns now)
{
	unsigned best = 0;
	int best_rank = 3;

	for (unsigned w = 0; w < WAYS; w++) {
		struct fl_answer *a = atomic_load_explicit(&s->slot[w], memory_order_relaxed);
		int rank = !a ? 0 : a->stale_until <= now ? 1 : a->expires <= now ? 1 : !__atomic_load_n(&a->used, __ATOMIC_RELAXED) ? 2 : 3;

		if (rank < best_rank) {
			best_rank = rank;
			best = w;
		}
	}
	if (best_rank == 3) { /* all used: each has to show it again */
		for (unsigned w = 0; w < WAYS; w++)
			__atomic_store_n(&atomic_load_explicit(&s->slot[w], memory_order_relaxed)->used, 0, __ATOMIC_RELAXED);
		best = (unsigned)((uint64_t)now >> 10) % WAYS;
	}
	return best;
}

/* One sweep of the clock over a set: unused answers leave, used ones lose their mark. */
static void sweep(struct fl_cache *c, fl_mono_ns now)
{
	struct set *s = &c->sets[c->hand++ & c->mask];

	for (unsigned w = 0; w < WAYS; w++) {
		struct fl_answer *a = atomic_load_explicit(&s->slot[w], memory_order_relaxed);

		if (!a)
			continue;
		if (a->expires > now && __atomic_load_n(&a->used, __ATOMIC_RELAXED)) {
			__atomic_store_n(&a->used, 0, __ATOMIC_RELAXED);
			continue;
		}
		retire(c, s, w);
		bump(&c->evicted, 1);
	}
}

static void make_room(struct fl_cache *c, uint64_t bytes, fl_mono_ns now)
{
	/* two rounds of the clock take out everything; what is retired is freed once, not per answer */
	for (uint64_t n = 0; peek(&c->bytes) - c->retired_bytes + bytes > c->limit && n < 2 * (c->mask + 1); n++)
		sweep(c, now);
	if (peek(&c->bytes) + bytes > c->limit)
		fl__cache_reclaim(c, true);
}

bool fl__cache_put(struct fl_cache *c, uint64_t hash, struct fl_answer *take, fl_mono_ns now)
{
	struct fl_dname name = { .len = take->name_len };
	struct fl__asked asked = { &name, take->qtype, take->dnssec_ok, take->checking_disabled };
	struct set *s = &c->sets[hash & c->mask];
	unsigned way;

	memcpy(name.b, take->name, take->name_len);
	take->hash = hash;
	if (take->bytes > c->limit / 8)
		return false;
	if (peek(&c->bytes) + take->bytes > c->limit)
		make_room(c, take->bytes, now);
	if (!find(c, hash, &asked, &way)) {
		way = victim(s, now);
		if (atomic_load_explicit(&s->slot[way], memory_order_relaxed))
			bump(&c->evicted, 1);
	}
	retire(c, s, way);
	atomic_store_explicit(&s->tag[way], (uint32_t)(hash >> 32), memory_order_relaxed);
	bump(&c->bytes, (int64_t)take->bytes);
	bump(&c->entries, 1);
	atomic_store_explicit(&s->slot[way], take, memory_order_release);
	return true;
}

void fl__cache_reclaim(struct fl_cache *c, bool force)
{
	if (!c->retired || !(force || peek(&c->n_retired) >= RETIRED_MAX || c->retired_bytes >= RETIRED_BYTES))
		return;
	fl_rcu_synchronize();
	free_retired(c);
}

void fl__cache_stats(const struct fl_cache *c, struct fl__cache_stats *out)
{
	out->entries = peek(&c->entries);
	out->bytes = peek(&c->bytes);
	out->evicted = peek(&c->evicted);
	out->retired = peek(&c->n_retired);
}
