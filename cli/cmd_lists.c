/* list ls|show|names|add|rm|purge, log, diff, rollback, hold, unhold, recover, approve, block, allow. */
#include "cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"

const char *fl_cli_split_version(struct fl_cli *c, const char *arg, const char **version)
{
	const char *at = strchr(arg, '@');

	*version = at ? at + 1 : NULL;
	return at ? fl_arena_strn(&c->arena, arg, (size_t)(at - arg)) : arg;
}

static const char *list_path(struct fl_cli *c, const char *list, const char *rest)
{
	return fl_arena_printf(&c->arena, "/v1/domain-lists/%s%s", list, rest);
}

int fl_cmd_list_ls(struct fl_cli *c)
{
	json_t *o, *row;
	char n[40], ago[40];
	size_t i;
	int ret = fl_client_call(c, NULL, "GET", "/v1/domain-lists", NULL, &o);

	if (ret)
		return ret;
	if (!fl_client_print(c, "DomainLists", o)) {
		printf("%-24s %8s %12s  %-14s %s\n", "LIST", "VERSION", "NAMES", "PUBLISHED", "DESCRIPTION");
		json_array_foreach (json_object_get(o, "items"), i, row)
			printf("%-24s %8lld %12s  %-14s %s\n", fl_str(row, "list"), (long long)fl_int(row, "version"),
			       fl_human_count((uint64_t)fl_int(row, "names"), n), fl_human_ago(fl_str(row, "published_at"), ago),
			       fl_str(row, "description"));
	}
	json_decref(o);
	return 0;
}

static void print_version(const json_t *v)
{
	const json_t *row;
	char n[40], ago[40];
	size_t i;

	printf("%s@%lld  %s  %s names\n", fl_str(v, "list"), (long long)fl_int(v, "version"), fl_str(v, "at"),
	       fl_human_count((uint64_t)fl_int(v, "names"), n));
	printf("  cause      %s%s%s by %s\n", fl_str(v, "cause"), fl_str(v, "reason")[0] ? ": " : "", fl_str(v, "reason"), fl_str(v, "actor"));
	printf("  published  %s\n  epoch      %s\n  chain      %s\n", fl_human_ago(fl_str(v, "at"), ago), fl_str(v, "epoch"), fl_str(v, "chain"));
	json_array_foreach (json_object_get(v, "inputs"), i, row)
		printf("  input      %-24s @%-6lld %12s names%s%s\n", fl_str(row, "source"), (long long)fl_int(row, "version"),
		       fl_human_count((uint64_t)fl_int(row, "entries"), n), json_is_true(json_object_get(row, "pinned")) ? "  PINNED" : "",
		       json_is_true(json_object_get(row, "gone")) ? "  GONE from the store" : "");
}

int fl_cmd_list_show(struct fl_cli *c)
{
	const char *version, *list = fl_cli_split_version(c, c->args[0], &version);
	json_t *o;
	int ret = fl_client_call(c, NULL, "GET", fl_client_target(c, list_path(c, list, ""), "at", version, NULL), NULL, &o);

	if (ret)
		return ret;
	if (!fl_client_print(c, "DomainListVersion", o))
		print_version(o);
	json_decref(o);
	return 0;
}

struct lines {
	const struct fl_cli *c;
	json_t *all;
	uint64_t n, add, remove, other;
	bool stat;
	int failed;
};

static int on_name(void *ctx, struct fl_span line)
{
	struct lines *l = ctx;
	json_t *o;

	if (l->c->out == FL_OUT_NDJSON) {
		fwrite(line.p, 1, line.n, stdout);
		fputc('\n', stdout);
	}
	o = json_loadb((const char *)line.p, line.n, 0, NULL);
	if (json_object_get(o, "error"))
		l->failed = fl_cli_fail(FL_EXIT_FAILED, "FL3103", "try again", "the list ends here: %s", fl_str(o, "error"));
	else if (l->c->out == FL_OUT_JSON)
		json_array_append(l->all, o);
	else if (l->c->out == FL_OUT_HUMAN)
		printf("%-48s %-16s %s\n", fl_str(o, "name"), fl_str(o, "scope"), fl_str(o, "source"));
	l->n++;
	json_decref(o);
	return l->failed ? FL_EIO : 0;
}

