/* Role ingest. The feeds thread fetches, parses and commits feeds, and may be busy for seconds; the main thread takes findings, operator entries and admin requests, so that a big feed never
 * delays a finding. Each has its own store door. Those who receive findings have threads of their own (ingest_sources.c, ingest_aws.c), and hand them to the main thread by the intake. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/heap.h"
#include "base/log.h"
#include "cli/call.h"
#include "cli/context.h"
#include "cli/ingest_findings.h"
#include "cli/ingest_aws.h"
#include "cli/ingest_sources.h"
#include "cli/json.h"
#include "cli/reads.h"
#include "ingest/ingest.h"

struct role {
	struct fl_run_args args;
	struct fl_config *cfg;
	struct fl_names *names;
	struct fl_loop loop; /* findings, operator entries */
	struct fl_sets sets;
	struct fl_bus *bus;
	struct fl_findings_stage *findings;
	struct fl_intake *intake;
	struct fl_sources *sources;
	struct fl_ingest_aws *aws; /* NULL: there are no such sources */
	struct fl_store_watch watch;
	/* feeds */
	struct fl_loop feeds_loop;
	struct fl_sets feeds_sets;
	struct fl_http *http;
	struct fl_disk *state, *ledger;
	struct fl_ingest *feeds;
	pthread_t thread;
	bool thread_up;
	pthread_mutex_t lock; /* of the snapshot */
	struct fl_arena snap_arena;
	struct fl_feed_status *snap;
	size_t n_snap;
	char snap_problem[200];
	struct fl_buf snap_metrics;
	struct fl_admin *admin;
	int watch_fd;
};

static void in_loop(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res, void (*fn)(struct fl_call *c))
{
	struct role *r = ctx;

	fl_call_in_loop(&r->loop, r, "ingest", req, res, fn);
}

/* --- the feeds thread --- */

static void snapshot(struct role *r)
{
	struct fl_arena arena = { 0 };
	struct fl_feed_status *v;
	struct fl_buf metrics = { 0 };
	size_t n;

	fl_ingest_status(r->feeds, &arena, &v, &n);
	fl_ingest_metrics(r->feeds, &metrics);
	pthread_mutex_lock(&r->lock);
	fl_arena_done(&r->snap_arena);
	fl_buf_done(&r->snap_metrics);
	r->snap_arena = arena;
	r->snap = v;
	r->n_snap = n;
	r->snap_metrics = metrics;
	snprintf(r->snap_problem, sizeof(r->snap_problem), "%s", fl_ingest_problem(r->feeds));
	pthread_mutex_unlock(&r->lock);
}

static void *feeds_thread(void *arg)
{
	struct role *r = arg;
	fl_mono_ns wake = 0;

	while (fl_loop_wait(&r->feeds_loop, wake)) {
		fl_ingest_step(r->feeds, fl_now_mono(fl_clock_sys()), &wake);
		snapshot(r);
	}
	return NULL;
}

struct refresh {
	struct role *r;
	const char *feed;
	int ret;
	bool disabled;
};

static void do_refresh(void *arg)
{
	struct refresh *f = arg;
	struct fl_arena arena = { 0 };
	struct fl_feed_status *v = NULL;
	size_t n = 0;

	fl_ingest_status(f->r->feeds, &arena, &v, &n);
	for (size_t i = 0; f->feed && i < n; i++)
		if (strcmp(v[i].name, f->feed) == 0)
			f->disabled = v[i].state == FL_FEED_DISABLED;
	fl_arena_done(&arena);
	f->ret = fl_ingest_refresh(f->r->feeds, f->feed, fl_now_mono(fl_clock_sys()));
}

struct judge {
	struct role *r;
	const char *feed;
	struct fl_feed_word word;
	struct fl_err err;
	int ret;
};

static void do_judge(void *arg)
{
	struct judge *j = arg;

	j->ret = fl_ingest_judge(j->r->feeds, j->feed, &j->word, fl_now_mono(fl_clock_sys()), &j->err);
}

/* --- requests --- */

