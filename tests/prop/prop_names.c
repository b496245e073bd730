/* The quick ways against the long ones. A short name of ASCII has its canonical form found sixteen octets at a time, other names octet by
 * octet: over random texts both must say the same. A plain line is read at one look, others token by token: a blank before each line
 * sends all of them the long way, and must change nothing. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "feeds/feeds.h"
#include "normalize/names.h"
#include "tests/support/setgen.h"

static struct fl_names *names;

/* Mostly what names are made of. */
static uint8_t draw_octet(struct gen *g)
{
	static const char likely[] = "abcxyzABCXYZ0189-_...";
	static const char odd[] = " \t\r#*:/[@`{^\x7f\xc3\xbc\x01";

	return gen_below(g, 60) ? (uint8_t)likely[gen_below(g, sizeof(likely) - 1)]
	       : gen_below(g, 4) ? (uint8_t)odd[gen_below(g, sizeof(odd) - 1)]
				 : (uint8_t)gen_u64(g);
}

static size_t draw_text(struct gen *g, uint8_t *out, size_t cap)
{
	size_t n = gen_below(g, 8) ? gen_below(g, 70) : gen_below(g, (uint32_t)cap);

	for (size_t i = 0; i < n; i++)
		out[i] = draw_octet(g);
	return n;
}

static void test_canonical_form(void **state)
{
	uint64_t seed = gen_first_seed();
	struct gen g = { seed };
	size_t good = 0;

	(void)state;
	for (int run = 0; run < 200000; run++) {
		uint8_t text[300], *exact;
		size_t n = draw_text(&g, text, sizeof(text));
		struct fl_rkey quick = { 0 }, slow = { 0 };
		enum fl_drop a, b;

		exact = malloc(n ? n : 1);
		assert_non_null(exact);
		memcpy(exact, text, n);
		a = fl_name_canon(names, fl_span(exact, n), &quick);
		b = fl__canon(names->idna, fl_span(exact, n), false, &slow);
		if (a != b || (a == FL_DROP_COUNT && !fl_span_eq(fl_rkey_span(&quick), fl_rkey_span(&slow))))
			fail_msg("FL_SEED=%llu run %d: '%.*s'", (unsigned long long)seed, run, (int)n, (const char *)text);
		good += a == FL_DROP_COUNT;
		free(exact);
	}
	assert_true(good > 10000);
}

/* All that a reader says, as text. */
static int said_claim(void *ctx, const struct fl_feed_claim *c)
{
	fl_buf_printf(ctx, "%u %u ", c->line, c->scope);
	fl_buf_add(ctx, c->name.p, c->name.n);
	fl_buf_str(ctx, ";");
	return 0;
}

static void said_reject(void *ctx, uint32_t line, struct fl_span text, enum fl_drop why)
{
	fl_buf_printf(ctx, "%u %s ", line, fl_drop_word(why));
	fl_buf_add(ctx, text.p, text.n);
	fl_buf_str(ctx, ";");
}

static int say(struct fl_span body, enum fl_format format, uint8_t scope, struct fl_buf *out)
{
	struct fl_feed_options opt = { .format = format, .scope = scope };
	struct fl_feed_result res = { 0 };
	struct fl_err err = { 0 };
	int ret = fl_feed_parse(body, &opt, said_claim, said_reject, out, &res, &err);

	fl_buf_printf(out, "%d %llu %llu %llu %llu", ret, (unsigned long long)res.lines.out, (unsigned long long)res.claims,
		      (unsigned long long)res.refused, (unsigned long long)res.addresses);
	for (int i = 0; i < FL_DROP_COUNT; i++)
		fl_buf_printf(out, " %llu", (unsigned long long)res.lines.dropped[i]);
	return ret;
}

static void draw_line(struct gen *g, enum fl_format format, struct fl_buf *out)
{
	static const char *const heads[] = { "0.0.0.0 ", "127.0.0.1 ", "0.0.0.0\t", "0.0.0.0  ", "::1 ", "192.0.2.1 ", "" };
	static const char *const known[] = { "localhost", "Local", "ip6-loopback", "0.0.0.0", "1.2.3.4", "a.b.1", "a.example", ".a.example", "a.example.", "com" };
	static const char *const ends[] = { "\n", "\n", "\r\n", " \n", " # x\n", "\r\r\n", "\n\n" };
	uint8_t text[80];
	size_t n;

	if (format == FL_FORMAT_HOSTS)
		fl_buf_str(out, heads[gen_below(g, 3) ? gen_below(g, 2) : gen_below(g, 7)]);
	if (gen_below(g, 6) == 0)
		fl_buf_str(out, known[gen_below(g, 10)]);
	else {
		n = draw_text(g, text, sizeof(text));
		fl_buf_add(out, text, n);
	}
	fl_buf_str(out, ends[gen_below(g, 7)]);
}

/* The same lines, a blank before each. */
static void indent(struct fl_span body, struct fl_buf *out)
{
	for (size_t i = 0; i < body.n; i++) {
		if (i == 0 || body.p[i - 1] == '\n')
			fl_buf_u8(out, ' ');
		fl_buf_u8(out, body.p[i]);
	}
}

static void test_plain_lines(void **state)
{
	static const enum fl_format formats[] = { FL_FORMAT_DOMAINS, FL_FORMAT_HOSTS };
	uint64_t seed = gen_first_seed();
	unsigned read = 0;

	(void)state;
	for (uint64_t run = 0; run < 4000; run++) {
		struct gen g = { seed + run };
		enum fl_format format = formats[run % 2];
		uint8_t scope = (uint8_t)gen_below(&g, 4);
		struct fl_buf body = { 0 }, other = { 0 }, a = { 0 }, b = { 0 };

		for (uint32_t lines = 1 + gen_below(&g, 60); lines; lines--)
			draw_line(&g, format, &body);
		indent(fl_buf_span(&body), &other);
		read += say(fl_buf_span(&body), format, scope, &a) == 0;
		say(fl_buf_span(&other), format, scope, &b);
		if (!fl_span_eq(fl_buf_span(&a), fl_buf_span(&b)))
			fail_msg("FL_SEED=%llu: %s\n%s\n%s", (unsigned long long)(seed + run), fl_buf_cstr(&body), fl_buf_cstr(&a), fl_buf_cstr(&b));
		fl_buf_done(&body);
		fl_buf_done(&other);
		fl_buf_done(&a);
		fl_buf_done(&b);
	}
	assert_true(read > 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_form),
		cmocka_unit_test(test_plain_lines),
	};
	struct fl_err err = { 0 };
	int ret;

	if (fl_names_open(NULL, &names, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	fl_names_close(names);
	return ret;
}
