/* The fuzz entry of a feed's format: every line is accounted for, whatever it says. Included once, by the file that names the format. */
#ifndef FL_TESTS_FUZZ_FEED_H
#define FL_TESTS_FUZZ_FEED_H
#include "feeds/feeds.h"

#include <assert.h>

static int take(void *ctx, const struct fl_feed_claim *c)
{
	size_t *claims = ctx;

	assert(c->name.n && c->scope && !(c->scope & ~FL_SCOPE_ALL) && c->line);
	++*claims;
	return 0;
}

static void reject(void *ctx, uint32_t line, struct fl_span text, enum fl_drop why)
{
	(void)ctx;
	(void)text;
	assert(line && why < FL_DROP_COUNT);
}

/* Each body is read twice: as written and by what is known of providers; and with a scope, and fields named where the format has them. */
static struct fl_feed_options options(enum fl_format format, uint8_t scope)
{
	struct fl_feed_options opt = { .format = format, .scope = scope, .now_s = 1800000000 };

	if (!scope)
		return opt;
	opt.urls = FL_URLS_HOST;
	if (format == FL_FORMAT_CSV)
		opt.fields = (struct fl_feed_fields){ .value = "2", .type = "1", .category = "3", .confidence = "4", .first_seen = "5", .expires = "6" };
	if (format == FL_FORMAT_JSON || format == FL_FORMAT_NDJSON)
		opt.fields = (struct fl_feed_fields){ .value = "/v", .type = "/t", .category = "/k", .confidence = "/c", .first_seen = "/f", .expires = "/e" };
	if (format == FL_FORMAT_JSON) {
		opt.items = "/items";
		opt.exceptions = "/no~1t";
	}
	return opt;
}

static int fuzz_feed(enum fl_format format, const uint8_t *data, size_t size)
{
	for (uint8_t scope = 0; scope <= FL_SCOPE_SUBTREE; scope += FL_SCOPE_SUBTREE) {
		const struct fl_feed_options opt = options(format, scope);
		struct fl_feed_result res;
		struct fl_err err = { 0 };
		size_t claims = 0;

		if (fl_feed_parse(fl_span(data, size), &opt, take, reject, &claims, &res, &err) < 0) {
			assert(err.text[0]);
			continue;
		}
		assert(fl_tally_balances(&res.lines));
		assert(claims == res.claims && res.refused <= res.lines.in);
	}
	return 0;
}

#endif
