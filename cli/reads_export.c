/* A list's version as text for another resolver, read from the store as it is sent. */
#include "cli/reads_int.h"

#include <stdlib.h>

#include "base/text.h"
#include "cli/json.h"
#include "publisher/export.h"

struct text_stream {
	struct fl_arena arena; /* the version's inputs */
	struct fl_list_version v;
	struct fl_export *x;
	struct fl_buf part;
	size_t sent;
	bool ended, broken;
};

static void text_free(void *ctx)
{
	struct text_stream *s = ctx;

	fl_export_close(s->x);
	fl_buf_done(&s->part);
	fl_arena_done(&s->arena);
	free(s);
}

/* One more part; false at the end. What fails in the middle is said, and then the connection is cut. */
static bool next_part(struct text_stream *s)
{
	struct fl_err err = { 0 };
	int ret;

	fl_buf_reset(&s->part);
	s->sent = 0;
	if (s->ended)
		return false;
	ret = fl_export_next(s->x, &s->part, &err);
	s->ended = ret != 1;
	if (ret < 0) {
		s->broken = true;
		fl_buf_reset(&s->part); /* no half lines */
		fl_buf_printf(&s->part, "%s error {\"why\":", fl_export_comment(s->x));
		fl_json_string(&s->part, fl_span_str(err.text[0] ? err.text : fl_code_text(ret)));
		fl_buf_str(&s->part, "}\n");
	}
	return s->part.n > 0;
}

static ssize_t text_pull(void *ctx, char *out, size_t cap)
{
	struct text_stream *s = ctx;
	size_t n = 0;

	while (n < cap && (s->sent < s->part.n || next_part(s))) {
		size_t left = s->part.n - s->sent, k = left < cap - n ? left : cap - n;

		memcpy(out + n, s->part.p + s->sent, k);
		s->sent += k;
		n += k;
	}
	return n ? (ssize_t)n : s->broken ? FL_ADMIN_STREAM_BROKEN : -1;
}

/* The contents of the version's inputs; those without a version are empty. */
static int open_inputs(struct fl_reads *r, const struct fl_list_version *v, struct fl_entry_iter **in, size_t *n, struct fl_err *err)
{
	int ret = 0;

	*n = 0;
	for (uint32_t i = 0; ret == 0 && i < v->n_inputs; i++)
		if (v->inputs[i].id.number) {
			ret = fl_source_open(&r->sets, v->inputs[i].source, v->inputs[i].id.number, &in[*n], NULL, err);
			*n += ret == 0;
		}
	return ret;
}

static int open_export(struct fl_reads *r, const char *list, const struct fl_admin_request *req, struct text_stream *s, struct fl_err *err)
{
	struct fl_export_config c = { req->query(req, "format"), &s->v, fl_span_str(req->query(req, "zone")) };
	struct fl_entry_iter **in;
	size_t n = 0;
	int ret = fl__reads_version_at(r, list, req->query(req, "at"), &s->arena, &s->v, err);

	if (ret < 0)
		return ret;
	in = fl_arena_array(&s->arena, s->v.n_inputs + 1, sizeof(*in));
	if (!in)
		return FL_ENOMEM;
	ret = open_inputs(r, &s->v, in, &n, err);
	if (ret == 0)
		return fl_export_open(&c, in, n, &s->x, err);
	for (size_t i = 0; i < n; i++)
		fl_entries_close(in[i]);
	return ret;
}

void fl__reads_export(struct fl_reads *r, const char *list, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct text_stream *s = calloc(1, sizeof(*s));
	struct fl_err err = { 0 };
	int ret = s ? open_export(r, list, req, s, &err) : FL_ENOMEM;

	if (ret < 0) {
		fl_json_problem(res, ret, err.text);
		if (s)
			text_free(s);
		return;
	}
	res->status = 200;
	res->content_type = "text/plain; charset=utf-8";
	res->stream = text_pull;
	res->stream_done = text_free;
	res->stream_ctx = s;
}
