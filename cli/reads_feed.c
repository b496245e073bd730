/* What can be read of one source from the store: its versions, its names, and what it has that no other has. The comparison is one merge over the heads of all sources: of each a block is in
 * memory, never a set. It works in slices, between which the server's thread answers others, and ends with what it has when its time is over. */
#include "cli/reads_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/json.h"

enum { VERSIONS_DEFAULT = 10, VERSIONS_MAX = 1000, SIDES_MAX = 128, SLICE_READS = 2000, SLICE_MS = 50, TRIES = 5 };

/* --- versions --- */

static json_t *version_json(const struct fl_source_version *v)
{
	return json_pack("{s:I, s:I, s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "version", (json_int_t)v->id.number, "parent", (json_int_t)v->parent, "at",
			 fl_json_time(v->at), "cause", fl_cause_word(v->cause), "actor", v->actor, "reason", v->reason, "added", (json_int_t)v->added, "removed",
			 (json_int_t)v->removed, "changed", (json_int_t)v->changed, "names", (json_int_t)v->digests.entries);
}

static void answer_versions(struct fl_reads *r, const char *source, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	const char *limit = req->query(req, "limit");
	struct fl_source_version v = { 0 };
	struct fl_err err = { 0 };
	json_t *items = json_array();
	uint64_t max = VERSIONS_DEFAULT;
	struct fl_head h;
	int ret = fl_set_head(&r->sets, FL_SOURCE, source, &h, &err);

	if (limit && (!fl_u64_parse(fl_span_str(limit), &max) || max > VERSIONS_MAX))
		max = VERSIONS_MAX;
	for (uint64_t n = h.id.number; ret == 0 && n && json_array_size(items) < max; n = v.parent) {
		ret = fl_source_version_get(&r->sets, source, n, &v, &err);
		if (ret == 0)
			json_array_append_new(items, version_json(&v));
	}
	if (ret < 0 && ret != FL_ENOTFOUND) { /* no version yet, or retention ends the history */
		json_decref(items);
		fl_json_problem(res, ret, err.text);
	} else
		fl_json_answer(res, json_pack("{s:o}", "items", items));
}

/* --- a body that is made piece by piece --- */

static size_t hand_over(const struct fl_buf *b, size_t *sent, char *out, size_t cap)
{
	size_t left = b->n - *sent, n = left < cap ? left : cap;

	if (n)
		memcpy(out, b->p + *sent, n);
	*sent += n;
	return n;
}

static void error_line(struct fl_buf *b, const struct fl_err *err)
{
	fl_buf_reset(b);
	fl_buf_str(b, "{\"error\":");
	fl_json_string(b, fl_span_str(err->text[0] ? err->text : "the store cannot be read"));
	fl_buf_str(b, "}\n");
}

static void answer_stream(struct fl_admin_response *res, void *ctx, ssize_t (*pull)(void *ctx, char *out, size_t cap), void (*done)(void *ctx))
{
	res->status = 200;
	res->content_type = "application/x-ndjson";
	res->stream = pull;
	res->stream_done = done;
	res->stream_ctx = ctx;
}

/* --- names --- */

struct names {
	struct fl_entry_iter *it;
	struct fl_buf line;
	size_t sent;
	bool ended;
	struct fl_err err;
};

static void names_free(void *ctx)
{
	struct names *n = ctx;

	fl_entries_close(n->it);
	fl_buf_done(&n->line);
	free(n);
}

static void names_line(struct names *n, const struct fl_entry *e)
{
	char name[FL_NAME_TEXT], scope[FL_SCOPE_TEXT];

	fl_buf_reset(&n->line);
	fl_buf_printf(&n->line, "{\"name\":\"%s\",\"scope\":\"%s\"%s}\n", fl_rkey_to_text(e->key, name), fl_scope_format(e->t.scope, scope),
		      e->t.absent_since_s ? ",\"absent\":true" : "");
}

/* An error in the middle is a last line that says so. */
static ssize_t names_pull(void *ctx, char *out, size_t cap)
{
	struct names *n = ctx;
	struct fl_entry e;
	size_t done = 0;

	while (done < cap) {
		int ret;

		if (n->sent < n->line.n) {
			done += hand_over(&n->line, &n->sent, out + done, cap - done);
			continue;
		}
		if (n->ended)
			break;
		n->sent = 0;
		ret = n->it->next(n->it, &e, &n->err);
		n->ended = ret != 1;
		fl_buf_reset(&n->line);
		if (ret == 1)
			names_line(n, &e);
		else if (ret < 0)
			error_line(&n->line, &n->err);
	}
	return done ? (ssize_t)done : -1;
}

