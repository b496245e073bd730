/* Exports: what each format's text says of a list, and that nothing a format cannot say is lost in silence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "publisher/export.h"
#include "tests/support/image_help.h"

enum { SOURCES = 3 };

/* "a:name=scope name=scope b:..." : up to three sources. */
static void sources_read(const char *text, struct fl_set set[SOURCES])
{
	char copy[4096], *save = NULL;
	int at = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *eq = strchr(w, '=');

		if (w[1] == ':') {
			at = w[0] - 'a';
			continue;
		}
		assert_non_null(eq);
		*eq = '\0';
		help_add(&set[at], w, (uint8_t)strtoul(eq + 1, NULL, 10));
	}
	for (int i = 0; i < SOURCES; i++)
		help_sort(&set[i]);
}

static void export_text(const char *format, const char *sources, const char *zone, struct fl_buf *text, struct fl_export_report *report)
{
	static struct fl_list_input inputs[SOURCES];
	struct fl_list_version v = { .list = "ads", .id = help_id(7), .inputs = inputs, .n_inputs = SOURCES, .names = 9, .at = INT64_C(1795442531000000) };
	struct fl_export_config c = { format, &v, fl_span_str(zone) };
	struct fl_entry_iter *in[SOURCES];
	struct fl_set set[SOURCES] = { 0 };
	struct fl_export *x = NULL;
	struct fl_err err = { 0 };
	int ret;

	sources_read(sources, set);
	for (int i = 0; i < SOURCES; i++)
		in[i] = fl_set_iter(&set[i]);
	assert_int_equal(fl_export_open(&c, in, SOURCES, &x, &err), 0);
	while ((ret = fl_export_next(x, text, &err)) == 1)
		;
	assert_int_equal(ret, 0);
	assert_int_equal(fl_export_next(x, text, &err), 0);
	*report = *fl_export_report(x);
	fl_export_close(x);
	for (int i = 0; i < SOURCES; i++)
		fl_set_done(&set[i]);
	assert_non_null(fl_buf_cstr(text));
}

/* Rules alone, joined by "; ". */
static void rules_of(const struct fl_buf *text, const char *comment, char out[8192])
{
	const char *p = (const char *)text->p, *end;

	out[0] = '\0';
	for (; *p; p = end + 1) {
		size_t n;

		end = strchr(p, '\n');
		assert_non_null(end); /* the last line has its end */
		if (*p == comment[0] || *p == '@' || *p == '$' || strncmp(p, "server:", 7) == 0)
			if (!(p[0] == '@' && p[1] == '@'))
				continue;
		n = strlen(out);
		snprintf(out + n, 8192 - n, "%s%.*s", n ? "; " : "", (int)(end - p), p);
	}
}

static void losses_of(const struct fl_export_report *r, char out[1024])
{
	out[0] = '\0';
	for (int e = 0; e < FL_EXPORT_EFFECTS; e++)
		for (int w = 0; w < FL_LOST_COUNT; w++)
			if (r->lost[e][w].count) {
				size_t n = strlen(out);

				snprintf(out + n, 1024 - n, "%s%s %s %d", n ? ", " : "", fl_export_effect_word((enum fl_export_effect)e),
					 fl_export_reason_word((enum fl_export_reason)w), (int)r->lost[e][w].count);
			}
}