static json_t *tally(const struct fl_tally *t)
{
	json_t *dropped = json_object();

	for (unsigned i = 0; i < FL_DROP_COUNT; i++)
		if (t->dropped[i])
			json_object_set_new(dropped, fl_drop_word((enum fl_drop)i), json_integer((json_int_t)t->dropped[i]));
	return json_pack("{s:I, s:I, s:I, s:o}", "in", (json_int_t)t->in, "out", (json_int_t)t->out, "narrowed", (json_int_t)t->narrowed, "dropped", dropped);
}

static json_t *held_json(const struct fl_feed_held *h)
{
	if (!h->digest[0])
		return json_null();
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", "digest", h->digest, "before", (json_int_t)h->before, "after", (json_int_t)h->after, "added",
			 (json_int_t)h->added, "removed", (json_int_t)h->removed, "since", fl_json_time(h->since));
}

static json_t *quarantine_json(const struct fl_feed_status *s)
{
	json_t *v = json_array();
	char scope[FL_SCOPE_TEXT];

	for (size_t i = 0; i < s->n_quarantined; i++)
		json_array_append_new(v, json_pack("{s:s, s:s, s:s, s:s}", "entry", s->quarantined[i].entry, "scope", fl_scope_format(s->quarantined[i].scope, scope),
						   "protects", s->quarantined[i].name, "because", s->quarantined[i].why));
	return v;
}

static json_t *feed_json(const struct fl_feed_status *s)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "feed", s->name, "into", s->into,
			 "state", fl_feed_state_word(s->state), "reason", s->reason, "last_try", fl_json_time(s->last_try), "last_ok", fl_json_time(s->last_ok),
			 "last_changed", fl_json_time(s->last_changed), "next_try", fl_json_time(s->next_try), "version", (json_int_t)s->version, "names",
			 (json_int_t)s->names, "failures_in_row", (json_int_t)s->failures_in_row, "changed", (json_int_t)s->fetches_ok, "unchanged",
			 (json_int_t)s->fetches_unchanged, "failed", (json_int_t)s->fetches_failed, "bytes", (json_int_t)s->bytes, "took_ms",
			 (json_int_t)s->took_ms, "lines", tally(&s->lines), "claims", tally(&s->claims));

	if (o) {
		json_object_set_new(o, "stale_after_s", json_integer((json_int_t)(s->stale_after_ms / 1000)));
		json_object_set_new(o, "held", held_json(&s->held));
		json_object_set_new(o, "quarantined", json_integer((json_int_t)s->quarantined_total));
		json_object_set_new(o, "quarantine", quarantine_json(s));
	}
	return o;
}

static json_t *feeds_json(struct role *r)
{
	json_t *v = json_array();

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->n_snap; i++)
		json_array_append_new(v, feed_json(&r->snap[i]));
	pthread_mutex_unlock(&r->lock);
	return v;
}

static void get_feeds(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	(void)req;
	fl_json_answer(res, json_pack("{s:o}", "items", feeds_json(ctx)));
}

/* What a person did, on the topic `audit`; in the loop's thread. `set`: the set that has the version, 0 none. */
static void audit(struct role *r, const struct fl_admin_request *req, const char *action, const char *object, const char *reason, const char *set, uint64_t version)
{
	struct fl_audit a = { .actor = fl_request_actor(req), .action = action, .object = object, .reason = reason, .node = r->cfg->node_name,
			      .at = fl_now_unix(fl_clock_sys()) };

	fl_audit_result(&a, set, version);
	fl_audit(r->bus, &a);
}

/* The word of post_word is taken by the feeds' thread; the bus is the loop's. */
static void do_audit_word(struct fl_call *c)
{
	const char *feed = c->req->path + strlen("/v1/feeds/"), *end = strrchr(feed, '/');
	json_t *body = fl_json_body(c->req, c->res);

	if (body && end)
		audit(c->r, c->req, end[1] == 'a' ? "feed.approve" : "feed.reject", fl_arena_strn(c->req->arena, feed, (size_t)(end - feed)), fl_json_get_str(body, "reason", ""), "", 0);
	json_decref(body);
}

