/* The twin's streams: entries sorted by id, appended at the end only. "~" trims whole hundreds, which is what it
 * promises: at least so many stay. */
#include "io/store_mem.h"

#include "base/text.h"

enum { NODE_ENTRIES = 100 };

static int id_cmp(struct fl__mem_id a, struct fl__mem_id b)
{
	if (a.ms != b.ms)
		return a.ms < b.ms ? -1 : 1;
	return (a.seq > b.seq) - (a.seq < b.seq);
}

static void bad_id(struct fl__mem_call *c)
{
	fl__mem_error(c, "ERR Invalid stream ID specified as stream command argument");
}

/* Digits without a sign; leading zeros are allowed in ids. */
static bool id_parse(struct fl_span s, uint64_t missing_seq, struct fl__mem_id *out, bool *has_seq)
{
	const uint8_t *dash = s.n ? memchr(s.p, '-', s.n) : NULL;
	size_t n = dash ? (size_t)(dash - s.p) : s.n;

	out->seq = missing_seq;
	*has_seq = dash != NULL;
	return fl_u64_parse(fl_span(s.p, n), &out->ms) &&
	       (!dash || fl_u64_parse(fl_span(dash + 1, s.n - n - 1), &out->seq));
}

/* An end of a range: -, +, (id, id. False, and the error written, when it is none. */
static bool range_end(struct fl__mem_call *c, size_t i, bool low, struct fl__mem_id *out)
{
	struct fl_span s = c->argv[i];
	bool open = s.n > 1 && s.p[0] == '(', has_seq;

	if (fl_span_eqs(s, "-") || fl_span_eqs(s, "+")) {
		*out = s.p[0] == '-' ? (struct fl__mem_id){ 0, 0 } : (struct fl__mem_id){ UINT64_MAX, UINT64_MAX };
		return true;
	}
	if (open)
		s = fl_span(s.p + 1, s.n - 1);
	if (!id_parse(s, low ? 0 : UINT64_MAX, out, &has_seq)) {
		bad_id(c);
		return false;
	}
	if (!open)
		return true;
	if (low ? out->ms == UINT64_MAX && out->seq == UINT64_MAX : out->ms == 0 && out->seq == 0) {
		fl__mem_error(c, "ERR invalid %s ID for the interval", low ? "start" : "end");
		return false;
	}
	if (low && ++out->seq == 0)
		out->ms++;
	else if (!low && out->seq-- == 0)
		out->ms--;
	return true;
}

