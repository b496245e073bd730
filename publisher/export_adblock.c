/* adblock, the DNS subset (AdGuard, DNS filtering syntax):  ||x^ subtree, |x^ exact, ||*.x^ subdomains; @@ makes an exception.
 *
 * Nearness means nothing there: an exception wins at any depth. What a list says by the nearest entry is said by precedence instead, one step above the rule that
 * would else decide; steps alternate between block and exception, as nested entries do:
 *
 *   0 block  <  1 @@ exception  <  2 block$important  <  3 @@ exception$important      deeper nesting cannot be said */
#include "publisher/export_int.h"

#include <stdio.h>

enum { LEVEL_TOP = 3 };

void fl__adblock_head(struct fl_buf *out, const struct fl_list_version *v)
{
	fl_buf_printf(out, "! Title: %s\n! Version: %llu\n", v->list, (unsigned long long)v->id.number);
}

uint8_t fl__adblock_node(struct fl__out *o, struct fl__node *n)
{
	static const char *const patterns[] = { [FL__SELF] = "|", [FL__BELOW] = "||*.", [FL__BOTH] = "||" };
	uint8_t change = n->want ^ n->inherited;
	int8_t level = (int8_t)(n->level + 1);
	char before[8];

	n->why = n->key.n == 0 ? FL_LOST_ROOT : FL_LOST_NESTING;
	if (n->key.n == 0 || level > LEVEL_TOP)
		return n->inherited;
	snprintf(before, sizeof(before), "%s%s", level & 1 ? "@@" : "", patterns[change]);
	fl__rule(o, n->key, before, level >= 2 ? "^$important" : "^");
	if (change & FL__BELOW)
		n->level = level;
	return n->want;
}
