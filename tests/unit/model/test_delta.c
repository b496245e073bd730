/* The delta codec: its exact octets, what its writer refuses, and what its reader refuses although the checksum is right. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"
#include "tests/support/seal.h"
#include "tests/support/setgen.h"

static const struct fl_tuple none, one = { .scope = 3 },
			     two = { .scope = 1, .confidence = 90, .category = FL_CAT_MALWARE, .first_seen_s = 1795442531 };

static void expect_hex(struct fl_span got, const char *want)
{
	char text[512];

	assert_true(got.n < 256);
	assert_string_equal(fl_hex(got.p, got.n, text), want);
}

/* The example of docs/formats/delta.md. */
static void test_octets_of_the_page(void **state)
{
	struct fl_rkey com = gen_rkey("example.com"), bad = gen_rkey("bad.example.com");
	const struct fl_change c[] = { { fl_rkey_span(&com), none, one }, { fl_rkey_span(&bad), none, two } };
	struct fl_delta_writer *w = fl_delta_writer_new();
	struct fl_buf out = { 0 };
	struct fl_delta_meta meta, again;
	bool kept;

	(void)state;
	fl_record_put(&out, &c[0]);
	expect_hex(fl_buf_span(&out), "0c636f6d006578616d706c650000030000000000000000000000000000");
	out.n = 0;
	fl_record_put(&out, &c[1]);
	expect_hex(fl_buf_span(&out), "10636f6d006578616d706c65006261640000015a016347046b0000000000000000");
	out.n = 0;
	fl_buf_str(&out, "before");
	assert_int_equal(fl_delta_writer_add(w, &c[0]), 0);
	assert_int_equal(fl_delta_writer_add(w, &c[1]), 0);
	assert_int_equal(fl_delta_writer_finish(w, &out, &kept, &meta), 0);
	assert_true(kept);
	expect_hex(fl_span(meta.sha256, 32), "d52d33021ef17fe3aa1cd8947833566216e5fcaa5099fcbd2f7ab6c5ec9d92f6");
	assert_int_equal(meta.added, 2);
	assert_memory_equal(out.p, "beforeFLD1\0\2", 12); /* appended; flags 0; two records */
	assert_int_equal(fl_delta_check(fl_span(out.p + 6, out.n - 6), &again, NULL), 0);
	assert_memory_equal(&again, &meta, sizeof(meta));
	fl_delta_writer_free(w);
	fl_buf_done(&out);
}

