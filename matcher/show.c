/* A compiled policy, as people look at it: the order that the clients of an association meet. */
#include "matcher/network.h"

#include "base/address.h"

const struct fl_config *fl_view_config(const struct fl_view *v)
{
	return v->policy->cfg;
}

size_t fl_view_set_of(const struct fl_view *v, const struct fl_client *client)
{
	return (size_t)(fl__policy_ruleset(v->policy, client) - v->policy->sets);
}

size_t fl_view_order(const struct fl_view *v, size_t set, struct fl_policy_row *rows, size_t cap)
{
	const struct fl__ruleset *s = &v->policy->sets[set];
	const struct fl_image_list *lists;

	fl_image_lists(v->image, &lists);
	for (size_t i = 0; i < s->n && i < cap; i++) {
		const struct fl__rule *r = &s->v[i];
		int at = v->list_index[r->list];

		rows[i] = (struct fl_policy_row){ .band = r->band, .rule_group = r->group, .rule = r->cfg, .list = v->policy->lists[r->list], .action = r->action,
						  .response = r->action == FL_ACTION_BLOCK ? r->response : FL_BLOCK_NONE, .held = at >= 0,
						  .list_version = at >= 0 ? lists[at].id.number : 0, .list_names = at >= 0 ? lists[at].names : 0 };
	}
	return s->n;
}

bool fl_view_network(const struct fl_view *v, const struct fl_client *client, struct fl_cfg_network *out)
{
	const struct fl__network *n;
	uint8_t addr[16] = { 0 };
	bool v6 = client->v6;

	memcpy(addr, client->addr, v6 ? 16 : 4);
	fl__address_unmap(&v6, addr, NULL);
	n = fl__networks_match(&v->policy->net[v6], addr);
	if (!n)
		return false;
	*out = (struct fl_cfg_network){ .v6 = v6, .prefix = n->prefix };
	memcpy(out->addr, n->addr, 16);
	return true;
}
