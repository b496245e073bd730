/* Claims by when they were seen, by their finding, by their name, and by what a person types.
 *
 *   claims        zset: id by seen_at       ls, newest first; it outlives its claims, and is trimmed
 *   finding:HASH  hash: id -> 1 active, 0   what an update moves, what a dismissal dismisses
 *   was:NAME      zset: id by its end       what held a name once, or waits to
 *
 * All are written by the commit that the claims belong to (scripts.c). Start at fl__rows_get(). */
#include "sets/sets_int.h"

#include <stdlib.h>

enum { HASH_BYTES = 16, ID_MIN = 4, ID_TEXT = 64 };

struct fl_span fl__name_key(struct fl_sets *s, struct fl_arena *a, const char *source, const char *what, struct fl_span rkey)
{
	char name[FL_NAME_TEXT];
	const char *key = fl_arena_printf(a, "%ssource/%s:%s:%s", s->store->prefix, source, what, fl_rkey_to_text(rkey, name));

	return key ? fl_span_str(key) : fl_span(NULL, 0);
}

struct fl_span fl__finding_key(struct fl_sets *s, struct fl_arena *a, const char *source, const char *finding)
{
	uint8_t sum[32];
	char hex[2 * HASH_BYTES + 1];

	fl_sha256_of(finding, strlen(finding), sum);
	return fl__key(s, a, FL_SOURCE, source, ":finding:%s", fl_hex(sum, HASH_BYTES, hex));
}

static int nomem(struct fl_err *err)
{
	return fl_err_set(err, FL_ENOMEM, "out of memory");
}

/* --- ids to claims --- */

struct wanted {
	const char *source;
	struct fl_span id;
};

/* Fields beside the claim itself: 0 when they are not there. */
static uint64_t number_of(const struct fl_reply *r)
{
	uint64_t n = 0;

	return r->type == FL_REPLY_STRING && fl_u64_parse(r->s, &n) ? n : 0;
}

static bool row_from(const struct fl_reply *r, struct fl_claim_row *out)
{
	if (r->type != FL_REPLY_ARRAY || r->n != 4 || r->v[0].type != FL_REPLY_STRING || fl_claim_decode(r->v[0].s, &out->claim, NULL) < 0)
		return false;
	out->first = number_of(&r->v[1]);
	out->version = number_of(&r->v[2]);
	out->at = (fl_unix_us)number_of(&r->v[3]);
	return true;
}

/* The claims of these ids, by one pipeline; of one that is not there, or cannot be read, there[i] is false. */
static int rows_get(struct fl_sets *s, const struct wanted *w, size_t n, struct fl_arena *arena, struct fl_claim_row *out, bool *there, struct fl_err *err)
{
	struct fl_span(*words)[6] = fl_arena_array(arena, n + 1, sizeof(*words));
	struct fl_cmd *cmds = fl_arena_array(arena, n + 1, sizeof(*cmds));
	struct fl_reply *r = NULL;
	int ret;

	if (!words || !cmds)
		return nomem(err);
	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		words[i][0] = fl_span_str("HMGET");
		words[i][1] = fl__key(s, arena, FL_SOURCE, w[i].source, ":claim:%.*s", (int)(w[i].id.n < ID_TEXT ? w[i].id.n : ID_TEXT), (const char *)w[i].id.p);
		words[i][2] = fl_span_str("json");
		words[i][3] = fl_span_str("first");
		words[i][4] = fl_span_str("version");
		words[i][5] = fl_span_str("at");
		cmds[i] = (struct fl_cmd){ words[i], 6 };
	}
	ret = fl_store_call(s->store, cmds, n, arena, &r, err);
	for (size_t i = 0; ret == 0 && i < n; i++)
		there[i] = row_from(&r[i], &out[i]);
	return ret;
}

/* The same, those that are there together. */
static int rows_there(struct fl_sets *s, const struct wanted *w, size_t n, struct fl_arena *arena, struct fl_claim_row **out, size_t *n_out, struct fl_err *err)
{
	struct fl_claim_row *v = fl_arena_array(arena, n + 1, sizeof(*v));
	bool *there = fl_arena_array(arena, n + 1, sizeof(*there));
	size_t k = 0;
	int ret = v && there ? rows_get(s, w, n, arena, v, there, err) : nomem(err);

	for (size_t i = 0; ret == 0 && i < n; i++)
		if (there[i])
			v[k++] = v[i];
	*out = v;
	*n_out = ret == 0 ? k : 0;
	return ret;
}

/* --- pages --- */

