/* finding inject --dry-run: documents in, a line a name out, without a daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/span.h"
#include "cli/command.h"

/* Run a command with this on its stdin; what it says on stdout and stderr is kept. */
static int run(const char *const *args, struct fl_span input, struct fl_buf *said)
{
	int argc = 0, ret, keep[3] = { dup(0), dup(1), dup(2) };
	FILE *in = tmpfile(), *out = tmpfile();
	char *argv[16], chunk[4096];
	size_t n;

	for (; args[argc]; argc++)
		argv[argc] = (char *)args[argc];
	argv[argc] = NULL;
	assert_int_equal(fwrite(input.p ? (const char *)input.p : "", 1, input.n, in), input.n);
	rewind(in);
	fflush(stdout);
	dup2(fileno(in), 0);
	clearerr(stdin);
	dup2(fileno(out), 1);
	dup2(fileno(out), 2);
	ret = fl_cli_main(argc, argv);
	fflush(stdout);
	for (int i = 0; i < 3; i++) {
		dup2(keep[i], i);
		close(keep[i]);
	}
	rewind(out);
	fl_buf_reset(said);
	while ((n = fread(chunk, 1, sizeof(chunk), out)) > 0)
		fl_buf_add(said, chunk, n);
	fclose(in);
	fclose(out);
	return ret;
}

#define AT "--at", "2026-11-23T00:00:00Z"

static void test_lines(void **state)
{
	static const char *const args[] = { "fireline", "finding", "inject", "--dry-run", "--json", AT, "-", NULL };
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "", "" },
		{ "{\"domain\":\"A.Example.\",\"id\":\"x\"}",
		  "{\"document\":1,\"domain\":\"A.Example.\",\"entry\":\"a.example\",\"scope\":\"exact\",\"action\":\"block\",\"list\":\"findings-block\","
		  "\"expires_at\":\"2026-12-07T00:00:00Z\",\"finding\":\"x\"}\n" },
		{ "{\"domain\":\"a.example\",\"expires_at\":\"2026-11-24T00:00:00.5Z\",\"id\":\"x\"}",
		  "{\"document\":1,\"domain\":\"a.example\",\"entry\":\"a.example\",\"scope\":\"exact\",\"action\":\"block\",\"list\":\"findings-block\","
		  "\"expires_at\":\"2026-11-24T00:00:00Z\",\"finding\":\"x\"}\n" },
		{ "{\"domain\":\"x.t.example\",\"type\":\"Trojan:EC2/DNSDataExfiltration\",\"id\":\"x\"}",
		  "{\"document\":1,\"domain\":\"x.t.example\",\"entry\":\"t.example\",\"scope\":\"subtree\",\"action\":\"alert\",\"list\":\"findings-alert\","
		  "\"expires_at\":\"2026-12-07T00:00:00Z\",\"finding\":\"x\"}\n" },
		{ "{\"domain\":\"a.example\",\"archived\":true,\"id\":\"x\"}",
		  "{\"document\":1,\"domain\":\"a.example\",\"entry\":\"a.example\",\"scope\":\"exact\",\"action\":\"withdraw\",\"list\":\"findings-block\","
		  "\"expires_at\":null,\"finding\":\"x\"}\n" },
		{ "{\"domain\":\"google.com\",\"id\":\"x\"}\nnot json\n{\"findings\":[]}\n{\"domain\":\"a.example\",\"severity\":1,\"id\":\"x\"}\n",
		  "{\"document\":1,\"refused\":\"protected\",\"domain\":\"google.com\",\"finding\":\"x\",\"text\":\"a protected name, quarantined: it would block google.com (shipped)\"}\n"
		  "{\"document\":2,\"refused\":\"malformed\",\"text\":\"not JSON: line 1, column 1: not a value\"}\n"
		  "{\"document\":3,\"refused\":\"no_domain\",\"text\":\"a document without a finding\"}\n"
		  "{\"document\":4,\"refused\":\"low_severity\",\"finding\":\"x\",\"text\":\"below the minimum severity\"}\n" },
		{ "[{\"domain\":7},\n {\"domain\":\"1.2.3.4\",\"id\":\"x\"}]",
		  "{\"document\":1,\"refused\":\"address\",\"domain\":\"1.2.3.4\",\"finding\":\"x\",\"text\":\"an address literal, not a name\"}\n"
		  "{\"document\":1,\"refused\":\"malformed\",\"text\":\"finding 1: domain is not a text\"}\n" },
	};
	struct fl_buf said = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(run(args, fl_span_str(rows[i].in), &said), 0);
		if (strcmp(fl_buf_cstr(&said), rows[i].out) != 0)
			fail_msg("row %zu: %s", i, fl_buf_cstr(&said));
	}
	fl_buf_done(&said);
}

static void test_a_line_over_the_limit(void **state)
{
	static const char *const args[] = { "fireline", "finding", "inject", "--dry-run", "--json", "-", NULL };
	struct fl_buf in = { 0 }, said = { 0 };

	(void)state;
	fl_buf_str(&in, "{\"domain\":\"a.example\"}\n{\"x\":\"");
	for (int i = 0; i < (17 << 20) / 16; i++)
		fl_buf_str(&in, "0123456789abcdef");
	fl_buf_str(&in, "\"}\n{\"domain\":\"b.example\"}\n");
	assert_int_equal(run(args, fl_buf_span(&in), &said), 0);
	assert_non_null(strstr(fl_buf_cstr(&said), "{\"document\":1,\"domain\":\"a.example\""));
	assert_non_null(strstr(fl_buf_cstr(&said), "{\"document\":2,\"refused\":\"line_too_long\""));
	assert_non_null(strstr(fl_buf_cstr(&said), "{\"document\":3,\"domain\":\"b.example\""));
	fl_buf_done(&in);
	fl_buf_done(&said);
}

