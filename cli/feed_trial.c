/* What a body would do in this deployment: protected names that it hits, names that others have already, and the guard's verdict. The others' names come from the daemon as streams and are looked
 * up in the set in hand, one at a time. Without a daemon each part says why it knows nothing. */
#include "cli/feed_trial.h"

#include <stdlib.h>
#include <string.h>

enum { PROTECTED_SHOWN = 20 };

/* --- protected names --- */

static json_t *hit_json(const struct fl_trial *t, const struct fl_protect_hit *h)
{
	char entry[FL_NAME_TEXT], name[FL_NAME_TEXT], scope[FL_SCOPE_TEXT];

	return json_pack("{s:s, s:s, s:s, s:s}", "entry", fl_rkey_to_text(fl_set_key(&t->set, h->entry), entry), "scope", fl_scope_format(t->set.v[h->entry].t.scope, scope),
			 "protects", fl_rkey_to_text(fl_rkey_span(&h->name->key), name), "because", fl_protect_word(h->name->why));
}

static void take_out(struct fl_set *set, const struct fl_protect_hit *hits, size_t n)
{
	size_t to = 0, k = 0;

	for (size_t i = 0; i < set->n; i++) {
		if (k < n && hits[k].entry == i)
			k++;
		else
			set->v[to++] = set->v[i];
	}
	set->n = to;
}

static int judge_protected(struct fl_trial *t, json_t *answer)
{
	const struct fl_protected_from from = { .cfg = t->cfg, .names = t->names };
	struct fl_protected all = { 0 };
	struct fl_protect_hit *hits = NULL;
	struct fl_arena arena = { 0 };
	json_t *entries = json_array();
	char problem[FL_PROTECT_PROBLEM] = "";
	size_t n = 0;
	int ret = fl_protected_from(&from, &all, problem);

	if (ret == 0 && !(t->feed && fl_list_only_allows(t->cfg, t->feed->into)))
		ret = fl_protect_find(&all, &t->set, &arena, &hits, &n);
	for (size_t i = 0; ret == 0 && i < n && i < FL_QUARANTINE_LISTED; i++)
		json_array_append_new(entries, hit_json(t, &hits[i]));
	take_out(&t->set, hits, n);
	json_object_set_new(answer, "protected", json_pack("{s:I, s:b, s:s, s:o}", "hits", (json_int_t)n, "configured", t->cfg != NULL, "problem", problem, "entries", entries));
	fl_arena_done(&arena);
	fl_protected_done(&all);
	return ret;
}

/* --- a deployed source, name by name --- */

struct stream {
	const struct fl_set *set;
	uint8_t *held; /* by entry of the set: some other feed has it; NULL: not asked */
	uint64_t names, live, shared, shared_live;
	struct fl_err err;
};

static int on_name(void *ctx, struct fl_span line)
{
	struct stream *s = ctx;
	json_t *o = line.n ? json_loadb((const char *)line.p, line.n, 0, NULL) : NULL;
	bool absent = json_is_true(json_object_get(o, "absent"));
	struct fl_rkey key;
	size_t at;
	int ret = 0;

	if (fl_str(o, "error")[0])
		ret = fl_err_set(&s->err, FL_EUNAVAIL, "%s", fl_str(o, "error"));
	else if (fl_rkey_from_text(fl_span_str(fl_str(o, "name")), &key) && key.len) {
		at = fl_set_find(s->set, fl_rkey_span(&key));
		s->names++;
		s->live += !absent;
		s->shared += at != SIZE_MAX;
		s->shared_live += at != SIZE_MAX && !absent;
		if (at != SIZE_MAX && s->held)
			s->held[at] = 1;
	}
	json_decref(o);
	return ret;
}

/* FL_ENOTFOUND: no version of it yet. */
static int read_source(struct fl_trial *t, const char *feed, struct stream *s, struct fl_err *err)
{
	int ret = fl_client_try_stream(t->c, fl_arena_printf(&t->c->arena, "/v1/feeds/%s/entries", feed), on_name, s, err);

	if (s->err.text[0])
		*err = s->err;
	return s->err.text[0] ? FL_EUNAVAIL : ret;
}

/* --- overlap --- */

static int compare_feed(struct fl_trial *t, const json_t *row, uint8_t *held, json_t *with, struct fl_err *err)
{
	const char *feed = fl_str(row, "feed");
	struct stream s = { .set = &t->set, .held = held };
	int ret;

	if (t->feed && strcmp(feed, t->feed->name) == 0)
		return 0;
	ret = read_source(t, feed, &s, err);
	if (ret < 0 && ret != FL_ENOTFOUND)
		return ret;
	json_array_append_new(with, json_pack("{s:s, s:s, s:I, s:I}", "feed", feed, "into", fl_str(row, "into"), "names", (json_int_t)s.names, "shared", (json_int_t)s.shared));
	return 0;
}

