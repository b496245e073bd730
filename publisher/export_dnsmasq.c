/* dnsmasq (its manual, --local, --server and --address): the most specific domain decides.
 *
 *   local=/x/       x and below: NXDOMAIN            server=/x/#      x and below: the standard servers, an exception
 *   local=/ *.x/    what is below x only             server=/ *.x/#   the same for exceptions     (without the blank; since 2.86)
 *
 * x before *.x: the manual gives the form without a star priority, so each pair of verdicts can be said. All names are address=/#/#, the null address: a
 * local=/#/ is taken and does nothing. */
#include "publisher/export_int.h"

static void line(struct fl__out *o, struct fl_span key, bool below_only, bool block)
{
	const char *before = block ? below_only ? "local=/*." : "local=/" : below_only ? "server=/*." : "server=/";

	fl__rule(o, key, before, block ? "/" : "/#");
}

uint8_t fl__dnsmasq_node(struct fl__out *o, struct fl__node *n)
{
	bool self = n->want & FL__SELF, below = n->want & FL__BELOW;

	if (n->key.n == 0) {
		fl_buf_str(o->buf, "address=/#/#\n");
		o->rules++;
		return n->want;
	}
	if (self == below || self != (n->inherited != 0)) {
		line(o, n->key, false, self); /* speaks for below too */
		if (self != below)
			line(o, n->key, true, below);
	} else {
		line(o, n->key, true, below);
	}
	return n->want;
}
