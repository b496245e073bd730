/* feed ls|show|add|test|refresh|approve|reject|purge, finding inject. */
#include "cli/cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/time.h"
#include "ingest/ingest.h"

int fl_cmd_feed_ls(struct fl_cli *c)
{
	json_t *o, *row;
	char n[40], ago[40];
	size_t i;
	int ret = fl_client_call(c, "ingest", "GET", "/v1/feeds", NULL, &o);

	if (ret)
		return ret;
	if (!fl_client_print(c, "Feeds", o)) {
		printf("%-24s %-20s %-14s %12s  %s\n", "FEED", "INTO", "LAST OK", "NAMES", "STATE");
		json_array_foreach (json_object_get(o, "items"), i, row)
			printf("%-24s %-20s %-14s %12s  %s%s%s\n", fl_str(row, "feed"), fl_str(row, "into"), fl_human_ago(fl_str(row, "last_ok"), ago),
			       fl_human_count((uint64_t)fl_int(row, "names"), n), fl_str(row, "state"), fl_str(row, "reason")[0] ? ": " : "",
			       fl_str(row, "reason"));
	}
	json_decref(o);
	return 0;
}

/* Borrowed; NULL: no such feed. */
static json_t *row_of(const json_t *feeds, const char *feed)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(feeds, "items"), i, row)
		if (strcmp(fl_str(row, "feed"), feed) == 0)
			return row;
	return NULL;
}

/* The row of one feed, a new reference; NULL when it cannot be had. */
static json_t *feed_row(struct fl_cli *c, const char *feed)
{
	json_t *o = NULL, *row = fl_client_call(c, "ingest", "GET", "/v1/feeds", NULL, &o) == 0 ? json_incref(row_of(o, feed)) : NULL;

	json_decref(o);
	return row;
}

static bool under_way(const json_t *row, const char *last_try)
{
	return strcmp(fl_str(row, "state"), "fetching") == 0 || strcmp(fl_str(row, "last_try"), last_try) == 0;
}

/* Until the fetch that was asked for has ended; a line of progress on a terminal. */
static int wait_feed(struct fl_cli *c, const char *feed, const char *last_try)
{
	bool tty = isatty(2), done = false;
	char n[40];

	for (int ms = 0; ms < c->timeout_ms && !done; ms += 100) {
		json_t *row = feed_row(c, feed);

		if (!row)
			return FL_EXIT_UNREACHABLE;
		done = !under_way(row, last_try);
		if (tty && ms >= 500)
			fprintf(stderr, "\r%s  %s  %d.%d s%s", feed, done ? fl_str(row, "state") : "fetching", ms / 1000, ms / 100 % 10, done ? "\n" : "");
		if (done && !fl_client_print(c, "Feed", row))
			printf("%s: %s, %s names%s%s\n", feed, fl_str(row, "state"), fl_human_count((uint64_t)fl_int(row, "names"), n),
			       fl_str(row, "reason")[0] ? ": " : "", fl_str(row, "reason"));
		if (done && fl_str(row, "reason")[0]) {
			json_decref(row);
			return FL_EXIT_FAILED;
		}
		json_decref(row);
		if (!done)
			usleep(100000);
	}
	return done ? 0 : fl_cli_fail(FL_EXIT_TEMPORARY, "FL2108", "fireline feed ls", "feed '%s' is still being fetched", feed);
}

static int refresh_one(struct fl_cli *c, const char *feed)
{
	const char *last_try = "";
	bool wait = fl_cli_opt(c, "wait") && strcmp(feed, "-") != 0;
	json_t *o, *row = wait ? feed_row(c, feed) : NULL;
	int ret;

	if (row)
		last_try = fl_arena_str(&c->arena, fl_str(row, "last_try"));
	json_decref(row);
	ret = fl_client_call(c, "ingest", "POST", fl_arena_printf(&c->arena, "/v1/feeds/%s/fetches", feed), NULL, &o);
	if (ret)
		return ret;
	if (wait)
		ret = wait_feed(c, feed, last_try ? last_try : "");
	else if (!fl_client_print(c, "FeedRefresh", o))
		printf("%s: fetching now; fireline feed ls shows what comes of it\n", fl_str(o, "feed"));
	json_decref(o);
	return ret;
}

