/* Keyframes: block size, memory, ranges, and blocks that are each intact but do not belong together. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/blocks.h"
#include "tests/support/seal.h"
#include "tests/support/setgen.h"

static struct blocks kf;

static void many(struct fl_set *s, unsigned n, const char *suffix)
{
	char name[80];

	for (unsigned i = 0; i < n; i++) {
		struct fl_rkey k;

		snprintf(name, sizeof(name), "host-%06u.%s", i, suffix);
		k = gen_rkey(name);
		fl_set_add(s, fl_rkey_span(&k), &(struct fl_tuple){ .scope = 1, .first_seen_s = i });
	}
	assert_int_equal(fl_set_sort(s, NULL), 0);
}

static int read_all(uint32_t blocks, struct fl_set *got, struct fl_err *err)
{
	struct fl_entry_iter *it = NULL;
	int ret = fl_keyframe_open(blocks_source, &kf, blocks, &it, err);

	return ret < 0 ? ret : gen_collect(it, got, err);
}

static void expect_corrupt(uint32_t blocks, const char *says)
{
	struct fl_err err = { 0 };
	struct fl_set got = { 0 };

	assert_int_equal(read_all(blocks, &got, &err), FL_ECORRUPT);
	if (!strstr(err.text, says))
		fail_msg("'%s' does not say '%s'", err.text, says);
	fl_set_done(&got);
}

static void test_empty_set(void **state)
{
	struct fl_keyframe_meta meta;
	struct fl_set s = { 0 }, got = { 0 };

	(void)state;
	assert_int_equal(blocks_write(&kf, &s, &meta), 0);
	assert_int_equal(meta.blocks, 1);
	assert_int_equal(read_all(1, &got, NULL), 0);
	assert_int_equal(got.n, 0);
	expect_corrupt(0, "number of blocks");
	expect_corrupt(UINT32_MAX, "number of blocks");
	blocks_done(&kf);
}

static void test_blocks_are_filled(void **state)
{
	struct fl_keyframe_meta meta;
	struct fl_set s = { 0 }, got = { 0 };
	struct fl_entry_iter *it;
	struct fl_entry e;

	(void)state;
	many(&s, 20000, "example.com");
	assert_int_equal(blocks_write(&kf, &s, &meta), 0);
	for (uint32_t b = 0; b + 2 < meta.blocks; b++) {
		size_t n = 0;

		assert_int_equal(fl_keyframe_block_open(fl_buf_span(&kf.v[b]), &it, NULL), 0);
		while (it->next(it, &e, NULL) > 0)
			n++;
		fl_entries_close(it);
		assert_in_range(n, FL_KEYFRAME_BLOCK_RAW / 30, FL_KEYFRAME_BLOCK_RAW / 17);
	}
	assert_int_equal(read_all(meta.blocks, &got, NULL), 0);
	assert_true(gen_sets_equal(&s, &got));
	/* an index is no data block */
	assert_int_equal(fl_keyframe_block_open(fl_buf_span(&kf.v[meta.blocks - 1]), &it, NULL), FL_ECORRUPT);
	fl_set_done(&s);
	fl_set_done(&got);
	blocks_done(&kf);
}

/* The longest names there are, with nothing to share: still within a block's bound. */
static void test_longest_names(void **state)
{
	struct fl_set s = { 0 }, got = { 0 };
	struct fl_keyframe_meta meta;
	struct gen g = { 3 };

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct fl_rkey k = { .len = FL_RKEY_MAX };

		for (unsigned at = 0; at < FL_RKEY_MAX; at++)
			k.b[at] = (uint8_t)((at + 1) % 64 == 0 || at + 1 == FL_RKEY_MAX ? 0 : 'a' + gen_below(&g, 26));
		assert_true(fl_rkey_valid(fl_rkey_span(&k)));
		fl_set_add(&s, fl_rkey_span(&k), &(struct fl_tuple){ .scope = 15 });
	}
	assert_int_equal(fl_set_sort(&s, NULL), 0);
	assert_int_equal(blocks_write(&kf, &s, &meta), 0);
	assert_int_equal(read_all(meta.blocks, &got, NULL), 0);
	assert_true(gen_sets_equal(&s, &got));
	fl_set_done(&s);
	fl_set_done(&got);
	blocks_done(&kf);
}