static uint64_t count_new(const struct fl_trial *t, const uint8_t *held)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t->set.n; i++)
		n += !held[i];
	return n;
}

static int judge_overlap(struct fl_trial *t, json_t *answer)
{
	uint8_t *held = calloc(t->set.n + 1, 1);
	json_t *feeds = NULL, *row, *with = json_array();
	struct fl_err err = { 0 };
	size_t i;
	int ret = held ? fl_client_try(t->c, "/v1/feeds", &feeds, &err) : FL_ENOMEM;

	json_array_foreach (json_object_get(feeds, "items"), i, row)
		if (ret == 0)
			ret = compare_feed(t, row, held, with, &err);
	if (ret == 0)
		json_object_set_new(answer, "overlap", json_pack("{s:b, s:s, s:I, s:O}", "known", true, "why", "", "new", (json_int_t)count_new(t, held), "feeds", with));
	else
		json_object_set_new(answer, "overlap", json_pack("{s:b, s:s, s:n, s:[]}", "known", false, "why", err.text, "new", "feeds"));
	json_decref(with);
	json_decref(feeds);
	free(held);
	return ret == FL_ENOMEM ? ret : 0;
}

/* --- the guard --- */

static struct fl_guard_limits limits_of(const struct fl_trial *t)
{
	struct fl_guard_limits l = { .max_removed_ratio = 0.30, .max_added_ratio = 1.0, .min_side = FL_GUARD_MIN_SIDE, .min_names = t->min_names };

	if (t->feed) {
		l.max_removed_ratio = t->feed->guard.max_removed_ratio;
		l.max_added_ratio = t->feed->guard.max_added_ratio;
	}
	return l;
}

/* Counted as the guard counts: names that are only kept for a while are not of the last accepted set. */
static void judge_guard(struct fl_trial *t, json_t *answer, bool *held)
{
	struct fl_guard_limits limits = limits_of(t);
	struct stream s = { .set = &t->set };
	struct fl_err err = { 0 };
	char why[256] = "";
	int ret = t->feed ? read_source(t, t->feed->name, &s, &err) : FL_ENOTFOUND;
	bool first = ret < 0;
	uint64_t after = t->set.n, added = after - (first ? 0 : s.shared_live), removed = first ? 0 : s.live - s.shared_live;
	const char *verdict = "take";

	if (t->t.refused) {
		verdict = "refused";
		snprintf(why, sizeof(why), "%s", t->t.reason);
	} else if (fl_guard_judge(&limits, first, first ? 0 : s.live, after, added, removed, why, sizeof(why))) {
		verdict = "held";
		*held = true;
	}
	json_object_set_new(answer, "guard", json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "verdict", verdict, "reason", why, "against",
						       first ? "" : t->feed->name, "note", t->feed && ret < 0 && ret != FL_ENOTFOUND ? err.text : "", "before",
						       (json_int_t)(first ? 0 : s.live), "after", (json_int_t)after, "added", (json_int_t)added, "removed", (json_int_t)removed));
}

int fl_trial_judge(struct fl_trial *t, json_t *answer, bool *held, struct fl_err *err)
{
	int ret = judge_protected(t, answer);

	if (ret == 0)
		ret = judge_overlap(t, answer);
	if (ret < 0)
		return fl_err_set(err, ret, "%s", fl_code_text(ret));
	judge_guard(t, answer, held);
	return 0;
}

/* --- for people --- */

