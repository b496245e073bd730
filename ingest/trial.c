/* Body -> claims -> entries, and whether that may become a version. Pure: `feed test` and the stage ask the same question. */
#include "ingest/feed_int.h"

/* Most lists have no more names than that many octets a name, and no more octets in their names than in all. What is not used is address space only. */
enum { NAME_OCTETS = 16, RESERVE_MAX = 64 << 20 };

struct reading {
	struct fl_normalizer z;
	fl_feed_reject *reject;
	void *ctx;
	uint32_t now_s;
};

/* The claim's own attributes over the feed's. A time to come is no first sight. */
static struct fl_tuple attrs_of(const struct reading *r, const struct fl_feed_claim *c)
{
	struct fl_tuple t = r->z.attrs;

	if (c->confidence)
		t.confidence = c->confidence;
	if (c->category != FL_CAT_NONE)
		t.category = (uint8_t)c->category;
	if (c->first_seen_s && (!r->now_s || c->first_seen_s <= r->now_s))
		t.first_seen_s = c->first_seen_s;
	t.expires_s = c->expires_s;
	return t;
}

/* For whom the reasons matter one by one. */
static int take_and_tell(struct reading *r, const struct fl_feed_claim *c, const struct fl_tuple *t)
{
	uint64_t before[FL_DROP_COUNT];
	int ret;

	memcpy(before, r->z.tally.dropped, sizeof(before));
	ret = fl_normalize_claim_as(&r->z, c->name, c->scope, t, r->now_s);
	for (unsigned i = 0; ret == 0 && i < FL_DROP_COUNT; i++)
		if (r->z.tally.dropped[i] != before[i])
			r->reject(r->ctx, c->line, c->name, (enum fl_drop)i);
	return ret;
}

static int take(void *ctx, const struct fl_feed_claim *c)
{
	struct reading *r = ctx;
	struct fl_tuple t = attrs_of(r, c);

	return r->reject ? take_and_tell(r, c, &t) : fl_normalize_claim_as(&r->z, c->name, c->scope, &t, r->now_s);
}

static void rejected_line(void *ctx, uint32_t line, struct fl_span text, enum fl_drop why)
{
	struct reading *r = ctx;

	if (r->reject)
		r->reject(r->ctx, line, text, why);
}

/* Names refused by the name rules count as refused lines: a list of e-mail addresses is not a list of names. Suffixes and addresses are what real lists are
 * full of, so they do not speak against the format. */
static uint64_t refused_names(const struct fl_tally *t)
{
	return t->dropped[FL_DROP_BAD_LABEL] + t->dropped[FL_DROP_SINGLE_LABEL] + t->dropped[FL_DROP_TOO_LONG] + t->dropped[FL_DROP_BAD_IDNA] +
	       t->dropped[FL_DROP_NOT_UTF8];
}

static void judge(struct fl_feed_trial *t, uint64_t min_names)
{
	uint64_t refused = t->parsed.refused - t->parsed.addresses + refused_names(&t->claims);

	t->refused = true;
	t->no_list = refused > t->names && t->parsed.claims + t->parsed.refused > 0;
	if (t->no_list)
		snprintf(t->reason, sizeof(t->reason), "not a list in format %s: %llu lines refused, %llu names accepted", fl_format_word(t->parsed.format),
			 (unsigned long long)refused, (unsigned long long)t->names);
	else if (t->names == 0)
		snprintf(t->reason, sizeof(t->reason), "no names in it (%llu lines, %llu of them comments or blank)", (unsigned long long)t->parsed.lines.in,
			 (unsigned long long)t->parsed.lines.dropped[FL_DROP_COMMENT]);
	else if (t->names < min_names)
		snprintf(t->reason, sizeof(t->reason), "%llu names, fewer than min_names %llu", (unsigned long long)t->names, (unsigned long long)min_names);
	else
		t->refused = false;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Readers that compare names within a body do it in canonical form. */
static enum fl_drop canon(const void *names, struct fl_span name, struct fl_rkey *out)
{
	return fl_name_canon(names, name, out);
}

int fl__feed_read(const struct fl_names *names, const struct fl_feed_options *opt, struct fl_span body, uint64_t min_names, const struct fl_tuple *attrs,
		  fl_feed_reject *reject, void *ctx, struct fl_set *set, struct fl_feed_trial *out, struct fl_err *err)
{
	struct reading r = { .z = { .names = names, .attrs = *attrs, .max = opt->max_names }, .reject = reject, .ctx = ctx, .now_s = opt->now_s };
	struct fl_feed_options lent = *opt;
	int ret;

	lent.canon = canon;
	lent.canon_ctx = names;
	memset(out, 0, sizeof(*out));
	fl_set_reserve(&r.z.set, least(body.n, RESERVE_MAX) / NAME_OCTETS, least(body.n, RESERVE_MAX));
	ret = fl_feed_parse(body, &lent, take, rejected_line, &r, &out->parsed, err);
	if (ret == FL_ELIMIT && opt->max_names && r.z.set.n >= opt->max_names)
		fl_err_set(err, ret, "over %llu names", (unsigned long long)opt->max_names);
	if (ret == 0)
		ret = fl_normalize_finish(&r.z);
	if (ret < 0) {
		fl_set_done(&r.z.set);
		if (err && !err->text[0])
			fl_err_set(err, ret, "%s", fl_code_text(ret));
		return ret;
	}
	out->claims = r.z.tally;
	out->names = r.z.set.n;
	judge(out, min_names);
	if (set)
		*set = r.z.set;
	else
		fl_set_done(&r.z.set);
	return 0;
}

int fl_feed_try(const struct fl_names *names, const struct fl_feed_options *opt, struct fl_span body, uint64_t min_names, fl_feed_reject *reject, void *ctx,
		struct fl_set *set, struct fl_feed_trial *out, struct fl_err *err)
{
	struct fl_tuple attrs = { 0 };

	return fl__feed_read(names, opt, body, min_names, &attrs, reject, ctx, set, out, err);
}