static void test_range_reads_only_its_blocks(void **state)
{
	struct fl_set s = { 0 };
	struct fl_keyframe_meta meta;
	struct fl_rkey one = gen_rkey("host-015000.example.com"), missing = gen_rkey("host-9.example.com"), all = gen_rkey("com");
	struct fl_entry_iter *it;
	struct fl_set got = { 0 };

	(void)state;
	many(&s, 30000, "example.com");
	assert_int_equal(blocks_write(&kf, &s, &meta), 0);
	assert_true(meta.blocks > 8);
	kf.reads = 0;
	assert_int_equal(fl_keyframe_open_range(blocks_source, &kf, meta.blocks, fl_rkey_span(&one), &it, NULL), 0);
	assert_int_equal(gen_collect(it, &got, NULL), 0);
	assert_int_equal(got.n, 1);
	assert_true(kf.reads <= 3); /* the index, the block, perhaps the one behind it */
	fl_set_done(&got);
	assert_int_equal(fl_keyframe_open_range(blocks_source, &kf, meta.blocks, fl_rkey_span(&missing), &it, NULL), 0);
	assert_int_equal(gen_collect(it, &got, NULL), 0);
	assert_int_equal(got.n, 0);
	assert_int_equal(fl_keyframe_open_range(blocks_source, &kf, meta.blocks, fl_rkey_span(&all), &it, NULL), 0);
	assert_int_equal(gen_collect(it, &got, NULL), 0);
	assert_true(gen_sets_equal(&s, &got));
	fl_set_done(&got);
	fl_set_done(&s);
	blocks_done(&kf);
}

static void swap_blocks(uint32_t a, uint32_t b)
{
	struct fl_buf t = kf.v[a];

	kf.v[a] = kf.v[b];
	kf.v[b] = t;
}

static void test_blocks_that_do_not_belong(void **state)
{
	struct fl_set s = { 0 }, other = { 0 }, got = { 0 };
	static struct blocks theirs;
	struct fl_keyframe_meta meta, their_meta;
	struct fl_err err = { 0 };
	struct fl_buf mine;

	(void)state;
	many(&s, 9000, "example.com");
	assert_int_equal(blocks_write(&kf, &s, &meta), 0);
	assert_true(meta.blocks >= 4);
	swap_blocks(0, 1);
	expect_corrupt(meta.blocks, "not the one of the index");
	swap_blocks(0, 1);
	expect_corrupt(meta.blocks - 1, "not an index");
	swap_blocks(0, meta.blocks - 1);
	expect_corrupt(meta.blocks, "not an index");
	swap_blocks(0, meta.blocks - 1);
	/* the same names with other attributes: intact, same size, same first key */
	for (size_t i = 0; i < s.n; i++) {
		struct fl_tuple t = s.v[i].t;

		t.confidence = 1;
		fl_set_add(&other, fl_set_key(&s, i), &t);
	}
	assert_int_equal(blocks_write(&theirs, &other, &their_meta), 0);
	assert_int_equal(their_meta.blocks, meta.blocks);
	mine = kf.v[1];
	kf.v[1] = theirs.v[1];
	expect_corrupt(meta.blocks, "not the one of the index");
	kf.v[1] = mine;
	/* one that is gone: the source's own error passes */
	mine = kf.v[2];
	kf.v[2] = (struct fl_buf){ 0 };
	assert_int_equal(read_all(meta.blocks, &got, &err), FL_ENOTFOUND);
	assert_string_equal(err.text, "block 2 is gone");
	kf.v[2] = mine;
	fl_set_done(&got);
	fl_set_done(&s);
	fl_set_done(&other);
	blocks_done(&theirs);
	blocks_done(&kf);
}

static void test_writer_refuses(void **state)
{
	struct fl_keyframe_writer *w = fl_keyframe_writer_new(blocks_sink, &kf);
	struct fl_entry b = { fl_span("b", 2), { .scope = 1 } }, a = { fl_span("a", 2), { .scope = 1 } };
	struct fl_keyframe_meta meta;

	(void)state;
	assert_int_equal(fl_keyframe_writer_add(w, &b), 0);
	assert_int_equal(fl_keyframe_writer_add(w, &a), FL_ECORRUPT);
	assert_int_equal(fl_keyframe_writer_finish(w, &meta), FL_ECORRUPT); /* and stays so */
	fl_keyframe_writer_free(w);
	w = fl_keyframe_writer_new(blocks_sink, &kf);
	a.t.scope = 0;
	assert_int_equal(fl_keyframe_writer_add(w, &a), FL_ECORRUPT);
	fl_keyframe_writer_free(w);
	blocks_done(&kf);
}

