#include "cli/verdict.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"

enum { OUTBOX_STUCK = 100 };

static void problem(json_t *problems, const char *what, const char *hint, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void problem(json_t *problems, const char *what, const char *hint, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(problems, json_pack("{s:s, s:s, s:s}", "what", what, "text", text, "hint", hint));
}

static void judge_feeds(json_t *problems, const json_t *ingest)
{
	const json_t *feeds = json_object_get(ingest, "feeds"), *findings = json_object_get(ingest, "findings"), *f;
	char hint[160];
	size_t i;

	json_array_foreach (feeds, i, f) {
		const char *state = fl_str(f, "state");

		snprintf(hint, sizeof(hint), strcmp(state, "held") == 0 ? "fireline feed show %.60s; fireline feed approve or reject" : "fireline feed show %.60s; fireline feed refresh", fl_str(f, "feed"));
		if (strcmp(state, "degraded") == 0 || strcmp(state, "held") == 0 || strcmp(state, "stale") == 0)
			problem(problems, "feed", hint, "%s %s: %s; the last good copy stays in force", fl_str(f, "feed"), state, fl_str(f, "reason"));
		else if (fl_str(f, "reason")[0])
			problem(problems, "feed", hint, "%s: %s", fl_str(f, "feed"), fl_str(f, "reason"));
	}
	if (json_is_true(json_object_get(findings, "clock_skewed")))
		problem(problems, "clock", "set the clocks", "this host's clock and the store's are more than 60 s apart: nothing expires");
	if (fl_str(findings, "waits")[0]) {
		snprintf(hint, sizeof(hint), "are the clocks right? fireline approve %.100s", fl_str(findings, "waits_list"));
		problem(problems, "expiry", hint, "%s", fl_str(findings, "waits"));
	}
	if (fl_str(ingest, "entries_problem")[0])
		problem(problems, "entries", "", "what a list's entries: say is not in force: %s", fl_str(ingest, "entries_problem"));
	if (fl_str(findings, "problem")[0])
		problem(problems, "findings", "", "%s", fl_str(findings, "problem"));
}

/* What is acknowledged and only one host has. */
static void judge_ledger(json_t *problems, const json_t *role)
{
	const json_t *l = json_object_get(role, "ledger");
	json_int_t pending = json_integer_value(json_object_get(l, "pending"));

	if (!l)
		return;
	if (pending)
		problem(problems, "ledger", "is Kafka reachable? do not lose that host's state folder", "%lld records are held by host %s until Kafka is back", (long long)pending, fl_str(l, "host"));
	if (strcmp(fl_str(l, "where"), "none") == 0)
		problem(problems, "ledger", "is the state folder writable?", "what is acknowledged is in Redis alone: no Kafka keeps it, and host %s has no folder for it", fl_str(l, "host"));
	if (json_is_true(json_object_get(l, "restoring")))
		problem(problems, "ledger", "", "the store is compared with the ledger: what comes meanwhile waits");
	if (fl_str(l, "problem")[0])
		problem(problems, "ledger", "", "%s", fl_str(l, "problem"));
}

static void judge_sources(json_t *problems, const json_t *ingest)
{
	const json_t *sources = json_object_get(ingest, "sources"), *s;
	size_t i;

	json_array_foreach (sources, i, s)
		if (strcmp(fl_str(s, "state"), "degraded") == 0 || strcmp(fl_str(s, "state"), "failed") == 0)
			problem(problems, "findings", "", "%s source %s %s: %s", fl_str(s, "type"), fl_str(s, "name"), fl_str(s, "state"), fl_str(s, "reason"));
}

static void judge_publish(json_t *problems, const json_t *publish)
{
	const json_t *lists = json_object_get(publish, "lists"), *l;
	size_t i;

	json_array_foreach (lists, i, l) {
		json_int_t outbox = json_integer_value(json_object_get(l, "outbox")), pinned = json_integer_value(json_object_get(l, "pinned"));

		if (fl_str(l, "problem")[0])
			problem(problems, "publish", "", "%s: %s", fl_str(l, "list"), fl_str(l, "problem"));
		if (outbox > OUTBOX_STUCK)
			problem(problems, "bus", "is Kafka reachable?", "%s: %lld versions wait for Kafka", fl_str(l, "list"), (long long)outbox);
		if (pinned > 0)
			problem(problems, "held", "fireline unhold LIST", "%s: %lld sources are pinned", fl_str(l, "list"), (long long)pinned);
	}
}

static void judge_enforce(json_t *problems, const json_t *enforce)
{
	const json_t *lists = json_object_get(enforce, "lists"), *l;
	char hint[160];
	bool alone = json_is_null(json_object_get(enforce, "store_up")) && json_is_null(json_object_get(enforce, "bus_up")); /* a plain forwarder */
	size_t i;

	if (json_is_false(json_object_get(enforce, "store_up")))
		problem(problems, "store", "is Redis reachable?", "the enforcer cannot reach Redis; it serves what it holds");
	if (json_is_false(json_object_get(enforce, "bus_up")))
		problem(problems, "bus", "is Kafka reachable?", "the enforcer cannot reach Kafka; it finds new versions by asking Redis");
	if (fl_str(enforce, "problem")[0])
		problem(problems, "disk", "", "%s", fl_str(enforce, "problem"));
	json_array_foreach (json_object_get(enforce, "bypasses"), i, l) {
		const char *association = fl_str(l, "association");

		snprintf(hint, sizeof(hint), "fireline bypass off%s%.80s", association[0] ? " --association " : "", association);
		problem(problems, "bypass", hint, "%s%s until %.19sZ, by %s: %s; rules are evaluated and logged, not enforced", association[0] ? "" : "every client",
			association, fl_str(l, "until"), fl_str(l, "actor"), fl_str(l, "reason"));
	}
	if (fl_str(enforce, "bypass_problem")[0])
		problem(problems, "bypass", "", "%s", fl_str(enforce, "bypass_problem"));
	if (fl_str(enforce, "reload_problem")[0])
		problem(problems, "config", "put it right, and reload", "the last reload was refused, the configuration before it is in force: %s", fl_str(enforce, "reload_problem"));
	json_array_foreach (lists, i, l) {
		const char *state = fl_str(l, "state");

		if (strcmp(state, "DEGRADED") == 0 || strcmp(state, "STALE") == 0)
			problem(problems, "list", "fireline list show LIST; fireline recover LIST", "%s %s: %s", fl_str(l, "list"), state, fl_str(l, "reason"));
		else if (strcmp(state, "behind") == 0 && fl_str(l, "reason")[0])
			problem(problems, "list", "", "%s behind: %s; what it holds stays in force", fl_str(l, "list"), fl_str(l, "reason"));
		else if (strcmp(state, "waiting") == 0 && !alone)
			problem(problems, "list", "rules that name it follow their association's fail_open", "%s: no version has come yet", fl_str(l, "list"));
	}
}

json_t *fl_verdict_join(json_t *take_roles, json_t *take_orphans)
{
	json_t *problems = json_array(), *o;
	const char *name;
	json_t *role;
	size_t i;

	json_object_foreach (take_roles, name, role)
		if (json_is_null(role))
			problem(problems, "role", "is it running?", "role %s does not answer", name);
	judge_feeds(problems, json_object_get(take_roles, "ingest"));
	judge_ledger(problems, json_object_get(take_roles, "ingest"));
	judge_ledger(problems, json_object_get(take_roles, "publish"));
	judge_sources(problems, json_object_get(take_roles, "ingest"));
	judge_publish(problems, json_object_get(take_roles, "publish"));
	judge_enforce(problems, json_object_get(take_roles, "enforce"));
	json_array_foreach (json_object_get(take_orphans, "lists"), i, o)
		problem(problems, "orphan", "fireline list purge LIST", "list %s is in the store, but not in the configuration", json_string_value(o));
	json_array_foreach (json_object_get(take_orphans, "sources"), i, o)
		problem(problems, "orphan", "fireline feed purge NAME", "source %s is in the store, but not in the configuration", json_string_value(o));
	return json_pack("{s:s, s:o, s:o, s:o}", "state", json_array_size(problems) ? "DEGRADED" : "OK", "problems", problems, "roles", take_roles, "orphans",
			 take_orphans);
}
