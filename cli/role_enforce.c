/* Role enforce: the main thread follows lists; the server's own threads answer; admin requests run in the admin thread, on snapshots. A reload or a new image makes another view, which
 * workers take by RCU. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "cli/call.h"
#include "cli/context.h"
#include "cli/json.h"
#include "cli/listen.h"
#include "cli/policy_reads.h"
#include "cli/tail.h"
#include "enforcer/follow.h"
#include "enforcer/server.h"
#include "normalize/normalize.h"

struct role {
	struct fl_run_args args;
	struct fl_config *cfg;
	struct fl_loop loop;
	struct fl_sets sets;
	struct fl_bus *bus, *log_bus;
	struct fl_disk *state;
	struct fl_follow *follow;
	struct fl_policy *policy;
	struct fl_server *server;
	struct fl_admin *admin;
	struct fl_names *names;
	fl_mono_ns started, grace_until;
	bool grace;
	bool unshown; /* workers have an older view than they should: try again */
	pthread_mutex_t lock; /* of what the admin thread reads: */
	struct fl_view *shown; /* a view of its own, for explain */
	struct fl_bypasses bypasses;
	struct fl_follow_status snap;
	struct fl_follow_list_status *snap_lists;
	size_t n_snap;
	struct fl_arena snap_arena;
	struct fl_buf snap_metrics;
};

/* --- views --- */

static bool show(struct role *r, struct fl_image *img)
{
	struct fl_view *next = NULL, *mine = NULL, *old;

	if (fl_view_new(r->policy, img, r->grace, &next) < 0 || fl_view_new(r->policy, img, r->grace, &mine) < 0 || fl_bypasses_apply(&r->bypasses, next) < 0 ||
	    fl_bypasses_apply(&r->bypasses, mine) < 0) {
		fl_view_free(next);
		fl_view_free(mine);
		FL_LOG(FL_LOG_ERROR, "out of memory: the last good view stays");
		r->unshown = true;
		return false;
	}
	r->unshown = false;
	if (r->server)
		fl_server_set_view(r->server, next); /* returns when no worker can see the old one */
	else
		fl_view_free(next);
	pthread_mutex_lock(&r->lock);
	old = r->shown;
	r->shown = mine;
	pthread_mutex_unlock(&r->lock);
	fl_view_free(old);
	return true;
}

static void on_image(void *ctx, struct fl_image *img)
{
	show(ctx, img);
}

static void snapshot(struct role *r)
{
	struct fl_arena arena = { 0 };
	struct fl_follow_list_status *v;
	struct fl_follow_status s;
	struct fl_buf metrics = { 0 };
	size_t n;

	fl_follow_status(r->follow, &s, &arena, &v, &n);
	fl_follow_metrics(r->follow, &metrics);
	pthread_mutex_lock(&r->lock);
	fl_arena_done(&r->snap_arena);
	fl_buf_done(&r->snap_metrics);
	r->snap = s;
	r->snap_arena = arena;
	r->snap_lists = v;
	r->n_snap = n;
	r->snap_metrics = metrics;
	pthread_mutex_unlock(&r->lock);
}

/* --- requests, in the admin thread --- */

static json_t *lists_json(struct role *r)
{
	json_t *v = json_array();

	for (size_t i = 0; i < r->n_snap; i++) {
		const struct fl_follow_list_status *l = &r->snap_lists[i];

		json_array_append_new(v, json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:I}", "list", l->list, "state", fl_follow_state_word(l->state), "reason",
						   l->reason, "applied_version", (json_int_t)l->applied_version, "known_version", (json_int_t)l->known_version,
						   "published_at", fl_json_time(l->published_at), "applied_at", fl_json_time(l->applied_at), "names",
						   (json_int_t)l->names));
	}
	return v;
}

/* null: none is configured, and none is missed. */
static json_t *up_json(const char *address, bool up)
{
	return address[0] ? json_boolean(up) : json_null();
}

static const char *const modes[] = { "run", "embedded", "demo" };