/* {reason, names: [...]}; no names: of what is held. */
static void post_word(struct role *r, const char *feed, bool approve, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	json_t *body = fl_json_body(req, res), *names = body ? json_object_get(body, "names") : NULL, *e;
	const char **v = body ? fl_arena_array(req->arena, json_array_size(names) + 1, sizeof(*v)) : NULL;
	struct judge j = { r, feed, { .approve = approve, .names = v, .actor = fl_request_actor(req), .reason = body ? fl_json_get_str(body, "reason", "") : "" },
			   { 0 }, 0 };
	size_t i;

	if (!body)
		return;
	json_array_foreach (names, i, e)
		if (v && json_is_string(e))
			v[j.word.n_names++] = json_string_value(e);
	if (!v || !feed)
		fl_json_problem(res, FL_ENOMEM, "out of memory");
	else if (fl_loop_call(&r->feeds_loop, do_judge, &j, 30000) < 0)
		fl_json_problem(res, FL_EUNAVAIL, "the feeds thread is busy; try again");
	else if (j.ret < 0)
		fl_json_problem(res, j.ret, j.err.text);
	else {
		struct fl_admin_response unsaid = { 0 }; /* whether it is audited or not, it was done */

		in_loop(r, req, &unsaid, do_audit_word);
		fl_buf_done(&unsaid.body);
		fl_json_answer(res, json_pack("{s:s, s:b, s:I}", "feed", feed, "approved", approve, "names", (json_int_t)j.word.n_names));
	}
	json_decref(body);
}

/* POST /v1/feeds/NAME/fetches, approve, reject, purge; NAME "-" is every feed. */
static void do_purge(struct fl_call *c);
static void post_feed(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	const char *from = req->path + strlen("/v1/feeds/"), *end = strchr(from, '/');
	struct refresh f = { .r = ctx };

	if (end && strcmp(end, "/purge") == 0) {
		in_loop(ctx, req, res, do_purge);
		return;
	}
	if (end && (strcmp(end, "/approve") == 0 || strcmp(end, "/reject") == 0)) {
		post_word(ctx, fl_arena_strn(req->arena, from, (size_t)(end - from)), end[1] == 'a', req, res);
		return;
	}
	if (!end || strcmp(end, "/fetches") != 0) {
		fl_json_problem(res, FL_ENOTFOUND, "no such resource");
		return;
	}
	if (end - from != 1 || *from != '-')
		f.feed = fl_arena_strn(req->arena, from, (size_t)(end - from));
	if (fl_loop_call(&f.r->feeds_loop, do_refresh, &f, 30000) < 0)
		fl_json_problem(res, FL_EUNAVAIL, "the feeds thread is busy; the feed is fetched when it is due");
	else if (f.ret < 0)
		fl_json_problem(res, f.ret, "the configuration has no such feed");
	else
		fl_json_answer(res, json_pack("{s:b, s:s, s:s}", "started", !f.disabled, "feed", f.feed ? f.feed : "all", "reason", f.disabled ? "disabled" : ""));
}

static void do_purge(struct fl_call *c)
{
	const char *from = c->req->path + strlen("/v1/feeds/"), *end = strchr(from, '/');
	const char *name = fl_arena_strn(c->req->arena, from, (size_t)(end - from));
	struct fl_err err = { 0 };
	int ret = name ? fl_source_purge(c->r->findings, name, fl_request_actor(c->req), "purge", &err) : FL_ENOMEM;

	if (ret < 0)
		fl_json_problem(c->res, ret, err.text);
	else {
		audit(c->r, c->req, "feed.purge", name, "purge", "", 0);
		fl_json_answer(c->res, json_pack("{s:s}", "purged", name));
	}
}

static void audit_injection(struct fl_call *c, const struct fl_finding_outcome *o)
{
	char text[80];

	snprintf(text, sizeof(text), "%u findings: %u accepted, %u withdrawn, %u refused", o->findings, o->accepted, o->withdrawn, o->refused);
	if (o->version)
		audit(c->r, c->req, "finding.inject", text, "", fl_arena_printf(c->req->arena, "source/%s", o->source), o->version);
}

static void do_finding(struct fl_call *c)
{
	struct fl_finding_outcome o;
	struct fl_err err = { 0 };
	const char *dry = c->req->query(c->req, "dry_run");
	int ret = fl_findings_inject(c->r->findings, "cli", c->req->body, dry != NULL, fl_request_actor(c->req), &o, &err);

	if (ret == 0)
		audit_injection(c, &o);
	if (ret < 0)
		fl_json_problem(c->res, ret, err.text);
	else
		fl_json_answer(c->res, json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:I, s:s, s:s, s:b}", "findings", (int)o.findings, "domains", (int)o.domains,
						 "accepted", (int)o.accepted, "withdrawn", (int)o.withdrawn, "duplicate", (int)o.duplicate, "refused",
						 (int)o.refused, "source", o.source, "version", (json_int_t)o.version, "list", o.list, "reason", o.reason,
						 "dry_run", dry != NULL));
}

