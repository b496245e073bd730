/* Heads, versions, names and lineage: what is read directly. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sets/sets_int.h"

const char *fl__kind_word(enum fl_set_kind kind)
{
	return kind == FL_SOURCE ? "source" : "list";
}

struct fl_span fl__key(struct fl_sets *s, struct fl_arena *a, enum fl_set_kind kind, const char *name, const char *fmt, ...)
{
	char rest[128];
	va_list ap;
	char *key;

	va_start(ap, fmt);
	vsnprintf(rest, sizeof(rest), fmt, ap);
	va_end(ap);
	key = fl_arena_printf(a, "%s%s/%s%s", s->store->prefix, fl__kind_word(kind), name, rest);
	return fl_span_str(key);
}

struct fl_span fl__num(struct fl_arena *a, int64_t v)
{
	return fl_span_str(fl_arena_printf(a, "%lld", (long long)v));
}

struct fl_span fl__hexspan(struct fl_arena *a, const void *p, size_t n)
{
	char *t = fl_arena_alloc(a, 2 * n + 1);

	return t ? fl_span(fl_hex(p, n, t), 2 * n) : fl_span(NULL, 0);
}

void fl__random_hex(struct fl_sets *s, char out[33])
{
	uint8_t b[16];

	s->random->bytes(s->random, b, sizeof(b));
	fl_hex(b, sizeof(b), out);
}

int fl__pairs(const struct fl_reply *r, struct fl_arena *a, struct fl_kv **out, size_t *n, struct fl_err *err)
{
	if (r->type != FL_REPLY_ARRAY || r->n % 2)
		return fl_err_set(err, FL_ECORRUPT, "the store gave no hash%s%.*s", r->type == FL_REPLY_ERROR ? ": " : "",
				  r->type == FL_REPLY_ERROR ? (int)(r->s.n < 200 ? r->s.n : 200) : 0, r->type == FL_REPLY_ERROR ? (const char *)r->s.p : "");
	*n = r->n / 2;
	*out = fl_arena_array(a, *n + 1, sizeof(**out));
	if (!*out)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < *n; i++) {
		(*out)[i].key = r->v[2 * i].s;
		(*out)[i].value = r->v[2 * i + 1].s;
	}
	return 0;
}

struct fl_span fl__value_of(const struct fl_kv *kv, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (fl_span_eqs(kv[i].key, key))
			return kv[i].value;
	return fl_span(NULL, 0);
}

static void text_of(const struct fl_kv *kv, size_t n, const char *key, char *out, size_t cap)
{
	struct fl_span v = fl__value_of(kv, n, key);
	size_t k = v.n < cap - 1 ? v.n : cap - 1;

	if (k)
		memcpy(out, v.p, k);
	out[k] = '\0';
}

int fl__head_from(const struct fl_kv *kv, size_t n, struct fl_head *out, struct fl_err *err)
{
	struct fl_span epoch = fl__value_of(kv, n, "epoch"), at = fl__value_of(kv, n, "published_at_us"), keyframe = fl__value_of(kv, n, "keyframe");
	uint64_t us = 0;

	memset(out, 0, sizeof(*out));
	text_of(kv, n, "fence", out->fence, sizeof(out->fence));
	text_of(kv, n, "state", out->state, sizeof(out->state));
	if (epoch.n == 0)
		return FL_ENOTFOUND; /* a head without epoch is no head: only a lease was ever taken */
	if (!fl_unhex(epoch, out->id.epoch.b, 16) || !fl_unhex(fl__value_of(kv, n, "chain"), out->id.chain, 32) ||
	    !fl_u64_parse(fl__value_of(kv, n, "version"), &out->id.number) || !fl_u64_parse(fl__value_of(kv, n, "entries"), &out->entries)) {
		memset(out, 0, sizeof(*out));
		return fl_err_set(err, FL_ECORRUPT, "a head in the store is malformed");
	}
	fl_u128_parse(fl__value_of(kv, n, "digest"), &out->digest);
	if (keyframe.n)
		fl_u64_parse(keyframe, &out->keyframe);
	if (at.n && fl_u64_parse(at, &us))
		out->published_at = (fl_unix_us)us;
	return 0;
}

