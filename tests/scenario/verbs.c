/* What a line does. A verb fills a result, or says what is wrong with the line; what stands behind `->` is then compared, and without it the verb has to succeed. */
#include <stdio.h>
#include <string.h>

#include "scenario.h"

typedef const char *verb_fn(struct scn *s, const struct scn_line *l, struct scn_result *r);

void scn_differs(struct scn *s, const struct scn_line *l, const char *who, const char *got)
{
	const char *arrow = strstr(l->source, "->");

	s->failures++;
	printf("%s:%d: %s\n", l->file, l->number, l->source + strspn(l->source, " \t"));
	if (arrow)
		printf("  expected  %s\n", arrow + 2 + strspn(arrow + 2, " \t"));
	printf("  got       %s%s%s\n", who, who[0] ? ": " : "", got);
}

void scn_check(struct scn *s, const struct scn_line *l, const char *who, const struct scn_result *got, const struct scn_word *want, size_t n)
{
	struct fl_buf text = { 0 };

	s->checks++;
	if (!scn_matches(got, want, n)) {
		scn_result_format(got, &text);
		scn_differs(s, l, who, fl_buf_cstr(&text));
	}
	fl_buf_done(&text);
}

/* "ok", or "refused" with the sentence. */
static void came_to(struct scn_result *r, int ret, const struct fl_err *err)
{
	snprintf(r->word, sizeof(r->word), "%s", ret == 0 ? "ok" : ret == FL_EUNAVAIL || ret == FL_EUNKNOWN ? "unavailable" : "refused");
	if (ret < 0)
		snprintf(r->text, sizeof(r->text), "%s", err->text[0] ? err->text : fl_code_text(ret));
}

/* --- declarations and what the world outside does --- */

static const char *do_declare(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	(void)r;
	return scn_policy_declare(s->policy, l);
}

/* feed NAME "line" "line" ... [names=1-2000] [status=404]: what its server says from now on; names: so many of them, n1.NAME.example and so on. */
static const char *do_feed(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	const char *why = scn_policy_declare(s->policy, l), *status = scn_option(l, "status"), *range = scn_option(l, "names");
	struct fl_buf body = { 0 }, etag = { 0 };
	char url[160];
	bool serves = status != NULL;
	unsigned from = 0, to = 0;

	(void)r;
	if (why)
		return why;
	for (size_t i = 1; i < l->n; i++)
		if (l->v[i].quoted) {
			serves = true;
			if (l->v[i].text[0])
				fl_buf_printf(&body, "%s\n", l->v[i].text);
		}
	if (range && sscanf(range, "%u-%u", &from, &to) != 2)
		why = "names=FROM-TO";
	for (unsigned i = from; range && !why && i <= to; i++) {
		serves = true;
		fl_buf_printf(&body, "n%u.%s.example\n", i, scn_word(l, 1));
	}
	snprintf(url, sizeof(url), "http://feeds.example/%s", scn_word(l, 1));
	fl_buf_printf(&etag, "\"%zu-%d\"", body.n, l->number);
	if (serves)
		fl_http_mem_set(s->http, url, status ? strtol(status, NULL, 10) : 200, fl_buf_span(&body), fl_buf_cstr(&etag));
	fl_buf_done(&body);
	fl_buf_done(&etag);
	return why;
}

static const char *do_zone(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	(void)r;
	return scn_zone_set(s->zone, scn_word(l, 1), scn_word(l, 2), scn_word(l, 3));
}

/* --- time and faults --- */

static const char *do_tick(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	int64_t ms;

	(void)r;
	if (!scn_word(l, 1) || !fl_duration_parse(scn_word(l, 1), &ms))
		return "tick DURATION";
	scn_tick(s, ms);
	return NULL;
}

/* jump 2h [back]: the hosts' wall clock alone. */
static const char *do_jump(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	int64_t ms;

	(void)r;
	if (!scn_word(l, 1) || !fl_duration_parse(scn_word(l, 1), &ms))
		return "jump DURATION [back]";
	fl_clock_mem_jump(&s->clock, (scn_has(l, "back") ? -ms : ms) * 1000);
	return NULL;
}

static const char *do_fault(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	const char *what = scn_word(l, 1), *state = scn_word(l, 2);
	bool down = state && strcmp(state, "down") == 0;
	bool *flag;

	(void)r;
	if (!what || !state || (!down && strcmp(state, "up") != 0))
		return "fault store|bus|upstream down|up";
	flag = strcmp(what, "store") == 0 ? &s->store_down : strcmp(what, "bus") == 0 ? &s->bus_down : strcmp(what, "upstream") == 0 ? &s->upstream_down : NULL;
	if (!flag)
		return "fault store|bus|upstream down|up";
	*flag = down;
	return NULL;
}

