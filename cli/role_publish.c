/* Role publish: one thread that steps the publisher; admin requests run in it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "cli/call.h"
#include "cli/context.h"
#include "cli/ingest_findings.h"
#include "cli/json.h"
#include "publisher/publisher.h"

struct role {
	struct fl_run_args args;
	struct fl_config *cfg;
	struct fl_loop loop;
	struct fl_sets sets;
	struct fl_bus *bus;
	struct fl_disk *ledger;
	struct fl_publisher *pub;
	struct fl_admin *admin;
	bool topics_done;
	struct fl_store_watch watch;
	fl_mono_ns topics_at;
};

static void in_loop(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res, void (*fn)(struct fl_call *c))
{
	struct role *r = ctx;

	fl_call_in_loop(&r->loop, r, "the publisher", req, res, fn);
}

static void do_status(struct fl_call *c)
{
	struct fl_arena arena = { 0 };
	struct fl_publish_status *v;
	struct fl_publish_ledger ledger;
	json_t *lists = json_array();
	size_t n;

	fl_publisher_status(c->r->pub, &arena, &v, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(lists, json_pack("{s:s, s:I, s:I, s:o, s:I, s:o, s:i, s:i, s:i, s:b, s:s}", "list", v[i].list, "version",
						       (json_int_t)v[i].version, "sent_version", (json_int_t)v[i].sent_version, "published_at",
						       fl_json_time(v[i].published_at), "outbox", (json_int_t)v[i].outbox, "outbox_oldest",
						       fl_json_time(v[i].outbox_oldest), "pinned", (int)v[i].pinned, "gone", (int)v[i].gone,
						       "waiting_sources", (int)v[i].waiting_sources, "leader", v[i].leader, "problem", v[i].problem));
	fl_arena_done(&arena);
	fl_publisher_ledger(c->r->pub, &ledger);
	fl_json_answer(c->res, json_pack("{s:s, s:o, s:{s:s, s:s, s:I, s:I, s:s}}", "role", "publish", "lists", lists, "ledger", "host", c->r->cfg->node_name, "where",
					 !ledger.there ? "none" : ledger.file ? "file" : ledger.pending ? "both" : "topic", "pending", (json_int_t)ledger.pending, "again",
					 (json_int_t)ledger.again, "problem", ledger.problem));
}

static void get_status(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	in_loop(ctx, req, res, do_status);
}

static void do_metrics(struct fl_call *c)
{
	c->res->status = 200;
	c->res->content_type = "text/plain; version=0.0.4";
	fl_publisher_metrics(c->r->pub, &c->res->body);
}

static void get_metrics(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	in_loop(ctx, req, res, do_metrics);
}

static bool op_of(const char *kind, enum fl_publish_op *out)
{
	static const char *const words[] = { "rollback", "hold", "unhold", "recover", "purge" };

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], kind) == 0) {
			*out = (enum fl_publish_op)i;
			return true;
		}
	return false;
}

static const char *const *without_of(const json_t *body, struct fl_arena *arena)
{
	const json_t *w = json_object_get(body, "without"), *e;
	const char **v = fl_arena_array(arena, json_array_size(w) + 1, sizeof(*v));
	size_t i, n = 0;

	json_array_foreach (w, i, e)
		if (v && json_is_string(e))
			v[n++] = json_string_value(e);
	return v;
}

static void audit(struct fl_call *c, const struct fl_publish_request *req, const char *kind, uint64_t version)
{
	struct fl_audit a = { .actor = req->actor, .action = fl_arena_printf(c->req->arena, "list.%s", kind), .object = req->list, .reason = req->reason,
			      .node = c->r->cfg->node_name, .at = fl_now_unix(fl_clock_sys()) };

	fl_audit_result(&a, fl_arena_printf(c->req->arena, "list/%s", req->list), version);
	fl_audit(c->r->bus, &a);
}

/* /v1/domain-lists/NAME/publications */
static void do_publication(struct fl_call *c)
{
	char name[FL_SET_NAME] = "";
	const char *from = c->req->path + strlen("/v1/domain-lists/"), *end = strchr(from, '/');
	struct fl_publish_request r = { 0 };
	struct fl_publish_answer a;
	struct fl_err err = { 0 };
	json_t *body;
	int ret;

	if (!end || strcmp(end, "/publications") != 0 || (size_t)(end - from) >= sizeof(name)) {
		fl_json_problem(c->res, FL_ENOTFOUND, "no such resource");
		return;
	}
	memcpy(name, from, (size_t)(end - from));
	body = fl_json_body(c->req, c->res);
	if (!body)
		return;
	if (!op_of(fl_json_get_str(body, "kind", ""), &r.op)) {
		fl_json_problem(c->res, FL_EUSAGE, "kind must be rollback, hold, unhold, recover or purge");
		json_decref(body);
		return;
	}
	r.list = name;
	r.to = (uint64_t)fl_json_get_int(body, "to", 0);
	r.source = fl_json_get_str(body, "source", NULL);
	r.include_findings = fl_json_get_bool(body, "include_findings");
	r.without = without_of(body, c->req->arena);
	r.actor = fl_request_actor(c->req);
	r.reason = fl_json_get_str(body, "reason", "");
	r.dry_run = fl_json_get_bool(body, "dry_run");
	ret = fl_publisher_request(c->r->pub, &r, c->req->arena, &a, &err);
	if (ret == 0 && !r.dry_run)
		audit(c, &r, fl_json_get_str(body, "kind", ""), a.version.id.number);
	if (ret < 0)
		fl_json_problem(c->res, ret, err.text);
	else
		fl_json_answer(c->res, json_pack("{s:o, s:I, s:I, s:I, s:I, s:b, s:s}", "version", fl_json_list_version(&a.version), "before",
						 (json_int_t)a.before.id.number, "would_add", (json_int_t)a.would_add, "would_remove",
						 (json_int_t)a.would_remove, "lost_version", (json_int_t)a.lost_version, "dry_run", r.dry_run, "note", a.note));
	json_decref(body);
}

