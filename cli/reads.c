#include "cli/reads_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/json.h"

enum { LOG_DEFAULT = 20, LOG_MAX = 10000 };

static json_t *list_row(struct fl_reads *r, const struct fl_cfg_list *l)
{
	struct fl_head h;
	int ret = fl_set_head(&r->sets, FL_LIST, l->name, &h, NULL);

	if (ret < 0 && ret != FL_ENOTFOUND)
		return NULL;
	return json_pack("{s:s, s:s, s:b, s:I, s:I, s:o, s:s}", "list", l->name, "description", l->description, "builtin", l->builtin, "version",
			 (json_int_t)h.id.number, "names", (json_int_t)h.entries, "published_at", fl_json_time(h.published_at), "state", h.state);
}

void fl_reads_lists(struct fl_reads *r, struct fl_admin_response *res)
{
	json_t *items = json_array();

	for (size_t i = 0; i < r->cfg->n_lists; i++) {
		json_t *row = list_row(r, &r->cfg->lists[i]);

		if (!row) {
			json_decref(items);
			fl_json_problem(res, FL_EUNAVAIL, "the store cannot be reached");
			return;
		}
		json_array_append_new(items, row);
	}
	fl_json_answer(res, json_pack("{s:o}", "items", items));
}

int fl__reads_version_at(struct fl_reads *r, const char *list, const char *at, struct fl_arena *arena, struct fl_list_version *out, struct fl_err *err)
{
	struct fl_head h;
	uint64_t n = 0;
	int ret = fl_set_head(&r->sets, FL_LIST, list, &h, err);
	bool back = at && at[0] == '-';

	if (ret < 0)
		return ret == FL_ENOTFOUND ? fl_err_set(err, ret, "list '%s' has no version", list) : ret;
	if (at && at[0] && !fl_u64_parse(fl_span_str(back ? at + 1 : at), &n))
		return fl_err_set(err, FL_EUSAGE, "'%s' is no version: a number, or -N for N before the newest", at);
	ret = fl_list_version_get(&r->sets, list, !at || !at[0] || back ? h.id.number : n, arena, out, err);
	for (; ret == 0 && back && n; n--) {
		if (!out->parent)
			return fl_err_set(err, FL_ENOTFOUND, "list '%s' has no version %s", list, at);
		ret = fl_list_version_get(&r->sets, list, out->parent, arena, out, err);
	}
	return ret == FL_ENOTFOUND ? fl_err_set(err, ret, "list '%s' has no version %s (or retention took it)", list, at) : ret;
}

static void answer_show(struct fl_reads *r, const char *list, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct fl_list_version v;
	struct fl_err err = { 0 };
	int ret = fl__reads_version_at(r, list, req->query(req, "at"), req->arena, &v, &err);

	if (ret < 0)
		fl_json_problem(res, ret, err.text);
	else
		fl_json_answer(res, fl_json_list_version(&v));
}

static void answer_log(struct fl_reads *r, const char *list, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	const char *limit = req->query(req, "limit");
	json_t *items = json_array();
	struct fl_list_version v;
	struct fl_err err = { 0 };
	uint64_t n = LOG_DEFAULT;
	int ret = fl__reads_version_at(r, list, req->query(req, "from"), req->arena, &v, &err);

	if (limit && !fl_u64_parse(fl_span_str(limit), &n))
		n = LOG_DEFAULT;
	while (ret == 0 && json_array_size(items) < n && json_array_size(items) < LOG_MAX) {
		json_array_append_new(items, fl_json_list_version(&v));
		if (!v.parent)
			break;
		ret = fl_list_version_get(&r->sets, list, v.parent, req->arena, &v, &err);
		if (ret == FL_ENOTFOUND) { /* retention ends the log */
			ret = 0;
			break;
		}
	}
	if (ret < 0) {
		json_decref(items);
		fl_json_problem(res, ret, err.text);
	} else
		fl_json_answer(res, json_pack("{s:o}", "items", items));
}

/* --- streams --- */

struct input_stream {
	char source[FL_SET_NAME];
	struct fl_entry_iter *entries;
	struct fl_change_iter *changes;
	struct fl_entry e;
	struct fl_change c;
	bool live;
};

