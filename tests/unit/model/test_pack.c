/* The pack codec: what goes in comes out, whole or any stretch of it, forwards, backwards, below a name; and what its writer and its reader refuse. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"
#include "model/pack.h"
#include "tests/support/setgen.h"

enum { MOST = FL_PACK_VERSIONS };

/* A source's history: states[i] is before delta i. */
struct history {
	size_t n;
	struct fl_set states[MOST + 1];
	struct fl_buf bytes[MOST];
	struct fl_pack_delta d[MOST];
	struct fl_buf pack;
};

static struct fl_change_iter *between(const struct fl_set *a, const struct fl_set *b)
{
	return fl_diff_iter(fl_set_iter(a), fl_set_iter(b));
}

static void history_make(struct history *h, uint64_t seed, size_t n, size_t names)
{
	struct gen g = { seed };
	uint64_t number = 0;

	memset(h, 0, sizeof(*h));
	h->n = n;
	gen_set(&g, names, &h->states[0]);
	for (size_t i = 0; i < n; i++) {
		gen_next(&g, &h->states[i], gen_below(&g, (uint32_t)names / 8 + 2), &h->states[i + 1]);
		number += 1 + (gen_below(&g, 5) == 0) * gen_below(&g, 1000); /* holes */
		h->d[i].number = number;
		assert_int_equal(gen_encode(between(&h->states[i], &h->states[i + 1]), &h->bytes[i], &h->d[i].meta), 0);
		h->d[i].bytes = fl_buf_span(&h->bytes[i]);
	}
}

static void history_done(struct history *h)
{
	for (size_t i = 0; i <= h->n; i++)
		fl_set_done(&h->states[i]);
	for (size_t i = 0; i < h->n; i++)
		fl_buf_done(&h->bytes[i]);
	fl_buf_done(&h->pack);
}

static bool same_stream(struct fl_change_iter *a, struct fl_change_iter *b)
{
	struct fl_change x, y;
	int ra, rb;
	bool same = true;

	do {
		ra = a->next(a, &x, NULL);
		rb = b->next(b, &y, NULL);
		same = ra == rb && (ra != 1 || (fl_span_eq(x.key, y.key) && fl_tuple_eq(&x.old, &y.old) && fl_tuple_eq(&x.new, &y.new)));
	} while (same && ra == 1);
	fl_changes_close(a);
	fl_changes_close(b);
	return same && ra == 0;
}

static struct fl_pack_range range(const struct history *h, size_t first, size_t last)
{
	return (struct fl_pack_range){ h->d[first].number, h->d[last].number, (uint32_t)(last - first + 1) };
}

static void test_any_stretch(void **state)
{
	struct gen g = { gen_first_seed() };

	(void)state;
	for (int round = 0; round < 12; round++) {
		struct history h;

		history_make(&h, gen_u64(&g), 1 + gen_below(&g, 40), 1 + gen_below(&g, 3000));
		assert_int_equal(fl_pack_write(h.d, h.n, &h.pack, NULL), 0);
		for (int i = 0; i < 20; i++) {
			size_t a = gen_below(&g, (uint32_t)h.n), b = a + gen_below(&g, (uint32_t)(h.n - a));
			struct fl_change_iter *it = NULL;

			assert_int_equal(fl_pack_open(fl_buf_span(&h.pack), range(&h, a, b), NULL, false, &it, NULL), 0);
			assert_true(same_stream(it, between(&h.states[a], &h.states[b + 1])));
			assert_int_equal(fl_pack_open(fl_buf_span(&h.pack), range(&h, a, b), NULL, true, &it, NULL), 0);
			assert_true(same_stream(it, between(&h.states[b + 1], &h.states[a])));
		}
		history_done(&h);
	}
}

/* One name and what is below it: the same changes as the whole stream has there, at either end of a block too. */
static void test_below_a_name(void **state)
{
	struct history h;
	struct gen g = { 11 };

	(void)state;
	history_make(&h, 3, 30, 4000);
	assert_int_equal(fl_pack_write(h.d, h.n, &h.pack, NULL), 0);
	assert_true(h.pack.n > 40000); /* several blocks */
	for (int i = 0; i < 300; i++) {
		const struct fl_set *s = &h.states[gen_below(&g, 31)];
		struct fl_rkey k = gen_key(&g);
		struct fl_span top = i % 3 ? fl_set_key(s, gen_below(&g, (uint32_t)s->n)) : fl_rkey_span(&k);
		struct fl_change_iter *part = NULL, *all = between(&h.states[0], &h.states[30]);
		struct fl_change x, y;
		int ret;

		assert_int_equal(fl_pack_open(fl_buf_span(&h.pack), range(&h, 0, 29), &top, false, &part, NULL), 0);
		while (all->next(all, &x, NULL) == 1)
			if (fl_rkey_below_or_at(x.key, top)) {
				assert_int_equal(part->next(part, &y, NULL), 1);
				assert_true(fl_span_eq(x.key, y.key) && fl_tuple_eq(&x.new, &y.new));
			}
		ret = part->next(part, &y, NULL);
		assert_int_equal(ret, 0);
		assert_int_equal(part->next(part, &y, NULL), 0); /* and again */
		fl_changes_close(part);
		fl_changes_close(all);
	}
	history_done(&h);
}

