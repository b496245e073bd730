/* What each line of each format claims: the rulings of docs/formats/feeds.md, a row each. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "feeds/feeds.h"

/* Claims as text: "name scope;" in the order they come. */
static int take(void *ctx, const struct fl_feed_claim *c)
{
	fl_buf_printf(ctx, "%.*s %u;", (int)c->name.n, (const char *)c->name.p, c->scope);
	return 0;
}

struct row {
	const char *body;
	const char *claims;
	enum fl_drop why; /* FL_DROP_COUNT: the line is out */
	uint8_t scope;    /* of the feed's definition */
};

static void row_check(const struct row *row, enum fl_format format, size_t index)
{
	struct fl_feed_options opt = { .format = format, .scope = row->scope };
	struct fl_feed_result res = { 0 };
	struct fl_buf got = { 0 };
	struct fl_err err = { 0 };

	if (fl_feed_parse(fl_span_str(row->body), &opt, take, NULL, &got, &res, &err) < 0)
		fail_msg("row %zu: %s", index, err.text);
	if (strcmp(fl_buf_cstr(&got), row->claims) != 0)
		fail_msg("row %zu, %s: claims '%s', not '%s'", index, row->body, fl_buf_cstr(&got), row->claims);
	assert_true(fl_tally_balances(&res.lines));
	assert_int_equal(res.format, format);
	if (row->why != FL_DROP_COUNT && res.lines.dropped[row->why] == 0)
		fail_msg("row %zu, %s: not dropped as %s", index, row->body, fl_drop_word(row->why));
	if (row->why == FL_DROP_COUNT && fl_tally_dropped(&res.lines) != 0)
		fail_msg("row %zu, %s: a line was dropped", index, row->body);
	fl_buf_done(&got);
}

#define CHECK(rows, format)                                                                                            \
	for (size_t i = 0; i < sizeof(rows) / sizeof(*(rows)); i++)                                                    \
	row_check(&(rows)[i], (format), i)

static void test_domains(void **state)
{
	static const struct row rows[] = {
		{ "bad.example\n", "bad.example 1;", FL_DROP_COUNT, 1 },
		{ "bad.example\n", "bad.example 3;", FL_DROP_COUNT, 3 },
		{ "bad.example\n", "", FL_DROP_NO_SCOPE, 0 },
		{ "bad.example # why\n", "", FL_DROP_NO_SCOPE, 0 },
		{ "*.bad.example", "bad.example 2;", FL_DROP_COUNT, 1 },
		{ ".bad.example", "bad.example 3;", FL_DROP_COUNT, 0 },
		{ "  bad.example\t\r\n", "bad.example 1;", FL_DROP_COUNT, 1 },
		{ "\xef\xbb\xbf"
		  "bad.example\r\nworse.example",
		  "bad.example 1;worse.example 1;", FL_DROP_COUNT, 1 },
		{ "bad.example # why\n", "bad.example 1;", FL_DROP_COUNT, 1 },
		{ "bad.example\t#why\n", "bad.example 1;", FL_DROP_COUNT, 1 },
		{ "a.example\n# comment\n", "a.example 1;", FL_DROP_COMMENT, 1 },
		{ "a.example\n! comment\n; c\n// c\n\n", "a.example 1;", FL_DROP_COMMENT, 1 },
		{ "bad.example worse.example\n", "", FL_DROP_EXTRA_FIELDS, 1 },
		{ "0.0.0.0 bad.example\n", "", FL_DROP_EXTRA_FIELDS, 1 },
		{ "1.2.3.4\n", "", FL_DROP_ADDRESS, 1 },
		{ "1.2.3.0/24\n", "", FL_DROP_ADDRESS, 1 },
		{ "51.210.1.239:8443\n", "", FL_DROP_ADDRESS, 1 },
		{ "http://52.196.149.49\n", "", FL_DROP_ADDRESS, 1 },
		{ "http://52.196.149.49/a/b\n", "", FL_DROP_ADDRESS, 1 },
		{ "[2604:2dc0::]:80\n", "", FL_DROP_ADDRESS, 1 },
		{ "2a02:cf40:1::5:40669\n", "", FL_DROP_ADDRESS, 1 },
		{ "0x5bf076a8\n", "", FL_DROP_ADDRESS, 1 },
		{ "0056.0151.0121.0114\n", "", FL_DROP_ADDRESS, 1 },
		{ "http://bad.example/x\n", "", FL_DROP_PATTERN, 1 },
		{ "bad.example:8080\n", "", FL_DROP_PATTERN, 1 },
		{ "/365-Stealer/\n", "", FL_DROP_PATTERN, 1 },
		{ "bad.example/path\n", "", FL_DROP_PATTERN, 1 },
		{ "0ba[0-9]{8,15}\\.win\n", "", FL_DROP_PATTERN, 1 },
		{ "vg.no.*\n", "", FL_DROP_PATTERN, 1 },
		{ "*\n", "", FL_DROP_PATTERN, 1 },
		{ "||bad.example^\n", "", FL_DROP_PATTERN, 1 },
		{ "cartevitale[.]info\n", "", FL_DROP_PATTERN, 1 },
		{ "Bad.Example.\n", "Bad.Example. 1;", FL_DROP_COUNT, 1 },
		{ "a_b.example\n", "a_b.example 1;", FL_DROP_COUNT, 1 },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_DOMAINS);
}