static void test_sink_that_fails(void **state)
{
	struct fl_keyframe_meta meta;
	struct fl_set s = { 0 };

	(void)state;
	many(&s, 9000, "example.com");
	kf.refuse_at = 2;
	assert_int_equal(blocks_write(&kf, &s, &meta), FL_EUNAVAIL);
	assert_int_equal(kf.n, 2);
	fl_set_done(&s);
	blocks_done(&kf);
}

#define TIMES "\0\0\0\0\0\0\0\0\0\0\0\0"
#define BODY(s) { (const uint8_t *)(s), sizeof(s) - 1 }

static void test_hostile_blocks(void **state)
{
	static const struct {
		const char *what;
		uint64_t rows;
		struct fl_span body;
		int ret;
	} rows[] = {
		{ "good", 1, BODY("\0\2a\0" "\1\0\0" TIMES), 0 },
		{ "no entries", 0, BODY(""), FL_ECORRUPT },
		{ "more than fit", 3, BODY("\0\2a\0" "\1\0\0" TIMES), FL_ECORRUPT },
		{ "scope 0", 1, BODY("\0\2a\0" "\0\0\0" TIMES), FL_ECORRUPT },
		{ "scope 16", 1, BODY("\0\2a\0" "\x10\0\0" TIMES), FL_ECORRUPT },
		{ "confidence 101", 1, BODY("\0\2a\0" "\1\x65\0" TIMES), FL_ECORRUPT },
		{ "first shares", 1, BODY("\1\2a\0" "\1\0\0" TIMES), FL_ECORRUPT },
		{ "name runs over", 1, BODY("\0\3a\0" "\1\0\0" TIMES), FL_ECORRUPT },
		{ "octets left", 1, BODY("\0\2a\0x" "\1\0\0" TIMES), FL_ECORRUPT },
	};
	static uint8_t big[FL_KEYFRAME_BLOCK_RAW + 1];
	struct fl_buf out = { 0 };
	struct fl_entry e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_entry_iter *it = NULL;
		int ret;

		seal_counted(&out, "FLK1", rows[i].rows, rows[i].body);
		ret = fl_keyframe_block_open(fl_buf_span(&out), &it, NULL);
		while (ret == 0 && (ret = it->next(it, &e, NULL)) > 0)
			ret = 0;
		if (ret == 0 && it->next(it, &e, NULL) != 0)
			fail_msg("%s: goes on", rows[i].what);
		fl_entries_close(it);
		if (ret != rows[i].ret)
			fail_msg("%s: %s", rows[i].what, fl_code_name(ret));
	}
	seal_counted(&out, "FLK1", 1, fl_span(big, sizeof(big)));
	assert_int_equal(fl_keyframe_block_open(fl_buf_span(&out), &(struct fl_entry_iter *){ NULL }, NULL), FL_ECORRUPT);
	fl_buf_done(&out);
}

static void test_hostile_index(void **state)
{
	static const struct {
		const char *what;
		uint64_t rows;
		struct fl_span body;
	} rows[] = {
		{ "row of no entries", 1, BODY("\0\2a\0\0\0\0\0" "12345678") },
		{ "other number of rows", 2, BODY("\0\2a\0\1\0\0\0" "12345678") },
		{ "octets left", 1, BODY("\0\2a\0\1\0\0\0" "123456789") },
		{ "cut", 1, BODY("\0\2a\0\1\0\0\0" "1234567") },
		{ "no name", 1, BODY("\0\2a.\1\0\0\0" "12345678") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		kf.n = 2;
		seal_counted(&kf.v[0], "FLK1", 1, (struct fl_span)BODY("\0\2a\0" "\1\0\0" TIMES));
		seal_counted(&kf.v[1], "FLI1", rows[i].rows, rows[i].body);
		printf("%s\n", rows[i].what);
		expect_corrupt(2, "index");
		blocks_done(&kf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_set),
		cmocka_unit_test(test_blocks_are_filled),
		cmocka_unit_test(test_longest_names),
		cmocka_unit_test(test_range_reads_only_its_blocks),
		cmocka_unit_test(test_blocks_that_do_not_belong),
		cmocka_unit_test(test_writer_refuses),
		cmocka_unit_test(test_sink_that_fails),
		cmocka_unit_test(test_hostile_blocks),
		cmocka_unit_test(test_hostile_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
