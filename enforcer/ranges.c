#include "enforcer/ranges.h"

#include <stdlib.h>

fl__address fl__address_of(bool v6, const uint8_t addr[16])
{
	fl__address a = 0;

	for (int i = 0; i < (v6 ? 16 : 4); i++)
		a = a << 8 | addr[i];
	return v6 ? a : a | (fl__address)0xffff << 32;
}

static int by_first(const void *x, const void *y)
{
	const struct fl__range *a = x, *b = y;

	return (a->first > b->first) - (a->first < b->first);
}

bool fl__ranges_init(struct fl__ranges *r, const struct fl_cfg_network *nets, size_t n)
{
	struct fl__range *v = calloc(n + 1, sizeof(*v));
	size_t kept = 0;

	*r = (struct fl__ranges){ 0 };
	if (!v)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned free_bits = (nets[i].v6 ? 128u : 32u) - nets[i].prefix;
		fl__address below = free_bits == 128 ? ~(fl__address)0 : ((fl__address)1 << free_bits) - 1;

		v[i].first = fl__address_of(nets[i].v6, nets[i].addr) & ~below;
		v[i].last = v[i].first | below;
	}
	qsort(v, n, sizeof(*v), by_first);
	for (size_t i = 0; i < n; i++)
		if (kept && v[i].first <= v[kept - 1].last) {
			if (v[i].last > v[kept - 1].last)
				v[kept - 1].last = v[i].last;
		} else {
			v[kept++] = v[i];
		}
	r->v = v;
	r->n = kept;
	return true;
}

void fl__ranges_done(struct fl__ranges *r)
{
	free(r->v);
	*r = (struct fl__ranges){ 0 };
}

bool fl__ranges_hold(const struct fl__ranges *r, fl__address a)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->v[mid].last < a)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->n && r->v[lo].first <= a;
}