static void test_hosts(void **state)
{
	static const struct row rows[] = {
		{ "0.0.0.0 bad.example\n", "bad.example 1;", FL_DROP_COUNT, 0 },
		{ "127.0.0.1\tbad.example\n", "bad.example 1;", FL_DROP_COUNT, 0 },
		{ "127.8.9.1 bad.example\n", "bad.example 1;", FL_DROP_COUNT, 0 },
		{ ":: bad.example\n::1 worse.example\n", "bad.example 1;worse.example 1;", FL_DROP_COUNT, 0 },
		{ "0.0.0.0 a.example b.example  c.example#x\n", "a.example 1;b.example 1;c.example 1;", FL_DROP_COUNT,
		  0 },
		{ "0.0.0.0 a.example # b.example\n", "a.example 1;", FL_DROP_COUNT, 0 },
		{ "0.0.0.0 a.example\n#0.0.0.0 b.example\n", "a.example 1;", FL_DROP_COMMENT, 0 },
		{ "192.0.2.7 intranet.example\n", "", FL_DROP_MAPPING, 0 },
		{ "127.0.0.1 localhost\n", "", FL_DROP_LOCAL_NAME, 0 },
		{ "127.0.0.1 localhost localhost.localdomain\n", "", FL_DROP_LOCAL_NAME, 0 },
		{ "fe80::1%lo0 localhost\n", "", FL_DROP_LOCAL_NAME, 0 },
		{ "255.255.255.255 broadcasthost\n", "", FL_DROP_LOCAL_NAME, 0 },
		{ "ff02::2 ip6-allrouters\n::1 ip6-localhost ip6-loopback\n", "", FL_DROP_LOCAL_NAME, 0 },
		{ "0.0.0.0 0.0.0.0\n", "", FL_DROP_LOCAL_NAME, 0 },
		{ "0.0.0.0 LocalHost bad.example\n", "bad.example 1;", FL_DROP_COUNT, 0 },
		{ "0.0.0.0 1.2.3.4\n", "", FL_DROP_ADDRESS, 0 },
		{ "0.0.0.0 ip6-x.example\n", "ip6-x.example 1;", FL_DROP_COUNT, 0 },
		{ "bad.example\n", "", FL_DROP_SYNTAX, 0 },
		{ "0.0.0.0\n", "", FL_DROP_SYNTAX, 0 },
		{ "!#if !env_mv3\n", "", FL_DROP_SYNTAX, 0 },
		{ "0.0.0.0 *.bad.example\n", "", FL_DROP_PATTERN, 0 },
		{ "0.0.0.0 bad.example\n", "bad.example 1;", FL_DROP_COUNT, 3 },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_HOSTS);
}

