/* Versions: chains as on the page, the fields of `v:N`, inputs as text; and that anything altered is noticed. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"
#include "model/version.h"

enum { KV = 40 };

static struct fl_source_version source(void)
{
	struct fl_source_version v = { .id = { .number = 1 }, .digests = { .entries = 2 }, .added = 2, .at = 1795442531114203,
				       .cause = FL_CAUSE_FEED, .actor = "ingest", .has_delta = true, .delta_bytes = 70 };

	for (uint8_t i = 0; i < 16; i++)
		v.id.epoch.b[i] = i;
	fl_u128_parse(fl_span_str("8fffcac3197c487fd3d8987f95adaff0"), &v.digests.scope);
	fl_u128_parse(fl_span_str("c8daae3202e1255b7563390c602d9a52"), &v.digests.attrs);
	fl_unhex(fl_span_str("d52d33021ef17fe3aa1cd8947833566216e5fcaa5099fcbd2f7ab6c5ec9d92f6"), v.delta_sha256, 32);
	fl_source_version_chain(&v);
	return v;
}

static struct fl_list_version list(struct fl_list_input *in)
{
	struct fl_source_version s = source();
	struct fl_list_version v = { .list = "malware", .id = { .number = 7 }, .inputs = in, .n_inputs = 1, .names = 2, .added = 2,
				     .at = 1795442531200000, .seen_at = 1795442531100000, .source_at = s.at,
				     .cause = FL_CAUSE_SOURCES, .actor = "publish" };

	*in = (struct fl_list_input){ .source = "urlhaus", .id = s.id, .digest = s.digests.scope, .entries = 2 };
	for (uint8_t i = 0; i < 16; i++)
		v.id.epoch.b[i] = 16 + i;
	fl_list_version_chain(&v);
	return v;
}

static void expect_chain(const uint8_t chain[32], const char *want)
{
	char text[65];

	assert_string_equal(fl_hex(chain, 32, text), want);
}

static void test_chains_of_the_page(void **state)
{
	struct fl_list_input in;

	(void)state;
	expect_chain(source().id.chain, "22ff80e101e46ec9bccc135e8d5138c68a700bf50d3ab2a5842f33e32b6e0766");
	expect_chain(list(&in).id.chain, "94d25877ff25b27eb1f0ea7d46c8db8d635d89233c1208abfe1308bcaea6a11f");
}

/* Everything that is covered changes the chain; nothing else does. */
static void test_what_a_source_chain_covers(void **state)
{
	struct fl_source_version a = source(), b;

	(void)state;
#define ALTERS(yes, stmt)                                                      \
	do {                                                                   \
		b = a;                                                         \
		stmt;                                                          \
		fl_source_version_chain(&b);                                   \
		if ((memcmp(a.id.chain, b.id.chain, 32) != 0) != (yes))        \
			fail_msg("%s", #stmt);                                 \
	} while (0)
	ALTERS(true, b.parent_chain[31] = 1);
	ALTERS(true, b.id.epoch.b[0] = 1);
	ALTERS(true, b.id.number = 2);
	ALTERS(true, b.parent = 1);
	ALTERS(true, b.digests.scope.lo ^= 1);
	ALTERS(true, b.digests.attrs.hi ^= 1);
	ALTERS(true, b.digests.entries++);
	ALTERS(true, b.delta_sha256[0] ^= 1);
	ALTERS(true, b.cause = FL_CAUSE_EXPIRY);
	ALTERS(true, b.actor[0] = 'x');
	ALTERS(true, b.reason[0] = 'x');
	ALTERS(true, b.at++);
	ALTERS(true, (memcpy(b.actor, "inges", 6), memcpy(b.reason, "t", 2))); /* lengths are covered */
	ALTERS(false, b.delta_bytes++);
	ALTERS(false, memcpy(b.attempt, "ab", 3));
	ALTERS(false, memcpy(b.fetch.etag, "ab", 3));
#undef ALTERS
}

static void test_what_a_list_chain_covers(void **state)
{
	struct fl_list_input in, in2[2];
	struct fl_list_version a = list(&in), b;

	(void)state;
#define ALTERS(yes, stmt)                                                      \
	do {                                                                   \
		b = a;                                                         \
		in2[0] = in2[1] = in;                                          \
		b.inputs = in2;                                                \
		stmt;                                                          \
		fl_list_version_chain(&b);                                     \
		if ((memcmp(a.id.chain, b.id.chain, 32) != 0) != (yes))        \
			fail_msg("%s", #stmt);                                 \
	} while (0)
	ALTERS(false, (void)0);
	ALTERS(true, b.parent_chain[0] = 1);
	ALTERS(true, b.list[0] = 'x');
	ALTERS(true, b.n_inputs = 0);
	ALTERS(true, b.n_inputs = 2);
	ALTERS(true, in2[0].source[0] = 'x');
	ALTERS(true, in2[0].id.number++);
	ALTERS(true, in2[0].id.chain[0] ^= 1);
	ALTERS(true, in2[0].digest.lo ^= 1);
	ALTERS(true, in2[0].entries++);
	ALTERS(true, in2[0].pinned = true);
	ALTERS(true, in2[0].gone = true);
	ALTERS(true, b.recovered.version = 3);
	ALTERS(true, (b.recovered.version = 3, b.recovered.n_over = 1));
	ALTERS(true, b.at++);
	ALTERS(false, b.seen_at++);
	ALTERS(false, b.names++);
#undef ALTERS
}

static void test_text_is_cleaned_before_the_chain(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "plain", "plain" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "cut \xc3", "cut ?" },
		{ "\xff\xfe", "??" },
		{ "\xed\xa0\x80", "???" }, /* a surrogate */
		{ "two\nlines\ttab\x7f", "two lines tab " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_source_version v = source();

		snprintf(v.reason, sizeof(v.reason), "%s", rows[i].in);
		fl_source_version_chain(&v);
		assert_string_equal(v.reason, rows[i].out);
	}
}

static struct fl_kv *field(struct fl_kv *kv, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (fl_span_eqs(kv[i].key, name))
			return &kv[i];
	fail_msg("no field '%s'", name);
	return NULL;
}

static void test_source_fields(void **state)
{
	struct fl_source_version v = source(), got;
	struct fl_arena arena = { 0 };
	struct fl_kv kv[KV], shorter[KV];
	size_t n;

	(void)state;
	memcpy(v.fetch.etag, "\"\xe9tag\"", 7); /* opaque octets (RFC 9110) */
	memcpy(v.fetch.last_modified, "Mon, 23 Nov 2026 14:02:11 GMT", 30);
	memcpy(v.attempt, "0123456789abcdef0123456789abcdef", 33);
	v.blocks = 3;
	v.keyframe_bytes = 12345;
	v.fetch.seen_at = 1;
	n = fl_source_version_fields(&v, &arena, kv, KV);
	assert_true(n > 20);
	assert_int_equal(fl_source_version_fields(&v, &arena, shorter, n - 1), 0);
	assert_true(fl_span_eqs(field(kv, n, "cause")->value, "feed"));
	kv[n] = (struct fl_kv){ fl_span_str("of_later_days"), fl_span_str("x") };
	assert_int_equal(fl_source_version_read(kv, n + 1, &got, NULL), 0);
	assert_memory_equal(&got, &v, sizeof(v));
	for (size_t i = 0; i < n; i++) { /* every field is needed */
		memcpy(shorter, kv, sizeof(kv));
		shorter[i].key = fl_span_str("gone");
		assert_int_equal(fl_source_version_read(shorter, n, &got, NULL), FL_ECORRUPT);
	}
	fl_arena_done(&arena);
}

static void test_source_fields_refused(void **state)
{
	static const struct {
		const char *field, *value;
	} rows[] = {
		{ "epoch", "" },
		{ "epoch", "00000000000000000000000000000000" },
		{ "epoch", "000102030405060708090a0b0c0d0e" },
		{ "version", "0" },
		{ "version", "-1" },
		{ "version", "9223372036854775808" },
		{ "version", "1x" },
		{ "chain", "0000000000000000000000000000000000000000000000000000000000000000" },
		{ "parent", "1" },
		{ "entries", "3" }, /* the chain knows better */
		{ "digest", "xyz" },
		{ "at_us", "1795442531114204" },
		{ "cause", "whim" },
		{ "cause", "expiry" },
		{ "actor", "someone else" },
		{ "actor", "a text of more than the sixty-three octets that an actor may have ." },
		{ "has_delta", "2" },
		{ "blocks", "4294967296" },
		{ "blocks", "1048577" },
		{ "attempt", "0123456789abcdef0123456789abcdef0" },
	};
	struct fl_source_version v = source(), got;
	struct fl_arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_err err = { 0 };
		struct fl_kv kv[KV];
		size_t n = fl_source_version_fields(&v, &arena, kv, KV);

		field(kv, n, rows[i].field)->value = fl_span_str(rows[i].value);
		if (fl_source_version_read(kv, n, &got, &err) != FL_ECORRUPT || !err.text[0])
			fail_msg("%s '%s' was read", rows[i].field, rows[i].value);
	}
	fl_arena_done(&arena);
}

