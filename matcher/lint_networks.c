/* Networks that longer ones cover whole: no client is left for them. One family at a time, in the order of addresses, wider first:
 *
 *   10.0.0.0/23   |-----------------------|       the longer ones inside it are walked from the left, and the first gap ends it
 *   10.0.0.0/24   |-----------|
 *   10.0.1.0/24               |-----------|       no gap up to the end: covered */
#include <arpa/inet.h>
#include <stdlib.h>

#include "matcher/lint.h"

static int by_address(const void *x, const void *y)
{
	const struct fl__network *a = x, *b = y;
	int c = memcmp(a->addr, b->addr, sizeof(a->addr));

	return c ? c : (a->prefix > b->prefix) - (a->prefix < b->prefix);
}

/* The first address behind the network, in `out`; false: there is none. */
static bool behind(const struct fl__network *n, uint8_t out[16])
{
	unsigned bit = n->prefix;

	memcpy(out, n->addr, 16);
	while (bit-- > 0) { /* add one to the prefix */
		uint8_t mask = (uint8_t)(0x80u >> bit % 8);

		out[bit / 8] ^= mask;
		if (out[bit / 8] & mask)
			return true;
	}
	return false;
}

/* Is v[i] covered by the longer networks that follow it? */
static bool covered(const struct fl__network *v, size_t n, size_t i)
{
	uint8_t reached[16], end[16], next[16];
	bool has_end = behind(&v[i], end), has_next = true;

	memcpy(reached, v[i].addr, 16);
	for (size_t k = i + 1; k < n && has_next && memcmp(v[k].addr, reached, 16) <= 0; k++) {
		if (v[k].prefix == v[i].prefix)
			continue; /* the same one again */
		has_next = behind(&v[k], next);
		if (has_next && memcmp(next, reached, 16) > 0)
			memcpy(reached, next, 16);
	}
	return !has_next || (has_end && memcmp(reached, end, 16) >= 0);
}

static void say(const struct fl_policy *p, const struct fl__network *n, bool v6, bool all, fl_policy_warn *warn, void *ctx)
{
	const char *name = p->cfg->associations[n->ruleset].name;
	char text[256], addr[INET6_ADDRSTRLEN];

	if (all)
		snprintf(text, sizeof(text), "association '%s' has no clients: longer networks of others hold them all", name);
	else
		snprintf(text, sizeof(text), "network %s/%u of association '%s' has no clients: longer networks hold them all",
			 inet_ntop(v6 ? AF_INET6 : AF_INET, n->addr, addr, sizeof(addr)), n->prefix, name);
	warn(ctx, name, NULL, text);
}

bool fl__lint_networks(const struct fl_policy *p, fl_policy_warn *warn, void *ctx)
{
	size_t *left = calloc(p->n_sets + 1, sizeof(*left)); /* networks that have clients */
	bool ok = left != NULL;

	for (int again = 0; ok && again < 2; again++) /* count, then say */
		for (int f = 0; ok && f < 2; f++) {
			struct fl__network *v = calloc(p->net[f].n + 1, sizeof(*v));

			ok = v != NULL;
			if (ok && p->net[f].n) {
				memcpy(v, p->net[f].v, p->net[f].n * sizeof(*v));
				qsort(v, p->net[f].n, sizeof(*v), by_address);
			}
			for (size_t i = 0; ok && i < p->net[f].n; i++) {
				bool gone = covered(v, p->net[f].n, i);

				if (!again)
					left[v[i].ruleset] += !gone;
				else if (gone && left[v[i].ruleset] != SIZE_MAX) {
					say(p, &v[i], f, left[v[i].ruleset] == 0, warn, ctx);
					if (left[v[i].ruleset] == 0)
						left[v[i].ruleset] = SIZE_MAX; /* said once */
				}
			}
			free(v);
		}
	free(left);
	return ok;
}
