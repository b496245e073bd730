/* The active claims on a name, as a writer sees them (fl_claims_view): for what tests and the simulation ask of a store. */
#pragma once
#include "sets/sets.h"

/* In arena. FL_ECORRUPT when one of them cannot be read. */
static inline int claims_on_name(struct fl_sets *s, const char *source, struct fl_span key, struct fl_arena *arena, struct fl_claim **out, size_t *n)
{
	struct fl_claim nobodys = { 0 };
	const struct fl_claim *asked = &nobodys;
	struct fl_claim_view view;
	int ret;

	memcpy(nobodys.key.b, key.p, key.n);
	nobodys.key.len = (uint8_t)key.n;
	fl_claim_id(&nobodys);
	ret = fl_claims_view(s, source, &asked, 1, arena, &view, NULL);
	*n = 0;
	*out = fl_arena_array(arena, ret == 0 ? view.n_held + 1 : 1, sizeof(**out));
	if (ret < 0 || view.broken || !*out)
		return ret < 0 ? ret : view.broken ? FL_ECORRUPT : FL_ENOMEM;
	for (; *n < view.n_held; ++*n)
		(*out)[*n] = *view.held[*n];
	return 0;
}
