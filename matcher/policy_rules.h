/* A compiled policy: for each association the rules that its clients meet, flat and in order. Private to this folder. */
#pragma once
#include "matcher/policy.h"

struct fl__rule {
	const struct fl_cfg_rule *cfg; /* NULL: an operator list */
	const char *group, *name;      /* NULL for an operator list */
	uint16_t list;		       /* of the policy's lists */
	enum fl_policy_band band;
	bool own_list;		       /* an operator list: empty, when it was never held */
	bool trust;
	enum fl_action action;
	enum fl_block_response response;
};
struct fl__ruleset {
	const struct fl_cfg_association *assoc; /* NULL: clients without one */
	struct fl__rule *v;
	size_t n;
};
/* Networks of one family and length, sorted by address. v4 stands in the first four octets. */
struct fl__network {
	uint8_t addr[16];
	uint8_t prefix;
	uint32_t ruleset;
};
struct fl__networks {
	struct fl__network *v; /* longest first, then by address */
	size_t n;
	/* where each length begins and ends */
	struct {
		uint8_t prefix;
		size_t from, to;
	} *run;
	size_t n_runs;
};
struct fl_policy {
	const struct fl_config *cfg;
	struct fl_arena arena;
	const char **lists;
	size_t n_lists;
	struct fl__ruleset *sets; /* n_associations, and one for clients without */
	size_t n_sets;
	struct fl__networks net[2]; /* v4, v6 */
};

/** The rules that a client meets. */
const struct fl__ruleset *fl__policy_ruleset(const struct fl_policy *p, const struct fl_client *client);
/** Does the rule's q_type filter let this type through? */
static inline bool fl__rule_fits(const struct fl__rule *r, uint16_t qtype)
{
	if (!r->cfg || r->cfg->n_q_types == 0)
		return true;
	for (size_t i = 0; i < r->cfg->n_q_types; i++)
		if (r->cfg->q_types[i] == qtype)
			return true;
	return false;
}
