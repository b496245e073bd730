/* mutation_protection, as AWS has it of a rule group association: what a reload may not take from an association that has it. The rules in its groups are not
 * part of it, there as here. Beyond AWS, where nothing can take clients of a VPC away: a longer network of another association would. */
#include "matcher/network.h"

#include "base/address.h"

static const struct fl_cfg_association *named(const struct fl_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_associations; i++)
		if (strcmp(c->associations[i].name, name) == 0)
			return &c->associations[i];
	return NULL;
}

/* As clients meet it: IPv4 in IPv6 is IPv4. */
static struct fl_cfg_network plain(const struct fl_cfg_network *n)
{
	struct fl_cfg_network p = *n;

	if (!p.v6)
		memset(p.addr + 4, 0, 12);
	fl__address_unmap(&p.v6, p.addr, &p.prefix);
	return p;
}

static bool same_network(const struct fl_cfg_network *a, const struct fl_cfg_network *b)
{
	struct fl_cfg_network x = plain(a), y = plain(b);

	return x.v6 == y.v6 && x.prefix == y.prefix && memcmp(x.addr, y.addr, 16) == 0;
}

static bool has_network(const struct fl_cfg_association *a, const struct fl_cfg_network *n)
{
	for (size_t i = 0; i < a->n_networks; i++)
		if (same_network(&a->networks[i], n))
			return true;
	return false;
}

/* In any order: which network of an association holds a client does not matter. */
static bool same_networks(const struct fl_cfg_association *a, const struct fl_cfg_association *b)
{
	for (size_t i = 0; i < a->n_networks; i++)
		if (!has_network(b, &a->networks[i]))
			return false;
	for (size_t i = 0; i < b->n_networks; i++)
		if (!has_network(a, &b->networks[i]))
			return false;
	return true;
}

/* In the order that they are asked in; the numbers may change. */
static bool same_groups(const struct fl_cfg_association *a, const struct fl_cfg_association *b)
{
	for (size_t i = 0; i < a->n_groups && a->n_groups == b->n_groups; i++)
		if (strcmp(a->groups[i].name, b->groups[i].name) != 0)
			return false;
	return a->n_groups == b->n_groups;
}

static bool inside(const struct fl_cfg_network *small, const struct fl_cfg_network *big)
{
	struct fl_cfg_network s = plain(small), b = plain(big);

	if (s.v6 != b.v6 || s.prefix <= b.prefix)
		return false;
	fl_address_mask(s.addr, b.prefix);
	return memcmp(s.addr, b.addr, 16) == 0;
}

/* The association that takes clients of `a` in `next`, and did not in `old`; NULL: none. A network that another association had already takes nothing. */
static const struct fl_cfg_association *taker(const struct fl_config *old, const struct fl_config *next, const struct fl_cfg_association *a)
{
	for (size_t i = 0; i < next->n_associations; i++) {
		const struct fl_cfg_association *b = &next->associations[i];

		for (size_t j = 0; strcmp(b->name, a->name) != 0 && j < b->n_networks; j++) {
			bool within = false, had = false;

			for (size_t k = 0; k < a->n_networks; k++)
				within = within || inside(&b->networks[j], &a->networks[k]);
			for (size_t k = 0; within && !had && k < old->n_associations; k++)
				had = strcmp(old->associations[k].name, a->name) != 0 && has_network(&old->associations[k], &b->networks[j]);
			if (within && !had)
				return b;
		}
	}
	return NULL;
}

int fl_policy_protected(const struct fl_config *old, const struct fl_config *next, struct fl_err *err)
{
	for (size_t i = 0; i < old->n_associations; i++) {
		const struct fl_cfg_association *a = &old->associations[i], *b, *by = NULL;
		const char *what;

		if (!a->mutation_protection)
			continue;
		b = named(next, a->name);
		what = !b ? "it is missing" : !same_networks(a, b) ? "its networks differ" : !same_groups(a, b) ? "its rule groups differ" :
		       a->fail_open != b->fail_open ? "its fail_open differs" : NULL;
		if (!what)
			by = taker(old, next, a);
		if (what || by)
			return fl_err_set(err, FL_EREFUSED, "association '%s' has mutation_protection, and %s%s%s; first load a configuration that sets it to false and changes nothing else of it",
					  a->name, what ? what : "association '", what ? "" : by->name, what ? "" : "' would take clients of it");
	}
	return 0;
}