static void test_list_fields(void **state)
{
	struct fl_list_input in;
	struct fl_list_version v = list(&in), got;
	struct fl_arena arena = { 0 };
	struct fl_kv kv[KV], cut[KV];
	size_t n;

	(void)state;
	v.recovered = (struct fl_recovered){ .version = 5, .n_over = 2, .over = { { { 1 } }, { { 2 } } } };
	memcpy(v.reason, "because", 8);
	fl_list_version_chain(&v);
	n = fl_list_version_fields(&v, &arena, kv, KV);
	assert_true(n > 15);
	assert_int_equal(fl_list_version_read(kv, n, &arena, &got, NULL), 0);
	assert_int_equal(got.n_inputs, 1);
	assert_memory_equal(&got.inputs[0].id, &in.id, sizeof(in.id));
	got.inputs = v.inputs;
	assert_memory_equal(&got, &v, sizeof(v));
	for (size_t i = 0; i < n; i++) {
		memcpy(cut, kv, sizeof(kv));
		cut[i].key = fl_span_str("gone");
		assert_int_equal(fl_list_version_read(cut, n, &arena, &got, NULL), FL_ECORRUPT);
	}
	fl_arena_done(&arena);
}

static void test_list_fields_refused(void **state)
{
	static const struct {
		const char *field, *value;
	} rows[] = {
		{ "list", "" },
		{ "list", "-x" },
		{ "list", "Malware" },
		{ "inputs", "" }, /* the chain knows better */
		{ "inputs", "x" },
		{ "recovered_version", "8" },
		{ "recovered_over", "01010101010101010101010101010101" },
		{ "recovered_over", "0101" },
		{ "recovered_over", "01010101010101010101010101010101," },
		{ "recovered_over", "01010101010101010101010101010101;01010101010101010101010101010101" },
		{ "parent", "7" },
		{ "parent", "6" }, /* with a zero chain */
	};
	struct fl_arena arena = { 0 };
	struct fl_list_input in;
	struct fl_list_version v = list(&in), got;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_kv kv[KV];
		size_t n = fl_list_version_fields(&v, &arena, kv, KV);

		field(kv, n, rows[i].field)->value = fl_span_str(rows[i].value);
		if (fl_list_version_read(kv, n, &arena, &got, NULL) != FL_ECORRUPT)
			fail_msg("%s '%s' was read", rows[i].field, rows[i].value);
	}
	fl_arena_done(&arena);
}