static void get_status(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;
	struct fl_server_stats s;
	char problem[300];
	json_t *o;

	(void)req;
	fl_server_stats(r->server, &s);
	pthread_mutex_lock(&r->lock);
	o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:{s:I, s:I, s:i, s:I}, s:{s:I, s:I, s:I, s:I, s:I}, s:s}", "role", "enforce", "enforcer",
		      r->cfg->node_name, "mode", modes[r->cfg->mode], "store_up", up_json(r->cfg->redis_url, r->snap.store_up), "bus_up",
		      up_json(r->cfg->kafka_brokers, r->snap.bus_up), "lists", lists_json(r), "up_ms",
		      (json_int_t)((fl_now_mono(fl_clock_sys()) - r->started) / FL_NS_PER_MS), "image", "names", (json_int_t)r->snap.image.names, "bytes",
		      (json_int_t)r->snap.image.bytes, "runs", (int)r->snap.image.runs, "generation", (json_int_t)r->snap.image.generation, "follow",
		      "events_applied", (json_int_t)r->snap.events_applied, "events_dropped", (json_int_t)r->snap.events_dropped, "events_corrupt",
		      (json_int_t)r->snap.events_corrupt, "resyncs", (json_int_t)r->snap.resyncs, "files_set_aside", (json_int_t)r->snap.files_set_aside,
		      "problem", r->snap.problem);
	if (o) {
		json_object_set_new(o, "bypasses", fl_policy_bypasses(&r->bypasses));
		json_object_set_new(o, "bypass_problem", json_string(r->bypasses.problem));
		json_object_set_new(o, "reload_problem", json_string(fl_context_reload_problem(r->cfg, problem, sizeof(problem))));
	}
	pthread_mutex_unlock(&r->lock);
	if (o)
		json_object_set_new(o, "server",
				    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i}", "queries", (json_int_t)s.queries, "answers",
					      (json_int_t)s.answers, "blocked", (json_int_t)s.blocked, "alerted", (json_int_t)s.alerted, "servfail",
					      (json_int_t)s.servfail, "cache_hits", (json_int_t)s.cache_hits, "dropped", (json_int_t)s.dropped, "qlog_written",
					      (json_int_t)s.qlog_written, "qlog_delivered", (json_int_t)s.qlog_delivered, "qlog_dropped",
					      (json_int_t)s.qlog_dropped, "qlog_rings_damaged", (json_int_t)s.qlog_rings_damaged, "qlog_rings_surplus",
					      (json_int_t)s.qlog_rings_surplus, "workers", (int)s.workers));
	fl_json_answer(res, o);
}

static void get_metrics(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;
	char problem[300];

	(void)req;
	fl_metric_family(&res->body, "fireline_build_info", FL_GAUGE, "Build and profile, value is 1.");
	fl_metric_u64(&res->body, "fireline_build_info", "", FL_LABELS("version", FL_VERSION, "profile", modes[r->args.mode]), 1);
	fl_server_metrics(r->server, &res->body);
	pthread_mutex_lock(&r->lock);
	fl_buf_add(&res->body, r->snap_metrics.p, r->snap_metrics.n);
	fl_bypasses_metrics(&r->bypasses, r->cfg, &res->body);
	fl_metric_family(&res->body, "fireline_config_last_reload_successful", FL_GAUGE, "0 after a reload that was refused: the configuration before it is in force.");
	fl_metric_u64(&res->body, "fireline_config_last_reload_successful", "", NULL, *fl_context_reload_problem(r->cfg, problem, sizeof(problem)) == '\0');
	pthread_mutex_unlock(&r->lock);
	res->status = 200;
	res->content_type = "text/plain; version=0.0.4";
}

static void get_explanation(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;

	pthread_mutex_lock(&r->lock);
	fl_policy_explain(r->shown, &r->bypasses, r->names, req, res);
	pthread_mutex_unlock(&r->lock);
}

static void get_policy(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;

	pthread_mutex_lock(&r->lock);
	fl_policy_show(r->shown, &r->bypasses, req, res);
	pthread_mutex_unlock(&r->lock);
}

static void get_ref(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;
	uint64_t ref;

	if (!fl_unbase32_40(fl_span_str(req->path + strlen("/v1/refs/")), &ref)) {
		fl_json_problem(res, FL_EUSAGE, "a reference is 8 characters of a-z and 2-7");
		return;
	}
	if (fl_server_ref(r->server, ref, &res->body) < 0)
		fl_json_problem(res, FL_ENOTFOUND, "not among the last 65,536 blocks of this enforcer; look for it in the query log");
	else
		res->status = 200;
}