static const struct {
	const char *format, *sources, *rules, *lost;
} rows[] = {
	/* domains: positive claims as they are, what an ancestor covers is left out */
	{ "domains", "a: x.example=1 y.example=2 z.example=3", "x.example; *.y.example; z.example; *.z.example", "" },
	{ "domains", "a: x.example=3 a.x.example=1 b: b.x.example=3", "x.example; *.x.example", "" },
	{ "domains", "a: x.example=3 ok.x.example=12 b.ok.x.example=1", "x.example; *.x.example", "widened exception 1" },
	{ "domains", "a: .=2 a.example=1", "*", "" },
	{ "domains", "a: zip=3", "zip; *.zip", "" },
	/* an exception cuts its own source's claims only */
	{ "domains", "a: x.example=3 b: ok.x.example=12", "x.example; *.x.example", "" },
	{ "domains", "a: x.example=3 ok.x.example=12 b: x.example=2", "x.example; *.x.example", "" },
	/* hosts: exact names; those below a subtree that are listed stay, since no line covers them */
	{ "hosts", "a: x.example=1", "0.0.0.0 x.example; :: x.example", "" },
	{ "hosts", "a: x.example=3 a.x.example=1", "0.0.0.0 x.example; :: x.example; 0.0.0.0 a.x.example; :: a.x.example", "narrowed below 1" },
	{ "hosts", "a: x.example=2", "", "dropped below 1" },
	{ "hosts", "a: x.example=3 ok.x.example=12", "0.0.0.0 x.example; :: x.example", "narrowed below 1" },
	{ "hosts", "a: localhost=1 ip6-loopback=1 localhost.localdomain=1 ip6-x.example=1 .=3", "0.0.0.0 ip6-x.example; :: ip6-x.example",
	  "dropped root 1, dropped reserved 3" },
	/* adblock: nearness becomes precedence */
	{ "adblock", "a: x.example=1 y.example=2 z.example=3", "|x.example^; ||*.y.example^; ||z.example^", "" },
	{ "adblock", "a: x.example=3 e.x.example=12 b.e.x.example=3 e2.b.e.x.example=4 q.e2.b.e.x.example=12",
	  "||x.example^; @@||e.x.example^; ||b.e.x.example^$important; @@|e2.b.e.x.example^$important; @@||q.e2.b.e.x.example^$important", "" },
	{ "adblock", "a: x.example=3 e.x.example=12 b.e.x.example=3 c.b.e.x.example=12 d.c.b.e.x.example=1",
	  "||x.example^; @@||e.x.example^; ||b.e.x.example^$important; @@||c.b.e.x.example^$important", "dropped nesting 1" },
	{ "adblock", "a: .=3 ok.example=12", "", "dropped root 1" },
	{ "adblock", "a: x.example=3 e.x.example=8", "||x.example^; @@||*.e.x.example^", "" },
	/* dnsmasq */
	{ "dnsmasq", "a: x.example=1 y.example=2 z.example=3", "local=/x.example/; server=/*.x.example/#; local=/*.y.example/; local=/z.example/", "" },
	{ "dnsmasq", "a: x.example=3 e.x.example=12 f.x.example=4 g.x.example=8",
	  "local=/x.example/; server=/e.x.example/#; server=/f.x.example/#; local=/*.f.x.example/; server=/*.g.x.example/#", "" },
	{ "dnsmasq", "a: .=3 ok.example=12", "address=/#/#; server=/ok.example/#", "" },
	/* unbound */
	{ "unbound", "a: z.example=3 e.z.example=12", "local-zone: \"z.example.\" always_nxdomain; local-zone: \"e.z.example.\" always_transparent", "" },
	{ "unbound", "a: x.example=1", "local-zone: \"x.example.\" transparent; local-data: 'x.example. 30 IN TXT \"blocked\"'", "" },
	{ "unbound", "a: y.example=2", "local-zone: \"y.example.\" always_nxdomain", "widened apex 1" },
	{ "unbound", "a: x.example=3 f.x.example=4", "local-zone: \"x.example.\" always_nxdomain; local-zone: \"f.x.example.\" always_transparent",
	  "narrowed exception-below 1" },
	{ "unbound", "a: .=2", "local-zone: \".\" always_nxdomain", "" },
	/* RPZ: both records of a subtree; nothing explicit below a wildcard that it covers */
	{ "rpz", "a: x.example=1 y.example=2 z.example=3", "x.example CNAME .; *.y.example CNAME .; z.example CNAME .; *.z.example CNAME .", "" },
	{ "rpz", "a: 2o7.net=2 bcbsks.com.102.112.2o7.net=1 b: 102.112.2o7.net=1", "*.2o7.net CNAME .", "" },
	{ "rpz", "a: 2o7.net=2 bcbsks.com.102.112.2o7.net=12",
	  "*.2o7.net CNAME .; 112.2o7.net CNAME .; *.112.2o7.net CNAME .; 102.112.2o7.net CNAME .; *.102.112.2o7.net CNAME .; "
	  "com.102.112.2o7.net CNAME .; *.com.102.112.2o7.net CNAME .; bcbsks.com.102.112.2o7.net CNAME rpz-passthru.; "
	  "*.bcbsks.com.102.112.2o7.net CNAME rpz-passthru.",
	  "" },
	{ "rpz", "a: x.example=3 ok.a.x.example=4 ok2.a.x.example=12",
	  "x.example CNAME .; *.x.example CNAME .; a.x.example CNAME .; *.a.x.example CNAME .; ok.a.x.example CNAME rpz-passthru.; *.ok.a.x.example CNAME .; "
	  "ok2.a.x.example CNAME rpz-passthru.; *.ok2.a.x.example CNAME rpz-passthru.",
	  "" },
	{ "rpz", "a: x.example=3 e.x.example=12 b.c.e.x.example=3",
	  "x.example CNAME .; *.x.example CNAME .; e.x.example CNAME rpz-passthru.; *.e.x.example CNAME rpz-passthru.; b.c.e.x.example CNAME .; *.b.c.e.x.example CNAME .", "" },
	{ "rpz", "a: .=3 ok.example=12", "* CNAME .; example CNAME .; *.example CNAME .; ok.example CNAME rpz-passthru.; *.ok.example CNAME rpz-passthru.", "" },
	{ "rpz", "a: 32.1.0.0.127.rpz-ip=1 x.rpz-nsdname=3 rpz-client-ip=3 rpz-ip.example=1", "rpz-ip.example CNAME .", "dropped reserved 3" },
};