int fl_cmd_feed_refresh(struct fl_cli *c)
{
	int ret = c->n_args ? 0 : refresh_one(c, "-");

	for (int i = 0; ret == 0 && i < c->n_args; i++)
		ret = refresh_one(c, c->args[i]);
	return ret;
}

/* --- what is held, and what is quarantined --- */

static int word(struct fl_cli *c, const char *verb)
{
	json_t *body = json_object(), *names = json_array(), *o;
	const char *reason = fl_cli_opt(c, "reason");
	int ret;

	for (int i = 1; i < c->n_args; i++)
		json_array_append_new(names, json_string(c->args[i]));
	json_object_set_new(body, "names", names);
	json_object_set_new(body, "reason", json_string(reason ? reason : ""));
	ret = fl_client_call(c, "ingest", "POST", fl_arena_printf(&c->arena, "/v1/feeds/%s/%s", c->args[0], verb), body, &o);
	if (ret)
		return ret;
	if (!fl_client_print(c, "FeedWord", o))
		printf("%s: %sed; fetching now; fireline feed show %s\n", c->args[0], strcmp(verb, "approve") == 0 ? "approv" : "reject", c->args[0]);
	json_decref(o);
	return 0;
}

int fl_cmd_feed_approve(struct fl_cli *c)
{
	return word(c, "approve");
}

int fl_cmd_feed_reject(struct fl_cli *c)
{
	return word(c, "reject");
}

static void print_drops(const json_t *tally)
{
	const char *reason;
	json_t *n;

	json_object_foreach (json_object_get(tally, "dropped"), reason, n)
		printf(" \302\267 %lld %s", (long long)json_integer_value(n), reason);
}

static void print_feed(const json_t *row)
{
	const json_t *held = json_object_get(row, "held"), *q;
	const char *feed = fl_str(row, "feed");
	int64_t limit = fl_int(row, "stale_after_s");
	char a[40], b[40];
	size_t i;

	printf("%s -> %s   %s%s%s\n", feed, fl_str(row, "into"), fl_str(row, "state"), fl_str(row, "reason")[0] ? ": " : "", fl_str(row, "reason"));
	printf("  last good  %s, limit %lld %s   version %lld, %s names\n", fl_human_ago(fl_str(row, "last_ok"), a), (long long)(limit >= 3600 ? limit / 3600 : limit / 60),
	       limit >= 3600 ? "h" : "min", (long long)fl_int(row, "version"), fl_human_count((uint64_t)fl_int(row, "names"), b));
	printf("  last body  %s octets, %lld lines", fl_human_count((uint64_t)fl_int(row, "bytes"), a), (long long)fl_int(json_object_get(row, "lines"), "in"));
	print_drops(json_object_get(row, "lines"));
	print_drops(json_object_get(row, "claims"));
	putchar('\n');
	if (json_is_object(held)) {
		printf("  held       %lld names would become %lld: %lld added, %lld removed, waiting since %s\n", (long long)fl_int(held, "before"), (long long)fl_int(held, "after"),
		       (long long)fl_int(held, "added"), (long long)fl_int(held, "removed"), fl_human_ago(fl_str(held, "since"), a));
		printf("             fireline feed approve %s, or fireline feed reject %s\n", feed, feed);
	}
	if (fl_int(row, "quarantined"))
		printf("  quarantine %lld entries would block a protected name; fireline feed approve %s NAME lets one in\n", (long long)fl_int(row, "quarantined"), feed);
	json_array_foreach (json_object_get(row, "quarantine"), i, q)
		printf("             %-12s %-40s protects %s (%s)\n", fl_str(q, "scope"), fl_str(q, "entry"), fl_str(q, "protects"), fl_str(q, "because"));
}

