/* Random sets for tests: a seeded generator, names that share labels and prefixes, all scopes and attributes. Header only,
 * because not every test links model/. A failing run is repeated with FL_SEED=n in the environment. */
#pragma once
#include "model/delta.h"

#include <stdio.h>
#include <stdlib.h>

struct gen {
	uint64_t state;
};

/* splitmix64 */
static inline uint64_t gen_u64(struct gen *g)
{
	uint64_t z = g->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline uint32_t gen_below(struct gen *g, uint32_t n)
{
	return (uint32_t)(gen_u64(g) % n);
}

/* The first seed of a test, printed: FL_SEED, or 1. */
static inline uint64_t gen_first_seed(void)
{
	const char *s = getenv("FL_SEED");
	uint64_t seed = s ? strtoull(s, NULL, 10) : 1;

	printf("FL_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

/* Few letters and short labels: many names are each other's parents, children and prefixes. */
static inline struct fl_rkey gen_key(struct gen *g)
{
	static const char letters[] = "ab-z0_";
	struct fl_rkey k = { 0 };
	unsigned labels = gen_below(g, 64) ? gen_below(g, 5) : gen_below(g, 30);

	while (labels--) {
		unsigned n = gen_below(g, 40) ? 1 + gen_below(g, 3) : 1 + gen_below(g, 63);

		if (k.len + n + 1 > FL_RKEY_MAX)
			break;
		while (n--)
			k.b[k.len++] = (uint8_t)letters[gen_below(g, sizeof(letters) - 1)];
		k.b[k.len++] = 0;
	}
	return k;
}

static inline struct fl_tuple gen_tuple(struct gen *g)
{
	return (struct fl_tuple){
		.scope = (uint8_t)(1 + gen_below(g, 15)),
		.confidence = (uint8_t)gen_below(g, 101),
		.category = (uint8_t)gen_below(g, FL_CAT_COUNT),
		.first_seen_s = gen_below(g, 4) ? 1795442531 + gen_below(g, 3) : (uint32_t)gen_u64(g),
		.absent_since_s = gen_below(g, 4) ? 0 : (uint32_t)gen_u64(g),
		.expires_s = gen_below(g, 4) ? 0 : (uint32_t)gen_u64(g),
	};
}

/* About n names, sorted, each once. */
static inline void gen_set(struct gen *g, size_t n, struct fl_set *out)
{
	for (size_t i = 0; i < n; i++) {
		struct fl_rkey k = gen_key(g);
		struct fl_tuple t = gen_tuple(g);

		if (fl_set_add(out, fl_rkey_span(&k), &t) != 0)
			abort();
	}
	if (fl_set_sort(out, NULL) != 0)
		abort();
}

/* A later state of `from`: some names leave, some change, some come. */
static inline void gen_next(struct gen *g, const struct fl_set *from, size_t come, struct fl_set *out)
{
	for (size_t i = 0; i < from->n; i++) {
		struct fl_tuple t = from->v[i].t;
		uint32_t what = gen_below(g, 10);

		if (what == 0)
			continue;
		if (what == 1)
			t = gen_tuple(g);
		if (fl_set_add(out, fl_set_key(from, i), &t) != 0)
			abort();
	}
	gen_set(g, come, out);
}

static inline bool gen_sets_equal(const struct fl_set *a, const struct fl_set *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!fl_span_eq(fl_set_key(a, i), fl_set_key(b, i)) || !fl_tuple_eq(&a->v[i].t, &b->v[i].t))
			return false;
	return true;
}

static inline struct fl_digests gen_digests(const struct fl_set *s)
{
	struct fl_digests d = { 0 };

	for (size_t i = 0; i < s->n; i++)
		fl_digests_add(&d, fl_set_key(s, i), &s->v[i].t);
	return d;
}

static inline bool gen_digests_equal(const struct fl_digests *a, const struct fl_digests *b)
{
	return a->entries == b->entries && fl_u128_eq(a->scope, b->scope) && fl_u128_eq(a->attrs, b->attrs);
}

/* Encodes all changes of a stream and closes it. */
static inline int gen_encode(struct fl_change_iter *it, struct fl_buf *out, struct fl_delta_meta *meta)
{
	struct fl_delta_writer *w = fl_delta_writer_new();
	struct fl_change c;
	bool kept = false;
	int ret = FL_OK;

	while (ret == 0 && (ret = it->next(it, &c, NULL)) > 0)
		ret = fl_delta_writer_add(w, &c);
	if (ret == 0)
		ret = fl_delta_writer_finish(w, out, &kept, meta);
	fl_delta_writer_free(w);
	fl_changes_close(it);
	return ret < 0 ? ret : kept ? 0 : FL_ELIMIT;
}

/* Reads a whole stream into a set and closes it. */
static inline int gen_collect(struct fl_entry_iter *it, struct fl_set *out, struct fl_err *err)
{
	int ret = it ? fl_set_read(out, it, err) : FL_ENOMEM;

	fl_entries_close(it);
	return ret;
}

/* A key from text that is known to be good. */
static inline struct fl_rkey gen_rkey(const char *name)
{
	struct fl_rkey k = { 0 };

	if (!fl_rkey_from_text(fl_span_str(name), &k))
		abort();
	return k;
}