/* Members of the index from the place on, reading past those of the same moment that came before it. */
static int page_ids(struct fl_sets *s, const char *source, const struct fl_claim_place *at, size_t skip, size_t max, struct fl_arena *arena, struct fl_reply **out,
		    struct fl_err *err)
{
	struct fl_span argv[] = { fl_span_str("ZREVRANGEBYSCORE"), fl__key(s, arena, FL_SOURCE, source, ":claims"),
				  at->id[0] ? fl__num(arena, at->seen_at) : fl_span_str("+inf"), fl_span_str("-inf"), fl_span_str("WITHSCORES"), fl_span_str("LIMIT"),
				  fl__num(arena, (int64_t)skip), fl__num(arena, (int64_t)max) };
	int ret = fl_store_call(s->store, &(struct fl_cmd){ argv, 8 }, 1, arena, out, err);

	return ret == 0 && (*out)->type != FL_REPLY_ARRAY ? fl_err_set(err, FL_ECORRUPT, "source '%s': its list of claims is malformed", source) : ret;
}

static fl_unix_us score_of(const struct fl_reply *r)
{
	char text[40];

	snprintf(text, sizeof(text), "%.*s", (int)(r->s.n < sizeof(text) - 1 ? r->s.n : sizeof(text) - 1), (const char *)r->s.p);
	return (fl_unix_us)strtod(text, NULL);
}

static bool before_place(const struct fl_claim_place *at, fl_unix_us score, struct fl_span id)
{
	size_t n = strlen(at->id), k = id.n < n ? id.n : n;
	int d = at->id[0] && score == at->seen_at ? memcmp(id.p, at->id, k) : -1;

	return d > 0 || (d == 0 && id.n >= n);
}

/* Ids from the place on, which moves behind the last. */
static int next_ids(struct fl_sets *s, const char *source, struct fl_claim_place *at, size_t max, struct fl_arena *arena, struct wanted **out, size_t *n, bool *more,
		    struct fl_err *err)
{
	const struct fl_claim_place from = *at;
	struct wanted *w = fl_arena_array(arena, max + 1, sizeof(*w));
	size_t skip = 0, k = 0;

	*more = false;
	while (w && k < max) {
		struct fl_reply *r = NULL;
		int ret = page_ids(s, source, &from, skip, FL_CLAIMS_PAGE_MAX, arena, &r, err);

		if (ret < 0)
			return ret;
		for (size_t i = 0; i + 1 < r->n; i += 2) {
			fl_unix_us score = score_of(&r->v[i + 1]);

			if (before_place(&from, score, r->v[i].s))
				continue;
			if (k == max) {
				*more = true;
				break;
			}
			w[k++] = (struct wanted){ source, r->v[i].s };
			at->seen_at = score;
			snprintf(at->id, sizeof(at->id), "%.*s", (int)(r->v[i].s.n < ID_TEXT ? r->v[i].s.n : ID_TEXT), (const char *)r->v[i].s.p);
		}
		if (r->n < 2 * FL_CLAIMS_PAGE_MAX)
			break;
		skip += FL_CLAIMS_PAGE_MAX;
		*more = *more || k == max;
	}
	*out = w;
	*n = k;
	return w ? 0 : nomem(err);
}

int fl_claims_page(struct fl_sets *s, const char *source, struct fl_claim_place *at, size_t max, struct fl_arena *arena, struct fl_claim_row **out, size_t *n, bool *more,
		   struct fl_err *err)
{
	struct wanted *w = NULL;
	size_t k = 0;
	int ret = next_ids(s, source, at, max < FL_CLAIMS_PAGE_MAX ? max : FL_CLAIMS_PAGE_MAX, arena, &w, &k, more, err);

	*n = 0;
	return ret == 0 ? rows_there(s, w, k, arena, out, n, err) : ret;
}

int fl_claims_trim(struct fl_sets *s, const char *source, fl_unix_us before, uint64_t *at, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_span key = fl__key(s, &a, FL_SOURCE, source, ":claims"), base = fl__key(s, &a, FL_SOURCE, source, ":claim:");
	struct fl_span argv[] = { fl_span_str("ZRANGEBYSCORE"), key, fl_span_str("-inf"), fl__num(&a, before), fl_span_str("LIMIT"), fl__num(&a, (int64_t)*at),
				  fl__num(&a, FL_CLAIMS_PAGE_MAX) };
	struct fl_args args = { .arena = &a };
	struct fl_reply *ids = NULL, gone;
	int ret = fl_store_call(s->store, &(struct fl_cmd){ argv, 7 }, 1, &a, &ids, err);

	if (ret == 0 && ids->type != FL_REPLY_ARRAY)
		ret = fl_err_set(err, FL_ECORRUPT, "source '%s': its list of claims is malformed", source);
	fl__args_add(&args, base);
	for (size_t i = 0; ret == 0 && i < ids->n; i++)
		fl__args_add(&args, ids->v[i].s);
	if (ret == 0 && args.failed)
		ret = nomem(err);
	if (ret == 0 && ids->n)
		ret = fl_store_eval(s->store, &fl__script_claims_trim, &key, 1, args.v, args.n, &a, &gone, err);
	if (ret == 0) /* those that stay are passed over by the next call; behind the last it begins again */
		*at = ids->n < FL_CLAIMS_PAGE_MAX ? 0 : *at + ids->n - (gone.type == FL_REPLY_INT ? (uint64_t)gone.i : 0);
	fl_arena_done(&a);
	return ret;
}