static void post_finding(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	in_loop(ctx, req, res, do_finding);
}

static void do_decision(struct fl_call *c)
{
	const struct fl_decider d = { c->r->findings, c->r->bus, c->r->cfg->node_name };

	fl_finding_decision(&d, c->req, c->res);
}

static void post_decision(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	in_loop(ctx, req, res, do_decision);
}

static void do_findings(struct fl_call *c)
{
	struct fl_reads reads = { .cfg = c->r->cfg, .sets = c->r->sets };

	if (c->req->path[strlen("/v1/findings")])
		fl_reads_finding(&reads, c->req, c->res);
	else
		fl_reads_findings(&reads, c->req, c->res);
}

/* For a command that finds no api role. */
static void get_findings(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	in_loop(ctx, req, res, do_findings);
}

/* "LIST: a.example, b.example", the first of many. */
static const char *entries_text(struct fl_arena *arena, const char *list, const struct fl_operator_entry *v, size_t n)
{
	struct fl_buf b = { 0 };
	const char *out;

	fl_buf_printf(&b, "%s:", list);
	for (size_t i = 0; i < n && i < 20; i++)
		fl_buf_printf(&b, "%s %s", i ? "," : "", v[i].name);
	if (n > 20)
		fl_buf_printf(&b, " and %zu more", n - 20);
	out = fl_buf_cstr(&b) ? fl_arena_str(arena, fl_buf_cstr(&b)) : list;
	fl_buf_done(&b);
	return out;
}

/* {list, add: bool, names: [...], expires_at_us or permanent: true, reason}: entries of LIST.operator. */
static void do_entries(struct fl_call *c)
{
	json_t *body = fl_json_body(c->req, c->res), *names = body ? json_object_get(body, "names") : NULL, *e;
	const char *list = body ? fl_json_get_str(body, "list", "") : "";
	struct fl_operator_entry like = { 0 }, *v = body ? fl_arena_array(c->req->arena, json_array_size(names) + 1, sizeof(*v)) : NULL;
	struct fl_source_version version;
	struct fl_err err = { 0 };
	size_t i, n = 0;
	int ret;

	if (!body)
		return;
	like.permanent = fl_json_get_bool(body, "permanent");
	like.expires_at = fl_json_get_int(body, "expires_at_us", 0);
	like.expires_at = fl_operator_end(c->r->findings, list, &like);
	json_array_foreach (names, i, e)
		if (v && json_is_string(e)) {
			v[n] = like;
			v[n++].name = json_string_value(e);
		}
	if (!v || n == 0)
		ret = fl_err_set(&err, FL_EUSAGE, "names must be a list of one name or more");
	else
		ret = fl_operator_change(c->r->findings, list, fl_json_get_bool(body, "add"), v, n, fl_request_actor(c->req), fl_json_get_str(body, "reason", ""),
					 &version, &err);
	if (ret == 0)
		audit(c->r, c->req, fl_json_get_bool(body, "add") ? "list.add" : "list.rm", entries_text(c->req->arena, list, v, n), fl_json_get_str(body, "reason", ""),
		      fl_arena_printf(c->req->arena, "source/%s.operator", list), version.id.number);
	if (ret < 0)
		fl_json_problem(c->res, ret, err.text);
	else
		fl_json_answer(c->res, json_pack("{s:s, s:I, s:I, s:I, s:o}", "list", list, "source_version", (json_int_t)version.id.number, "added",
						 (json_int_t)version.added, "removed", (json_int_t)version.removed, "expires_at",
						 fl_json_time(fl_json_get_bool(body, "add") ? like.expires_at : 0)));
	json_decref(body);
}

static void post_entries(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	in_loop(ctx, req, res, do_entries);
}