static const char *do_store(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	const char *what = scn_word(l, 1), *set = scn_word(l, 2);
	char prefix[FL_SET_NAME + 32] = "";

	(void)r;
	if (set)
		snprintf(prefix, sizeof(prefix), "{fl}:%.100s:", set);
	if (what && strcmp(what, "flush") == 0)
		fl_store_mem_flush(s->store);
	else if (what && strcmp(what, "snapshot") == 0)
		fl_store_mem_snapshot(s->store);
	else if (what && strcmp(what, "restore") == 0)
		fl_store_mem_restore(s->store, prefix);
	else
		return "store flush|snapshot|restore [source/NAME|list/NAME]";
	return NULL;
}

static const char *do_bus(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	(void)r;
	if (!scn_has(l, "reset"))
		return "bus reset";
	fl_bus_mem_reset(s->bus);
	return NULL;
}

/* --- processes --- */

static const char *do_process(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	const char *verb = l->v[0].text, *name = scn_word(l, 1), *why = NULL;
	bool power = strcmp(verb, "crash") == 0, start = strcmp(verb, "kill") != 0, stop = strcmp(verb, "start") != 0;
	struct scn_role *role = name ? scn_role_named(s, name) : NULL;

	(void)r;
	if (name && strcmp(verb, "join") == 0)
		return scn_join(s, name);
	if (!role)
		return "ingest, publisher, or an enforcer (ns1)";
	if (stop)
		scn_kill(role, power);
	if (start)
		why = scn_start(role);
	return why;
}

static const char *do_reload(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	const char *why = scn_reload(s);

	(void)l;
	snprintf(r->word, sizeof(r->word), "%s", why ? "refused" : "ok");
	snprintf(r->text, sizeof(r->text), "%s", why ? why : "");
	return NULL;
}

/* --- people --- */

enum { ENTRIES_MAX = 1000 };

/* The names of a line, or n1.LIST.example and so on by names=1-200. NULL, or what is wrong. */
static const char *entry_names(const struct scn_line *l, size_t first, const char *list, struct fl_arena *arena, struct fl_operator_entry *e, size_t *n)
{
	const char *range = scn_option(l, "names"), *name;
	unsigned from = 0, to = 0;

	for (*n = 0; (name = scn_word(l, first)) && strcmp(name, "for") != 0 && strcmp(name, "permanent") != 0; first++)
		e[(*n)++].name = name;
	if (range && (sscanf(range, "%u-%u", &from, &to) != 2 || from > to || to - from >= ENTRIES_MAX - *n))
		return "names=FROM-TO";
	for (unsigned i = from; range && i <= to; i++)
		e[(*n)++].name = fl_arena_printf(arena, "n%u.%s.example", i, list);
	return *n ? NULL : "a name";
}

/* block NAME ... [for 1h], allow NAME; unblock, unallow; add LIST NAME [permanent], rm LIST NAME. Several names are one change. */
static const char *do_entry(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	const char *verb = l->v[0].text, *end = scn_after(l, "for"), *list = scn_word(l, 1), *wrong;
	bool add = strcmp(verb, "rm") != 0 && strncmp(verb, "un", 2) != 0;
	struct fl_operator_entry e[ENTRIES_MAX] = { 0 };
	struct fl_arena arena = { 0 };
	size_t first = 1, n = 0;
	struct fl_source_version v;
	struct fl_err err = { 0 };
	int64_t ms;

	if (strcmp(verb, "add") == 0 || strcmp(verb, "rm") == 0)
		first = 2;
	else
		list = strstr(verb, "block") ? FL_LIST_OPERATOR_BLOCK : FL_LIST_OPERATOR_ALLOW;
	if (!s->ingest.up)
		return "ingest does not run";
	if (!list || (end && !fl_duration_parse(end, &ms)))
		return "a list, and a duration after `for`";
	wrong = entry_names(l, first, list, &arena, e, &n);
	for (size_t i = 0; end && i < n; i++)
		e[i].expires_at = s->clock.now_unix + ms * 1000;
	for (size_t i = 0; i < n; i++)
		e[i].permanent = scn_has(l, "permanent");
	if (!wrong)
		came_to(r, fl_operator_change(s->ingest.findings, list, add, e, n, "alice", "by hand", &v, &err), &err);
	fl_arena_done(&arena);
	return wrong;
}

/* approve LIST: what waits of its expiry. */
static const char *do_approve(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	struct fl_err err = { 0 };
	uint64_t expired;

	if (!scn_word(l, 1) || !s->ingest.up)
		return "a list, and ingest that runs";
	came_to(r, fl_expiry_approve(s->ingest.findings, scn_word(l, 1), "alice", "by hand", &expired, &err), &err);
	scn_put(r, "expired", "%llu", (unsigned long long)expired);
	return NULL;
}

