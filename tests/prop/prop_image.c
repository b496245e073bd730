/* The image against a slow, obvious reference: random sets with all scopes, random histories of deltas, replacements, dropped sources
 * and lists, writing and opening. Every question that the image answers is also answered by looking up each ancestor in each set.
 * FL_SEED=N repeats one run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/image_help.h"

enum { LISTS = 3, SOURCES = 4, STEPS = 60, QUESTIONS = 40 };

static uint64_t rng;
static uint64_t draw(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng * UINT64_C(0x2545f4914f6cdd1d) >> 33) % n;
}

static const char *const list_names[LISTS] = { "ads", "malware", "own" };
static const char *const source_names[SOURCES] = { "a", "b", "c", "d" };

struct world {
	struct fl_image *img;
	bool held[LISTS]; /* the list is in the image */
	bool used[LISTS][SOURCES];
	struct fl_set set[LISTS][SOURCES];
	uint64_t number, questions;
};

static const char *const labels[] = { "a", "b", "c", "d", "seven-7", "eight--8", "a-label-over-two-chunks", "zz" };

/* A name of 0 to 5 labels, from few labels, so that ancestors and children meet. */
static void random_name(char out[FL_NAME_TEXT], unsigned wide)
{
	unsigned n = (unsigned)draw(6);
	size_t at = 0;

	out[0] = 0;
	for (unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, FL_NAME_TEXT - at, "%s%s", i ? "." : "", labels[draw(8)]);
	if (wide && n)
		snprintf(out + at, FL_NAME_TEXT - at, ".w%u", (unsigned)draw(wide));
}

static void set_copy(struct fl_set *to, const struct fl_set *from, unsigned keep_percent)
{
	for (size_t i = 0; i < from->n; i++)
		if (draw(100) < keep_percent)
			assert_int_equal(fl_set_add(to, fl_set_key(from, i), &from->v[i].t), 0);
}

/* A successor of a set: some names leave, some come, some change their scope. */
static struct fl_set set_next(const struct fl_set *from)
{
	unsigned wide = draw(8) == 0 ? 2000 : 0;
	size_t adds = wide ? draw(3000) : draw(30);
	struct fl_set to = { 0 };
	char name[FL_NAME_TEXT];

	set_copy(&to, from, draw(10) == 0 ? 20 : 95);
	for (size_t i = 0; i < adds; i++) {
		random_name(name, wide);
		help_add(&to, name, (uint8_t)(1 + draw(15)));
	}
	help_sort(&to);
	return to;
}

/* The reference: 1 covered, -1 an exception, 0 silent. */
static int source_says(const struct fl_set *s, struct fl_span key)
{
	struct fl_span at = key;

	for (;;) {
		size_t i = fl_set_find(s, at);
		uint8_t bits = i == SIZE_MAX ? 0 : s->v[i].t.scope & (at.n == key.n ? 5 : 10);

		if (bits)
			return bits & 12 ? -1 : 1;
		if (at.n == 0)
			return 0;
		at = fl_rkey_parent(at);
	}
}

static void ask(struct world *w, struct fl_span key)
{
	struct fl_match claims[LISTS * SOURCES], m;
	struct fl_walk walk;
	size_t n, want = 0, covering = 0;

	fl_image_walk(w->img, key, &walk);
	n = fl_walk_claims(w->img, &walk, claims, LISTS * SOURCES);
	for (int l = 0; l < LISTS; l++) {
		int at = fl_image_list_index(w->img, list_names[l]);
		bool covered = false;

		assert_int_equal(at >= 0, w->held[l]);
		for (int s = 0; s < SOURCES && w->held[l]; s++) {
			int says = w->used[l][s] ? source_says(&w->set[l][s], key) : 0;

			covered |= says > 0;
			covering += says > 0;
			want += says != 0;
			for (size_t i = 0; i < n && says; i++)
				if (claims[i].input == fl_image_input_index(w->img, list_names[l], source_names[s]))
					assert_int_equal(fl_match_covers(&walk, &claims[i]), says > 0);
		}
		assert_int_equal(fl_walk_list(w->img, &walk, at, &m), covered);
		w->questions++;
	}
	assert_int_equal(n, want);
	assert_int_equal(fl_walk_inputs(w->img, &walk, claims, LISTS * SOURCES), covering);
}

static void questions(struct world *w)
{
	char name[FL_NAME_TEXT];
	struct fl_rkey k;

	for (int i = 0; i < QUESTIONS; i++) {
		const struct fl_set *s = &w->set[draw(LISTS)][draw(SOURCES)];
		struct fl_span key;

		random_name(name, draw(2) ? 2000 : 0);
		assert_true(fl_rkey_from_text(fl_span_str(name), &k));
		key = fl_rkey_span(&k);
		ask(w, key);
		if (s->n == 0)
			continue;
		key = fl_set_key(s, draw(s->n)); /* a listed name, its parent, a child of it */
		ask(w, key);
		ask(w, fl_rkey_parent(key));
		if (key.n + 4 <= FL_RKEY_MAX) {
			memcpy(k.b, key.p, key.n);
			memcpy(k.b + key.n, "x\0y", 4);
			ask(w, fl_span(k.b, key.n + 2));
			ask(w, fl_span(k.b, key.n + 4));
		}
	}
}

