/* Claims: claim:ID holds the JSON, of:NAME the ids of its active claims, due the expiry index. All are written by the commit that they belong to. */
#include "sets/sets_int.h"

#include <stdlib.h>

int fl_claims_get(struct fl_sets *s, const char *source, const char *const *ids, size_t n, struct fl_claim *out, enum fl_claim_there *there, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_span(*get)[3] = fl_arena_array(&a, n + 1, sizeof(*get));
	struct fl_cmd *cmds = fl_arena_array(&a, n + 1, sizeof(*cmds));
	struct fl_reply *r = NULL;
	int ret = get && cmds ? 0 : FL_ENOMEM;

	for (size_t i = 0; ret == 0 && i < n; i++) {
		get[i][0] = fl_span_str("HGET");
		get[i][1] = fl__key(s, &a, FL_SOURCE, source, ":claim:%.64s", ids[i]);
		get[i][2] = fl_span_str("json");
		cmds[i] = (struct fl_cmd){ get[i], 3 };
	}
	if (ret == 0 && n)
		ret = fl_store_call(s->store, cmds, n, &a, &r, err);
	for (size_t i = 0; ret == 0 && i < n; i++)
		if (r[i].type == FL_REPLY_NIL)
			there[i] = FL_CLAIM_NOT_THERE;
		else
			there[i] = r[i].type == FL_REPLY_STRING && fl_claim_decode(r[i].s, &out[i], NULL) == 0 ? FL_CLAIM_THERE : FL_CLAIM_UNREADABLE;
	fl_arena_done(&a);
	return ret;
}

int fl_claim_get(struct fl_sets *s, const char *source, const char *id, struct fl_claim *out, struct fl_err *err)
{
	enum fl_claim_there there;
	int ret = fl_claims_get(s, source, &id, 1, out, &there, err);

	if (ret < 0 || there == FL_CLAIM_THERE)
		return ret;
	return there == FL_CLAIM_NOT_THERE ? FL_ENOTFOUND : fl_err_set(err, FL_ECORRUPT, "source '%s': claim %s is malformed", source, id);
}

/* --- many at once --- */

/* A claim that was read, by its id; c NULL: it is there and cannot be read. */
struct seen {
	const char *id;
	const struct fl_claim *c;
};

struct view {
	struct fl_sets *s;
	const char *source;
	struct fl_arena *arena;
	struct seen *seen; /* sorted by id */
	size_t n_seen;
	struct fl_err *err;
};

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct seen *)a)->id, ((const struct seen *)b)->id);
}

static int by_claim_id(const void *a, const void *b)
{
	return strcmp((*(const struct fl_claim *const *)a)->id, (*(const struct fl_claim *const *)b)->id);
}

static const struct seen *view_find(const struct view *v, const char *id)
{
	struct seen key = { id, NULL };

	return v->n_seen ? bsearch(&key, v->seen, v->n_seen, sizeof(key), by_id) : NULL;
}

static int view_nomem(struct view *v)
{
	return fl_err_set(v->err, FL_ENOMEM, "out of memory");
}

/* One reply of a claim's key into what was seen; of one that is not there, nothing. */
static int view_see(struct view *v, const char *id, const struct fl_reply *r)
{
	struct fl_claim *c = NULL;

	if (r->type == FL_REPLY_NIL)
		return 0;
	if (r->type == FL_REPLY_STRING) {
		c = fl_arena_array(v->arena, 1, sizeof(*c));
		if (!c)
			return view_nomem(v);
		if (fl_claim_decode(r->s, c, NULL) < 0)
			c = NULL;
	}
	v->seen[v->n_seen++] = (struct seen){ id, c };
	return 0;
}