/* {list, reason}: what waits of the list's expiry leaves. */
static void do_approval(struct fl_call *c)
{
	json_t *body = fl_json_body(c->req, c->res);
	const char *list = body ? fl_json_get_str(body, "list", "") : "";
	struct fl_err err = { 0 };
	uint64_t expired;
	int ret;

	if (!body)
		return;
	ret = fl_expiry_approve(c->r->findings, list, fl_request_actor(c->req), fl_json_get_str(body, "reason", ""), &expired, &err);
	if (ret < 0)
		fl_json_problem(c->res, ret, err.text);
	else {
		audit(c->r, c->req, "approve", list, fl_json_get_str(body, "reason", ""), "", 0);
		fl_json_answer(c->res, json_pack("{s:s, s:I}", "list", list, "expired", (json_int_t)expired));
	}
	json_decref(body);
}

static void post_approval(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	in_loop(ctx, req, res, do_approval);
}

/* Where what was acknowledged is, beside the store. */
static json_t *ledger_json(struct role *r, const struct fl_findings_status *s)
{
	return json_pack("{s:s, s:s, s:I, s:b, s:I, s:s}", "host", r->cfg->node_name, "where", !s->ledger ? "none" : s->ledger_file ? "file" : s->ledger_pending ? "both" : "topic", "pending",
			 (json_int_t)s->ledger_pending, "restoring", s->restoring, "restored", (json_int_t)s->restored, "problem", s->ledger_problem);
}

static json_t *sources_json(struct role *r)
{
	json_t *v = fl_sources_json(r->sources);

	fl_ingest_aws_status(r->aws, v);
	return v;
}

static void do_status(struct fl_call *c)
{
	struct fl_findings_status s;
	char entries[sizeof(c->r->snap_problem)];

	pthread_mutex_lock(&c->r->lock);
	memcpy(entries, c->r->snap_problem, sizeof(entries));
	pthread_mutex_unlock(&c->r->lock);
	fl_findings_status(c->r->findings, &s);
	fl_json_answer(c->res,
		       json_pack("{s:s, s:s, s:o, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:I, s:s, s:s, s:s}, s:o}", "role", "ingest", "entries_problem", entries, "feeds",
				 feeds_json(c->r), "sources", sources_json(c->r), "findings",
				 "accepted", (json_int_t)s.accepted, "duplicate", (json_int_t)s.duplicate, "sample", (json_int_t)s.sample, "low_severity",
				 (json_int_t)s.low_severity, "no_domain", (json_int_t)s.no_domain, "ignored", (json_int_t)s.ignored, "protected", (json_int_t)s.protected, "malformed",
				 (json_int_t)s.malformed, "withdrawn", (json_int_t)s.withdrawn, "expired", (json_int_t)s.expired, "clock_skewed",
				 s.clock_skewed, "expiry_waits", (json_int_t)s.expiry_waits, "unreadable", (json_int_t)s.unreadable, "waits_list", s.waits_list,
				 "waits", s.waits, "problem", s.problem, "ledger", ledger_json(c->r, &s)));
}

static void get_status(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	in_loop(ctx, req, res, do_status);
}

static void do_metrics(struct fl_call *c)
{
	fl_findings_metrics(c->r->findings, &c->res->body);
	fl_sources_metrics(c->r->sources, &c->res->body);
	fl_ingest_aws_metrics(c->r->aws, &c->res->body);
	pthread_mutex_lock(&c->r->lock);
	fl_buf_add(&c->res->body, c->r->snap_metrics.p, c->r->snap_metrics.n);
	pthread_mutex_unlock(&c->r->lock);
	c->res->status = 200;
	c->res->content_type = "text/plain; version=0.0.4";
}

static void get_metrics(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	in_loop(ctx, req, res, do_metrics);
}

static const struct fl_admin_route routes[] = {
	{ "GET", "/v1/status", false, get_status },	{ "GET", "/v1/feeds", false, get_feeds },
	{ "POST", "/v1/feeds/*", true, post_feed },	{ "POST", "/v1/findings", true, post_finding },
	{ "GET", "/v1/findings", false, get_findings }, { "GET", "/v1/findings/*", false, get_findings },
	{ "POST", "/v1/findings/*", true, post_decision },
	{ "POST", "/v1/entries", true, post_entries },	{ "POST", "/v1/approvals", true, post_approval },
	{ "GET", "/metrics", false, get_metrics },
};