static void finding_json(struct scn *s, const struct scn_line *l, int64_t age_ms, struct fl_buf *out)
{
	const char *type = scn_option(l, "type"), *id = scn_option(l, "id"), *severity = scn_option(l, "severity");
	char at[FL_TIME_TEXT];

	fl_buf_printf(out,
		      "{\"schemaVersion\":\"2.0\",\"id\":\"%s\",\"type\":\"%s\",\"severity\":%s,\"updatedAt\":\"%s\",\"service\":{\"archived\":%s,%s"
		      "\"action\":{\"actionType\":\"DNS_REQUEST\",\"dnsRequestAction\":{\"domain\":\"%s\"}}}}",
		      id ? id : scn_word(l, 1), type ? type : "Backdoor:EC2/C&CActivity.B!DNS", severity ? severity : "8", fl_time_format(s->clock.now_unix - age_ms * 1000, at),
		      scn_has(l, "archived") ? "true" : "false", scn_has(l, "sample") ? "\"additionalInfo\":{\"value\":\"{\\\"sample\\\":true}\"}," : "",
		      scn_word(l, 1));
}

/* finding NAME [type=] [id=] [severity=] [age=1m] [archived] [sample] */
static const char *do_finding(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	const char *age = scn_option(l, "age");
	struct fl_finding_outcome o = { 0 };
	struct fl_buf json = { 0 };
	struct fl_err err = { 0 };
	int64_t age_ms = 0;

	if (!scn_word(l, 1) || (age && !fl_duration_parse(age, &age_ms)))
		return "finding NAME [age=1m]";
	if (!s->ingest.up)
		return "ingest does not run";
	finding_json(s, l, age_ms, &json);
	came_to(r, fl_findings_inject(s->ingest.findings, "cli", fl_buf_span(&json), false, "soc", &o, &err), &err);
	fl_buf_done(&json);
	scn_put(r, "accepted", "%u", o.accepted);
	scn_put(r, "withdrawn", "%u", o.withdrawn);
	scn_put(r, "duplicate", "%u", o.duplicate);
	scn_put(r, "refused", "%u", o.refused);
	scn_put(r, "list", "%s", o.list[0] ? o.list : "-");
	if (o.reason[0])
		snprintf(r->text, sizeof(r->text), "%s", o.reason);
	return NULL;
}

/* rollback LIST [to=N] [findings], hold LIST [source=S], unhold LIST [source=S], recover LIST [without=S], purge LIST; `dry` only says. */
static const char *do_publication(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	static const char *const words[] = { "rollback", "hold", "unhold", "recover", "purge" };
	const char *to = scn_option(l, "to"), *without[2] = { scn_option(l, "without"), NULL };
	struct fl_publish_request q = { .list = scn_word(l, 1), .source = scn_option(l, "source"), .include_findings = scn_has(l, "findings"),
					.without = without, .actor = "alice", .reason = "by hand", .dry_run = scn_has(l, "dry"),
					.to = to ? strtoull(to, NULL, 10) : 0 };
	struct fl_publish_answer a = { 0 };
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	int ret;

	if (!q.list || !s->publish.up)
		return "a list, and a publisher that runs";
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(l->v[0].text, words[i]) == 0)
			q.op = (enum fl_publish_op)i;
	ret = fl_publisher_request(s->publish.publisher, &q, &arena, &a, &err);
	came_to(r, ret, &err);
	if (ret == 0) {
		scn_put(r, "version", "%llu", (unsigned long long)a.version.id.number);
		scn_put(r, "adds", "%llu", (unsigned long long)a.would_add);
		scn_put(r, "removes", "%llu", (unsigned long long)a.would_remove);
		snprintf(r->text, sizeof(r->text), "%s", a.note);
	}
	fl_arena_done(&arena);
	return NULL;
}

/* refresh FEED */
static const char *do_refresh(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	struct fl_err err = { 0 };

	if (!scn_word(l, 1) || !s->ingest.up)
		return "a feed, and an ingest that runs";
	came_to(r, fl_ingest_refresh(s->ingest.ingest, scn_word(l, 1), s->clock.now_mono), &err);
	return NULL;
}

/* judge FEED approve|reject [NAME...]: what is held, or names that are quarantined. */
static const char *do_judge(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	const char *names[SCN_WORDS], *name;
	struct fl_feed_word w = { .approve = scn_has(l, "approve"), .names = names, .actor = "alice", .reason = "by hand" };
	struct fl_err err = { 0 };

	if (!scn_word(l, 2) || !s->ingest.up)
		return "a feed, approve or reject, and an ingest that runs";
	for (size_t i = 3; (name = scn_word(l, i)); i++)
		names[w.n_names++] = name;
	came_to(r, fl_ingest_judge(s->ingest.ingest, scn_word(l, 1), &w, s->clock.now_mono, &err), &err);
	return NULL;
}