int fl_cmd_feed_show(struct fl_cli *c)
{
	json_t *o = NULL, *row;
	int ret = fl_client_call(c, "ingest", "GET", "/v1/feeds", NULL, &o);

	if (ret)
		return ret;
	row = row_of(o, c->args[0]);
	if (!row)
		ret = fl_cli_fail(FL_EXIT_FAILED, "FL2109", "fireline feed ls", "the configuration has no feed '%s'", c->args[0]);
	else if (!fl_client_print(c, "Feed", row))
		print_feed(row);
	json_decref(o);
	return ret;
}

int fl_cmd_feed_purge(struct fl_cli *c)
{
	json_t *o;
	int ret;

	ret = fl_cli_confirm(c, fl_arena_printf(&c->arena, "purge all versions of source %s", c->args[0]));
	if (ret)
		return ret;
	ret = fl_client_call(c, "ingest", "POST", fl_arena_printf(&c->arena, "/v1/feeds/%s/purge", c->args[0]), NULL, &o);
	if (ret)
		return ret;
	if (!fl_client_print(c, "FeedPurge", o))
		printf("%s: purged\n", c->args[0]);
	json_decref(o);
	return 0;
}

/* --- feed test: without a daemon --- */

struct rejects {
	bool list;
	uint64_t n;
};

static void on_reject(void *ctx, uint32_t line, struct fl_span text, enum fl_drop why)
{
	struct rejects *r = ctx;

	if (why == FL_DROP_COMMENT)
		return;
	r->n++;
	if (r->list)
		printf("%u\t%s\t%.*s\n", line, fl_drop_word(why), (int)(text.n < 200 ? text.n : 200), (const char *)text.p);
}

static int fetch(struct fl_cli *c, const char *url, struct fl_buf *body, struct fl_err *err)
{
	struct fl_http_request req = { .url = url, .max_bytes = 256u << 20, .connect_timeout_ms = 10000, .timeout_ms = c->timeout_ms, .low_speed_s = 20,
				       .max_redirects = 5, .allow_private = fl_cli_opt(c, "allow-private") != NULL };
	struct fl_http_response r;
	struct fl_http *h = NULL;
	uint64_t id;
	int ret = fl_http_curl_open("fireline/" FL_VERSION, &h, err);

	if (ret == 0)
		ret = h->ops->start(h, &req, &id, err);
	while (ret == 0 && h->ops->poll(h, 1000, &r) == 0)
		;
	if (ret == 0 && (r.code < 0 || r.status != 200))
		ret = fl_err_set(err, FL_EUNAVAIL, "%s%s (status %ld)", r.reason, r.reason[0] ? "" : "the server did not give the list", r.status);
	if (ret == 0) {
		*body = r.body;
		r.body = (struct fl_buf){ 0 };
		fl_http_response_done(&r);
	}
	if (h)
		h->ops->close(h);
	return ret;
}

static int read_path(const char *path, struct fl_buf *out, struct fl_err *err)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	size_t n = 1;

	if (!f)
		return fl_err_set(err, FL_ENOTFOUND, "%s: %s", path, strerror(errno));
	while (n && fl_buf_reserve(out, 65536)) {
		n = fread(out->p + out->n, 1, 65536, f);
		out->n += n;
	}
	if (f != stdin)
		fclose(f);
	return out->failed ? FL_ENOMEM : 0;
}

static bool parse_options(struct fl_cli *c, struct fl_feed_options *opt)
{
	const char *format = fl_cli_opt(c, "format"), *scope = fl_cli_opt(c, "scope");

	opt->format = FL_FORMAT_AUTO;
	opt->scope = 0;
	if (format && !fl_format_parse(format, &opt->format))
		return false;
	return !scope || strcmp(scope, "as_written") == 0 || fl_scope_parse(scope, &opt->scope);
}

static void print_trial(const struct fl_feed_trial *t, uint64_t bytes)
{
	char n[40];

	printf("%s format   %s, %s octets\n", t->refused ? "!" : "ok", fl_format_word(t->parsed.format), fl_human_count(bytes, n));
	printf("   names    %s kept", fl_human_count(t->names, n));
	for (unsigned i = 0; i < FL_DROP_COUNT; i++)
		if (t->claims.dropped[i] + t->parsed.lines.dropped[i])
			printf(" · %llu %s", (unsigned long long)(t->claims.dropped[i] + t->parsed.lines.dropped[i]), fl_drop_word((enum fl_drop)i));
	putchar('\n');
	if (t->refused)
		printf("   verdict  refused: %s\n", t->reason);
}