/* --- bypasses: changed in the loop's thread, under the lock that the admin thread reads them by --- */

/* Log and, where there is a bus, topic `audit`. */
static void audit(struct role *r, const char *what, const struct fl_bypass *b, const char *actor)
{
	char until[FL_TIME_TEXT], at[FL_TIME_TEXT];
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s, s:s}", "at", fl_time_format(fl_now_unix(fl_clock_sys()), at), "actor", actor, "action", what, "enforcer",
			      r->cfg->node_name, "association", b->association[0] ? b->association : NULL, "until", fl_time_format(b->until, until), "reason", b->reason);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	FL_LOG(FL_LOG_NOTICE, what, FL_F_STR("association", b->association[0] ? b->association : "*"), FL_F_STR("until", until), FL_F_STR("actor", actor),
	       FL_F_STR("reason", b->reason));
	if (text && r->bus && fl_bus_produce(r->bus, FL_BUS_CONTROL, FL_TOPIC_AUDIT, fl_span_str(actor), fl_span_str(text), NULL, 0, 0, NULL) < 0)
		FL_LOG(FL_LOG_WARN, "the bus did not take an audit record: it stands in this log alone");
	free(text);
	json_decref(o);
}

static void get_bypasses(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;
	json_t *o;

	(void)req;
	pthread_mutex_lock(&r->lock);
	o = json_pack("{s:s, s:o, s:s}", "enforcer", r->cfg->node_name, "items", fl_policy_bypasses(&r->bypasses), "problem", r->bypasses.problem);
	pthread_mutex_unlock(&r->lock);
	fl_json_answer(res, o);
}

static void answer_bypass(struct role *r, struct fl_admin_response *res, const struct fl_bypass *b, bool on)
{
	fl_json_answer(res, json_pack("{s:s, s:b, s:s?, s:o, s:s, s:s}", "enforcer", r->cfg->node_name, "on", on, "association", b->association[0] ? b->association : NULL, "until",
				      on ? fl_json_time(b->until) : json_null(), "reason", b->reason, "problem", r->bypasses.problem));
}

static void do_bypass_on(struct fl_call *c)
{
	struct role *r = c->r;
	json_t *body = fl_json_body(c->req, c->res);
	const struct fl_bypass *b = NULL;
	struct fl_err err = { 0 };
	int ret;

	if (!body)
		return;
	pthread_mutex_lock(&r->lock);
	ret = fl_bypasses_on(&r->bypasses, r->cfg, fl_json_get_str(body, "association", ""), fl_json_get_int(body, "for_ms", 0), fl_request_actor(c->req),
			     fl_json_get_str(body, "reason", ""), &b, &err);
	pthread_mutex_unlock(&r->lock);
	json_decref(body);
	if (ret < 0) {
		fl_json_problem(c->res, ret, err.text);
		return;
	}
	audit(r, "bypass on", b, b->actor);
	if (show(r, fl_follow_image(r->follow)))
		answer_bypass(r, c->res, b, true);
	else
		fl_json_problem(c->res, FL_ENOMEM, "it is on, and not in force yet: out of memory, tried again");
}

static void do_bypass_off(struct fl_call *c)
{
	const char *association = c->req->query(c->req, "association");
	struct fl_bypass was = { 0 };
	struct role *r = c->r;
	struct fl_err err = { 0 };
	int ret;

	pthread_mutex_lock(&r->lock);
	ret = fl_bypasses_off(&r->bypasses, association ? association : "", &was, &err);
	pthread_mutex_unlock(&r->lock);
	if (ret < 0) {
		fl_json_problem(c->res, ret, err.text);
		return;
	}
	audit(r, "bypass off", &was, fl_request_actor(c->req));
	if (show(r, fl_follow_image(r->follow)))
		answer_bypass(r, c->res, &was, false);
	else
		fl_json_problem(c->res, FL_ENOMEM, "it is off, and still in force: out of memory, tried again");
}

static void post_bypass(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;

	fl_call_in_loop(&r->loop, r, "the enforcer", req, res, do_bypass_on);
}

