/* Formats that are lists of names: no exceptions.
 *
 *   domains   x        exact           *.x   subdomains; a subtree is both lines (as AWS and fireline's own reader have it)
 *   hosts     0.0.0.0 x  and  :: x     exact; two lines, since an address of one family alone lets questions for the other through (hosts(5)) */
#include "publisher/export_int.h"

uint8_t fl__domains_node(struct fl__out *o, struct fl__node *n)
{
	uint8_t said = n->want | n->inherited, new = said & (uint8_t)~n->inherited;

	n->why = FL_LOST_EXCEPTION;
	if (n->key.n == 0 && new) {
		fl_buf_str(o->buf, "*\n");
		o->rules++;
		return said;
	}
	if (new & FL__SELF)
		fl__rule(o, n->key, "", "");
	if (new & FL__BELOW)
		fl__rule(o, n->key, "*.", "");
	return said;
}

/* Names that a hosts file has for the machine itself: readers of lists pass over them, and a system would miss them. */
static bool own_name(struct fl_span key)
{
	static const char *const names[] = { "localhost", "localdomain\0localhost", "local", "broadcasthost" };
	static const size_t octets[] = { 10, 22, 6, 14 };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (fl_span_eq(key, fl_span(names[i], octets[i])))
			return true;
	return key.n > 4 && memcmp(key.p, "ip6-", 4) == 0 && memchr(key.p, 0, key.n) == key.p + key.n - 1;
}

uint8_t fl__hosts_node(struct fl__out *o, struct fl__node *n)
{
	n->why = n->key.n == 0 ? FL_LOST_ROOT : own_name(n->key) ? FL_LOST_RESERVED : FL_LOST_BELOW;
	if (n->why != FL_LOST_BELOW || !(n->want & FL__SELF))
		return 0;
	fl__rule(o, n->key, "0.0.0.0 ", "");
	fl__rule(o, n->key, ":: ", "");
	return FL__SELF;
}