static void answer_names(struct fl_reads *r, const char *source, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct names *n = calloc(1, sizeof(*n));
	struct fl_head h;
	int ret = n ? fl_set_head(&r->sets, FL_SOURCE, source, &h, &n->err) : FL_ENOMEM;

	(void)req;
	for (int i = 0; ret == 0 && i < TRIES; i++) { /* retention may take what was about to be read */
		ret = fl_source_open(&r->sets, source, h.id.number, &n->it, NULL, &n->err);
		if (ret != FL_ENOTFOUND || i + 1 == TRIES)
			break;
		ret = fl_set_head(&r->sets, FL_SOURCE, source, &h, &n->err);
	}
	if (ret == 0) {
		answer_stream(res, n, names_pull, names_free);
		return;
	}
	fl_json_problem(res, ret, n ? n->err.text : "");
	if (n)
		names_free(n);
}

/* --- what it has that no other has --- */

struct side {
	const char *source, *into, *kind;
	bool same_list;
	struct fl_head head;
	struct fl_entry_iter *it; /* NULL: no version */
	struct fl_entry e;
	bool live;
	uint64_t shared;
};

struct overlap {
	struct fl_sets *sets;
	struct fl_arena arena;
	struct side *v; /* v[0] is the feed itself */
	size_t n, left_out;
	uint64_t compared, unique;
	fl_mono_ns until;
	int tries;
	bool complete, done;
	struct fl_buf out;
	size_t sent;
	struct fl_err err;
};

static void sides_close(struct overlap *o)
{
	for (size_t i = 0; i < o->n; i++) {
		fl_entries_close(o->v[i].it);
		o->v[i].it = NULL;
		o->v[i].live = false;
		o->v[i].shared = 0;
	}
	o->compared = o->unique = 0;
}

static void overlap_free(void *ctx)
{
	struct overlap *o = ctx;

	sides_close(o);
	fl_buf_done(&o->out);
	fl_arena_done(&o->arena);
	free(o);
}

static int pull_side(struct overlap *o, struct side *s)
{
	int ret = s->it->next(s->it, &s->e, &o->err);

	s->live = ret == 1;
	return ret < 0 ? ret : 0;
}

/* A source without a version has no names. */
static int side_open(struct overlap *o, struct side *s)
{
	int ret = fl_set_head(o->sets, FL_SOURCE, s->source, &s->head, &o->err);

	if (ret == FL_ENOTFOUND)
		return 0;
	if (ret == 0)
		ret = fl_source_open(o->sets, s->source, s->head.id.number, &s->it, NULL, &o->err);
	return ret < 0 ? ret : pull_side(o, s);
}

static int sides_open(struct overlap *o)
{
	int ret = 0;

	sides_close(o);
	for (size_t i = 0; ret == 0 && i < o->n; i++)
		ret = side_open(o, &o->v[i]);
	return ret;
}

/* Moves on to the first name that is not before the feed's; *reads is used up by what is passed over. */
static int catch_up(struct overlap *o, struct side *s, int *reads)
{
	int ret = 0;

	while (ret == 0 && s->live && *reads > 0 && fl_rkey_cmp(s->e.key, o->v[0].e.key) < 0) {
		ret = pull_side(o, s);
		--*reads;
	}
	return ret;
}

/* One name of the feed, unless the reads are used up before: then the same name goes on in the next slice. */
static int compare_one(struct overlap *o, int *reads)
{
	bool other = false;
	int ret = 0;

	for (size_t i = 1; ret == 0 && *reads > 0 && i < o->n; i++)
		ret = catch_up(o, &o->v[i], reads);
	if (ret < 0 || *reads <= 0)
		return ret;
	for (size_t i = 1; i < o->n; i++) {
		bool same = o->v[i].live && fl_span_eq(o->v[i].e.key, o->v[0].e.key);

		o->v[i].shared += same;
		other = other || (same && o->v[i].same_list);
	}
	o->compared++;
	o->unique += !other;
	--*reads;
	return pull_side(o, &o->v[0]);
}

static void write_overlap(struct overlap *o)
{
	const struct side *self = &o->v[0];
	json_t *with = json_array(), *answer;
	char *text;

	for (size_t i = 1; i < o->n; i++)
		json_array_append_new(with, json_pack("{s:s, s:s, s:s, s:b, s:I, s:I}", "source", o->v[i].source, "kind", o->v[i].kind, "into", o->v[i].into, "same_list",
						      o->v[i].same_list, "names", (json_int_t)o->v[i].head.entries, "shared", (json_int_t)o->v[i].shared));
	answer = json_pack("{s:s, s:I, s:I, s:I, s:b, s:I, s:I, s:o}", "feed", self->source, "version", (json_int_t)self->head.id.number, "names",
			   (json_int_t)self->head.entries, "compared", (json_int_t)o->compared, "complete", o->complete, "unique", (json_int_t)o->unique, "left_out",
			   (json_int_t)o->left_out, "with", with);
	text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	fl_buf_reset(&o->out);
	fl_buf_str(&o->out, text ? text : "{\"error\":\"out of memory\"}");
	fl_buf_u8(&o->out, '\n');
	free(text);
	json_decref(answer);
}

