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
	else if (ret == 0 && r->type != FL_REPLY_STRING)
		ret = fl_err_set(err, FL_ECORRUPT, "source '%s': claim %s is malformed", source, id);
	else if (ret == 0)
		ret = fl_claim_decode(r->s, out, err);
	fl_arena_done(&a);
	return ret;
}

static int decode_all(const struct fl_reply *v, size_t n, struct fl_arena *arena, struct fl_claim **out, size_t *n_out, struct fl_err *err)
{
	struct fl_claim *c = fl_arena_array(arena, n + 1, sizeof(*c));
	size_t k = 0;

	if (!c)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		int ret;

		if (v[i].type != FL_REPLY_STRING)
			continue; /* past its 400 days */
		ret = fl_claim_decode(v[i].s, &c[k], err);
		if (ret < 0)
			return ret;
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
	return ret == 0 ? decode_all(r.v, r.n, arena, out, n, err) : ret;
}

int fl_claims_due(struct fl_sets *s, const char *source, fl_unix_us until, size_t max, struct fl_arena *arena, struct fl_claim **out, size_t *n,
		  struct fl_err *err)
{
	struct fl_span argv[] = { fl_span_str("ZRANGEBYSCORE"), fl__key(s, arena, FL_SOURCE, source, ":due"), fl_span_str("-inf"), fl__num(arena, until),
				  fl_span_str("LIMIT"), fl_span_str("0"), fl__num(arena, (int64_t)max) };
	struct fl_reply *r = NULL, *v = NULL;
	struct fl_span(*get)[3];
	struct fl_cmd *cmds;
	int ret = fl_store_call(s->store, &(struct fl_cmd){ argv, 7 }, 1, arena, &r, err);

	*n = 0;
	if (ret < 0)
		return ret;
	if (r->type != FL_REPLY_ARRAY)
		return fl_err_set(err, FL_ECORRUPT, "source '%s': the expiry index is malformed", source);
	if (r->n == 0)
		return 0;
	get = fl_arena_array(arena, r->n, sizeof(*get));
	cmds = fl_arena_array(arena, r->n, sizeof(*cmds));
	if (!get || !cmds)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < r->n; i++) {
		get[i][0] = fl_span_str("HGET");
		get[i][1] = fl__key(s, arena, FL_SOURCE, source, ":claim:%.*s", (int)(r->v[i].s.n < 64 ? r->v[i].s.n : 64), (const char *)r->v[i].s.p);
		get[i][2] = fl_span_str("json");
		cmds[i] = (struct fl_cmd){ get[i], 3 };
	}
	ret = fl_store_call(s->store, cmds, r->n, arena, &v, err);
	return ret == 0 ? decode_all(v, r->n, arena, out, n, err) : ret;
}
