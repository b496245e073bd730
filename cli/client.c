#include "cli/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "base/time.h"
#include "cli/config.h"
#include "io/clock.h"

enum { STREAM_LINE_MAX = 1 << 20 };

static void beside(const char *socket, struct fl_cli_daemon *d)
{
	const char *slash = strrchr(socket, '/');

	snprintf(d->admin, sizeof(d->admin), "%s", socket);
	snprintf(d->runtime, sizeof(d->runtime), "%.*s", slash ? (int)(slash - socket) : 1, slash ? socket : ".");
}

/* The first error of a configuration that could not be read. */
static void keep_problem(const struct fl_cli *c, const struct fl_diag *diag, struct fl_cli_daemon *d)
{
	const struct fl_diag_item *first = NULL;
	char place[32] = "";

	for (size_t i = 0; i < diag->n && !first; i++)
		first = diag->v[i].warning ? NULL : &diag->v[i];
	if (first && first->line)
		snprintf(place, sizeof(place), ":%u:%u", first->line, first->column);
	snprintf(d->config_problem, sizeof(d->config_problem), "%.150s%s: %.200s", first && first->file ? first->file : fl_config_path(c->config_path), place,
		 first && first->text ? first->text : "out of memory");
}

/* Looked for once: the configuration that may say it is a file to read. */
static const struct fl_cli_daemon *find_daemon(struct fl_cli *c)
{
	struct fl_cli_daemon *d = &c->daemon;
	const char *socket = c->socket ? c->socket : getenv("FIRELINE_SOCKET");
	struct fl_config *cfg = NULL;
	struct fl_diag diag = { 0 };
	char demo[128];
	bool configured;

	if (d->admin[0])
		return d;
	if (socket && socket[0]) {
		beside(socket, d);
		return d;
	}
	configured = c->config_path || getenv("FIRELINE_CONFIG") || access(FL_CONFIG_DEFAULT_PATH, R_OK) == 0;
	if (configured && fl_config_load(c->config_path, &cfg, &diag) == 0) {
		snprintf(d->admin, sizeof(d->admin), "%s", cfg->admin_socket);
		snprintf(d->runtime, sizeof(d->runtime), "%s", cfg->runtime);
		fl_config_free(cfg);
		fl_diag_done(&diag);
		return d;
	}
	if (configured)
		keep_problem(c, &diag, d);
	fl_diag_done(&diag);
	beside("/run/fireline/admin.sock", d);
	snprintf(demo, sizeof(demo), "/tmp/fireline-demo-%u/run/admin.sock", (unsigned)geteuid());
	if (access(d->admin, F_OK) != 0 && access(demo, F_OK) == 0)
		beside(demo, d);
	return d;
}

static int unreachable(const struct fl_cli_daemon *d, const struct fl_err *err)
{
	if (d->config_problem[0])
		return fl_cli_fail(FL_EXIT_UNREACHABLE, "FL3001", "fireline config check, or -s SOCKET", "the configuration cannot be read: %s; looked for the daemon at %s instead, no answer: %s",
				   d->config_problem, d->admin, err->text);
	return fl_cli_fail(FL_EXIT_UNREACHABLE, "FL3001", "is fireline running here? -c FILE or -s SOCKET names another place", "no answer at %s: %s", d->admin, err->text);
}

static int exit_of_status(int status, const char *code)
{
	if (strcmp(code, "FL2301") == 0)
		return FL_EXIT_FAILED;
	switch (status) {
	case 400:
		return FL_EXIT_USAGE;
	case 403:
		return FL_EXIT_NOT_PERMITTED;
	case 413:
	case 422:
		return FL_EXIT_INPUT;
	case 503:
	case 502:
	case 504:
		return FL_EXIT_UNREACHABLE;
	case 409:
		return FL_EXIT_TEMPORARY;
	default:
		return FL_EXIT_FAILED;
	}
}

static int print_problem(const struct fl_admin_answer *a)
{
	json_t *p = json_loadb((const char *)a->body.p, a->body.n, 0, NULL);
	const char *code = fl_str(p, "code"), *detail = fl_str(p, "detail");
	int ret = exit_of_status(a->status, code);

	if (detail[0])
		fl_cli_fail((enum fl_exit)ret, code[0] ? code : "FL5000", fl_str(p, "hint"), "%s", detail);
	else
		fl_cli_fail((enum fl_exit)ret, "FL5000", NULL, "the daemon answered %d", a->status);
	json_decref(p);
	return ret;
}

