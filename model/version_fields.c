/* Versions as the fields of the hash `v:N` (docs/formats/version.md). One table row a field serves writing and reading. */
#include "model/version_int.h"

#include "base/text.h"

enum kind { U64, U32, TIME, HEX, U128, STR, BOOL, CAUSE, INPUTS, OVER };

struct field {
	const char *name;
	enum kind kind;
	size_t off, size;
};

#define AT(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)

static const struct field source_fields[] = {
	{ "epoch", HEX, AT(fl_source_version, id.epoch) },
	{ "version", U64, AT(fl_source_version, id.number) },
	{ "chain", HEX, AT(fl_source_version, id.chain) },
	{ "parent", U64, AT(fl_source_version, parent) },
	{ "parent_chain", HEX, AT(fl_source_version, parent_chain) },
	{ "digest", U128, AT(fl_source_version, digests.scope) },
	{ "attrs_digest", U128, AT(fl_source_version, digests.attrs) },
	{ "entries", U64, AT(fl_source_version, digests.entries) },
	{ "delta_sha256", HEX, AT(fl_source_version, delta_sha256) },
	{ "added", U64, AT(fl_source_version, added) },
	{ "removed", U64, AT(fl_source_version, removed) },
	{ "changed", U64, AT(fl_source_version, changed) },
	{ "at_us", TIME, AT(fl_source_version, at) },
	{ "cause", CAUSE, AT(fl_source_version, cause) },
	{ "actor", STR, AT(fl_source_version, actor) },
	{ "reason", STR, AT(fl_source_version, reason) },
	{ "etag", STR, AT(fl_source_version, fetch.etag) },
	{ "last_modified", STR, AT(fl_source_version, fetch.last_modified) },
	{ "body_sha256", STR, AT(fl_source_version, fetch.body_sha256) },
	{ "settings", STR, AT(fl_source_version, fetch.settings) },
	{ "seen_at_us", TIME, AT(fl_source_version, fetch.seen_at) },
	{ "has_delta", BOOL, AT(fl_source_version, has_delta) },
	{ "delta_bytes", U64, AT(fl_source_version, delta_bytes) },
	{ "attempt", STR, AT(fl_source_version, attempt) },
	{ "blocks", U32, AT(fl_source_version, blocks) },
	{ "keyframe_bytes", U64, AT(fl_source_version, keyframe_bytes) },
	{ "commit_id", STR, AT(fl_source_version, commit_id) },
};