static void what_each_format_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char rules[8192], lost[1024];
		struct fl_export_report r;
		struct fl_buf text = { 0 };

		export_text(rows[i].format, rows[i].sources, "", &text, &r);
		rules_of(&text, strcmp(rows[i].format, "rpz") == 0 ? ";" : strcmp(rows[i].format, "adblock") == 0 ? "!" : "#", rules);
		losses_of(&r, lost);
		if (strcmp(rules, rows[i].rules) || strcmp(lost, rows[i].lost))
			print_error("row %zu: %s of %s\n", i, rows[i].format, rows[i].sources);
		assert_string_equal(rules, rows[i].rules);
		assert_string_equal(lost, rows[i].lost);
		assert_int_equal(r.names, r.said + r.covered + fl_export_lost(&r));
		fl_buf_done(&text);
	}
}

/* Exactly these octets: a file made of one version is the same wherever and whenever it is made. */
static void head_and_foot(void **state)
{
	struct fl_export_report r;
	struct fl_buf text = { 0 };

	(void)state;
	export_text("rpz", "a: x.example=1 y.rpz-ip=1 z.rpz-ip=1", "", &text, &r);
	assert_string_equal((char *)text.p, "; list ads@7 as rpz, by fireline\n"
					    "; chain 0700000000000000\n"
					    "; time 2026-11-23T14:02:11Z\n"
					    "; entries 9 in 3 sources\n"
					    "$TTL 30\n"
					    "@ IN SOA fireline.invalid. fireline.invalid. 7 3600 600 604800 30\n"
					    "@ IN NS fireline.invalid.\n"
					    "x.example CNAME .\n"
					    "; loss {\"effect\":\"dropped\",\"reason\":\"reserved\",\"count\":2,\"examples\":[\"y.rpz-ip\",\"z.rpz-ip\"]}\n"
					    "; end {\"list\":\"ads\",\"version\":7,\"format\":\"rpz\",\"names\":3,\"said\":1,\"covered\":0,\"lost\":2,\"rules\":1}\n");
	fl_buf_done(&text);
	export_text("unbound", "", "", &text, &r);
	assert_non_null(strstr((char *)text.p, "\nserver:\n# end {\"list\":\"ads\",\"version\":7,\"format\":\"unbound\",\"names\":0,"));
	fl_buf_done(&text);
}

/* 253 octets of name: 3 labels of 63 and one of the rest. */
static void long_name(char out[FL_NAME_TEXT], size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		out[i] = i % 64 == 63 ? '.' : 'a';
	out[octets] = '\0';
}

