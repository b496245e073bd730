/* feed show: one feed from three answers. What it is now comes from ingest; its versions and its comparison with the others from the store, and are left out with a word when they cannot be had. */
#include "cli/cmd.h"

#include <string.h>

static void print_drops(const json_t *tally)
{
	const char *reason;
	json_t *n;

	json_object_foreach (json_object_get(tally, "dropped"), reason, n)
		printf(" \302\267 %lld %s", (long long)json_integer_value(n), reason);
}

static void print_held(const json_t *row)
{
	const json_t *held = json_object_get(row, "held"), *q;
	const char *feed = fl_str(row, "feed");
	char a[40];
	size_t i;

	if (json_is_object(held)) {
		printf("  held       %lld names would become %lld: %lld added, %lld removed, waiting since %s\n", (long long)fl_int(held, "before"), (long long)fl_int(held, "after"),
		       (long long)fl_int(held, "added"), (long long)fl_int(held, "removed"), fl_human_ago(fl_str(held, "since"), a));
		if (strcmp(fl_str(held, "digest"), "expiry") == 0)
			printf("             fireline feed approve %s lets them leave\n", feed);
		else
			printf("             fireline feed approve %s, or fireline feed reject %s\n", feed, feed);
	}
	if (fl_int(row, "quarantined"))
		printf("  quarantine %lld entries would block a protected name; fireline feed approve %s NAME lets one in\n", (long long)fl_int(row, "quarantined"), feed);
	json_array_foreach (json_object_get(row, "quarantine"), i, q)
		printf("             %-12s %-40s protects %s (%s)\n", fl_str(q, "scope"), fl_str(q, "entry"), fl_str(q, "protects"), fl_str(q, "because"));
}

static void print_state(const json_t *row)
{
	int64_t limit = fl_int(row, "stale_after_s");
	char a[40], b[40];

	printf("%s -> %s   %s%s%s\n", fl_str(row, "feed"), fl_str(row, "into"), fl_str(row, "state"), fl_str(row, "reason")[0] ? ": " : "", fl_str(row, "reason"));
	printf("  last good  %s, limit %lld %s   version %lld, %s names\n", fl_human_ago(fl_str(row, "last_ok"), a), (long long)(limit >= 3600 ? limit / 3600 : limit / 60),
	       limit >= 3600 ? "h" : "min", (long long)fl_int(row, "version"), fl_human_count((uint64_t)fl_int(row, "names"), b));
	printf("  last body  %s octets\n", fl_human_count((uint64_t)fl_int(row, "bytes"), a));
	printf("  last read  %lld lines", (long long)fl_int(json_object_get(row, "lines"), "in")); /* of the last body that could be read, which may be an older one */
	print_drops(json_object_get(row, "lines"));
	print_drops(json_object_get(row, "claims"));
	putchar('\n');
}

static void print_history(const json_t *history)
{
	const json_t *v;
	char n[40], ago[40], plus[24], minus[24];
	size_t i;

	json_array_foreach (history, i, v) {
		snprintf(plus, sizeof(plus), "+%lld", (long long)fl_int(v, "added"));
		snprintf(minus, sizeof(minus), "-%lld", (long long)fl_int(v, "removed"));
		printf("  %s @%-6lld %-20s %-14s %8s %8s %10s names  %s%s%s\n", i ? "         " : "history  ", (long long)fl_int(v, "version"), fl_str(v, "at"),
		       fl_human_ago(fl_str(v, "at"), ago), plus, minus, fl_human_count((uint64_t)fl_int(v, "names"), n), fl_str(v, "cause"), fl_str(v, "reason")[0] ? ": " : "",
		       fl_str(v, "reason"));
	}
}

static double percent(json_int_t part, json_int_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_overlap(const json_t *o, const char *list)
{
	json_int_t compared = fl_int(o, "compared"), unique = fl_int(o, "unique");
	const json_t *w;
	char n[40], m[40];
	size_t i;

	printf("  unique     %s of %s names (%.1f %%) are in no other source of %s\n", fl_human_count((uint64_t)unique, n), fl_human_count((uint64_t)compared, m), percent(unique, compared),
	       list);
	if (!json_is_true(json_object_get(o, "complete")))
		printf("             the time was over: %s of %lld names were compared\n", m, (long long)fl_int(o, "names"));
	json_array_foreach (json_object_get(o, "with"), i, w) {
		json_int_t shared = fl_int(w, "shared");

		if (shared || strcmp(fl_str(w, "kind"), "feed") == 0)
			printf("  overlap    %-24s %10s (%.1f %%) of its %s names   -> %s\n", fl_str(w, "source"), fl_human_count((uint64_t)shared, n), percent(shared, compared),
			       fl_human_count((uint64_t)fl_int(w, "names"), m), fl_str(w, "into"));
	}
}

/* A part of the answer under its name; when it cannot be had, NULL is there and `KEY_problem` says why. */
static void add_part(struct fl_cli *c, json_t *row, const char *key, const char *target, const char *member)
{
	struct fl_err err = { 0 };
	json_t *o = NULL;
	int ret = fl_client_try(c, target, &o, &err);
	const char *said = ret == 0 ? fl_str(o, "error") : err.text;

	if (ret == 0 && !said[0])
		json_object_set(row, key, member ? json_object_get(o, member) : o);
	else {
		json_object_set_new(row, key, json_null());
		json_object_set_new(row, fl_arena_printf(&c->arena, "%s_problem", key), json_string(said));
	}
	json_decref(o);
}

static void print_feed(const json_t *row)
{
	print_state(row);
	print_held(row);
	print_history(json_object_get(row, "history"));
	if (json_is_object(json_object_get(row, "overlap")))
		print_overlap(json_object_get(row, "overlap"), fl_str(row, "into"));
	if (fl_str(row, "history_problem")[0])
		printf("  history    not known: %s\n", fl_str(row, "history_problem"));
	if (fl_str(row, "overlap_problem")[0])
		printf("  overlap    not known: %s\n", fl_str(row, "overlap_problem"));
}

int fl_cmd_feed_show(struct fl_cli *c)
{
	const char *feed = c->args[0];
	json_t *o = NULL, *row;
	int ret = fl_client_call(c, "ingest", "GET", "/v1/feeds", NULL, &o);

	if (ret)
		return ret;
	row = fl_feed_row(o, feed);
	if (!row)
		ret = fl_cli_fail(FL_EXIT_FAILED, "FL2109", "fireline feed ls", "the configuration has no feed '%s'", feed);
	else {
		add_part(c, row, "history", fl_client_target(c, fl_arena_printf(&c->arena, "/v1/feeds/%s/versions", feed), "limit", fl_cli_opt(c, "limit"), NULL), "items");
		add_part(c, row, "overlap", fl_arena_printf(&c->arena, "/v1/feeds/%s/overlap", feed), NULL);
		if (!fl_client_print(c, "Feed", row))
			print_feed(row);
	}
	json_decref(o);
	return ret;
}