/* --- by name, by finding --- */

int fl_claims_on(struct fl_sets *s, const char *source, struct fl_span key, struct fl_arena *arena, struct fl_claim_row **out, size_t *n, struct fl_err *err)
{
	struct fl_span of[] = { fl_span_str("SMEMBERS"), fl__name_key(s, arena, source, "of", key) };
	struct fl_span was[] = { fl_span_str("ZRANGE"), fl__name_key(s, arena, source, "was", key), fl_span_str("0"), fl_span_str("-1") };
	struct fl_cmd cmds[] = { { of, 2 }, { was, 4 } };
	struct fl_reply *r = NULL;
	struct wanted *w;
	size_t k = 0;
	int ret = fl_store_call(s->store, cmds, 2, arena, &r, err);

	*n = 0;
	if (ret == 0 && (r[0].type != FL_REPLY_ARRAY || r[1].type != FL_REPLY_ARRAY))
		ret = fl_err_set(err, FL_ECORRUPT, "source '%s': its index of names is malformed", source);
	if (ret < 0)
		return ret;
	w = fl_arena_array(arena, r[0].n + r[1].n + 1, sizeof(*w));
	if (!w)
		return nomem(err);
	for (size_t i = 0; i < r[0].n && k < FL_CLAIMS_PAGE_MAX; i++)
		w[k++] = (struct wanted){ source, r[0].v[i].s };
	for (size_t i = r[1].n; i-- > 0;)
		w[k++] = (struct wanted){ source, r[1].v[i].s };
	return rows_there(s, w, k, arena, out, n, err);
}

/* The ids of one finding's reply: a hash, flat. */
static size_t ids_of(const struct fl_reply *r, const char *source, struct wanted *out)
{
	size_t k = 0;

	for (size_t i = 0; r->type == FL_REPLY_ARRAY && i + 1 < r->n; i += 2)
		if (r->v[i].s.n == ID_TEXT)
			out[k++] = (struct wanted){ source, r->v[i].s };
	return k;
}

int fl_claims_by_finding(struct fl_sets *s, const struct fl_finding_ref *refs, size_t n, struct fl_arena *arena, struct fl_claim_rows *out, struct fl_err *err)
{
	struct fl_span(*words)[2] = fl_arena_array(arena, n + 1, sizeof(*words));
	struct fl_cmd *cmds = fl_arena_array(arena, n + 1, sizeof(*cmds));
	struct fl_reply *r = NULL;
	struct fl_claim_row *rows;
	struct wanted *w;
	bool *there;
	size_t total = 0, k = 0;
	bool any = false;
	int ret = 0;

	memset(out, 0, n * sizeof(*out));
	if (!words || !cmds)
		return nomem(err);
	for (size_t i = 0; i < n; i++) {
		words[i][0] = fl_span_str("HLEN");
		words[i][1] = fl__finding_key(s, arena, refs[i].source, refs[i].finding);
		cmds[i] = (struct fl_cmd){ words[i], 2 };
	}
	if (n)
		ret = fl_store_call(s->store, cmds, n, arena, &r, err);
	for (size_t i = 0; ret == 0 && i < n; i++) /* of a finding that has none, or too many, the set is asked for a key that is not there */
		if (r[i].type != FL_REPLY_INT || r[i].i == 0 || (refs[i].max && r[i].i > (int64_t)refs[i].max))
			words[i][1] = fl__key(s, arena, FL_SOURCE, refs[i].source, ":finding:");
		else
			any = true;
	for (size_t i = 0; i < n; i++)
		words[i][0] = fl_span_str("HGETALL");
	if (ret == 0 && any)
		ret = fl_store_call(s->store, cmds, n, arena, &r, err);
	if (ret < 0 || !any)
		return ret;
	for (size_t i = 0; i < n; i++)
		total += r[i].n / 2;
	w = fl_arena_array(arena, total + 1, sizeof(*w));
	rows = fl_arena_array(arena, total + 1, sizeof(*rows));
	there = fl_arena_array(arena, total + 1, sizeof(*there));
	if (!w || !rows || !there)
		return nomem(err);
	for (size_t i = 0; ret == 0 && i < n; i++) {
		out[i].v = rows + k;
		out[i].n = ids_of(&r[i], refs[i].source, w + k);
		k += out[i].n;
	}
	if (ret == 0)
		ret = rows_get(s, w, k, arena, rows, there, err);
	for (size_t i = 0; ret == 0 && i < n; i++) {
		const bool *t = there + (out[i].v - rows);
		size_t m = 0;

		for (size_t j = 0; j < out[i].n; j++)
			if (t[j] && strcmp(out[i].v[j].claim.finding, refs[i].finding) == 0) /* half a hash is not the whole id */
				out[i].v[m++] = out[i].v[j];
		out[i].n = m;
	}
	return ret;
}

