/* status, explain, tail, canon, version. */
#include "cli/cmd.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/time.h"
#include "cli/verdict.h"
#include "normalize/normalize.h"

/* --- status --- */

static void print_status(const json_t *o)
{
	const json_t *roles = json_object_get(o, "roles"), *e = json_object_get(roles, "enforce"), *s = json_object_get(e, "server"), *row;
	char a[40], b[40];
	size_t i;

	printf("fireline %s  %-10s enforcer %s%*s%s", FL_VERSION, fl_str(e, "mode"), fl_str(e, "enforcer"), 24, "", fl_str(o, "state"));
	if (json_array_size(json_object_get(o, "problems")))
		printf(" (%zu)", json_array_size(json_object_get(o, "problems")));
	printf("\n  image     %s names, %s octets\n", fl_human_count((uint64_t)fl_int(json_object_get(e, "image"), "names"), a),
	       fl_human_count((uint64_t)fl_int(json_object_get(e, "image"), "bytes"), b));
	printf("  answers   %s (blocked %s)", fl_human_count((uint64_t)fl_int(s, "answers"), a), fl_human_count((uint64_t)fl_int(s, "blocked"), b));
	printf("   query log written %s, dropped %s", fl_human_count((uint64_t)fl_int(s, "qlog_written"), a), fl_human_count((uint64_t)fl_int(s, "qlog_dropped"), b));
	if (fl_int(s, "qlog_rings_damaged") || fl_int(s, "qlog_rings_surplus"))
		printf(", rings lost: %lld damaged, %lld too many", (long long)fl_int(s, "qlog_rings_damaged"), (long long)fl_int(s, "qlog_rings_surplus"));
	putchar('\n');
	json_array_foreach (json_object_get(e, "lists"), i, row)
		printf("  list      %-24s @%-6lld %-9s %12s names  applied %s\n", fl_str(row, "list"), (long long)fl_int(row, "applied_version"),
		       fl_str(row, "state"), fl_human_count((uint64_t)fl_int(row, "names"), a), fl_human_ago(fl_str(row, "applied_at"), b));
	json_array_foreach (json_object_get(o, "problems"), i, row) {
		printf("! %-9s %s\n", fl_str(row, "what"), fl_str(row, "text"));
		if (fl_str(row, "hint")[0])
			printf("            %s\n", fl_str(row, "hint"));
	}
}

int fl_cmd_status(struct fl_cli *c)
{
	json_t *o;
	bool degraded;
	int ret = fl_client_call(c, "enforce", "GET", "/v1/status", NULL, &o);

	if (ret)
		return ret;
	if (!json_object_get(o, "roles")) { /* without an api role: the enforcer speaks for itself */
		o = fl_verdict_join(json_pack("{s:o}", fl_str(o, "role"), o), json_object());
	}
	degraded = strcmp(fl_str(o, "state"), "OK") != 0;
	if (!c->quiet && !fl_client_print(c, "Status", o))
		print_status(o);
	json_decref(o);
	return degraded ? FL_EXIT_DEGRADED : 0;
}

/* --- explain --- */

/* A claim's story on one line. */
static void print_claim(const json_t *k, const char *word, const char *lead)
{
	const char *actor = fl_str(k, "actor"), *reason = fl_str(k, "reason");

	printf("%s%s %s", lead, fl_str(k, "finding"), fl_str(k, "type"));
	if (json_number_value(json_object_get(k, "severity")) > 0)
		printf(" sev %.1f", json_number_value(json_object_get(k, "severity")));
	printf("   since %s", fl_str(k, "seen")[0] ? fl_str(k, "seen") : "-");
	if (fl_str(k, "updated")[0] && strcmp(fl_str(k, "updated"), fl_str(k, "seen")) != 0)
		printf("   updated %s", fl_str(k, "updated"));
	if (word)
		printf("   %s %s", word, fl_str(k, "changed"));
	else if (fl_str(k, "expires")[0])
		printf("   expires %s", fl_str(k, "expires"));
	else
		printf("   (no end)");
	printf("%s%s%s%s\n", actor[0] ? " by " : "", actor, reason[0] ? ": " : "", reason);
}

static void print_claims(const json_t *row)
{
	const json_t *k;
	size_t i;

	json_array_foreach (json_object_get(row, "claims"), i, k)
		print_claim(k, NULL, "             ");
}

