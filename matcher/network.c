/* Longest-prefix match: for each length in use, longest first, one binary search among the networks of that length. */
#include "matcher/network.h"

#include <stdlib.h>

#include "base/address.h"

void fl__address_unmap(bool *v6, uint8_t addr[16], uint8_t *prefix)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (!*v6 || memcmp(addr, mapped, sizeof(mapped)) != 0 || (prefix && *prefix < 96))
		return;
	*v6 = false;
	memmove(addr, addr + 12, 4);
	memset(addr + 4, 0, 12);
	if (prefix)
		*prefix -= 96;
}

static int network_cmp(const void *x, const void *y)
{
	const struct fl__network *a = x, *b = y;

	if (a->prefix != b->prefix)
		return a->prefix > b->prefix ? -1 : 1;
	return memcmp(a->addr, b->addr, sizeof(a->addr));
}

bool fl__networks_build(struct fl__networks *n, struct fl_arena *arena, const struct fl__network **twice)
{
	*twice = NULL;
	if (n->n == 0)
		return true;
	qsort(n->v, n->n, sizeof(*n->v), network_cmp);
	n->run = fl_arena_array(arena, n->n, sizeof(*n->run));
	if (!n->run)
		return false;
	for (size_t i = 0; i < n->n; i++) {
		if (i > 0 && network_cmp(&n->v[i - 1], &n->v[i]) == 0 && n->v[i - 1].ruleset != n->v[i].ruleset)
			*twice = &n->v[i];
		if (n->n_runs == 0 || n->run[n->n_runs - 1].prefix != n->v[i].prefix) {
			n->run[n->n_runs].prefix = n->v[i].prefix;
			n->run[n->n_runs++].from = i;
		}
		n->run[n->n_runs - 1].to = i + 1;
	}
	return true;
}

uint32_t fl__networks_find(const struct fl__networks *n, const uint8_t addr[16])
{
	const struct fl__network *m = fl__networks_match(n, addr);

	return m ? m->ruleset : UINT32_MAX;
}

const struct fl__network *fl__networks_match(const struct fl__networks *n, const uint8_t addr[16])
{
	for (size_t i = 0; i < n->n_runs; i++) {
		struct fl__network want = { .prefix = n->run[i].prefix };
		size_t lo = n->run[i].from, hi = n->run[i].to;

		memcpy(want.addr, addr, sizeof(want.addr));
		fl_address_mask(want.addr, want.prefix);
		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;
			int c = network_cmp(&n->v[mid], &want);

			if (c == 0)
				return &n->v[mid];
			if (c < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
	}
	return NULL;
}