static int finish(struct lines *l, const char *kind, int ret)
{
	json_t *o;

	if (ret == 0 && l->failed)
		ret = l->failed;
	if (ret == 0 && l->c->out == FL_OUT_JSON) {
		o = json_pack("{s:O}", "items", l->all);
		fl_client_envelope(kind, o);
		json_decref(o);
	}
	json_decref(l->all);
	return ret;
}

int fl_cmd_list_names(struct fl_cli *c)
{
	const char *version, *list = fl_cli_split_version(c, c->args[0], &version);
	struct lines l = { .c = c, .all = json_array() };
	const char *target = fl_client_target(c, list_path(c, list, "/entries"), "at", version, "grep", fl_cli_opt(c, "grep"), NULL);

	return finish(&l, "Entries", fl_client_stream(c, "api", target, false, on_name, &l));
}

static int on_change(void *ctx, struct fl_span line)
{
	struct lines *l = ctx;
	json_t *o = json_loadb((const char *)line.p, line.n, 0, NULL);
	const char *op = fl_str(o, "op");

	if (json_object_get(o, "error"))
		l->failed = fl_cli_fail(FL_EXIT_FAILED, "FL3103", "try again", "the difference ends here: %s", fl_str(o, "error"));
	else {
		l->n++;
		*(strcmp(op, "add") == 0 ? &l->add : strcmp(op, "remove") == 0 ? &l->remove : &l->other) += 1;
		if (l->c->out == FL_OUT_JSON)
			json_array_append(l->all, o);
		else if (l->c->out == FL_OUT_NDJSON) {
			fwrite(line.p, 1, line.n, stdout);
			fputc('\n', stdout);
		} else if (!l->stat)
			printf("%c %-48s %-16s %s\n", strcmp(op, "add") == 0 ? '+' : strcmp(op, "remove") == 0 ? '-' : '~', fl_str(o, "name"),
			       strcmp(op, "remove") == 0 ? fl_str(o, "from") : fl_str(o, "to"), fl_str(o, "source"));
	}
	json_decref(o);
	return l->failed ? FL_EIO : 0;
}

/* L, L@B, or L and A..B: the range of `diff`. */
int fl_cmd_diff(struct fl_cli *c)
{
	const char *to, *list = fl_cli_split_version(c, c->args[0], &to), *from = NULL, *dots;
	struct lines l = { .c = c, .all = json_array(), .stat = fl_cli_opt(c, "stat") != NULL };
	const char *range = c->n_args > 1 ? c->args[1] : to;
	int ret;

	dots = range ? strstr(range, "..") : NULL;
	if (dots) {
		from = fl_arena_strn(&c->arena, range, (size_t)(dots - range));
		to = dots + 2;
	} else if (range)
		to = range;
	ret = fl_client_stream(c, "api", fl_client_target(c, list_path(c, list, "/diff"), "from", from, "to", to, "grep", fl_cli_opt(c, "grep"), NULL), false,
			       on_change, &l);
	if (ret == 0 && !l.failed && c->out == FL_OUT_HUMAN)
		printf("%s%llu added, %llu removed, %llu changed\n", l.stat ? "" : "\n", (unsigned long long)l.add, (unsigned long long)l.remove,
		       (unsigned long long)l.other);
	ret = finish(&l, "Diff", ret);
	return ret == 0 && l.n && fl_cli_opt(c, "exit-code") ? FL_EXIT_DIFFERS : ret;
}

int fl_cmd_log(struct fl_cli *c)
{
	const char *version, *list = fl_cli_split_version(c, c->args[0], &version);
	json_t *o, *row;
	char n[40];
	size_t i;
	int ret = fl_client_call(c, NULL, "GET", fl_client_target(c, list_path(c, list, "/versions"), "from", version, "limit", fl_cli_opt(c, "limit"), NULL), NULL,
				 &o);

	if (ret)
		return ret;
	if (!fl_client_print(c, "Versions", o)) {
		printf("%8s  %-20s %-12s %8s %8s %12s  %s\n", "VERSION", "WHEN", "BY", "+", "-", "NAMES", "WHY");
		json_array_foreach (json_object_get(o, "items"), i, row)
			printf("%8lld  %.19sZ %-12s %8lld %8lld %12s  %s%s%s\n", (long long)fl_int(row, "version"), fl_str(row, "at"), fl_str(row, "actor"),
			       (long long)fl_int(row, "added"), (long long)fl_int(row, "removed"), fl_human_count((uint64_t)fl_int(row, "names"), n),
			       fl_str(row, "cause"), fl_str(row, "reason")[0] ? ": " : "", fl_str(row, "reason"));
	}
	json_decref(o);
	return 0;
}