#define E "000102030405060708090a0b0c0d0e0f"
#define C "332540721bee1946b8b094242308d05a448c04dca0a98da7a1751339faf324d8"
#define D "9027955c1a120ea9da03e1fe3c1c4439"
#define Z32 "00000000000000000000000000000000"
#define GOOD "b " E " 12 " C " " D " 2 -\n"

static void test_inputs_text(void **state)
{
	static const struct {
		const char *text;
		int n; /* -1: refused */
	} rows[] = {
		{ "", 0 },
		{ GOOD, 1 },
		{ "a " E " 1 " C " " D " 2 p\n" GOOD "c " E " 1 " C " " D " 2 g\nd " E " 1 " C " " D " 2 pg\n", 4 },
		{ "new " Z32 " 0 " Z32 Z32 " " Z32 " 0 -\n", 1 },
		{ "b " E " 12 " C " " D " 2 -", -1 },
		{ "\n", -1 },
		{ GOOD "\n", -1 },
		{ GOOD GOOD, -1 },
		{ GOOD "a " E " 1 " C " " D " 2 -\n", -1 },
		{ "B " E " 12 " C " " D " 2 -\n", -1 },
		{ " " E " 12 " C " " D " 2 -\n", -1 },
		{ "b  " E " 12 " C " " D " 2 -\n", -1 },
		{ "b " E " 12 " C " " D " 2 - \n", -1 },
		{ "b " E " 12 " C " " D " 2\n", -1 },
		{ "b " E " 012 " C " " D " 2 -\n", -1 },
		{ "b " E " 12 " C " " D " 02 -\n", -1 },
		{ "b " E " 12 " C " " D " 2 gp\n", -1 },
		{ "b " E " 12 " C " " D " 2 --\n", -1 },
		{ "b " E " 9223372036854775808 " C " " D " 2 -\n", -1 },
		{ "b " E " 12 " C " " D " 9223372036854775808 -\n", -1 },
		{ "b " E " 0 " C " " D " 2 -\n", -1 },
		{ "b " Z32 " 12 " C " " D " 2 -\n", -1 },
		{ "b " E " 12 " Z32 Z32 " " D " 2 -\n", -1 },
		{ "new " Z32 " 0 " Z32 Z32 " " Z32 " 1 -\n", -1 },
		{ "b 000102030405060708090A0B0C0D0E0F 12 " C " " D " 2 -\n", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_span text = fl_span_str(rows[i].text);
		struct fl_arena arena = { 0 };
		struct fl_list_input *v = NULL;
		struct fl_buf again = { 0 };
		uint32_t n = 0;
		int ret = fl_inputs_parse(text, &arena, &v, &n, NULL);

		if (ret != (rows[i].n < 0 ? FL_ECORRUPT : 0) || (ret == 0 && (int)n != rows[i].n))
			fail_msg("row %zu: %s, %u inputs", i, fl_code_name(ret), n);
		fl_inputs_format(&again, v, n);
		if (ret == 0)
			assert_true(fl_span_eq(fl_buf_span(&again), text));
		fl_buf_done(&again);
		fl_arena_done(&arena);
	}
}

static void test_inputs_bound(void **state)
{
	struct fl_arena arena = { 0 };
	struct fl_buf text = { 0 };
	struct fl_list_input *v;
	uint32_t n;

	(void)state;
	for (int i = 0; i < FL_INPUTS_MAX; i++)
		fl_buf_printf(&text, "s%03d " E " 12 " C " " D " 2 -\n", i);
	assert_int_equal(fl_inputs_parse(fl_buf_span(&text), &arena, &v, &n, NULL), 0);
	assert_int_equal(n, FL_INPUTS_MAX);
	fl_buf_str(&text, "z " E " 12 " C " " D " 2 -\n");
	assert_int_equal(fl_inputs_parse(fl_buf_span(&text), &arena, &v, &n, NULL), FL_ECORRUPT);
	fl_buf_done(&text);
	fl_arena_done(&arena);
}

static void test_names_and_causes(void **state)
{
	static const char *const good[] = { "a", "0", "urlhaus", "a.b-c_d", "findings-block",
					    "01234567890123456789012345678901234567890123456789012345678901234567890123456789" };
	static const char *const bad[] = { "", ".", "-a", "_a", ".a", "A", "a b", "a/b", "a:b", "a\n", "\xc3\xa4", "{a}",
					   "012345678901234567890123456789012345678901234567890123456789012345678901234567890" };
	enum fl_cause c;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(fl_set_name_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(fl_set_name_valid(bad[i]));
	assert_false(fl_set_name_valid(NULL));
	for (unsigned i = 0; i < FL_CAUSE_COUNT; i++) {
		assert_true(fl_cause_parse(fl_span_str(fl_cause_word((enum fl_cause)i)), &c));
		assert_int_equal(c, i);
	}
	assert_false(fl_cause_parse(fl_span_str("Feed"), &c));
	assert_true(fl_epoch_is_zero(&(struct fl_epoch){ { 0 } }));
	assert_false(fl_epoch_is_zero(&(struct fl_epoch){ { [15] = 1 } }));
}

static void test_an_input_is_found_by_its_source(void **state)
{
	struct fl_list_input in[] = { { .source = "feed:a" }, { .source = "feed:b" }, { .source = "feed:bb" }, { .source = "findings:x" }, { .source = "op:z" } };
	static const char *const none[] = { "", "feed:", "feed:aa", "feed:bbb", "findings:w", "op:zz", "zz" };

	(void)state;
	for (uint32_t n = 0; n <= 5; n++)
		for (uint32_t i = 0; i < 5; i++)
			assert_ptr_equal(fl_list_input_find(in, n, in[i].source), i < n ? &in[i] : NULL);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_null(fl_list_input_find(in, 5, none[i]));
	assert_null(fl_list_input_find(NULL, 0, "feed:a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chains_of_the_page),
		cmocka_unit_test(test_what_a_source_chain_covers),
		cmocka_unit_test(test_what_a_list_chain_covers),
		cmocka_unit_test(test_text_is_cleaned_before_the_chain),
		cmocka_unit_test(test_source_fields),
		cmocka_unit_test(test_source_fields_refused),
		cmocka_unit_test(test_list_fields),
		cmocka_unit_test(test_list_fields_refused),
		cmocka_unit_test(test_inputs_text),
		cmocka_unit_test(test_inputs_bound),
		cmocka_unit_test(test_an_input_is_found_by_its_source),
		cmocka_unit_test(test_names_and_causes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