static int call(struct fl_cli *c, const char *role, const char *method, const char *target, struct fl_span body, struct fl_admin_answer *a)
{
	struct fl_err err = { 0 }, err2 = { 0 };
	const struct fl_cli_daemon *d = find_daemon(c);
	char path[600];
	int ret;

	ret = fl_admin_call(d->admin, method, target, body, c->timeout_ms, NULL, NULL, a, &err);
	if (ret == FL_EUNAVAIL && role) {
		snprintf(path, sizeof(path), "%s/%s.sock", d->runtime, role);
		ret = fl_admin_call(path, method, target, body, c->timeout_ms, NULL, NULL, a, &err2);
	}
	return ret < 0 ? unreachable(d, &err) : 0;
}

int fl_client_call_raw(struct fl_cli *c, const char *role, const char *method, const char *target, struct fl_span body, json_t **out)
{
	struct fl_admin_answer a = { 0 };
	int ret = call(c, role, method, target, body, &a);

	*out = NULL;
	if (ret == 0 && (a.status < 200 || a.status > 299))
		ret = print_problem(&a);
	else if (ret == 0) {
		*out = json_loadb((const char *)a.body.p, a.body.n, 0, NULL);
		if (!*out)
			ret = fl_cli_fail(FL_EXIT_FAILED, "FL5000", NULL, "the daemon's answer is no JSON");
	}
	fl_buf_done(&a.body);
	return ret;
}

int fl_client_call(struct fl_cli *c, const char *role, const char *method, const char *target, json_t *take_body, json_t **out)
{
	char *text = take_body ? json_dumps(take_body, JSON_COMPACT) : NULL;
	int ret = fl_client_call_raw(c, role, method, target, fl_span_str(text), out);

	free(text);
	json_decref(take_body);
	return ret;
}

/* What a problem document says, for a caller that does not print it. */
static int quiet_problem(const struct fl_admin_answer *a, struct fl_err *err)
{
	json_t *p = json_loadb((const char *)a->body.p, a->body.n, 0, NULL);
	const char *detail = fl_str(p, "detail");

	if (detail[0])
		fl_err_set(err, FL_EUNAVAIL, "%s", detail);
	else
		fl_err_set(err, FL_EUNAVAIL, "the daemon answered %d", a->status);
	json_decref(p);
	return a->status == 404 ? FL_ENOTFOUND : FL_EUNAVAIL;
}

static void no_answer(const struct fl_cli_daemon *d, int code, const struct fl_err *why, struct fl_err *err)
{
	fl_err_set(err, code, "no answer at %s: %s%s%s", d->admin, why->text[0] ? why->text : fl_code_text(code),
		   d->config_problem[0] ? "; the configuration that would name another place cannot be read: " : "", d->config_problem);
}

int fl_client_try(struct fl_cli *c, const char *target, json_t **out, struct fl_err *err)
{
	const struct fl_cli_daemon *d = find_daemon(c);
	struct fl_admin_answer a = { 0 };
	struct fl_err e = { 0 };
	int ret = fl_admin_call(d->admin, "GET", target, fl_span(NULL, 0), c->timeout_ms, NULL, NULL, &a, &e);

	*out = NULL;
	if (ret == 0 && a.status != 200)
		ret = quiet_problem(&a, err);
	else if (ret == 0) {
		*out = json_loadb((const char *)a.body.p, a.body.n, 0, NULL);
		ret = *out ? 0 : fl_err_set(err, FL_EFORMAT, "the daemon's answer is no JSON");
	} else
		no_answer(d, ret, &e, err);
	fl_buf_done(&a.body);
	return ret;
}

/* --- streams --- */

struct lines {
	struct fl_buf rest;
	int (*on_line)(void *ctx, struct fl_span line);
	void *ctx;
};

static int on_data(void *ctx, struct fl_span data)
{
	struct lines *l = ctx;
	size_t from = 0;
	int ret = 0;

	fl_buf_add(&l->rest, data.p, data.n);
	for (;;) {
		const uint8_t *nl = l->rest.n > from ? memchr(l->rest.p + from, '\n', l->rest.n - from) : NULL;
		size_t n;

		if (!nl || ret < 0)
			break;
		n = (size_t)(nl - (l->rest.p + from));
		ret = l->on_line(l->ctx, fl_span(l->rest.p + from, n));
		from += n + 1;
	}
	if (from) {
		memmove(l->rest.p, l->rest.p + from, l->rest.n - from);
		l->rest.n -= from;
	}
	return l->rest.failed || l->rest.n > STREAM_LINE_MAX ? FL_ELIMIT : ret;
}

