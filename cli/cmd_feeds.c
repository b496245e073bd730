/* feed ls|refresh|approve|reject|purge, finding inject. */
#include "cli/cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

json_t *fl_feed_row(const json_t *feeds, const char *feed)
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
	json_t *o = NULL, *row = fl_client_call(c, "ingest", "GET", "/v1/feeds", NULL, &o) == 0 ? json_incref(fl_feed_row(o, feed)) : NULL;

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
	if (fl_str(o, "reason")[0]) /* it was not begun */
		ret = fl_cli_fail(FL_EXIT_FAILED, "FL2108", "set enabled: true in the configuration", "feed '%s' is %s and is not fetched", feed, fl_str(o, "reason"));
	else if (wait)
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

/* --- finding inject --- */

int fl_cmd_finding_inject(struct fl_cli *c)
{
	struct fl_buf body = { 0 };
	struct fl_err err = { 0 };
	json_t *o = NULL;
	int ret;

	if (fl_cli_opt(c, "dry-run"))
		return fl_finding_try(c);
	if (fl_cli_opt(c, "at"))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--at goes with --dry-run");
	ret = fl_cli_read(c->args[0], &body, &err);
	if (ret < 0)
		return fl_cli_fail(FL_EXIT_INPUT, "FL2107", NULL, "%s", err.text);
	ret = fl_client_call_raw(c, "ingest", "POST", "/v1/findings", fl_buf_span(&body), &o);
	fl_buf_done(&body);
	if (ret)
		return ret;
	if (!fl_client_print(c, "FindingOutcome", o)) {
		printf("accepted %lld of %lld names -> %s", (long long)fl_int(o, "accepted"), (long long)fl_int(o, "domains"),
		       fl_str(o, "list")[0] ? fl_str(o, "list") : "no list");
		if (fl_int(o, "withdrawn") || fl_int(o, "duplicate") || fl_int(o, "refused"))
			printf("   withdrawn %lld, nothing new in %lld, refused %lld", (long long)fl_int(o, "withdrawn"), (long long)fl_int(o, "duplicate"),
			       (long long)fl_int(o, "refused"));
		printf("%s%s\n", fl_str(o, "reason")[0] ? ": " : "", fl_str(o, "reason"));
	}
	json_decref(o);
	return 0;
}