/* --- life --- */

static int watch_folders(const struct fl_config *cfg)
{
	const char *paths[64];
	size_t n = 0;

	for (size_t i = 0; i < cfg->findings.n_sources && n < 64; i++)
		if (cfg->findings.sources[i].enabled && cfg->findings.sources[i].type == FL_FINDINGS_DIRECTORY)
			paths[n++] = cfg->findings.sources[i].path;
	return n ? fl_drop_dir_watch(paths, n) : -1;
}

struct feeds_reload {
	struct role *r;
	const struct fl_config *cfg;
	int ret;
};

static void do_feeds_reload(void *arg)
{
	struct feeds_reload *x = arg;

	x->ret = fl_ingest_reload(x->r->feeds, x->cfg);
}

static void reload_aws(struct role *r, const struct fl_config *next)
{
	struct fl_err err = { 0 };
	int ret = 0;

	if (r->aws)
		ret = fl_ingest_aws_reload(r->aws, next);
	else if (fl_ingest_aws_wanted(next))
		ret = fl_ingest_aws_open(next, r->intake, &r->aws, &err);
	if (ret < 0)
		FL_LOG(FL_LOG_ERROR, "sources of AWS are not as configured; restart this role", FL_F_STR("why", err.text));
}

static void reload(struct role *r)
{
	struct feeds_reload x = { r, NULL, 0 };
	struct fl_config *next = NULL;
	struct fl_err err = { 0 };

	if (fl_context_reload(&r->args, r->cfg, &next, &err) < 0) {
		FL_LOG(FL_LOG_ERROR, "reload refused, the old configuration stays", FL_F_STR("why", err.text));
		return;
	}
	x.cfg = next;
	if (fl_loop_call(&r->feeds_loop, do_feeds_reload, &x, 120000) < 0 || x.ret < 0 || fl_findings_reload(r->findings, next) < 0) {
		/* whichever stage has taken it keeps it: next must live */
		FL_LOG(FL_LOG_ERROR, "reload failed; restart this role");
		return;
	}
	reload_aws(r, next);
	if (!fl_sources_reload(r->sources, next)) {
		FL_LOG(FL_LOG_ERROR, "sources of findings are busy and keep the old configuration; restart this role");
		r->cfg = next;
		return;
	}
	fl_config_free(r->cfg);
	r->cfg = next;
	fl_audit_reload(r->bus, next->node_name, "ingest");
	FL_LOG(FL_LOG_NOTICE, "configuration reloaded");
}

/* What MISP and TAXII feeds keep there saves work and nothing else. */
static void open_state(struct role *r)
{
	char folder[600];
	struct fl_err err = { 0 };

	snprintf(folder, sizeof(folder), "%.580s/feeds", r->cfg->state);
	mkdir(r->cfg->state, 0750);
	if (fl_disk_posix_open(folder, &r->state, &err) < 0)
		FL_LOG(FL_LOG_WARN, "documents of feeds are not kept, each fetch takes all of them", FL_F_STR("why", err.text));
}

static void findings_wait(void *ctx)
{
	fl_loop_kick(&((struct role *)ctx)->loop);
}

