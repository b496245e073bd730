/* Fuzz entry: a document with findings, in the known shapes and by a mapping, and the claims that policy makes of each; and a stream that is cut into documents, which must be the same
 * however it arrives. */
#include "feeds/feeds.h"
#include "normalize/normalize.h"

#include "base/text.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fl_names *names;
static struct fl_protected protected;

/* What is shown, stored and sent on is UTF-8, wherever it was cut. */
static bool is_utf8(const char *s)
{
	size_t n = strlen(s), len = 1;

	for (size_t i = 0; i < n && len; i += len)
		len = fl_utf8_len((const uint8_t *)s + i, n - i);
	return len;
}

static void claims(const struct fl_finding *f)
{
	static const char *const own[] = { "V" };
	static const struct fl_finding_rule rules[] = { { "R*", FL_FINDING_BLOCK, 2, 0, "l" } };
	const struct fl_finding_policy p = { .rules = rules, .n_rules = 1, .min_severity = 4, .ttl_ms = 1000, .own_lists = own, .n_own_lists = 1, .protect = &protected };
	struct fl_finding_claims made = { 0 };
	struct fl_arena arena = { 0 };
	struct fl_tally tally = { 0 };

	assert(f->id && f->id[0] && f->type && f->reason && f->shape);
	assert(is_utf8(f->id) && is_utf8(f->type) && strlen(f->id) < sizeof(((struct fl_claim *)0)->finding));
	assert(f->severity >= 0 && f->severity <= 10);
	assert(fl_finding_claims(names, f, &p, "fuzz", 1, &arena, &made, &tally) == 0);
	assert(fl_tally_balances(&tally) && tally.out == made.n);
	assert(made.n || made.n_held);
	for (size_t i = 0; i < made.n; i++) {
		assert(is_utf8(made.v[i].finding) && is_utf8(made.v[i].type) && is_utf8(made.v[i].reason));
		assert(fl_rkey_valid(fl_rkey_span(&made.v[i].key)) && made.v[i].key.len && made.v[i].scope && made.domains[i]);
		assert(!f->sample || made.action == FL_FINDING_ALERT);
		assert(made.action != FL_FINDING_BLOCK || f->archived || !fl_protect_claim(&protected, fl_rkey_span(&made.v[i].key), made.v[i].scope));
	}
	fl_arena_done(&arena);
}

static void parse(struct fl_span document, const struct fl_finding_options *opt)
{
	struct fl_findings found = { 0 };
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	int ret = fl_finding_parse(document, opt, &arena, &found, &err);

	if (ret < 0)
		assert((ret == FL_EFORMAT || ret == FL_ELIMIT) && err.text[0] && !found.n && !found.n_refused);
	for (size_t i = 0; i < found.n; i++)
		claims(&found.v[i]);
	for (size_t i = 0; i < found.n_refused; i++)
		assert(found.refused[i].number && found.refused[i].why[0]);
	fl_arena_done(&arena);
}

static int add(void *ctx, const struct fl_finding_document *d)
{
	fl_buf_u32le(ctx, d->number);
	fl_buf_u32le(ctx, (uint32_t)d->text.n);
	fl_buf_add(ctx, d->text.p, d->text.n);
	return 0;
}

static void cut(struct fl_span stream, size_t chunk, struct fl_buf *out)
{
	struct fl_finding_split s = { .sink = add, .ctx = out };

	for (size_t at = 0; at < stream.n; at += chunk)
		assert(fl_finding_split_push(&s, fl_span(stream.p + at, stream.n - at < chunk ? stream.n - at : chunk)) == 0);
	assert(fl_finding_split_end(&s) == 0);
	fl_finding_split_done(&s);
}

static void split(struct fl_span stream)
{
	struct fl_buf whole = { 0 }, pieces = { 0 };

	cut(stream, stream.n ? stream.n : 1, &whole);
	cut(stream, 7, &pieces);
	assert(fl_span_eq(fl_buf_span(&whole), fl_buf_span(&pieces)));
	fl_buf_done(&whole);
	fl_buf_done(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fl_finding_mapping mapping = { .domain = "/ioc/value", .id = "/id", .type = "/type", .severity = "/score", .expires_at = "/until", .archived = "/closed",
							   .reason = "/reason", .updated_at = "/at" };
	const struct fl_finding_options by_mapping = { .mapping = &mapping };
	struct fl_err err = { 0 };
	int ret = 0;

	if (!names && fl_names_open(NULL, &names, &err) < 0)
		abort();
	if (!protected.n)
		fl_protect_add_text(&protected, names, fl_span_str("*.time.example"), FL_PROTECT_ZONE, &ret);
	parse(fl_span(data, size), NULL);
	parse(fl_span(data, size), &by_mapping);
	split(fl_span(data, size));
	return ret;
}
