/* The guard judges a source version by its counts: no feed may break the network by emptying or exploding. */
#include "normalize/normalize.h"

static bool over(uint64_t part, uint64_t whole, double ratio)
{
	return (double)part > (double)whole * ratio;
}

static unsigned percent(uint64_t part, uint64_t whole)
{
	double p = 100.0 * (double)part / (double)whole;

	return p > 999999 ? 999999 : (unsigned)p;
}

const char *fl_guard_judge(const struct fl_guard_limits *l, bool first, uint64_t before, uint64_t after, uint64_t added,
			   uint64_t removed, char *buf, size_t cap)
{
	if (!first && before && after == 0)
		snprintf(buf, cap, "it became empty: all %llu names would leave", (unsigned long long)before);
	else if (after < l->min_names)
		snprintf(buf, cap, "it has %llu names, fewer than min_names %llu", (unsigned long long)after,
			 (unsigned long long)l->min_names);
	else if (first || before == 0 || (before < l->min_side && after < l->min_side))
		return NULL;
	else if (over(removed, before, l->max_removed_ratio))
		snprintf(buf, cap, "it would remove %llu of %llu names (%u %%), more than %.0f %%",
			 (unsigned long long)removed, (unsigned long long)before, percent(removed, before),
			 100 * l->max_removed_ratio);
	else if (over(added, before, l->max_added_ratio))
		snprintf(buf, cap, "it would add %llu names to %llu (%u %%), more than %.0f %%",
			 (unsigned long long)added, (unsigned long long)before, percent(added, before),
			 100 * l->max_added_ratio);
	else
		return NULL;
	return buf;
}