/* Ends with done, or when the slice is over. */
static void overlap_slice(struct overlap *o)
{
	fl_mono_ns now = fl_now_mono(fl_clock_sys()), slice = now + SLICE_MS * (fl_mono_ns)1000000;
	int ret = 0;

	while (ret == 0 && o->v[0].live && now < slice && now < o->until) {
		int reads = SLICE_READS;

		while (ret == 0 && o->v[0].live && reads > 0)
			ret = compare_one(o, &reads);
		now = fl_now_mono(fl_clock_sys());
	}
	if (ret == FL_ENOTFOUND && ++o->tries < TRIES) /* retention took what was being read: from the heads again */
		ret = sides_open(o);
	if (ret == 0 && o->v[0].live && now < o->until)
		return;
	o->complete = ret == 0 && !o->v[0].live;
	o->done = true;
	if (ret < 0)
		error_line(&o->out, &o->err);
	else
		write_overlap(o);
}

/* JSON may begin with white space: a blank line says that it is being worked on. */
static ssize_t overlap_pull(void *ctx, char *out, size_t cap)
{
	struct overlap *o = ctx;
	size_t n;

	if (!o->done) {
		overlap_slice(o);
		if (!o->done) {
			out[0] = '\n';
			return 1;
		}
	}
	n = hand_over(&o->out, &o->sent, out, cap);
	return n ? (ssize_t)n : -1;
}

static void add_side(struct overlap *o, const char *source, const char *into, const char *kind, bool same_list)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->v[i].source, source) == 0)
			return;
	if (o->n == SIDES_MAX) {
		o->left_out++;
		return;
	}
	o->v[o->n++] = (struct side){ .source = fl_arena_str(&o->arena, source), .into = fl_arena_str(&o->arena, into), .kind = kind, .same_list = same_list };
}

/* The sources of its own list come first: they decide what is unique. */
static void add_sides(struct overlap *o, const struct fl_config *cfg, const struct fl_cfg_feed *f)
{
	static const char *const kinds[] = { [FL_SRC_FEED] = "feed", [FL_SRC_OPERATOR] = "operator", [FL_SRC_CONFIG] = "config", [FL_SRC_FINDINGS] = "findings" };
	struct fl_cfg_source *v = NULL;
	size_t n = fl_config_sources(cfg, f->into, &o->arena, &v);

	add_side(o, f->name, f->into, "feed", true);
	for (size_t i = 0; i < n; i++)
		add_side(o, v[i].source, f->into, kinds[v[i].kind], true);
	for (size_t i = 0; i < cfg->n_feeds; i++)
		if (cfg->feeds[i].enabled)
			add_side(o, cfg->feeds[i].name, cfg->feeds[i].into, "feed", false);
}

static void answer_overlap(struct fl_reads *r, const char *source, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	const struct fl_cfg_feed *f = fl_config_feed(r->cfg, source);
	struct overlap *o = f ? calloc(1, sizeof(*o)) : NULL;
	int ret = f ? FL_ENOMEM : FL_ENOTFOUND;

	(void)req;
	if (o) {
		o->sets = &r->sets;
		o->until = fl_now_mono(fl_clock_sys()) + (r->compare_ms ? r->compare_ms : FL_READS_COMPARE_MS) * (fl_mono_ns)1000000;
		o->v = fl_arena_array(&o->arena, SIDES_MAX, sizeof(*o->v));
	}
	if (o && o->v) {
		add_sides(o, r->cfg, f);
		do
			ret = sides_open(o);
		while (ret == FL_ENOTFOUND && ++o->tries < TRIES);
	}
	if (ret == 0) {
		answer_stream(res, o, overlap_pull, overlap_free);
		return;
	}
	fl_json_problem(res, ret, f ? o ? o->err.text : "" : "the configuration has no such feed");
	if (o)
		overlap_free(o);
}

void fl_reads_feed(struct fl_reads *r, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	static const struct fl__reads_row rows[] = { { "/versions", answer_versions }, { "/entries", answer_names }, { "/overlap", answer_overlap } };

	fl__reads_route(r, "/v1/feeds/", rows, sizeof(rows) / sizeof(rows[0]), req, res);
}
