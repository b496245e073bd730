/* Claims into a source set, each name once. A refused claim is counted by its reason, a repeated one as a duplicate, so
 * that the tally balances: in == out + dropped. Start at fl_normalize_claim(). */
#include "normalize/normalize.h"

int fl_normalize_claim(struct fl_normalizer *z, struct fl_span name, uint8_t scope)
{
	return fl_normalize_claim_as(z, name, scope, &z->attrs, 0);
}

int fl_normalize_claim_as(struct fl_normalizer *z, struct fl_span name, uint8_t scope, const struct fl_tuple *attrs, uint32_t now_s)
{
	struct fl_tuple t = *attrs;
	struct fl_rkey *key = NULL;
	bool narrowed;
	enum fl_drop why;
	int ret = fl_set_next(&z->set, &key);

	if (ret < 0)
		return ret;
	why = fl_name_claim(z->names, name, &scope, &narrowed, key);
	if (why == FL_DROP_COUNT && now_s && t.expires_s && t.expires_s <= now_s)
		why = FL_DROP_EXPIRED;
	if (why != FL_DROP_COUNT) {
		z->tally.in++;
		z->tally.dropped[why]++;
		return 0;
	}
	if (z->set.n >= (z->max ? z->max : FL_ENTRIES_MAX))
		return FL_ELIMIT;
	t.scope = scope;
	fl_set_take_next(&z->set, &t);
	z->tally.in++;
	z->tally.narrowed += narrowed;
	return 0;
}

int fl_normalize_finish(struct fl_normalizer *z)
{
	size_t folded = 0;
	int ret = fl_set_sort(&z->set, &folded);

	if (ret < 0)
		return ret;
	z->tally.dropped[FL_DROP_DUPLICATE] += folded;
	z->tally.out = z->set.n;
	return 0;
}