/* --- decisions of a person --- */

static int publication(struct fl_cli *c, const char *kind, json_t *body)
{
	const char *list = c->args[0];
	bool dry = fl_cli_opt(c, "dry-run") != NULL;
	json_t *o, *v;
	int ret;

	json_object_set_new(body, "kind", json_string(kind));
	json_object_set_new(body, "dry_run", json_boolean(dry));
	json_object_set_new(body, "reason", json_string(fl_cli_opt(c, "reason") ? fl_cli_opt(c, "reason") : ""));
	ret = fl_client_call(c, "publish", "POST", list_path(c, list, "/publications"), body, &o);
	if (ret)
		return ret;
	v = json_object_get(o, "version");
	if (!fl_client_print(c, "Publication", o)) {
		printf("%s %s@%lld (was %lld): +%lld -%lld names\n", dry ? "would publish" : "published", list, (long long)fl_int(v, "version"),
		       (long long)fl_int(o, "before"), (long long)fl_int(o, "would_add"), (long long)fl_int(o, "would_remove"));
		if (fl_str(o, "note")[0])
			printf("%s\n", fl_str(o, "note"));
		if (!dry && strcmp(kind, "rollback") == 0)
			printf("undo: fireline unhold %s\n", list);
		if (!dry && strcmp(kind, "hold") == 0)
			printf("undo: fireline unhold %s\n", list);
		if (!dry && strcmp(kind, "unhold") == 0)
			printf("undo: fireline rollback %s --to %lld\n", list, (long long)fl_int(o, "before"));
	}
	json_decref(o);
	return 0;
}

int fl_cmd_rollback(struct fl_cli *c)
{
	const char *to = fl_cli_opt(c, "to");
	json_t *body = json_object();

	if (to)
		json_object_set_new(body, "to", json_integer(strtoll(to, NULL, 10)));
	json_object_set_new(body, "include_findings", json_boolean(fl_cli_opt(c, "include-findings") != NULL));
	return publication(c, "rollback", body);
}

static json_t *with_source(struct fl_cli *c)
{
	json_t *body = json_object();

	if (fl_cli_opt(c, "source"))
		json_object_set_new(body, "source", json_string(fl_cli_opt(c, "source")));
	return body;
}

int fl_cmd_hold(struct fl_cli *c)
{
	return publication(c, "hold", with_source(c));
}

int fl_cmd_unhold(struct fl_cli *c)
{
	return publication(c, "unhold", with_source(c));
}

int fl_cli_confirm(struct fl_cli *c, const char *what)
{
	char line[16] = "";

	if (c->yes || fl_cli_opt(c, "dry-run"))
		return 0;
	if (!isatty(0) || !isatty(2))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2002", "add --yes", "%s needs --yes when nobody can be asked", what);
	fprintf(stderr, "%s? [y/N] ", what);
	if (!fgets(line, sizeof(line), stdin) || (line[0] != 'y' && line[0] != 'Y'))
		return fl_cli_fail(FL_EXIT_FAILED, "FL2003", NULL, "not done");
	return 0;
}

int fl_cmd_recover(struct fl_cli *c)
{
	json_t *body = json_object(), *without = json_array();
	int ret;

	for (int i = 0; i < c->n_opts; i++)
		if (strcmp(c->opts[i].name, "without") == 0)
			json_array_append_new(without, json_string(c->opts[i].value));
	json_object_set_new(body, "without", without);
	if (!c->yes && !fl_cli_opt(c, "dry-run")) { /* first what it would add and take away */
		json_t *dry = json_deep_copy(body), *o;

		json_object_set_new(dry, "kind", json_string("recover"));
		json_object_set_new(dry, "dry_run", json_true());
		ret = fl_client_call(c, "publish", "POST", list_path(c, c->args[0], "/publications"), dry, &o);
		if (ret) {
			json_decref(body);
			return ret;
		}
		fprintf(stderr, "recover %s: would add %lld and take away %lld names on every enforcer\n", c->args[0], (long long)fl_int(o, "would_add"),
			(long long)fl_int(o, "would_remove"));
		if (fl_int(o, "lost_version"))
			fprintf(stderr, "version %lld was published and the store lost it: what it held and this lacks is not counted\n",
				(long long)fl_int(o, "lost_version"));
		json_decref(o);
		ret = fl_cli_confirm(c, "go on");
		if (ret) {
			json_decref(body);
			return ret;
		}
	}
	return publication(c, "recover", body);
}