static void test_empty(void **state)
{
	struct fl_buf out = { 0 };
	struct fl_delta_meta meta;

	(void)state;
	assert_int_equal(gen_encode(fl_changes_empty(), &out, &meta), 0);
	assert_int_equal(meta.records, 0);
	expect_hex(fl_span(meta.sha256, 32), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_int_equal(fl_delta_check(fl_buf_span(&out), &meta, NULL), 0);
	assert_int_equal(meta.records, 0);
	fl_buf_done(&out);
}

static void test_writer_refuses(void **state)
{
	struct fl_rkey a = gen_rkey("a.example"), b = gen_rkey("b.example");
	struct fl_tuple sure = { .scope = 1, .confidence = 101 }, wide = { .scope = 16 };
	const struct {
		struct fl_change c;
	} rows[] = {
		{ { fl_rkey_span(&a), none, one } },  /* below the one before */
		{ { fl_rkey_span(&b), none, one } },  /* the same */
		{ { fl_span("z\0", 2), none, none } }, /* nothing */
		{ { fl_span("z\0", 2), one, one } },   /* no change */
		{ { fl_span("z\0", 2), none, sure } },
		{ { fl_span("z\0", 2), wide, none } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_delta_writer *w = fl_delta_writer_new();

		assert_int_equal(fl_delta_writer_add(w, &(struct fl_change){ fl_rkey_span(&b), none, one }), 0);
		if (fl_delta_writer_add(w, &rows[i].c) != FL_ECORRUPT)
			fail_msg("row %zu", i);
		fl_delta_writer_free(w);
	}
}

/* Too big to keep: no octets, but counts and sha256 as if it had been kept. */
static void test_limit(void **state)
{
	struct gen g = { 5 };
	struct fl_set s = { 0 };
	struct fl_buf full = { 0 }, cut = { 0 };
	struct fl_delta_meta want, meta;
	struct fl_delta_writer *w = fl_delta_writer_new();
	bool kept = true;

	(void)state;
	gen_set(&g, 2000, &s);
	assert_int_equal(gen_encode(fl_diff_iter(fl_entries_empty(), fl_set_iter(&s)), &full, &want), 0);
	fl_delta_writer_limit(w, 1000);
	for (size_t i = 0; i < s.n; i++)
		assert_int_equal(fl_delta_writer_add(w, &(struct fl_change){ fl_set_key(&s, i), none, s.v[i].t }), 0);
	assert_int_equal(fl_delta_writer_finish(w, &cut, &kept, &meta), 0);
	assert_false(kept);
	assert_int_equal(cut.n, 0);
	assert_memory_equal(&meta, &want, sizeof(meta));
	fl_delta_writer_free(w);
	fl_buf_done(&full);
	fl_buf_done(&cut);
	fl_set_done(&s);
}

/* A well-formed frame around any body: only the content can be wrong. */
static void frame(struct fl_buf *out, uint8_t flags, uint64_t records, uint64_t raw_n, struct fl_span raw, int frames)
{
	struct fl_buf head = { 0 };

	fl_buf_str(&head, "FLD1");
	fl_buf_u8(&head, flags);
	fl_buf_varint(&head, records);
	fl_buf_varint(&head, raw_n);
	seal(out, fl_buf_span(&head), raw, frames);
	fl_buf_done(&head);
}

#define ATTRS "\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define BODY(s) { (const uint8_t *)(s), sizeof(s) - 1 }

static void test_reader_refuses(void **state)
{
	static const struct {
		const char *what;
		uint8_t flags;
		uint64_t records;
		int64_t size_off; /* added to the stated size */
		struct fl_span body;
		int frames;
		int ret;
	} rows[] = {
		{ "one good record", 0, 1, 0, BODY("\0\2a\0\0\1" ATTRS), 1, 0 },
		{ "the root", 0, 1, 0, BODY("\0\0\0\1" ATTRS), 1, 0 },
		{ "two", 0, 2, 0, BODY("\0\2a\0\0\1" ATTRS "\0\2b\0\1\0" ATTRS), 1, 0 },
		{ "not all is shared that could be", 0, 2, 0, BODY("\0\2a\0\0\1" ATTRS "\0\4a\0b\0\1\0" ATTRS), 1, 0 },
		{ "unknown flags", 1, 1, 0, BODY("\0\2a\0\0\1" ATTRS), 1, FL_ECORRUPT },
		{ "fewer records than stated", 0, 2, 0, BODY("\0\2a\0\0\1" ATTRS), 1, FL_ECORRUPT },
		{ "more records than stated", 0, 1, 0, BODY("\0\2a\0\0\1" ATTRS "\0\2b\0\1\0" ATTRS), 1, FL_ECORRUPT },
		{ "more than could fit", 0, UINT64_MAX, 0, BODY("\0\2a\0\0\1" ATTRS), 1, FL_ECORRUPT },
		{ "octets without records", 0, 0, 0, BODY("x"), 1, FL_ECORRUPT },
		{ "size too small", 0, 1, -1, BODY("\0\2a\0\0\1" ATTRS), 1, FL_ECORRUPT },
		{ "size too large", 0, 1, 1, BODY("\0\2a\0\0\1" ATTRS), 1, FL_ECORRUPT },
		{ "size beyond all bounds", 0, 1, 1LL << 40, BODY("\0\2a\0\0\1" ATTRS), 1, FL_ECORRUPT },
		{ "no frame", 0, 1, 0, BODY("\0\2a\0\0\1" ATTRS), 0, FL_ECORRUPT },
		{ "two frames", 0, 1, 0, BODY("\0\2a\0\0\1" ATTRS), 2, FL_ECORRUPT },
		{ "shares with nothing", 0, 1, 0, BODY("\1\2a\0\0\1" ATTRS), 1, FL_ECORRUPT },
		{ "same name twice", 0, 2, 0, BODY("\0\2a\0\0\1" ATTRS "\2\0\1\0" ATTRS), 1, FL_ECORRUPT },
		{ "names fall", 0, 2, 0, BODY("\0\2b\0\0\1" ATTRS "\0\2a\0\1\0" ATTRS), 1, FL_ECORRUPT },
		{ "a parent behind its child", 0, 2, 0, BODY("\0\4a\0b\0\0\1" ATTRS "\2\0\0\1" ATTRS), 1, FL_ECORRUPT },
		{ "upper case", 0, 1, 0, BODY("\0\2A\0\0\1" ATTRS), 1, FL_ECORRUPT },
		{ "label without an end", 0, 1, 0, BODY("\0\1a\0\1" ATTRS), 1, FL_ECORRUPT },
		{ "empty label", 0, 1, 0, BODY("\0\3a\0\0\0\1" ATTRS), 1, FL_ECORRUPT },
		{ "absent before and after", 0, 1, 0, BODY("\0\2a\0\0\0" ATTRS), 1, FL_ECORRUPT },
		{ "the same before and after", 0, 1, 0, BODY("\0\2a\0\1\1" ATTRS ATTRS), 1, FL_ECORRUPT },
		{ "scope 16", 0, 1, 0, BODY("\0\2a\0\0\x10" ATTRS), 1, FL_ECORRUPT },
		{ "confidence 101", 0, 1, 0, BODY("\0\2a\0\0\1\x65\0\0\0\0\0\0\0\0\0\0\0\0\0"), 1, FL_ECORRUPT },
		{ "a category of later days", 0, 1, 0, BODY("\0\2a\0\0\1\0\xc8\0\0\0\0\0\0\0\0\0\0\0\0"), 1, 0 },
	};
	struct fl_delta_meta meta;
	struct fl_buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int ret;

		frame(&out, rows[i].flags, rows[i].records, (uint64_t)((int64_t)rows[i].body.n + rows[i].size_off), rows[i].body,
		      rows[i].frames);
		ret = fl_delta_check(fl_buf_span(&out), &meta, NULL);
		if (ret != rows[i].ret)
			fail_msg("%s: %s", rows[i].what, fl_code_name(ret));
	}
	fl_buf_done(&out);
}

static void test_no_delta_at_all(void **state)
{
	static const char *const rows[] = { "", "F", "FLD1", "FLD1\0\0\0", "FLK1xxxxxxxxxxxxxxxxxxxx" };
	struct fl_change_iter *it = NULL;
	struct fl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(fl_delta_open(fl_span_str(rows[i]), &it, &err), FL_ECORRUPT);
		assert_int_equal(err.code, FL_ECORRUPT);
	}
	assert_int_equal(fl_delta_open_reversed(fl_span(NULL, 0), &it, NULL), FL_ECORRUPT);
	assert_null(it);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_octets_of_the_page),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_writer_refuses),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_reader_refuses),
		cmocka_unit_test(test_no_delta_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