static void delete_bypass(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;

	fl_call_in_loop(&r->loop, r, "the enforcer", req, res, do_bypass_off);
}

/* Timers that ran out, and associations that the configuration dropped. */
static void end_bypasses(struct role *r, fl_mono_ns now)
{
	struct fl_bypass b;
	bool any = false, one = true;

	while (one) {
		pthread_mutex_lock(&r->lock);
		one = fl_bypasses_end(&r->bypasses, r->cfg, now, &b);
		pthread_mutex_unlock(&r->lock);
		if (one)
			audit(r, b.ends <= now ? "bypass ended" : "bypass ended: the association is gone", &b, "fireline");
		any = any || one;
	}
	if (any || r->unshown)
		show(r, fl_follow_image(r->follow));
}

static void get_tail(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;

	fl_tail_start(r->server, r->admin, req, res);
}

static const struct fl_admin_route routes[] = {
	{ "GET", "/v1/status", false, get_status },	       { "GET", "/metrics", false, get_metrics },
	{ "GET", "/v1/explanations", false, get_explanation }, { "GET", "/v1/refs/*", false, get_ref },
	{ "GET", "/v1/tail", false, get_tail },		       { "GET", "/v1/policy", false, get_policy },
	{ "GET", "/v1/bypasses", false, get_bypasses },	       { "POST", "/v1/bypasses", true, post_bypass },
	{ "DELETE", "/v1/bypasses", true, delete_bypass },
};

/* --- life --- */

static void reload(struct role *r)
{
	struct fl_policy *policy = NULL, *old_policy = r->policy;
	struct fl_config *next = NULL, *old = r->cfg;
	struct fl_err err = { 0 };

	if (fl_context_reload(&r->args, r->cfg, &next, &err) < 0 || fl_policy_new(next, &policy, &err) < 0) {
		FL_LOG(FL_LOG_ERROR, "reload refused, the old policy stays", FL_F_STR("why", err.text));
		fl_context_reload_said(r->cfg, err.text);
		fl_config_free(next);
		return;
	}
	if (fl_server_reload(r->server, next, &err) < 0) {
		FL_LOG(FL_LOG_ERROR, "reload refused, the old policy stays", FL_F_STR("why", err.text));
		fl_context_reload_said(r->cfg, err.text);
		fl_policy_free(policy);
		fl_config_free(next);
		return;
	}
	pthread_mutex_lock(&r->lock);
	r->policy = policy;
	r->cfg = next;
	pthread_mutex_unlock(&r->lock);
	if (fl_follow_reload(r->follow, next) < 0) {
		FL_LOG(FL_LOG_ERROR, "out of memory: lists stay as they were until the next reload");
		return; /* it may still speak of the old configuration: that stays */
	}
	if (!show(r, fl_follow_image(r->follow)))
		return; /* workers still read the old policy: it stays */
	fl_policy_free(old_policy);
	fl_config_free(old);
	fl_context_reload_said(r->cfg, NULL);
	FL_LOG(FL_LOG_NOTICE, "configuration reloaded");
}

static int open_follow(struct role *r, struct fl_err *err)
{
	struct fl_follow_config fc = { .cfg = r->cfg, .sets = &r->sets, .clock = fl_clock_sys(), .random = fl_random_sys(), .on_image = on_image, .ctx = r };
	int ret = fl_disk_posix_open(r->cfg->state, &r->state, err);

	if (ret == 0) {
		fl_bypasses_open(&r->bypasses, r->state, fl_clock_sys());
		ret = fl_context_sets_or_none(r->cfg, &r->sets, err);
	}
	if (ret == 0)
		ret = fl_context_bus(r->cfg, "fireline-enforce", &r->bus, err);
	if (ret == 0)
		ret = fl_policy_new(r->cfg, &r->policy, err);
	fc.bus = r->bus;
	fc.state = r->state;
	if (ret == 0)
		ret = fl_follow_open(&fc, &r->follow, err);
	return ret;
}