static void print_entries(const struct fl_set *set)
{
	char name[FL_NAME_TEXT], scope[FL_SCOPE_TEXT];

	for (size_t i = 0; i < set->n; i++)
		printf("%s\t%s\n", fl_scope_format(set->v[i].t.scope, scope), fl_rkey_to_text(fl_set_key(set, i), name));
}

int fl_cmd_feed_test(struct fl_cli *c)
{
	struct rejects rejects = { .list = fl_cli_opt(c, "rejects") != NULL };
	bool entries = fl_cli_opt(c, "entries") != NULL;
	struct fl_feed_options opt;
	struct fl_feed_trial t;
	struct fl_names *names = NULL;
	struct fl_buf body = { 0 };
	struct fl_set set = { 0 };
	struct fl_err err = { 0 };
	int ret;

	if (!parse_options(c, &opt))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "unknown --format or --scope");
	ret = fl_names_open(NULL, &names, &err);
	if (ret == 0)
		ret = strstr(c->args[0], "://") ? fetch(c, c->args[0], &body, &err) : read_path(c->args[0], &body, &err);
	if (ret == 0)
		ret = fl_http_unpack(&body, 1u << 30, 0, &err);
	if (ret == 0)
		ret = fl_feed_try(names, &opt, fl_buf_span(&body), 0, on_reject, &rejects, &set, &t, &err);
	if (ret < 0) {
		ret = fl_cli_fail(ret == FL_EUNAVAIL ? FL_EXIT_UNREACHABLE : FL_EXIT_INPUT, "FL2104", NULL, "%s: %s", c->args[0], err.text);
		goto out;
	}
	if (entries)
		print_entries(&set);
	else if (!rejects.list && c->out == FL_OUT_HUMAN)
		print_trial(&t, body.n);
	else if (!rejects.list) {
		json_t *o = json_pack("{s:s, s:I, s:I, s:b, s:s}", "format", fl_format_word(t.parsed.format), "names", (json_int_t)t.names, "rejected",
				      (json_int_t)rejects.n, "refused", t.refused, "reason", t.reason);

		fl_client_print(c, "FeedTest", o);
		json_decref(o);
	}
	ret = t.refused ? FL_EXIT_FAILED : 0;
out:
	fl_set_done(&set);
	fl_buf_done(&body);
	fl_names_close(names);
	return ret;
}

/* --- finding inject --- */

int fl_cmd_finding_inject(struct fl_cli *c)
{
	const char *dry = fl_cli_opt(c, "dry-run") ? "1" : NULL;
	struct fl_buf body = { 0 };
	struct fl_err err = { 0 };
	json_t *o = NULL;
	int ret = read_path(c->args[0], &body, &err);

	if (ret < 0)
		return fl_cli_fail(FL_EXIT_INPUT, "FL2107", NULL, "%s", err.text);
	ret = fl_client_call_raw(c, "ingest", "POST", fl_client_target(c, "/v1/findings", "dry_run", dry, NULL), fl_buf_span(&body), &o);
	fl_buf_done(&body);
	if (ret)
		return ret;
	if (!fl_client_print(c, "FindingOutcome", o)) {
		printf("%s %lld of %lld names -> %s", dry ? "would accept" : "accepted", (long long)fl_int(o, "accepted"), (long long)fl_int(o, "domains"),
		       fl_str(o, "list")[0] ? fl_str(o, "list") : "no list");
		if (fl_int(o, "withdrawn") || fl_int(o, "duplicate") || fl_int(o, "refused"))
			printf("   withdrawn %lld, nothing new in %lld, refused %lld", (long long)fl_int(o, "withdrawn"), (long long)fl_int(o, "duplicate"),
			       (long long)fl_int(o, "refused"));
		printf("%s%s\n", fl_str(o, "reason")[0] ? ": " : "", fl_str(o, "reason"));
	}
	json_decref(o);
	return 0;
}
