/* Role api: admin.sock. Answers what the store can say by itself, joins what the roles say of themselves, and forwards the rest by path. It holds nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "cli/context.h"
#include "cli/json.h"
#include "cli/reads.h"
#include "cli/verdict.h"

struct role {
	struct fl_run_args args;
	struct fl_config *cfg;
	struct fl_loop loop;
	struct fl_reads reads;
	struct fl_admin *admin;
};

enum { FORWARD_MS = 30000, ASK_MS = 3000 };

static const char *const role_names[] = { "ingest", "publish", "enforce" };

static int ask(struct role *r, const char *role, const char *method, const char *target, struct fl_span body, int timeout_ms, struct fl_admin_answer *out,
	       struct fl_err *err)
{
	char path[512];

	return fl_admin_call(fl_role_socket(r->cfg, role, path, sizeof(path)), method, target, body, timeout_ms, NULL, NULL, out, err);
}

static json_t *ask_json(struct role *r, const char *role, const char *target)
{
	struct fl_admin_answer a = { 0 };
	struct fl_err err = { 0 };
	json_t *o = NULL;

	if (ask(r, role, "GET", target, fl_span(NULL, 0), ASK_MS, &a, &err) == 0 && a.status == 200)
		o = json_loadb((const char *)a.body.p, a.body.n, 0, NULL);
	fl_buf_done(&a.body);
	return o;
}

static void get_status(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;
	json_t *roles = json_object();

	(void)req;
	for (size_t i = 0; i < sizeof(role_names) / sizeof(role_names[0]); i++) {
		json_t *s = ask_json(r, role_names[i], "/v1/status");

		json_object_set_new(roles, role_names[i], s ? s : json_null());
	}
	fl_json_answer(res, fl_verdict_join(roles, fl_reads_orphans(&r->reads)));
}

/* One exposition of all roles' families. */
static void get_metrics(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;

	(void)req;
	for (size_t i = 0; i < sizeof(role_names) / sizeof(role_names[0]); i++) {
		struct fl_admin_answer a = { 0 };

		if (ask(r, role_names[i], "GET", "/metrics", fl_span(NULL, 0), ASK_MS, &a, NULL) == 0 && a.status == 200)
			fl_buf_add(&res->body, a.body.p, a.body.n);
		fl_buf_done(&a.body);
	}
	res->status = 200;
	res->content_type = "text/plain; version=0.0.4";
}

static void query_encode(struct fl_buf *out, const char *key, const char *value)
{
	fl_buf_printf(out, "%c%s=", memchr(out->p, '?', out->n) ? '&' : '?', key);
	fl_percent_encode(out, value);
}

/* A finding's id in a path may hold anything. */
static void path_encode(struct fl_buf *out, const char *path)
{
	char one[2] = "";

	for (; *path; path++) {
		one[0] = *path;
		if (*path == '/')
			fl_buf_u8(out, '/');
		else
			fl_percent_encode(out, one);
	}
}

/* Forward with the caller's name: the roles take it from a peer that is their own user. */
static void forward(struct role *r, const char *role, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	static const char *const passed[] = { "dry_run", "name", "client", "qtype", "from", "to", "at", "grep", "limit", "association" };
	struct fl_admin_answer a = { 0 };
	struct fl_buf target = { 0 };
	struct fl_err err = { 0 };
	char *text;
	int ret = FL_ENOMEM;

	path_encode(&target, req->path);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		if (req->query(req, passed[i]))
			query_encode(&target, passed[i], req->query(req, passed[i]));
	query_encode(&target, "actor", req->actor);
	text = fl_buf_cstr(&target);
	if (text)
		ret = ask(r, role, req->method, text, req->body, FORWARD_MS, &a, &err);
	if (ret < 0)
		fl_json_problem(res, ret, err.text);
	else {
		res->status = a.status;
		fl_buf_add(&res->body, a.body.p, a.body.n);
	}
	fl_buf_done(&a.body);
	fl_buf_done(&target);
}

static void to_ingest(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	forward(ctx, "ingest", req, res);
}

static void to_enforce(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	forward(ctx, "enforce", req, res);
}

static void to_publish(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	forward(ctx, "publish", req, res);
}

static void get_explanation(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;
	json_t *o;

	forward(r, "enforce", req, res);
	if (res->status != 200)
		return;
	o = json_loadb((const char *)res->body.p, res->body.n, 0, NULL);
	if (!o)
		return;
	fl_reads_enrich(&r->reads, json_object_get(o, "because"));
	json_object_set_new(o, "past", fl_reads_past(&r->reads, fl_json_get_str(o, "name", "")));
	fl_buf_reset(&res->body);
	fl_json_answer(res, o);
}