/* Each delta comes back with the records it had: its sha256 is that of its version. */
static void test_taken_apart(void **state)
{
	static const struct {
		size_t n, names;
	} rows[] = { { 1, 1 }, { 2, 500 }, { MOST, 40 }, { 9, 3000 } };

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct fl_pack_delta out[MOST];
		struct fl_delta_meta meta;
		struct fl_arena a = { 0 };
		struct history h;

		history_make(&h, 20 + r, rows[r].n, rows[r].names);
		assert_int_equal(fl_pack_write(h.d, h.n, &h.pack, NULL), 0);
		for (size_t first = 0; first < h.n; first += 1 + h.n / 3) {
			assert_int_equal(fl_pack_split(fl_buf_span(&h.pack), range(&h, first, h.n - 1), &a, out, NULL), 0);
			for (size_t i = first; i < h.n; i++) {
				assert_int_equal(out[i - first].number, h.d[i].number);
				assert_int_equal(fl_delta_check(out[i - first].bytes, &meta, NULL), 0);
				assert_memory_equal(&meta, &h.d[i].meta, sizeof(meta));
				assert_memory_equal(&meta, &out[i - first].meta, sizeof(meta));
			}
		}
		fl_arena_done(&a);
		history_done(&h);
	}
}

/* Small deltas that touch the same names again and again are what packs are for. */
static void test_smaller_than_its_deltas(void **state)
{
	struct history h;
	size_t apart = 0;

	(void)state;
	history_make(&h, 5, 200, 60);
	for (size_t i = 0; i < h.n; i++)
		apart += h.bytes[i].n;
	assert_int_equal(fl_pack_write(h.d, h.n, &h.pack, NULL), 0);
	assert_true(h.pack.n < apart);
	history_done(&h);
}

static void test_writer_refuses(void **state)
{
	struct history h;
	struct fl_pack_delta two[2], *many;
	struct fl_buf out = { 0 };
	struct fl_err err = { 0 };

	(void)state;
	fl_buf_str(&out, "before");
	history_make(&h, 9, 4, 1000);
	assert_int_equal(fl_pack_write(h.d, 0, &out, NULL), FL_ELIMIT);
	two[0] = h.d[0];
	two[1] = h.d[2]; /* the one between is missing: they do not follow */
	assert_int_equal(fl_pack_write(two, 2, &out, &err), FL_ECORRUPT);
	assert_non_null(strstr(err.text, "does not follow"));
	two[1] = h.d[0];
	assert_int_equal(fl_pack_write(two, 2, &out, NULL), FL_ECORRUPT); /* twice the same number */
	two[0] = (struct fl_pack_delta){ .number = 0, .bytes = h.d[0].bytes };
	assert_int_equal(fl_pack_write(two, 1, &out, NULL), FL_ECORRUPT);
	two[0] = (struct fl_pack_delta){ .number = 1, .bytes = fl_span(h.d[0].bytes.p, h.d[0].bytes.n - 1) };
	assert_int_equal(fl_pack_write(two, 1, &out, &err), FL_ECORRUPT);
	assert_non_null(strstr(err.text, "version 1 is broken"));
	many = calloc(MOST + 1, sizeof(*many));
	assert_int_equal(fl_pack_write(many, MOST + 1, &out, NULL), FL_ELIMIT);
	free(many);
	assert_int_equal(out.n, 6); /* nothing was appended */
	fl_buf_done(&out);
	history_done(&h);
}

static int read_all(struct fl_span bytes, struct fl_pack_range r)
{
	struct fl_change_iter *it = NULL;
	struct fl_change c;
	int ret = fl_pack_open(bytes, r, NULL, false, &it, NULL);

	if (ret < 0)
		return ret;
	while ((ret = it->next(it, &c, NULL)) == 1)
		;
	fl_changes_close(it);
	return ret;
}