/* bypass on|off [association=A] [for 10m] [at ns1] */
static const char *do_bypass(struct scn *s, const struct scn_line *l, struct scn_result *r)
{
	const char *association = scn_option(l, "association"), *dur = scn_after(l, "for"), *at = scn_after(l, "at");
	struct scn_role *e = scn_role_named(s, at ? at : "ns1");
	const struct fl_bypass *b;
	struct fl_bypass was;
	struct fl_err err = { 0 };
	int64_t ms = 0;

	association = association ? association : "";
	if (!e || e->kind != SCN_ENFORCE || !e->up || (dur && !fl_duration_parse(dur, &ms)))
		return "an enforcer that runs, and a duration after `for`";
	if (scn_has(l, "off"))
		came_to(r, fl_bypasses_off(&e->bypasses, association, &was, &err), &err);
	else
		came_to(r, fl_bypasses_on(&e->bypasses, e->cfg, association, ms, "alice", "by hand", &b, &err), &err);
	e->wake = 0;
	scn_show(e);
	return NULL;
}

/* --- the table --- */

enum { DECLARES = 1, CHECKS = 2, RESULT = 4 };
static const struct {
	const char *verb;
	verb_fn *run;
	int flags;
} verbs[] = {
	{ "list", do_declare, DECLARES },	  { "rule", do_declare, DECLARES },	    { "association", do_declare, DECLARES },
	{ "organisation", do_declare, DECLARES }, { "findings", do_declare, DECLARES },	    { "set", do_declare, DECLARES },
	{ "drop", do_declare, DECLARES },	  { "feed", do_feed, DECLARES },	    { "zone", do_zone, DECLARES },
	{ "tick", do_tick, 0 },			  { "jump", do_jump, 0 },		    { "fault", do_fault, 0 },
	{ "store", do_store, 0 },		  { "bus", do_bus, 0 },			    { "restart", do_process, 0 },
	{ "crash", do_process, 0 },		  { "kill", do_process, 0 },		    { "start", do_process, 0 },
	{ "join", do_process, 0 },		  { "reload", do_reload, RESULT },	    { "block", do_entry, RESULT },
	{ "allow", do_entry, RESULT },		  { "unblock", do_entry, RESULT },	    { "unallow", do_entry, RESULT },
	{ "add", do_entry, RESULT },		  { "rm", do_entry, RESULT },		    { "finding", do_finding, RESULT },
	{ "rollback", do_publication, RESULT },	  { "hold", do_publication, RESULT },	    { "unhold", do_publication, RESULT },
	{ "approve", do_approve, RESULT },	  { "recover", do_publication, RESULT },	  { "purge", do_publication, RESULT },	    { "refresh", do_refresh, RESULT },
	{ "judge", do_judge, RESULT },		  { "bypass", do_bypass, RESULT },
};

static const char *run_verb(struct scn *s, const struct scn_line *l, size_t at)
{
	static const struct scn_word ok = { (char *)(uintptr_t)"ok", false };
	struct scn_result r = { 0 };
	const char *why = verbs[at].run(s, l, &r);

	if (why)
		return why;
	if (!(verbs[at].flags & RESULT) && l->arrow)
		return "there is nothing to expect from this";
	if (verbs[at].flags & RESULT)
		scn_check(s, l, "", &r, l->arrow ? l->want : &ok, l->arrow ? l->n_want : 1);
	if (s->started)
		scn_settle(s);
	return NULL;
}

static const char *run_line(struct scn *s, const struct scn_line *l)
{
	size_t at = 0, n = sizeof(verbs) / sizeof(verbs[0]);
	const char *why = NULL;

	while (at < n && strcmp(verbs[at].verb, l->v[0].text) != 0)
		at++;
	if (!s->started && (at == n || !(verbs[at].flags & DECLARES))) {
		why = scn_start_all(s);
			if (!why)
			scn_settle(s);
	}
	if (why)
		return why;
	if (at < n)
		return run_verb(s, l, at);
	if (strcmp(l->v[0].text, "ask") == 0)
		return scn_ask_line(s, l);
	if (strcmp(l->v[0].text, "expect") == 0 || strcmp(l->v[0].text, "note") == 0)
		return scn_expect(s, l);
	return "there is no such verb";
}

bool scn_run_line(struct scn *s, const struct scn_line *l)
{
	const char *why = l->n ? run_line(s, l) : NULL;

	if (why)
		scn_differs(s, l, "", why);
	return why == NULL;
}