/* The first trip: each claim, and the ids of those that hold its name: n replies in *members. */
static int view_first(struct view *v, const struct fl_claim *const *asked, size_t n, struct fl_reply **members)
{
	struct fl_span(*words)[5] = fl_arena_array(v->arena, n, sizeof(*words));
	struct fl_cmd *cmds = fl_arena_array(v->arena, 2 * n, sizeof(*cmds));
	char name[FL_NAME_TEXT];
	struct fl_reply *r = NULL;
	int ret = 0;

	*members = fl_arena_array(v->arena, n, sizeof(**members));
	v->seen = fl_arena_array(v->arena, n, sizeof(*v->seen));
	if (!words || !cmds || !*members || !v->seen)
		return view_nomem(v);
	for (size_t i = 0; i < n; i++) {
		const char *of = fl_arena_printf(v->arena, "%ssource/%s:of:%s", v->s->store->prefix, v->source, fl_rkey_to_text(fl_rkey_span(&asked[i]->key), name));

		if (!of)
			return view_nomem(v);
		words[i][0] = fl_span_str("HGET");
		words[i][1] = fl__key(v->s, v->arena, FL_SOURCE, v->source, ":claim:%s", asked[i]->id);
		words[i][2] = fl_span_str("json");
		cmds[2 * i] = (struct fl_cmd){ words[i], 3 };
		words[i][3] = fl_span_str("SMEMBERS");
		words[i][4] = fl_span_str(of);
		cmds[2 * i + 1] = (struct fl_cmd){ words[i] + 3, 2 };
	}
	ret = fl_store_call(v->s->store, cmds, 2 * n, v->arena, &r, v->err);
	for (size_t i = 0; ret == 0 && i < n; i++) {
		(*members)[i] = r[2 * i + 1];
		if (r[2 * i + 1].type != FL_REPLY_ARRAY)
			ret = fl_err_set(v->err, FL_ECORRUPT, "source '%s': its index of names is malformed", v->source);
		else
			ret = view_see(v, asked[i]->id, &r[2 * i]);
	}
	if (ret == 0)
		qsort(v->seen, v->n_seen, sizeof(*v->seen), by_id);
	return ret;
}

/* The ids of members that were not asked for, once each, as claims yet to be read. */
static int view_others(struct view *v, const struct fl_reply *members, size_t n, struct seen **out, size_t *n_out)
{
	size_t total = 0, k = 0, m = 0;
	struct seen *ids;

	for (size_t i = 0; i < n; i++)
		total += members[i].n;
	ids = fl_arena_array(v->arena, total + 1, sizeof(*ids));
	if (!ids)
		return view_nomem(v);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < members[i].n; j++) {
			struct fl_span id = members[i].v[j].s;
			char *text = fl_arena_strn(v->arena, (const char *)id.p, id.n < 64 ? id.n : 64);

			if (!text)
				return view_nomem(v);
			if (!view_find(v, text))
				ids[k++].id = text;
		}
	qsort(ids, k, sizeof(*ids), by_id);
	for (size_t i = 0; i < k; i++)
		if (m == 0 || strcmp(ids[m - 1].id, ids[i].id) != 0)
			ids[m++] = ids[i];
	*out = ids;
	*n_out = m;
	return 0;
}

/* The second trip, where it is needed: what holds a name and was not asked for. */
static int view_second(struct view *v, const struct fl_reply *members, size_t n)
{
	enum fl_claim_there *there;
	struct seen *ids = NULL, *all;
	struct fl_claim *claims;
	const char **names;
	size_t k = 0;
	int ret = view_others(v, members, n, &ids, &k);

	if (ret < 0 || k == 0)
		return ret;
	names = fl_arena_array(v->arena, k, sizeof(*names));
	claims = fl_arena_array(v->arena, k, sizeof(*claims));
	there = fl_arena_array(v->arena, k, sizeof(*there));
	all = fl_arena_array(v->arena, v->n_seen + k, sizeof(*all));
	if (!names || !claims || !there || !all)
		return view_nomem(v);
	for (size_t i = 0; i < k; i++)
		names[i] = ids[i].id;
	ret = fl_claims_get(v->s, v->source, names, k, claims, there, v->err);
	if (ret < 0)
		return ret;
	memcpy(all, v->seen, v->n_seen * sizeof(*all));
	v->seen = all;
	for (size_t i = 0; i < k; i++)
		if (there[i] != FL_CLAIM_NOT_THERE)
			v->seen[v->n_seen++] = (struct seen){ names[i], there[i] == FL_CLAIM_THERE ? &claims[i] : NULL };
	qsort(v->seen, v->n_seen, sizeof(*v->seen), by_id);
	return 0;
}

static int view_held(struct view *v, const struct fl_reply *members, struct fl_claim_view *out)
{
	const struct fl_claim **held = fl_arena_array(v->arena, members->n + 1, sizeof(*held));
	char id[65];

	if (!held)
		return view_nomem(v);
	for (size_t j = 0; j < members->n; j++) {
		struct fl_span m = members->v[j].s;
		const struct seen *s;

		snprintf(id, sizeof(id), "%.*s", (int)(m.n < 64 ? m.n : 64), (const char *)m.p);
		s = view_find(v, id);
		if (s && s->c)
			held[out->n_held++] = s->c;
		else if (s)
			out->broken = true; /* one that is not there is past its 400 days, and no fault */
	}
	qsort(held, out->n_held, sizeof(*held), by_claim_id);
	out->held = held;
	return 0;
}