/* Names in force: distinct keys over all sets. */
static void names_check(const struct world *w)
{
	struct fl_image_stats st;
	struct fl_set all = { 0 };

	for (int l = 0; l < LISTS; l++)
		for (int s = 0; s < SOURCES && w->held[l]; s++)
			if (w->used[l][s])
				set_copy(&all, &w->set[l][s], 100);
	help_sort(&all);
	fl_image_stats(w->img, &st);
	assert_int_equal(st.names, all.n);
	fl_set_done(&all);
}

static void step_list(struct world *w)
{
	int l = (int)draw(LISTS);
	struct help_input in[SOURCES];
	struct fl_set next[SOURCES] = { 0 };
	struct fl_err err;
	int at[SOURCES];
	uint32_t n = 0, bad;

	w->number++;
	for (int s = 0; s < SOURCES; s++) {
		bool had = w->held[l] && w->used[l][s];

		if (had ? draw(12) == 0 : draw(2) == 0)
			continue; /* the manifest lacks it */
		in[n] = (struct help_input){ source_names[s], w->number, had ? &w->set[l][s] : NULL, &next[n],
					     draw(5) == 0, had && draw(3) == 0 };
		if (in[n].same) {
			in[n].whole = false;
			set_copy(&next[n], &w->set[l][s], 100);
			help_sort(&next[n]);
		} else {
			next[n] = set_next(had ? &w->set[l][s] : &(struct fl_set){ 0 });
		}
		at[n++] = s;
	}
	if (n > 0 && draw(6) == 0) { /* a wrong digest: nothing may change */
		struct fl_set wrong = { 0 };
		struct help_input evil[SOURCES];
		uint32_t which = (uint32_t)draw(n);

		memcpy(evil, in, sizeof(evil));
		set_copy(&wrong, &next[which], 100);
		help_add(&wrong, "not.in.there.at-all", 1);
		help_sort(&wrong);
		evil[which].to = &wrong;
		evil[which].same = true;
		evil[which].whole = false;
		assert_int_equal(help_apply(&w->img, list_names[l], w->number, evil, n, &bad, &err), FL_ECORRUPT);
		assert_int_equal(bad, which);
		fl_set_done(&wrong);
		questions(w);
	}
	assert_int_equal(help_apply(&w->img, list_names[l], w->number, in, n, &bad, &err), 0);
	w->held[l] = true;
	memset(w->used[l], 0, sizeof(w->used[l]));
	for (int s = 0; s < SOURCES; s++)
		fl_set_done(&w->set[l][s]);
	for (uint32_t i = 0; i < n; i++) {
		w->used[l][at[i]] = true;
		w->set[l][at[i]] = next[i];
	}
}

static void step_drop(struct world *w)
{
	int l = (int)draw(LISTS);
	struct fl_image *next = NULL;

	if (!w->held[l])
		return;
	assert_int_equal(fl_image_drop_list(w->img, list_names[l], &next, NULL), 0);
	fl_image_release(w->img);
	w->img = next;
	w->held[l] = false;
	for (int s = 0; s < SOURCES; s++)
		fl_set_done(&w->set[l][s]);
}

static void step_store(struct world *w)
{
	size_t n;
	uint8_t *p = help_bytes(w->img, &n);
	struct fl_image *next = NULL;
	struct fl_image_stats st;
	struct fl_err err;

	for (int i = 0; i < 20; i++) {
		size_t at = draw(n);
		uint8_t bit = (uint8_t)(1u << draw(8));

		p[at] ^= bit;
		assert_true(fl_image_open(fl_span(p, n), NULL, NULL, &next, &err) < 0);
		p[at] ^= bit;
		assert_true(fl_image_open(fl_span(p, at), NULL, NULL, &next, &err) < 0);
	}
	assert_int_equal(fl_image_open(fl_span(p, n), free, p, &next, &err), 0);
	fl_image_stats(next, &st);
	assert_int_equal(st.generation, 9);
	assert_int_equal(st.overlay_rows, 0);
	fl_image_release(w->img);
	w->img = next;
}

static uint64_t history(uint64_t seed)
{
	struct fl_image_key key;
	struct world w = { 0 };
	uint64_t asked;

	rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	for (size_t i = 0; i < sizeof(key.b); i++)
		key.b[i] = (uint8_t)draw(256);
	assert_int_equal(fl_image_new(&key, &w.img), 0);
	for (int i = 0; i < STEPS; i++) {
		switch (draw(12)) {
		case 0:
			step_drop(&w);
			break;
		case 1:
			step_store(&w);
			break;
		default:
			step_list(&w);
		}
		questions(&w);
		names_check(&w);
	}
	asked = w.questions;
	for (int l = 0; l < LISTS; l++)
		for (int s = 0; s < SOURCES; s++)
			fl_set_done(&w.set[l][s]);
	fl_image_release(w.img);
	return asked;
}

static void image_is_the_reference(void **state)
{
	const char *text = getenv("FL_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 10) : 1, last = text ? seed : 8, asked = 0;

	(void)state;
	for (; seed <= last; seed++) {
		printf("FL_SEED=%llu\n", (unsigned long long)seed);
		asked += history(seed);
	}
	assert_true(asked >= 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(image_is_the_reference) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