static const struct field list_fields[] = {
	{ "list", STR, AT(fl_list_version, list) },
	{ "epoch", HEX, AT(fl_list_version, id.epoch) },
	{ "version", U64, AT(fl_list_version, id.number) },
	{ "chain", HEX, AT(fl_list_version, id.chain) },
	{ "parent", U64, AT(fl_list_version, parent) },
	{ "parent_chain", HEX, AT(fl_list_version, parent_chain) },
	{ "inputs", INPUTS, AT(fl_list_version, inputs) },
	{ "names", U64, AT(fl_list_version, names) },
	{ "added", U64, AT(fl_list_version, added) },
	{ "removed", U64, AT(fl_list_version, removed) },
	{ "at_us", TIME, AT(fl_list_version, at) },
	{ "seen_at_us", TIME, AT(fl_list_version, seen_at) },
	{ "source_at_us", TIME, AT(fl_list_version, source_at) },
	{ "cause", CAUSE, AT(fl_list_version, cause) },
	{ "actor", STR, AT(fl_list_version, actor) },
	{ "reason", STR, AT(fl_list_version, reason) },
	{ "recovered_version", U64, AT(fl_list_version, recovered.version) },
	{ "recovered_over", OVER, AT(fl_list_version, recovered) },
	{ "commit_id", STR, AT(fl_list_version, commit_id) },
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static void over_put(struct fl_buf *b, const struct fl_recovered *r)
{
	char hex[33];

	for (uint32_t i = 0; i < r->n_over && i < FL_RECOVERED_OVER_MAX; i++) {
		if (i)
			fl_buf_u8(b, ',');
		fl_buf_str(b, fl_hex(r->over[i].b, 16, hex));
	}
}

static void value_put(struct fl_buf *b, const struct field *f, const void *base)
{
	const char *at = (const char *)base + f->off;
	const struct fl_list_version *list = base;
	char hex[65];

	switch (f->kind) {
	case U64:
		fl_buf_printf(b, "%llu", (unsigned long long)*(const uint64_t *)at);
		break;
	case U32:
		fl_buf_printf(b, "%u", *(const uint32_t *)at);
		break;
	case TIME:
		fl_buf_printf(b, "%lld", (long long)*(const fl_unix_us *)at);
		break;
	case HEX:
		fl_buf_str(b, fl_hex(at, f->size, hex));
		break;
	case U128:
		fl_buf_str(b, fl_u128_format(*(const struct fl_u128 *)at, hex));
		break;
	case STR:
		fl_buf_add(b, at, strnlen(at, f->size - 1));
		break;
	case BOOL:
		fl_buf_u8(b, *(const bool *)at ? '1' : '0');
		break;
	case CAUSE:
		fl_buf_str(b, fl_cause_word(*(const enum fl_cause *)at));
		break;
	case INPUTS:
		fl_inputs_format(b, list->inputs, list->n_inputs);
		break;
	case OVER:
		over_put(b, (const struct fl_recovered *)at);
		break;
	}
}

static size_t fields_put(const struct field *table, size_t rows, const void *base, struct fl_arena *arena, struct fl_kv *out,
			 size_t cap)
{
	struct fl_buf b = { 0 };
	size_t n = 0;

	for (; n < rows && n < cap; n++) {
		const uint8_t *p;

		fl_buf_reset(&b);
		value_put(&b, &table[n], base);
		p = b.failed ? NULL : fl_arena_dup(arena, b.p, b.n);
		if (!p)
			break;
		out[n] = (struct fl_kv){ fl_span_str(table[n].name), fl_span(p, b.n) };
	}
	fl_buf_done(&b);
	return n == rows ? n : 0;
}

size_t fl_source_version_fields(const struct fl_source_version *v, struct fl_arena *arena, struct fl_kv *out, size_t cap)
{
	return fields_put(source_fields, ROWS(source_fields), v, arena, out, cap);
}

size_t fl_list_version_fields(const struct fl_list_version *v, struct fl_arena *arena, struct fl_kv *out, size_t cap)
{
	return fields_put(list_fields, ROWS(list_fields), v, arena, out, cap);
}

static bool str_get(struct fl_span s, char *out, size_t size)
{
	if (s.n >= size || (s.n && memchr(s.p, 0, s.n)))
		return false;
	if (s.n)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

static bool u64_get(struct fl_span s, uint64_t max, uint64_t *out)
{
	return fl_u64_parse(s, out) && *out <= max;
}

static bool over_get(struct fl_span s, struct fl_recovered *r)
{
	r->n_over = 0;
	while (s.n) {
		size_t step = s.n == 32 ? 32 : 33;

		if (r->n_over == FL_RECOVERED_OVER_MAX || s.n < 32 || !fl_unhex(fl_span(s.p, 32), r->over[r->n_over].b, 16))
			return false;
		/* a comma, and something behind it */
		if (s.n > 32 && (s.p[32] != ',' || s.n == 33))
			return false;
		r->n_over++;
		s = fl_span(s.p + step, s.n - step);
	}
	return true;
}

/* INPUTS is read by its caller, which has the arena. */
static bool value_get(struct fl_span s, const struct field *f, void *base)
{
	char *at = (char *)base + f->off;
	uint64_t u;

	switch (f->kind) {
	case U64:
		return u64_get(s, INT64_MAX, (uint64_t *)at);
	case U32:
		if (!u64_get(s, UINT32_MAX, &u))
			return false;
		*(uint32_t *)at = (uint32_t)u;
		return true;
	case TIME:
		if (!u64_get(s, INT64_MAX, &u))
			return false;
		*(fl_unix_us *)at = (fl_unix_us)u;
		return true;
	case HEX:
		return s.n == 2 * f->size && fl_unhex(s, at, f->size);
	case U128:
		return fl_u128_parse(s, (struct fl_u128 *)at);
	case STR:
		return str_get(s, at, f->size);
	case BOOL:
		*(bool *)at = fl_span_eqs(s, "1");
		return *(bool *)at || fl_span_eqs(s, "0");
	case CAUSE:
		return fl_cause_parse(s, (enum fl_cause *)at);
	case OVER:
		return over_get(s, (struct fl_recovered *)at);
	case INPUTS:
		break;
	}
	return true;
}

static const struct fl_kv *find(const struct fl_kv *kv, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (fl_span_eqs(kv[i].key, name))
			return &kv[i];
	return NULL;
}

static int fields_get(const struct field *table, size_t rows, const struct fl_kv *kv, size_t n, void *base, struct fl_err *err)
{
	for (size_t i = 0; i < rows; i++) {
		const struct fl_kv *f = find(kv, n, table[i].name);

		if (!f || !value_get(f->value, &table[i], base))
			return fl_err_set(err, FL_ECORRUPT, "version: field '%s' is %s", table[i].name, f ? "malformed" : "missing");
	}
	return 0;
}

int fl_source_version_read(const struct fl_kv *kv, size_t n, struct fl_source_version *out, struct fl_err *err)
{
	struct fl_source_version v = { 0 };
	const char *wrong;
	int ret = fields_get(source_fields, ROWS(source_fields), kv, n, &v, err);

	if (ret < 0)
		return ret;
	wrong = fl__source_version_wrong(&v);
	if (!wrong && !fl__source_version_chain_holds(&v))
		wrong = "its chain does not follow from its content";
	if (wrong)
		return fl_err_set(err, FL_ECORRUPT, "source version %llu: %s", (unsigned long long)v.id.number, wrong);
	*out = v;
	return 0;
}

int fl_list_version_read(const struct fl_kv *kv, size_t n, struct fl_arena *arena, struct fl_list_version *out, struct fl_err *err)
{
	struct fl_list_version v = { 0 };
	const char *wrong;
	int ret = fields_get(list_fields, ROWS(list_fields), kv, n, &v, err);

	if (ret == 0)
		ret = fl_inputs_parse(find(kv, n, "inputs")->value, arena, &v.inputs, &v.n_inputs, err);
	if (ret < 0)
		return ret;
	wrong = fl__list_version_wrong(&v);
	if (!wrong && !fl__list_version_chain_holds(&v))
		wrong = "its chain does not follow from its content";
	if (wrong)
		return fl_err_set(err, FL_ECORRUPT, "list version %llu: %s", (unsigned long long)v.id.number, wrong);
	*out = v;
	return 0;
}