int fl_client_stream(struct fl_cli *c, const char *role, const char *target, bool direct, int (*on_line)(void *ctx, struct fl_span line), void *ctx)
{
	struct lines l = { .on_line = on_line, .ctx = ctx };
	struct fl_admin_answer a = { 0 };
	struct fl_err err = { 0 };
	const struct fl_cli_daemon *d = find_daemon(c);
	char path[600];
	int ret;

	snprintf(path, sizeof(path), "%s/%s.sock", d->runtime, role);
	ret = fl_admin_call(direct ? path : d->admin, "GET", target, fl_span(NULL, 0), direct ? 0 : c->timeout_ms, on_data, &l, &a, &err);
	if (ret == FL_EUNAVAIL)
		ret = unreachable(d, &err);
	else if (ret < 0)
		ret = FL_EXIT_FAILED;
	else if (a.status != 200) {
		if (!a.body.n)
			fl_buf_add(&a.body, l.rest.p, l.rest.n);
		ret = print_problem(&a);
	}
	fl_buf_done(&l.rest);
	fl_buf_done(&a.body);
	return ret;
}

int fl_client_try_stream(struct fl_cli *c, const char *target, int (*on_line)(void *ctx, struct fl_span line), void *ctx, struct fl_err *err)
{
	const struct fl_cli_daemon *d = find_daemon(c);
	struct lines l = { .on_line = on_line, .ctx = ctx };
	struct fl_admin_answer a = { 0 };
	struct fl_err e = { 0 };
	int ret = fl_admin_call(d->admin, "GET", target, fl_span(NULL, 0), c->timeout_ms, on_data, &l, &a, &e);

	if (ret == 0 && a.status != 200)
		ret = quiet_problem(&a, err);
	else if (ret < 0)
		no_answer(d, ret, &e, err);
	fl_buf_done(&l.rest);
	fl_buf_done(&a.body);
	return ret;
}

const char *fl_client_target(struct fl_cli *c, const char *path, ...)
{
	struct fl_buf b = { 0 };
	const char *key, *out;
	va_list ap;
	char sep = '?';

	fl_buf_str(&b, path);
	va_start(ap, path);
	while ((key = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);

		if (!value)
			continue;
		fl_buf_printf(&b, "%c%s=", sep, key);
		fl_percent_encode(&b, value);
		sep = '&';
	}
	va_end(ap);
	out = fl_arena_strn(&c->arena, (const char *)b.p, b.n);
	fl_buf_done(&b);
	return out;
}

/* --- output --- */

void fl_client_envelope(const char *kind, json_t *data)
{
	char when[FL_TIME_TEXT];
	json_t *o;

	o = json_pack("{s:s, s:s, s:s, s:O, s:[]}", "kind", kind, "api_version", "v1", "generated_at",
		      fl_time_format(fl_now_unix(fl_clock_sys()), when), "data", data, "warnings");
	json_dumpf(o, stdout, JSON_INDENT(2));
	fputc('\n', stdout);
	json_decref(o);
}

bool fl_client_print(const struct fl_cli *c, const char *kind, json_t *data)
{
	json_t *items = json_object_get(data, "items"), *row;
	size_t i;

	if (c->out == FL_OUT_JSON) {
		fl_client_envelope(kind, data);
		return true;
	}
	if (c->out != FL_OUT_NDJSON)
		return false;
	if (json_is_array(items)) {
		json_array_foreach (items, i, row) {
			json_dumpf(row, stdout, JSON_COMPACT);
			fputc('\n', stdout);
		}
	} else {
		json_dumpf(data, stdout, JSON_COMPACT);
		fputc('\n', stdout);
	}
	return true;
}

const char *fl_human_count(uint64_t n, char buf[40])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[at++] = ' ';
		buf[at++] = digits[i];
	}
	buf[at] = '\0';
	return buf;
}

const char *fl_human_ago(const char *rfc3339, char buf[40])
{
	static const struct {
		int64_t s;
		const char *unit;
	} rows[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	fl_unix_us t;
	int64_t ago;

	if (!fl_time_parse(rfc3339, strlen(rfc3339), &t)) {
		snprintf(buf, 40, "-");
		return buf;
	}
	ago = time(NULL) - t / FL_US_PER_S;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ago >= rows[i].s) {
			snprintf(buf, 40, "%lld %s ago", (long long)(ago / rows[i].s), rows[i].unit);
			return buf;
		}
	snprintf(buf, 40, "now");
	return buf;
}

const char *fl_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

json_int_t fl_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}
