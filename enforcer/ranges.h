/* A set of networks as sorted, disjoint ranges of addresses: one binary search a look. IPv4 stands in it as ::ffff:a.b.c.d. */
#pragma once
#include "matcher/policy.h"

__extension__ typedef unsigned __int128 fl__address;

struct fl__range {
	fl__address first, last;
};
struct fl__ranges {
	struct fl__range *v;
	size_t n;
};
fl__address fl__address_of(bool v6, const uint8_t addr[16]);
/** Takes the union of n networks; false: out of memory. */
bool fl__ranges_init(struct fl__ranges *r, const struct fl_cfg_network *nets, size_t n);
void fl__ranges_done(struct fl__ranges *r);
bool fl__ranges_hold(const struct fl__ranges *r, fl__address a);
