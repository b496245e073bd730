/* Fuzz entry: a document with findings, and the claims that policy makes of each. */
#include "feeds/feeds.h"
#include "normalize/normalize.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void claims(const struct fl_names *names, const struct fl_finding *f)
{
	static const char *const own[] = { "V" };
	const struct fl_finding_policy p = { .min_severity = 4, .ttl_ms = 1000, .own_lists = own, .n_own_lists = 1 };
	struct fl_finding_claims made = { 0 };
	struct fl_arena arena = { 0 };
	struct fl_tally tally = { 0 };

	assert(fl_finding_claims(names, f, &p, "fuzz", 1, &arena, &made, &tally) == 0);
	assert(fl_tally_balances(&tally) && tally.out == made.n);
	for (size_t i = 0; i < made.n; i++)
		assert(fl_rkey_valid(fl_rkey_span(&made.v[i].key)) && made.v[i].key.len && made.v[i].scope);
	fl_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fl_names *names;
	struct fl_findings found = { 0 };
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };

	if (!names && fl_names_open(NULL, &names, &err) < 0)
		abort();
	if (fl_finding_parse(fl_span(data, size), NULL, &arena, &found, &err) < 0)
		assert(err.text[0]);
	for (size_t i = 0; i < found.n; i++)
		claims(names, &found.v[i]);
	fl_arena_done(&arena);
	return 0;
}