/* Index of the first entry not below id. */
static size_t first_at(const struct fl__mem_stream *st, struct fl__mem_id id)
{
	size_t lo = 0, hi = st->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (id_cmp(st->v[mid]->id, id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void put_id(struct fl__mem_call *c, struct fl_reply *r, struct fl__mem_id id)
{
	char text[48];

	snprintf(text, sizeof(text), "%llu-%llu", (unsigned long long)id.ms, (unsigned long long)id.seq);
	fl__mem_put_bulk(c, r, fl_span_str(text));
}

static void put_entry(struct fl__mem_call *c, struct fl_reply *r, const struct fl__mem_entry *e)
{
	struct fl_reply *pair = fl__mem_array_in(c, r, 2), *v;

	put_id(c, &pair[0], e->id);
	v = fl__mem_array_in(c, &pair[1], e->n);
	for (size_t i = 0; i < e->n; i++)
		fl__mem_put_bulk(c, &v[i], fl__mem_str_span(e->fv[i]));
}

/* ---- trimming ---- */

enum trim_kind { TRIM_NONE, TRIM_MAXLEN, TRIM_MINID };
struct trim {
	enum trim_kind kind;
	bool roughly, limited;
	int64_t maxlen, limit;
	struct fl__mem_id minid;
};

/* MAXLEN|MINID [=|~] threshold at argv[*i]; moves *i to the last word taken. False, and the error written, otherwise.
 */
static bool trim_arg(struct fl__mem_call *c, size_t *i, struct trim *t)
{
	enum trim_kind kind = fl__mem_is(c->argv[*i], "maxlen") ? TRIM_MAXLEN : TRIM_MINID;
	bool has_seq;

	if (t->kind != TRIM_NONE) {
		fl__mem_error(c, "ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
		return false;
	}
	t->kind = kind;
	if (*i + 2 < c->argc && (fl_span_eqs(c->argv[*i + 1], "~") || fl_span_eqs(c->argv[*i + 1], "="))) {
		t->roughly = c->argv[*i + 1].p[0] == '~';
		++*i;
	}
	++*i;
	if (kind == TRIM_MINID) {
		if (id_parse(c->argv[*i], 0, &t->minid, &has_seq))
			return true;
		bad_id(c);
		return false;
	}
	if (!fl__mem_ll_arg(c, *i, &t->maxlen))
		return false;
	if (t->maxlen >= 0)
		return true;
	fl__mem_error(c, "ERR The MAXLEN argument must be >= 0.");
	return false;
}

static bool limit_arg(struct fl__mem_call *c, size_t i, struct trim *t)
{
	if (!fl__mem_ll_arg(c, i, &t->limit))
		return false;
	t->limited = true;
	if (t->limit >= 0)
		return true;
	fl__mem_error(c, "ERR The LIMIT argument must be >= 0.");
	return false;
}

/* LIMIT goes with "~" only. */
static bool trim_fits(struct fl__mem_call *c, const struct trim *t)
{
	if (t->limited && t->kind == TRIM_NONE) {
		fl__mem_error(c, "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
		return false;
	}
	if (t->limited && !t->roughly) {
		fl__mem_error(c, "ERR syntax error, LIMIT cannot be used without the special ~ option");
		return false;
	}
	return true;
}

static size_t trim(struct fl__mem_stream *st, const struct trim *t)
{
	size_t n = 0;

	if (t->kind == TRIM_MAXLEN)
		n = st->n > (uint64_t)t->maxlen ? st->n - (size_t)t->maxlen : 0;
	else if (t->kind == TRIM_MINID)
		n = first_at(st, t->minid);
	if (t->roughly && t->limited && t->limit > 0 && n > (uint64_t)t->limit)
		n = (size_t)t->limit;
	if (t->roughly && n < st->n)
		n -= n % NODE_ENTRIES;
	fl__mem_stream_trim(st, 0, n);
	return n;
}

static void cmd_xtrim(struct fl__mem_call *c)
{
	struct trim t = { 0 };
	struct fl__mem_obj *o;

	for (size_t i = 2; i < c->argc; i++) {
		bool more = i + 1 < c->argc, fine;

		if (more && (fl__mem_is(c->argv[i], "maxlen") || fl__mem_is(c->argv[i], "minid"))) {
			fine = trim_arg(c, &i, &t);
		} else if (more && fl__mem_is(c->argv[i], "limit")) {
			fine = limit_arg(c, ++i, &t);
		} else {
			fl__mem_syntax(c);
			fine = false;
		}
		if (!fine)
			return;
	}
	if (t.kind == TRIM_NONE) {
		fl__mem_error(c, "ERR syntax error, XTRIM must be called with MAXLEN or MINID options");
		return;
	}
	if (trim_fits(c, &t) && fl__mem_want(c, 1, FL__MEM_STREAM, &o))
		fl__mem_int(c, o ? (int64_t)trim(&o->stream, &t) : 0);
}

/* ---- XADD ---- */

struct xadd {
	bool nomk, any_id, any_seq;
	struct fl__mem_id id;
	struct trim trim;
	size_t fields; /* index of the first field */
};

static bool xadd_id(struct fl__mem_call *c, size_t i, struct xadd *x)
{
	struct fl_span s = c->argv[i];
	bool has_seq;

	x->any_id = fl_span_eqs(s, "*");
	if (x->any_id)
		return true;
	x->any_seq = s.n > 2 && memcmp(s.p + s.n - 2, "-*", 2) == 0;
	if (x->any_seq)
		s.n -= 2;
	if (!id_parse(s, 0, &x->id, &has_seq) || (x->any_seq && has_seq)) {
		bad_id(c);
		return false;
	}
	if (!x->any_seq && x->id.ms == 0 && x->id.seq == 0) {
		fl__mem_error(c, "ERR The ID specified in XADD must be greater than 0-0");
		return false;
	}
	return true;
}

static bool xadd_args(struct fl__mem_call *c, struct xadd *x)
{
	size_t i = 2;

	*x = (struct xadd){ 0 };
	for (; i < c->argc; i++) {
		bool more = i + 1 < c->argc;

		if (fl__mem_is(c->argv[i], "nomkstream")) {
			x->nomk = true;
		} else if (more && (fl__mem_is(c->argv[i], "maxlen") || fl__mem_is(c->argv[i], "minid"))) {
			if (!trim_arg(c, &i, &x->trim))
				return false;
		} else if (more && fl__mem_is(c->argv[i], "limit")) {
			if (!limit_arg(c, ++i, &x->trim))
				return false;
		} else {
			break;
		}
	}
	if (i < c->argc && !xadd_id(c, i, x))
		return false;
	if (!trim_fits(c, &x->trim))
		return false;
	x->fields = i + 1;
	if (x->fields >= c->argc || (c->argc - x->fields) % 2) {
		fl__mem_arity(c);
		return false;
	}
	return true;
}

/* The id this entry gets; false when none above the last one fits. */
static bool next_id(const struct fl__mem_stream *st, const struct xadd *x, int64_t now_ms, struct fl__mem_id *out)
{
	*out = x->id;
	if (x->any_id)
		*out = (struct fl__mem_id){ (uint64_t)now_ms, 0 };
	if (x->any_id ? id_cmp(*out, st->last) <= 0 : x->any_seq && out->ms == st->last.ms) {
		*out = st->last;
		if (++out->seq == 0)
			out->ms++;
		return id_cmp(*out, st->last) > 0 && (x->any_id || out->ms == st->last.ms);
	}
	return id_cmp(*out, st->last) > 0;
}

static void append(struct fl__mem_stream *st, struct fl__mem_id id, const struct fl_span *fv, size_t n)
{
	struct fl__mem_entry *e = fl__mem_alloc(sizeof(*e) + n * sizeof(e->fv[0]));

	e->id = id;
	e->n = n;
	for (size_t i = 0; i < n; i++)
		e->fv[i] = fl__mem_str(fv[i]);
	if (st->n == st->cap) {
		st->cap = st->cap ? st->cap * 2 : 8;
		st->v = fl__mem_grow(st->v, st->cap, sizeof(*st->v));
	}
	st->v[st->n++] = e;
	st->last = id;
}

static void cmd_xadd(struct fl__mem_call *c)
{
	static const struct fl__mem_stream empty;
	struct fl__mem_obj *o;
	struct fl__mem_id id;
	struct xadd x;

	if (!xadd_args(c, &x) || !fl__mem_want(c, 1, FL__MEM_STREAM, &o))
		return;
	if (!o && x.nomk) {
		fl__mem_nil(c);
		return;
	}
	if (o && id_cmp(o->stream.last, (struct fl__mem_id){ UINT64_MAX, UINT64_MAX }) == 0) {
		fl__mem_error(c, "ERR The stream has exhausted the last possible ID, unable to add more items");
		return;
	}
	if (!next_id(o ? &o->stream : &empty, &x, c->w->now_ms, &id)) {
		fl__mem_error(c, "ERR The ID specified in XADD is equal or smaller than the target stream top item");
		return;
	}
	if (!o)
		o = fl__mem_db_new(c->w, c->argv[1], FL__MEM_STREAM);
	append(&o->stream, id, c->argv + x.fields, c->argc - x.fields);
	trim(&o->stream, &x.trim);
	put_id(c, c->out, id);
}

/* ---- reading and deleting ---- */

static void range(struct fl__mem_call *c, bool rev)
{
	struct fl__mem_id lo, hi;
	struct fl__mem_obj *o;
	int64_t count = -1;
	size_t from, to, n;
	struct fl_reply *v;

	if (!range_end(c, rev ? 3 : 2, true, &lo) || !range_end(c, rev ? 2 : 3, false, &hi))
		return;
	if (c->argc > 4) {
		if (c->argc != 6 || !fl__mem_is(c->argv[4], "count")) {
			fl__mem_syntax(c);
			return;
		}
		if (!fl__mem_ll_arg(c, 5, &count))
			return;
		count = count < 0 ? 0 : count;
	}
	if (!fl__mem_want(c, 1, FL__MEM_STREAM, &o))
		return;
	if (o && count == 0) {
		fl__mem_nil(c);
		return;
	}
	from = o ? first_at(&o->stream, lo) : 0;
	to = from;
	while (o && to < o->stream.n && id_cmp(o->stream.v[to]->id, hi) <= 0)
		to++;
	n = count >= 0 && to - from > (uint64_t)count ? (size_t)count : to - from;
	v = fl__mem_array(c, n);
	for (size_t i = 0; i < n; i++)
		put_entry(c, &v[i], o->stream.v[rev ? to - 1 - i : from + i]);
}

static void cmd_xrange(struct fl__mem_call *c)
{
	range(c, false);
}

static void cmd_xrevrange(struct fl__mem_call *c)
{
	range(c, true);
}

static void cmd_xdel(struct fl__mem_call *c)
{
	struct fl__mem_id id;
	struct fl__mem_obj *o;
	int64_t n = 0;
	bool has_seq;

	if (!fl__mem_want(c, 1, FL__MEM_STREAM, &o))
		return;
	for (size_t i = 2; o && i < c->argc; i++) {
		if (!id_parse(c->argv[i], 0, &id, &has_seq)) {
			bad_id(c);
			return;
		}
	}
	for (size_t i = 2; o && i < c->argc; i++) {
		size_t at;

		id_parse(c->argv[i], 0, &id, &has_seq);
		at = first_at(&o->stream, id);
		if (at == o->stream.n || id_cmp(o->stream.v[at]->id, id) != 0)
			continue;
		fl__mem_stream_trim(&o->stream, at, 1);
		n++;
	}
	fl__mem_int(c, n);
}

static void cmd_xlen(struct fl__mem_call *c)
{
	struct fl__mem_obj *o;

	if (fl__mem_want(c, 1, FL__MEM_STREAM, &o))
		fl__mem_int(c, o ? (int64_t)o->stream.n : 0);
}

const struct fl__mem_cmd fl__mem_stream_cmds[] = {
	{ "xadd", -5, cmd_xadd, 0 }, { "xrange", -4, cmd_xrange, 0 }, { "xrevrange", -4, cmd_xrevrange, 0 },
	{ "xdel", -3, cmd_xdel, 0 }, { "xlen", 2, cmd_xlen, 0 },      { "xtrim", -4, cmd_xtrim, 0 },
	{ NULL, 0, NULL, 0 },
};