static void test_for_people(void **state)
{
	static const char *const args[] = { "fireline", "finding", "inject", "--dry-run", AT, "-", NULL };
	struct fl_buf said = { 0 };

	(void)state;
	assert_int_equal(run(args, fl_span_str("{\"domain\":\"a.example\",\"id\":\"\\u001b[31mred\"}\n{\"domain\":\"\\u009bx\"}\n{\"domain\":\"b.example\",\"archived\":true}"), &said), 0);
	assert_null(strchr(fl_buf_cstr(&said), '\033'));
	assert_null(strstr(fl_buf_cstr(&said), "\xc2\x9b"));
	assert_non_null(strstr(fl_buf_cstr(&said), "DOCUMENT  ACTION"));
	assert_non_null(strstr(fl_buf_cstr(&said), "?[31mred"));
	assert_non_null(strstr(fl_buf_cstr(&said), "withdraw  b.example"));
	assert_non_null(strstr(fl_buf_cstr(&said), "would take 1, withdraw 1; refused 1\n"));
	fl_buf_done(&said);
}

/* The policy of a configuration, where one is named. */
static void test_a_policy(void **state)
{
	static const char yaml[] = "domain_lists: [{name: malware}]\n"
				   "protected: {names: [\"*.own.example\"]}\n"
				   "findings:\n  defaults: {min_severity: 8, ttl: 1d, own_exports: [rslvr-fdl-1]}\n"
				   "  actions: [{type: \"C2*\", into: malware, scope: registrable, ttl: 2d}, {type: noise, action: ignore}, {type: \"DNSFirewall:BLOCK\", action: block}]\n";
	static const char in[] = "{\"domain\":\"x.c2.example\",\"type\":\"C2x\",\"severity\":9,\"id\":\"1\"}\n"
				 "{\"domain\":\"a.example\",\"type\":\"noise\",\"severity\":9,\"id\":\"2\"}\n"
				 "{\"domain\":\"b.example\",\"severity\":7.5,\"id\":\"3\"}\n"
				 "{\"domain\":\"www.own.example\",\"severity\":9,\"id\":\"4\"}\n"
				 "{\"query-name\":\"q.example\",\"firewall-rule-action\":\"BLOCK\",\"firewall-domain-list-id\":\"rslvr-fdl-1\"}\n";
	char path[] = "/tmp/fireline-try-XXXXXX";
	const char *const args[] = { "fireline", "-c", path, "finding", "inject", "--dry-run", "-o", "ndjson", AT, "-", NULL };
	struct fl_buf said = { 0 };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0 && write(fd, yaml, sizeof(yaml) - 1) == (ssize_t)(sizeof(yaml) - 1));
	close(fd);
	assert_int_equal(run(args, fl_span_str(in), &said), 0);
	unlink(path);
	assert_non_null(strstr(fl_buf_cstr(&said), "\"entry\":\"c2.example\",\"scope\":\"subtree\",\"action\":\"block\",\"list\":\"malware\",\"expires_at\":\"2026-11-25T00:00:00Z\""));
	assert_non_null(strstr(fl_buf_cstr(&said), "{\"document\":2,\"refused\":\"ignored\""));
	assert_non_null(strstr(fl_buf_cstr(&said), "{\"document\":3,\"refused\":\"low_severity\""));
	assert_non_null(strstr(fl_buf_cstr(&said), "{\"document\":4,\"refused\":\"protected\""));
	assert_non_null(strstr(fl_buf_cstr(&said), "{\"document\":5,\"refused\":\"ignored\"")); /* an echo of our own export */
	fl_buf_done(&said);
}

static void test_exit_codes(void **state)
{
	static const struct {
		const char *args[10];
		int exit;
		const char *says;
	} rows[] = {
		{ { "fireline", "finding", "inject", "--dry-run", "/nonexistent.json" }, 66, "/nonexistent.json" },
		{ { "fireline", "finding", "inject", "--dry-run", "/tmp" }, 66, "/tmp" },
		{ { "fireline", "finding", "inject", "--dry-run", "--at", "noon", "-" }, 64, "no RFC 3339 time" },
		{ { "fireline", "finding", "inject", AT, "-" }, 64, "--at goes with --dry-run" },
		{ { "fireline", "-c", "/nonexistent.yaml", "finding", "inject", "--dry-run", "-" }, 78, "/nonexistent.yaml" },
		{ { "fireline", "finding", "inject", "--dry-run" }, 64, "usage: fireline finding inject FILE|-" },
	};
	struct fl_buf said = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int ret = run(rows[i].args, fl_span_str("{}"), &said);

		if (ret != rows[i].exit || !strstr(fl_buf_cstr(&said), rows[i].says))
			fail_msg("row %zu: %d, %s", i, ret, fl_buf_cstr(&said));
	}
	fl_buf_done(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_a_line_over_the_limit), cmocka_unit_test(test_for_people), cmocka_unit_test(test_a_policy), cmocka_unit_test(test_exit_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
