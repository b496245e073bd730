/* Claims: claim:ID holds the JSON, of:NAME the ids of its active claims, due the expiry index. All are written by the commit that they belong to. */
#include "sets/sets_int.h"

int fl_claim_get(struct fl_sets *s, const char *source, const char *id, struct fl_claim *out, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_span argv[] = { fl_span_str("HGET"), fl__key(s, &a, FL_SOURCE, source, ":claim:%s", id), fl_span_str("json") };
	struct fl_reply *r = NULL;
	int ret = fl_store_call(s->store, &(struct fl_cmd){ argv, 3 }, 1, &a, &r, err);

	if (ret == 0 && r->type == FL_REPLY_NIL)
		ret = FL_ENOTFOUND;
	else if (ret == 0 && (r->type != FL_REPLY_STRING || fl_claim_decode(r->s, out, NULL) < 0))
		ret = fl_err_set(err, FL_ECORRUPT, "source '%s': claim %s is malformed", source, id);
	fl_arena_done(&a);
	return ret;
}

static int decode_all(const char *source, const struct fl_reply *v, size_t n, struct fl_arena *arena, struct fl_claim **out, size_t *n_out, struct fl_err *err)
{
	struct fl_claim *c = fl_arena_array(arena, n + 1, sizeof(*c));
	size_t k = 0;

	if (!c)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		if (v[i].type != FL_REPLY_STRING)
			continue; /* past its 400 days */
		if (fl_claim_decode(v[i].s, &c[k], NULL) < 0)
			return fl_err_set(err, FL_ECORRUPT, "source '%s': a claim in the store is malformed", source);
		k++;
	}
	*out = c;
	*n_out = k;
	return 0;
}

int fl_claims_of(struct fl_sets *s, const char *source, struct fl_span key, struct fl_arena *arena, struct fl_claim **out, size_t *n, struct fl_err *err)
{
	char name[FL_NAME_TEXT];
	struct fl_span k = fl_span_str(fl_arena_printf(arena, "%ssource/%s:of:%s", s->store->prefix, source, fl_rkey_to_text(key, name)));
	struct fl_span base = fl__key(s, arena, FL_SOURCE, source, ":claim:");
	struct fl_reply r;
	int ret = fl_store_eval(s->store, &fl__script_claims_of, &k, 1, &base, 1, arena, &r, err);

	if (ret == 0 && r.type != FL_REPLY_ARRAY)
		ret = fl_err_set(err, FL_ECORRUPT, "source '%s': claims are malformed", source);
	return ret == 0 ? decode_all(source, r.v, r.n, arena, out, n, err) : ret;
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