struct stream {
	struct fl_arena arena;
	struct input_stream *in;
	size_t n;
	char grep[256];
	struct fl_buf line;
	size_t sent;
	bool diff, ended;
	struct fl_err err;
};

static void stream_free(void *ctx)
{
	struct stream *s = ctx;

	for (size_t i = 0; i < s->n; i++) {
		fl_entries_close(s->in[i].entries);
		fl_changes_close(s->in[i].changes);
	}
	fl_buf_done(&s->line);
	fl_arena_done(&s->arena);
	free(s);
}

static int pull_input(struct stream *s, struct input_stream *in)
{
	int ret = in->changes ? in->changes->next(in->changes, &in->c, &s->err) : in->entries ? in->entries->next(in->entries, &in->e, &s->err) : 0;

	in->live = ret == 1;
	return ret;
}

static struct fl_span key_of(const struct stream *s, const struct input_stream *in)
{
	return s->diff ? in->c.key : in->e.key;
}

static struct input_stream *lowest(struct stream *s)
{
	struct input_stream *best = NULL;

	for (size_t i = 0; i < s->n; i++)
		if (s->in[i].live && (!best || fl_rkey_cmp(key_of(s, &s->in[i]), key_of(s, best)) < 0))
			best = &s->in[i];
	return best;
}

static void entry_line(struct stream *s, const struct input_stream *in, const char *name)
{
	char scope[FL_SCOPE_TEXT], when[FL_TIME_TEXT];

	fl_buf_printf(&s->line, "{\"name\":\"%s\",\"scope\":\"%s\",\"source\":\"%s\"", name, fl_scope_format(in->e.t.scope, scope), in->source);
	if (in->e.t.first_seen_s)
		fl_buf_printf(&s->line, ",\"since\":\"%s\"", fl_time_format((fl_unix_us)in->e.t.first_seen_s * FL_US_PER_S, when));
	if (in->e.t.expires_s)
		fl_buf_printf(&s->line, ",\"expires\":\"%s\"", fl_time_format((fl_unix_us)in->e.t.expires_s * FL_US_PER_S, when));
	fl_buf_str(&s->line, "}\n");
}

static void change_line(struct stream *s, const struct input_stream *in, const char *name)
{
	char old[FL_SCOPE_TEXT], new[FL_SCOPE_TEXT];
	const char *op = !in->c.old.scope ? "add" : !in->c.new.scope ? "remove" : in->c.old.scope != in->c.new.scope ? "rescope" : "attributes";

	fl_buf_printf(&s->line, "{\"op\":\"%s\",\"name\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"source\":\"%s\"}\n", op, name,
		      fl_scope_format(in->c.old.scope, old), fl_scope_format(in->c.new.scope, new), in->source);
}

/* One more line into s->line; false at the end. An error in the middle is a last line that says so: the reader must not take half a list for a whole one. */
static bool next_line(struct stream *s)
{
	char name[FL_NAME_TEXT];
	struct input_stream *in;

	fl_buf_reset(&s->line);
	s->sent = 0;
	while (!s->ended && (in = lowest(s))) {
		fl_rkey_to_text(key_of(s, in), name);
		if (!s->grep[0] || strstr(name, s->grep)) {
			if (s->diff)
				change_line(s, in, name);
			else
				entry_line(s, in, name);
		}
		if (pull_input(s, in) < 0) {
			fl_buf_str(&s->line, "{\"error\":");
			fl_json_string(&s->line, fl_span_str(s->err.text[0] ? s->err.text : "the store cannot be read"));
			fl_buf_str(&s->line, "}\n");
			s->ended = true;
		}
		if (s->line.n)
			return true;
	}
	return false;
}

static ssize_t stream_pull(void *ctx, char *out, size_t cap)
{
	struct stream *s = ctx;
	size_t n = 0;

	while (n < cap) {
		size_t left = s->line.n - s->sent, k = left < cap - n ? left : cap - n;

		if (left == 0 && !next_line(s))
			break;
		if (left == 0)
			continue;
		memcpy(out + n, s->line.p + s->sent, k);
		s->sent += k;
		n += k;
	}
	return n ? (ssize_t)n : -1;
}