static int open_all(struct role *r, struct fl_err *err)
{
	struct fl_ingest_config ic = { .cfg = r->cfg, .sets = &r->feeds_sets, .clock = fl_clock_sys(), .random = fl_random_sys() };
	struct fl_findings_config fc = { .cfg = r->cfg, .sets = &r->sets, .dir = &fl_drop_dir_posix, .clock = fl_clock_sys(), .random = fl_random_sys() };
	int ret = fl_names_open(r->cfg->psl_file, &r->names, err);

	if (ret == 0)
		ret = fl_context_sets(r->cfg, &r->sets, err);
	if (ret == 0)
		ret = fl_context_sets(r->cfg, &r->feeds_sets, err);
	if (ret == 0)
		ret = fl_context_bus(r->cfg, "fireline-ingest", &r->bus, err);
	if (ret == 0)
		ret = fl_http_curl_open("fireline/" FL_VERSION, &r->http, err);
	if (ret == 0)
		ret = fl_http_curl_bootstrap(r->http, r->cfg->bootstrap_servers, r->cfg->n_bootstrap_servers, err);
	if (ret == 0)
		open_state(r);
	if (ret == 0)
		fl_context_ledger(r->cfg, &r->ledger);
	ic.http = r->http;
	ic.state = r->state;
	ic.names = fc.names = r->names;
	fc.bus = r->bus;
	fc.bus_keeps = r->bus && r->cfg->mode == FL_MODE_RUN;
	fc.ledger = r->ledger;
	if (ret == 0)
		ret = fl_ingest_open(&ic, &r->feeds, err);
	if (ret == 0)
		ret = fl_intake_open(findings_wait, r, &r->intake, err);
	fc.intake = r->intake;
	if (ret == 0)
		ret = fl_findings_open(&fc, &r->findings, err);
	if (ret == 0)
		ret = fl_sources_open(r->cfg, r->intake, &r->sources, err);
	if (ret == 0 && fl_ingest_aws_wanted(r->cfg))
		ret = fl_ingest_aws_open(r->cfg, r->intake, &r->aws, err);
	if (ret == 0)
		ret = fl_context_admin(r->cfg, "ingest", routes, sizeof(routes) / sizeof(routes[0]), r, &r->admin, err);
	return ret;
}

static void close_all(struct role *r)
{
	if (r->thread_up) {
		fl_loop_stop(&r->feeds_loop);
		pthread_join(r->thread, NULL);
	}
	if (r->admin)
		fl_admin_close(r->admin);
	if (r->intake)
		fl_intake_close(r->intake); /* what waits is given back */
	fl_sources_close(r->sources);
	fl_ingest_aws_close(r->aws);
	fl_findings_close(r->findings);
	fl_intake_free(r->intake);
	fl_ingest_close(r->feeds);
	if (r->http)
		r->http->ops->close(r->http);
	if (r->state)
		r->state->ops->close(r->state);
	if (r->ledger)
		r->ledger->ops->close(r->ledger);
	if (r->bus)
		fl_bus_close(r->bus);
	fl_context_sets_done(&r->sets);
	fl_context_sets_done(&r->feeds_sets);
	fl_names_close(r->names);
	fl_arena_done(&r->snap_arena);
	fl_buf_done(&r->snap_metrics);
	fl_loop_done(&r->loop);
	fl_loop_done(&r->feeds_loop);
	fl_config_free(r->cfg);
}

int fl_role_ingest(const struct fl_run_args *args)
{
	struct role r = { .args = *args, .watch_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct fl_err err = { 0 };
	fl_mono_ns wake = 0;
	int ret = fl_context_config(args, &r.cfg);

	if (ret < 0)
		return 78;
	fl_heap_keep();
	fl_log_setup("ingest", (enum fl_log_level)r.cfg->log_level, (enum fl_log_format)r.cfg->log_format, 2);
	fl_loop_block_signals();
	ret = fl_loop_init(&r.loop, true);
	if (ret == 0)
		ret = fl_loop_init(&r.feeds_loop, false);
	if (ret == 0)
		ret = open_all(&r, &err);
	if (ret < 0) {
		FL_LOG(FL_LOG_ERROR, "cannot start", FL_F_STR("why", err.text));
		close_all(&r);
		return ret == FL_ECONFIG ? 78 : 69;
	}
	r.watch_fd = watch_folders(r.cfg);
	fl_loop_add_fd(&r.loop, r.watch_fd, true);
	if (r.bus)
		fl_loop_add_fd(&r.loop, r.bus->ops->wake_fd(r.bus), true);
	r.thread_up = pthread_create(&r.thread, NULL, feeds_thread, &r) == 0;
	FL_LOG(FL_LOG_INFO, "started");
	while (fl_loop_wait(&r.loop, wake)) {
		if (atomic_exchange(&r.loop.reload, false))
			reload(&r);
		ret = fl_context_store_check(r.sets.store, &r.watch, fl_now_mono(fl_clock_sys()), &err);
		if (ret < 0) {
			FL_LOG(FL_LOG_ERROR, "this Redis is refused", FL_F_STR("why", err.text));
			break;
		}
		fl_findings_step(r.findings, fl_now_mono(fl_clock_sys()), &wake);
	}
	close_all(&r);
	return ret < 0 ? 69 : 0;
}