int fl_cmd_list_purge(struct fl_cli *c)
{
	int ret = fl_cli_confirm(c, "purge all versions of this list");

	return ret ? ret : publication(c, "purge", json_object());
}

int fl_cmd_approve(struct fl_cli *c)
{
	json_t *body = json_pack("{s:s, s:s}", "list", c->args[0], "reason", fl_cli_opt(c, "reason") ? fl_cli_opt(c, "reason") : ""), *o;
	int ret = fl_client_call(c, "ingest", "POST", "/v1/approvals", body, &o);

	if (ret)
		return ret;
	if (!fl_client_print(c, "Approval", o))
		printf("%s: %lld claims that were past their time have left\nundo: fireline rollback %s --include-findings\n", c->args[0], (long long)fl_int(o, "expired"),
		       c->args[0]);
	json_decref(o);
	return 0;
}

/* --- operator entries --- */

static int entries(struct fl_cli *c, const char *list, bool add, int first, int64_t for_ms)
{
	json_t *names = json_array(), *body, *o;
	int ret;

	for (int i = first; i < c->n_args; i++)
		json_array_append_new(names, json_string(c->args[i]));
	body = json_pack("{s:s, s:b, s:o, s:s}", "list", list, "add", add, "names", names, "reason", fl_cli_opt(c, "reason") ? fl_cli_opt(c, "reason") : "");
	if (for_ms)
		json_object_set_new(body, "expires_at_us", json_integer((json_int_t)time(NULL) * FL_US_PER_S + for_ms * 1000));
	else if (fl_cli_opt(c, "permanent"))
		json_object_set_new(body, "permanent", json_true());
	ret = fl_client_call(c, "ingest", "POST", "/v1/entries", body, &o);
	if (ret)
		return ret;
	if (!fl_client_print(c, "Entries", o)) {
		printf("%s: %lld added, %lld removed (%s.operator@%lld)%s%.19s%s\n", list, (long long)fl_int(o, "added"), (long long)fl_int(o, "removed"), list,
		       (long long)fl_int(o, "source_version"), fl_str(o, "expires_at")[0] ? ", until " : "", fl_str(o, "expires_at"), fl_str(o, "expires_at")[0] ? "Z" : "");
		printf("undo: fireline list %s %s %s\n", add ? "rm" : "add", list, c->args[first]);
	}
	json_decref(o);
	return 0;
}

int fl_cmd_list_add(struct fl_cli *c)
{
	const char *dur = fl_cli_opt(c, "for");
	int64_t ms = 0;

	if (dur && (!fl_duration_parse(dur, &ms) || ms <= 0))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--for '%s' is no duration (1h, 30d)", dur);
	return entries(c, c->args[0], true, 1, ms);
}

int fl_cmd_list_rm(struct fl_cli *c)
{
	return entries(c, c->args[0], false, 1, 0);
}

static int urgent(struct fl_cli *c, const char *list)
{
	const char *dur = fl_cli_opt(c, "for");
	int64_t ms = 0;

	if (!fl_cli_opt(c, "remove") && !dur && !fl_cli_opt(c, "permanent"))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2004", "add --for 24h, or --permanent", "an end must be given");
	if (dur && (!fl_duration_parse(dur, &ms) || ms <= 0))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--for '%s' is no duration (1h, 30d)", dur);
	return entries(c, list, !fl_cli_opt(c, "remove"), 0, ms);
}

int fl_cmd_block(struct fl_cli *c)
{
	return urgent(c, FL_LIST_OPERATOR_BLOCK);
}

int fl_cmd_allow(struct fl_cli *c)
{
	return urgent(c, FL_LIST_OPERATOR_ALLOW);
}