static struct stream *stream_new(uint32_t n, const char *grep, bool diff)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s)
		s->in = fl_arena_array(&s->arena, n + 1, sizeof(*s->in));
	if (!s || !s->in) {
		free(s);
		return NULL;
	}
	s->diff = diff;
	snprintf(s->grep, sizeof(s->grep), "%s", grep ? grep : "");
	return s;
}

static void stream_answer(struct stream *s, int ret, struct fl_admin_response *res)
{
	for (size_t i = 0; ret == 0 && i < s->n; i++) {
		int one = pull_input(s, &s->in[i]);

		ret = one < 0 ? one : 0;
	}
	if (ret < 0) {
		fl_json_problem(res, ret, s->err.text);
		stream_free(s);
		return;
	}
	res->status = 200;
	res->content_type = "application/x-ndjson";
	res->stream = stream_pull;
	res->stream_done = stream_free;
	res->stream_ctx = s;
}

static void answer_entries(struct fl_reads *r, const char *list, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct fl_list_version v;
	struct fl_err err = { 0 };
	struct stream *s;
	int ret = fl__reads_version_at(r, list, req->query(req, "at"), req->arena, &v, &err);

	if (ret < 0) {
		fl_json_problem(res, ret, err.text);
		return;
	}
	s = stream_new(v.n_inputs, req->query(req, "grep"), false);
	if (!s) {
		fl_json_problem(res, FL_ENOMEM, "");
		return;
	}
	for (uint32_t i = 0; ret == 0 && i < v.n_inputs; i++) {
		if (!v.inputs[i].id.number)
			continue;
		ret = fl_source_open(&r->sets, v.inputs[i].source, v.inputs[i].id.number, &s->in[s->n].entries, NULL, &s->err);
		if (ret == 0)
			memcpy(s->in[s->n++].source, v.inputs[i].source, FL_SET_NAME);
	}
	stream_answer(s, ret, res);
}

static uint64_t input_version(const struct fl_list_version *v, const char *source)
{
	const struct fl_list_input *in = fl_list_input_find(v->inputs, v->n_inputs, source);

	return in ? in->id.number : 0;
}

static int add_diff(struct fl_reads *r, struct stream *s, const char *source, uint64_t from, uint64_t to)
{
	int ret;

	if (from == to)
		return 0;
	ret = fl_source_diff(&r->sets, source, from, to, &s->in[s->n].changes, &s->err);
	if (ret == 0)
		snprintf(s->in[s->n++].source, FL_SET_NAME, "%s", source);
	return ret;
}

static void answer_diff(struct fl_reads *r, const char *list, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	const char *from = req->query(req, "from"), *to = req->query(req, "to");
	struct fl_list_version a, b;
	struct fl_err err = { 0 };
	struct stream *s;
	int ret = fl__reads_version_at(r, list, to, req->arena, &b, &err);

	if (ret == 0) {
		char parent[24];

		snprintf(parent, sizeof(parent), "%llu", (unsigned long long)b.parent);
		if ((!from || !from[0]) && b.parent)
			from = parent;
		ret = from && from[0] ? fl__reads_version_at(r, list, from, req->arena, &a, &err) : fl_err_set(&err, FL_ENOTFOUND, "version %llu has no parent", (unsigned long long)b.id.number);
	}
	if (ret < 0) {
		fl_json_problem(res, ret, err.text);
		return;
	}
	s = stream_new(a.n_inputs + b.n_inputs, req->query(req, "grep"), true);
	if (!s) {
		fl_json_problem(res, FL_ENOMEM, "");
		return;
	}
	for (uint32_t i = 0; ret == 0 && i < b.n_inputs; i++)
		ret = add_diff(r, s, b.inputs[i].source, input_version(&a, b.inputs[i].source), b.inputs[i].id.number);
	for (uint32_t i = 0; ret == 0 && i < a.n_inputs; i++) /* those that b has not at all: one that it has without a version is above */
		if (!fl_list_input_find(b.inputs, b.n_inputs, a.inputs[i].source))
			ret = add_diff(r, s, a.inputs[i].source, a.inputs[i].id.number, 0);
	stream_answer(s, ret, res);
}