static void rpz_owner_length(void **state)
{
	static const struct {
		size_t octets; /* of the name */
		int scope;
		const char *zone, *lost;
		int rules;
	} cases[] = {
		{ 253, 1, "", "dropped length 1", 0 },	     { 190, 3, "", "narrowed length 1", 1 },   { 188, 3, "", "", 2 },
		{ 191, 1, "", "dropped length 1", 0 },	     { 245, 1, "rpz.a", "", 1 },	       { 247, 1, "rpz.a", "", 1 },
		{ 248, 1, "rpz.a", "dropped length 1", 0 }, { 246, 3, "rpz.a.", "narrowed length 1", 1 }, { 245, 3, "rpz.a.", "", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[FL_NAME_TEXT], sources[FL_NAME_TEXT + 16], lost[1024];
		struct fl_export_report r;
		struct fl_buf text = { 0 };

		long_name(name, cases[i].octets);
		snprintf(sources, sizeof(sources), "a: %s=%d", name, cases[i].scope);
		export_text("rpz", sources, cases[i].zone, &text, &r);
		losses_of(&r, lost);
		assert_string_equal(lost, cases[i].lost);
		assert_int_equal(r.rules, cases[i].rules);
		fl_buf_done(&text);
	}
}

/* dnsmasq reads 1,024 octets a line, also of comments. */
static void report_lines_are_short(void **state)
{
	char name[FL_NAME_TEXT], sources[4096] = "a:";
	struct fl_export_report r;
	struct fl_buf text = { 0 };

	(void)state;
	long_name(name, 253);
	for (char c = 'b'; c < 'g'; c++) {
		name[0] = c;
		snprintf(sources + strlen(sources), sizeof(sources) - strlen(sources), " %s=2", name);
	}
	export_text("unbound", sources, "", &text, &r);
	assert_int_equal(r.lost[FL_EXPORT_WIDENED][FL_LOST_APEX].count, 5);
	for (const char *p = (const char *)text.p; *p; p = strchr(p, '\n') + 1)
		assert_in_range(strchr(p, '\n') - p, 1, 1000);
	fl_buf_done(&text);
}

static void usage(void **state)
{
	static const struct {
		const char *format, *zone, *says;
	} cases[] = { { "bind", "", "no format 'bind': domains, hosts, adblock, dnsmasq, unbound or rpz" },
		      { NULL, "", "no format ''" },
		      { "hosts", "rpz.example", "hosts has none" },
		      { "rpz", "a..b", "is no name of a zone" } };
	struct fl_list_version v = { .list = "ads" };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_export_config c = { cases[i].format, &v, fl_span_str(cases[i].zone) };
		struct fl_entry_iter *in[1] = { fl_entries_empty() };
		struct fl_export *x = NULL;
		struct fl_err err = { 0 };

		assert_int_equal(fl_export_open(&c, in, 1, &x, &err), FL_EUSAGE);
		assert_non_null(strstr(err.text, cases[i].says));
	}
}

/* A stream that gives names and then fails, as a store that goes away does. */
struct failing {
	struct fl_entry_iter door;
	const char *const *names;
	int end; /* what comes after them */
	struct fl_rkey key;
};

static int failing_next(struct fl_entry_iter *it, struct fl_entry *out, struct fl_err *err)
{
	struct failing *f = (struct failing *)it;

	if (!*f->names)
		return f->end < 0 ? fl_err_set(err, f->end, "the store went away") : 0;
	fl_rkey_from_text(fl_span_str(*f->names++), &f->key);
	*out = (struct fl_entry){ .key = fl_rkey_span(&f->key), .t.scope = FL_SCOPE_EXACT };
	return 1;
}

static void failing_close(struct fl_entry_iter *it)
{
	(void)it;
}

static int drained(const char *const *names, int end, struct fl_buf *text)
{
	struct failing f = { { failing_next, failing_close }, names, end, { 0 } };
	struct fl_list_version v = { .list = "ads" };
	struct fl_export_config c = { "domains", &v, fl_span(NULL, 0) };
	struct fl_entry_iter *in[1] = { &f.door };
	struct fl_export *x = NULL;
	struct fl_err err;
	int ret = fl_export_open(&c, in, 1, &x, &err);

	while (ret >= 0 && (ret = fl_export_next(x, text, &err)) == 1)
		;
	fl_export_close(x);
	return ret;
}

static void half_a_list_has_no_end(void **state)
{
	static const char *const good[] = { "a.example", "b.example", NULL }, *const unsorted[] = { "b.example", "a.example", NULL };
	struct fl_buf text = { 0 };

	(void)state;
	assert_int_equal(drained(good, FL_EUNAVAIL, &text), FL_EUNAVAIL);
	assert_null(strstr(fl_buf_cstr(&text), "# end"));
	fl_buf_done(&text);
	assert_int_equal(drained(unsorted, 0, &text), FL_ECORRUPT);
	assert_null(strstr(fl_buf_cstr(&text), "# end"));
	fl_buf_done(&text);
	assert_int_equal(drained(good, 0, &text), 0);
	assert_non_null(strstr(fl_buf_cstr(&text), "b.example\n# end"));
	fl_buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_each_format_says), cmocka_unit_test(head_and_foot),	cmocka_unit_test(rpz_owner_length),
		cmocka_unit_test(report_lines_are_short), cmocka_unit_test(usage), cmocka_unit_test(half_a_list_has_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