static double percent(json_int_t part, json_int_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_names(const json_t *o)
{
	const json_t *r, *x;
	char n[40];
	size_t i, k;

	printf("%s names    %s kept, %lld lines refused or passed over\n", fl_int(o, "names") ? "ok" : "! ", fl_human_count((uint64_t)fl_int(o, "names"), n), (long long)fl_int(o, "rejected"));
	json_array_foreach (json_object_get(o, "rejects"), i, r) {
		printf("            %8s %-14s %s\n", fl_human_count((uint64_t)fl_int(r, "count"), n), fl_str(r, "reason"), fl_str(r, "text"));
		json_array_foreach (json_object_get(r, "first"), k, x)
			printf("                       line %lld: %s\n", (long long)fl_int(x, "line"), fl_str(x, "text"));
	}
}

static void print_protected(const json_t *p)
{
	const json_t *e;
	size_t i;

	printf("%s protected %lld entries would block a protected name%s%s\n", fl_int(p, "hits") ? "! " : "ok", (long long)fl_int(p, "hits"),
	       fl_int(p, "hits") ? "; they would be quarantined" : "", json_is_true(json_object_get(p, "configured")) ? "" : " (of the shipped ones; no configuration was read)");
	json_array_foreach (json_object_get(p, "entries"), i, e)
		if (i < PROTECTED_SHOWN)
			printf("            %-12s %-40s protects %s (%s)\n", fl_str(e, "scope"), fl_str(e, "entry"), fl_str(e, "protects"), fl_str(e, "because"));
	if (fl_str(p, "problem")[0])
		printf("            %s\n", fl_str(p, "problem"));
}

static void print_overlap(const json_t *o, json_int_t names)
{
	const json_t *f, *all = json_object_get(o, "feeds");
	char n[40], m[40];
	size_t i;

	if (!json_is_true(json_object_get(o, "known"))) {
		printf("   overlap  not known: %s\n", fl_str(o, "why"));
		return;
	}
	printf("%s overlap  adds %s names that no other feed has (%.1f %%)\n", fl_int(o, "new") * 2 < names ? "! " : "ok", fl_human_count((uint64_t)fl_int(o, "new"), n),
	       percent(fl_int(o, "new"), names));
	json_array_foreach (all, i, f)
		printf("            %8s (%.1f %%) already in %s, of its %s\n", fl_human_count((uint64_t)fl_int(f, "shared"), n), percent(fl_int(f, "shared"), names), fl_str(f, "feed"),
		       fl_human_count((uint64_t)fl_int(f, "names"), m));
}

static void print_guard(const json_t *g)
{
	const char *verdict = fl_str(g, "verdict"), *against = fl_str(g, "against");
	bool take = strcmp(verdict, "take") == 0;

	if (!against[0])
		printf("%s guard    %s as a first load%s%s\n", take ? "ok" : "! ", take ? "taken" : verdict, take ? "" : ": ", fl_str(g, "reason"));
	else
		printf("%s guard    %s as the next version of %s: %lld names become %lld, +%lld -%lld%s%s\n", take ? "ok" : "! ", take ? "taken" : verdict, against,
		       (long long)fl_int(g, "before"), (long long)fl_int(g, "after"), (long long)fl_int(g, "added"), (long long)fl_int(g, "removed"), take ? "" : ": ", fl_str(g, "reason"));
	if (fl_str(g, "note")[0])
		printf("            what is deployed is not known: %s\n", fl_str(g, "note"));
}

/* A word of a shell. */
static void print_word(const char *s)
{
	if (s[0] && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:,@%=") == strlen(s)) {
		printf(" %s", s);
		return;
	}
	fputs(" '", stdout);
	for (; *s; s++)
		*s == '\'' ? fputs("'\\''", stdout) : putchar(*s);
	putchar('\'');
}

static void print_add(const struct fl_trial *t, const json_t *o)
{
	static const char *const fields[] = { "value", "type", "items", "exceptions", "delimiter", "urls" };
	const char *what = t->c->args[0], *preset = fl_str(o, "preset");
	bool url = strstr(what, "://") != NULL;
	char *path = url ? NULL : realpath(what, NULL);

	printf("add it:  fireline feed add NAME --%s", preset[0] ? "preset" : url ? "url" : "path");
	print_word(preset[0] ? preset : path ? path : what);
	if (!preset[0])
		printf(" --format %s --scope %s", fl_str(o, "format"), fl_str(o, "scope"));
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (fl_cli_opt(t->c, fields[i])) {
			printf(" --%s", fields[i]);
			print_word(fl_cli_opt(t->c, fields[i]));
		}
	puts(preset[0] ? "" : " --into LIST");
	free(path);
}

static void print_next(const struct fl_trial *t, const json_t *o)
{
	printf("   licence  %s\n", fl_str(o, "licence")[0] ? fl_str(o, "licence") : "not stated: set feeds[].licence");
	if (fl_str(o, "feed")[0] || json_is_true(json_object_get(o, "refused")) || strcmp(t->c->args[0], "-") == 0)
		return;
	print_add(t, o);
}

void fl_trial_print(const struct fl_trial *t, const json_t *o)
{
	json_int_t lines = fl_int(o, "lines");
	char n[40];

	printf("ok body     %s octets, %lld lines, %.2f s\n", fl_human_count((uint64_t)fl_int(o, "bytes"), n), (long long)lines, (double)fl_int(o, "took_ms") / 1000);
	printf("%s format   %s (%.1f %% of lines)   scope %s\n", json_is_true(json_object_get(o, "refused")) ? "! " : "ok", fl_str(o, "format"), percent(fl_int(o, "lines_used"), lines),
	       fl_str(o, "scope"));
	print_names(o);
	print_protected(json_object_get(o, "protected"));
	print_overlap(json_object_get(o, "overlap"), fl_int(json_object_get(o, "guard"), "after"));
	print_guard(json_object_get(o, "guard"));
	print_next(t, o);
}