/* --- what a person types --- */

static bool is_claim_id(const char *id)
{
	return strlen(id) == ID_TEXT && strspn(id, "0123456789abcdef") == ID_TEXT;
}

static int find_exact(struct fl_sets *s, const char *const *sources, size_t n, const char *id, struct fl_arena *arena, struct fl_claim_rows *out, struct fl_err *err)
{
	struct fl_finding_ref *refs = fl_arena_array(arena, n + 1, sizeof(*refs));
	struct fl_claim_rows *found = fl_arena_array(arena, n + 1, sizeof(*found));
	struct wanted *w = fl_arena_array(arena, n + 1, sizeof(*w));
	size_t total = 0;
	int ret;

	if (!refs || !found || !w)
		return nomem(err);
	for (size_t i = 0; i < n; i++) {
		refs[i] = (struct fl_finding_ref){ sources[i], id };
		w[i] = (struct wanted){ sources[i], fl_span_str(id) };
	}
	if (is_claim_id(id)) {
		ret = rows_there(s, w, n, arena, &out->v, &out->n, err);
		if (ret < 0 || out->n)
			return ret;
	}
	ret = fl_claims_by_finding(s, refs, n, arena, found, err);
	for (size_t i = 0; ret == 0 && i < n; i++)
		total += found[i].n;
	out->v = fl_arena_array(arena, total + 1, sizeof(*out->v));
	out->n = 0;
	if (!out->v)
		return nomem(err);
	for (size_t i = 0; ret == 0 && i < n; i++) {
		if (found[i].n)
			memcpy(out->v + out->n, found[i].v, found[i].n * sizeof(*out->v));
		out->n += found[i].n;
	}
	return ret;
}

/* What the beginning of an id led to: a finding's whole id, or one claim's. */
struct meant {
	char id[sizeof(((struct fl_claim *)0)->finding)];
	bool several;
	char other[sizeof(((struct fl_claim *)0)->finding)];
};

static void mean(struct meant *m, const char *id)
{
	if (!m->id[0])
		snprintf(m->id, sizeof(m->id), "%s", id);
	else if (strcmp(m->id, id) != 0 && !m->several) {
		m->several = true;
		snprintf(m->other, sizeof(m->other), "%s", id);
	}
}

static int find_prefix(struct fl_sets *s, const char *source, const char *id, struct meant *m, struct fl_err *err)
{
	struct fl_claim_place at = { 0 };
	size_t len = strlen(id), seen = 0;
	bool more = true;
	int ret = 0;

	while (ret == 0 && more && seen < FL_CLAIMS_FIND_MAX) {
		struct fl_arena page = { 0 };
		struct fl_claim_row *v = NULL;
		size_t n = 0;

		ret = fl_claims_page(s, source, &at, FL_CLAIMS_PAGE_MAX, &page, &v, &n, &more, err);
		for (size_t i = 0; ret == 0 && i < n; i++)
			if (strncmp(v[i].claim.finding, id, len) == 0)
				mean(m, v[i].claim.finding);
			else if (strncmp(v[i].claim.id, id, len) == 0)
				mean(m, v[i].claim.id);
		seen += FL_CLAIMS_PAGE_MAX;
		fl_arena_done(&page);
	}
	return ret;
}

int fl_claims_find(struct fl_sets *s, const char *const *sources, size_t n_sources, const char *id, struct fl_arena *arena, struct fl_claim_rows *out, struct fl_err *err)
{
	struct meant m = { 0 };
	int ret = find_exact(s, sources, n_sources, id, arena, out, err);

	if (ret < 0 || out->n)
		return ret;
	if (strlen(id) < ID_MIN)
		return fl_err_set(err, FL_ENOTFOUND, "'%s' is no finding; the beginning of an id needs %d characters", id, ID_MIN);
	for (size_t i = 0; ret == 0 && i < n_sources; i++)
		ret = find_prefix(s, sources[i], id, &m, err);
	if (ret == 0 && m.several)
		return fl_err_set(err, FL_EUSAGE, "'%.60s' is the beginning of several: %.70s, %.70s", id, m.id, m.other);
	if (ret == 0 && m.id[0])
		ret = find_exact(s, sources, n_sources, m.id, arena, out, err);
	return ret == 0 && !out->n ? fl_err_set(err, FL_ENOTFOUND, "no finding and no claim has the id '%.150s'", id) : ret;
}