static void test_ranges_it_does_not_hold(void **state)
{
	struct history h;

	(void)state;
	history_make(&h, 2, 5, 30);
	assert_int_equal(fl_pack_write(h.d, h.n, &h.pack, NULL), 0);
	assert_int_equal(read_all(fl_buf_span(&h.pack), range(&h, 1, 3)), 0);
	assert_int_equal(read_all(fl_buf_span(&h.pack), (struct fl_pack_range){ h.d[1].number, h.d[3].number, 0 }), 0);
	assert_int_equal(read_all(fl_buf_span(&h.pack), (struct fl_pack_range){ h.d[1].number, h.d[3].number, 2 }), FL_ECORRUPT);
	assert_int_equal(read_all(fl_buf_span(&h.pack), (struct fl_pack_range){ h.d[3].number, h.d[1].number, 0 }), FL_ECORRUPT);
	assert_int_equal(read_all(fl_buf_span(&h.pack), (struct fl_pack_range){ h.d[0].number, h.d[4].number + 1, 0 }), FL_ECORRUPT);
	assert_int_equal(read_all(fl_buf_span(&h.pack), (struct fl_pack_range){ 0, 0, 0 }), FL_ECORRUPT);
	history_done(&h);
}

/* Every octet changed, every length cut: never taken for good. */
static void test_damage(void **state)
{
	struct history h;
	struct fl_pack_range all;

	(void)state;
	history_make(&h, 4, 6, 20);
	all = range(&h, 0, 5);
	assert_int_equal(fl_pack_write(h.d, h.n, &h.pack, NULL), 0);
	for (size_t i = 0; i < h.pack.n; i++) {
		h.pack.p[i] ^= (uint8_t)(1 << (i % 8));
		if (read_all(fl_buf_span(&h.pack), all) != FL_ECORRUPT)
			fail_msg("octet %zu", i);
		h.pack.p[i] ^= (uint8_t)(1 << (i % 8));
		if (read_all(fl_span(h.pack.p, i), all) != FL_ECORRUPT)
			fail_msg("cut at %zu", i);
	}
	assert_int_equal(read_all(fl_buf_span(&h.pack), all), 0);
	fl_buf_u8(&h.pack, 0);
	assert_int_equal(read_all(fl_buf_span(&h.pack), all), FL_ECORRUPT);
	history_done(&h);
}

/* The example of docs/formats/pack.md. */
static void test_octets_of_the_page(void **state)
{
	static const char head[] = "464c50310002010101036c76000119", page[] =
		"464c50310002010101036c760001191b11d6dfd3c8f290d928b52ffd20199500006000036c7600000200030001000100074002841fcc0d652d2740";
	uint8_t octets[sizeof(page) / 2];
	struct fl_rkey lv = gen_rkey("lv");
	struct fl_tuple none = { 0 }, one = { .scope = 3 };
	const struct fl_change c[] = { { fl_rkey_span(&lv), none, one }, { fl_rkey_span(&lv), one, none } };
	struct fl_pack_delta d[2];
	struct fl_buf b[2] = { { 0 } }, out = { 0 };
	char text[512];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fl_delta_writer *w = fl_delta_writer_new();
		struct fl_delta_meta meta;
		bool kept;

		assert_int_equal(fl_delta_writer_add(w, &c[i]), 0);
		assert_int_equal(fl_delta_writer_finish(w, &b[i], &kept, &meta), 0);
		fl_delta_writer_free(w);
		d[i] = (struct fl_pack_delta){ .number = (uint64_t)i + 1, .bytes = fl_buf_span(&b[i]) };
	}
	assert_int_equal(fl_pack_write(d, 2, &out, NULL), 0);
	assert_true(out.n < 200);
	assert_memory_equal(fl_hex(out.p, out.n, text), head, sizeof(head) - 1); /* up to what zstd makes */
	assert_true(fl_unhex(fl_span_str(page), octets, sizeof(octets)));
	assert_int_equal(read_all(fl_span(octets, sizeof(octets)), (struct fl_pack_range){ 1, 2, 2 }), 0);
	fl_buf_done(&b[0]);
	fl_buf_done(&b[1]);
	fl_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_octets_of_the_page),
		cmocka_unit_test(test_any_stretch),
		cmocka_unit_test(test_below_a_name),
		cmocka_unit_test(test_taken_apart),
		cmocka_unit_test(test_smaller_than_its_deltas),
		cmocka_unit_test(test_writer_refuses),
		cmocka_unit_test(test_ranges_it_does_not_hold),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