/* What held the name once, or waits to. */
static void print_past(const json_t *o)
{
	const json_t *k;
	size_t i;

	json_array_foreach (json_object_get(o, "past"), i, k)
		print_claim(k, fl_str(k, "state"), i ? "             " : "  past       ");
}

static void print_explanation(const json_t *o)
{
	const json_t *m = json_object_get(o, "matched"), *r = json_object_get(o, "rule"), *row;
	size_t i;

	printf("%s  %s   client %s (association %s)\n", fl_str(o, "name"), fl_str(o, "qtype"), fl_str(o, "client"),
	       fl_str(o, "association")[0] ? fl_str(o, "association") : "none");
	printf("  verdict    %s%s%s%s\n", fl_str(o, "verdict"), fl_str(o, "response")[0] ? " -> " : "", fl_str(o, "response"),
	       json_is_true(json_object_get(o, "degraded")) ? "   DEGRADED: a list of these rules was never held" : "");
	if (json_is_object(json_object_get(o, "bypass")))
		printf("  bypass     until %.19sZ by %s (%s): logged, not enforced\n", fl_str(json_object_get(o, "bypass"), "until"), fl_str(json_object_get(o, "bypass"), "actor"),
		       fl_str(json_object_get(o, "bypass"), "reason"));
	if (m)
		printf("  matched    %s (%s)\n", fl_str(m, "entry"), fl_str(m, "scope"));
	if (r)
		printf("  rule       %s%s%s   priority %lld   %s@%lld\n", fl_str(r, "rule_group"), fl_str(r, "rule")[0] ? " / " : "", fl_str(r, "rule"),
		       (long long)fl_int(r, "priority"), fl_str(r, "list"), (long long)fl_int(r, "list_version"));
	json_array_foreach (json_object_get(o, "because"), i, row) {
		printf("  %-10s %-20s %-20s %s (%s)", i ? "" : "because", fl_str(row, "list"), fl_str(row, "source"), fl_str(row, "entry"), fl_str(row, "scope"));
		if (fl_str(row, "since")[0])
			printf("   since %s", fl_str(row, "since"));
		if (fl_str(row, "expires")[0])
			printf("   expires %s", fl_str(row, "expires"));
		putchar('\n');
		print_claims(row);
	}
	json_array_foreach (json_object_get(o, "steps"), i, row)
		printf("  %-10s %s/%lld %s %s: %s\n", i ? "" : "passed", fl_str(row, "rule_group")[0] ? fl_str(row, "rule_group") : "built-in",
		       (long long)fl_int(row, "priority"), fl_str(row, "action"), fl_str(row, "list"), fl_str(row, "result"));
	print_past(o);
	if (strcmp(fl_str(o, "verdict"), "BLOCK") == 0)
		printf("  undo       fireline allow %s --for 24h --reason \"...\"\n", fl_str(o, "name"));
}

int fl_cmd_explain(struct fl_cli *c)
{
	uint64_t ref;
	bool is_ref = fl_unbase32_40(fl_span_str(c->args[0]), &ref) && !strchr(c->args[0], '.');
	const char *target = is_ref ? fl_arena_printf(&c->arena, "/v1/refs/%s", c->args[0]) :
				      fl_client_target(c, "/v1/explanations", "name", c->args[0], "client", fl_cli_opt(c, "client"), "qtype",
						       fl_cli_opt(c, "qtype"), NULL);
	json_t *o;
	int ret = fl_client_call(c, "enforce", "GET", target, NULL, &o);

	if (ret)
		return ret;
	if (!fl_client_print(c, is_ref ? "QueryRecord" : "Explanation", o)) {
		if (is_ref) {
			json_dumpf(o, stdout, JSON_INDENT(2));
			putchar('\n');
		} else
			print_explanation(o);
	}
	if (fl_cli_opt(c, "exit-code") && !is_ref)
		ret = strcmp(fl_str(o, "verdict"), "BLOCK") == 0 ? FL_EXIT_BLOCK : strcmp(fl_str(o, "verdict"), "ALERT") == 0 ? FL_EXIT_ALERT : 0;
	json_decref(o);
	return ret;
}

/* --- tail --- */