int fl_claims_view(struct fl_sets *s, const char *source, const struct fl_claim *const *asked, size_t n, struct fl_arena *arena, struct fl_claim_view *out,
		   struct fl_err *err)
{
	struct view v = { .s = s, .source = source, .arena = arena, .err = err };
	struct fl_reply *members = NULL;
	int ret;

	memset(out, 0, n * sizeof(*out));
	if (n == 0)
		return 0;
	ret = view_first(&v, asked, n, &members);
	if (ret == 0)
		ret = view_second(&v, members, n);
	for (size_t i = 0; ret == 0 && i < n; i++) {
		const struct seen *own = view_find(&v, asked[i]->id);

		out[i].stored = own ? own->c : NULL;
		out[i].broken = own && !own->c;
		ret = view_held(&v, &members[i], &out[i]);
	}
	return ret;
}

/* --- what is due --- */

struct due {
	struct fl_sets *s;
	const char *source;
	struct fl_span from, until;
	struct fl_arena *arena;
	size_t max;
	struct fl_claim *v;
	size_t n;
	uint64_t unreadable;
};

/* The claims behind a page of the index. */
static int take_page(struct due *d, const struct fl_reply *ids, struct fl_err *err)
{
	struct fl_span(*get)[3] = fl_arena_array(d->arena, ids->n, sizeof(*get));
	struct fl_cmd *cmds = fl_arena_array(d->arena, ids->n, sizeof(*cmds));
	struct fl_reply *v = NULL;
	int ret;

	if (!d->v)
		d->v = fl_arena_array(d->arena, d->max, sizeof(*d->v));
	if (!get || !cmds || !d->v)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < ids->n; i++) {
		struct fl_span id = ids->v[i].s;

		get[i][0] = fl_span_str("HGET");
		get[i][1] = fl__key(d->s, d->arena, FL_SOURCE, d->source, ":claim:%.*s", (int)(id.n < 64 ? id.n : 64), (const char *)id.p);
		get[i][2] = fl_span_str("json");
		cmds[i] = (struct fl_cmd){ get[i], 3 };
	}
	ret = fl_store_call(d->s->store, cmds, ids->n, d->arena, &v, err);
	for (size_t i = 0; ret == 0 && i < ids->n; i++)
		if (v[i].type == FL_REPLY_STRING && fl_claim_decode(v[i].s, &d->v[d->n], NULL) == 0)
			d->n++;
		else
			d->unreadable++;
	return ret;
}

int fl_claims_due(struct fl_sets *s, const char *source, fl_unix_us after, fl_unix_us until, size_t max, struct fl_arena *arena, struct fl_claim **out, size_t *n,
		  uint64_t *unreadable, struct fl_err *err)
{
	struct due d = { s, source, fl_span_str(after > 0 ? fl_arena_printf(arena, "(%lld", (long long)after) : "-inf"), fl__num(arena, until), arena, max, NULL, 0, 0 };
	struct fl_reply *r = NULL;
	size_t seen = 0;
	int ret;

	*n = 0;
	*unreadable = 0;
	do {
		struct fl_span argv[] = { fl_span_str("ZRANGEBYSCORE"), fl__key(s, arena, FL_SOURCE, source, ":due"), d.from, d.until, fl_span_str("LIMIT"),
					  fl__num(arena, (int64_t)seen), fl__num(arena, (int64_t)(max - d.n)) };

		ret = fl_store_call(s->store, &(struct fl_cmd){ argv, 7 }, 1, arena, &r, err);
		if (ret == 0 && r->type != FL_REPLY_ARRAY)
			ret = fl_err_set(err, FL_ECORRUPT, "source '%s': the expiry index is malformed", source);
		if (ret == 0 && r->n)
			ret = take_page(&d, r, err);
		if (ret < 0)
			return ret;
		seen += r->n;
	} while (r->n && d.n < max);
	*out = d.v;
	*n = d.n;
	*unreadable = d.unreadable;
	return 0;
}

int fl_claims_due_count(struct fl_sets *s, const char *source, fl_unix_us until, uint64_t *n, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_span argv[] = { fl_span_str("ZCOUNT"), fl__key(s, &a, FL_SOURCE, source, ":due"), fl_span_str("-inf"), fl__num(&a, until) };
	struct fl_reply *r = NULL;
	int ret = fl_store_call(s->store, &(struct fl_cmd){ argv, 4 }, 1, &a, &r, err);

	if (ret == 0 && r->type != FL_REPLY_INT)
		ret = fl_err_set(err, FL_ECORRUPT, "source '%s': the expiry index is malformed", source);
	*n = ret == 0 ? (uint64_t)r->i : 0;
	fl_arena_done(&a);
	return ret;
}
