/* unbound (unbound.conf(5), local-zone and local-data): the nearest local-zone decides.
 *
 *   always_nxdomain      x and below                always_transparent   an exception for x and below
 *   transparent, with local-data of a type that nobody asks for          x alone: no data for x, what is below is resolved
 *
 * No zone type speaks for what is below alone. A subdomains entry blocks its apex too, and an exception for a name alone frees what is below: an entry's own claim
 * stays, and its subtree is never blocked because of an exact name. */
#include "publisher/export_int.h"

#include <stdio.h>

void fl__unbound_head(struct fl_buf *out, const struct fl_list_version *v)
{
	(void)v;
	fl_buf_str(out, "server:\n");
}

static void zone(struct fl__out *o, const struct fl__node *n, const char *type)
{
	char after[40];

	snprintf(after, sizeof(after), "%s\" %s", n->key.n ? "." : "", type); /* the root's text is a dot already */
	fl__rule(o, n->key, "local-zone: \"", after);
}

uint8_t fl__unbound_node(struct fl__out *o, struct fl__node *n)
{
	switch (n->want) {
	case FL__SELF:
		zone(o, n, "transparent");
		fl__rule(o, n->key, "local-data: '", ". 30 IN TXT \"blocked\"'");
		return FL__SELF;
	case FL__BELOW:
		n->why = n->inherited ? FL_LOST_EXCEPTION_BELOW : FL_LOST_APEX;
		zone(o, n, n->inherited ? "always_transparent" : "always_nxdomain");
		return n->inherited ? 0 : FL__BOTH;
	default:
		zone(o, n, n->want ? "always_nxdomain" : "always_transparent");
		return n->want;
	}
}