static int open_server(struct role *r, struct fl_err *err)
{
	struct fl_server_config sc = { .cfg = r->cfg, .clock = fl_clock_sys(), .random = fl_random_sys(), .runtime = r->cfg->runtime };
	struct fl_sockets sockets;
	int ret = 0;

	mkdir(r->cfg->runtime, 0755); /* rings come before the admin socket */
	if (!fl_sockets_import(&sockets))
		ret = fl_sockets_open(r->cfg, &sockets, err);
	if (ret == 0 && r->cfg->query_log_enabled)
		ret = fl_context_bus(r->cfg, "fireline-query-log", &r->log_bus, err);
	if (ret == 0 && !r->cfg->upstream_builtin)
		ret = fl_upstream_net_open(&sc.upstream, err);
	if (ret < 0)
		return ret;
	sc.udp_fds = sockets.udp;
	sc.n_udp = sockets.n_udp;
	sc.tcp_fds = sockets.tcp;
	sc.n_tcp = sockets.n_tcp;
	sc.bus = r->log_bus;
	ret = fl_server_start(&sc, &r->server, err);
	if (ret == 0)
		show(r, fl_follow_image(r->follow));
	return ret;
}

static void close_all(struct role *r)
{
	if (r->admin)
		fl_admin_close(r->admin);
	if (r->server)
		fl_server_stop(r->server, 2000);
	fl_view_free(r->shown);
	fl_follow_close(r->follow);
	fl_policy_free(r->policy);
	if (r->bus)
		fl_bus_close(r->bus);
	if (r->log_bus)
		fl_bus_close(r->log_bus);
	fl_context_sets_done(&r->sets);
	if (r->state)
		r->state->ops->close(r->state);
	fl_names_close(r->names);
	fl_arena_done(&r->snap_arena);
	fl_buf_done(&r->snap_metrics);
	fl_loop_done(&r->loop);
	fl_config_free(r->cfg);
}

/* A fresh install waits for first versions: until then lists never held fail open. */
static void end_grace(struct role *r, fl_mono_ns now)
{
	if (!r->grace || now < r->grace_until)
		return;
	r->grace = false;
	show(r, fl_follow_image(r->follow));
}

int fl_role_enforce(const struct fl_run_args *args)
{
	struct role r = { .args = *args, .lock = PTHREAD_MUTEX_INITIALIZER, .started = fl_now_mono(fl_clock_sys()), .grace = true };
	struct fl_err err = { 0 };
	fl_mono_ns wake = 0;
	int ret = fl_context_config(args, &r.cfg);

	if (ret < 0)
		return 78;
	fl_log_setup("enforce", (enum fl_log_level)r.cfg->log_level, (enum fl_log_format)r.cfg->log_format, 2);
	fl_loop_block_signals();
	r.grace_until = r.started + r.cfg->startup_grace_ms * FL_NS_PER_MS;
	ret = fl_loop_init(&r.loop, true);
	if (ret == 0)
		ret = fl_names_open(r.cfg->psl_file, &r.names, &err);
	if (ret == 0)
		ret = open_follow(&r, &err);
	if (ret == 0)
		ret = open_server(&r, &err);
	if (ret == 0)
		snapshot(&r);
	if (ret == 0)
		ret = fl_context_admin(r.cfg, "enforce", routes, sizeof(routes) / sizeof(routes[0]), &r, &r.admin, &err);
	if (ret < 0) {
		FL_LOG(FL_LOG_ERROR, "cannot start", FL_F_STR("why", err.text));
		close_all(&r);
		return ret == FL_ECONFIG ? 78 : 69;
	}
	if (r.bus)
		fl_loop_add_fd(&r.loop, r.bus->ops->wake_fd(r.bus), true);
	fl_context_reload_said(r.cfg, NULL); /* what was refused is what runs now, or stands no more */
	FL_LOG(FL_LOG_INFO, "answering");
	while (fl_loop_wait(&r.loop, wake)) {
		fl_mono_ns now = fl_now_mono(fl_clock_sys());

		if (atomic_exchange(&r.loop.reload, false))
			reload(&r);
		end_grace(&r, now);
		end_bypasses(&r, now);
		fl_follow_step(r.follow, now, &wake);
		if (r.grace && r.grace_until < wake)
			wake = r.grace_until;
		if (fl_bypasses_next(&r.bypasses) < wake)
			wake = fl_bypasses_next(&r.bypasses);
		snapshot(&r);
	}
	close_all(&r);
	return 0;
}