int fl_set_heads(struct fl_sets *s, enum fl_set_kind kind, const char *const *names, size_t n, struct fl_head *out, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_cmd *cmds = fl_arena_array(&a, n + 1, sizeof(*cmds));
	struct fl_span(*argv)[2] = fl_arena_array(&a, n + 1, sizeof(*argv));
	struct fl_reply *r = NULL;
	int ret = cmds && argv ? 0 : FL_ENOMEM;

	for (size_t i = 0; ret == 0 && i < n; i++) {
		argv[i][0] = fl_span_str("HGETALL");
		argv[i][1] = fl__key(s, &a, kind, names[i], ":head");
		cmds[i] = (struct fl_cmd){ argv[i], 2 };
	}
	if (ret == 0)
		ret = fl_store_call(s->store, cmds, n, &a, &r, err);
	for (size_t i = 0; ret == 0 && i < n; i++) {
		struct fl_kv *kv;
		size_t k;

		ret = fl__pairs(&r[i], &a, &kv, &k, err);
		if (ret == 0)
			ret = fl__head_from(kv, k, &out[i], err);
		if (ret == FL_ENOTFOUND)
			ret = 0;
	}
	fl_arena_done(&a);
	return ret;
}

int fl__no_head(enum fl_set_kind kind, const char *name, struct fl_err *err)
{
	return fl_err_set(err, FL_ENOTFOUND, "%s '%s' has no version", fl__kind_word(kind), name);
}

int fl_set_head(struct fl_sets *s, enum fl_set_kind kind, const char *name, struct fl_head *out, struct fl_err *err)
{
	int ret = fl_set_heads(s, kind, &name, 1, out, err);

	if (ret == 0 && out->id.number == 0)
		return fl__no_head(kind, name, err);
	return ret;
}

int fl__hash_get(struct fl_sets *s, struct fl_span key, struct fl_arena *a, struct fl_kv **kv, size_t *n, struct fl_err *err)
{
	struct fl_span argv[] = { fl_span_str("HGETALL"), key };
	struct fl_cmd cmd = { argv, 2 };
	struct fl_reply *r = NULL;
	int ret = fl_store_call(s->store, &cmd, 1, a, &r, err);

	if (ret == 0)
		ret = fl__pairs(r, a, kv, n, err);
	return ret;
}

static bool is_version(const struct fl_reply *r, const struct fl_version_id *id)
{
	struct fl_version_id got = { .number = id->number };

	return r->type == FL_REPLY_ARRAY && r->n == 2 && r->v[0].type == FL_REPLY_STRING && r->v[1].type == FL_REPLY_STRING &&
	       fl_unhex(r->v[0].s, got.epoch.b, 16) && fl_unhex(r->v[1].s, got.chain, 32) && fl_version_id_eq(&got, id);
}

int fl_set_versions_there(struct fl_sets *s, enum fl_set_kind kind, const char *const *names, const struct fl_version_id *ids, size_t n, bool *there,
			  struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_cmd *cmds = fl_arena_array(&a, n + 1, sizeof(*cmds));
	struct fl_span(*argv)[4] = fl_arena_array(&a, n + 1, sizeof(*argv));
	struct fl_reply *r = NULL;
	int ret = cmds && argv ? 0 : FL_ENOMEM;

	for (size_t i = 0; ret == 0 && i < n; i++) {
		argv[i][0] = fl_span_str("HMGET");
		argv[i][1] = fl__key(s, &a, kind, names[i], ":v:%llu", (unsigned long long)ids[i].number);
		argv[i][2] = fl_span_str("epoch");
		argv[i][3] = fl_span_str("chain");
		cmds[i] = (struct fl_cmd){ argv[i], 4 };
	}
	if (ret == 0 && n)
		ret = fl_store_call(s->store, cmds, n, &a, &r, err);
	for (size_t i = 0; ret == 0 && i < n; i++)
		there[i] = ids[i].number == 0 || is_version(&r[i], &ids[i]);
	fl_arena_done(&a);
	return ret;
}

int fl_source_version_get(struct fl_sets *s, const char *name, uint64_t number, struct fl_source_version *out, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_kv *kv;
	size_t n;
	int ret = fl__hash_get(s, fl__key(s, &a, FL_SOURCE, name, ":v:%llu", (unsigned long long)number), &a, &kv, &n, err);

	if (ret == 0 && n == 0)
		ret = fl_err_set(err, FL_ENOTFOUND, "source '%s' has no version %llu", name, (unsigned long long)number);
	if (ret == 0)
		ret = fl_source_version_read(kv, n, out, err);
	fl_arena_done(&a);
	return ret;
}