void fl__reads_route(struct fl_reads *r, const char *prefix, const struct fl__reads_row *rows, size_t n, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	const char *from = req->path + strlen(prefix), *rest = strchrnul(from, '/');
	char name[FL_SET_NAME];

	if ((size_t)(rest - from) < sizeof(name)) {
		memcpy(name, from, (size_t)(rest - from));
		name[rest - from] = '\0';
		for (size_t i = 0; i < n; i++)
			if (strcmp(rest, rows[i].rest) == 0 && fl_set_name_valid(name)) {
				rows[i].answer(r, name, req, res);
				return;
			}
	}
	fl_json_problem(res, FL_ENOTFOUND, "no such resource");
}

void fl_reads_list(struct fl_reads *r, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	static const struct fl__reads_row rows[] = { { "", answer_show }, { "/versions", answer_log }, { "/entries", answer_entries }, { "/diff", answer_diff },
		     { "/export", fl__reads_export } };

	fl__reads_route(r, "/v1/domain-lists/", rows, sizeof(rows) / sizeof(rows[0]), req, res);
}

/* --- explain --- */

static void add_claims(struct fl_reads *r, json_t *row, const char *source, struct fl_span key)
{
	json_t *a = json_array();

	fl__reads_claims_json(r, source, key, true, a);
	if (json_array_size(a))
		json_object_set(row, "claims", a);
	json_decref(a);
}

void fl_reads_enrich(struct fl_reads *r, void *because_json)
{
	json_t *because = because_json, *row;
	size_t i;

	json_array_foreach (because, i, row) {
		const char *source = json_string_value(json_object_get(row, "source")), *entry = json_string_value(json_object_get(row, "entry"));
		struct fl_rkey key;
		struct fl_span k;
		struct fl_tuple t = { 0 };
		struct fl_head h;

		if (!source || !entry || !fl_rkey_from_text(fl_span_str(entry), &key))
			continue;
		k = fl_rkey_span(&key);
		if (fl_set_head(&r->sets, FL_SOURCE, source, &h, NULL) < 0 || fl_source_lookup(&r->sets, source, &h, &k, 1, &t, NULL) < 0)
			continue;
		json_object_set_new(row, "since", fl_json_time((fl_unix_us)t.first_seen_s * FL_US_PER_S));
		json_object_set_new(row, "expires", fl_json_time((fl_unix_us)t.expires_s * FL_US_PER_S));
		if (t.confidence)
			json_object_set_new(row, "confidence", json_integer(t.confidence));
		add_claims(r, row, source, k);
	}
}

/* --- orphans --- */

static bool source_named(struct fl_reads *r, const char *name)
{
	struct fl_arena arena = { 0 };
	bool found = fl_config_feed(r->cfg, name) != NULL;

	for (size_t i = 0; !found && i < r->cfg->n_lists; i++) {
		struct fl_cfg_source *v = NULL;
		size_t n = fl_config_sources(r->cfg, r->cfg->lists[i].name, &arena, &v);

		for (size_t k = 0; !found && k < n; k++)
			found = strcmp(v[k].source, name) == 0;
	}
	fl_arena_done(&arena);
	return found;
}

void *fl_reads_orphans(struct fl_reads *r)
{
	json_t *out[2] = { json_array(), json_array() };
	struct fl_arena arena = { 0 };

	for (int kind = 0; kind < 2; kind++) {
		const char *const *names = NULL;
		size_t n = 0;

		if (fl_set_names(&r->sets, kind ? FL_SOURCE : FL_LIST, &arena, &names, &n, NULL) < 0)
			continue;
		for (size_t i = 0; i < n; i++) {
			bool named = kind ? source_named(r, names[i]) : fl_config_list(r->cfg, names[i]) != NULL;
			struct fl_head h;

			if (!named && fl_set_head(&r->sets, kind ? FL_SOURCE : FL_LIST, names[i], &h, NULL) == 0 && strcmp(h.state, "deleted") != 0)
				json_array_append_new(out[kind], json_string(names[i]));
		}
	}
	fl_arena_done(&arena);
	return json_pack("{s:o, s:o}", "lists", out[0], "sources", out[1]);
}