static void get_lists(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;

	(void)req;
	fl_reads_lists(&r->reads, res);
}

static void get_list(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;

	fl_reads_list(&r->reads, req, res);
}

static void get_feed(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;

	fl_reads_feed(&r->reads, req, res);
}

static void get_findings(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;

	fl_reads_findings(&r->reads, req, res);
}

static void get_finding(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct role *r = ctx;

	fl_reads_finding(&r->reads, req, res);
}

static const struct fl_admin_route routes[] = {
	{ "GET", "/v1/status", false, get_status },	       { "GET", "/metrics", false, get_metrics },
	{ "GET", "/v1/domain-lists", false, get_lists },       { "GET", "/v1/domain-lists/*", false, get_list },
	{ "POST", "/v1/domain-lists/*", true, to_publish },    { "GET", "/v1/feeds", false, to_ingest },
	{ "GET", "/v1/feeds/*", false, get_feed },	       { "POST", "/v1/feeds/*", true, to_ingest },	       { "POST", "/v1/findings", true, to_ingest },
	{ "POST", "/v1/entries", true, to_ingest },	       { "GET", "/v1/explanations", false, get_explanation },
	{ "GET", "/v1/findings", false, get_findings },	       { "GET", "/v1/findings/*", false, get_finding },
	{ "POST", "/v1/findings/*", true, to_ingest },
	{ "GET", "/v1/policy", false, to_enforce },	       { "GET", "/v1/bypasses", false, to_enforce },
	{ "POST", "/v1/bypasses", true, to_enforce },	       { "DELETE", "/v1/bypasses", true, to_enforce },
	{ "GET", "/v1/refs/*", false, to_enforce },	       { "POST", "/v1/approvals", true, to_ingest },
};

/* admin.sock where the configuration says, and api.sock beside the other roles' sockets; the metrics listener on TCP. */
static int open_admin(struct role *r, struct fl_err *err)
{
	struct fl_admin_config c = { .unix_path = r->cfg->admin_socket, .mode = r->cfg->admin_mode, .group = r->cfg->admin_group, .routes = routes,
				     .n_routes = sizeof(routes) / sizeof(routes[0]), .ctx = r };
	int ret;

	mkdir(r->cfg->runtime, 0755);
	c.tcp_address = r->cfg->metrics_address[0] ? r->cfg->metrics_address : NULL;
	ret = fl_admin_open(&c, &r->admin, err);
	if (ret < 0 && c.tcp_address) { /* a taken metrics port must not take the commands away */
		FL_LOG(FL_LOG_WARN, "metrics listener cannot be opened", FL_F_STR("address", c.tcp_address), FL_F_STR("why", err->text));
		c.tcp_address = NULL;
		ret = fl_admin_open(&c, &r->admin, err);
	}
	return ret;
}

int fl_role_api(const struct fl_run_args *args)
{
	struct role r = { .args = *args };
	struct fl_err err = { 0 };
	int ret = fl_context_config(args, &r.cfg);

	if (ret < 0)
		return 78;
	fl_log_setup("api", (enum fl_log_level)r.cfg->log_level, (enum fl_log_format)r.cfg->log_format, 2);
	fl_loop_block_signals();
	ret = fl_loop_init(&r.loop, true);
	r.reads.cfg = r.cfg;
	if (ret == 0)
		ret = fl_context_sets(r.cfg, &r.reads.sets, &err);
	if (ret == 0)
		ret = open_admin(&r, &err);
	if (ret < 0)
		FL_LOG(FL_LOG_ERROR, "cannot start", FL_F_STR("why", err.text));
	else
		FL_LOG(FL_LOG_INFO, "started");
	while (ret == 0 && fl_loop_wait(&r.loop, FL_MONO_NEVER)) {
		struct fl_config *next = NULL;

		if (!atomic_exchange(&r.loop.reload, false))
			continue;
		err = (struct fl_err){ 0 };
		if (fl_context_reload(&r.args, r.cfg, &next, &err) < 0) {
			FL_LOG(FL_LOG_ERROR, "reload refused, the old configuration stays", FL_F_STR("why", err.text));
			continue;
		}
		fl_admin_close(r.admin); /* requests read the configuration: none may be under way */
		r.admin = NULL;
		fl_config_free(r.cfg);
		r.cfg = next;
		r.reads.cfg = next;
		ret = open_admin(&r, &err);
	}
	if (r.admin)
		fl_admin_close(r.admin);
	fl_context_sets_done(&r.reads.sets);
	fl_loop_done(&r.loop);
	fl_config_free(r.cfg);
	return ret < 0 ? (ret == FL_ECONFIG ? 78 : 69) : 0;
}