int fl_list_version_get(struct fl_sets *s, const char *name, uint64_t number, struct fl_arena *arena, struct fl_list_version *out, struct fl_err *err)
{
	struct fl_kv *kv;
	size_t n;
	int ret = fl__hash_get(s, fl__key(s, arena, FL_LIST, name, ":v:%llu", (unsigned long long)number), arena, &kv, &n, err);

	if (ret == 0 && n == 0)
		ret = fl_err_set(err, FL_ENOTFOUND, "list '%s' has no version %llu", name, (unsigned long long)number);
	if (ret == 0)
		ret = fl_list_version_read(kv, n, arena, out, err);
	return ret;
}

int fl_set_lineage(struct fl_sets *s, enum fl_set_kind kind, const char *name, uint64_t number, uint8_t chain[32], struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_span key = fl__key(s, &a, kind, name, ":lineage"), num = fl__num(&a, (int64_t)number);
	struct fl_span get[] = { fl_span_str("HGET"), key, num }, len[] = { fl_span_str("HLEN"), key };
	struct fl_cmd cmds[] = { { get, 3 }, { len, 2 } };
	struct fl_reply *r = NULL;
	int ret = fl_store_call(s->store, cmds, 2, &a, &r, err);

	if (ret == 0 && r[1].i == 0)
		ret = fl_err_set(err, FL_EGAP, "%s '%s' has no lineage", fl__kind_word(kind), name);
	else if (ret == 0 && r[0].type == FL_REPLY_NIL)
		ret = fl_err_set(err, FL_ENOTFOUND, "%s '%s': version %llu is not in its lineage", fl__kind_word(kind), name, (unsigned long long)number);
	else if (ret == 0 && (r[0].s.n < 64 || !fl_unhex(fl_span(r[0].s.p, 64), chain, 32))) /* behind it stands when it was committed */
		ret = fl_err_set(err, FL_ECORRUPT, "%s '%s': a chain in its lineage is malformed", fl__kind_word(kind), name);
	fl_arena_done(&a);
	return ret;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int fl_set_names(struct fl_sets *s, enum fl_set_kind kind, struct fl_arena *arena, const char *const **out, size_t *n, struct fl_err *err)
{
	const char *head = fl_arena_printf(arena, "%s%s/", s->store->prefix, fl__kind_word(kind)), *cursor = "0";
	size_t cap = 0, front = head ? strlen(head) : 0, k = 0;
	const char **v = NULL;

	do {
		struct fl_reply r;
		int ret = fl_store_cmd(s->store, arena, &r, err, "SCAN", cursor, "MATCH", fl_arena_printf(arena, "%s*:head", head), "COUNT", "500", NULL);

		if (ret < 0)
			return ret;
		if (r.type != FL_REPLY_ARRAY || r.n != 2 || r.v[1].type != FL_REPLY_ARRAY)
			return fl_err_set(err, FL_ECORRUPT, "the store gave no SCAN answer");
		for (size_t i = 0; i < r.v[1].n; i++) {
			struct fl_span key = r.v[1].v[i].s;

			if (key.n <= front + 5)
				continue;
			if (k == cap) {
				const char **more = fl_arena_array(arena, cap ? cap * 2 : 64, sizeof(*more));

				if (!more)
					return fl_err_set(err, FL_ENOMEM, "out of memory");
				if (k)
					memcpy(more, v, k * sizeof(*v));
				v = more;
				cap = cap ? cap * 2 : 64;
			}
			v[k++] = fl_arena_strn(arena, (const char *)key.p + front, key.n - front - 5);
		}
		cursor = fl_arena_strn(arena, (const char *)r.v[0].s.p, r.v[0].s.n);
	} while (cursor && strcmp(cursor, "0") != 0);
	if (k) {
		size_t u = 1;

		qsort(v, k, sizeof(*v), by_name);
		for (size_t i = 1; i < k; i++) /* SCAN may give a key twice */
			if (strcmp(v[i], v[u - 1]) != 0)
				v[u++] = v[i];
		k = u;
	}
	*out = v;
	*n = k;
	return 0;
}