static void post_publication(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	in_loop(ctx, req, res, do_publication);
}

static const struct fl_admin_route routes[] = {
	{ "GET", "/v1/status", false, get_status },
	{ "GET", "/metrics", false, get_metrics },
	{ "POST", "/v1/domain-lists/*", true, post_publication },
};

static void reload(struct role *r)
{
	struct fl_config *next = NULL;
	struct fl_err err = { 0 };

	if (fl_context_reload(&r->args, r->cfg, &next, &err) < 0) {
		FL_LOG(FL_LOG_ERROR, "reload refused, the old configuration stays", FL_F_STR("why", err.text));
		return;
	}
	if (fl_publisher_reload(r->pub, next) < 0) {
		fl_config_free(next);
		return;
	}
	fl_config_free(r->cfg);
	r->cfg = next;
	fl_audit_reload(r->bus, next->node_name, "publish");
	FL_LOG(FL_LOG_NOTICE, "configuration reloaded");
}

static int open_all(struct role *r, struct fl_err *err)
{
	struct fl_publisher_config pc;
	int ret = fl_context_sets(r->cfg, &r->sets, err);

	if (ret == 0)
		ret = fl_context_bus(r->cfg, "fireline-publish", &r->bus, err);
	if (ret == 0 && !r->bus)
		ret = fl_err_set(err, FL_ECONFIG, "kafka.brokers: role publish needs a bus");
	if (ret < 0)
		return ret;
	fl_context_ledger(r->cfg, &r->ledger);
	pc = (struct fl_publisher_config){ r->cfg, &r->sets, r->bus, fl_clock_sys(), fl_random_sys(), r->cfg->mode == FL_MODE_RUN, r->ledger };
	ret = fl_publisher_open(&pc, &r->pub, err);
	if (ret == 0)
		ret = fl_context_admin(r->cfg, "publish", routes, sizeof(routes) / sizeof(routes[0]), r, &r->admin, err);
	return ret;
}

/* create_topics: create. A broker that is away is asked again later; publishing does not wait for it. */
static void make_topics(struct role *r)
{
	fl_mono_ns now = fl_now_mono(fl_clock_sys());

	if (r->topics_done || now < r->topics_at)
		return;
	r->topics_at = now + 5 * FL_NS_PER_S;
	r->topics_done = fl_context_topics(r->cfg, r->bus, NULL) == 0;
}

int fl_role_publish(const struct fl_run_args *args)
{
	struct role r = { .args = *args };
	struct fl_err err = { 0 };
	fl_mono_ns wake = 0;
	int store_slot, ret = fl_context_config(args, &r.cfg);

	if (ret < 0)
		return 78;
	fl_log_setup("publish", (enum fl_log_level)r.cfg->log_level, (enum fl_log_format)r.cfg->log_format, 2);
	fl_loop_block_signals();
	ret = fl_loop_init(&r.loop, true);
	if (ret == 0)
		ret = open_all(&r, &err);
	if (ret < 0) {
		FL_LOG(FL_LOG_ERROR, "cannot start", FL_F_STR("why", err.text));
		goto out;
	}
	store_slot = fl_loop_add_fd(&r.loop, -1, false);
	fl_loop_add_fd(&r.loop, r.bus->ops->wake_fd(r.bus), true);
	FL_LOG(FL_LOG_INFO, "started");
	while (fl_loop_wait(&r.loop, wake)) {
		if (atomic_exchange(&r.loop.reload, false))
			reload(&r);
		ret = fl_context_store_check(r.sets.store, &r.watch, fl_now_mono(fl_clock_sys()), &err);
		if (ret < 0) {
			FL_LOG(FL_LOG_ERROR, "this Redis is refused", FL_F_STR("why", err.text));
			break;
		}
		make_topics(&r);
		/* a store that reconnects has another descriptor */
		fl_loop_set_fd(&r.loop, store_slot, r.sets.store->ops->wake_fd(r.sets.store));
		fl_publisher_step(r.pub, fl_now_mono(fl_clock_sys()), &wake);
	}
out:
	if (r.admin)
		fl_admin_close(r.admin);
	fl_publisher_close(r.pub);
	if (r.ledger)
		r.ledger->ops->close(r.ledger);
	if (r.bus)
		fl_bus_close(r.bus);
	fl_context_sets_done(&r.sets);
	fl_loop_done(&r.loop);
	fl_config_free(r.cfg);
	return ret < 0 ? (ret == FL_ECONFIG ? 78 : 69) : 0;
}