static void test_adblock_lines(void **state)
{
	static const struct row rows[] = {
		{ "||bad.example^\n", "bad.example 3;", FL_DROP_COUNT, 0 },
		{ "||bad.example^|\n", "bad.example 3;", FL_DROP_COUNT, 0 },
		{ "||*.bad.example^\n", "bad.example 2;", FL_DROP_COUNT, 0 },
		{ "|bad.example^\n", "bad.example 1;", FL_DROP_COUNT, 0 },
		{ "|bad.example|\n", "bad.example 1;", FL_DROP_COUNT, 0 },
		{ "bad.example\n", "bad.example 1;", FL_DROP_COUNT, 0 },
		{ "bad.example\n", "bad.example 3;", FL_DROP_COUNT, 3 },
		{ "@@||good.example^\n", "good.example 12;", FL_DROP_COUNT, 0 },
		{ "@@|good.example^\n", "good.example 4;", FL_DROP_COUNT, 0 },
		{ "@@||*.good.example^\n", "good.example 8;", FL_DROP_COUNT, 0 },
		{ "||bad.example\n", "", FL_DROP_PATTERN, 0 },
		{ "bad.example^\n", "", FL_DROP_PATTERN, 0 },
		{ "||cdn.\n", "", FL_DROP_PATTERN, 0 },
		{ "cdn.\n", "", FL_DROP_PATTERN, 0 },
		{ "||masto*.example^\n", "", FL_DROP_PATTERN, 0 },
		{ "*.bad.example\n", "", FL_DROP_PATTERN, 0 },
		{ "/^ads[0-9]+\\.example$/\n", "", FL_DROP_PATTERN, 0 },
		{ "://ww36.\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "||bad.example/path^\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "||bad.example:8080^\n", "", FL_DROP_PATTERN, 0 },
		{ "||1.2.3.4^\n", "", FL_DROP_ADDRESS, 0 },
		{ "1.2.3.4\n", "", FL_DROP_ADDRESS, 0 },
		{ "1.2.3.0/24\n", "", FL_DROP_ADDRESS, 0 },
		{ "! comment\n[Adblock Plus 3.13]\n# comment\n\n||a.example^", "a.example 3;", FL_DROP_COMMENT, 0 },
		{ "example.com##.banner\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "##.banner\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "example.com#@#.banner\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "||bad.example^$third-party\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "||bad.example^$script,image\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "||bad.example^$dnstype=A\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "||bad.example^$client=192.0.2.7\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "||bad.example^$ctag=device_tv\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "||bad.example^$all\n", "bad.example 3;", FL_DROP_COUNT, 0 },
		{ "||bad.example^$document,popup\n", "bad.example 3;", FL_DROP_COUNT, 0 },
		{ "@@||bad.example^$document\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "||bad.example^$dnsrewrite=NXDOMAIN;;\n", "bad.example 3;", FL_DROP_COUNT, 0 },
		{ "||bad.example^$dnsrewrite=0.0.0.0\n", "bad.example 3;", FL_DROP_COUNT, 0 },
		{ "||bad.example^$dnsrewrite=192.0.2.7\n", "", FL_DROP_MAPPING, 0 },
		{ "@@||bad.example^$dnsrewrite\n", "", FL_DROP_NOT_APPLICABLE, 0 },
		{ "0.0.0.0 bad.example\n", "", FL_DROP_EXTRA_FIELDS, 0 },
		{ "||bad.example^ # why\n", "bad.example 3;", FL_DROP_COUNT, 0 },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_ADBLOCK);
}

/* Several rules together: what is left is what nearest-wins reads rightly. */
static void test_adblock_resolution(void **state)
{
	static const struct row rows[] = {
		/* an exception at any depth */
		{ "@@||x.example^\n||a.x.example^\n", "x.example 12;", FL_DROP_DISABLED, 0 },
		{ "||a.x.example^\n@@||x.example^\n", "x.example 12;", FL_DROP_DISABLED, 0 },
		{ "||x.example^\n@@||a.x.example^\n", "x.example 3;a.x.example 12;", FL_DROP_COUNT, 0 },
		{ "||x.example^\n@@||x.example^\n", "x.example 12;", FL_DROP_DISABLED, 0 },
		{ "||x.example^\n@@|x.example^\n", "x.example 2;x.example 4;", FL_DROP_COUNT, 0 },
		{ "@@|x.example^\n||a.x.example^\n", "x.example 4;a.x.example 3;", FL_DROP_COUNT, 0 },
		{ "@@||*.x.example^\n||x.example^\n||a.x.example^\n", "x.example 8;x.example 1;", FL_DROP_DISABLED, 0 },
		/* important */
		{ "@@||x.example^\n||a.x.example^$important\n", "x.example 12;a.x.example 3;", FL_DROP_COUNT, 0 },
		{ "||x.example^$important\n@@||a.x.example^\n", "x.example 3;", FL_DROP_DISABLED, 0 },
		{ "||x.example^$important\n@@||a.x.example^$important\n", "x.example 3;a.x.example 12;", FL_DROP_COUNT,
		  0 },
		{ "@@||x.example^$important\n||a.x.example^$important\n", "x.example 12;", FL_DROP_DISABLED, 0 },
		/* badfilter */
		{ "||x.example^\n||x.example^$badfilter\n||y.example^\n", "y.example 3;", FL_DROP_DISABLED, 0 },
		{ "||x.example^$badfilter\n||x.example^\n", "", FL_DROP_DISABLED, 0 },
		{ "||x.example^$all,badfilter\n||x.example^\n", "x.example 3;", FL_DROP_DISABLED, 0 },
		{ "||x.example^$important,all\n||x.example^$all,badfilter,important\n", "", FL_DROP_DISABLED, 0 },
		{ "@@||x.example^\n||x.example^\n@@||x.example^$badfilter\n", "x.example 3;", FL_DROP_DISABLED, 0 },
		/* denyallow */
		{ "||x.example^$denyallow=a.x.example|b.x.example\n", "x.example 3;a.x.example 12;b.x.example 12;",
		  FL_DROP_COUNT, 0 },
		{ "||x.example^$denyallow=other.example\n", "x.example 3;", FL_DROP_COUNT, 0 },
		{ "||x.example^$denyallow=not.a.name.*\n", "x.example 3;", FL_DROP_COUNT, 0 },
		{ "||x.example^$denyallow=x.example\n", "", FL_DROP_DISABLED, 0 },
		{ "||x.example^$denyallow=a.x.example\n||a.x.example^\n", "x.example 3;a.x.example 3;", FL_DROP_COUNT,
		  0 },
		{ "||x.example^$denyallow=a.x.example\n||b.a.x.example^\n",
		  "x.example 3;a.x.example 12;b.a.x.example 3;", FL_DROP_COUNT, 0 },
		{ "||x.example^$denyallow=a.x.example\n||example^\n", "example 3;x.example 3;", FL_DROP_COUNT, 0 },
		{ "@@||x.example^$denyallow=a.x.example\n||x.example^\n", "x.example 12;a.x.example 3;",
		  FL_DROP_DISABLED, 0 },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_ADBLOCK);
}

static int refuse(void *ctx, const struct fl_feed_claim *c)
{
	(void)ctx;
	return c->line == 2 ? FL_ELIMIT : 0;
}

static void test_a_sink_ends_the_reading(void **state)
{
	const struct fl_feed_options opt = { .format = FL_FORMAT_DOMAINS, .scope = 1 };
	struct fl_feed_result res;
	struct fl_err err = { 0 };

	(void)state;
	assert_int_equal(fl_feed_parse(fl_span_str("a.example\nb.example\n"), &opt, refuse, NULL, NULL, &res, &err),
			 FL_ELIMIT);
	assert_non_null(strstr(err.text, "line 2"));
}

struct rejects {
	size_t n;
	uint32_t line;
	enum fl_drop why;
};

static void note(void *ctx, uint32_t line, struct fl_span text, enum fl_drop why)
{
	struct rejects *r = ctx;

	(void)text;
	r->n++;
	r->line = line;
	r->why = why;
}

static int count(void *ctx, const struct fl_feed_claim *c)
{
	(void)ctx;
	(void)c;
	return 0;
}

/* 100 million lines are a body of 100 MB: refused by their number, in every format of lines; csv and JSON count records. */
static void test_too_many_lines(void **state)
{
	enum { MOST = 20000000 };
	struct fl_feed_result res;
	char *body = malloc(MOST + 2);

	(void)state;
	memset(body, '\n', MOST + 2);
	memcpy(body, "#", 1);
	for (int f = FL_FORMAT_DOMAINS; f < FL_FORMAT_CSV; f++) {
		const struct fl_feed_options opt = { .format = (enum fl_format)f, .scope = 1 };
		struct fl_err err = { 0 };

		assert_int_equal(fl_feed_parse(fl_span(body, MOST + 1), &opt, count, NULL, NULL, &res, &err), 0);
		assert_int_equal(res.lines.in, MOST);
		assert_int_equal(fl_feed_parse(fl_span(body, MOST + 2), &opt, count, NULL, NULL, &res, &err), FL_ELIMIT);
		assert_string_equal(err.text, "over 20000000 lines");
	}
	free(body);
}

static void test_odd_bytes_are_survived(void **state)
{
	const struct fl_feed_options opt = { .format = FL_FORMAT_DOMAINS, .scope = 1 };
	struct fl_feed_result res;
	struct rejects rejects = { 0 };
	struct fl_err err = { 0 };
	struct fl_buf b = { 0 };

	(void)state;
	fl_buf_str(&b, "a.example\nb");
	fl_buf_u8(&b, 0);
	fl_buf_str(&b, ".example\n\xff\xfe.example\n");
	for (int i = 0; i < 5000; i++)
		fl_buf_u8(&b, 'x');
	fl_buf_str(&b, "\nz.example");
	assert_int_equal(fl_feed_parse(fl_buf_span(&b), &opt, count, note, &rejects, &res, &err), 0);
	assert_int_equal(res.claims, 4); /* what is no name is refused by the rules of names */
	assert_int_equal(res.lines.dropped[FL_DROP_LINE_TOO_LONG], 1);
	assert_int_equal(rejects.n, 1);
	assert_int_equal(rejects.line, 4);
	fl_buf_done(&b);
}

static int take_line(void *ctx, const struct fl_feed_claim *c)
{
	fl_buf_printf(ctx, "%u %.*s;", c->line, (int)c->name.n, (const char *)c->name.p);
	return 0;
}

static void reject_line(void *ctx, uint32_t line, struct fl_span text, enum fl_drop why)
{
	fl_buf_printf(ctx, "%u %s '%.*s';", line, fl_drop_word(why), (int)text.n, (const char *)text.p);
}

/* A person looks the line up in his editor: the numbers are those of the file, and the text is the line's. */
static void test_line_numbers(void **state)
{
	static const struct {
		enum fl_format format;
		const char *body, *want;
	} rows[] = {
		{ FL_FORMAT_HOSTS, "# t\n\n0.0.0.0 a.example b.example\n0.0.0.0 1.2.3.4\n",
		  "3 a.example;3 b.example;4 address '0.0.0.0 1.2.3.4';" },
		{ FL_FORMAT_DNSMASQ, "# t\r\n\r\naddress=/a.example/b.example/\r\n  local=x y\r\n",
		  "3 a.example;3 b.example;4 extra_fields 'local=x y';" },
		{ FL_FORMAT_UNBOUND, "server:\n  local-zone: a.example static\n\tnonsense\n",
		  "1 not_applicable 'server:';2 a.example;3 syntax 'nonsense';" },
		{ FL_FORMAT_URLS, "\n\nhttp://a.example/x\nhttps://github.com/x",
		  "3 a.example;4 shared_host 'https://github.com/x';" },
		{ FL_FORMAT_ZEEK, "#fields\tindicator\tindicator_type\na.example\tIntel::DOMAIN\nx\tIntel::EMAIL\n",
		  "2 a.example;3 not_applicable 'x\tIntel::EMAIL';" },
		/* an entry of many lines begins on its first; one that is broken gives up no other line */
		{ FL_FORMAT_RPZ, "; t\n@ SOA a. b. (1\n2 3\n4 5)\na.example CNAME (\n.\n)\nb.example CNAME .\n",
		  "2 not_applicable '@ SOA a. b. (1';5 a.example;8 b.example;" },
		{ FL_FORMAT_RPZ, "a.example CNAME (\nb.example CNAME .\n\nc.example CNAME )\nd.example CNAME .",
		  "1 syntax 'a.example CNAME (';2 b.example;4 syntax 'c.example CNAME )';5 d.example;" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct fl_feed_options opt = { .format = rows[i].format };
		struct fl_feed_result res = { 0 };
		struct fl_buf got = { 0 };
		struct fl_err err = { 0 };

		assert_int_equal(
			fl_feed_parse(fl_span_str(rows[i].body), &opt, take_line, reject_line, &got, &res, &err), 0);
		assert_string_equal(fl_buf_cstr(&got), rows[i].want);
		assert_true(fl_tally_balances(&res.lines));
		fl_buf_done(&got);
	}
}

/* However long an entry that nobody closes, what follows its first line is read. */
static void test_an_open_parenthesis_takes_no_file_with_it(void **state)
{
	const struct fl_feed_options opt = { .format = FL_FORMAT_RPZ };
	struct fl_feed_result res;
	struct fl_err err = { 0 };
	struct fl_buf b = { 0 };

	(void)state;
	fl_buf_str(&b, "x.example CNAME (\n");
	for (int i = 0; i < 10000; i++)
		fl_buf_printf(&b, "n%d.example CNAME .\n", i);
	assert_int_equal(fl_feed_parse(fl_buf_span(&b), &opt, count, NULL, NULL, &res, &err), 0);
	assert_int_equal(res.claims, 10000);
	assert_int_equal(res.refused, 1);
	assert_int_equal(res.lines.in, 10001);
	fl_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_adblock_lines),
		cmocka_unit_test(test_adblock_resolution),
		cmocka_unit_test(test_a_sink_ends_the_reading),
		cmocka_unit_test(test_too_many_lines),
		cmocka_unit_test(test_odd_bytes_are_survived),
		cmocka_unit_test(test_line_numbers),
		cmocka_unit_test(test_an_open_parenthesis_takes_no_file_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