struct tail {
	const struct fl_cli *c;
	long left; /* -1: no end */
};

static int on_record(void *ctx, struct fl_span line)
{
	struct tail *t = ctx;
	json_t *o, *f;

	if (t->c->out != FL_OUT_HUMAN) {
		fwrite(line.p, 1, line.n, stdout);
		putchar('\n');
	} else {
		o = json_loadb((const char *)line.p, line.n, 0, NULL);
		f = json_object_get(o, "fireline");
		if (json_object_get(o, "gap"))
			printf("... %lld records left out: this reader was too slow\n", (long long)fl_int(o, "gap"));
		else
			printf("%.8s %-5s %-9s %-15s %-6s %-40s %s %s\n", fl_str(o, "query_timestamp") + (strlen(fl_str(o, "query_timestamp")) > 11 ? 11 : 0),
			       fl_str(f, "action"), fl_str(o, "rcode"), fl_str(o, "srcaddr"), fl_str(o, "query_type"), fl_str(o, "query_name"),
			       fl_str(f, "list"), fl_str(f, "ref"));
		json_decref(o);
	}
	if (fflush(stdout) != 0)
		return FL_EIO;
	return t->left > 0 && --t->left == 0 ? FL_ELIMIT : 0;
}

int fl_cmd_tail(struct fl_cli *c)
{
	const char *limit = fl_cli_opt(c, "limit");
	uint64_t n = 0;
	struct tail t = { c, -1 };
	int ret;

	if (limit && (!fl_u64_parse(fl_span_str(limit), &n) || n == 0 || n > 1000000000))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--limit '%s' is no count", limit);
	if (n)
		t.left = (long)n;
	ret = fl_client_stream(c, "enforce",
			       fl_client_target(c, "/v1/tail", "action", fl_cli_opt(c, "action"), "list", fl_cli_opt(c, "list"), "client",
						fl_cli_opt(c, "client"), "name", fl_cli_opt(c, "name"), "qtype", fl_cli_opt(c, "qtype"), NULL),
			       true, on_record, &t);
	return t.left == 0 ? 0 : ret;
}

/* --- canon: a filter --- */

static void canon_line(const struct fl_names *n, struct fl_cli *c, struct fl_span line)
{
	bool registrable = fl_cli_opt(c, "registrable") != NULL;
	char text[FL_NAME_TEXT];
	struct fl_rkey key;
	struct fl_span k, r;
	const char *out = text, *why = NULL;
	enum fl_drop d = fl_name_from_url(n, line, &key);

	k = fl_rkey_span(&key);
	if (d != FL_DROP_COUNT)
		why = fl_drop_word(d);
	else if (registrable && !fl_name_registrable(n, k, &r))
		why = fl_drop_word(FL_DROP_ICANN_SUFFIX);
	else
		fl_rkey_to_text(registrable ? r : k, text);
	if (c->out == FL_OUT_HUMAN) {
		if (why)
			printf("!%s\n", why);
		else
			printf("%s\n", out);
		return;
	}
	json_t *o = why ? json_pack("{s:s}", "refused", why) : json_pack("{s:s}", "name", out);

	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

int fl_cmd_canon(struct fl_cli *c)
{
	struct fl_names *n = NULL;
	struct fl_err err = { 0 };
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (fl_names_open(fl_cli_opt(c, "psl-file"), &n, &err) < 0)
		return fl_cli_fail(FL_EXIT_INPUT, "FL2105", "apt-get install publicsuffix", "%s", err.text);
	for (int i = 0; i < c->n_args; i++)
		canon_line(n, c, fl_span_str(c->args[i]));
	while (c->n_args == 0 && (len = getline(&line, &cap, stdin)) > 0)
		canon_line(n, c, fl_span_trim(fl_span(line, (size_t)len)));
	free(line);
	fl_names_close(n);
	return 0;
}

int fl_cmd_version(struct fl_cli *c)
{
	json_t *o = json_pack("{s:s}", "version", FL_VERSION);

	if (!fl_client_print(c, "Version", o))
		printf("fireline %s\n", FL_VERSION);
	json_decref(o);
	return 0;
}

int fl_cmd_help(struct fl_cli *c)
{
	return fl_cli_help(stdout, c->n_args, c->args);
}
