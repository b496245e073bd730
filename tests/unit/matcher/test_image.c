/* What an image promises to those who follow lists: nothing half applied, nothing lost when a neighbour leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/image_help.h"

static struct fl_image *fresh(void)
{
	struct fl_image *img = NULL;

	assert_int_equal(fl_image_new(&(struct fl_image_key){ { 42 } }, &img), 0);
	return img;
}

struct row {
	const char *name;
	uint8_t scope;
};

static struct fl_set set_of(const struct row *rows)
{
	struct fl_set s = { 0 };

	for (; rows->name; rows++)
		help_add(&s, rows->name, rows->scope);
	help_sort(&s);
	return s;
}
#define SET(...) set_of((const struct row[]){ __VA_ARGS__ { NULL, 0 } })

/* One source of list "l" from one content to another. */
static void move(struct fl_image **img, uint64_t number, const char *source, struct fl_set *from, struct fl_set *to)
{
	struct help_input in = { source, number, from, to, false, false };

	assert_int_equal(help_apply(img, "l", number, &in, 1, NULL, NULL), 0);
}

static void scopes_mean_what_names_md_says(void **state)
{
	static const struct {
		uint8_t scope;
		bool self, child, grandchild;
	} rows[] = {
		{ 1, true, false, false }, { 2, false, true, true }, { 3, true, true, true },	  { 12, false, false, false },
		{ 7, false, true, true },  { 11, true, false, false }, { 15, false, false, false }, { 4, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_image *img = fresh();
		struct fl_set s = SET({ "example.com", rows[i].scope }, );

		move(&img, 1, "s", NULL, &s);
		assert_int_equal(help_covers(img, "l", "example.com", NULL), rows[i].self);
		assert_int_equal(help_covers(img, "l", "www.example.com", NULL), rows[i].child);
		assert_int_equal(help_covers(img, "l", "a.www.example.com", NULL), rows[i].grandchild);
		assert_false(help_covers(img, "l", "com", NULL));
		assert_false(help_covers(img, "l", "notexample.com", NULL));
		assert_false(help_covers(img, "other", "example.com", NULL));
		fl_set_done(&s);
		fl_image_release(img);
	}
}

static void child_stays_when_its_ancestor_leaves(void **state)
{
	struct fl_set both = SET({ "example.com", 3 }, { "bad.example.com", 3 }, ), child = SET({ "bad.example.com", 3 }, );
	struct fl_image *img = fresh();
	struct fl_match m;

	(void)state;
	move(&img, 1, "s", NULL, &both);
	assert_true(help_covers(img, "l", "www.example.com", NULL));
	move(&img, 2, "s", &both, &child);
	assert_false(help_covers(img, "l", "www.example.com", NULL));
	assert_true(help_covers(img, "l", "x.bad.example.com", &m));
	assert_int_equal(m.key_len, sizeof("com\0example\0bad"));
	assert_int_equal(m.scope, 3);
	fl_set_done(&both);
	fl_set_done(&child);
	fl_image_release(img);
}

static void an_exception_cuts_its_own_source_only(void **state)
{
	struct fl_set a = SET({ "example.com", 3 }, { "good.example.com", 12 }, ), b = SET({ "good.example.com", 3 }, ), none = { 0 };
	struct help_input in[2] = { { "a", 1, NULL, &a, false, false }, { "b", 1, NULL, &none, false, false } };
	struct fl_image *img = fresh();
	struct fl_match m, claims[4];
	struct fl_rkey k;
	struct fl_walk w;

	(void)state;
	assert_int_equal(help_apply(&img, "l", 1, in, 2, NULL, NULL), 0);
	assert_true(help_covers(img, "l", "www.example.com", NULL));
	assert_false(help_covers(img, "l", "good.example.com", NULL));
	assert_false(help_covers(img, "l", "www.good.example.com", NULL));
	in[0] = (struct help_input){ "a", 1, NULL, &a, false, true };
	in[1].number = 2;
	in[1].from = &none;
	in[1].to = &b;
	assert_int_equal(help_apply(&img, "l", 2, in, 2, NULL, NULL), 0);
	assert_true(help_covers(img, "l", "good.example.com", &m));
	assert_int_equal(m.input, fl_image_input_index(img, "l", "b"));
	/* explain sees both, and which of them is the exception */
	assert_true(fl_rkey_from_text(fl_span_str("good.example.com"), &k));
	fl_image_walk(img, fl_rkey_span(&k), &w);
	assert_int_equal(fl_walk_inputs(img, &w, claims, 4), 1);
	assert_int_equal(fl_walk_claims(img, &w, claims, 4), 2);
	assert_false(fl_match_covers(&w, &claims[0]));
	assert_true(fl_match_covers(&w, &claims[1]));
	assert_int_equal(fl_walk_claims(img, &w, claims, 1), 1);
	fl_set_done(&a);
	fl_set_done(&b);
	fl_image_release(img);
}

static void a_name_of_two_sources_stays_when_one_leaves(void **state)
{
	struct fl_set a = SET({ "example.com", 1 }, { "only-a.com", 1 }, ), b = SET({ "example.com", 1 }, ), none = { 0 };
	struct help_input in[2] = { { "a", 1, NULL, &a, false, false }, { "b", 1, NULL, &b, true, false } };
	struct fl_image *img = fresh();
	struct fl_image_stats st;

	(void)state;
	assert_int_equal(help_apply(&img, "l", 1, in, 2, NULL, NULL), 0);
	fl_image_stats(img, &st);
	assert_int_equal(st.names, 2); /* a name stands once */
	in[0] = (struct help_input){ "a", 2, &a, &none, false, false };
	in[1] = (struct help_input){ "b", 1, NULL, &b, false, true };
	assert_int_equal(help_apply(&img, "l", 2, in, 2, NULL, NULL), 0);
	assert_true(help_covers(img, "l", "example.com", NULL));
	assert_false(help_covers(img, "l", "only-a.com", NULL));
	/* the manifest no longer has b */
	in[0] = (struct help_input){ "a", 2, NULL, &none, false, true };
	assert_int_equal(help_apply(&img, "l", 3, in, 1, NULL, NULL), 0);
	assert_false(help_covers(img, "l", "example.com", NULL));
	assert_int_equal(fl_image_input_index(img, "l", "b"), -1);
	fl_image_stats(img, &st);
	assert_int_equal(st.names, 0);
	fl_set_done(&a);
	fl_set_done(&b);
	fl_image_release(img);
}

static void root_covers_every_name(void **state)
{
	struct fl_set s = SET({ ".", 3 }, );
	struct fl_image *img = fresh();

	(void)state;
	move(&img, 1, "s", NULL, &s);
	assert_true(help_covers(img, "l", "com", NULL));
	assert_true(help_covers(img, "l", "a.b.c.example.com", NULL));
	assert_true(help_covers(img, "l", ".", NULL));
	fl_set_done(&s);
	fl_image_release(img);
}

static void refused_updates_change_nothing(void **state)
{
	struct fl_set held = SET({ "a.com", 1 }, ), other = SET({ "b.com", 1 }, ), next = SET({ "a.com", 1 }, { "c.com", 1 }, ),
		      empty = { 0 };
	struct fl_image *img = fresh(), *before;
	struct fl_err err;
	uint32_t bad;

	(void)state;
	move(&img, 1, "s", NULL, &held);
	before = img;
	const struct help_input rows[] = {
		{ "s", 2, &other, &next, false, false }, /* b.com is not held, and the digest of what comes out is wrong */
		{ "s", 2, &next, &held, false, false },	 /* removes a name that is not held */
		{ "s", 2, NULL, &held, false, false },	 /* adds one that is */
		{ "s", 2, NULL, &next, false, true },	 /* says "as held", with another digest */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bad = 99;
		assert_int_equal(help_apply(&img, "l", 2, &rows[i], 1, &bad, &err), FL_ECORRUPT);
		assert_int_equal(bad, 0);
		assert_non_null(strstr(err.text, "source 's'"));
		assert_ptr_equal(img, before);
		assert_true(help_covers(img, "l", "a.com", NULL));
		assert_false(help_covers(img, "l", "c.com", NULL));
	}
	/* old tuples that cancel out in the digest still must be what is held, name by name */
	struct fl_set x = SET({ "x.com", 1 }, { "a.com", 1 }, );
	struct help_input swap = { "s", 2, &x, &held, false, false };
	struct fl_list_version v;
	struct fl_list_input *m = help_manifest(&v, "l", 2, &swap, 1);
	struct fl_change_iter *it[2] = { fl_diff_iter(fl_set_iter(&x), fl_set_iter(&held)),
					 fl_diff_iter(fl_set_iter(&held), fl_set_iter(&x)) };
	struct fl_image_input_update u = { .to = m, .take_changes = it, .n_changes = 2 };
	struct fl_image *out = NULL;

	assert_int_equal(fl_image_apply(img, &(struct fl_image_update){ &v, &u, 0 }, &out, &bad, &err), FL_ECORRUPT);
	assert_int_equal(bad, 0);
	assert_null(out);
	free(m);
	fl_set_done(&x);
	fl_set_done(&held);
	fl_set_done(&other);
	fl_set_done(&next);
	fl_set_done(&empty);
	fl_image_release(img);
}

static void two_deltas_in_a_row_are_one_update(void **state)
{
	struct fl_set a = SET({ "a.com", 1 }, { "b.com", 1 }, ), b = SET({ "b.com", 3 }, ), c = SET({ "a.com", 2 }, { "b.com", 3 }, );
	struct fl_image *img = fresh(), *out = NULL;

	(void)state;
	move(&img, 1, "s", NULL, &a);
	struct help_input in = { "s", 3, &a, &c, false, false };
	struct fl_list_version v;
	struct fl_list_input *m = help_manifest(&v, "l", 3, &in, 1);
	struct fl_change_iter *it[2] = { fl_diff_iter(fl_set_iter(&a), fl_set_iter(&b)), fl_diff_iter(fl_set_iter(&b), fl_set_iter(&c)) };
	struct fl_image_input_update u = { .to = m, .take_changes = it, .n_changes = 2 };
	const struct fl_image_list *lists;
	const struct fl_image_input *inputs;

	assert_int_equal(fl_image_apply(img, &(struct fl_image_update){ &v, &u, 77 }, &out, NULL, NULL), 0);
	assert_true(help_covers(out, "l", "x.a.com", NULL));
	assert_false(help_covers(out, "l", "a.com", NULL));
	assert_true(help_covers(out, "l", "x.b.com", NULL));
	/* the old image still answers as before: a worker may hold it */
	assert_true(help_covers(img, "l", "a.com", NULL));
	assert_false(help_covers(img, "l", "x.b.com", NULL));
	assert_int_equal(fl_image_lists(out, &lists), 1);
	assert_int_equal(lists[0].id.number, 3);
	assert_int_equal(lists[0].applied_at, 77);
	assert_int_equal(lists[0].names, 2);
	assert_int_equal(fl_image_inputs(out, &inputs), 1);
	assert_string_equal(inputs[0].source, "s");
	assert_int_equal(inputs[0].id.number, 3);
	free(m);
	fl_set_done(&a);
	fl_set_done(&b);
	fl_set_done(&c);
	fl_image_release(out);
	fl_image_release(img);
}

/* Overlay: many small changes over a base, checked against the sets; its size stays bounded. */
static void small_changes_do_not_pile_up(void **state)
{
	enum { BASE = 20000, ROUNDS = 300 };
	struct fl_set held = { 0 };
	struct fl_image *img = fresh();
	struct fl_image_stats st;
	unsigned most = 0;
	char name[64];

	(void)state;
	for (unsigned i = 0; i < BASE; i++) {
		snprintf(name, sizeof(name), "n%u.example.com", i);
		help_add(&held, name, 1);
	}
	help_sort(&held);
	move(&img, 1, "s", NULL, &held);
	fl_image_stats(img, &st);
	assert_int_equal(st.base_rows, BASE);
	for (unsigned r = 0; r < ROUNDS; r++) {
		struct fl_set next = { 0 };

		for (size_t i = 0; i < held.n; i++)
			if ((i * 31 + r) % 500 != 0)
				fl_set_add(&next, fl_set_key(&held, i), &held.v[i].t);
		for (unsigned i = 0; i < 40; i++) {
			snprintf(name, sizeof(name), "r%u-%u.example.com", r, i);
			help_add(&next, name, 3);
		}
		help_sort(&next);
		move(&img, 2 + r, "s", &held, &next);
		fl_set_done(&held);
		held = next;
		fl_image_stats(img, &st);
		assert_int_equal(st.names, held.n);
		assert_true(st.runs <= FL_IMAGE_RUNS_MAX);
		assert_true(st.overlay_rows <= 4096 || st.overlay_rows <= st.base_rows / 4);
		most = st.runs > most ? st.runs : most;
	}
	assert_true(most > 2);
	for (size_t i = 0; i < held.n; i += 7) {
		struct fl_walk w;
		struct fl_match m;

		fl_image_walk(img, fl_set_key(&held, i), &w);
		assert_true(fl_walk_list(img, &w, 0, &m));
	}
	fl_set_done(&held);
	fl_image_release(img);
}

static unsigned unmapped;
static void count_unmap(void *handle)
{
	unmapped++;
	free(handle);
}

static void mapping_ends_with_the_last_image_that_uses_it(void **state)
{
	struct fl_set a = SET({ "a.com", 1 }, ), b = SET({ "b.com", 1 }, );
	struct fl_image *img = fresh(), *opened = NULL, *held;
	struct fl_err err;
	uint8_t *p;
	size_t n;

	(void)state;
	move(&img, 1, "s", NULL, &a);
	p = help_bytes(img, &n);
	fl_image_release(img);
	assert_int_equal(fl_image_open(fl_span(p, n), count_unmap, p, &opened, &err), 0);
	held = fl_image_acquire(opened);
	move(&opened, 2, "s", &a, &b); /* a run over the mapped base; releases one reference of the opened image */
	fl_image_release(held);
	assert_int_equal(unmapped, 0);
	assert_true(help_covers(opened, "l", "b.com", NULL));
	assert_false(help_covers(opened, "l", "a.com", NULL));
	fl_image_release(opened);
	assert_int_equal(unmapped, 1);
	fl_set_done(&a);
	fl_set_done(&b);
}

static void file_keeps_lists_and_inputs(void **state)
{
	struct fl_set a = SET({ "a.com", 1 }, ), b = SET({ "b.com", 3 }, { "a.com", 12 }, );
	struct help_input in[2] = { { "a", 4, NULL, &a, true, false }, { "b", 5, NULL, &b, true, false } };
	struct fl_image *img = fresh(), *opened = NULL;
	const struct fl_image_list *l1, *l2;
	const struct fl_image_input *i1, *i2;
	struct fl_err err;
	uint8_t *p;
	size_t n;

	(void)state;
	assert_int_equal(help_apply(&img, "l", 6, in, 2, NULL, NULL), 0);
	p = help_bytes(img, &n);
	assert_int_equal(fl_image_open(fl_span(p, n), free, p, &opened, &err), 0);
	assert_int_equal(fl_image_lists(opened, &l2), fl_image_lists(img, &l1));
	assert_int_equal(fl_image_inputs(opened, &i2), fl_image_inputs(img, &i1));
	assert_string_equal(l1->name, l2->name);
	assert_true(fl_version_id_eq(&l1->id, &l2->id));
	assert_int_equal(l1->parent, l2->parent);
	assert_int_equal(l1->names, l2->names);
	assert_int_equal(l1->applied_at, l2->applied_at);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(i1[i].list, i2[i].list);
		assert_string_equal(i1[i].source, i2[i].source);
		assert_true(fl_version_id_eq(&i1[i].id, &i2[i].id));
		assert_true(fl_u128_eq(i1[i].digests.scope, i2[i].digests.scope));
		assert_int_equal(i1[i].digests.entries, i2[i].digests.entries);
	}
	/* an unknown format number is not damage: set aside, rebuilt */
	p = help_bytes(img, &n);
	p[4]++;
	assert_int_equal(fl_image_open(fl_span(p, n), NULL, NULL, &img, &err), FL_EFORMAT);
	free(p);
	fl_set_done(&a);
	fl_set_done(&b);
	fl_image_release(opened);
	fl_image_release(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scopes_mean_what_names_md_says),
		cmocka_unit_test(child_stays_when_its_ancestor_leaves),
		cmocka_unit_test(an_exception_cuts_its_own_source_only),
		cmocka_unit_test(a_name_of_two_sources_stays_when_one_leaves),
		cmocka_unit_test(root_covers_every_name),
		cmocka_unit_test(refused_updates_change_nothing),
		cmocka_unit_test(two_deltas_in_a_row_are_one_update),
		cmocka_unit_test(small_changes_do_not_pile_up),
		cmocka_unit_test(mapping_ends_with_the_last_image_that_uses_it),
		cmocka_unit_test(file_keeps_lists_and_inputs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
